"""``contragan train --from RUN``: what it takes, says and records, and what it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import contragan, exit_code
from PIL import Image
from safetensors.torch import load_file
from torch.testing import assert_close

from contragan.runs.checkpoint import pointer
from contragan.runs.discriminator import discriminator_at
from contragan.runs.run import open_run

STILL = ["training.generator_optimizer.learning_rate=1e-30"]
"""The generator stays as it began."""

PHOTOS = (
    "data={kind: folder, resolution: 16, channels: 1, horizontal_flip: false, "
    "fake_labels: training}"
)


def words(recipe: str, out: Path, settings: list[str], iterations: int = 2) -> list[str]:
    settings = [*settings, f"training.total_iterations={iterations}"]
    changes = [word for setting in settings for word in ("--set", setting)]
    return ["train", recipe, "--out", str(out), *changes]


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    last = pointer(run / "checkpoints", "last")
    assert last is not None
    return load_file(last / f"{name}.safetensors")


def draw(root: Path, shades: dict[str, int]) -> Path:
    """Ten images of each class, noise around a grey level of its own."""
    random = np.random.default_rng(0)
    for name, shade in shades.items():
        (root / name).mkdir(parents=True)
        for index in range(10):
            pixels = shade + random.integers(-20, 20, (16, 16))
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory, tiny: list[str]) -> Path:
    """A run on three classes of grey images."""
    root = tmp_path_factory.mktemp("old")
    photos = draw(root / "photos", {"ant": 30, "bee": 120, "Kühe": 220})
    settings = [*tiny, PHOTOS, "training.batch_size=8"]
    line = words("digits/contragan", root / "run", settings, 12)
    assert exit_code(*line, "--data", photos) == 0
    return root / "run"


def nearest(run: Path, folder: Path) -> str:
    """The old class whose proxy is nearest to a folder's training images, computed anew."""
    opened, last = open_run(run), pointer(run / "checkpoints", "last")
    assert last is not None
    names = opened.dataset.class_names
    discriminator = discriminator_at(last, opened.recipe, len(names), torch.device("cpu"))
    files = sorted(folder.glob("*.png"))
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    images = torch.from_numpy(pixels)[:, None] / 127.5 - 1
    with torch.no_grad():
        output = discriminator(images, torch.zeros(len(images), dtype=torch.long))
    assert output.embedding is not None
    assert output.proxies is not None
    cosines = output.embedding @ output.proxies.T
    assert len(set(cosines.argmax(1).tolist())) == 1  # whichever images are held out
    return names[int(cosines.mean(0).argmax())]


