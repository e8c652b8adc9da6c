"""Checkpoints: folders that appear whole, are checked on reading, and hold no code."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from contragan.core.errors import UserError
from contragan.core.files import whole, write_text

KEEP = 2
"""How many of the newest checkpoints stay; the best one always does."""

T = TypeVar("T")

MANIFEST, EVALUATED = "manifest.json", "evaluated.json"


class DamagedCheckpoint(UserError):
    """A checkpoint whose files are missing or differ from what was written."""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def snapshot(state: Any) -> Any:
    """A copy, in main memory, of every tensor in nested dictionaries and lists."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: snapshot(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(snapshot(value) for value in state)
    return state


def save_checkpoint(
    folder: Path,
    networks: Mapping[str, Mapping[str, Tensor]],
    trainer: dict[str, Any],
    facts: dict[str, Any],
) -> Path:
    """Write ``step-XXXXXXX``: one safetensors file per network, and ``trainer.pt``.

    ``networks`` are their states by name; ``trainer`` holds tensors and plain values only, among
    them ``iteration``; ``facts`` (such as the class names) go into the manifest beside the files'
    checksums.

    Raises:
        UserError: the disk is full; nothing half-written stays.
    """
    path = folder / f"step-{trainer['iteration']:07d}"
    with whole(path) as temporary:
        temporary.mkdir()
        for name, network in networks.items():
            state = {key: value.detach().contiguous() for key, value in network.items()}
            (temporary / f"{name}.safetensors").write_bytes(serialize(state))
        buffer = io.BytesIO()
        torch.save(trainer, buffer)
        (temporary / "trainer.pt").write_bytes(buffer.getvalue())
        digests = {file.name: _digest(file) for file in sorted(temporary.iterdir())}
        manifest = {"iteration": trainer["iteration"], **facts, "sha256": digests}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    write_text(folder / "last", path.name)
    return path


def mark_evaluated(checkpoint: Path, facts: dict[str, Any]) -> None:
    """Note in a checkpoint what its evaluation, which comes after the save, led to."""
    write_text(checkpoint / EVALUATED, json.dumps(facts))


