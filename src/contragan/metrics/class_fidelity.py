"""Do generated images show the class that was asked for?

A linear probe is fitted to features of real training images; it then classifies the generated
ones. A generator may draw every class well and give each the wrong label, which a Fréchet distance
cannot see: the best one-to-one relabelling of classes tells that case from plain confusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

PROBE_PENALTY = 1e-2
"""Weight of half the squared norm of the probe's weights, beside the mean cross-entropy."""

PROBE_ITERATIONS = 100

PROBE_SETTINGS = {"probe": "logistic", "penalty": PROBE_PENALTY, "iterations": PROBE_ITERATIONS}
"""What a fitted probe depends on beside its data."""

MIN_SHARE = 0.1
"""A class counts as moved only if at least this share of its images shows the other class."""

_REMEDY = (
    "With the contrastive loss, train with conditioning.positives_in_numerator: false (Eq. 7 in "
    "place of Eq. 8) for both networks, or with a projection or auxiliary-classifier head"
)

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
        predictions = []
        for start in range(0, len(features), 4096):
            chunk = torch.as_tensor(np.array(features[start : start + 4096], dtype=np.float32))
            scores = ((chunk - self.shift) / self.scale) @ self.weight.t() + self.bias
            predictions.append(scores.argmax(1).numpy())
        return np.concatenate(predictions) if predictions else np.zeros(0, dtype=np.int64)

    def arrays(self) -> dict[str, np.ndarray]:
        """The probe as named arrays."""
        names = ("weight", "bias", "shift", "scale")
        return {name: getattr(self, name).numpy() for name in names}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> LinearProbe:
        """The inverse of :meth:`arrays`."""
        names = ("weight", "bias", "shift", "scale")
        return cls(*(torch.from_numpy(np.array(arrays[name])) for name in names))


