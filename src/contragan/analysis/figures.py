"""What all kinds of figures share: names of runs, and files that appear whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contragan.core.errors import UserError
from contragan.core.files import check_writable, whole, write_text
from contragan.core.fonts import font_path, legible
from contragan.recipes.catalog import name_beside_seed
from contragan.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend
    from matplotlib.text import Text

    from contragan.runs.model import Model

FORMATS = (".png", ".svg", ".pdf")
DPI = 144  # two pixels to a point, so that pictures made of pixels stay sharp


def check_figure_file(path: Path, others: Sequence[str] = ()) -> None:
    """Raises UserError where a figure cannot be written to this file.

    ``others`` are formats that are written otherwise, for the message.
    """
    if path.suffix.lower() not in FORMATS:
        formats = ", ".join([*FORMATS, *others])
        raise UserError(f"--out {path}: a figure is written as {formats}; name it so")
    check_writable(path.parent, "--out in")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, in the format that the file's name says."""
    with whole(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=DPI)


def save_csv(header: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> None:
    """Write the numbers behind a figure as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def run_titles(runs: Sequence[Run]) -> list[str]:
    """A title for each run: its recipe and seed, and its folder where that names several."""
    titles = [f"{name_beside_seed(run.name, run.seed)}, seed {run.seed}" for run in runs]
    return [
        f"{title} ({run.path})" if titles.count(title) > 1 else title
        for title, run in zip(titles, runs, strict=True)
    ]


def model_titles(models: Sequence[Model]) -> list[str]:
    """A title for each loaded checkpoint: that of its run, and its iteration."""
    runs = {model.run.path.resolve(): model.run for model in models}
    titles = dict(zip(runs, run_titles(list(runs.values())), strict=True))
    return [
        f"{titles[model.run.path.resolve()]}, iteration {model.iteration:,}" for model in models
    ]


def as_written(text: Text) -> Text:
    """Show a name of somebody's as it is: no formulas, in a font that has its letters."""
    text.set_parse_math(False)
    path = font_path(text.get_text())
    if path is not None and not path.endswith("DejaVuSans.ttf"):
        properties = text.get_fontproperties().copy()
        properties.set_file(path)
        text.set_fontproperties(properties)
    return text


def name_ticks(axis: Axis, names: Sequence[str], **style: Any) -> None:
    """Class names at 0, 1, ... along an axis."""
    axis.set_ticks(
        range(len(names)), [legible(name, index) for index, name in enumerate(names)], **style
    )
    for label in axis.get_ticklabels():
        as_written(label)


def name_legend(
    place: Axes | Figure | SubFigure, handles: Sequence[Artist], names: Sequence[str], **style: Any
) -> Legend:
    """A legend of names, of which matplotlib would hide those that begin with an underscore."""
    legend: Legend = place.legend(list(handles), [str(i) for i in range(len(names))], **style)
    for index, (text, name) in enumerate(zip(legend.get_texts(), names, strict=True)):
        text.set_text(legible(name, index))
        as_written(text)
    return legend


def colours(count: int) -> list[tuple[float, float, float]]:
    """As many colours, which can be told apart up to 20."""
    from matplotlib import colormaps

    if count <= 20:
        names = colormaps["tab10" if count <= 10 else "tab20"]
        return [names(index)[:3] for index in range(count)]
    return [colormaps["turbo"](index / (count - 1))[:3] for index in range(count)]
