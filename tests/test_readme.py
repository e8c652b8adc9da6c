"""The README's examples run as they stand."""

import re
from pathlib import Path

import torch

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_loss_in_a_loop_of_ones_own() -> None:
    example = next(text for text in EXAMPLES if "ConditionalContrastiveLoss" in text)
    names: dict[str, object] = {}
    exec(example, names)
    encoder, value = names["encoder"], names["value"]
    assert isinstance(encoder, torch.nn.Sequential)
    assert isinstance(value, torch.Tensor)
    assert 0 < value.item() < 10
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_sampling_from_a_run(trained_run: Path) -> None:
    example = next(text for text in EXAMPLES if "contragan.load" in text)
    names: dict[str, object] = {}
    exec(example.replace("runs/digits/contragan-eq7/0", str(trained_run)), names)
    images = names["images"]
    assert isinstance(images, torch.Tensor)
    assert images.shape == (40, 1, 16, 16)
