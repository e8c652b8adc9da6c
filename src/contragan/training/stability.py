"""Signals of a training's stability, of Sec. 4.5 of the paper and beyond, measured as it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.optim import Optimizer

from contragan.core.randomness import derived_seed, random_generator
from contragan.core.types import from_uint8
from contragan.data.base import ImageDataset
from contragan.losses.adversarial import AdversarialLoss
from contragan.models.batch_norm import evaluation_mode
from contragan.models.layers.factory import SharedWeights
from contragan.models.layers.spectral_norm import SpectralNorm
from contragan.recipes.gan import GAN
from contragan.training.step import Labels, Step

IMAGES = 256
"""Training images, held-out images and generated images that a measurement looks at, of each."""

PREFIX = "stability/"
SINGULAR_VALUES = PREFIX + "singular_values"
SETS = ("train", "held_out", "generated")

Record = dict[str, Any]


@dataclass(frozen=True)
class Looked:
    """Real images (N, H, W, C) uint8 that are looked at, and their labels (N,)."""

    images: Tensor
    labels: Tensor

    @classmethod
    def some_of(cls, data: ImageDataset, seed: int) -> Looked:
        """The same images at every measurement of a run: drawn once, from its seed."""
        random = torch.Generator().manual_seed(derived_seed(seed, "stability", data.split))
        rows = torch.randperm(len(data), generator=random)[:IMAGES].sort().values.numpy()
        return cls(torch.from_numpy(data.images[rows]), torch.from_numpy(data.labels[rows]))


class Gradients:
    """Norms of both networks' gradients, as their optimisers get them, at chosen iterations."""

    def __init__(self, optimizers: Mapping[str, Optimizer], device: torch.device) -> None:
        self.wanted = False
        self._norms = {name: torch.zeros((), device=device) for name in optimizers}
        for name, optimizer in optimizers.items():
            optimizer.register_step_pre_hook(
                lambda optimizer, *_, name=name: self._note(name, optimizer)
            )

    def _note(self, name: str, optimizer: Optimizer) -> None:
        # A CUDA graph repeats what is done while it is recorded, wanted or not.
        if not (self.wanted or _is_recording()):
            return
        found = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        self._norms[name].copy_(torch.stack(torch._foreach_norm(found)).norm())

    def read(self) -> dict[str, float]:
        """The norm of each network's last gradient."""
        return {name: float(norm) for name, norm in self._norms.items()}


def _is_recording() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


class StabilityMeter:
    """Measures a training's signals between two iterations, and changes nothing in it.

    Both networks are in evaluation mode, without augmentation. The latents of generated images
    depend on the run's seed and the iteration only.

    Source: Kang and Park 2020, Sec. 4.5 and Figure 3; singular values: Brock et al. 2019, Sec. 4.
    """

    def __init__(
        self, step: Step, train: ImageDataset, held_out: ImageDataset, loss: AdversarialLoss
    ) -> None:
        self.fabric: Fabric = step.fabric
        self.gan: GAN = step.gan
        self.labels: Labels = step.labels
        self.seed = step.seed
        self.part_size = step.part_size
        self.loss = loss
        self.real = {
            "train": Looked.some_of(train, step.seed),
            "held_out": Looked.some_of(held_out, step.seed),
        }
        self.gradients = Gradients(
            {"d": step.discriminator_optimizer, "g": step.generator_optimizer}, self.fabric.device
        )
        networks = {"d": self.gan.discriminator, "g": self.gan.generator}
        self._networks: dict[str, nn.Module] = dict(networks)
        self._shared = [SharedWeights(network) for network in networks.values()]

    @property
    def device(self) -> torch.device:
        return self.fabric.device

    @torch.no_grad()
    def measure(self, iteration: int) -> list[Record]:
        """The signals after an iteration, as records of the run's ``metrics.jsonl``."""
        with self._evaluation():
            logits = {name: self._real_logits(looked) for name, looked in self.real.items()}
            logits["generated"], difference = self._generated(iteration)
        values = logit_signals(logits, self.loss)
        values["image_difference"] = difference
        for name, norm in self.gradients.read().items():
            values[f"gradient_norm_{name}"] = norm
        singular = {name: singular_values(network) for name, network in self._networks.items()}
        for name, found in singular.items():
            values[f"largest_singular_value_{name}"] = max(found.values(), default=0.0)
        records: list[Record] = [
            {"step": iteration, "name": PREFIX + name, "value": value, "unit": "1"}
            for name, value in values.items()
        ]
        return [*records, {"step": iteration, "name": SINGULAR_VALUES, **singular}]

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        d_weights, g_weights = self._shared
        with (
            evaluation_mode(self.gan.discriminator, "running"),
            evaluation_mode(self.gan.generator, "running"),
            self.fabric.autocast(),
            d_weights(iterate=False),
            g_weights(iterate=False),
        ):
            yield

    def _real_logits(self, looked: Looked) -> Tensor:
        device, found = self.fabric.device, []
        for start in range(0, len(looked.labels), self.part_size):
            rows = slice(start, start + self.part_size)
            # Bytes (B, H, W, C) seen as (B, C, H, W) are channels_last without a copy.
            images = from_uint8(looked.images[rows].to(device).permute(0, 3, 1, 2))
            found.append(self._logits(images, looked.labels[rows].to(device)))
        return torch.cat(found)

    def _generated(self, iteration: int) -> tuple[Tensor, float]:
        """Logits of generated images, and the largest difference of a pixel to the first one."""
        device, found = self.fabric.device, []
        random = random_generator(device, self.seed, iteration, "stability")
        labels = self.labels.draw(IMAGES, random)
        size = (IMAGES, self.gan.generator.latent_dim)
        latents = torch.randn(size, generator=random, device=device)
        first: Tensor | None = None
        difference = torch.zeros((), device=device)
        for start in range(0, IMAGES, self.part_size):
            rows = slice(start, start + self.part_size)
            images: Tensor = self.gan.generator(latents[rows], labels[rows])
            first = images[:1] if first is None else first
            difference = difference.maximum((images - first).abs().max().float())
            found.append(self._logits(images, labels[rows]))
        return torch.cat(found), float(difference)

    def _logits(self, images: Tensor, labels: Tensor) -> Tensor:
        logit: Tensor = self.gan.discriminator(images, labels).logit
        return logit.float()


