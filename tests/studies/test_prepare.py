"""A study's folder: what it holds, and which folders and runs are refused."""

import shutil
from pathlib import Path

import pytest
import yaml
from pretended_study import STUDY, TOTAL, pretend, write_study

from contragan.core.errors import UserError
from contragan.recipes.schema import load_recipe
from contragan.studies.prepare import Prepared, StudyRequest, prepare
from contragan.studies.record import pool_of, read_record, recipe_file


def asked(study_file: Path, **changes: object) -> StudyRequest:
    wanted = {"scale": "tiny", "out": study_file.parent / "study", "seeds": 2, **changes}
    return StudyRequest(str(study_file), **wanted)  # type: ignore[arg-type]


def refused(request: StudyRequest, expected: str) -> None:
    before = sorted(request.out.parent.rglob("*")) if request.out else []
    with pytest.raises(UserError, match=expected) as error:
        prepare(request)
    assert "\n" not in str(error.value)
    assert not request.out or sorted(request.out.parent.rglob("*")) == before


def test_the_folder_holds_the_study_and_its_recipes(prepared: Prepared, study_file: Path) -> None:
    record = read_record(prepared.out)
    assert record == prepared.record
    assert (record.name, record.scale, record.seeds) == ("mine", "tiny", 2)
    assert prepared.pool == pool_of(record, prepared.out) == study_file.parent / "runs"
    for run in prepared.runs:
        assert load_recipe(str(recipe_file(prepared.out, run.recorded))) == run.recipe
    moved = prepared.out.parent.parent / "moved"
    shutil.move(prepared.out.parent, moved)
    assert pool_of(read_record(moved / "study"), moved / "study") == moved / "runs"


def test_more_seeds_and_cells_may_be_asked_for_later(prepared: Prepared, study_file: Path) -> None:
    more = [*STUDY["cells"], {"row": "BigGAN", "column": "D2D-CE", "recipe": "digits/reacgan"}]
    write_study(study_file, cells=more)
    assert len(prepare(asked(study_file, seeds=3)).runs) == 9


def test_the_number_of_seeds_is_remembered_and_fewer_are_said(
    prepared: Prepared, study_file: Path
) -> None:
    """The scale has one seed, and two were asked for when the folder was written."""
    again = prepare(asked(study_file, seeds=None))
    assert (again.record, again.dropped, again.notes()) == (prepared.record, 0, [])
    fewer = prepare(asked(study_file, seeds=1))
    assert (len(fewer.runs), fewer.dropped) == (2, 2)
    (line,) = fewer.notes()
    assert line.startswith(f"note: 2 runs that {prepared.out} had before")
    write_study(study_file, cells=STUDY["cells"][:1])
    assert prepare(asked(study_file)).dropped == 2


def test_a_run_is_made_by_one_command(prepared: Prepared, study_file: Path) -> None:
    """``--resume`` makes it begin the run, or go on with it."""
    run = prepared.runs[-1]
    assert run.recorded.seed == 1
    recipe = str(recipe_file(prepared.out, run.recorded))
    place = str(prepared.pool / run.name)
    assert prepared.command(run) == ["train", recipe, "--seed", "1", "--out", place, "--resume"]
    skipping = prepare(asked(study_file, skip_unreadable=True))
    assert skipping.command(run)[-1] == "--skip-unreadable"


