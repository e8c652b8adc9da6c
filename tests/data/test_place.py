"""Archives: unpacked once, with care; and what is not unpacked."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contragan.core.cache import entries
from contragan.core.errors import UserError
from contragan.data import ImageDataset, load_image_set
from contragan.data.archives import member_name

Load = Callable[..., ImageDataset]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRAGAN_CACHE", str(tmp_path / "cache"))


def _zip(path: Path, root: Path, *more: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*.*")):
            archive.write(file, file.relative_to(root.parent))
        for name, content in more:
            archive.writestr(name, content)
    return path


def test_a_zip_of_class_folders_is_unpacked_once(tree: Path, tmp_path: Path, load: Load) -> None:
    path = _zip(tmp_path / "z.zip", tree, ("__MACOSX/._x.png", b""), ("set/.hidden", b""))
    plain = load(tree)
    data = load(path)
    assert data.class_names == ("ant", "bee", "cow")
    np.testing.assert_array_equal(data.images, plain.images)
    assert data.fingerprint == plain.fingerprint
    (unpacked,) = [one for one in entries(tmp_path / "cache") if one.kind == "unpacked"]
    assert unpacked.name == "z"
    assert data.notes[0].startswith(f"reading z.zip, unpacked into {unpacked.paths[0]}")
    assert data.notes[1] == "reading z.zip/set, the only folder in z.zip"
    before = {file: file.stat().st_mtime_ns for file in unpacked.paths[0].rglob("*")}
    load(path, "test")
    assert {file: file.stat().st_mtime_ns for file in unpacked.paths[0].rglob("*")} == before


def test_a_zip_of_stylegan(tmp_path: Path, flat: Path, load: Load) -> None:
    files = sorted(flat.rglob("*.png"))
    labels = [(f"00000/img{k:08d}.png", k % 3) for k in range(len(files))]
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file, (name, _) in zip(files, labels, strict=True):
            archive.write(file, name)
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
    data = load(path)
    assert data.class_names == ("0", "1", "2")
    assert data.class_counts.tolist() == [9, 9, 9]
    assert "reading StyleGAN's dataset.json" in data.notes
    assert load_image_set(path).class_counts.tolist() == [10, 10, 10]


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("set/train/ant/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


_UNSAFE: dict[str, tuple[str | zipfile.ZipInfo, str]] = {
    "above": ("set/../../out.png", r"the path set/\.\./\.\./out\.png, which leads out of it"),
    "absolute": ("/tmp/out.png", "the path /tmp/out.png, which leads out of it"),
    "drive": ("C:\\out.png", "the path C:/out.png, which leads out of it"),
    "link": (_link(), "holds a link, set/train/ant/link.png"),
}


@pytest.mark.parametrize("kind", _UNSAFE)
def test_a_zip_that_leads_out_of_itself_is_refused(
    tree: Path, tmp_path: Path, load: Load, kind: str
) -> None:
    member, message = _UNSAFE[kind]
    path = _zip(tmp_path / "z.zip", tree, (member, b"x"))
    for read in (load, load_image_set):
        with pytest.raises(UserError, match=message):
            read(path)
    assert list((tmp_path / "cache" / "unpacked").iterdir()) == []


def test_a_list_in_a_zip_does_not_lead_out_of_it(tmp_path: Path, tree: Path, load: Load) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "labels.csv").write_text(f"file,label\n{tree}/train/ant/0.png,a\n")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(inside / "labels.csv", "labels.csv")
    with pytest.raises(UserError, match=r"line 2: .* leads out of the archive"):
        load(tmp_path / "z.zip")


def test_a_damaged_zip_leaves_nothing(tree: Path, tmp_path: Path, load: Load) -> None:
    path = _zip(tmp_path / "z.zip", tree)
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"z\.zip cannot be unpacked: "):
        load(path)
    path.write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"z\.zip cannot be unpacked: File is not a zip file"):
        load(path)
    assert list((tmp_path / "cache" / "unpacked").iterdir()) == []


def test_names_of_macos_are_utf8_though_the_zip_does_not_say_so() -> None:
    for name, written in (("Grünfink", "utf-8"), ("Grünfink", "cp437"), ("ant", "ascii")):
        info = zipfile.ZipInfo()
        info.filename = f"{name}/1.png".encode(written).decode("cp437")  # as zipfile reads it
        assert member_name(info) == f"{name}/1.png"


def _png(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


def test_parquet_of_the_hub_is_unpacked(tmp_path: Path, load: Load) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    features = {
        "img": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": ["cat", "dog"]},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for split, count in (("train", 8), ("test", 4)):
        cells: list[Any] = [{"bytes": _png(k), "path": None} for k in range(count)]
        table = pyarrow.table({"img": cells, "label": [k % 2 for k in range(count)]})
        (tmp_path / "hub" / "data").mkdir(parents=True, exist_ok=True)
        parquet.write_table(
            table.replace_schema_metadata(metadata),
            tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet",
        )
    train, test = (load(tmp_path / "hub", split) for split in ("train", "test"))
    assert train.class_names == ("cat", "dog")
    assert train.class_counts.tolist() == [4, 4]
    assert test.class_counts.tolist() == [2, 2]
    assert any("Parquet files, columns img and label" in line for line in train.notes)


def test_a_name_of_the_hub_needs_datasets(load: Load) -> None:
    try:
        import datasets  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"hf:a/b needs the package datasets: pip install"):
            load(Path("hf:a/b"))
    else:
        with pytest.raises(UserError, match=r"hf:/nowhere/at/all cannot be loaded: "):
            load(Path("hf:/nowhere/at/all"))


def test_the_package_datasets_reads_a_folder(tree: Path, load: Load) -> None:
    pytest.importorskip("datasets", reason="the package datasets is not installed")
    train, test = (load(Path(f"hf:{tree}"), split) for split in ("train", "test"))
    assert train.class_names == ("ant", "bee", "cow")
    assert train.class_counts.tolist() == [6, 6, 6]
    assert test.class_counts.tolist() == [2, 2, 2]


def test_other_files_are_not_data(tmp_path: Path, load: Load) -> None:
    (tmp_path / "x.rar").write_bytes(b"")
    with pytest.raises(UserError, match=r"x\.rar is a file, not a folder, a \.zip, \.parquet"):
        load(tmp_path / "x.rar")
