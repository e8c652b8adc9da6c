"""A model and what the page does with it: pictures, commands, neighbours."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from PIL.Image import Image

from contragan.core.errors import UserError
from contragan.core.pair_pictures import draw_pairs
from contragan.core.pictures import save_image
from contragan.explore.neighbours import MEASURED, TrainingImages
from contragan.explore.shown import Asked, Shown, command, draw, fitted
from contragan.explore.verdict import newest_verdict
from contragan.runs.between import Between
from contragan.runs.model import Model

VIEWS: dict[str, Between | None] = {
    "Samples": None,
    "Mix two classes": "classes",
    "Interpolate": "latents",
}

FIRST_CLASSES, FIRST_COLUMNS, FIRST_SECONDS = 10, 8, 1.0
"""Classes and images of each that are shown at first, and about how long drawing them may take."""


class Explorer:
    """A model and what the page does with it; one thing at a time, however many pages are open."""

    def __init__(self, model: Model, data: Path | None, folder: Path, device: str) -> None:
        self.model, self.folder, self.device = model, folder, device
        self.training = TrainingImages(model.run, data)
        self.verdict = newest_verdict(model.run.path)
        self._lock = threading.Lock()
        self._count = 0

    @property
    def is_conditional(self) -> bool:
        return self.model.run.recipe.generator.conditional

    @property
    def names(self) -> list[tuple[str, int]]:
        """The classes: names and indices."""
        return [(name, index) for index, name in enumerate(self.model.class_names)]

    @property
    def has_classes(self) -> bool:
        """Whether there are several classes, which the generator tells apart."""
        return self.is_conditional and len(self.model.class_names) > 1

    def first(self) -> Asked:
        """What the page shows when it opens: as many images as are drawn in a second."""
        classes = range(len(self.model.class_names))[:FIRST_CLASSES]
        asked = Asked(tuple(classes) if self.is_conditional else (0,), 1)
        draw(self.model, replace(asked, classes=asked.classes[:1]))  # the first is slower
        start = time.perf_counter()
        draw(self.model, asked)
        columns = int(FIRST_SECONDS / max(time.perf_counter() - start, 1e-9))
        return replace(asked, columns=max(1, min(FIRST_COLUMNS, columns)))

    def asked(
        self,
        view: str,
        classes: list[int],
        first: int,
        last: int,
        columns: int,
        rows: int,
        truncation: float,
        seed: int | None,
    ) -> Asked:
        """What the page's controls say; a truncation of 0 means none."""
        between = VIEWS[view]
        chosen = tuple(sorted(classes)) if self.is_conditional else (0,)
        return Asked(
            (first, last) if between == "classes" else chosen,
            int(columns),
            1 if between is None else int(rows),
            between,
            0 if seed is None else int(seed),
            truncation or None,
        )

    def show(self, *controls: Any) -> tuple[Path | None, str, str]:
        """The picture's file, the command that repeats it, and what there is to say of it."""
        try:
            with self._lock:
                shown, line = self._draw(self.asked(*controls))
                path = self._save(shown.picture, shown.asked.file_name)
        except UserError as error:
            return None, "", said(str(error))
        repeated = command(self.model, shown.asked, self.device)
        return path, repeated, said(*([line] if line else []))

    def neighbours(self, progress: Any, *controls: Any) -> tuple[Path | None, str]:
        """A picture of the nearest training images, and a line on it."""
        try:
            with self._lock:
                shown, _ = self._draw(self.asked(*controls))
                pairs = self.training.nearest(shown.images, shown.names, progress)
                picture = draw_pairs(pairs, MEASURED).image()
                path = self._save(picture, "neighbours.png")
        except UserError as error:
            return None, said(f"No training images to compare with: {error}")
        count = len(pairs.generated)
        which = "" if count == shown.asked.count else f"The {count} nearest of {shown.asked.count}."
        return path, said(*filter(None, [which, *self.training.notes]))

    def _draw(self, asked: Asked) -> tuple[Shown, str | None]:
        kept, line = fitted(asked)
        return draw(self.model, kept), line

    def _save(self, picture: Image, name: str) -> Path:
        self._count += 1
        path = self.folder / str(self._count) / name
        path.parent.mkdir()
        save_image(picture, path)
        return path


def said(*lines: str) -> str:
    """Lines as HTML in which nothing is markup."""
    return "".join(f'<p class="said"><bdi dir="auto">{escape(line)}</bdi></p>' for line in lines)