def evaluation_facts(checkpoint: Path) -> dict[str, Any] | None:
    """What :func:`mark_evaluated` noted; None where the evaluation was never finished."""
    try:
        facts: dict[str, Any] = json.loads((checkpoint / EVALUATED).read_text(encoding="utf-8"))
        return {name: facts[name] for name in ("best", "best_iteration", "extra")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def mark_best(folder: Path, checkpoint: Path) -> None:
    """Point ``best`` to a checkpoint."""
    write_text(folder / "best", checkpoint.name)


def prune(folder: Path) -> None:
    """Remove all but the newest checkpoints and the best, and what killed runs left."""
    try:
        best = pointer(folder, "best")
    except DamagedCheckpoint:  # any of them may be the best
        old = []
    else:
        old = [path for path in checkpoints(folder)[:-KEEP] if path != best]
    for path in old:
        shutil.rmtree(path)
    for leftover in folder.glob(".*.tmp*"):
        shutil.rmtree(leftover, ignore_errors=True)


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints under a run's ``checkpoints/``, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def pointer(folder: Path, name: str) -> Path | None:
    """The checkpoint that ``last`` or ``best`` names, if it is there.

    Raises:
        DamagedCheckpoint: the file does not name a checkpoint.
    """
    file = folder / name
    if not file.is_file():
        return None
    try:
        named = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        named = ""
    if not re.fullmatch(r"step-\d+", named):
        raise DamagedCheckpoint(
            f"{file} is damaged: it names no checkpoint. Take it away, or give one of the "
            f"checkpoints in {folder}"
        )
    path = folder / named
    return path if path.is_dir() else None


def preferred(folder: Path, which: str) -> tuple[Path | None, list[Path]]:
    """The checkpoint that ``last`` or ``best`` names, and all: that one first, then the newest.

    Raises:
        DamagedCheckpoint: the file does not name a checkpoint.
    """
    named = pointer(folder, which)
    others = [one for one in reversed(checkpoints(folder)) if one != named]
    return named, others if named is None else [named, *others]


def read_manifest(path: Path) -> dict[str, Any]:
    """A checkpoint's manifest, with ``class_names``, ``iteration`` and ``sha256`` by file name.

    Raises:
        DamagedCheckpoint: it cannot be read, or lacks one of these.
    """
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        manifest["sha256"] = dict(manifest["sha256"])
        manifest["class_names"], manifest["iteration"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(f"checkpoint {path} is damaged: no readable {MANIFEST}") from error
    return manifest


def verify(path: Path, network: str | None = None) -> dict[str, Any]:
    """The manifest of a checkpoint whose files are as they were written.

    All files are checked, as training needs them to go on; or only those of one ``network``.

    Raises:
        DamagedCheckpoint: names the file that is missing or differs.
    """
    manifest = read_manifest(path)
    digests: dict[str, str] = manifest["sha256"]
    if network is not None:
        name = f"{network}.safetensors"
        if name not in digests:
            raise DamagedCheckpoint(f"checkpoint {path} is damaged: {MANIFEST} lacks {name}")
        digests = {name: digests[name]}
    for name, expected in digests.items():
        file = path / name
        if not file.is_file():
            raise DamagedCheckpoint(f"checkpoint {path} is damaged: {name} is missing")
        if _digest(file) != expected:
            raise DamagedCheckpoint(
                f"checkpoint {path} is damaged: {name} is not as it was written"
            )
    return manifest


def first_whole(
    folder: Path, candidates: Iterable[Path], read: Callable[[Path], T]
) -> tuple[Path, T, list[str]]:
    """The first undamaged checkpoint, what ``read`` makes of it, and a line on each before it.

    ``read`` checks the files that it needs, and raises DamagedCheckpoint where one is damaged.

    Raises:
        UserError: there is none in ``folder``.
    """
    damaged: list[str] = []
    for path in candidates:
        try:
            return path, read(path), damaged
        except DamagedCheckpoint as error:
            damaged.append(str(error))
    detail = f": {'; '.join(damaged)}" if damaged else ""
    raise UserError(f"no usable checkpoint in {folder}{detail}. Train anew with another --out")


def load_network(path: Path, name: str, network: nn.Module) -> None:
    """Load one network's weights from a checkpoint, exactly.

    A network without storage, on the meta device, gets the weights as its own, on the CPU.

    Raises:
        DamagedCheckpoint: the file cannot be read.
        UserError: its tensors are not those of the network; names the first few that differ.
    """
    load_exactly(network, read_network(path, name), str(path / f"{name}.safetensors"))


def read_network(path: Path, name: str) -> dict[str, Tensor]:
    """One network's tensors in a checkpoint, by name, on the CPU.

    Raises:
        DamagedCheckpoint: the file cannot be read.
    """
    file = path / f"{name}.safetensors"
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(f"checkpoint file {file} is damaged: {error}") from error


def load_exactly(network: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state dict that must match the network name by name and shape by shape.

    Raises:
        UserError: names the first few missing, extra and mis-shaped tensors.
    """
    expected = network.state_dict()
    problems = {
        "missing": sorted(expected.keys() - state.keys()),
        "extra": sorted(state.keys() - expected.keys()),
        "of another shape": [
            f"{key} ({'x'.join(map(str, state[key].shape))} instead of "
            f"{'x'.join(map(str, expected[key].shape))})"
            for key in sorted(expected.keys() & state.keys())
            if state[key].shape != expected[key].shape
        ],
    }
    found = [
        f"{kind}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        for kind, names in problems.items()
        if names
    ]
    if found:
        raise UserError(f"{where} is of another architecture than its recipe: {'; '.join(found)}")
    if any(tensor.is_meta for tensor in expected.values()):
        # Copied: tensors on the file's own memory would lie at any address, and the order in which
        # libraries add numbers up depends on it.
        state = {key: value.to(expected[key].dtype, copy=True) for key, value in state.items()}
        network.load_state_dict(state, assign=True)
    else:
        network.load_state_dict(state)


def load_trainer(path: Path) -> dict[str, Any]:
    """The trainer's state of a checkpoint, read without running code from the file.

    Raises:
        DamagedCheckpoint: the file cannot be read, or holds something else.
    """
    file = path / "trainer.pt"
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DamagedCheckpoint(
            f"{file} is damaged, or holds other objects than tensors and plain values, which could "
            "run code and are not loaded"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise DamagedCheckpoint(f"checkpoint file {file} is damaged: {_line(error)}") from error
    if not isinstance(state, dict) or not isinstance(state.get("iteration"), int):
        raise DamagedCheckpoint(f"checkpoint file {file} does not hold a trainer's state")
    return state


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
