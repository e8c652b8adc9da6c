"""The cache folder: what is listed, what is removed, and what is left alone."""

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import contragan
from pydantic import TypeAdapter

from contragan.core.cache import TAG, cache_folder, check_ours, clear, entries, make_cache
from contragan.core.errors import UserError
from contragan.core.locking import lock
from contragan.data import DataConfig, load_dataset
from contragan.data.torchvision_sets import TorchvisionConfig

KEY = "0123456789abcdef" * 2
ALL = ["images", "statistics", "downloads"]


def quiet(line: str) -> None:
    raise AssertionError(line)


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A cache of before there was a mark, with what killed processes left."""
    folder = tmp_path / "cache"
    write(folder / "stores" / KEY / "pixels.u8", 700)
    index = {"shape": [7, 10, 10, 1], "fingerprint": ""}
    (folder / "stores" / KEY / "index.json").write_text(json.dumps(index))
    write(folder / "stores" / f"{KEY}.tmp-dead" / "pixels.u8", 50)
    write(folder / "statistics" / f"{KEY}.npz", 30)
    write(folder / "statistics" / f"{KEY}.npy", 20)
    write(folder / "downloads" / "MNIST" / "raw" / "images", 1000)
    write(folder / "downloads" / "test_32x32.mat", 5)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The command line on a cache folder; returns what it says."""

    def call(folder: Path, *words: str, code: int = 0) -> str:
        monkeypatch.setenv("CONTRAGAN_CACHE", str(folder))
        ended, out, errors = contragan(capsys, "cache", *words)
        assert ended == code, (out, errors)
        return errors if code else out

    return call


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("~/mine", str(tmp_path / "mine")):
        monkeypatch.setenv("CONTRAGAN_CACHE", value)
        assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("CONTRAGAN_CACHE", "")
    assert cache_folder() == tmp_path / ".cache" / "contragan"
    monkeypatch.delenv("CONTRAGAN_CACHE")
    assert cache_folder() == tmp_path / ".cache" / "contragan"


def test_what_is_in_it(old: Path) -> None:
    found = {entry.name: (entry.kind, entry.num_bytes) for entry in entries(old)}
    index = (old / "stores" / KEY / "index.json").stat().st_size
    assert found == {
        "unnamed 01234567: 7 images of 10 x 10": ("images", 750 + index),
        "2 files": ("statistics", 50),
        "MNIST": ("downloads", 1000),
        "SVHN": ("downloads", 5),
    }


def test_a_data_set_has_its_name(tmp_path: Path) -> None:
    config = TypeAdapter(DataConfig).validate_python(
        {
            "kind": "digits",
            "resolution": 16,
            "channels": 1,
            "horizontal_flip": False,
            "fake_labels": "training",
        }
    )
    load_dataset(config, "test", root=None, cache=tmp_path)
    assert [entry.name for entry in entries(tmp_path)] == ["digits test: 359 images of 16 x 16"]
    assert (tmp_path / TAG).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_every_download_is_known(tmp_path: Path) -> None:
    sets = TorchvisionConfig.__subclasses__()
    sets = [*sets, *(inner for one in sets for inner in one.__subclasses__())]
    made = 0
    for one in sets:
        if "kind" not in one.model_fields:  # what several sets share
            continue
        settings = {"resolution": 32, "channels": 3, "horizontal_flip": False}
        kind = one.model_fields["kind"].annotation.__args__[0]  # type: ignore[union-attr]
        config = one(kind=kind, fake_labels="training", **settings)  # type: ignore[call-arg]
        for split in ("train", "test"):
            for file in config.files(split):
                write(tmp_path / "downloads" / file, 1)
                made += 1
    assert made >= 12
    check_ours(tmp_path)
    clear(tmp_path, ["downloads"], quiet)
    assert list(tmp_path.iterdir()) == []


def test_an_old_cache_is_known_by_its_layout(old: Path) -> None:
    total = sum(entry.num_bytes for entry in entries(old))
    assert clear(old, ALL, quiet) == total
    assert list(old.iterdir()) == []


