"""Regularisers: one file each, one line each in the union."""

from typing import TYPE_CHECKING

from contragan.core.registry import union
from contragan.losses.regularizers.base import (
    Context,
    DiscriminatorContext,
    Memory,
    Players,
    Regularizer,
)
from contragan.losses.regularizers.consistency import (
    BalancedConsistency,
    Consistency,
    LatentConsistency,
)
from contragan.losses.regularizers.dragan import DRAGANPenalty
from contragan.losses.regularizers.gradient_penalty import GradientPenalty
from contragan.losses.regularizers.latent_optimization import LatentOptimization
from contragan.losses.regularizers.lecam import LeCam
from contragan.losses.regularizers.r1 import R1
from contragan.losses.regularizers.weight_clipping import WeightClipping

if TYPE_CHECKING:
    RegularizerConfig = Regularizer
else:
    RegularizerConfig = union(
        "regularizers",
        WeightClipping,
        GradientPenalty,
        DRAGANPenalty,
        R1,
        Consistency,
        BalancedConsistency,
        LatentConsistency,
        LatentOptimization,
        LeCam,
        base=Regularizer,
    )

__all__ = [
    "Context",
    "DiscriminatorContext",
    "Memory",
    "Players",
    "Regularizer",
    "RegularizerConfig",
]
