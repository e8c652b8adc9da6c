"""One page per study for people: what was asked, how it was made, what came out, and pictures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from contragan.core.errors import UserError
from contragan.core.files import whole, write_text
from contragan.studies import render, table
from contragan.studies.catalog import study_names
from contragan.studies.record import default_folder, pool_of
from contragan.studies.results import Results

if TYPE_CHECKING:
    from PIL import Image

WIDTH, HEADING, GAP = 1440, 28, 16

MOST_ABREAST = 3
"""Pictures beside each other."""


@dataclass(frozen=True)
class SampleGrid:
    """A run's last grid of samples, and which cell's it is."""

    title: str
    file: Path


def write_page(results: Results, out: Path, to: Path) -> list[Path]:
    """Write ``to``, the CSV of its runs beside it, and pictures.

    A sheet of samples where runs have any, and Figure 3 with its numbers where they logged signals.

    Raises:
        UserError: no run is done yet, ``to`` does not end in .md, or it cannot be written.
    """
    if to.suffix != ".md":
        raise UserError(f"--to {to}: give a name that ends in .md")
    if not results.done:
        raise UserError(f"no run of {results.record.title} is done: see contragan study status")
    written = [to, to.with_suffix(".csv")]
    write_text(written[1], render.to_csv(results))
    picture = None
    if grids := sample_grids(results, out):
        picture = to.with_suffix(".jpg")
        with whole(picture) as temporary, temporary.open("wb") as file:
            side_by_side(grids).save(file, format="JPEG", quality=88)
        written.append(picture)
    stability: list[str] = []
    if runs := runs_with_signals(results, out):
        written += [to.with_name(f"{to.stem}-stability{suffix}") for suffix in (".png", ".csv")]
        stability = draw_figure(runs, *written[-2:])
    text = page(results, written[1].name, None if picture is None else picture.name)
    write_text(to, text + "".join(f"{line}\n" for line in stability))
    return written


def page(results: Results, data: str, picture: str | None) -> str:
    """The page's Markdown; ``data`` and ``picture`` are files beside it."""
    record, scale = results.record, results.record.study.scales[results.record.scale]
    name = record.name if record.name in study_names() else f"{record.name}.yaml"
    command = ["contragan", "study", "run", name, "--scale", record.scale]
    if record.seeds != scale.seeds:
        command += ["--seeds", str(record.seeds)]
    for kind in sorted({run.data for run in record.runs} & record.data.keys()):
        command += ["--data", f"{kind}=DATA"]
    seeds = sorted({run.run.seed for run in results.done})
    source = f" ({record.study.paper})" if record.study.paper else ""
    body = render.to_markdown(results).split("\n", 1)
    lines = [
        body[0],
        "",
        f"{record.study.question}{source}",
        "",
        f"    {shlex.join(command)}",
        f"    contragan study table {default_folder(record.name, record.scale).as_posix()}",
        "",
        f"Seeds {', '.join(map(str, seeds))}. Every run's scores: [{data}]({data}).",
        body[1].rstrip("\n"),
    ]
    if picture is not None:
        lines += ["", "## Pictures", "", f"![the last samples of each cell]({picture})", ""]
        lines.append("The last samples of each cell's first seed, one row per class asked for.")
    return "\n".join(lines) + "\n"


def sample_grids(results: Results, out: Path) -> list[SampleGrid]:
    """The last samples of the first run of each cell that is done and has any."""
    pool = pool_of(results.record, out)
    found = []
    for cell in results.cells:
        for run in cell.runs:
            files = sorted((pool / run.run.name / "samples").glob("step-*.png"))
            if run.done and files:
                title = f"{table.label(results, cell)}, seed {run.run.seed}"
                found.append(SampleGrid(title, files[-1]))
                break
    return found


def runs_with_signals(results: Results, out: Path) -> dict[str, Path]:
    """The first run of each cell that is done and logged signals of stability, by its title."""
    pool = pool_of(results.record, out)
    found = {}
    for cell in results.cells:
        logs = [pool / run.run.name / "metrics.jsonl" for run in cell.runs if run.done]
        logs = [log for log in logs if log.is_file() and b'"stability/' in log.read_bytes()]
        if logs:
            found[table.label(results, cell)] = logs[0].parent
    return found


def draw_figure(runs: Mapping[str, Path], picture: Path, numbers: Path) -> list[str]:
    """Draw Figure 3 of the runs, write its numbers, and return the page's lines on it."""
    from contragan.analysis.figures import save_csv, save_figure
    from contragan.analysis.stability import CSV_HEADER, draw_stability, read_stability

    read = read_stability(list(runs.values()))
    curves = [replace(run, title=title) for run, title in zip(read, runs, strict=True)]
    save_figure(draw_stability(curves), picture)
    save_csv(CSV_HEADER, (row for run in curves for row in run.rows()), numbers)
    return [
        "",
        "## Stability",
        "",
        f"![accuracies of D, distances and singular values over training]({picture.name})",
        "",
        *(f"- {run.summary()}" for run in curves),
        "",
        f"The first seed of each cell; the numbers: [{numbers.name}]({numbers.name}).",
    ]


def side_by_side(grids: Sequence[SampleGrid]) -> Image.Image:
    """The grids beside each other with their titles, as large as fits a page."""
    from PIL import Image, ImageDraw, ImageFont

    from contragan.core.fonts import font_for

    abreast = min(len(grids), 2 if len(grids) in {2, 4} else MOST_ABREAST)
    width = (WIDTH - GAP * (abreast - 1)) // abreast
    pictures = []
    for grid in grids:
        with Image.open(grid.file) as picture:
            scale = min(width / picture.width, 2.0)
            size = (round(picture.width * scale), round(picture.height * scale))
            pictures.append(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    rows = [range(i, min(i + abreast, len(grids))) for i in range(0, len(grids), abreast)]
    heights = [HEADING + max(pictures[i].height for i in row) + GAP for row in rows]
    sheet = Image.new("RGB", (width * abreast + GAP * (abreast - 1), sum(heights)), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for row, height in zip(rows, heights, strict=True):
        for place, index in enumerate(row):
            left, title = place * (width + GAP), grids[index].title
            font = font_for(title, 18) or ImageFont.load_default(size=18)
            draw.text((left + 4, top + 4), title, (32, 32, 32), font=font)
            sheet.paste(pictures[index], (left, top + HEADING))
        top += height
    return sheet
