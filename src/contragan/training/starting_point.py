"""The run that a training starts from: where it is, and whether its networks fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from contragan.core.console import note
from contragan.core.errors import UserError
from contragan.core.files import expanded
from contragan.recipes.gan import build
from contragan.recipes.schema import Recipe, load_recipe
from contragan.runs.checkpoint import first_whole, preferred, read_manifest, verify
from contragan.runs.run import FINE_TUNING, DatasetFacts, Run, checkpoint_at, open_run, run_of


@dataclass(frozen=True)
class Source:
    """The checkpoint that a training starts from, with its run and the classes it knows."""

    run: Run
    checkpoint: Path
    manifest: dict[str, Any]
    classes: DatasetFacts

    @property
    def holds_average(self) -> bool:
        return "generator_ema.safetensors" in self.manifest["sha256"]


def requested_recipe(
    name: str, overrides: Sequence[str], *, fine_tunes: bool, freeze_d: int | None = None
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of a training, and the settings that it was changed by.

    Where it starts from another run, the moving average goes on from the one taken:
    ``training.ema.start_iteration`` becomes 0, unless ``overrides`` set the moving average.

    Raises:
        UserError: as :func:`~contragan.recipes.schema.load_recipe`; ``freeze_d`` without a run.
    """
    if freeze_d is not None and not fine_tunes:
        raise UserError("--freeze-d keeps weights that another run has trained: give it as --from")
    settings = list(overrides)
    if freeze_d is not None:
        settings.append(f"training.frozen_discriminator_blocks={freeze_d}")
    recipe = load_recipe(name, settings)
    sets_average = any(setting.strip().startswith("training.ema") for setting in settings)
    if fine_tunes and recipe.training.ema is not None and not sets_average:
        recipe = load_recipe(name, [*settings, "training.ema.start_iteration=0"])
    return recipe, tuple(settings)


def find_source(path: Path, console: Console) -> Source:
    """The run or the checkpoint at ``path`` to start from: of a run the best, else the last.

    Raises:
        UserError: it is not a run, or has no undamaged checkpoint of both networks.
    """
    given = checkpoint_at(expanded(path))
    try:
        run = open_run(run_of(expanded(path)))
        if given is None:
            _, candidates = preferred(run.checkpoints, "best")
            checkpoint, manifest, damaged = first_whole(run.checkpoints, candidates, _verified)
            for line in damaged:
                note(console, f"note: {line}; using {checkpoint.name}")
        elif given.is_dir():
            checkpoint, manifest = given, _verified(given)
        else:
            raise UserError(f"there is no checkpoint {given}")
        classes = run.dataset.named(manifest["class_names"], str(checkpoint))
    except UserError as error:
        raise UserError(f"--from: {error}") from error
    return Source(run, checkpoint, manifest, classes)


def _verified(checkpoint: Path) -> dict[str, Any]:
    """The manifest of a checkpoint whose networks are as they were written."""
    names = ["generator", "discriminator"]
    if "generator_ema.safetensors" in read_manifest(checkpoint)["sha256"]:
        names.append("generator_ema")
    manifests = [verify(checkpoint, name) for name in names]
    return manifests[0]


def check_apart(folder: Path, asked: Path | None) -> None:
    """Raises UserError where a training would begin from the run that it writes to."""
    if asked is not None and run_of(expanded(asked)).resolve() == folder.resolve():
        raise UserError(
            f"--from names the run in {folder}, where this training writes too: give another "
            f"--out, or go on with that run: contragan resume {folder}"
        )


def starting_point(
    folder: Path, asked: Path | None, console: Console, *, resumed: bool, begun: bool
) -> Source | None:
    """What the training in ``folder`` starts from; None for nothing, or where it is past that.

    ``resumed`` says whether the folder's run goes on, ``begun`` whether it has a checkpoint.

    Raises:
        UserError: ``asked`` is not what the folder's run began with, or that is not there any more.
    """
    if not resumed:
        return None if asked is None else find_source(asked, console)
    recorded = read_record(folder)
    if asked is not None and recorded.get("run") != str(run_of(expanded(asked)).resolve()):
        began = f"from {recorded['run']}" if recorded else "with fresh weights"
        raise UserError(f"{folder} holds a run that began {began}: give another --out")
    if begun or not recorded:
        return None
    source = find_source(Path(recorded["checkpoint"]), console)
    if source.manifest["sha256"] != recorded["sha256"]:
        raise UserError(
            f"{recorded['checkpoint']} is not what the run in {folder} began from, which has no "
            "checkpoint yet: begin again with another --out"
        )
    return source


def read_record(folder: Path) -> dict[str, Any]:
    """What a run's folder says of where it began; empty for fresh weights.

    Raises:
        UserError: the file is damaged.
    """
    file = folder / FINE_TUNING
    if not file.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found["run"], found["checkpoint"], found["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged: {error!r}") from error
    return found


def check_fits(source: Source, recipe: Recipe) -> None:
    """Raises UserError, with what to do, where a recipe's networks cannot start from a source."""
    theirs, where = source.run.recipe, f"--from {source.run.path}"
    for name, unit in (("resolution", "pixels"), ("channels", "channels")):
        there, here = getattr(theirs.data, name), getattr(recipe.data, name)
        if there != here:
            raise UserError(
                f"{where} draws images of {there} {unit}, but the recipe has data.{name} {here}: "
                f"set data.{name}={there}, or start from another run"
            )
    if theirs.generator.conditional != recipe.generator.conditional:
        kinds = {True: "a class-conditional generator", False: "an unconditional generator"}
        raise UserError(
            f"{where} holds {kinds[theirs.generator.conditional]}, but the recipe has "
            f"{kinds[recipe.generator.conditional]}: start from another run, or set "
            f"generator.conditional={str(theirs.generator.conditional).lower()}"
        )
    with torch.device("meta"):
        old, new = (build(one, 2, seed=0) for one in (theirs, recipe))
    for part in ("generator", "discriminator"):
        share = _common(getattr(old, part), getattr(new, part))
        if share < 0.5:
            unlike = "; ".join(unlike_settings(part, theirs, recipe)[:3])
            raise UserError(
                f"{where} has another {part} ({unlike}), of which {share:.0%} of the weights fit: "
                f"train with its recipe ({source.run.path / 'recipe.yaml'}), or set these alike"
            )


def _common(old: nn.Module, new: nn.Module) -> float:
    """The share of a network's weights that have the name and the shape of an old one's."""
    theirs = dict(old.named_parameters())
    fits = [
        weight.numel()
        for name, weight in new.named_parameters()
        if name in theirs and theirs[name].shape == weight.shape
    ]
    return sum(fits) / sum(weight.numel() for weight in new.parameters())


def unlike_settings(part: str, old: Recipe, new: Recipe) -> list[str]:
    """Which settings of a network differ between two recipes, in words."""
    theirs, ours = getattr(old, part).model_dump(), getattr(new, part).model_dump()
    return [
        f"{part}.{name} {theirs.get(name)} there, {ours.get(name)} here"
        for name in {**ours, **theirs}
        if theirs.get(name) != ours.get(name)
    ]
