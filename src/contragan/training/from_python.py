"""``contragan.train``: a training from Python."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from contragan.core.console import make_console, note
from contragan.core.errors import UserError
from contragan.core.files import expanded
from contragan.recipes.schema import Recipe, load_recipe
from contragan.runs.run import Run, open_run
from contragan.training.callbacks import Callbacks, OnEvaluation, OnIteration
from contragan.training.setup import Request
from contragan.training.starting_point import requested_recipe
from contragan.training.train import train as train_request

_SIGNALLED = 128


def train(
    recipe: str | Path,
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    seed: int = 0,
    resume: bool = False,
    start_from: str | Path | None = None,
    freeze_d: int | None = None,
    max_minutes: float | None = None,
    device: str = "auto",
    skip_unreadable: bool = False,
    quiet: bool = False,
    on_iteration: OnIteration | None = None,
    on_evaluation: OnEvaluation | None = None,
    **settings: Any,
) -> Run:
    """Train a GAN from a recipe, as ``contragan train`` does, in this process.

    Shows progress in a terminal and in a notebook. Ctrl-C, or a notebook's stop button, saves a
    checkpoint before ``KeyboardInterrupt`` is raised: the same call with ``resume=True`` goes on,
    and ends as if it had not been stopped.

    Example:
        >>> import contragan, tempfile
        >>> from pathlib import Path
        >>> run = contragan.train(
        ...     "digits/contragan-eq7",
        ...     out=Path(tempfile.mkdtemp()) / "run",
        ...     quiet=True,
        ...     on_iteration=lambda now: now.iteration < 2,  # False saves and stops
        ...     total_iterations=1000,
        ...     evaluate_at_start=False,
        ...     evaluate_every_iterations=None,
        ...     **{"generator.channels": 4, "discriminator.channels": 4},
        ... )
        >>> run.dataset.num_classes, contragan.load(run.path).iteration
        (10, 2)

    Args:
        recipe: a recipe's name, or the path of a YAML file.
        data: folder of the data set; None for ``digits``.
        out: folder of the run; None for ``runs/RECIPE/SEED``.
        seed: of the weights, the order of the images and every random draw.
        resume: go on from the folder's last checkpoint; begin where there is none.
        start_from: a run on other classes whose networks to begin with (docs/fine-tuning.md).
        freeze_d: with ``start_from``: how many of the discriminator's lowest blocks keep their
            weights.
        max_minutes: save and stop after so long.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        skip_unreadable: leave out images that cannot be read.
        quiet: print nothing.
        on_iteration: called with an :class:`~contragan.training.callbacks.Iteration` after each
            one; False saves and stops.
        on_evaluation: called with the iteration and the
            :class:`~contragan.evaluation.record.EvaluationRecord` after each evaluation; False
            saves and stops.
        **settings: settings of the recipe to change, by the end of their path where only one has
            it (``batch_size=32``), or by the whole path (``**{"generator.channels": 32}``).

    Returns:
        The run: ``run.path`` is its folder, ``run.metrics()`` what it measured.

    Raises:
        UserError: bad input, with one line that says what is wrong and what to do.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is saved.
    """
    name = str(recipe)
    overrides = list(as_overrides(load_recipe(name), settings))
    loaded, changed = requested_recipe(
        name, overrides, fine_tunes=start_from is not None, freeze_d=freeze_d
    )
    request = Request(
        name=name,
        recipe=loaded,
        data=_path(data),
        seed=seed,
        out=_path(out),
        resume=resume,
        max_minutes=max_minutes,
        skip_unreadable=skip_unreadable,
        device=device,
        overrides=changed,
        start_from=_path(start_from),
    )
    console = Console(quiet=True) if quiet else make_console()
    outcome = train_request(request, console, Callbacks(on_iteration, on_evaluation))
    for line in outcome.lines():
        note(console, line)
    if outcome.exit_code == _SIGNALLED + signal.SIGINT:
        raise KeyboardInterrupt(outcome.stopped)
    if outcome.exit_code > _SIGNALLED:  # whoever sent the signal wants this program to end
        raise SystemExit(outcome.exit_code)
    return open_run(outcome.folder)


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else expanded(Path(value))


def as_overrides(recipe: Recipe, settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings as the texts that ``--set`` takes, their names made whole.

    >>> from contragan.recipes.schema import load_recipe
    >>> list(as_overrides(load_recipe("digits/biggan"), {"batch_size": 8, "ema": None}))
    ['training.batch_size=8', 'training.ema=null']

    Raises:
        UserError: a name that several settings end with; names them.
    """
    known = list(_paths(recipe.model_dump(mode="json")))
    for name, value in settings.items():
        found = [path for path in known if path == name or path.endswith(f".{name}")]
        if name not in found and len(found) > 1:
            first = found[0]
            raise UserError(
                f"the setting {name} could be {', '.join(found)}: write the whole path, such as "
                f"**{{'{first}': {value!r}}}"
            )
        path = name if name in found or not found else found[0]
        text = yaml.safe_dump(_plain(value), default_flow_style=True, width=10**6)
        yield f"{path}={text.strip().removesuffix('...').strip()}"


def _paths(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")


def _plain(value: Any) -> Any:
    """Tuples as lists and paths as text, which YAML knows."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
