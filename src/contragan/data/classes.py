"""Which classes are used, and what they are called."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from contragan.core.errors import UserError
from contragan.core.words import shortened


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


def canonical_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Names in Unicode's form NFC; UserError where two become one."""
    found = tuple(unicodedata.normalize("NFC", str(name)) for name in names)
    twice = [name for name, count in Counter(found).items() if count > 1]
    if twice:
        raise UserError(
            f"{where} has two classes called {shortened(twice)} (perhaps in two Unicode forms): "
            "merge or rename them"
        )
    return found


def check_classes(trained: Sequence[str], found: Sequence[str]) -> None:
    """Raises UserError where data lacks the classes of a run, or has them in another order."""
    own = canonical_names(trained, "the run")
    there = canonical_names(found, "the data")
    if own == there:
        return
    missing = [name for name in own if name not in there]
    new = [name for name in there if name not in own]
    told = [
        f"{what} {shortened(names, 4)}"
        for what, names in (("lacks", missing), ("adds", new))
        if names
    ]
    problem = " and ".join(told) if told else f"has them in another order ({shortened(there, 4)})"
    raise UserError(
        f"the run was trained on {len(own)} classes ({shortened(own, 4)}), but the data {problem}: "
        "give the data that the run began with as --data"
    )
