"""Discriminator heads with their class losses: one file each, one line each in the union."""

from typing import Annotated

from pydantic import Field

from contragan.conditioning.auxiliary_classifier import (
    AuxiliaryClassifierConfig,
    AuxiliaryClassifierHead,
)
from contragan.conditioning.base import Conditioning
from contragan.conditioning.contrastive import (
    ConditionalContrastiveLoss,
    ContrastiveConfig,
    ContrastiveHead,
)
from contragan.conditioning.d2d_ce import D2DCEConfig
from contragan.conditioning.metric_learning import NPairConfig, PairConfig, TripletConfig
from contragan.conditioning.nt_xent import NTXentConfig
from contragan.conditioning.projection import ProjectionConfig, ProjectionHead
from contragan.conditioning.proxy_nca import ProxyNCAConfig
from contragan.conditioning.unconditional import UnconditionalConfig, UnconditionalHead

ConditioningConfig = Annotated[
    UnconditionalConfig
    | AuxiliaryClassifierConfig
    | ProjectionConfig
    | ContrastiveConfig
    | NTXentConfig
    | ProxyNCAConfig
    | D2DCEConfig
    | PairConfig
    | TripletConfig
    | NPairConfig,
    Field(discriminator="kind"),
]

__all__ = [
    "AuxiliaryClassifierHead",
    "ConditionalContrastiveLoss",
    "Conditioning",
    "ConditioningConfig",
    "ContrastiveHead",
    "ProjectionHead",
    "UnconditionalHead",
]
