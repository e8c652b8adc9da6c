"""Scales that studies share: named in a study's file, defined once in the package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from contragan.core.errors import UserError
from contragan.recipes.catalog import nearest
from contragan.recipes.reading import parse_yaml

BASE = "base"


def with_scales(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """A study's raw settings with the packaged scales that it names written out.

    ``scales: [full, tiny]`` takes packaged scales as they are. In a mapping, ``tiny: {base: tiny,
    settings: ...}`` starts from one: what is given replaces its note and its number of seeds, and
    settings come after its own.

    Raises:
        UserError: there is no such packaged scale, or a changed one has no note of its own.
    """
    scales = raw.get("scales")
    if isinstance(scales, list):
        scales = {name: {BASE: name} for name in scales if isinstance(name, str)} or scales
    if not isinstance(scales, dict):
        return raw
    return {**raw, "scales": {name: _written_out(scale, where) for name, scale in scales.items()}}


def _written_out(scale: Any, where: str) -> Any:
    if not isinstance(scale, dict) or BASE not in scale:
        return scale
    name = str(scale[BASE])
    if name not in packaged_scales():
        raise UserError(
            f"{where}: there is no packaged scale '{name}'{nearest(name, list(packaged_scales()))}"
        )
    base = packaged_scales()[name]
    own = {key: value for key, value in scale.items() if key != BASE}
    more = own.get("settings")
    if not isinstance(more, dict):
        return {**base, **own}
    if "note" not in own:
        raise UserError(
            f"{where}: a scale with settings of its own beside those of '{name}' needs a note "
            "that says what it reduces"
        )
    settings = {key: list(values) for key, values in base["settings"].items()}
    for key, values in more.items():
        settings[key] = [*settings.get(key, []), *values] if isinstance(values, list) else values
    return {**base, **own, "settings": settings}


@cache
def packaged_scales() -> dict[str, Any]:
    """The scales that come with the package, by name."""
    file = resources.files("contragan").joinpath("studies", "_shared", "scales.yaml")
    scales: dict[str, Any] = parse_yaml(file.read_text(encoding="utf-8"), "the packaged scales")
    return scales