def logit_signals(logits: Mapping[str, Tensor], loss: AdversarialLoss) -> dict[str, float]:
    """What logits (N,) of training, held-out and generated images say, by name.

    ``authenticity_SET`` is the share of images on their own side of the loss's boundary, and
    ``saturated`` the share of training and generated images beyond its margin, which have no
    gradient; each is left out where the loss has none.

    >>> from contragan.losses.adversarial import Hinge
    >>> two = {"train": torch.tensor([2.0, -1.0]), "generated": torch.tensor([-0.5, -1.5])}
    >>> signals = logit_signals(two, Hinge())
    >>> signals["authenticity_train"], signals["authenticity_generated"], signals["saturated"]
    (0.5, 1.0, 0.5)
    """
    signals: dict[str, float] = {}
    inner: list[Tensor] = []
    for name, logit in logits.items():
        signals[f"logit_mean_{name}"] = float(logit.mean())
        signals[f"logit_std_{name}"] = float(logit.std(unbiased=False))
        if loss.boundary is None:
            continue
        side = (loss.boundary - logit) if name == "generated" else (logit - loss.boundary)
        signals[f"authenticity_{name}"] = _share(side > 0)
        if name != "held_out":
            inner.append(side)
    if loss.margin is not None:
        signals["saturated"] = _share(torch.cat(inner) >= loss.margin)
    return signals


def _share(of: Tensor) -> float:
    """The share of true values, on devices without float64 too."""
    return int(of.count_nonzero()) / of.numel()


def singular_values(network: nn.Module) -> dict[str, float]:
    """The largest singular value of each convolution's and linear layer's own weight, by layer.

    Of a layer with spectral norm it is the estimate of its power iteration, before the weight is
    divided by it; of any other it is exact.
    """
    found = {
        name: _largest(module)
        for name, module in network.named_modules()
        if isinstance(module, _ConvNd | nn.Linear)
    }
    if not found:
        return {}
    values = torch.stack(list(found.values())).tolist()
    return dict(zip(found, values, strict=True))


def _largest(layer: _ConvNd | nn.Linear) -> Tensor:
    weight = layer.weight.detach()
    norm = getattr(layer, "spectral_norm", None)
    if isinstance(norm, SpectralNorm):
        matrix = norm.matrix(weight, weight).float()
        columns = norm.columns(weight).flatten()
        return norm.u @ (matrix @ columns)
    rows = weight.transpose(0, 1) if isinstance(layer, _ConvTransposeNd) else weight
    matrix = rows.flatten(1).float()
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.t()
    # Of the small square matrix: much faster than all singular vectors of the wide one.
    square = matrix @ matrix.t()
    largest = torch.linalg.eigvalsh(square.nan_to_num())[-1].clamp_min(0).sqrt()
    return torch.where(square.isfinite().all(), largest, torch.nan)
