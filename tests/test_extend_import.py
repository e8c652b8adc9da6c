"""Classes by their import path: docs/extend.md word by word, and what may be wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import contragan
from contragan.core.errors import UserError
from contragan.recipes.catalog import recipe_text
from contragan.recipes.schema import dump_recipe, load_recipe, parse_recipe
from contragan.runs.run import open_run
from contragan.training.setup import changed_code

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"

TINY = {
    "generator": {"channels": 8, "latent_dim": 12, "shared_dim": 8},
    "discriminator": {"channels": 8},
    "training": {
        "total_iterations": 2,
        "batch_size": 16,
        "log_every_iterations": 2,
        "checkpoint_every_iterations": 2,
        "evaluate_every_iterations": 2,
        "evaluate_at_start": False,
    },
    "evaluation": {"num_images": 64, "metrics": ["frechet_distance"]},
}


def blocks(title: str, language: str) -> list[str]:
    """The code of one kind in a section of the page."""
    text = PAGE.read_text()
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


FOLLOWED = """
import shlex, sys
from contragan.cli import main

for line in sys.argv[1:]:
    sys.argv = shlex.split(line)
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def follow(folder: Path, lines: list[str]) -> str:
    """Run lines of the page that begin with PYTHONPATH=. contragan; returns what was printed."""
    commands = [line.removeprefix("PYTHONPATH=. ") for line in lines]
    assert all(line.startswith("contragan ") for line in commands)
    source = str(Path(contragan.__file__).parents[1])
    done = subprocess.run(
        # -P keeps the folder itself off the path, as in the command `contragan`.
        [sys.executable, "-P", "-c", FOLLOWED, *commands],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), source]),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def recipe(*settings: str) -> str:
    """digits/acgan at tiny settings, with sections replaced."""
    values = yaml.safe_load(recipe_text("digits/acgan"))
    for section, changes in TINY.items():
        values[section] |= changes
    for text in settings:
        values |= yaml.safe_load(text)
    return yaml.safe_dump(values)


def test_the_page_word_by_word(tmp_path: Path) -> None:
    (module,) = (text for text in blocks("A conditioning", "python") if "class Margin" in text)
    (mine,) = blocks("By its import path", "python")
    (tmp_path / "margin.py").write_text(module)
    (tmp_path / "mine.py").write_text(mine)
    (tmp_path / "ours.yaml").write_text(recipe(*blocks("By its import path", "yaml")))
    (commands,) = blocks("By its import path", "sh")
    printed = follow(tmp_path, commands.splitlines())
    assert "brighter by" in printed
    run = tmp_path / "run"
    log = (run / "metrics.jsonl").read_text()
    for name in ("d/margin", "g/margin", "d/drift", "evaluation/brighter_by"):
        assert f'"{name}"' in log, name

    written = yaml.safe_load((run / "recipe.yaml").read_text())
    assert written["conditioning"]["kind"] == "margin:MarginConfig"
    assert written["adversarial"] == {"kind": "mine:WideHinge", "margin": 2.0}
    imported = json.loads((run / "environment.json").read_text())["imported"]
    assert list(imported) == [
        "margin:MarginConfig",
        "mine:WideHinge",
        "mine:Drift",
        "mine:Brightness",
    ]
    assert imported["mine:Drift"]["file"] == str(tmp_path / "mine.py")

    # Here Python finds neither module: one line says what is missing, and where it looked.
    with pytest.raises(UserError) as caught:
        open_run(run)
    said = f"{run}/recipe.yaml: 'margin:MarginConfig': there is no module margin in "
    assert said in str(caught.value)
    assert "put its folder into PYTHONPATH" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_code_than_a_run_began_with_is_noted() -> None:
    earlier = {"a:A": {"file": "a.py", "sha256": "1"}, "b:B": {"file": "b.py", "sha256": "2"}}
    now = {**earlier, "b:B": {"file": "b.py", "sha256": "3"}, "c:C": {"file": "c.py"}}
    (line,) = changed_code({"imported": earlier}, {"imported": now})
    assert line == "note: b:B was trained with another version of b.py"
    assert changed_code({}, {"imported": now}) == []


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


