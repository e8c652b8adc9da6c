"""Which classes, and in which shares: a user's words for what is drawn."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor

from contragan.core.errors import UserError


def resolve(
    classes: Sequence[str | int] | str | int | None, names: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Indices of classes given by name or index, and what else each number could have meant.

    A string that is a class's name means that class, and only else an index; an integer is always
    an index. None means all classes.

    Raises:
        UserError: a class that does not exist; names the nearest.
    """
    if classes is None:
        return list(range(len(names))), []
    if isinstance(classes, str | int):
        classes = [classes]
    if not classes:
        raise UserError("no class was named")
    found = []
    for name in classes:
        is_index = isinstance(name, int) and not isinstance(name, bool)
        if is_index and 0 <= int(name) < len(names):
            found.append(int(name))
        else:
            found.append(_index(str(name), names))
    pairs = dict.fromkeys(zip(classes, found, strict=True))
    remarks = [_also_means(name, index, names) for name, index in pairs]
    return found, [line for line in remarks if line]


def _also_means(name: str | int, index: int, names: Sequence[str]) -> str | None:
    """What else a number could have meant than the class with this index."""
    text = str(name)
    if isinstance(name, str) and names[index] == name:
        other = int(name) if name.isdecimal() and int(name) < len(names) else index
        if other == index:
            return None
        return f"{text} is the class of that name, not index {text}, which is '{names[other]}'"
    if text in names and names[index] != text:
        return f"{text} is the index of class '{names[index]}', not the class called '{text}'"
    return None


def _index(name: str, names: Sequence[str]) -> int:
    if name in names:
        return names.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        hint = f"did you mean '{close[0]}'?"
    else:
        shown = ", ".join(names[:12])
        hint = f"there are {shown}{', ...' if len(names) > 12 else ''}"
    raise UserError(f"there is no class '{name}': {hint} (or an index below {len(names)})")


def checked_labels(
    labels: Tensor, count: int, classes: int
) -> Int[Tensor, " N"] | Float[Tensor, "N K"]:
    """Labels of ``count`` images: indices, or weights of all classes.

    Raises:
        UserError: they are not as many, or of another shape or kind, or beyond the classes.
    """
    if len(labels) != count:
        raise UserError(f"there are {count} latents, but {len(labels)} labels: give one each")
    shape = tuple(labels.shape)
    if labels.ndim == 2 and labels.is_floating_point():
        if labels.shape[1] != classes or not bool(labels.isfinite().all()):
            raise UserError(
                f"soft labels of the shape {shape} must be finite weights of all {classes} "
                f"classes: (N, {classes})"
            )
        return labels.float()
    if labels.ndim != 1 or labels.is_floating_point():
        raise UserError(
            f"labels of the shape {shape} are {labels.dtype}: give indices (N,), or weights "
            f"(N, {classes}) in floating point"
        )
    if count and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise UserError(f"labels are indices of {classes} classes: 0 to {classes - 1}")
    return labels.long()
