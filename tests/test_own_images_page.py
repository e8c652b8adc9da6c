"""docs/your-own-images.md: every command runs, in order, on photos drawn here."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from in_process import exit_code
from PIL import Image

from contragan.drafting import draft as drafting
from contragan.drafting.measure import Cost

PAGE = (Path(__file__).parents[1] / "docs" / "your-own-images.md").read_text(encoding="utf-8")

SHORTER = (
    " --set training.total_iterations=4 --set training.batch_size=8"
    " --set training.evaluate_every_iterations=4 --set evaluation.num_images=16"
    " --out runs/my-recipe/0"
)


def run(line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "contragan"
    assert exit_code(*words) == 0, line


@pytest.mark.slow
def test_the_page_word_by_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for channel, name in enumerate(("otter", "seal")):
        Path("photos", name).mkdir(parents=True)
        for index in range(24):
            photo = random.integers(0, 90, (36, 44, 3), dtype=np.uint8)
            photo[8:24, 10 + index % 10 : 20 + index % 10, channel] += 150
            Image.fromarray(photo).save(Path("photos", name, f"{index}.jpg"))
    # Measured elsewhere; here a step is as slow as the page's laptop's.
    monkeypatch.setattr(drafting, "cost", lambda *_: Cost(1.5, 10**8, 10**7))
    commands = re.findall(r"^    (contragan .*)$", PAGE, re.MULTILINE)
    assert [line.split()[1] for line in commands] == [
        *("data", "init", "train", "resume", "sample", "evaluate", "report", "evaluate"),
    ]
    for line in commands:
        run(line + SHORTER if line.startswith("contragan train") else line)
        if line.startswith("contragan init"):
            said = capsys.readouterr().out
            assert int(re.findall(r"([\d,]+) iterations", said)[0].replace(",", "")) > 14_000
    for file in ("contact-sheet.png", "my-recipe.yaml", "grid.png", "report.html"):
        assert Path(file).stat().st_size > 100, file