def fit_probe(features: np.ndarray, labels: Labels, num_classes: int) -> LinearProbe:
    """Fits the probe to features (N, D) by full-batch L-BFGS, which has no random part.

    Features that never vary get weight zero. ValueError on no samples.
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

    solution = minimize(
        loss_and_gradient,
        np.zeros(shape[0] * shape[1]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": PROBE_ITERATIONS, "ftol": 1e-7, "gtol": 1e-5},
    )
    parameters = torch.from_numpy(solution.x).view(shape).float()
    return LinearProbe(parameters[:, :-1].contiguous(), parameters[:, -1].clone(), shift, scale)


@dataclass(frozen=True)
class ClassFidelity:
    """Class agreement of generated images with their labels, as a linear probe sees it.

    ``confusion`` (K, K) counts images asked for as the row's class and classified as the column's.
    ``real_recall`` (K,) is the probe's recall on held-out real images, NaN where there are none.
    ``relabelling`` (K,) is the one-to-one map of classes that agrees best with what is shown.
    """

    confusion: Labels
    real_accuracy: float
    real_recall: NDArray[np.float64]
    relabelling: Labels
    class_names: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of generated images that are classified as their label."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def class_accuracy(self) -> NDArray[np.float64]:
        """Accuracy of each class (K,); NaN for a class without images."""
        return np.diagonal(self.shares).copy()

    @property
    def shares(self) -> NDArray[np.float64]:
        """The confusion matrix with rows that sum to one; NaN rows for absent classes."""
        totals = self.confusion.sum(1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.confusion / np.where(totals > 0, totals, np.nan))

    @property
    def relabelled_accuracy(self) -> float:
        """Accuracy under the best one-to-one relabelling of classes."""
        rows = np.arange(len(self.relabelling))
        return float(self.confusion[rows, self.relabelling].sum() / self.confusion.sum())

    @property
    def permutation(self) -> dict[int, int]:
        """Classes that plainly show another class, each with the class shown.

        A class c counts where the relabelling sends it to p(c) != c, and the share of its images
        classified as p(c) is (1) at least half the probe's recall on real images of p(c), and
        at least ``MIN_SHARE``; (2) at least twice the share classified as c; (3) more than three
        standard errors above it, so that a handful of images never decides.
        """
        shares, counts = self.shares, self.confusion.sum(1)
        moved = {}
        for source, target in enumerate(self.relabelling.tolist()):
            if target == source or counts[source] == 0:
                continue
            shown, own = shares[source, target], shares[source, source]
            recall = self.real_recall[target]
            needed = max(MIN_SHARE, 0.5 * (1.0 if np.isnan(recall) else float(recall)))
            error = np.sqrt((shown + own) / counts[source])
            if shown >= needed and shown >= 2 * own and shown - own > 3 * error:
                moved[source] = target
        return moved

    @property
    def permuted(self) -> bool:
        """Whether at least two classes plainly show another one (see :attr:`permutation`)."""
        return len(self.permutation) >= 2

    @property
    def confused(self) -> bool:
        """Whether labels decide little: they agree half as often as the probe is right, or less."""
        return self.accuracy < 0.5 * self.real_accuracy

    def message(self) -> str | None:
        """What is wrong with the labels and what to change, in words; None where nothing is."""
        if self.permuted:
            return self._permutation_in_words()
        if not self.confused:
            return None
        return (
            f"The labels hardly decide what is drawn: {self.accuracy:.1%} of the images agree with "
            f"their labels, where the probe is right on {self.real_accuracy:.1%} of real images. "
            "Of an unconditional or barely trained model that is to be expected; otherwise its "
            f"classes are confused. Sample quality and Fréchet distance do not see this. {_REMEDY}."
        )

    def _permutation_in_words(self) -> str:
        moved = self.permutation
        shares, names = self.shares, self.class_names
        shown = ", ".join(
            f"{names[source]} shows {names[target]} ({shares[source, target]:.0%})"
            for source, target in list(moved.items())[:10]
        )
        more = f" and {len(moved) - 10} more" if len(moved) > 10 else ""
        return (
            f"The model has permuted {len(moved)} of its {len(names)} classes: {shown}{more}. "
            f"{self.accuracy:.1%} of the images agree with their labels and "
            f"{self.relabelled_accuracy:.1%} would after relabelling. Sample quality and Fréchet "
            f"distance do not see this. {_REMEDY}; a trained model can only be relabelled by this "
            "map."
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        per_class = self.class_accuracy
        return {
            "accuracy": self.accuracy,
            "class_accuracy": {
                name: None if np.isnan(value) else float(value)
                for name, value in zip(self.class_names, per_class, strict=True)
            },
            "real_accuracy": self.real_accuracy,
            "relabelled_accuracy": self.relabelled_accuracy,
            "permuted": self.permuted,
            "confused": self.confused,
            "permutation": {
                self.class_names[source]: self.class_names[target]
                for source, target in self.permutation.items()
            },
            "confusion": self.confusion.tolist(),
        }


def fidelity_of_features(
    probe: LinearProbe,
    generated: torch.Tensor | np.ndarray,
    labels: Labels,
    *,
    held_out: tuple[np.ndarray, Labels],
    class_names: Sequence[str],
) -> ClassFidelity:
    """Compares generated features (N, D) with their intended labels (N,).

    ``held_out`` are features and labels of real images that the probe was not fitted to.
    """
    return fidelity_of_predictions(
        probe.predict(generated),
        labels,
        held_out=(probe.predict(held_out[0]), held_out[1]),
        class_names=class_names,
    )


def fidelity_of_predictions(
    predictions: Labels,
    labels: Labels,
    *,
    held_out: tuple[Labels, Labels],
    class_names: Sequence[str],
) -> ClassFidelity:
    """The same from predictions of any classifier; ``held_out`` is (predictions, labels)."""
    from scipy.optimize import linear_sum_assignment

    if len(labels) == 0:
        raise ValueError("class fidelity of no images")
    count = len(class_names)
    confusion = _confusion(labels, predictions, count)
    real = _confusion(held_out[1], held_out[0], count)
    totals = real.sum(1)
    with np.errstate(invalid="ignore"):
        recall = np.diagonal(real) / np.where(totals > 0, totals, np.nan)
    # The tiny bonus on the diagonal keeps a class where it is when nothing speaks against it.
    weights = confusion / np.maximum(confusion.sum(1, keepdims=True), 1) + 1e-9 * np.eye(count)
    _, relabelling = linear_sum_assignment(weights, maximize=True)
    accuracy = float(np.trace(real) / real.sum()) if real.sum() else float("nan")
    return ClassFidelity(
        confusion, accuracy, recall, relabelling.astype(np.int64), tuple(class_names)
    )


def _confusion(labels: Labels, predictions: Labels, count: int) -> Labels:
    flat = np.asarray(labels) * count + np.asarray(predictions)
    return np.bincount(flat, minlength=count * count).reshape(count, count).astype(np.int64)
