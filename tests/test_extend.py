"""docs/extend.md, followed word by word in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

import contragan
from contragan.recipes.catalog import recipe_text

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
PACKAGE = Path(contragan.__file__).parent

FOLLOWED = """
import json, pathlib, sys
from rich.console import Console
from contragan.core.errors import UserError
from contragan.recipes.schema import load_recipe
from contragan.training.setup import Request
from contragan.training.train import train

recipe = load_recipe("ours.yaml", json.loads(sys.argv[1]))
train(Request("ours.yaml", recipe, out=pathlib.Path("run")), Console(quiet=True))
for wrong in sys.argv[2:]:
    try:
        load_recipe("ours.yaml", [wrong])
    except UserError as error:
        print(error)
"""


def blocks(title: str, language: str) -> list[str]:
    """The code of one kind in a section of the page."""
    text = PAGE.read_text()
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def join(package: Path, imported: str, members: dict[str, str]) -> None:
    """Import a variant in a package's ``__init__``, and add its line behind each union's name."""
    file = package / "__init__.py"
    text = file.read_text()
    at = text.index("\nif TYPE_CHECKING:\n")
    text = text[:at] + imported + text[at:]
    for union, member in members.items():
        opening = re.search(rf'    {union} = union\(\n +"\w+",\n', text)
        assert opening is not None
        text = text[: opening.end()] + member + text[opening.end() :]
    file.write_text(text)


def train(folder: Path, settings: str, overrides: list[str], *wrong: str) -> tuple[str, str]:
    """Train digits/acgan with other settings; returns what was printed and the log."""
    recipe = yaml.safe_load(recipe_text("digits/acgan")) | yaml.safe_load(settings)
    (folder / "ours.yaml").write_text(yaml.safe_dump(recipe))
    tiny = json.dumps([*overrides, "training.total_iterations=2"])
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED, tiny, *wrong],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), str(PACKAGE.parent)]),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, (folder / "run" / "metrics.jsonl").read_text()


def test_a_conditioning_in_one_file_one_line_and_one_recipe(
    tmp_path: Path, tiny: list[str]
) -> None:
    module, imported = blocks("A conditioning", "python")
    (member,) = blocks("A conditioning", "text")
    (settings,) = blocks("A conditioning", "yaml")
    shutil.copytree(PACKAGE, tmp_path / "contragan")
    heads = tmp_path / "contragan" / "models" / "heads"
    (heads / "margin.py").write_text(module)
    join(heads, imported, {"ConditioningConfig": member})

    printed, log = train(tmp_path, settings, tiny, "conditioning.margn=2")
    assert "did you mean 'margin'" in printed
    assert '"d/margin"' in log
    assert '"g/margin"' in log


def test_a_backbone_in_one_file_and_a_line_in_each_union(tmp_path: Path, tiny: list[str]) -> None:
    module, imported = blocks("A backbone", "python")
    generator, trunk = blocks("A backbone", "text")
    (settings,) = blocks("A backbone", "yaml")
    shutil.copytree(PACKAGE, tmp_path / "contragan")
    models = tmp_path / "contragan" / "models"
    (models / "mlp.py").write_text(module)
    join(models, imported, {"GeneratorConfig": generator, "TrunkConfig": trunk})

    overrides = [change.replace("channels=", "width=") for change in tiny]
    overrides = [change for change in overrides if "shared_dim" not in change]
    printed, log = train(
        tmp_path,
        settings,
        overrides,
        "data.resolution=64",
        "generator.batch_norm_eps=1e-4",
        "discriminator.normalization=batch",
    )
    assert "an mlp at resolution 64 is too wide; use 32 at most" in printed
    assert "unknown key 'generator.batch_norm_eps'" in printed
    assert "unknown key 'discriminator.normalization'" in printed
    assert '"g/adversarial"' in log


def test_a_conditioning_of_another_package(tmp_path: Path, tiny: list[str]) -> None:
    """What pip leaves of the page's ``pyproject.toml`` is enough for a recipe to name it."""
    module, _ = blocks("A conditioning", "python")
    (settings,) = blocks("A conditioning", "yaml")
    (project,) = blocks("From another package", "toml")
    package, facts = tmp_path / "my_package", tmp_path / "my_package-1.0.dist-info"
    package.mkdir()
    facts.mkdir()
    (package / "__init__.py").write_text("")
    (package / "margin.py").write_text(module)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    points = tomllib.loads(project)["project"]["entry-points"]
    lines = [
        line
        for group, named in points.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in named.items()))
    ]
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")

    _, log = train(tmp_path, settings, tiny)
    assert '"d/margin"' in log