def test_other_folders_are_refused(prepared: Prepared, study_file: Path, tmp_path: Path) -> None:
    refused(asked(study_file, scale="small"), "holds mine at scale tiny, not mine at scale small")
    refused(asked(study_file, pool=tmp_path / "others"), "lie in .*/runs: leave out --pool")
    other = write_study(tmp_path / "other.yaml")
    refused(asked(other), "holds mine at scale tiny, not other at scale tiny")
    cells = [{**STUDY["cells"][0], "settings": ["training.batch_size=8"]}, STUDY["cells"][1]]
    write_study(study_file, cells=cells)
    refused(asked(study_file), "begun with other settings of 'BigGAN, projection'")
    write_study(study_file, cells=[{"row": "x", "column": "y", "recipe": "digits/biggan"}])
    refused(asked(study_file), "holds another study called mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    refused(asked(study_file, out=tmp_path / "full"), "not empty and holds no study")
    refused(asked(study_file, out=tmp_path / "full" / "file"), "is a file; give a folder")


def test_a_damaged_folder_is_named(prepared: Prepared, study_file: Path) -> None:
    path = prepared.out / "study.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "seed": 1}))
    refused(asked(study_file), "study.yaml is damaged: unknown key 'seed', did you mean 'seeds'")
    path.write_text(yaml.safe_dump({**content, "scale": "huge"}))
    refused(asked(study_file), "study.yaml is damaged: .*the study has no scale 'huge'")
    path.write_text("[")
    refused(asked(study_file), "is not valid YAML")
    with pytest.raises(UserError, match="holds no study"):
        read_record(prepared.pool.parent)


def test_a_run_of_another_recipe_is_refused(prepared: Prepared, study_file: Path) -> None:
    run = prepared.runs[0]
    folder, recipe = prepared.pool / run.name, recipe_file(prepared.out, run.recorded)
    recipe.write_text(recipe.read_text().replace("learning_rate: 0.001", "learning_rate: 0.002"))
    pretend(folder, TOTAL, recipe)
    refused(asked(study_file), "with other settings .training.discriminator_optimizer.learning")
    shutil.rmtree(folder)
    prepared.write()
    pretend(folder, TOTAL, recipe, seed=7)
    refused(asked(study_file), "was trained with seed 7, not 0")
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "file").touch()
    refused(asked(study_file), "holds no run, but a run is to go there")
    shutil.rmtree(folder)
    pretend(folder, TOTAL, recipe)
    prepare(asked(study_file))


FOLDER = {"row": "own", "column": "images", "recipe": "folder/contragan-32"}
TINY_IMAGENET = {"row": "Tiny", "column": "2C", "recipe": "tiny-imagenet/contragan"}


def test_data_is_missed_before_anything_is_written(study_file: Path, tmp_path: Path) -> None:
    scales = {"tiny": {"note": "as it is", "seeds": 1}}
    write_study(study_file, cells=[*STUDY["cells"], FOLDER], scales=scales)
    refused(asked(study_file), r"data set folder: .*needs --data folder=PATH; expected PATH/train/")
    gone = str(tmp_path / "gone")
    refused(asked(study_file, data=[gone]), "data set folder: data folder .*gone does not exist")
    refused(asked(study_file, data=[f"folders={gone}"]), "'folders', did you mean 'folder'")
    refused(asked(study_file, data=[gone, f"folder={gone}"]), "names folder twice")
    write_study(study_file, cells=[TINY_IMAGENET, FOLDER], scales=scales)
    refused(asked(study_file, data=[gone]), "has 2 data sets .tiny_imagenet, folder.: give each")
    needed = "data set tiny_imagenet: .* --data tiny_imagenet=PATH; .*tiny-imagenet-200.zip"
    refused(asked(study_file), needed)
    refused(asked(study_file, data=[f"tiny_imagenet={gone}"]), needed)
    write_study(study_file, scales=scales)
    refused(asked(study_file, data=[gone]), "needs no folder. Leave out --data")


def test_data_folders_are_remembered(study_file: Path, tmp_path: Path) -> None:
    write_study(study_file, cells=[FOLDER], scales={"tiny": {"note": "as it is", "seeds": 1}})
    for name in ("ant", "bee"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(20):
            (tmp_path / "images" / name / f"{index}.png").touch()
    first = prepare(asked(study_file, data=[str(tmp_path / "images")]))
    first.write()
    again = prepare(asked(study_file))
    assert again.record.data == {"folder": str(tmp_path / "images")}
    words = again.command(again.runs[0])
    assert words[words.index("--data") + 1] == str(tmp_path / "images")