HEAD = """
from pydantic import Field
from contragan.models.heads.projection import ProjectionConfig
class Own(ProjectionConfig):
    kind: str
    strength: float = Field(gt=0)
    powers: tuple[int, ...] = (1,)
"""


def test_settings_are_checked_and_kept_as_those_of_any_kind(modules: Path) -> None:
    (modules / "own_head_1.py").write_text(HEAD)
    section = "conditioning={kind: own_head_1:Own, strength: 2.5, powers: [1, 2]}"
    found = load_recipe("digits/projgan", [section])
    assert found.conditioning.model_dump() == {
        "kind": "own_head_1:Own",
        "strength": 2.5,
        "powers": (1, 2),
    }
    assert found.import_paths == ["own_head_1:Own"]
    assert parse_recipe(dump_recipe(found), "again") == found
    for wrong, said in [
        ("conditioning.strenth=1", "'conditioning.strenth', did you mean 'strength'"),
        ("conditioning.strength=-1", "'conditioning.strength': Input should be greater than 0"),
        ("conditioning.powers=[a]", "'conditioning.powers.0'"),
    ]:
        with pytest.raises(UserError) as caught:
            load_recipe("digits/projgan", [section, wrong])
        assert said in str(caught.value)
    with pytest.raises(
        UserError, match=r"conditioning.kind=own_head_1:Own needs the keys strength"
    ):
        load_recipe("digits/contragan", ["conditioning.kind=own_head_1:Own"])


WRONG = """
from contragan.models.heads.base import Conditioning, ConditioningSettings
from contragan.models.heads.projection import ProjectionConfig
number = 3
class Head(Conditioning): ...
class Incomplete(ConditioningSettings): ...
class Settings(ProjectionConfig): ...
"""


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            "conditioning.kind=no_such_module:Head",
            "there is no module no_such_module in {folder}, ",
        ),
        ("conditioning.kind=own_wrong.deeper:Head", "there is no module own_wrong.deeper in"),
        (
            "conditioning.kind=own_wrong:Haed",
            "own_wrong.py has no 'Haed'. It has own_wrong:Settings",
        ),
        (
            "conditioning.kind=own_wrong:Head",
            "Head in {folder}/own_wrong.py is a class, but not derived from "
            "contragan.models.heads.base.ConditioningSettings. It has own_wrong:Settings",
        ),
        (
            "conditioning.kind=own_wrong:number",
            "number in {folder}/own_wrong.py is of type int and not a class",
        ),
        ("conditioning.kind=own_wrong:Incomplete", "is not complete: it lacks build"),
        ("adversarial.kind=own_wrong:Settings", "not derived from contragan.losses.adver"),
        ("generator.kind=own_wrong:Settings", "contragan.models.base.GeneratorSettings"),
        ("regularizers=[{kind: 'own_wrong:Settings'}]", "regularizers.base.Regularizer"),
        ("evaluation.metrics=['own_wrong:Settings']", "contragan.metrics.base.Metric"),
        ("conditioning.kind='own_wrong:'", "is not an import path: write my_package.my_module:My"),
        ("conditioning.kind=own_broken:Head", "ends with ZeroDivisionError: division by zero"),
        ("conditioning.kind=own_syntax:Head", "own_syntax ends with SyntaxError"),
        ("conditioning.kind=own_needs:Head", "own_needs needs the module nothing_of_that_name"),
        ("conditioning.kind=os:system", "system in "),
        (
            "conditioning.kind=sys:exit",
            "exit in the built-in module sys is of type builtin_function",
        ),
    ],
)
def test_what_is_wrong_with_an_import_path_is_one_line(
    modules: Path, section: str, said: str
) -> None:
    (modules / "own_wrong.py").write_text(WRONG)
    (modules / "own_broken.py").write_text("1 / 0\n")
    (modules / "own_syntax.py").write_text("def\n")
    (modules / "own_needs.py").write_text("import nothing_of_that_name\n")
    for name in ("own_wrong", "own_broken", "own_syntax", "own_needs"):
        sys.modules.pop(name, None)
    with pytest.raises(UserError) as caught:
        load_recipe("digits/projgan", [section])
    assert said.format(folder=modules) in str(caught.value)
    assert str(caught.value).startswith("recipe digits/projgan: ")
    assert "\n" not in str(caught.value)
