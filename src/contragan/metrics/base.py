"""What a metric is: a name, what it needs, the scores it gives, and how it computes them.

Writing one is shown in docs/extend.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from contragan.core.gaussian import FittedGaussian
from contragan.metrics.advice import Training
from contragan.metrics.classifier import ClassifierConfig
from contragan.metrics.findings import Finding
from contragan.metrics.probe import FittedProbe

T = TypeVar("T")

NEEDS = {
    "features": "features of every generated and every reference image",
    "logits": "a classifier's predictions for every generated image",
    "images": "the pixels of every generated image",
    "classes": "labels of at least two classes",
    "training_features": "features of every training image",
    "probe": "a linear classifier fitted to features of training images",
}
"""What a metric may need. An evaluation keeps nothing that no metric needs."""


@dataclass(frozen=True)
class Score:
    """One number that a metric gives.

    ``title`` is for readers; ``published_title`` replaces it where Inception's features are behind
    the number. ``names_features``: the features are named behind the title. ``in_training``: a
    training run shows it. ``of_labels``: a share of generated images that show their label, to
    which a class without images counts as 0.
    """

    name: str
    title: str
    unit: str = "share"
    higher_is_better: bool | None = None
    published_title: str | None = None
    names_features: bool = False
    in_training: bool = False
    of_labels: bool = False


class MetricSettings(Protocol):
    """The numbers that a recipe sets for metrics: part of its ``evaluation``."""

    @property
    def kernel_subsets(self) -> int: ...
    @property
    def kernel_subset_size(self) -> int: ...
    @property
    def inception_splits(self) -> int: ...
    @property
    def manifold_neighbours(self) -> int: ...
    @property
    def density_neighbours(self) -> int: ...
    @property
    def classifier(self) -> ClassifierConfig: ...


@dataclass(frozen=True)
class MeasuredSet:
    """One set of images as metrics see it: labels (N,), and ``parts`` that can be had on demand."""

    labels: NDArray[np.int64]
    parts: Mapping[str, Callable[[], Any]]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def gaussian(self) -> FittedGaussian:
        """The Gaussian fitted to the features of generated or reference images: always there."""
        found: FittedGaussian = self._part("gaussian")
        return found

    @property
    def features(self) -> np.ndarray:
        """Features (N, D), which may be a read-only file in memory."""
        return np.asarray(self._part("features"))

    @property
    def logits(self) -> np.ndarray:
        """Class predictions (N, K) before the softmax, of generated images."""
        return np.asarray(self._part("logits"))

    @property
    def images(self) -> NDArray[np.uint8]:
        """Pixels (N, C, H, W); of real images always there."""
        return np.asarray(self._part("images"))

    def _part(self, name: str) -> Any:
        if name not in self.parts:
            raise LookupError(f"the {name} were not kept: the metric has to name them in its needs")
        return self.parts[name]()


@dataclass(frozen=True)
class Sets:
    """What metrics compare: generated images with the reference set, and the training images.

    ``training`` is ``reference`` where there are no other real images. Labels of generated images
    are indices of ``class_names``, the reference set's. ``made_by`` is what is known of how the
    generator was trained.
    """

    settings: MetricSettings
    generated: MeasuredSet
    reference: MeasuredSet
    training: MeasuredSet
    class_names: tuple[str, ...]
    extractor: str
    device: torch.device
    made_by: Training | None = None
    fit_probe: Callable[[], FittedProbe] | None = None
    progress: Callable[[str, int, int], None] | None = None
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def training_is_reference(self) -> bool:
        """Whether there are no real images beside the reference set."""
        return self.training is self.reference

    @property
    def probe(self) -> FittedProbe:
        """The linear probe, fitted each time that it is asked for."""
        if self.fit_probe is None:
            raise LookupError("no probe was fitted: the metric has to name it in its needs")
        return self.fit_probe()

    def once(self, compute: Callable[[Sets], T]) -> T:
        """``compute(self)``, a function that several metrics share, called once for all of them."""
        if compute not in self._known:
            self._known[compute] = compute(self)
        found: T = self._known[compute]
        return found


@dataclass(frozen=True)
class Found:
    """What a metric found.

    ``values`` maps names of its scores to numbers; a score that cannot be given is left out, with a
    sentence in ``warnings``. ``details`` are JSON values, ``counts`` numbers of images.
    ``findings`` are faults of the generator: the record says each once, and then what to do.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """Numbers of images, for an estimate of memory; ``image_bytes`` is what one of them takes."""

    generated: int
    reference: int
    training: int
    fitted: int
    classes: int
    image_bytes: int


class Metric(ABC):
    """One metric of an evaluation.

    ``name`` is what a recipe calls it, ``needs`` are keys of :data:`NEEDS`, ``scores`` are all the
    numbers that it may give. ``without_classes`` names the metric that takes its place, if any,
    where images have no labels.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    scores: ClassVar[tuple[Score, ...]]
    without_classes: ClassVar[str | None] = None

    @abstractmethod
    def compute(self, sets: Sets) -> Found:
        """The scores of the generated images; only what ``needs`` names can be had of ``sets``."""

    def fewest_images(self, settings: MetricSettings) -> tuple[int, str]:
        """How many images every set must hold, and the start of the sentence that asks for them."""
        return 2, "a distance between sets needs"

    def memory(self, sizes: Sizes) -> int:
        """About how many bytes computing takes beside what ``needs`` names."""
        return 0
