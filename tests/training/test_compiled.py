"""A compiled step: traced as a whole it trains as the eager one, and a machine without a compiler
runs that one."""

import pytest
import torch
from rich.console import Console
from torch import nn

from contragan.bench.measure import BenchRequest, our_step, set_up
from contragan.recipes.schema import load_recipe
from contragan.training.setup import StepKind
from contragan.training.step import Step
from contragan.training.train import why_not_compiled

CPU = torch.device("cpu")


def make(overrides: list[str], kind: StepKind, console: Console) -> Step:
    recipe = load_recipe("digits/contragan", overrides)
    setup, _ = set_up(BenchRequest("digits/contragan", recipe), console)
    step, _ = our_step(setup, 0, kind)
    return step


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of its own ways
def test_compiled_networks_train_as_eager_ones(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced, and run without a compiler, which would take a minute."""

    def traced(network: nn.Module) -> None:
        network._compiled_call_impl = torch.compile(network._call_impl, backend="eager")

    monkeypatch.setattr("contragan.training.train.why_not_compiled", lambda device: None)
    monkeypatch.setattr(nn.Module, "compile", traced)
    eager = make(tiny, "eager", Console(quiet=True))
    compiled = make(tiny, "compiled", Console(quiet=True))
    assert compiled.gan.generator._compiled_call_impl is not None
    for update in range(3):
        terms = [s.discriminator_step(update, s.fetch(update)) for s in (eager, compiled)]
        torch.testing.assert_close(*terms, rtol=1e-5, atol=1e-6)
        terms = [s.generator_step(update) for s in (eager, compiled)]
        torch.testing.assert_close(*terms, rtol=1e-5, atol=1e-6)


def test_without_a_compiler_the_step_is_eager(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> object:
        raise RuntimeError("No working C++ compiler found\nmore")

    monkeypatch.setattr(torch, "compile", lambda function: fails)
    assert (why_not_compiled(CPU) or "").startswith("No working C++ compiler found (")
    step = make(tiny, "compiled", Console(width=200))
    assert step.gan.generator._compiled_call_impl is None
    assert "note: the step runs eagerly: No working C++ compiler found" in capsys.readouterr().out
