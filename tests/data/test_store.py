from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contragan.core.errors import UserError
from contragan.core.locking import lock
from contragan.data import ImageDataset, load_dataset, store

Load = Callable[..., ImageDataset]


def stores(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "stores").glob("*"))


def test_decoded_once(
    tree: Path, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(tree)

    def fail(*args: Any) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(store, "decode_all", fail)
    second = load(tree)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.fingerprint == second.fingerprint
    assert len(stores(tmp_path)) == 1


def test_key_follows_files_and_preprocessing(tree: Path, load: Load, tmp_path: Path) -> None:
    before = load(tree)
    path = tree / "train" / "ant" / "0.png"
    os.utime(path, (1, 1))
    touched = load(tree)
    assert len(stores(tmp_path)) == 2
    assert touched.fingerprint == before.fingerprint  # the same pixels
    shutil.copy(tree / "train" / "ant" / "1.png", path)
    assert load(tree).fingerprint != before.fingerprint
    assert len(stores(tmp_path)) == 3
    load(tree, channels=1)
    load(tree, resolution=8)
    load(tree, classes=("bee", "ant"))
    assert len(stores(tmp_path)) == 6
    path.unlink()
    assert len(load(tree)) == 17


def test_content_decides_the_fingerprint_not_the_place(tree: Path, load: Load) -> None:
    before = load(tree)
    moved = tree.parent / "moved"
    shutil.copytree(tree, moved)
    assert load(moved).fingerprint == before.fingerprint
    (moved / "train" / "cow").rename(moved / "train" / "yak")
    assert load(moved).fingerprint != before.fingerprint


def test_memory_or_map(tree: Path, load: Load) -> None:
    memory, mapped = load(tree), load(tree, memory_share=0.0)
    assert not isinstance(memory.images, np.memmap)
    assert isinstance(mapped.images, np.memmap)
    assert not mapped.images.flags.writeable
    np.testing.assert_array_equal(memory.images, mapped.images)


def test_progress_reaches_the_end(flat: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROWS_PER_TASK", 4)
    seen: list[tuple[int, int]] = []
    data = load(flat, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (27, 27)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert len(seen) == 7
    # Blocks decoded side by side still lie in order.
    assert data.labels.tolist() == [0] * 9 + [1] * 18


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_before_decoding(
    tree: Path, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*args: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(UserError, match=r"no space left .* nothing was left behind"):
        load(tree)
    assert not stores(tmp_path)


def test_full_disk_at_the_end(
    tree: Path, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="no space left"):
        load(tree)
    assert not stores(tmp_path)


def test_an_interrupt_leaves_nothing(tree: Path, load: Load, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(tree, progress=interrupt)
    assert not stores(tmp_path)
    assert len(load(tree)) == 18


@pytest.mark.parametrize("left", [".{}.dead1234.tmp", "{}.tmp-dead"])
def test_what_a_killed_process_left_is_removed(
    tree: Path, load: Load, tmp_path: Path, left: str
) -> None:
    load(tree)
    (folder,) = stores(tmp_path)
    folder.rename(folder.with_name(left.format(folder.name)))
    assert len(load(tree)) == 18
    assert [path.name for path in stores(tmp_path)] == [folder.name]


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage", None])
@pytest.mark.parametrize("name", ["pixels.u8", "labels.npy", "index.json"])
def test_a_damaged_store_is_named(
    tree: Path, load: Load, tmp_path: Path, name: str, content: bytes | None
) -> None:
    load(tree)
    (folder,) = stores(tmp_path)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{folder} are damaged: remove that folder"):
        load(tree)
    shutil.rmtree(folder)
    assert len(load(tree)) == 18


def test_labels_of_other_images_are_damage(tree: Path, load: Load, tmp_path: Path) -> None:
    load(tree)
    (folder,) = stores(tmp_path)
    for labels in (np.zeros(3, np.int64), np.full(18, 3), np.full(18, -1), np.zeros(18)):
        np.save(folder / "labels.npy", labels)
        with pytest.raises(UserError, match=f"{folder} are damaged"):
            load(tree)


def test_cache_that_cannot_be_written(tree: Path, tmp_path: Path, config: Any) -> None:
    (tmp_path / "occupied").write_text("a file")
    with pytest.raises(UserError, match=r"cannot keep decoded images .* CONTRAGAN_CACHE"):
        load_dataset(config(), "train", root=tree, cache=tmp_path / "occupied")


def test_cache_folder_from_the_environment(
    tree: Path, tmp_path: Path, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRAGAN_CACHE", str(tmp_path / "elsewhere"))
    load_dataset(config(), "train", root=tree)
    assert len(list((tmp_path / "elsewhere" / "stores").iterdir())) == 1


LOADER = """
import sys, time
from pathlib import Path
from pydantic import TypeAdapter
from contragan.data import DataConfig, load_dataset

config = TypeAdapter(DataConfig).validate_json(sys.argv[1])
builds = []

def progress(done, total):
    print("building", flush=True)
    builds.append(done)
    time.sleep(float(sys.argv[4]))

data = load_dataset(
    config, "train", root=Path(sys.argv[2]), cache=Path(sys.argv[3]), progress=progress
)
print(data.fingerprint, len(builds), flush=True)
"""


def start_loader(config: Any, root: Path, cache: Path, seconds: float) -> subprocess.Popen[str]:
    """Load in another process, which dwells ``seconds`` in the middle of building."""
    settings = config().model_dump_json()
    return subprocess.Popen(
        [sys.executable, "-c", LOADER, settings, str(root), str(cache), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_share_one_build(tree: Path, tmp_path: Path, config: Any) -> None:
    children = [start_loader(config, tree, tmp_path / "cache", 1.0) for _ in range(2)]
    outputs = [child.communicate(timeout=120)[0].splitlines()[-1] for child in children]
    assert all(child.returncode == 0 for child in children)
    fingerprints, builds = zip(*(output.split() for output in outputs), strict=True)
    assert len(set(fingerprints)) == 1
    assert sorted(builds) == ["0", "1"]
    assert len(stores(tmp_path)) == 1


def test_a_killed_build_is_started_anew(
    tree: Path, load: Load, tmp_path: Path, config: Any
) -> None:
    child = start_loader(config, tree, tmp_path / "cache", 100.0)
    assert child.stdout is not None
    assert child.stdout.readline() == "building\n"
    child.kill()
    child.communicate()
    assert [path for path in stores(tmp_path) if ".tmp" in path.name]
    assert len(load(tree)) == 18
    assert len(stores(tmp_path)) == 1


def test_without_locks_the_first_to_finish_wins(
    tree: Path, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*args: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    raced: list[bool] = []

    def other_process(done: int, total: int) -> None:
        if not raced:
            raced.append(True)
            load(tree)

    data = load(tree, progress=other_process)
    assert raced
    assert len(data) == 18
    assert len(stores(tmp_path)) == 1


def test_a_lock_removed_by_its_holder_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    for _ in range(2):
        with lock(path) as held:
            assert held
            assert path.exists()
        assert not path.exists()
