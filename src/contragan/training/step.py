"""One update of each network: the only place where gradients are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from contragan.augmentation import Augmentation
from contragan.core.processes import world_size
from contragan.core.randomness import random_generator
from contragan.core.types import Batch, DiscriminatorOutput, Terms
from contragan.losses.regularizers import Context, DiscriminatorContext, Players
from contragan.models.layers.factory import SharedWeights
from contragan.models.layers.normalization import has_batch_statistics, synchronized
from contragan.recipes.gan import GAN
from contragan.training.objective import Objective


class RealBatches(Protocol):
    """Where real images come from: ``count`` of them from a position of the endless sequence."""

    def batch(self, position: int, count: int) -> Batch: ...

    def close(self) -> None: ...


class Labels(Protocol):
    """Where the labels of generated images come from."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor: ...


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within this context no gradient of the module's parameters is computed."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@dataclass(frozen=True)
class LatentBatch:
    """Latents (B, Z) and labels (B,) of images to generate."""

    latent: Tensor
    label: Tensor


@dataclass
class Step:
    """The D and the G update of a GAN, on this process's share of the batch.

    Nothing here reads a value back from the device. Every random draw is seeded from
    (seed, update, part, rank, purpose).
    """

    fabric: Fabric
    gan: GAN
    objective: Objective
    discriminator_optimizer: Optimizer
    generator_optimizer: Optimizer
    source: RealBatches
    labels: Labels
    seed: int
    batch_size: int
    accumulation_steps: int
    discriminator_steps: int
    augmentation: Augmentation = field(default_factory=Augmentation)
    synchronized_batch_norm: bool = False

    def __post_init__(self) -> None:
        share, rest = divmod(self.batch_size, self.accumulation_steps * world_size())
        if rest or not share:
            raise ValueError(
                f"batch_size {self.batch_size} cannot be shared by {world_size()} processes in "
                f"{self.accumulation_steps} parts"
            )
        self.part_size = share
        # In one pass, batch norm would mix the statistics of real and of generated images.
        self.one_pass = not has_batch_statistics(self.gan.discriminator)
        networks = (self.gan.generator, self.gan.discriminator)
        self._shared_weights = [SharedWeights(network) for network in networks]
        self.objective.move_to(self.fabric.device)

    def settings(self) -> dict[str, Any]:
        """The fields of a :class:`Step`, to make a step of another kind on the same networks."""
        return {setting.name: getattr(self, setting.name) for setting in fields(Step)}

    def counters(self, update: int, part: int, *purpose: str) -> tuple[int | str, ...]:
        """What a draw is seeded from."""
        return (self.seed, update, part, self.fabric.global_rank, *purpose)

    def random(self, update: int, part: int, *purpose: str) -> torch.Generator:
        """A generator for one purpose in one part of one update."""
        return random_generator(self.fabric.device, *self.counters(update, part, *purpose))

    def draw(self, update: int, part: int, purpose: str) -> LatentBatch:
        """Latents and labels for one part of one update."""
        device, random = self.fabric.device, self.random(update, part, purpose)
        label = self.labels.draw(self.part_size, random)
        latent = torch.randn(
            self.part_size, self.gan.generator.latent_dim, generator=random, device=device
        )
        return LatentBatch(latent, label)

    def position(self, update: int, part: int) -> int:
        """Where in the endless sequence of training images this process's part begins."""
        index = update * self.accumulation_steps + part
        return (index * world_size() + self.fabric.global_rank) * self.part_size

    def fetch(self, update: int) -> list[Batch]:
        """The real images of D update number ``update``, counted from 0, in its parts."""
        return [
            self.source.batch(self.position(update, part), self.part_size)
            for part in range(self.accumulation_steps)
        ]

    def players(self, update: int, part: int, purpose: str) -> Players:
        """Both networks, with the randomness of one part of one update."""

        def random(use: str) -> torch.Generator:
            return self.random(update, part, purpose, use)

        return Players(
            generator=self.gan.generator,
            discriminator=self.gan.discriminator,
            augment=lambda images, use: self.augmentation(images, random(use)),
            random=random,
        )

    def generate(self, draw: LatentBatch, players: Players) -> tuple[Tensor, Tensor, Terms]:
        """Generated images, the latents they came from, and the terms those cost G.

        A frozen generator builds no graph, unless the latents themselves depend on something.
        """
        latent, terms = self.objective.optimize_latents(players, draw.latent, draw.label)
        return self.gan.generator(latent, draw.label), latent, terms

    @contextmanager
    def _pass(self, part: int) -> Iterator[None]:
        """How both networks run: autocast, and their weights normalised once."""
        with ExitStack() as stack:
            stack.enter_context(self.fabric.autocast())
            for shared in self._shared_weights:
                stack.enter_context(shared(iterate=part == 0))
                if self.synchronized_batch_norm:
                    stack.enter_context(synchronized(shared.network))
            yield

    def discriminator_step(self, update: int, parts: list[Batch]) -> Terms:
        """Update the discriminator once; returns its detached terms."""
        totals: Terms = {}
        with frozen(self.gan.generator):
            for part, real in enumerate(parts):
                with self._pass(part):
                    terms = self._discriminator_part(update, part, real)
                self._backward(terms, totals)
        self._update(self.discriminator_optimizer, self.gan.discriminator)
        self.objective.after_update(self.gan.discriminator)
        self.augmentation.adapt()
        return totals

    def _discriminator_part(self, update: int, part: int, real: Batch) -> Terms:
        draw = self.draw(update, part, "discriminator step")
        players = self.players(update, part, "discriminator step")
        generated, latent, _ = self.generate(draw, players)
        fake = Batch(players.augment(generated, "augment fake"), draw.label)
        real = replace(real, images=players.augment(real.images, "augment real"))
        discriminator = self.gan.discriminator
        if self.one_pass:
            both: DiscriminatorOutput = discriminator(
                torch.cat([real.images, fake.images.to(real.images.dtype)]),
                torch.cat([real.labels, fake.labels]),
            )
            real_output, fake_output = both.split(self.part_size)
        else:
            real_output = discriminator(real.images, real.labels)
            fake_output = discriminator(fake.images, fake.labels)
        self.augmentation.observe(real_output.logit)
        context = DiscriminatorContext(
            **vars(players),
            latent=latent,
            generated=generated,
            fake=fake,
            fake_output=fake_output,
            real=real,
            real_output=real_output,
        )
        return self.objective.discriminator_terms(context)

    def generator_step(self, iteration: int) -> Terms:
        """Update the generator once; returns its detached terms."""
        totals: Terms = {}
        with frozen(self.gan.discriminator):
            for part in range(self.accumulation_steps):
                with self._pass(part):
                    terms = self._generator_part(iteration, part)
                self._backward(terms, totals)
        self._update(self.generator_optimizer, self.gan.generator)
        return totals

    def _generator_part(self, iteration: int, part: int) -> Terms:
        draw = self.draw(iteration, part, "generator step")
        players = self.players(iteration, part, "generator step")
        generated, latent, terms = self.generate(draw, players)
        fake = Batch(players.augment(generated, "augment fake"), draw.label)
        context = Context(
            **vars(players),
            latent=latent,
            generated=generated,
            fake=fake,
            fake_output=self.gan.discriminator(fake.images, fake.labels),
        )
        return terms | self.objective.generator_terms(context)

    def _backward(self, terms: Terms, totals: Terms) -> None:
        loss = torch.stack(list(terms.values())).sum() / self.accumulation_steps
        loss.backward()
        for name, term in terms.items():
            share = term.detach() / self.accumulation_steps
            totals[name] = totals[name] + share if name in totals else share

    def _update(self, optimizer: Optimizer, network: nn.Module) -> None:
        average_gradients(network)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def average_gradients(network: nn.Module) -> None:
    """Average the gradients of all processes, in one message."""
    if world_size() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= world_size()
    offset = 0
    for gradient in gradients:
        gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()
