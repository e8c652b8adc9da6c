"""PyTorch-StudioGAN's settings as ours, and its head that we have only for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from contragan.core.errors import UserError
from contragan.core.types import DiscriminatorOutput
from contragan.models import GeneratorConfig, TrunkConfig
from contragan.models.biggan import BigGANGeneratorConfig, BigGANTrunkConfig
from contragan.models.dcgan import DCGANGeneratorConfig, DCGANTrunkConfig
from contragan.models.heads import (
    AuxiliaryClassifierHead,
    Conditioning,
    ProjectionHead,
    UnconditionalHead,
)
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.models.layers.factory import Layers
from contragan.models.resgan import ResGANGeneratorConfig, ResGANTrunkConfig

BATCH_NORM_EPS = 1e-4
BATCH_NORM_MOMENTUM = 0.1
_DEEP_CONV_CHANNELS = 64


class Settings:
    """StudioGAN settings as ours."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._given = settings
        self.backbone = self._choice("backbone", ("resnet", "big_resnet", "deep_conv"))
        self.condition = self._choice("d_cond_mtd", ("W/O", "AC", "PD", "2C", "D2DCE"))
        self.conditional = self._choice("g_cond_mtd", ("W/O", "cBN")) == "cBN"
        self.num_classes = self._integer("num_classes")
        # That software's deep_conv has one layout, whatever the image size.
        self.resolution = 32 if self.backbone == "deep_conv" else self._integer("img_size")
        if self._given.get("aux_cls_type", "W/O") not in ("W/O", "N/A"):
            raise UserError("StudioGAN setting aux_cls_type is not supported: only W/O is")

    def _get(self, name: str) -> Any:
        if name not in self._given:
            raise UserError(f"StudioGAN settings lack '{name}'")
        return self._given[name]

    def _choice(self, name: str, valid: tuple[str, ...]) -> str:
        value = self._get(name)
        if value not in valid:
            raise UserError(f"StudioGAN setting {name} is {value!r}; supported: {', '.join(valid)}")
        return str(value)

    def _integer(self, name: str) -> int:
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise UserError(f"StudioGAN setting {name} must be a whole number, not {value!r}")
        return value

    def _switch(self, name: str) -> bool:
        value = self._get(name)
        if not isinstance(value, bool):
            raise UserError(f"StudioGAN setting {name} must be true or false, not {value!r}")
        return value

    def _attention(self, name: str) -> int | None:
        if not self._switch("apply_attn"):
            return None
        given = self._get(name)
        places = [p for p in (given if isinstance(given, list | tuple) else [given]) if p != "N/A"]
        if len(places) > 1:
            raise UserError(f"StudioGAN setting {name} is {places}; at most one is supported")
        return places[0] if places else None

    def generator(self) -> GeneratorConfig:
        common = {
            "latent_dim": self._integer("z_dim"),
            "spectral_norm": self._switch("apply_g_sn"),
            "attention_after_block": self._attention("attn_g_loc"),
            "conditional": self.conditional,
            "batch_norm_eps": BATCH_NORM_EPS,
            "batch_norm_momentum": BATCH_NORM_MOMENTUM,
            "conditional_batch_norm_momentum": BATCH_NORM_MOMENTUM,
        }
        if self.backbone == "deep_conv":
            return DCGANGeneratorConfig(kind="dcgan", channels=_DEEP_CONV_CHANNELS, **common)
        channels = self._integer("g_conv_dim")
        if self.backbone == "resnet":
            return ResGANGeneratorConfig(kind="resgan", channels=channels, **common)
        shared = self._integer("g_shared_dim") if self.conditional else 1
        return BigGANGeneratorConfig(kind="biggan", channels=channels, shared_dim=shared, **common)

    def trunk(self) -> TrunkConfig:
        common = {
            "spectral_norm": self._switch("apply_d_sn"),
            "attention_after_block": self._attention("attn_d_loc"),
            "normalization": "none" if self._switch("apply_d_sn") else "batch",
            "batch_norm_eps": BATCH_NORM_EPS,
            "batch_norm_momentum": BATCH_NORM_MOMENTUM,
        }
        if self.backbone == "deep_conv":
            return DCGANTrunkConfig(kind="dcgan", channels=_DEEP_CONV_CHANNELS, **common)
        common |= {"channels": self._integer("d_conv_dim"), "relu_before_shortcut": True}
        if self.backbone == "resnet":
            return ResGANTrunkConfig(kind="resgan", **common)
        return BigGANTrunkConfig(kind="biggan", **common)

    def head(self, feature_dim: int) -> Conditioning:
        layers = Layers(self._switch("apply_d_sn"))
        shape = (feature_dim, self.num_classes, layers)
        if self.condition == "W/O":
            return UnconditionalHead(*shape)
        if self.condition == "PD":
            return ProjectionHead(*shape)
        normalized = self._get("normalize_d_embed") is True
        if self.condition == "AC":
            return (CosineClassifierHead if normalized else AuxiliaryClassifierHead)(*shape)
        if not normalized:
            raise UserError(
                f"StudioGAN setting normalize_d_embed must be true with {self.condition}: "
                "embeddings here lie on the unit sphere"
            )
        settings = ContrastiveConfig(
            kind="contrastive",
            embedding_dim=self._integer("d_embed_dim"),
            weight=1.0,
            projection_head="linear",
            temperature=1.0,
            positives_in_numerator=True,
            same_class_negatives=True,
        )
        return settings.build(*shape)


class CosineClassifierHead(AuxiliaryClassifierHead):
    """That software's classifier under ``normalize_d_embed``: it sees the feature's direction."""

    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        return DiscriminatorOutput(
            logit=self.adversarial(feature).squeeze(1),
            label=label,
            class_logits=self.classifier(F.normalize(feature, dim=1)),
        )
