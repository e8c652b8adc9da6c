"""Networks from checkpoints of PyTorch-StudioGAN, the software of the paper's authors."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from contragan.core.errors import UserError
from contragan.interop.studiogan_settings import Settings
from contragan.models import (
    Generator,
    Trunk,
    build_generator,
    build_trunk,
)
from contragan.models.dcgan import (
    DCGANGenerator,
    DCGANTrunk,
)
from contragan.models.discriminator import Discriminator

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
    asked = Settings(settings)
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
