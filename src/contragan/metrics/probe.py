"""The linear probe: a classifier fitted to features of real images, to judge generated ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

PROBE_PENALTY = 1e-2
"""Weight of half the squared norm of the probe's weights, beside the mean cross-entropy."""

PROBE_ITERATIONS = 100

PROBE_SETTINGS = {"probe": "logistic", "penalty": PROBE_PENALTY, "iterations": PROBE_ITERATIONS}
"""What a fitted probe depends on beside its data."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class LinearProbe:
    """Multinomial logistic regression on standardised features."""

    weight: torch.Tensor
    bias: torch.Tensor
    shift: torch.Tensor
    scale: torch.Tensor

    def predict(self, features: torch.Tensor | np.ndarray) -> Labels:
        """Predicted class indices (N,) of features (N, D), in chunks of bounded memory."""
        predictions = [scores.argmax(1).numpy() for scores in self._scores(features)]
        return np.concatenate(predictions) if predictions else np.zeros(0, dtype=np.int64)

    def probabilities(self, features: torch.Tensor | np.ndarray) -> NDArray[np.float32]:
        """The probability of each class (N, K) for features (N, D)."""
        found = [scores.softmax(1).numpy() for scores in self._scores(features)]
        empty = np.zeros((0, len(self.bias)), np.float32)
        return np.concatenate(found) if found else empty

    def _scores(self, features: torch.Tensor | np.ndarray) -> Iterator[torch.Tensor]:
        for start in range(0, len(features), 4096):
            chunk = torch.as_tensor(np.array(features[start : start + 4096], dtype=np.float32))
            yield ((chunk - self.shift) / self.scale) @ self.weight.t() + self.bias

    def arrays(self) -> dict[str, np.ndarray]:
        """The probe as named arrays."""
        names = ("weight", "bias", "shift", "scale")
        return {name: getattr(self, name).numpy() for name in names}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> LinearProbe:
        """The inverse of :meth:`arrays`."""
        names = ("weight", "bias", "shift", "scale")
        return cls(*(torch.from_numpy(np.array(arrays[name])) for name in names))


@dataclass(frozen=True)
class FittedProbe:
    """A probe, how many images it was fitted to, and which rows of the reference may test it."""

    probe: LinearProbe
    fitted: int
    held_out: NDArray[np.int64]


def fit_probe(
    features: np.ndarray,
    labels: Labels,
    num_classes: int,
    progress: Callable[[int, int], None] | None = None,
) -> LinearProbe:
    """Fits the probe to features (N, D) by full-batch L-BFGS, which has no random part.

    Features that never vary get weight zero. ``progress`` hears of each iteration; the last may
    come early. With thousands of classes it takes minutes. ValueError on no samples.
    """
    from scipy.optimize import minimize

    if len(features) == 0 or len(features) != len(labels):
        raise ValueError(f"{len(features)} features for {len(labels)} labels")
    inputs = torch.from_numpy(np.array(features, dtype=np.float32))
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    shift = inputs.mean(0)
    scale = inputs.std(0, correction=0)
    scale = torch.where(scale > 1e-6, scale, torch.ones_like(scale))
    inputs.sub_(shift).div_(scale)
    one_hot = F.one_hot(targets, num_classes).float()
    shape = (num_classes, inputs.shape[1] + 1)

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(flat).view(shape).float()
        weight, bias = parameters[:, :-1], parameters[:, -1]
        log_share = torch.addmm(bias, inputs, weight.t()).log_softmax(1)
        loss = -(log_share * one_hot).sum() / len(inputs)
        error = (log_share.exp_() - one_hot) / len(inputs)
        gradient = torch.cat(
            [error.t() @ inputs + PROBE_PENALTY * weight, error.sum(0)[:, None]], 1
        )
        total = float(loss) + 0.5 * PROBE_PENALTY * float(weight.square().sum())
        return total, gradient.double().flatten().numpy()

    done = 0

    def count(parameters: NDArray[np.float64]) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, PROBE_ITERATIONS)

    solution = minimize(
        loss_and_gradient,
        np.zeros(shape[0] * shape[1]),
        jac=True,
        method="L-BFGS-B",
        callback=count,
        options={"maxiter": PROBE_ITERATIONS, "ftol": 1e-7, "gtol": 1e-5},
    )
    if progress is not None:
        progress(PROBE_ITERATIONS, PROBE_ITERATIONS)
    parameters = torch.from_numpy(solution.x).view(shape).float()
    return LinearProbe(parameters[:, :-1].contiguous(), parameters[:, -1].clone(), shift, scale)
