"""Evaluation: scores of generated images against real ones, each with its whole protocol."""

from contragan.metrics.advice import Training
from contragan.metrics.batch_norm import BatchNormMode, evaluation_mode
from contragan.metrics.class_fidelity import ClassFidelity
from contragan.metrics.classification_accuracy import (
    ClassifierConfig,
    score_classifier,
    train_classifier,
)
from contragan.metrics.comparison import Comparison, compare, comparison_table
from contragan.metrics.features import FeatureExtractor, Features, load_extractor
from contragan.metrics.frechet import (
    Gaussian,
    Moments,
    RowGaussian,
    fit_gaussian,
    frechet_distance,
    frechet_distance_from_moments,
)
from contragan.metrics.inception_score import InceptionScore, inception_score
from contragan.metrics.intra_class import IntraClassDistance, intra_class_distance
from contragan.metrics.kernel import KernelDistance, kernel_distance, squared_mmd
from contragan.metrics.labels import (
    NEEDS_CLASSES,
    canonical_names,
    shortened,
    without_metrics_by_class,
)
from contragan.metrics.memorisation import Memorisation, find_memorised
from contragan.metrics.precision_recall import (
    ManifoldScores,
    nearest_neighbours,
    precision_recall_density_coverage,
)
from contragan.metrics.probe import fit_probe
from contragan.metrics.protocol import (
    ClosestPairs,
    Draw,
    IndexedDraw,
    check_evaluation,
    evaluate,
    evaluate_images,
)
from contragan.metrics.ranks import Ranks
from contragan.metrics.record import EvaluationRecord, metric_lines, to_table
from contragan.metrics.reference import ImageSet, ReferenceSet
from contragan.metrics.settings import PROTOCOLS, EvaluationConfig, MetricName, named_protocol

__all__ = [
    "NEEDS_CLASSES",
    "PROTOCOLS",
    "BatchNormMode",
    "ClassFidelity",
    "ClassifierConfig",
    "ClosestPairs",
    "Comparison",
    "Draw",
    "EvaluationConfig",
    "EvaluationRecord",
    "FeatureExtractor",
    "Features",
    "Gaussian",
    "ImageSet",
    "InceptionScore",
    "IndexedDraw",
    "IntraClassDistance",
    "KernelDistance",
    "ManifoldScores",
    "Memorisation",
    "MetricName",
    "Moments",
    "Ranks",
    "ReferenceSet",
    "RowGaussian",
    "Training",
    "canonical_names",
    "check_evaluation",
    "compare",
    "comparison_table",
    "evaluate",
    "evaluate_images",
    "evaluation_mode",
    "find_memorised",
    "fit_gaussian",
    "fit_probe",
    "frechet_distance",
    "frechet_distance_from_moments",
    "inception_score",
    "intra_class_distance",
    "kernel_distance",
    "load_extractor",
    "metric_lines",
    "named_protocol",
    "nearest_neighbours",
    "precision_recall_density_coverage",
    "score_classifier",
    "shortened",
    "squared_mmd",
    "to_table",
    "train_classifier",
    "without_metrics_by_class",
]
