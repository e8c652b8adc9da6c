"""A run from PyTorch-StudioGAN's checkpoints: it samples, scores and trains on like any other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contragan.core.errors import UserError
from contragan.core.files import check_writable
from contragan.data import load_dataset
from contragan.interop.studiogan import (
    State,
    load_discriminator,
    load_generator,
    read_checkpoint,
)
from contragan.interop.studiogan_settings import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM
from contragan.recipes.gan import GAN, build
from contragan.recipes.schema import Recipe
from contragan.runs.checkpoint import save_checkpoint
from contragan.runs.run import DatasetFacts, Run, is_free
from contragan.training.terms import TermMeter
from contragan.training.train import adam


@dataclass(frozen=True)
class ImportRequest:
    """What ``contragan import-studiogan`` was asked for."""

    generator: Path
    discriminator: Path
    name: str
    recipe: Recipe
    out: Path
    data: Path | None = None


def import_run(request: ImportRequest) -> Run:
    """Write a run with the checkpoints' weights, built from the recipe, at iteration 0.

    The written recipe has that software's batch-norm eps (1e-4) in place of the recipe's, and the
    layers that its releases build differently as the checkpoints have them. Class names come from
    the data set where its folder is given; else classes are numbered.

    Raises:
        UserError: files that cannot be read, tensors that do not map, or a folder that is taken.
    """
    if request.out.exists() and not (request.out.is_dir() and is_free(request.out)):
        raise UserError(f"--out {request.out} is not empty: give a new folder")
    check_writable(request.out, "--out")
    generator_state = read_checkpoint(request.generator)
    discriminator_state = read_checkpoint(request.discriminator)
    recipe = with_their_batch_norm(request.recipe)
    recipe = with_their_layers(recipe, generator_state, discriminator_state)
    facts = dataset_facts(
        recipe, request.data, count_classes(recipe, generator_state, discriminator_state)
    )
    gan = build(recipe, facts.num_classes, seed=0)
    load_generator(gan.generator, generator_state)
    load_discriminator(gan.discriminator, discriminator_state)
    run = Run(request.out, request.name, recipe, 0, facts)
    run.write({"imported_from": "PyTorch-StudioGAN", "torch": torch.__version__})
    networks: dict[str, nn.Module] = {
        "generator": gan.generator,
        "discriminator": gan.discriminator,
    }
    if recipe.training.ema:
        networks["generator_ema"] = gan.generator
    manifest = {"recipe": request.name, "class_names": list(facts.class_names)}
    states = {name: network.state_dict() for name, network in networks.items()}
    save_checkpoint(run.checkpoints, states, fresh_trainer(recipe, gan), manifest)
    return run


def with_their_batch_norm(recipe: Recipe) -> Recipe:
    """The recipe with the batch-norm constants that the checkpoints were trained with."""
    generator = recipe.generator.model_copy(
        update={
            "batch_norm_eps": BATCH_NORM_EPS,
            "batch_norm_momentum": BATCH_NORM_MOMENTUM,
            "conditional_batch_norm_momentum": BATCH_NORM_MOMENTUM,
        }
    )
    discriminator = recipe.discriminator.model_copy(
        update={"batch_norm_eps": BATCH_NORM_EPS, "batch_norm_momentum": BATCH_NORM_MOMENTUM}
    )
    return recipe.model_copy(update={"generator": generator, "discriminator": discriminator})


def with_their_layers(recipe: Recipe, generator: State, discriminator: State) -> Recipe:
    """The recipe with what releases of that software build differently, as the checkpoints say.

    That is a classifier's bias, spectral norm in conditional batch norms, and whether the blocks of
    an unconditional BigGAN see the latent.
    """
    parts: dict[str, Any] = {}
    gains = [name for name in generator if ".gain.weight" in name]
    changes: dict[str, Any] = {}
    if gains:
        normalised = any(name.endswith("_orig") for name in gains)
        changes["conditional_batch_norm_spectral_norm"] = normalised
    if recipe.generator.kind == "biggan" and not recipe.generator.conditional:
        changes["latent_in_blocks"] = bool(gains)
    parts["generator"] = recipe.generator.model_copy(update=changes)
    if recipe.conditioning.kind == "auxiliary_classifier":
        bias = _weight(discriminator, "linear2.bias") is not None
        parts["conditioning"] = recipe.conditioning.model_copy(update={"bias": bias})
    return recipe.model_copy(update=parts)


def count_classes(recipe: Recipe, generator: State, discriminator: State) -> int | None:
    """How many classes the networks tell apart; None where neither sees labels."""
    heads = {"auxiliary_classifier": "linear2.weight"}
    name = heads.get(recipe.conditioning.kind, "embedding.weight")
    if (table := _weight(discriminator, name)) is not None:
        return len(table)
    if (table := _weight(generator, "shared.weight")) is not None:
        return len(table)
    first = "blocks.0.0.bn0" if recipe.generator.kind == "dcgan" else "blocks.0.0.bn1"
    if (gain := _weight(generator, f"{first}.gain.weight")) is not None:
        return gain.shape[1] if recipe.generator.kind != "biggan" else None
    return None


def _weight(state: State, name: str) -> Tensor | None:
    """A weight with or without spectral norm, saved with or without a parallel wrapper."""
    spellings = (name, f"{name}_orig", f"module.{name}", f"module.{name}_orig")
    return next((state[spelling] for spelling in spellings if spelling in state), None)


def dataset_facts(recipe: Recipe, data: Path | None, classes: int | None) -> DatasetFacts:
    """The data set's names and counts where its folder is given; else numbered classes."""
    if data is None:
        names = tuple(str(index) for index in range(classes or 1))
        return DatasetFacts(recipe.data.kind, names, (1,) * len(names), "", None)
    train = load_dataset(recipe.data, "train", root=data, needs_classes=recipe.needs_classes)
    theirs = sorted(train.class_names)  # their labels count the folders as text: 1, 10, 2
    if recipe.data.kind == "folder" and theirs != list(train.class_names):
        train = load_dataset(recipe.data, "train", root=data, class_order=theirs)
    if classes is not None and classes != train.num_classes:
        raise UserError(
            f"the checkpoints have {classes} classes, but the data in {data} has "
            f"{train.num_classes}: give the data they were trained on"
        )
    return DatasetFacts(
        name=train.name,
        class_names=train.class_names,
        class_counts=tuple(int(count) for count in train.class_counts),
        fingerprint=train.fingerprint,
        path=str(data.resolve()),
    )


def fresh_trainer(recipe: Recipe, gan: GAN) -> dict[str, Any]:
    """The trainer's state before the first iteration, so that training can go on from here."""
    training, cpu = recipe.training, torch.device("cpu")
    augmentation = recipe.augmentation.build(cpu).state_dict() if recipe.augmentation else {}
    return {
        "iteration": 0,
        "best": None,
        "seed": 0,
        "discriminator_optimizer": adam(
            gan.discriminator, training.discriminator_optimizer
        ).state_dict(),
        "generator_optimizer": adam(gan.generator, training.generator_optimizer).state_dict(),
        "augmentation": augmentation,
        "meters": {name: TermMeter(name, cpu).state_dict() for name in ("d", "g")},
    }
