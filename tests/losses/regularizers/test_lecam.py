"""LeCam against a slow float64 transcription, over several updates of two parts each."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from reference.penalties import lecam
from rich.console import Console
from torch import Tensor, nn
from torch.testing import assert_close

from contragan.core.types import Batch, DiscriminatorOutput
from contragan.losses.regularizers import DiscriminatorContext, Memory
from contragan.losses.regularizers.lecam import LeCam
from contragan.recipes.schema import load_recipe
from contragan.runs.checkpoint import load_trainer, pointer
from contragan.training.setup import Request
from contragan.training.train import train

Form = Literal["paper", "authors"]
PARTS = 2


def context_of(real: Tensor, generated: Tensor, memory: Memory) -> DiscriminatorContext:
    label = torch.zeros(len(real), dtype=torch.long)
    images = Batch(torch.zeros(len(real), 1, 2, 2), label)
    return DiscriminatorContext(
        generator=nn.Identity(),
        discriminator=nn.Identity(),
        augment=lambda images, purpose: images,
        random=lambda purpose: torch.Generator(),
        latent=label,
        generated=label,
        fake=images,
        fake_output=DiscriminatorOutput(generated, label),
        real=images,
        real_output=DiscriminatorOutput(real, label),
        memory=memory,
    )


@pytest.mark.parametrize("form", ["paper", "authors"])
def test_value_and_gradient(form: Form) -> None:
    regularizer = LeCam(kind="lecam", weight=0.3, decay=0.9, start_iteration=2, form=form)
    memory = {name: tensor.double() for name, tensor in regularizer.memory().items()}
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 2, PARTS, 3, generator=random, dtype=torch.float64) + 0.2
    expected = lecam(logits.flatten(2), 0.3, 0.9, 2, form)
    for iteration, update in enumerate(logits):
        real, generated = update.clone().requires_grad_(), update.clone().requires_grad_()
        regularizer.begin(memory, iteration)
        total = torch.zeros((), dtype=torch.float64)
        for part in range(PARTS):
            context = context_of(real[0, part], generated[1, part], memory)
            (term,) = regularizer.discriminator_penalty(context).values()
            total = total + term / PARTS
        total.backward()
        regularizer.remember(memory)
        value, slopes = expected[iteration]
        assert_close(total.detach(), torch.tensor(value, dtype=torch.float64))
        assert real.grad is not None
        assert generated.grad is not None
        assert_close(real.grad[0].flatten(), slopes[0])
        assert_close(generated.grad[1].flatten(), slopes[1])
        assert (value > 0) == (iteration >= 2)


def test_a_resumed_run_knows_the_averages(tmp_path: Path, tiny: list[str]) -> None:
    def run(out: Path, iterations: int, resume: bool = False) -> dict[str, Tensor]:
        settings = [
            *tiny,
            "regularizers=[{kind: lecam, weight: 0.3, start_iteration: 2}]",
            f"training.total_iterations={iterations}",
            "training.discriminator_steps=1",
        ]
        recipe = load_recipe("digits/biggan", settings)
        train(Request("digits/biggan", recipe, out=out, resume=resume), Console(quiet=True))
        last = pointer(out / "checkpoints", "last")
        assert last is not None
        return load_trainer(last)["regularizers"]["lecam"]  # type: ignore[no-any-return]

    whole = run(tmp_path / "whole", 5)
    run(tmp_path / "parts", 3)
    parts = run(tmp_path / "parts", 5, resume=True)
    assert whole["real"] != whole["generated"] != 0
    assert_close(parts, whole, rtol=0, atol=0)


def test_both_settings_of_the_form_differ() -> None:
    """Real logits below the generated average, and generated ones above the real one."""
    found = []
    for form in ("paper", "authors"):
        regularizer = LeCam(kind="lecam", weight=1, start_iteration=0, form=form)
        memory = regularizer.memory()
        regularizer.begin(memory, 0)
        context = context_of(torch.tensor([-1.0]), torch.tensor([2.0]), memory)
        found.append(regularizer.discriminator_penalty(context)["lecam"].item())
        found.append(
            regularizer.discriminator_penalty(
                replace(context, real_output=context.fake_output, fake_output=context.real_output)
            )["lecam"].item()
        )
    assert found == pytest.approx([5, 5, 0, 5])
