"""The captured step: what a recording replays is the step itself, with each update's own draws."""

from collections.abc import Callable, Iterable

import pytest
import torch
from rich.console import Console

from contragan.augmentation import Augmentation
from contragan.augmentation.ada import AdaptiveConfig
from contragan.bench.measure import BenchRequest, our_step, set_up
from contragan.core.types import Terms
from contragan.recipes.schema import load_recipe
from contragan.training.captured import WARMUP, CapturedStep, why_not_captured
from contragan.training.step import Step

CUDA = torch.device("cuda")
RECIPES = ["contragan", "wgan-gp", "logan", "icrgan", "contragan-diffaugment", "nt-xent", "dragan"]


class Closures:
    """In place of CUDA graphs: a recording is the call itself, arguments as they were then."""

    def __init__(self) -> None:
        self.recorded = 0

    def warm(self, work: Callable[[], Terms]) -> Terms:
        return work()

    def record(
        self, work: Callable[[], Terms], generators: Iterable[torch.Generator]
    ) -> Callable[[], Terms]:
        self.recorded += 1
        assert len(list(generators)) > 0
        return work


class Refuses(Closures):
    def record(
        self, work: Callable[[], Terms], generators: Iterable[torch.Generator]
    ) -> Callable[[], Terms]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


def eager(name: str, overrides: list[str]) -> Step:
    recipe = load_recipe(f"digits/{name}", overrides)
    setup, _ = set_up(BenchRequest(name, recipe), Console(quiet=True))
    step, _ = our_step(setup, seed=0)
    return step


def captured(step: Step, recorder: Closures, tell: Callable[[str], None] = print) -> CapturedStep:
    return CapturedStep(**step.settings(), recorder=recorder, tell=tell)


def assert_same_training(left: Step, right: Step) -> None:
    for update in range(WARMUP + 3):
        for one, other in (
            (
                left.discriminator_step(update, left.fetch(update)),
                right.discriminator_step(update, right.fetch(update)),
            ),
            (left.generator_step(update), right.generator_step(update)),
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    for network in ("generator", "discriminator"):
        torch.testing.assert_close(
            getattr(left.gan, network).state_dict(),
            getattr(right.gan, network).state_dict(),
            rtol=0,
            atol=0,
        )


def for_recipe(name: str, tiny: list[str]) -> list[str]:
    known = {"contragan", "contragan-diffaugment", "icrgan", "logan", "nt-xent"}
    return [*(o for o in tiny if name in known or "shared_dim" not in o)]


@pytest.mark.parametrize("name", RECIPES)
def test_a_replayed_step_equals_the_eager_one(name: str, tiny: list[str]) -> None:
    overrides = [*for_recipe(name, tiny), "training.accumulation_steps=2"]
    recorder = Closures()
    assert_same_training(eager(name, overrides), captured(eager(name, overrides), recorder))
    assert recorder.recorded == 2


def test_a_failed_recording_tells_once_and_training_goes_on(tiny: list[str]) -> None:
    told: list[str] = []
    step = captured(eager("contragan", tiny), Refuses(), told.append)
    assert_same_training(eager("contragan", tiny), step)
    assert told == [
        "the step could not be captured as a CUDA graph and runs eagerly: "
        "operation not permitted when stream is capturing"
    ]


def test_what_cannot_be_captured_says_why() -> None:
    settings = AdaptiveConfig(
        kind="ada", groups=("color",), target=0.5, ramp_images=100, interval=2
    )
    assert why_not_captured(CUDA, Augmentation()) is None
    assert "CUDA device" in str(why_not_captured(torch.device("cpu"), Augmentation()))
    assert "when to adapt" in str(why_not_captured(CUDA, settings.build(torch.device("cpu"))))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_graphs_equal_the_eager_step(tiny: list[str]) -> None:
    from contragan.training.captured import CUDARecorder

    told: list[str] = []
    left = eager("contragan", tiny)
    right = eager("contragan", tiny)
    step = CapturedStep(**right.settings(), recorder=CUDARecorder(), tell=told.append)
    for update in range(WARMUP + 3):
        for one, other in (
            (
                left.discriminator_step(update, left.fetch(update)),
                step.discriminator_step(update, step.fetch(update)),
            ),
            (left.generator_step(update), step.generator_step(update)),
        ):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert told == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_iteration_waits_for_the_device(tiny: list[str]) -> None:
    step = eager("contragan", tiny)
    for update in range(4):
        if update == 2:  # by then everything that is set up once has been
            torch.cuda.set_sync_debug_mode("error")
        try:
            step.discriminator_step(update, step.fetch(update))
            step.generator_step(update)
        finally:
            if update == 3:
                torch.cuda.set_sync_debug_mode("default")
