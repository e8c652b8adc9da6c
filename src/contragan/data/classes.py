"""Which classes are used, and what they are called."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from contragan.core.errors import UserError


def select_classes(
    wanted: Sequence[str] | None, keys: Sequence[str], names: Sequence[str], where: str
) -> list[int]:
    """Indices of the ``wanted`` classes in their order, or of all.

    A class is wanted by its key (a folder name) or its readable name.

    Raises:
        UserError: an unknown class, with the nearest names.
    """
    if wanted is None:
        chosen = list(range(len(keys)))
    else:
        known = {name.casefold(): index for index, name in enumerate(names)}
        known |= {key.casefold(): index for index, key in enumerate(keys)}
        chosen = [_find(name, known, names, where) for name in wanted]
        if len(set(chosen)) < len(chosen):
            raise UserError(f"data.classes names a class twice: {', '.join(wanted)}")
    return chosen


def _find(name: str, known: dict[str, int], names: Sequence[str], where: str) -> int:
    if name.casefold() in known:
        return known[name.casefold()]
    near = difflib.get_close_matches(name.casefold(), list(known), n=3, cutoff=0.5)
    if near:
        hint = "nearest: " + ", ".join(dict.fromkeys(names[known[match]] for match in near))
    else:
        hint = "it has " + ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    raise UserError(f"no class '{name}' in {where} ({hint})")


def readable_names(wnids: Sequence[str], *lists: Path) -> list[str]:
    """Names of WordNet ids, from the first of ``lists`` that exists, else the ids themselves.

    A list's lines are an id, a tab or space, and words separated by commas; the first is taken.
    Where two classes would have the same name, the id is added.
    """
    words: dict[str, str] = {}
    for path in lists:
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                wnid, _, text = line.strip().replace("\t", " ").partition(" ")
                words[wnid] = text.split(",")[0].strip()
            break
    names = [words.get(wnid) or wnid for wnid in wnids]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name} ({wnid})"
        for name, wnid in zip(names, wnids, strict=True)
    ]
