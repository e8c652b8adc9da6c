"""Networks from checkpoints of PyTorch-StudioGAN, the software of the paper's authors."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from contragan.core.errors import UserError
from contragan.core.types import DiscriminatorOutput
from contragan.models import (
    Generator,
    GeneratorConfig,
    Trunk,
    TrunkConfig,
    build_generator,
    build_trunk,
)
from contragan.models.biggan import BigGANGeneratorConfig, BigGANTrunkConfig
from contragan.models.dcgan import (
    DCGANGenerator,
    DCGANGeneratorConfig,
    DCGANTrunk,
    DCGANTrunkConfig,
)
from contragan.models.discriminator import Discriminator
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
_NAMED = 3

State = Mapping[str, Tensor]


def load(
    settings: Mapping[str, Any], generator_state: State, discriminator_state: State
) -> tuple[Generator, Discriminator]:
    """Both networks of a PyTorch-StudioGAN run, in eval mode.

    Args:
        settings: that software's names and values: ``backbone`` (``resnet``, ``big_resnet``,
            ``deep_conv``), ``g_cond_mtd``, ``d_cond_mtd``, ``apply_g_sn``, ``apply_d_sn``,
            ``apply_attn``, ``attn_g_loc``, ``attn_d_loc``, ``z_dim``, ``g_shared_dim``,
            ``g_conv_dim``, ``d_conv_dim``, ``d_embed_dim``, ``normalize_d_embed``, ``img_size``,
            ``num_classes``.
        generator_state: state dict of the generator (or of its moving average).
        discriminator_state: state dict of the discriminator.

    Raises:
        UserError: settings that are missing or not supported, or tensors that do not map.
    """
    asked = _Settings(settings)
    try:
        generator = build_generator(
            asked.generator(),
            resolution=asked.resolution,
            image_channels=3,
            num_classes=asked.num_classes,
        )
        trunk = build_trunk(asked.trunk(), resolution=asked.resolution, image_channels=3)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UserError(f"StudioGAN settings give a wrong {where}: {first['msg']}") from error
    except ValueError as error:
        raise UserError(f"StudioGAN settings cannot be built: {error}") from error
    discriminator = Discriminator(trunk, asked.head(trunk.feature_dim))
    load_generator(generator, generator_state)
    load_discriminator(discriminator, discriminator_state)
    return generator.eval(), discriminator.eval()


def load_generator(generator: Generator, state: State) -> None:
    """Copies a StudioGAN generator's state dict into ours; UserError if it does not map."""
    _load(generator, _generator_names(generator), state, "generator")


def load_discriminator(discriminator: Discriminator, state: State) -> None:
    """Copies a StudioGAN discriminator's state dict into ours; UserError if it does not map."""
    assert isinstance(discriminator.trunk, Trunk)
    names = {f"trunk.{ours}": theirs for ours, theirs in _trunk_names(discriminator.trunk).items()}
    _load(discriminator, names | _HEAD, state, "discriminator")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in a checkpoint file, read without running code that it may hold.

    Takes a state dict, or that software's checkpoint dictionary with its key ``state_dict``, as
    a pickle (``torch.save``) or safetensors file. Beside tensors and plain values only NumPy
    scalars, which that software stores for scores, are allowed in a pickle.

    Raises:
        UserError: the file is missing, damaged, holds anything else, or holds no state dict.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}: give the path of a .pth or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_ALLOWED):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"refused to read {path}: it is damaged, or holds objects other than tensors and plain "
            "values, which could run code; save the state dict alone and try again"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"cannot read checkpoint {path}: {reason}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state:
        raise UserError(f"{path} holds no state dict, nor a dictionary with one as 'state_dict'")
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if len(tensors) != len(state):
        raise UserError(f"the state dict in {path} holds values that are not tensors")
    return tensors


_ALLOWED: list[Any] = [
    # A NumPy scalar names its constructor by the module of the NumPy that wrote it.
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),  # type: ignore[attr-defined]
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64", "bool")),
]


class _Settings:
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
            return (_CosineClassifierHead if normalized else AuxiliaryClassifierHead)(*shape)
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


