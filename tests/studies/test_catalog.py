"""Reading studies: strict, and with one line on what is wrong."""

from pathlib import Path

import pytest
from pretended_study import STUDY, write_study

from contragan.core.errors import UserError
from contragan.studies.catalog import load_study, scale_of
from contragan.studies.schema import Study


def test_a_file_s_study_is_called_after_it_and_finds_recipes_beside_it(tmp_path: Path) -> None:
    cells = [{"row": "a", "column": "b", "recipe": "own/mine.yaml"}, *STUDY["cells"]]
    name, study = load_study(str(write_study(tmp_path / "mine.yaml", cells=cells)))
    assert name == "mine"
    assert study.cells[0].recipe == str(tmp_path / "own" / "mine.yaml")
    assert study.cells[1].recipe == "digits/biggan"


CELL = {"row": "a", "column": "b", "recipe": "digits/biggan"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cells": [CELL, CELL]}, "two cells are called 'a, b': give one another name"),
        ({"cells": [{**CELL, "setings": []}]}, "cells.0.setings', did you mean 'settings'"),
        ({"cells": [{**CELL, "scales": ["tyni"]}]}, "names the scale 'tyni'"),
        ({"cells": [{"row": "a", "column": "b"}]}, "key 'cells.0.recipe' is missing"),
        ({"scales": {"tiny": {"note": "n", "seeds": 0}}}, "'scales.tiny.seeds': Input should be"),
        ({"scales": {"tiny": {"notes": "n", "seeds": 1}}}, "'scales.tiny.notes', did you mean"),
        ({"title": 3}, "'title': Input should be a valid string (got 3)"),
        ({"scales": ["tinny"]}, "there is no packaged scale 'tinny', did you mean 'tiny'?"),
        (
            {"scales": {"tiny": {"base": "tiny", "settings": {"all": []}}}},
            "beside those of 'tiny' needs a note",
        ),
        (
            {"claims": [{"says": "c", "lower": "BigGAN, 2D", "than": "BigGAN, 2C"}]},
            "claim 'c' names the cell 'BigGAN, 2D', which the study does not have",
        ),
        ({"titel": "t"}, "unknown key 'titel', did you mean 'title'"),
        ({"scores": []}, "'scores': Tuple should have at least 1 item"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, changes: dict[str, object], expected: str
) -> None:
    path = write_study(tmp_path / "mine.yaml", **changes)
    with pytest.raises(UserError) as error:
        load_study(str(path))
    assert expected in str(error.value)
    assert str(error.value).startswith(f"study {path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("a: [", "is not valid YAML"), ("- a", "is not a mapping")]
)
def test_files_that_are_not_studies(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=expected):
        load_study(str(tmp_path / "mine.yaml"))


def test_a_study_that_is_not_there() -> None:
    with pytest.raises(UserError, match="unknown study 'paper/nothing'"):
        load_study("paper/nothing")
    with pytest.raises(UserError, match=r"cannot read nothing\.yaml: No such file"):
        load_study("nothing.yaml")


def test_a_scale_is_chosen_where_there_are_several() -> None:
    study = Study.model_validate(STUDY)
    assert scale_of(study, "tiny", "study mine") == "tiny"
    with pytest.raises(UserError, match="study mine has no scale 'tinny', did you mean 'tiny'"):
        scale_of(study, "tinny", "study mine")
    with pytest.raises(UserError, match="has the scales tiny and small: choose one with --scale"):
        scale_of(study, None, "study mine")
    only = study.model_copy(update={"scales": {"tiny": study.scales["tiny"]}})
    assert scale_of(only, None, "study mine") == "tiny"
