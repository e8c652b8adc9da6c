"""Paths between images as a moving picture: GIF by Pillow, MP4 by imageio-ffmpeg."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from contragan.analysis.interpolation import Interpolation
from contragan.core.errors import UserError
from contragan.core.files import check_writable, whole
from contragan.core.pictures import labelled_grid

MOVING = (".gif", ".mp4")

MILLISECONDS = 80
"""How long a frame of the moving picture stands."""


def check_moving_file(path: Path) -> None:
    """Raises UserError where a moving picture cannot be written to this file."""
    if path.suffix.lower() == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise UserError(
            f"--out {path}: MP4 needs imageio-ffmpeg: `pip install 'contragan[mp4]'`, or write .gif"
        )
    check_writable(path.parent, "--out in")


def frames(interpolation: Interpolation) -> list[Image.Image]:
    """One picture for each step, with all paths below each other; there and back, without a jump.

    Raises:
        UserError: a frame would be too large.
    """
    parts = interpolation.parts
    rows = np.concatenate([part.images for part in parts])
    names = tuple(name for part in parts for name in part.row_names)
    places = torch.arange(len(names))
    there = [
        labelled_grid(torch.from_numpy(rows[:, step].copy()), places, names, scale=_scale(rows))
        for step in range(rows.shape[1])
    ]
    return there + there[-2:0:-1]


def _scale(rows: np.ndarray) -> int:
    """The factor by which images are enlarged, to about 64 pixels."""
    return max(1, 64 // int(max(rows.shape[-2:])))


def save_moving(interpolation: Interpolation, path: Path) -> None:
    """Write a GIF that goes on for ever, or an MP4, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    pictures = frames(interpolation)
    with whole(path) as temporary:
        if path.suffix.lower() == ".gif":
            first, *rest = (picture.quantize(256) for picture in pictures)
            first.save(
                temporary,
                format="GIF",
                save_all=True,
                append_images=rest,
                duration=MILLISECONDS,
                loop=0,
            )
        else:
            _write_mp4(pictures, temporary)


def _write_mp4(pictures: list[Image.Image], path: Path) -> None:
    import imageio_ffmpeg

    width, height = (side - side % 2 for side in pictures[0].size)  # the encoder takes even sides
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=1000 / MILLISECONDS,
        macro_block_size=1,
        quality=8,
        output_params=["-f", "mp4"],  # the temporary file's name does not say so
    )
    writer.send(None)
    for picture in pictures:
        writer.send(np.ascontiguousarray(np.asarray(picture)[:height, :width]))
    writer.close()