class _CosineClassifierHead(AuxiliaryClassifierHead):
    """That software's classifier under ``normalize_d_embed``: it sees the feature's direction."""

    def forward(
        self, feature: Float[Tensor, "B D"], label: Int[Tensor, " B"]
    ) -> DiscriminatorOutput:
        return DiscriminatorOutput(
            logit=self.adversarial(feature).squeeze(1),
            label=label,
            class_logits=self.classifier(F.normalize(feature, dim=1)),
        )


_ATTENTION = {
    "query": "conv1x1_theta",
    "key": "conv1x1_phi",
    "value": "conv1x1_g",
    "output": "conv1x1_attn",
    "gate": "sigma",
}
_HEAD = {
    "head.adversarial": "linear1",
    "head.classifier": "linear2",
    "head.projection": "linear2",
    "head.embedding": "embedding",
}
_RESIDUAL = {"conv1": "conv2d1", "conv2": "conv2d2", "shortcut": "conv2d0"}


def _generator_names(generator: Generator) -> dict[str, str]:
    """Our module names and theirs."""
    if isinstance(generator, DCGANGenerator):
        names = {"linear": "linear0", "to_image": "conv4"}
        return names | _block_names(generator, {"deconv": "deconv0", "norm": "bn0"})
    names = {"linear": "linear0", "shared": "shared", "norm": "bn4", "to_image": "conv2d5"}
    return names | _block_names(generator, _RESIDUAL | {"norm1": "bn1", "norm2": "bn2"})


def _trunk_names(trunk: Trunk) -> dict[str, str]:
    if isinstance(trunk, DCGANTrunk):
        inner = {"conv1": "conv0", "norm1": "bn0", "conv2": "conv1", "norm2": "bn1"}
        return {"conv": "conv1", "norm": "bn1"} | _block_names(trunk, inner)
    inner = _RESIDUAL | {"shortcut_norm": "bn0", "norm1": "bn1", "norm2": "bn2"}
    # Their first block lacks the leading norm, so its norms are numbered one lower.
    return _block_names(trunk, inner) | {"blocks.0.norm2": "blocks.0.0.bn1"}


def _block_names(network: nn.Module, inner: Mapping[str, str]) -> dict[str, str]:
    """Names inside the blocks; their list counts the attention layer as a block."""
    blocks, attention = network.blocks, network.attention_after_block
    assert isinstance(blocks, nn.ModuleList)
    assert attention is None or isinstance(attention, int)
    names: dict[str, str] = {}
    for index in range(len(blocks)):
        theirs = index + (attention is not None and index >= attention)
        names |= {f"blocks.{index}.{a}": f"blocks.{theirs}.0.{b}" for a, b in inner.items()}
    if attention is not None:
        names |= {f"attention.{a}": f"blocks.{attention}.0.{b}" for a, b in _ATTENTION.items()}
    return names


def _load(network: nn.Module, names: Mapping[str, str], state: State, what: str) -> None:
    if state and all(name.startswith("module.") for name in state):  # saved from a parallel wrapper
        state = {name.removeprefix("module."): value for name, value in state.items()}
    ours = network.state_dict()
    theirs = {name: _tensor_name(name, names, ours) for name in ours}
    missing = [name for name in theirs.values() if name not in state]
    extra = [name for name in state if name not in set(theirs.values())]
    shaped = [
        f"{theirs[name]} is {_shape(state[theirs[name]])} instead of {_shape(ours[name])}"
        for name in ours
        if theirs[name] in state and state[theirs[name]].shape != ours[name].shape
    ]
    problems = [
        f"{len(found)} {kind} ({', '.join(found[:_NAMED])}{', ...' if found[_NAMED:] else ''})"
        for kind, found in (("missing", missing), ("extra", extra), ("mis-shaped", shaped))
        if found
    ]
    if problems:
        raise UserError(
            f"the checkpoint is not of this {what}: tensors {'; '.join(problems)}; "
            "check the settings or recipe against those it was trained with"
        )
    network.load_state_dict({name: state[theirs[name]] for name in ours})


def _tensor_name(name: str, names: Mapping[str, str], ours: State) -> str:
    """Their name of our tensor ``name``."""
    prefix = next(p for p in names if name == p or name.startswith(f"{p}."))
    theirs = names[prefix] + name[len(prefix) :]
    module, _, last = theirs.rpartition(".")
    if last == "weight" and f"{name.rpartition('.')[0]}.spectral_norm.u" in ours:
        return f"{module}.weight_orig"
    return theirs.replace(".spectral_norm.", ".weight_")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "a scalar"
