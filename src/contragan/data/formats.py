"""Which files are images: those whose suffix a decoder of this machine reads."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from functools import cache
from typing import IO

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import StubImageFile

NO_PIXELS = frozenset({"EPS", "MPEG"})
"""Formats that Pillow recognises, but that need another program for pixels, or hold a film."""

EIGHT_BIT = frozenset({"JPEG", "MPO", "GIF", "BMP", "DIB", "WEBP", "AVIF", "HEIF", "ICO"})
"""Formats whose values are at most 8 bits, or that their decoder brings to 8 bits."""

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
"""What stands after "ftyp" in the heads of such files (ISO/IEC 23008-12)."""

PICTURES = HEIF_SUFFIXES | {
    ".3fr",
    ".arw",
    ".cr2",
    ".cr3",
    ".crw",
    ".czi",
    ".dcm",
    ".dicom",
    ".dng",
    ".eps",
    ".jxl",
    ".lif",
    ".mrw",
    ".nd2",
    ".nef",
    ".nii",
    ".nrw",
    ".orf",
    ".pef",
    ".psb",
    ".raf",
    ".raw",
    ".rw2",
    ".srw",
    ".svg",
    ".svs",
    ".vsi",
    ".x3f",
    ".xcf",
}
"""Suffixes of pictures that are not read, or only with a plug-in: passing them over loses some."""

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""An image of more is refused: a small file may unpack to more memory than there is."""

# Pillow warns of images of half as many pixels, which are read.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# And of damaged EXIF and other facts beside the pixels, which are passed over.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@cache
def image_suffixes() -> dict[str, str]:
    """Suffixes in lower case with their formats, as Pillow and its plug-ins register them.

    HEIC is read where the package pillow-heif is installed.
    """
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        pass
    else:
        register_heif_opener()
    Image.init()
    return {
        suffix.lower(): name
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in NO_PIXELS and not _is_stub(name)
    }


def is_heif(content: bytes) -> bool:
    """Whether a file's bytes begin as HEIC does, whatever the file is called."""
    return content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS


def _is_stub(name: str) -> bool:
    factory = Image.OPEN[name][0]
    return isinstance(factory, type) and issubclass(factory, StubImageFile)


def suffix_of(name: str) -> str:
    """The suffix of a file's name in lower case, with its dot; empty where there is none."""
    return os.path.splitext(name)[1].lower()


def is_image_name(name: str) -> bool:
    """Whether a file's name says that it is an image that can be read."""
    return suffix_of(name) in image_suffixes()


def may_be_deep(name: str) -> bool:
    """Whether files of this name's format can hold more than 8 bits for each value."""
    return image_suffixes().get(suffix_of(name)) not in {None, *EIGHT_BIT}


def open_image(file: IO[bytes], name: str) -> Image.Image:
    """Open an image, first as what the suffix of its ``name`` says: Pillow knows 40 formats."""
    likely = image_suffixes().get(suffix_of(name))
    if likely is not None:
        try:
            return Image.open(file, formats=[likely])
        except UnidentifiedImageError:
            file.seek(0)
    return Image.open(file)


class LeftOut:
    """Counts files that are passed over, by kind, and says so in one line."""

    def __init__(self) -> None:
        self.unread: Counter[str] = Counter()
        self.hidden = 0
        self.beside_classes = 0

    def file(self, name: str) -> None:
        """Count a file that is not taken for an image."""
        if name.startswith("._") and is_image_name(name):
            self.unread["._*"] += 1  # what macOS knows about a picture of that name
        elif name.startswith(".") or name.lower() in SYSTEM_FILES:
            self.hidden += is_image_name(name)
        else:
            self.unread[suffix_of(name) or "without a suffix"] += 1

    def add(self, other: LeftOut) -> None:
        """Count what another has counted too."""
        self.unread += other.unread
        self.hidden += other.hidden
        self.beside_classes += other.beside_classes

    def line(self, where: object) -> str | None:
        """What was left out of ``where``; None where nothing was."""
        parts = []
        if self.unread:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.unread.most_common(6))
            more = ", ..." if len(self.unread) > 6 else ""
            files = _count(self.unread.total(), "file")
            parts.append(f"{files} not of an image format this machine reads ({kinds}{more})")
        if self.hidden:
            parts.append(_count(self.hidden, "hidden image"))
        if self.beside_classes:
            parts.append(f"{_count(self.beside_classes, 'image')} beside the class folders")
        if not parts:
            return None
        return f"left out of {where}: {'; '.join(parts)}{self._remedy()}"

    def _remedy(self) -> str:
        if HEIF_SUFFIXES.isdisjoint(self.unread):
            return ""
        return "; to read HEIC: pip install pillow-heif"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
