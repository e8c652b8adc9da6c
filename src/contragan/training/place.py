"""Where a run is written that is told no folder: its name says what it was made with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from contragan.recipes.catalog import short_name

LONGEST = 80
"""Characters of the settings in a folder's name; file systems take 255 bytes for all of it."""


def default_folder(recipe: str, seed: int, overrides: Sequence[str] = ()) -> Path:
    """``runs/RECIPE/SEED``, with the settings that were changed behind the recipe's name.

    The last of several values for one setting counts, as it does for the recipe.

    >>> default_folder("digits/contragan", 0).as_posix()
    'runs/digits/contragan/0'
    >>> default_folder("digits/contragan", 0, ["training.batch_size=16"]).as_posix()
    'runs/digits/contragan+batch_size=16/0'
    """
    return Path("runs") / (short_name(recipe) + settings_in_name(overrides)) / str(seed)


def settings_in_name(overrides: Sequence[str]) -> str:
    """The settings as part of a file's name: empty for none, of bounded length, always the same.

    What is cut off, or written otherwise for the sake of file systems, is replaced by a digest.
    """
    if not overrides:
        return ""
    values = dict(_key_and_value(override) for override in overrides)
    whole = "".join(f"+{key}={value}" for key, value in sorted(values.items()))
    text = "".join(f"+{_short(key, values)}={value}" for key, value in sorted(values.items()))
    safe = re.sub(r"[^\w.=+,-]+", "-", text, flags=re.ASCII).rstrip(".-")
    if safe == text and len(safe) <= LONGEST:
        return safe
    digest = hashlib.sha256(whole.encode()).hexdigest()[:6]
    return f"{safe[:LONGEST].rstrip('.-+=')}-{digest}"


def _key_and_value(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.strip(), value.strip()


def _short(key: str, others: dict[str, str]) -> str:
    """The end of a setting's path that no other one ends with; the kind of something is two."""
    parts = key.split(".")
    for count in range(1, len(parts)):
        end = ".".join(parts[-count:])
        if end != "kind" and sum(f".{other}".endswith(f".{end}") for other in others) == 1:
            return end
    return key
