"""``contragan.evaluate``: an evaluation from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from contragan.core.console import make_console, note
from contragan.core.errors import UserError
from contragan.core.files import expanded
from contragan.data.image_set import make_reading
from contragan.evaluation.choice import Choice
from contragan.evaluation.image_files import evaluate_files
from contragan.evaluation.record import EvaluationRecord
from contragan.evaluation.run import evaluate_run
from contragan.runs.model import Model
from contragan.runs.run import Run

if TYPE_CHECKING:
    from torch import Tensor

    Array = NDArray[Any] | Tensor
    Images = str | Path | Array | tuple[Array, Array] | tuple[Array, Array, Sequence[str]]


def evaluate(
    run_or_images: Run | Model | Images,
    real: Images | None = None,
    *,
    protocol: str | None = None,
    features: str | None = None,
    metrics: Sequence[str] | None = None,
    num_images: int | None = None,
    reference: Literal["train", "test"] | None = None,
    classes: Sequence[str] = (),
    which: Literal["best", "last"] = "best",
    ema: bool | None = None,
    batch_norm: Literal["running", "batch", "standing"] | None = None,
    data: str | Path | None = None,
    resolution: int | str | None = None,
    seed: int = 0,
    device: str = "auto",
    quiet: bool = False,
) -> EvaluationRecord:
    """Score a trained generator, or images that anything generated, as ``contragan evaluate`` does.

    Example:
        >>> import contragan, torch
        >>> draw = torch.Generator().manual_seed(0)
        >>> real = torch.randint(256, (200, 1, 8, 8), generator=draw, dtype=torch.uint8)
        >>> record = contragan.evaluate(real[:100], real, features="pixels", quiet=True)
        >>> sorted(record.values)
        ['distinct_images', 'frechet_distance']

    Args:
        run_or_images: a run, its folder or one of its checkpoints, or what ``contragan.load``
            returned; or, with ``real``, generated images.
        real: images to compare with. Images are a folder, an ``.npz`` file, or uint8 arrays:
            tensors (N, C, H, W) or NumPy's (N, H, W, C), alone or as ``(images, labels)`` or
            ``(images, labels, class_names)``.
        protocol: a named protocol; None for the recipe's settings.
        features: what images are compared by: ``"efficientnet-lite0"``, ``"inception"``,
            ``"pixels"`` or ``"timm:MODEL"``.
        metrics: names of metrics, such as ``["frechet_distance", "memorisation"]``.
        num_images: how many images to generate.
        reference: compare a run with its ``"train"`` or its ``"test"`` images.
        classes: only these, by name.
        which: the ``"best"`` or the ``"last"`` checkpoint of a run.
        ema: whether to take the moving average of a run's generator; None where there is one.
        batch_norm: which statistics a run's generator uses.
        data: where a run's data set lies now.
        resolution: crop and shrink both sets of images to this side, or to ``"48x64"``, the
            width first.
        seed: of the latents and labels of generated images.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        quiet: print nothing.

    Returns:
        The record: ``record.values`` by name, ``record.warnings``, and all that scores depend on.
        That of a run is added to its ``metrics.jsonl``.

    Raises:
        UserError: bad input, with one line that says what is wrong and what to do.
    """
    console = Console(quiet=True) if quiet else make_console()
    choice = Choice(
        protocol=protocol,
        features=features,
        num_images=num_images,
        reference=reference,
        batch_norm=batch_norm,
        metrics=None if metrics is None else tuple(metrics),
        classes=tuple(classes),
        data=None if data is None else expanded(Path(data)),
        reading=make_reading(resolution, None, None, skip_unreadable=False),
        seed=seed,
        device=device,
    )
    if real is None:
        path = _checkpoint_of(run_or_images)
        record = evaluate_run(path, choice, console, which=which, ema=ema)
    else:
        if isinstance(run_or_images, Run | Model):
            raise UserError(
                "a run is compared with images of its own data set: leave `real` out, or draw "
                "images of it with contragan.load(run).sample()"
            )
        with TemporaryDirectory() as folder:
            places = [
                _on_disk(images, Path(folder) / f"{name}.npz")
                for name, images in (("generated", run_or_images), ("real", real))
            ]
            record = evaluate_files(places[0], places[1], choice, console)
    for warning in record.warnings:
        note(console, f"warning: {warning}")
    return record


def _checkpoint_of(given: Run | Model | Images) -> Path:
    if isinstance(given, Model):
        return given.checkpoint
    if isinstance(given, Run):
        return given.path
    if isinstance(given, str | Path):
        return expanded(Path(given))
    raise UserError("images are compared with others: give the real ones as `real`")


def _on_disk(images: Images, file: Path) -> Path:
    """The folder or file itself, or ``file`` with arrays, where the reader of files checks them."""
    if isinstance(images, str | Path):
        return expanded(Path(images))
    parts = images if isinstance(images, tuple) else (images,)
    arrays: dict[str, NDArray[Any]] = {"images": _channels_last(parts[0])}
    if len(parts) > 1:
        arrays["labels"] = _array(parts[1])
    if len(parts) > 2:
        arrays["class_names"] = np.array(list(parts[2]))
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file


def _channels_last(images: Any) -> NDArray[Any]:
    """NumPy's arrays as they are; a tensor's channels moved to the end."""
    array = _array(images)
    is_tensor = not isinstance(images, np.ndarray)
    return np.moveaxis(array, 1, -1) if is_tensor and array.ndim == 4 else array


def _array(values: Any) -> NDArray[Any]:
    """An array in main memory, of a tensor on any device too."""
    detached = values.detach().cpu() if hasattr(values, "detach") else values
    return np.asarray(detached)
