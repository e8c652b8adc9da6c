"""Images that are higher than wide, from the command line: trained on, drawn, and compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from in_process import contragan as run
from PIL import Image

from contragan.runs.log import read_metrics

SMALL = [
    "generator.channels=4",
    "generator.latent_dim=6",
    "discriminator.channels=4",
    "conditioning.embedding_dim=8",
    "data.resolution=16x24",
    "training.batch_size=8",
    "training.precision=fp32",
    "training.total_iterations=3",
    "training.log_every_iterations=1",
    "training.checkpoint_every_iterations=1",
    "training.evaluate_every_iterations=3",
    "evaluation.features=pixels",
    "evaluation.num_images=20",
]
NETWORK = (
    "latent_dim: 6, channels: 8, spectral_norm: true, attention_after_block: 1, conditional: true, "
    "batch_norm_eps: 1.0e-5, batch_norm_momentum: 0.1, conditional_batch_norm_momentum: 0.1"
)
TRUNK = "channels: 8, spectral_norm: true, attention_after_block: 1, normalization: none"
BACKBONES = {
    "biggan": ["generator.shared_dim=8"],
    "resgan": [
        f"generator={{kind: resgan, {NETWORK}}}",
        f"discriminator={{kind: resgan, relu_before_shortcut: true, {TRUNK}}}",
    ],
    "dcgan": [f"generator={{kind: dcgan, {NETWORK}}}", f"discriminator={{kind: dcgan, {TRUNK}}}"],
}
ADA = (
    "augmentation={kind: ada, groups: [blit, geometry, color], target: 0.6, ramp_images: 20, "
    "interval: 1}"
)
TRAIN = ["train", "folder/contragan-eq7-32"]


def settings(*overrides: str) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits of 2:3, in two classes."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name, colour in (("red", (220, 40, 40)), ("blue", (40, 40, 220))):
        (root / name).mkdir()
        for index in range(8):
            pixels = random.integers(0, 60, (36, 24, 3), dtype=np.uint8)
            pixels[8:30, 6:18] = colour
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def logged(folder: Path) -> list[tuple[int, str, float]]:
    """Losses and the augmentation's strength, without what depends on the clock."""
    return [
        (line["step"], line["name"], line["value"])
        for line in read_metrics(folder / "metrics.jsonl")
        if line["name"].startswith(("d/", "g/", "augmentation"))
    ]


@pytest.mark.parametrize("kind", list(BACKBONES))
def test_trained_stopped_resumed_and_drawn(
    kind: str, photos: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [*TRAIN, "--data", photos, *settings(*SMALL, *BACKBONES[kind], ADA)]
    code, said, errors = run(capsys, *words, "--out", tmp_path / "whole")
    assert (code, errors) == (0, ""), said
    recipe = (tmp_path / "whole" / "recipe.yaml").read_text()
    assert "\n  resolution: 16x24\n" in recipe
    stopped = tmp_path / "stopped"
    assert run(capsys, *words, "--out", stopped, "--max-minutes", 0)[0] == 124
    code, said, _ = run(capsys, "resume", stopped)
    assert code == 0, said
    assert (stopped / "recipe.yaml").read_text() == recipe
    assert logged(stopped) == logged(tmp_path / "whole")
    drawn = tmp_path / "drawn"
    assert run(capsys, "sample", stopped, "--num", 4, "--out", drawn)[0] == 0
    files = sorted(drawn.glob("*/*.png"))
    assert len(files) == 4
    for file in files:
        with Image.open(file) as image:
            assert image.size == (16, 24)


def test_scores_pictures_and_a_run_from_another(
    photos: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    whole, biggan = tmp_path / "whole", [*SMALL, *BACKBONES["biggan"]]
    words = [*TRAIN, "--data", photos]
    assert run(capsys, *words, *settings(*biggan), "--out", whole)[0] == 0
    with Image.open(whole / "samples" / "step-0000003.png") as grid:
        # Two classes below each other; 16 x 24 is shown at twice the size.
        assert grid.height == 2 * (48 + 2) + 2
    code, said, errors = run(
        capsys, "evaluate", whole, "--metrics", "memorisation,frechet_distance"
    )
    assert (code, errors) == (0, ""), said
    arrays = tmp_path / "drawn.npz"
    assert run(capsys, "sample", whole, "--num", 8, "--out", arrays)[0] == 0
    with np.load(arrays) as found:
        assert found["images"].shape == (8, 24, 16, 3)
    compare = ["evaluate", arrays, photos, "--features", "pixels", "--metrics", "frechet_distance"]
    code, _, errors = run(capsys, *compare)
    assert code == 2
    assert "images of 16 x 24 pixels" in errors
    assert "--resolution 16x24 crops and resizes both" in errors
    code, said, errors = run(capsys, *compare, "--resolution", "16x24")
    assert (code, errors) == (0, ""), said
    code, _, errors = run(capsys, *compare, "--resolution", "16,24")
    assert code == 2
    assert "--resolution 16,24: must be a number of pixels, or WIDTHxHEIGHT such as 48x64" in errors
    assert run(capsys, "plot", "grid", whole, "--out", tmp_path / "grid.png")[0] == 0
    other = [*words, "--from", whole, "--out", tmp_path / "moved"]
    code, _, errors = run(capsys, *other, *settings(*biggan, "data.resolution=24x16"))
    assert code == 2
    assert "draws images of 16x24 pixels, but the recipe has data.resolution 24x16" in errors
    assert not (tmp_path / "moved").exists()
    code, said, errors = run(capsys, *other, *settings(*biggan))
    assert (code, errors) == (0, ""), said
    facts = json.loads((tmp_path / "moved" / "fine_tuning.json").read_text())
    assert facts["run"] == str(whole.resolve())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[16,24]", "[16, 24] does not say which is the width: write 16x24"),
        ("16x23", "no layout for resolution 16x23; use 16x24 or"),
        ("50", "no layout for resolution 50; use 48 or 56"),
        ("16 by 24", "WIDTHxHEIGHT such as 48x64"),
    ],
)
def test_sides_that_cannot_be_had(
    value: str, said: str, photos: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = settings(*SMALL, *BACKBONES["biggan"], f"data.resolution={value}")
    code, _, errors = run(capsys, *TRAIN, "--data", photos, *words, "--out", tmp_path / "run")
    assert code == 2
    assert said in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run").exists()
