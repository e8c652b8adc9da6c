"""A drafted recipe: what is chosen, whether it loads, and what is refused."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from contragan.core.errors import UserError
from contragan.core.resolution import Rectangle, Resolution
from contragan.drafting import draft as drafting
from contragan.drafting import measure
from contragan.drafting.draft import Drafted, draft
from contragan.drafting.measure import Cost, cost, feature_seconds
from contragan.drafting.mirror import Mirroring
from contragan.drafting.request import USUAL, DraftRequest
from contragan.drafting.settings import Draft, widths
from contragan.drafting.survey import Survey
from contragan.recipes.gan import build
from contragan.recipes.schema import parse_recipe

Fast = Callable[..., Drafted]


def draw(folder: Path, counts: dict[str, int], size: tuple[int, int] = (40, 36)) -> Path:
    random = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            noise = random.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Fast:
    """:func:`draft` on a machine on which an iteration takes 1 ms times channels times side."""

    def run(
        path: Path,
        hours: float = 8.0,
        resolution: Resolution | None = None,
        mirrors: bool = True,
    ) -> Drafted:
        return draft(DraftRequest(path, hours, resolution), Console(quiet=True))

    def pretended(recipe: object, num_classes: int) -> Cost:
        data, channels = recipe.data, recipe.generator.channels  # type: ignore[attr-defined]
        return Cost(1e-3 * data.image_shape[1] * channels, 10**8, 10**7)

    monkeypatch.setattr(drafting, "cost", pretended)
    monkeypatch.setattr(drafting, "feature_seconds", lambda extractor, side: 0.01)
    monkeypatch.setattr(
        drafting, "mirroring", lambda *_: Mirroring(True, "the class probe is right on 90%")
    )
    return run


SIZES = [*USUAL, 48, 96, 192, 256, 512, Rectangle(48, 64), Rectangle(144, 96), Rectangle(20, 512)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("mirror", [True, False])
def test_every_draft_is_a_recipe_that_builds(
    size: Resolution, labelled: bool, mirror: bool
) -> None:
    for channels in (widths(size)[0], widths(size)[1]):
        made = Draft(
            data=Path('/photos/"mine": ü'),
            labelled=labelled,
            resolution=size,
            channels=channels,
            mirror=mirror,
            few_images=True,
            reasons={"data.resolution": "asked for", "augmentation": "few"},
        )
        recipe = parse_recipe(made.text(), "draft")
        assert recipe.data.horizontal_flip is mirror
        assert getattr(recipe.data, "path") == '/photos/"mine": ü'  # noqa: B009
        assert recipe.needs_classes is labelled
        assert recipe.augmentation is not None
        assert recipe.augmentation.kind == ("ada" if mirror else "diff_augment")
        with torch.device("meta"):
            gan = build(recipe, 3 if labelled else 1, seed=0)
        assert gan.generator.latent_dim >= 60
        assert "resolution: " + str(size) + "  # asked for" in made.text()


def test_hours_become_iterations(fast: Fast, tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos", {"cat": 12, "dog": 12}, (70, 64))
    # 64 x 64 at 16 channels would take 1.02 s, 32 x 32 .51 s: 10,000 of them are 1 h 25 min.
    short, long = fast(photos, hours=2.0), fast(photos, hours=4.0)
    assert (short.draft.resolution, long.draft.resolution) == (32, 64)
    for made, hours in ((short, 2.0), (long, 4.0)):
        assert made.draft.channels == 16
        assert 0.7 * hours * 3600 <= made.seconds <= hours * 3600
    rich = fast(photos, hours=20.0)
    assert rich.draft.channels == 48
    assert rich.seconds == pytest.approx(rich.draft.iterations * 1e-3 * 64 * 48, rel=0.02)
    assert any("rough pictures" in line for line in fast(photos, hours=0.5).lines)
    assert not any("rough" in line for line in long.lines)


@pytest.mark.parametrize("iterations", [51, 220, 9_999, 200_000])
@pytest.mark.parametrize("evaluations", [1, 2, 5])
def test_short_and_long_trainings_are_evaluated_and_averaged(
    iterations: int, evaluations: int
) -> None:
    made = Draft(Path("x"), True, 32, 32, iterations=iterations, evaluations=evaluations)
    training = made.recipe().training
    assert training.evaluate_every_iterations is not None
    assert math.ceil(iterations / training.evaluate_every_iterations) == evaluations
    assert training.ema is not None
    assert training.ema.start_iteration == min(iterations // 10, 1000)


def test_the_data_decides(fast: Fast, tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos", {"cat": 40, "dog": 8}, (36, 40))
    made = fast(photos).draft
    assert made.resolution == 32
    assert made.batch_size == 16  # 43 are trained on
    assert made.balanced
    assert made.few_images
    recipe = made.recipe()
    assert (recipe.data.sampling, recipe.evaluation.labels) == ("balanced", "uniform")
    assert recipe.augmentation is not None
    flat = tmp_path / "flat"
    flat.mkdir()
    for index, file in enumerate(sorted(photos.rglob("*.png"))):
        Image.open(file).convert("L").save(flat / f"{index}.png")
    alone = fast(flat).draft
    assert not alone.labelled
    assert alone.image_channels == 1
    assert alone.recipe().conditioning.kind == "unconditional"
    Image.new("RGB", (40, 36), "red").save(flat / "00.png")
    assert fast(flat).draft.image_channels == 3  # one is in colour


def test_evaluations_take_a_fifth_of_the_time_at_most(
    fast: Fast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = draw(tmp_path / "photos", {"cat": 12, "dog": 12})
    monkeypatch.setattr(drafting, "feature_seconds", lambda extractor, side: 30.0)
    slow = fast(photos, hours=1.0)
    made = slow.draft
    assert made.reference == "test"
    assert (made.evaluations, made.num_images) == (1, 200)  # the least that says anything
    assert slow.seconds > 3600
    assert slow.lines[-1] == "note: longer than asked for: evaluations alone take 1 h 52 min here"
    monkeypatch.setattr(drafting, "feature_seconds", lambda extractor, side: 0.01)
    assert fast(photos, hours=1.0).draft.reference == "train"
    assert fast(photos, hours=1.0).draft.num_images == 1000


def test_evaluations_count_in_the_time(
    fast: Fast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = draw(tmp_path / "photos", {"cat": 12, "dog": 12})
    monkeypatch.setattr(drafting, "feature_seconds", lambda extractor, side: 0.3)
    found = fast(photos, hours=4.0)
    made = found.draft
    assert (made.evaluations, made.num_images) == (5, 891)
    scored = 0.3 * (5 * 891 + 22)  # 22 images are trained on
    trained = made.iterations * 1e-3 * 32 * made.channels
    assert found.seconds == pytest.approx(25 + scored + trained, rel=1e-3)
    assert found.seconds <= 4 * 3600


def test_thousands_of_classes_are_not_scored_one_by_one(
    fast: Fast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"c{index}" for index in range(5000))
    sizes = np.full((10, 2), 64)
    seen = Survey(names, np.full(5000, 2), 5000, sizes, False, 0.0, 0, ())
    monkeypatch.setattr(drafting, "find", lambda path: None)
    monkeypatch.setattr(drafting, "survey", lambda *_: seen)
    found = fast(tmp_path, hours=0.5)
    assert found.seconds <= 1800
    assert (found.draft.evaluations, found.draft.num_images) == (1, 16490)
    assert "class_fidelity" not in found.draft.recipe().evaluation.metrics
    assert any(line.startswith("scores        of classes are left out") for line in found.lines)


def test_an_iteration_is_measured() -> None:
    made = Draft(data=Path("x"), labelled=True, resolution=16, channels=16, batch_size=8)
    small, large = (cost(replace(made, channels=channels).recipe(), 3) for channels in (16, 64))
    assert small is not None
    assert large is not None
    assert 0 < small.seconds < large.seconds
    assert 0 < small.memory < large.memory
    assert 0 < small.disk < large.disk


def test_the_cost_is_of_one_iteration_and_not_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: list[float] = []
    iterated: list[int] = []

    def iterate() -> None:
        seconds.append(1.0 if iterated else 4.0)
        iterated.append(1)

    times = SimpleNamespace(total=seconds)
    runner = SimpleNamespace(times=times, iterate=iterate, check=lambda: None)
    step = SimpleNamespace(source=SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(measure, "Runner", lambda *_: runner)
    monkeypatch.setattr(measure, "set_up", lambda *_: (None, None))
    monkeypatch.setattr(measure, "our_step", lambda *_: (step, None))
    made = Draft(data=Path("x"), labelled=True, resolution=16, channels=16, batch_size=8)
    found = cost(made.recipe(), 3)
    assert found is not None
    assert found.seconds == 1.0
    assert len(iterated) == 1 + measure.MOST
    monkeypatch.setattr(measure, "free_memory", lambda device: 1000)
    assert cost(made.recipe(), 3) is None


def test_features_are_timed_per_image(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 26.0])
    monkeypatch.setattr("contragan.drafting.measure.time.perf_counter", lambda: next(clock))
    seen: list[tuple[int, ...]] = []
    each = feature_seconds(lambda images: seen.append(images.shape), Rectangle(48, 64))  # type: ignore[arg-type]
    assert each == 16 / 32
    assert seen == [(2, 3, 64, 48), (32, 3, 64, 48)]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"hours": 0.01}, r"--hours 0\.01: give at least 0\.05, better 0\.5"),
        ({"hours": math.nan}, "--hours nan: give at least"),
        ({"hours": math.inf}, "--hours inf: give at least"),
        ({"hours": -1.0}, "--hours -1: give at least"),
        ({"resolution": 100}, r"--resolution 100: .* use 96 or 112"),
        ({"resolution": 128}, r"--resolution 128: only 0% of the images have sides of 128"),
    ],
)
def test_what_cannot_be_is_refused(
    fast: Fast, tmp_path: Path, request_: dict[str, float], message: str
) -> None:
    photos = draw(tmp_path / "photos", {"cat": 4, "dog": 4})
    with pytest.raises(UserError, match=message):
        fast(photos, **request_)


def test_too_few_iterations_are_refused_and_others_rounded(
    fast: Fast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = draw(tmp_path / "photos", {"cat": 12, "dog": 12})
    monkeypatch.setattr(drafting, "cost", lambda *_: Cost(7.1, 10**8, 10**7))
    made = fast(photos, hours=0.5)
    assert made.draft.iterations == 220  # 1,609 s of 7.1 s
    assert made.seconds == pytest.approx(1800, rel=0.3)
    with pytest.raises(UserError, match=r"40 iterations of 7\.1 s here, too few .* --hours 0\.12"):
        fast(photos, hours=0.1)


def test_a_few_small_images_are_enlarged(fast: Fast, tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos", {"cat": 24, "dog": 24})
    Image.new("RGB", (20, 24)).save(photos / "cat" / "small.png")
    made = fast(photos)
    assert made.draft.resolution == 32
    assert made.draft.enlarge
    assert "  enlarge: true  # some images are smaller" in made.draft.text()
    assert "enlarged      2.0% of the images are smaller than 32 pixels" in made.lines
    assert not fast(photos, resolution=16).draft.enlarge


def test_sizes_that_few_images_have_are_not_chosen(fast: Fast, tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos", {"cat": 12})
    made = fast(draw(photos, {"dog": 12}, (20, 20))).draft
    assert (made.resolution, made.enlarge) == (16, False)


def test_what_cropping_costs_is_said(fast: Fast, tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos", {"cat": 15}, (40, 40))
    console = Console(record=True, width=200)
    draft(DraftRequest(draw(photos, {"dog": 5}, (40, 64))), console)
    said = console.export_text()
    assert "25% of the images lose a fifth or more of their area when they are cropped" in said
    assert "data.fit=pad keeps all of each" in said


def test_small_classes_are_named(fast: Fast, tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    photos = draw(tmp_path / "photos", {"cat": 1, "dog": 60})
    draft(DraftRequest(photos), console)
    assert "fewer than 50 images of cat: a generator learns little" in console.export_text()


def test_bad_data_is_refused(fast: Fast, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none"):
        fast(tmp_path / "none")
    with pytest.raises(UserError, match="smaller than 16 pixels"):
        fast(draw(tmp_path / "tiny", {"cat": 4, "dog": 4}, (9, 9)))


def test_images_of_one_shape_become_rectangles(fast: Fast, tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos", {"a": 20, "b": 20}, size=(80, 60))
    made = fast(photos)
    assert made.draft.resolution == Rectangle(48, 64)
    assert not made.draft.enlarge
    assert "\n  resolution: 48x64  # most images are about 3 : 4" in made.draft.text()
    assert made.lines[0].startswith("resolution    48 x 64: most images are about 3 : 4")
    assert fast(photos, resolution=32).draft.resolution == 32
    assert fast(photos, resolution=Rectangle(32, 48)).draft.resolution == Rectangle(32, 48)
    with pytest.raises(UserError, match="--resolution 64x48: only 0% of the images have sides of"):
        fast(photos, resolution=Rectangle(64, 48))
    with pytest.raises(UserError, match=r"--resolution 48x60: .*use 48x56 or 48x64"):
        fast(photos, resolution=Rectangle(48, 60))
    # Too small for a rectangle of that shape.
    small = draw(tmp_path / "small", {"a": 8, "b": 8}, size=(26, 18))
    assert fast(small).draft.resolution == 16