def test_one_kind_alone(old: Path) -> None:
    assert clear(old, ["statistics"], quiet) == 50
    assert sorted(item.name for item in old.iterdir()) == ["downloads", "stores"]
    assert (old / "stores" / KEY / "pixels.u8").is_file()


@pytest.mark.parametrize("place", ["thesis.tex", "stores/notes.txt", "downloads/film.mkv"])
def test_a_folder_with_other_things_is_refused(old: Path, place: str) -> None:
    write(old / place, 1)
    before = sorted(old.rglob("*"))
    make_cache(old)  # in use as a cache nevertheless: not marked
    with pytest.raises(UserError, match="holds other things than a cache of contragan"):
        clear(old, ALL, quiet)
    assert sorted(old.rglob("*")) == before


def test_no_more_goes_than_was_made(old: Path) -> None:
    make_cache(old)
    mine = [old / "thesis.tex", old / "stores" / "notes.txt", old / "downloads" / "film.mkv"]
    for path in mine:
        write(path, 1)
    outside = old.parent / "outside"
    write(outside / "kept", 1)
    (old / "stores" / KEY / "link").symlink_to(outside, target_is_directory=True)
    clear(old, ALL, quiet)
    left = sorted(path for path in old.rglob("*") if path.is_file())
    assert left == sorted([*mine, old / TAG])
    assert (outside / "kept").is_file()


def test_another_program_s_cache_is_refused(old: Path) -> None:
    (old / TAG).write_text("Signature: 8a477f597d28d172789f06886806bc55\n# made by another\n")
    with pytest.raises(UserError, match="holds other things"):
        clear(old, ALL, quiet)


def test_what_is_being_made_stays(old: Path) -> None:
    said: list[str] = []
    store = old / "stores" / KEY
    with lock(store.with_suffix(".lock")):
        freed = clear(old, ["images"], said.append)
    assert freed == 0
    assert (store / "pixels.u8").is_file()
    assert (old / "stores" / f"{KEY}.tmp-dead").is_dir()
    assert len(said) == 1
    assert said[0].endswith("is being made by another process and stays")
    fresh, stale = old / "statistics" / ".a.partial", old / "statistics" / f".{KEY}.npz.1.tmp"
    for path in (fresh, stale):
        write(path, 1)
    os.utime(stale, (time.time() - 7200,) * 2)
    clear(old, ["statistics"], quiet)
    assert [item.name for item in (old / "statistics").iterdir()] == [fresh.name]


def test_the_command(old: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run(old).splitlines()
    assert lines[-2:] == ["downloads        5 B  SVHN", f"1.8 kB in {old}"]
    monkeypatch.setattr("sys.stdin", io.StringIO())
    before = sorted(old.rglob("*"))
    assert "would be removed: add --yes" in run(old, "clear", code=2)
    assert "'photos' is not one of" in run(old, "clear", "--kind", "photos", code=2)
    assert sorted(old.rglob("*")) == before
    said = run(old, "clear", "--kind", "downloads", "--kind", "statistics", "--yes")
    assert said == f"1.1 kB removed from {old}\n"
    assert sorted(item.name for item in old.iterdir()) == ["stores"]
    run(old, "clear", "--yes")
    assert run(old) == f"{old} holds nothing\n"
    assert run(old, "clear", "--yes") == f"nothing to remove in {old}\n"


def test_the_command_refuses(tmp_path: Path, run: Callable[..., str]) -> None:
    write(tmp_path / "home" / "thesis.tex", 1)
    assert "holds other things" in run(tmp_path / "home", "clear", "--yes", code=2)
    assert "is a file" in run(tmp_path / "home" / "thesis.tex", "clear", "--yes", code=2)
    absent = tmp_path / "absent"
    assert run(absent) == f"{absent} holds nothing\n"
    assert run(absent, "clear", "--yes") == f"nothing to remove in {absent}\n"
    assert not absent.exists()
