"""Fonts for class names in any script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from unicodedata import category

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font_for(text: str, size: int) -> Font | None:
    """A font that has all characters of ``text``, from this machine; None where none has."""
    path = _path_for(text)
    if path is not None:
        return ImageFont.truetype(path, size)
    return ImageFont.load_default(size=size) if text.isascii() else None


def font_path(text: str) -> str | None:
    """The file of the font that :func:`font_for` takes."""
    return _path_for(text)


@cache
def _path_for(text: str) -> str | None:
    # Spaces and joiners shape the text and have no picture.
    wanted = {ord(one) for one in text if category(one) not in {"Zs", "Cf", "Cc"}}
    return next((path for path in _paths() if wanted <= _characters(path)), None)


def _paths() -> Iterator[str]:
    """DejaVu Sans, which matplotlib brings along, then the fonts of the system."""
    import matplotlib

    yield str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))
    from matplotlib import font_manager  # looks through all fonts: only where one is missing

    fonts = font_manager.fontManager.ttflist
    # "Last Resort" has a box for every character there is.
    chosen = [
        font
        for font in fonts
        if font.style == "normal" and "lastresort" not in font.name.replace(" ", "").lower()
    ]
    chosen.sort(key=lambda font: abs(font.weight - 400) if isinstance(font.weight, int) else 0)
    yield from dict.fromkeys(font.fname for font in chosen if Path(font.fname).is_file())


@cache
def _characters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # a damaged font, or one of another kind
        return frozenset()


def legible(name: str, index: int) -> str:
    """A class's name, or "class" and its index where no font of this machine can write it."""
    return name if font_for(name, 12) is not None else f"class {index}"


def illegible(names: Iterable[str]) -> list[str]:
    """One line that names the classes that no font of this machine can write, if there are any."""
    missing = [name for name in dict.fromkeys(names) if font_for(name, 12) is None]
    if not missing:
        return []
    shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    return [
        f"no font here has the letters of {shown}: pictures show the index of such a class; "
        "a font that has them, such as Noto Sans CJK, is found once it is installed"
    ]
