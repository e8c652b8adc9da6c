"""A small study, as a file and made ready to run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pretended_study import write_study

from contragan.studies import runner
from contragan.studies.prepare import Prepared, StudyRequest, prepare


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    return write_study(tmp_path / "mine.yaml")


@pytest.fixture
def prepared(study_file: Path, tmp_path: Path) -> Prepared:
    made = prepare(StudyRequest(str(study_file), scale="tiny", out=tmp_path / "study", seeds=2))
    made.write()
    return made


@pytest.fixture(autouse=True)
def _fast_looks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "LOOK_EVERY", 0.005)
        patch.setattr(runner, "LOOK_AGAIN", 0.02)
        yield
