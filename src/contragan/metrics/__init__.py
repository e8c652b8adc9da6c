"""Features to scores: one file per metric, with what it needs, its titles and its units."""

from contragan.metrics.advice import Training
from contragan.metrics.base import Found, MeasuredSet, Metric, Score, Sets, Sizes
from contragan.metrics.class_diversity import ClassDiversityMetric
from contragan.metrics.class_fidelity import ClassFidelityMetric
from contragan.metrics.classification_accuracy import ClassificationAccuracyMetric
from contragan.metrics.classifier import ClassifierConfig, score_classifier, train_classifier
from contragan.metrics.distinct import DistinctImagesMetric
from contragan.metrics.frechet import FrechetMetric, frechet_distance, frechet_distance_from_moments
from contragan.metrics.inception_score import (
    ClassifierScoreMetric,
    InceptionScore,
    InceptionScoreMetric,
    inception_score,
)
from contragan.metrics.intra_class import IntraClassDistance, IntraClassMetric, intra_class_distance
from contragan.metrics.kernel import KernelDistance, KernelMetric, kernel_distance, squared_mmd
from contragan.metrics.label_agreement import ClassFidelity
from contragan.metrics.memorisation import Memorisation, MemorisationMetric, find_memorised
from contragan.metrics.precision_recall import (
    ManifoldScores,
    PrecisionRecallMetric,
    nearest_neighbours,
    precision_recall_density_coverage,
)
from contragan.metrics.probe import fit_probe

OWN_METRICS: tuple[type[Metric], ...] = (
    FrechetMetric,
    KernelMetric,
    InceptionScoreMetric,
    ClassifierScoreMetric,
    PrecisionRecallMetric,
    IntraClassMetric,
    ClassDiversityMetric,
    ClassFidelityMetric,
    DistinctImagesMetric,
    MemorisationMetric,
    ClassificationAccuracyMetric,
)
"""The metrics of this package; ``contragan.metrics.registry`` adds those of others."""

__all__ = [
    "OWN_METRICS",
    "ClassFidelity",
    "ClassifierConfig",
    "Found",
    "InceptionScore",
    "IntraClassDistance",
    "KernelDistance",
    "ManifoldScores",
    "MeasuredSet",
    "Memorisation",
    "Metric",
    "Score",
    "Sets",
    "Sizes",
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