def test_classes_are_matched_and_all_of_it_is_said_and_recorded(
    tmp_path: Path, animals: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw(tmp_path / "photos", {"Kühe": 220, "dog": 35})
    out = tmp_path / "new"
    settings = [*tiny, PHOTOS, *STILL, "training.batch_size=8"]
    line = [*words("digits/contragan", out, settings), "--data", photos, "--from", animals]
    code, said, errors = contragan(capsys, *line, "--freeze-d", 1)
    assert (code, errors) == (0, "")
    said = " ".join(said.split())
    origin = nearest(animals, photos / "dog")
    for part in (
        f"starting from {animals}/checkpoints/step-0000012 (digits/contragan, iteration 12, 3",
        "tensors taken: generator 74 of 74, discriminator 41 of 41",
        "classes that keep what the old class of their name has learnt: Kühe",
        f"each from the old class that is nearest to the discriminator: dog from {origin}",
        "the lowest block of the discriminator will not be trained",
    ):
        assert part in said
    assert "made anew" not in said
    recorded = open_run(out).fine_tuning
    assert recorded["run"] == str(animals.resolve())
    assert recorded["iteration"] == 12
    assert recorded["frozen_discriminator_blocks"] == 1
    assert [(one["name"], one["how"], one["origin"]) for one in recorded["classes"]] == [
        ("Kühe", "same name", "Kühe"),
        ("dog", "nearest", origin),
    ]
    taken = recorded["networks"]["generator"]
    assert taken["by_class"] == ["shared.weight"]
    assert (len(taken["whole"]), taken["anew"]) == (73, [])
    order = open_run(animals).dataset.class_names
    rows = [order.index("Kühe"), order.index(origin)]
    old, new = weights(animals, "generator"), weights(out, "generator")
    assert_close(new["shared.weight"], old["shared.weight"][rows])


def test_without_a_class_in_the_discriminator_new_classes_are_the_mean(
    tmp_path: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*tiny, PHOTOS, *STILL, "training.batch_size=8"]
    old, new = draw(tmp_path / "a", {"ant": 30, "bee": 99}), draw(tmp_path / "b", {"c": 9, "d": 5})
    line = [*words("digits/nt-xent", tmp_path / "old", settings, 1), "--data", old]
    assert contragan(capsys, *line)[0] == 0
    line = [*words("digits/nt-xent", tmp_path / "new", settings, 1), "--data", new]
    code, said, _ = contragan(capsys, *line, "--from", tmp_path / "old")
    assert code == 0
    assert "new classes that start from the mean of the old ones: c, d\n" in said
    before = weights(tmp_path / "old", "generator")["shared.weight"].mean(0)
    after = weights(tmp_path / "new", "generator")["shared.weight"]
    assert_close(after, before.expand(2, -1))


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A run that a test may damage."""
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--set data.resolution=32 --from RUN", "set data.resolution=16, or start from another"),
        ("--set data.channels=3 --from RUN", "set data.channels=1, or start from another run"),
        ("--set generator.channels=16 --from RUN", "has another generator (generator.channels 8"),
        ("--from EMPTY", "--from: EMPTY holds no run"),
        ("--from NOWHERE", "--from: NOWHERE is not there"),
        ("--from RUN/checkpoints/step-0000099", "there is no checkpoint"),
        ("--from RUN --freeze-d 9", "but the discriminator has 3 blocks"),
        ("--from RUN --freeze-d -1", "--freeze-d"),
        ("--freeze-d 1", "--freeze-d keeps weights that another run has trained"),
        ("--from RUN --out RUN", "--from names the run in RUN, where this training writes too"),
        ("--from RUN/checkpoints/step-0000004 --out RUN --resume", "contragan resume RUN"),
    ],
)
def test_refused_in_one_line_and_nothing_is_written(
    tmp_path: Path,
    trained_run: Path,
    tiny: list[str],
    capsys: pytest.CaptureFixture[str],
    more: str,
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"RUN": trained_run, "EMPTY": tmp_path / "empty", "NOWHERE": tmp_path / "nowhere"}
    for name, path in places.items():
        more, message = more.replace(name, str(path)), message.replace(name, str(path))
    before = sorted(trained_run.rglob("*"))
    line = [*words("digits/contragan", tmp_path / "new", tiny), *more.split()]
    code, said, errors = contragan(capsys, *line)
    assert code == 2
    assert message in errors
    assert errors.count("\n") == 1
    assert "starting from" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert sorted(trained_run.rglob("*")) == before


def test_damaged_checkpoints(
    tmp_path: Path, run: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = sorted((run / "checkpoints").glob("step-*"))
    best = pointer(run / "checkpoints", "best")
    assert best is not None
    (best / "discriminator.safetensors").write_bytes(b"cut")
    line = [*words("digits/contragan", tmp_path / "new", tiny, 1), "--from", run]
    code, said, _ = contragan(capsys, *line)
    assert code == 0
    assert "note: " in said
    assert "discriminator.safetensors" in said
    other = next(path for path in checkpoints if path != best)
    assert open_run(tmp_path / "new").fine_tuning["checkpoint"] == str(other.resolve())
    for checkpoint in checkpoints:
        (checkpoint / "generator.safetensors").write_bytes(b"cut")
    line = [*words("digits/contragan", tmp_path / "other", tiny), "--from", run]
    code, said, errors = contragan(capsys, *line)
    assert code == 2
    assert errors.startswith("error: --from: ")
    assert errors.count("\n") == 1
    assert not (tmp_path / "other").exists()


def test_resumed_with_another_source(
    tmp_path: Path,
    run: Path,
    trained_run: Path,
    tiny: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = words("digits/contragan", tmp_path / "new", tiny, 1)
    assert contragan(capsys, *line, "--from", trained_run)[0] == 0
    longer = [*words("digits/contragan", tmp_path / "new", tiny, 2), "--resume"]
    before = (tmp_path / "new" / "metrics.jsonl").read_bytes()
    code, _, errors = contragan(capsys, *longer, "--from", run)
    assert code == 2
    assert f"began from {trained_run.resolve()}: give another --out" in errors
    assert errors.count("\n") == 1
    assert (tmp_path / "new" / "metrics.jsonl").read_bytes() == before
    code, said, _ = contragan(capsys, *longer, "--from", trained_run)
    assert code == 0
    assert "finished at iteration 2" in said


@pytest.mark.slow  # two more processes have to import everything
def test_two_processes(tmp_path: Path, trained_run: Path, tiny: list[str]) -> None:
    settings = [*tiny, *STILL, "data.classes=['7', '3']", "training.log_every_iterations=1"]
    line = [*words("digits/contragan", tmp_path / "new", settings), "--from", str(trained_run)]
    ended = subprocess.run(
        [sys.executable, "-m", "contragan", *line, "--devices", "2", "--device", "cpu"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.count("starting from ") == 1
    assert ended.stdout.count("has learnt: 7, 3\n") == 1
    recorded = json.loads((tmp_path / "new" / "fine_tuning.json").read_text())
    assert [one["index"] for one in recorded["classes"]] == [7, 3]
    before = load_file(Path(recorded["checkpoint"]) / "generator.safetensors")["shared.weight"]
    assert_close(weights(tmp_path / "new", "generator")["shared.weight"], before[[7, 3]])
