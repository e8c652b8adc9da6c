"""Statistics of reference images on disk, under a key that covers everything they depend on."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from contragan.core.cache import STATISTICS, cache_folder, make_cache
from contragan.core.errors import UserError
from contragan.core.files import whole
from contragan.core.gaussian import FittedGaussian, gaussian_from_arrays, gaussian_to_arrays

FORMAT = 1
"""Part of every key: raised whenever the meaning of a stored file changes."""


def cache_key(facts: Mapping[str, Any]) -> str:
    """A file name for ``facts`` (JSON values): equal facts, equal name."""
    text = json.dumps({"format": FORMAT, **facts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Statistics:
    """What one pass over a set of real images leaves.

    ``features`` (N, D) float32 are there if asked for, or if they stand in for a covariance.
    """

    key: str
    gaussian: FittedGaussian
    features: np.ndarray | None


class StatisticsCache:
    """Files under one folder, each written whole under a temporary name and then renamed.

    Two processes that compute the same key both write the same content and the later rename wins;
    a reader sees one or the other. A file that cannot be read counts as absent.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / STATISTICS

    def load(self, key: str, *, features: bool) -> Statistics | None:
        """The statistics under ``key``, or None; ``features`` asks for the rows too."""
        arrays = self.load_arrays(key)
        if arrays is None or not {"count", "mean"} <= arrays.keys():
            return None
        rows = None
        if features or "covariance" not in arrays:
            rows = self._load_rows(key, (int(arrays["count"]), len(arrays["mean"])))
            if rows is None:
                return None
        gaussian = gaussian_from_arrays(arrays, rows)
        return None if gaussian is None else Statistics(key, gaussian, rows)

    def _load_rows(self, key: str, shape: tuple[int, int]) -> np.ndarray | None:
        try:
            rows = np.load(self.folder / f"{key}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return rows if rows.shape == shape else None

    def save(self, statistics: Statistics) -> None:
        """Stores ``statistics`` under its key; UserError where the folder cannot be written."""
        key, rows = statistics.key, statistics.features
        if rows is not None:
            self._write(f"{key}.npy", lambda file: np.save(file, rows, allow_pickle=False))
        self.save_arrays(key, gaussian_to_arrays(statistics.gaussian))

    def load_arrays(self, key: str) -> dict[str, np.ndarray] | None:
        """Named arrays under ``key``, or None."""
        try:
            # Opened here: NumPy leaves a damaged archive open.
            with (
                open(self.folder / f"{key}.npz", "rb") as file,
                np.load(file, allow_pickle=False) as archive,
            ):
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None

    def save_arrays(self, key: str, arrays: Mapping[str, Any]) -> None:
        """Stores named arrays under ``key``."""
        self._write(f"{key}.npz", lambda file: np.savez(file, **arrays))

    def _write(self, name: str, write: Callable[[IO[bytes]], object]) -> None:
        try:
            make_cache(self.folder.parent)
        except OSError as error:
            raise self._refusal(self.folder, error) from error
        with whole(self.folder / name, self._refusal) as temporary, temporary.open("wb") as file:
            write(file)

    def _refusal(self, path: Path, error: OSError) -> UserError:
        return UserError(
            f"cannot write to {self.folder} ({error.strerror or error}): free some space, or set "
            "CONTRAGAN_CACHE to a folder that can be written"
        )
