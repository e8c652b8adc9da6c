"""Features to scores: the arithmetic of every metric."""

from contragan.metrics.advice import Training
from contragan.metrics.class_fidelity import ClassFidelity
from contragan.metrics.classification_accuracy import (
    ClassifierConfig,
    score_classifier,
    train_classifier,
)
from contragan.metrics.frechet import frechet_distance, frechet_distance_from_moments
from contragan.metrics.inception_score import InceptionScore, inception_score
from contragan.metrics.intra_class import IntraClassDistance, intra_class_distance
from contragan.metrics.kernel import KernelDistance, kernel_distance, squared_mmd
from contragan.metrics.memorisation import Memorisation, find_memorised
from contragan.metrics.precision_recall import (
    ManifoldScores,
    nearest_neighbours,
    precision_recall_density_coverage,
)
from contragan.metrics.probe import fit_probe

__all__ = [
    "ClassFidelity",
    "ClassifierConfig",
    "InceptionScore",
    "IntraClassDistance",
    "KernelDistance",
    "ManifoldScores",
    "Memorisation",
    "Training",
    "find_memorised",
    "fit_probe",
    "frechet_distance",
    "frechet_distance_from_moments",
    "inception_score",
    "intra_class_distance",
    "kernel_distance",
    "nearest_neighbours",
    "precision_recall_density_coverage",
    "score_classifier",
    "squared_mmd",
    "train_classifier",
]
