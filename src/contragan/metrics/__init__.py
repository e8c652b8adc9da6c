"""Evaluation: scores of generated images against real ones, each with its whole protocol."""

from contragan.metrics.batch_norm import BatchNormMode, evaluation_mode
from contragan.metrics.class_fidelity import ClassFidelity, fit_probe
from contragan.metrics.features import FeatureExtractor, Features, load_extractor
from contragan.metrics.frechet import (
    Gaussian,
    Moments,
    frechet_distance,
    frechet_distance_from_moments,
)
from contragan.metrics.protocol import Draw, EvaluationConfig, evaluate
from contragan.metrics.record import EvaluationRecord, metric_lines, to_table
from contragan.metrics.reference import ImageSet, ReferenceSet

__all__ = [
    "BatchNormMode",
    "ClassFidelity",
    "Draw",
    "EvaluationConfig",
    "EvaluationRecord",
    "FeatureExtractor",
    "Features",
    "Gaussian",
    "ImageSet",
    "Moments",
    "ReferenceSet",
    "evaluate",
    "evaluation_mode",
    "fit_probe",
    "frechet_distance",
    "frechet_distance_from_moments",
    "load_extractor",
    "metric_lines",
    "to_table",
]
