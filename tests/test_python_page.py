"""docs/python.md: its examples run one after another, as they stand."""

import re
from pathlib import Path

import pytest
import torch

from contragan.models import Generator

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_page_runs(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(example.replace("runs/digits/contragan-eq7/0", trained_run.as_posix()), names)
    images, value, smooth = names["images"], names["value"], names["smooth"]
    assert isinstance(images, torch.Tensor)
    assert images.shape == (20, 1, 16, 16)
    assert isinstance(value, torch.Tensor)
    assert 0 < value.item() < 10
    assert isinstance(smooth, Generator)
    generator = names["gan"].generator  # type: ignore[attr-defined]
    pairs = zip(smooth.parameters(), generator.parameters(), strict=True)
    assert any(not torch.equal(mean, last) for mean, last in pairs)
    assert all(torch.isfinite(mean).all() for mean in smooth.parameters())
    assert (tmp_path / "my-run" / "metrics.jsonl").is_file()
