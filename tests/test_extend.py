"""docs/extend.md, followed word by word in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

import contragan
from contragan.recipes.catalog import recipe_text

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"

FOLLOWED = """
import json, pathlib, sys
from rich.console import Console
from contragan.core.errors import UserError
from contragan.recipes.schema import load_recipe
from contragan.training.setup import Request
from contragan.training.train import train

recipe = load_recipe("margin.yaml", json.loads(sys.argv[1]))
train(Request("margin.yaml", recipe, out=pathlib.Path("run")), Console(quiet=True))
try:
    load_recipe("margin.yaml", ["conditioning.margn=2"])
except UserError as error:
    print(error)
"""


def test_a_conditioning_in_one_file_one_line_and_one_recipe(
    tmp_path: Path, tiny: list[str]
) -> None:
    module, imported, member = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (settings,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    package = tmp_path / "contragan"
    shutil.copytree(Path(contragan.__file__).parent, package)

    (package / "conditioning" / "margin.py").write_text(module)
    union = package / "conditioning" / "__init__.py"
    text = union.read_text()
    before = text.index("ConditioningConfig = Annotated[\n")
    member_at = text.index("    | AuxiliaryClassifierConfig\n")
    union.write_text(text[:before] + imported + text[before:member_at] + member + text[member_at:])

    recipe = yaml.safe_load(recipe_text("digits/acgan"))
    (tmp_path / "margin.yaml").write_text(yaml.safe_dump(recipe | yaml.safe_load(settings)))
    overrides = json.dumps([*tiny, "training.total_iterations=2"])
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED, overrides],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "did you mean 'margin'" in done.stdout
    log = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"d/margin"' in log
    assert '"g/margin"' in log
