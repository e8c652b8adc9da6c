"""Discriminator heads with their class losses: one file each, one line each in the union."""

from typing import TYPE_CHECKING

from contragan.core.registry import union
from contragan.models.heads.auxiliary_classifier import (
    AuxiliaryClassifierConfig,
    AuxiliaryClassifierHead,
)
from contragan.models.heads.base import Conditioning, ConditioningSettings
from contragan.models.heads.contrastive import ContrastiveConfig, ContrastiveHead
from contragan.models.heads.d2d_ce import D2DCEConfig
from contragan.models.heads.metric_learning import NPairConfig, PairConfig, TripletConfig
from contragan.models.heads.nt_xent import NTXentConfig
from contragan.models.heads.projection import ProjectionConfig, ProjectionHead
from contragan.models.heads.proxy_nca import ProxyNCAConfig
from contragan.models.heads.unconditional import UnconditionalConfig, UnconditionalHead

if TYPE_CHECKING:
    ConditioningConfig = ConditioningSettings
else:
    ConditioningConfig = union(
        "heads",
        UnconditionalConfig,
        AuxiliaryClassifierConfig,
        ProjectionConfig,
        ContrastiveConfig,
        NTXentConfig,
        ProxyNCAConfig,
        D2DCEConfig,
        PairConfig,
        TripletConfig,
        NPairConfig,
        base=ConditioningSettings,
    )

__all__ = [
    "AuxiliaryClassifierHead",
    "Conditioning",
    "ConditioningConfig",
    "ContrastiveHead",
    "ProjectionHead",
    "UnconditionalHead",
]
