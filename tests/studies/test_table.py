"""The table of a study: what it says, where it fits, and how fast it is."""

import csv
import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from generated_runs import SCORES, fill, fill_all, record_study, samples
from PIL import Image
from rich.console import Console

from contragan.core.errors import UserError
from contragan.studies import render, words
from contragan.studies.catalog import study_names
from contragan.studies.page import (
    GAP,
    HEADING,
    WIDTH,
    SampleGrid,
    sample_grids,
    side_by_side,
    write_page,
)
from contragan.studies.record import Record, RecordedRun
from contragan.studies.results import Results, read_results
from contragan.studies.state import failure_file


def by_seed(run: RecordedRun) -> dict[str, float]:
    return {**SCORES, "frechet_distance": 20.0 + run.seed}


def filled(out: Path, name: str, seeds: int | None = None) -> Results:
    record = record_study(out, name, seeds=seeds)
    fill_all(out, record, by_seed)
    return read_results(record, out)


def printed(results: Results, width: int = 80) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=True, color_system=None)
    render.show(results, console)
    return text.getvalue()


def line_of(text: str, *words: str) -> list[str]:
    """The cells of the Markdown row that starts with these words."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return next(row for row in rows if row and row[0].startswith(words))


def test_the_paper_s_layout(tmp_path: Path) -> None:
    text = render.to_markdown(filled(tmp_path / "study", "paper/table2"))
    assert line_of(text, "CIFAR10, DCGAN: published FID")[1:] == [
        "21.439 ± 0.581",
        "19.524 ± 0.249",
        "18.788 ± 0.571",
    ]
    assert line_of(text, "CIFAR10, ResGAN: ours, best")[1:] == ["21.00 ± 1.00 (3)"] * 3
    assert line_of(text, "CIFAR10, BigGAN: ours, last")[1:] == ["26.00 ± 1.00 (3)"] * 3
    assert "Tiny ImageNet, BigGAN" not in text  # at scale tiny it is left out
    row = line_of(text, "CIFAR10, BigGAN, ContraGAN")
    distances, shares = ["3", "21.00 ± 1.00", "90.00 ± 0.00"], ["0.500", "0.625", "0.750", "0.250"]
    assert row[1:] == [*distances, *(f"{share} ± 0.000" for share in shares)]


@pytest.mark.parametrize("name", study_names())
def test_every_study_fits_80_columns_and_names_its_scale(tmp_path: Path, name: str) -> None:
    results = filled(tmp_path / "study", name)
    text = printed(results)
    assert max(map(len, text.splitlines())) <= 80
    note = results.record.study.scales["tiny"].note
    assert f"Scale tiny: {note}" in " ".join(text.split())
    assert f"**Scale tiny: {note}.**" in render.to_markdown(results)
    assert json.loads(render.to_json(results))["scale_note"] == note
    rows = list(csv.DictReader(io.StringIO(render.to_csv(results))))
    assert {(row["scale"], row["scale_note"]) for row in rows} == {("tiny", note)}
    for cell in results.cells:
        assert cell.cell.column in text


def test_what_has_to_be_known_stands_below(tmp_path: Path) -> None:
    text = " ".join(printed(filled(tmp_path / "study", "paper/table3")).split())
    for part in (
        "published FID: protocol contragan-paper, best evaluation of a run",
        "published FID of CIFAR10, SNResGAN: protocol as the original paper [4] reports it",
        "CIFAR10, BigGAN: the BigGAN paper itself reports 14.73",
        "Ours and the published numbers are of different scales or protocols: compare their order",
        "our protocol: efficientnet-lite0 features in bfloat16, bicubic resize; 2,000 generated "
        "images (labels reference) against 10,000 of cifar10 test; averaged weights, running "
        "batch norm; classes by a linear probe fitted to 5,000 real images",
        "on real images of cifar10 the probe is right on 0.641",
        "made on: CPU (x86_64), 1 thread per run, bf16-mixed, Python 3.11.7, contragan 0.1.0, "
        "torch 2.14.1",
    ):
        assert part in text
    assert text.count("our protocol:") == 1


def test_table_4_has_parameters_and_seconds(tmp_path: Path) -> None:
    text = render.to_markdown(filled(tmp_path / "study", "paper/table4", seeds=1))
    row = line_of(text, "Tiny ImageNet: published M parameters")
    assert row[1:] == ["48.1"] * 4 + ["49.0"] * 5
    assert line_of(text, "Tiny ImageNet: published s/iteration")[1:4] == ["0.901", "1.093", "3.586"]
    assert line_of(text, "Tiny ImageNet: s/iteration")[1:] == ["0.250 (1)"] * 9
    assert line_of(text, "Tiny ImageNet: published FID")[3] == "34.090"
    beside = "- ours s/iteration: the median over a run's log, beside whatever else its machine did"
    assert beside in text
    assert "s/iteration" not in render.to_markdown(filled(tmp_path / "other", "paper/table3"))


def test_unfinished_runs_are_marked_and_not_counted(tmp_path: Path) -> None:
    out, pool = tmp_path / "study", tmp_path / "runs"
    record = record_study(out, "paper/table1")
    named = {(run.column, run.seed): run for run in record.runs}
    total = record.runs[0].total_iterations

    def run(column: str, seed: int) -> Path:
        return pool / named[column, seed].name

    for seed in (0, 1):
        fill(run("Eq. 7", seed), [(total, {**SCORES, "frechet_distance": 20.0 + 2 * seed})], total)
    fill(run("P-NCA", 0), [(total, SCORES)], total)  # stopped on its way: a better score so far
    (run("P-NCA", 0) / "checkpoints" / "last").write_text("step-0000100")
    for seed in range(3):
        failure_file(pool, named["NT-Xent", seed].name).write_text("ended with exit code 1: oh")
    results = read_results(record, out)
    text = render.to_markdown(results)
    assert line_of(text, "CIFAR10: ours, best")[1:] == [
        "missing",
        "1 stopped, 2 missing",
        "failed",
        "21.00 ± 1.41 (2 of 3)",
        "missing",
    ]
    assert line_of(text, "Eq. 7")[1] == "2 of 3"
    assert "- not in these numbers: 9 missing, 1 stopped, 3 failed" in text
    assert f"- failed {named['NT-Xent', 0].name}: ended with exit code 1: oh" in text
    assert "not measured: 2C below Eq. 7" in text


def test_csv_and_json_hold_every_runs_own_scores(tmp_path: Path) -> None:
    results = filled(tmp_path / "study", "class-confusion")
    rows = list(csv.DictReader(io.StringIO(render.to_csv(results))))
    assert len(rows) == 6 * 3 * len(SCORES)
    row = next(r for r in rows if r["column"] == "D2D-CE" and r["seed"] == "2")
    assert (row["score"], row["best"], row["last"]) == ("frechet_distance", "22", "27")
    assert (row["best_iteration"], row["last_iteration"]) == ("2000", "4000")
    published = {found.cell.column: found.cell.published for found in results.cells}
    assert None in published.values()
    for each in rows:
        known = published[each["column"]]
        assert each["published_fid"] == ("" if known is None else f"{known.fid:g}")
    cell = json.loads(render.to_json(results))["cells"][0]
    assert cell["ours"]["best"]["frechet_distance"] == {"mean": 21.0, "deviation": 1.0, "n": 3}
    assert cell["published"]["intra_class_fid"] == 119.63
    assert [run["best"]["scores"]["class_accuracy"] for run in cell["runs"]] == [0.5] * 3


def test_a_hundred_runs_in_under_two_seconds(tmp_path: Path) -> None:
    out = tmp_path / "study"
    record: Record = record_study(out, "paper/table1", seeds=20)
    for run in record.runs:
        total = run.total_iterations
        fill(tmp_path / "runs" / run.name, [(i, SCORES) for i in range(100, total + 1, 100)], total)
    assert len(record.runs) == 100
    start = time.process_time()
    results = read_results(record, out)
    printed(results)
    render.to_json(results)
    assert time.process_time() - start < 2
    assert len(results.done) == 100


def test_a_page_has_its_pictures_and_csv_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "study"
    results = filled(out, "class-confusion")
    for run in results.record.runs:
        samples(tmp_path / "runs" / run.name, 1000)
        samples(tmp_path / "runs" / run.name, 4000)
    assert [(grid.title, grid.file) for grid in sample_grids(results, out)] == [
        (f"{run.column}, seed 0", tmp_path / "runs" / run.name / "samples" / "step-0004000.png")
        for run in results.record.runs
        if run.seed == 0
    ]
    written = write_page(results, out, tmp_path / "page" / "confusion.md")
    assert [path.name for path in written] == ["confusion.md", "confusion.csv", "confusion.jpg"]
    text = written[0].read_text()
    for part in (
        "# Class confusion",
        "    contragan study run class-confusion --scale tiny\n",
        "    contragan study table studies/class-confusion-tiny\n",
        "Seeds 0, 1, 2.",
        "](confusion.csv)",
        "](confusion.jpg)",
        "Does that hold",
        "made on: CPU",
    ):
        assert part in text
    assert written[1].read_text() == render.to_csv(results)
    with pytest.raises(UserError, match=r"give a name that ends in \.md"):
        write_page(results, out, tmp_path / "page" / "confusion.txt")


def test_pictures_stand_in_the_order_of_their_titles(tmp_path: Path) -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
    grids = []
    for index, colour in enumerate(colours):
        file = tmp_path / f"{index}.png"
        Image.new("RGB", (100, 50), colour).save(file)
        grids.append(SampleGrid(str(index), file))
    sheet = side_by_side(grids)
    width = (WIDTH - 2 * GAP) // 3  # three abreast, twice as large
    places = [(column * (width + GAP) + 50, top) for top in (80, 240) for column in range(3)]
    assert sheet.size == (3 * width + 2 * GAP, 2 * (HEADING + 100 + GAP))
    assert [sheet.getpixel(place) for place in places] == [*colours, (255, 255, 255)]


@pytest.mark.parametrize(
    ("scale", "features", "comparable"),
    [("full", "inception", True), ("full", "pixels", False), ("tiny", "inception", False)],
)
def test_only_the_papers_scale_and_features_compare_with_its_numbers(
    tmp_path: Path, scale: str, features: str, comparable: bool
) -> None:
    record = record_study(tmp_path / "study", "class-confusion", scale, seeds=1)
    fill_all(tmp_path / "study", record, by_seed)
    for log in (tmp_path / "runs").glob("*/metrics.jsonl"):
        log.write_text(log.read_text().replace("efficientnet-lite0", features))
    results = read_results(record, tmp_path / "study")
    assert words.as_published(results) is comparable
    assert any("compare their order" in line for line in words.legend(results)) is not comparable


def test_parameters_are_those_of_g_of_d_and_of_both() -> None:
    found: Any = SimpleNamespace(parameters=lambda: (1_500_000, 250_000))
    assert words.of_parameters(found) == "1.500 + 0.250 = 1.750"


def test_equal_tables_are_shown_once(tmp_path: Path) -> None:
    record = record_study(tmp_path / "study", "class-confusion", seeds=2)
    for run in record.runs:
        folder, total = tmp_path / "runs" / run.name, run.total_iterations
        fill(folder, [(total // 2, {**SCORES, "frechet_distance": 90.0}), (total, SCORES)], total)
    results = read_results(record, tmp_path / "study")
    title = "All scores at each run's best evaluation"
    assert render.to_markdown(results).count("All scores at each run") == 1
    assert f"{title}, which is its last:" in render.to_markdown(results)
    run = record.runs[0]
    folder, total = tmp_path / "runs" / run.name, run.total_iterations
    shutil.rmtree(folder)
    fill(folder, [(total // 2, {**SCORES, "frechet_distance": 1.0}), (total, SCORES)], total)
    text = render.to_markdown(read_results(record, tmp_path / "study"))
    assert f"{title}:" in text
    assert "All scores at each run's last evaluation:" in text


def test_a_page_shows_the_signals_that_runs_logged(trained_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    results = filled(out, "class-confusion", seeds=1)
    runs = [tmp_path / "runs" / run.name for run in results.record.runs]
    shutil.copytree(trained_run, runs[0], dirs_exist_ok=True)
    signals = [
        {"step": step, "name": f"stability/authenticity_{name}", "value": value, "unit": "1"}
        for step, values in ((100, (0.7, 0.6)), (200, (0.9, 0.3)))
        for name, value in zip(("train", "held_out"), values, strict=True)
    ]
    (runs[0] / "metrics.jsonl").write_text("".join(json.dumps(s) + "\n" for s in signals))
    written = write_page(results, out, tmp_path / "page.md")
    assert [path.name for path in written[-2:]] == ["page-stability.png", "page-stability.csv"]
    section = written[0].read_text().split("## Stability")[1]
    assert "](page-stability.png)" in section
    assert section.count("D overfitted at 200; never evaluated; not collapsed") == 1
    assert "point/overfitted,1" in written[-1].read_text()


def test_a_page_names_seeds_and_data_and_a_users_own_file(tmp_path: Path) -> None:
    out = tmp_path / "study"
    results = filled(out, "class-confusion", seeds=1)
    record = results.record.model_copy(update={"name": "mine", "data": {"cifar10": "/secret/data"}})
    written = write_page(Results(record, results.cells), out, tmp_path / "mine.md")
    text = written[0].read_text()
    assert "study run mine.yaml --scale tiny --seeds 1 --data cifar10=DATA\n" in text
    assert "secret" not in text
    assert len(written) == 2  # no run has samples
    assert "## Pictures" not in text


def test_a_study_without_results_has_no_page(tmp_path: Path) -> None:
    record = record_study(tmp_path / "study", "class-confusion")
    results = read_results(record, tmp_path / "study")
    assert "missing" in printed(results)
    with pytest.raises(UserError, match="no run of class-confusion at scale tiny is done"):
        write_page(results, tmp_path / "study", tmp_path / "page.md")
    assert not (tmp_path / "page.csv").exists()


def test_the_command_prints_and_writes_without_loading_torch(tmp_path: Path) -> None:
    filled(tmp_path / "study", "class-confusion", seeds=2)
    script = (
        "import sys; from contragan.cli.application import app; import contragan.cli\n"
        "app(sys.argv[1:], standalone_mode=False); assert 'torch' not in sys.modules"
    )
    files = [tmp_path / name for name in ("t.md", "t.csv", "t.json")]
    options = [
        f"--{kind}={path}" for kind, path in zip(("markdown", "csv", "json"), files, strict=True)
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, "study", "table", str(tmp_path / "study"), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "20.50 ± 0.71 (2)" in done.stdout
    assert all(path.stat().st_size > 1000 for path in files)
