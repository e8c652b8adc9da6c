"""Import of PyTorch-StudioGAN checkpoints against vectors made by that software."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

from contragan.core.errors import UserError
from contragan.interop import studiogan
from contragan.interop.studiogan_settings import Settings
from contragan.models import build_generator, build_trunk
from contragan.models.discriminator import Discriminator

VECTORS = Path(__file__).parents[1] / "vectors" / "studiogan"
TOLERANCE: dict[str, Any] = {"atol": 1e-4, "rtol": 0.0}


def case(name: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    settings = json.loads((VECTORS / f"{name}.json").read_text())
    return (
        settings,
        load_file(VECTORS / f"{name}.G.safetensors"),
        load_file(VECTORS / f"{name}.D.safetensors"),
    )


@pytest.mark.parametrize("name", ["biggan32-2C", "resnet32-PD"])
def test_outputs_agree_with_the_published_software(name: str) -> None:
    generator, discriminator = studiogan.load(*case(name))
    io = load_file(VECTORS / f"{name}.io.safetensors")
    with torch.no_grad():
        image = generator(io["z"], io["y"])
        output = discriminator(io["x"], io["y"])
    assert not generator.training
    assert not discriminator.training
    assert_close(image, io["image"], **TOLERANCE)
    assert_close(output.logit, io["d.adv_output"], **TOLERANCE)
    for ours, theirs in ((output.embedding, "d.embed"), (output.proxy, "d.proxy")):
        assert (ours is None) == (theirs not in io)
        if ours is not None:
            assert_close(ours, io[theirs], **TOLERANCE)


def test_published_shortcut_differs_from_the_plain_one() -> None:
    _, discriminator = studiogan.load(*case("resnet32-PD"))
    io = load_file(VECTORS / "resnet32-PD.io.safetensors")
    for block in discriminator.trunk.blocks:  # type: ignore[union-attr]
        block.relu_before_shortcut = False
    off = (discriminator(io["x"], io["y"]).logit - io["d.adv_output"]).abs().max()
    assert off > 0.1


def deep_conv_case() -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    names = json.loads((VECTORS / "deepconv32-W-O.names.json").read_text())
    settings = {
        "backbone": "deep_conv",
        "g_cond_mtd": "W/O",
        "d_cond_mtd": "W/O",
        "apply_g_sn": False,
        "apply_d_sn": False,
        "apply_attn": False,
        "z_dim": 128,
        "img_size": 32,
        "num_classes": 10,
    }
    g, d = ({n: torch.rand(s) for n, s in names[which].items()} for which in "GD")
    return settings, g, d


def test_deep_conv_names_map_without_a_leftover() -> None:
    settings, g, d = deep_conv_case()
    generator, discriminator = studiogan.load(settings, g, d)
    assert_close(
        generator.state_dict()["blocks.1.norm.running_var"], g["blocks.1.0.bn0.running_var"]
    )
    ours = discriminator.state_dict()
    assert_close(ours["trunk.norm.weight"], d["bn1.weight"])
    assert_close(ours["trunk.blocks.2.conv2.weight"], d["blocks.2.0.conv1.weight"])
    assert_close(ours["trunk.blocks.2.norm1.bias"], d["blocks.2.0.bn0.bias"])
    label = torch.zeros(2, dtype=torch.long)
    assert generator(torch.randn(2, 128), label).shape == (2, 3, 32, 32)


def their_state(network: torch.nn.Module, names: dict[str, str]) -> dict[str, Tensor]:
    ours = network.state_dict()
    return {studiogan._tensor_name(name, names, ours): value for name, value in ours.items()}


@pytest.mark.parametrize("backbone", ["resnet", "big_resnet", "deep_conv"])
@pytest.mark.parametrize("spectral", [True, False])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_every_combination_maps_onto_distinct_names(
    backbone: str, spectral: bool, size: int
) -> None:
    settings = {
        **case("biggan32-2C")[0],
        "backbone": backbone,
        "g_cond_mtd": "W/O" if size == 64 else "cBN",
        "apply_g_sn": spectral,
        "apply_d_sn": spectral,
        "z_dim": 60,
        "img_size": size,
        "apply_attn": size == 32,
    }
    asked = Settings(settings)
    with torch.device("meta"):
        resolution = asked.resolution
        generator = build_generator(
            asked.generator(), resolution=resolution, image_channels=3, num_classes=10
        )
        trunk = build_trunk(asked.trunk(), resolution=resolution, image_channels=3)
    g = their_state(generator, studiogan._generator_names(generator))
    d = their_state(trunk, studiogan._trunk_names(trunk))
    assert len(g) == len(generator.state_dict())
    assert len(d) == len(trunk.state_dict())
    assert ("linear0.weight_orig" in g) == spectral
    assert any("bn" in name for name in d) != spectral


@pytest.mark.parametrize("spectral", [True, False])
@pytest.mark.parametrize(
    ("condition", "layers"),
    [
        ("W/O", {"linear1"}),
        ("AC", {"linear1", "linear2"}),
        ("PD", {"linear1", "embedding"}),
        ("2C", {"linear1", "linear2", "embedding"}),
        ("D2DCE", {"linear1", "linear2", "embedding"}),
    ],
)
def test_every_head_maps(condition: str, layers: set[str], spectral: bool) -> None:
    settings = case("biggan32-2C")[0]
    settings |= {"d_cond_mtd": condition, "apply_d_sn": spectral}
    settings |= {"normalize_d_embed": condition != "AC", "d_embed_dim": 16}
    asked = Settings(settings)
    source, target = (
        Discriminator(trunk, asked.head(trunk.feature_dim))
        for trunk in (build_trunk(asked.trunk(), resolution=32, image_channels=3) for _ in range(2))
    )
    trunk_names = studiogan._trunk_names(source.trunk)  # type: ignore[arg-type]
    state = their_state(source, {f"trunk.{a}": b for a, b in trunk_names.items()} | studiogan._HEAD)
    assert {name.split(".")[0] for name in state if not name.startswith("blocks")} == layers
    studiogan.load_discriminator(target, state)
    images, label = torch.randn(3, 3, 32, 32), torch.tensor([0, 1, 2])
    ours, theirs = source.eval()(images, label), target.eval()(images, label)
    assert_close(ours.logit, theirs.logit)
    assert (ours.class_logits is not None) == (condition == "AC")
    assert (ours.embedding is not None) == (condition in ("2C", "D2DCE"))


def test_normalized_classifier_sees_only_the_direction_of_the_feature() -> None:
    settings = {**case("biggan32-2C")[0], "d_cond_mtd": "AC", "normalize_d_embed": True}
    head = Settings(settings).head(16).eval()
    feature, label = torch.randn(3, 16), torch.zeros(3, dtype=torch.long)
    assert_close(head(feature, label).class_logits, head(5 * feature, label).class_logits)


def test_tensors_that_do_not_map_are_named() -> None:
    settings, g, d = case("biggan32-2C")
    g["surplus.weight"] = g.pop("linear0.bias")
    g["conv2d5.bias"] = torch.zeros(7)
    with pytest.raises(UserError) as error:
        studiogan.load(settings, g, d)
    message = str(error.value)
    assert "generator" in message
    assert "1 missing (linear0.bias)" in message
    assert "1 extra (surplus.weight)" in message
    assert "conv2d5.bias is 7 instead of 3" in message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"backbone": "stylegan2"}, "backbone is 'stylegan2'"),
        ({"d_cond_mtd": "MH"}, "d_cond_mtd is 'MH'"),
        ({"img_size": 50}, "resolution 50"),
        ({"z_dim": 18}, "multiple of 4"),
        ({"attn_g_loc": [1, 2]}, "at most one"),
        ({"attn_d_loc": [9]}, "4 blocks"),
        ({"normalize_d_embed": False}, "normalize_d_embed"),
        ({"g_conv_dim": "N/A"}, "whole number"),
        ({"g_conv_dim": 0}, "wrong channels"),
        ({"apply_d_sn": "N/A"}, "apply_d_sn must be true or false"),
        ({"aux_cls_type": "TAC"}, "aux_cls_type"),
    ],
)
def test_settings_that_cannot_be_had(change: dict[str, Any], reason: str) -> None:
    settings, g, d = case("biggan32-2C")
    with pytest.raises(UserError, match=reason):
        studiogan.load(settings | change, g, d)


def test_missing_setting_is_named() -> None:
    settings, g, d = case("biggan32-2C")
    del settings["z_dim"]
    with pytest.raises(UserError, match="z_dim"):
        studiogan.load(settings, g, d)


def test_checkpoint_dictionary_state_dict_and_parallel_prefix_load(tmp_path: Path) -> None:
    settings, g, d = case("resnet32-PD")
    torch.save(
        {"state_dict": g, "step": 10, "best_fid": np.float64(8.5), "run_name": "x"},
        tmp_path / "g.pth",
    )
    torch.save({f"module.{name}": value for name, value in d.items()}, tmp_path / "d.pth")
    states = [studiogan.read_checkpoint(tmp_path / file) for file in ("g.pth", "d.pth")]
    generator, discriminator = studiogan.load(settings, *states)
    assert_close(generator.state_dict()["linear.weight"], g["linear0.weight"])
    assert_close(discriminator.state_dict()["head.adversarial.bias"], d["linear1.bias"])
    read = studiogan.read_checkpoint(VECTORS / "resnet32-PD.G.safetensors")
    assert read.keys() == g.keys()


class _Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize(
    "save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))]
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_hostile_pickle_is_refused(tmp_path: Path, save: Any) -> None:
    marker = tmp_path / "ran"
    save({"state_dict": _Hostile(marker)}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="refused"):
        studiogan.read_checkpoint(tmp_path / "bad.pth")
    assert not marker.exists()


def test_unreadable_checkpoints_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint"):
        studiogan.read_checkpoint(tmp_path / "absent.pth")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "noise.pth").write_bytes(b"PK\x03\x04 not a zip file")
    (tmp_path / "noise.safetensors").write_bytes(b"\x00" * 20)
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state_dict": {"a": 1}}, tmp_path / "numbers.pth")
    for file in ("empty.pth", "noise.pth", "noise.safetensors", "list.pth", "numbers.pth"):
        with pytest.raises(UserError) as error:
            studiogan.read_checkpoint(tmp_path / file)
        assert file in str(error.value)
        assert "\n" not in str(error.value)
