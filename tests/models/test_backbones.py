"""Shapes, parameter counts, gradients and settings of every backbone."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from contragan.models import Generator, Trunk
from contragan.models.layers.factory import Layers
from contragan.models.layers.normalization import has_batch_statistics

KINDS = ("dcgan", "resgan", "biggan")
NewGenerator = Callable[..., Generator]
NewTrunk = Callable[..., Trunk]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def latents(generator: Generator, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.arange(size) % generator.num_classes
    return torch.randn(size, generator.latent_dim), label


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resolution", [16, 32, 64, 128])
@pytest.mark.parametrize("kind", KINDS)
def test_shapes(
    kind: str, resolution: int, channels: int, new_generator: NewGenerator, new_trunk: NewTrunk
) -> None:
    changes = {"attention_after_block": None}
    generator = new_generator(kind, resolution, channels, **changes)
    trunk = new_trunk(kind, resolution, channels, **changes)
    images = generator(*latents(generator, 2))
    assert images.shape == (2, channels, resolution, resolution)
    assert images.abs().max() <= 1
    assert images.std() > 1e-3
    assert trunk(images).shape == (2, trunk.feature_dim)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_4_to_7_times_a_power_of_two(
    kind: str, generator_config: Callable[..., Any], trunk_config: Callable[..., Any]
) -> None:
    """From 16 to 512, or to 224 without residual blocks."""
    changes = {"latent_dim": 840, "channels": 64}
    networks = (generator_config(kind, **changes), trunk_config(kind, channels=64))
    for network in networks:
        accepted = []
        for size in range(1, 1025):
            with suppress(ValueError):
                network.check(size)
                accepted.append(size)
        assert accepted[:9] == [16, 20, 24, 28, 32, 40, 48, 56, 64]
        assert accepted[9:16] == [80, 96, 112, 128, 160, 192, 224]
        assert accepted[16:] == ([] if kind == "dcgan" else [256, 320, 384, 448, 512])


@pytest.mark.parametrize(
    ("kind", "size", "channels", "attention"),
    [
        ("biggan", 28, 4, (1, 1)), ("biggan", 192, 2, (3, 3)), ("biggan", 512, 2, (4, 4)),
        ("resgan", 96, 2, (2, 3)), ("resgan", 256, 2, (4, 3)),
        ("dcgan", 48, 4, (2, 2)), ("dcgan", 112, 8, (2, 3)),
    ],
)  # fmt: skip
def test_other_sizes_have_their_shape_and_train_every_parameter(
    kind: str,
    size: int,
    channels: int,
    attention: tuple[int, int],
    new_generator: NewGenerator,
    new_trunk: NewTrunk,
) -> None:
    generator = new_generator(
        kind, size, channels=channels, latent_dim=840, attention_after_block=attention[0]
    )
    trunk = new_trunk(kind, size, channels=channels, attention_after_block=attention[1])
    for network in (generator, trunk):
        nn.init.ones_(network.attention.gate)  # type: ignore[union-attr, arg-type]
    images = generator(*latents(generator, 2))
    assert images.shape == (2, 3, size, size)
    feature = trunk(images)
    assert feature.shape == (2, trunk.feature_dim)
    (feature * torch.randn_like(feature)).sum().backward()
    for network in (generator, trunk):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("size", "generator_widths", "trunk_widths"),
    [
        (128, [1536, 768, 384, 192, 96], [96, 192, 384, 768, 1536, 1536]),
        (256, [1536, 768, 768, 384, 192, 96], [96, 192, 384, 768, 768, 1536, 1536]),
        (512, [1536, 768, 768, 384, 192, 96, 96], [96, 96, 192, 384, 768, 768, 1536, 1536]),
    ],
)
@pytest.mark.parametrize("kind", ["resgan", "biggan"])
def test_published_widths(
    kind: str,
    size: int,
    generator_widths: list[int],
    trunk_widths: list[int],
    new_generator: NewGenerator,
    new_trunk: NewTrunk,
) -> None:
    """Brock et al. 2019, Tables 6 to 9: of 96 channels, as at all three sizes there."""
    changes = {"channels": 96, "spectral_norm": False, "attention_after_block": None}
    with torch.device("meta"):
        generator = new_generator(kind, size, latent_dim=840, **changes)
        trunk = new_trunk(kind, size, **changes)
    blocks: Any = generator.blocks
    assert [block.conv2.out_channels for block in blocks] == generator_widths
    inner = [1536, *generator_widths[:-1]]
    assert [block.conv1.in_channels for block in blocks] == inner
    blocks = trunk.blocks
    assert [block.conv2.out_channels for block in blocks] == trunk_widths
    assert [block.downsample for block in blocks] == [True] * (len(blocks) - 1) + [False]


def test_a_generator_starts_at_the_side_that_its_size_doubles(new_generator: NewGenerator) -> None:
    """Only the first layer knows of it: 96 has the layers of 64, from 6 x 6."""
    for kind in KINDS:
        changes = {"channels": 8, "latent_dim": 60, "attention_after_block": None}
        four, six = new_generator(kind, 64, **changes), new_generator(kind, 96, **changes)
        shapes = [
            {name: tuple(value.shape) for name, value in network.state_dict().items()}
            for network in (four, six)
        ]
        other = {name for name in shapes[0] if shapes[0][name] != shapes[1][name]}
        assert other
        assert all(name.startswith("linear.") for name in other)
        assert shapes[1]["linear.weight"][0] * 16 == shapes[0]["linear.weight"][0] * 36


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def heads(kind: str, feature: int, classes: int, embedding: int) -> list[nn.Module]:
    layers = Layers()
    shared: list[nn.Module] = [layers.linear(feature, 1)]
    if kind == "projection":
        shared.append(layers.embedding(classes, feature))
    elif kind == "classifier":
        shared.append(layers.linear(feature, classes, bias=False))
    elif kind == "contrastive":
        shared += [layers.linear(feature, embedding), layers.embedding(classes, embedding)]
    return shared


COUNTS = [
    # backbone, resolution, classes, z, channels, G SN, attention, head, embedding, G, D (millions)
    ("biggan", 32, 10, 80, 96, True, (2, 1), "contrastive", 512, "9.416", "2.517"),
    ("biggan", 32, 10, 80, 96, True, (2, 1), "projection", 0, "9.416", "2.415"),
    ("biggan", 32, 10, 80, 96, True, (2, 1), "classifier", 0, "9.416", "2.415"),
    ("biggan", 64, 200, 100, 80, True, (3, 1), "projection", 0, "17.335", "30.797"),
    ("biggan", 64, 200, 100, 80, True, (3, 1), "contrastive", 768, "17.335", "31.678"),
    ("biggan", 128, 1000, 120, 96, True, (4, 1), "projection", 0, "70.434", "87.982"),
    ("resgan", 32, 10, 128, 64, False, (None, None), "contrastive", 512, "4.304", "1.125"),
    ("resgan", 32, 10, 128, 64, True, (2, 1), "projection", 0, "4.386", "1.076"),
    ("resgan", 64, 200, 128, 64, False, (None, None), "projection", 0, "13.367", "19.748"),
    ("resgan", 64, 200, 128, 64, True, (3, 1), "projection", 0, "13.387", "19.753"),
    ("dcgan", 32, 10, 128, 64, False, (None, None), "contrastive", 512, "3.820", "3.196"),
    ("dcgan", 32, 10, 128, 64, False, (None, None), "projection", 0, "3.820", "2.933"),
]


@pytest.mark.parametrize("row", COUNTS, ids=lambda row: f"{row[0]}{row[1]}-{row[7]}-{row[6]}")
def test_published_parameter_counts(
    row: tuple[Any, ...], new_generator: NewGenerator, new_trunk: NewTrunk
) -> None:
    kind, resolution, classes, z, channels, spectral, attention, head, embedding, g, d = row
    shared = {"shared_dim": 128} if kind == "biggan" else {}
    with torch.device("meta"):
        generator = new_generator(
            kind,
            resolution,
            classes=classes,
            latent_dim=z,
            channels=channels,
            spectral_norm=spectral,
            attention_after_block=attention[0],
            **shared,
        )
        trunk = new_trunk(kind, resolution, channels=channels, attention_after_block=attention[1])
        head_layers = heads(head, trunk.feature_dim, classes, embedding)
    assert f"{count(generator) / 1e6:.3f}" == g
    assert f"{count(trunk, *head_layers) / 1e6:.3f}" == d


def test_published_parameter_counts_of_unconditional_dcgan(
    new_generator: NewGenerator, new_trunk: NewTrunk
) -> None:
    changes = {"channels": 64, "spectral_norm": False, "attention_after_block": None}
    with torch.device("meta"):
        generator = new_generator("dcgan", latent_dim=128, conditional=False, **changes)
        trunk = new_trunk("dcgan", normalization="batch", **changes)
        head_layers = heads("none", trunk.feature_dim, 10, 0)
    assert f"{count(generator) / 1e6:.3f}" == "3.812"
    assert f"{count(trunk, *head_layers) / 1e6:.3f}" == "2.931"


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("spectral_norm", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_generator_parameter_gets_a_gradient(
    kind: str, spectral_norm: bool, conditional: bool, new_generator: NewGenerator
) -> None:
    generator = new_generator(kind, spectral_norm=spectral_norm, conditional=conditional)
    nn.init.ones_(generator.attention.gate)  # type: ignore[union-attr, arg-type]
    (generator(*latents(generator, 6)) * torch.randn(6, 3, 32, 32)).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_trunk_parameter_gets_a_gradient(
    kind: str, normalization: str, new_trunk: NewTrunk
) -> None:
    trunk = new_trunk(kind, normalization=normalization, spectral_norm=normalization == "none")
    nn.init.ones_(trunk.attention.gate)  # type: ignore[union-attr, arg-type]
    feature = trunk(torch.randn(6, 3, 32, 32))
    (feature * torch.randn_like(feature)).sum().backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert has_batch_statistics(trunk) == (normalization == "batch")


@pytest.mark.parametrize("kind", KINDS)
def test_labels_matter_to_conditional_generators_only(
    kind: str, new_generator: NewGenerator
) -> None:
    for conditional in (True, False):
        generator = new_generator(kind, conditional=conditional).eval()
        z, _ = latents(generator)
        zeros, ones = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
        same = torch.equal(generator(z, zeros), generator(z, ones))
        assert same != conditional


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_the_latent_matters(kind: str, new_generator: NewGenerator) -> None:
    generator = new_generator(kind, conditional=False).eval()
    z, label = latents(generator)
    z.requires_grad_()
    generator(z, label).square().sum().backward()
    assert z.grad is not None
    assert (z.grad.abs().sum(0) > 0).all()


def test_published_parameter_count_of_unconditional_biggan(new_generator: NewGenerator) -> None:
    """Table 1's: plain batch norm, and the first chunk of the latent only.

    The published one also holds a table of class embeddings that nothing reads.
    """
    unread, settings = (
        10 * 128,
        {
            "latent_dim": 80,
            "shared_dim": 128,
            "channels": 96,
            "attention_after_block": 2,
            "conditional": False,
        },
    )
    with torch.device("meta"):
        published = new_generator("biggan", latent_in_blocks=False, **settings)
        ours = new_generator("biggan", **settings)
    assert f"{(count(published) + unread) / 1e6:.3f}" == "8.739"
    assert count(ours) > count(published)


@pytest.mark.parametrize("conditional", [True, False])
def test_without_the_latent_in_blocks_only_its_first_chunk_matters(
    conditional: bool, new_generator: NewGenerator
) -> None:
    changes = {"latent_in_blocks": False, "conditional": conditional}
    generator = new_generator("biggan", **changes).eval()
    z, label = latents(generator)
    z.requires_grad_()
    generator(z, label).square().sum().backward()
    assert z.grad is not None
    used = z.grad.abs().sum(0) > 0
    assert used.tolist() == [True] * 15 + [False] * 45
    other = (label + 1) % generator.num_classes
    assert torch.equal(generator(z, label), generator(z, other)) != conditional


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_batch_norm_may_go_without_spectral_norm(
    kind: str, new_generator: NewGenerator
) -> None:
    def normalised(generator: Generator) -> set[str]:
        names = {name for name, _ in generator.named_modules() if name.endswith("spectral_norm")}
        return {name.removesuffix(".spectral_norm") for name in names}

    everywhere = normalised(new_generator(kind))
    apart = normalised(new_generator(kind, conditional_batch_norm_spectral_norm=False))
    gains = {name for name in everywhere if name.endswith((".gain", ".bias"))}
    assert gains
    assert everywhere - apart == gains


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_independent_without_batch_statistics(kind: str, new_trunk: NewTrunk) -> None:
    x = torch.randn(4, 3, 32, 32)
    for normalization, independent in (("none", True), ("layer", True), ("batch", False)):
        trunk = new_trunk(kind, normalization=normalization, spectral_norm=False)
        alone = torch.cat([trunk(x[:2]), trunk(x[2:])])
        assert torch.allclose(trunk(x), alone, rtol=1e-4, atol=1e-3) == independent


@pytest.mark.parametrize("kind", KINDS)
def test_channels_last_and_bfloat16(
    kind: str, new_generator: NewGenerator, new_trunk: NewTrunk
) -> None:
    generator, trunk = new_generator(kind), new_trunk(kind)
    z, label = latents(generator)
    with torch.no_grad():
        generator(z, label), trunk(torch.randn(4, 3, 32, 32))
        expected = generator.eval()(z, label)
        feature = trunk.eval()(expected)
    generator.to(memory_format=torch.channels_last)
    trunk.to(memory_format=torch.channels_last)
    images = generator(z, label)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert_close(images, expected, atol=1e-5, rtol=1e-4)
    assert_close(trunk(images), feature, atol=1e-4, rtol=1e-3)
    generator.train(), trunk.train()
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(z, label)
        output = trunk(images)
    assert images.dtype == output.dtype == torch.float32
    output.square().mean().backward()
    for parameter in (*generator.parameters(), *trunk.parameters()):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    buffers = {name: buffer.dtype for name, buffer in generator.named_buffers()}
    assert {d for n, d in buffers.items() if "running" in n or "spectral" in n} == {torch.float32}


@pytest.mark.parametrize("kind", KINDS)
def test_batch_norm_synchronises(kind: str, new_generator: NewGenerator) -> None:
    generator = new_generator(kind)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(generator)
    assert any(isinstance(module, nn.SyncBatchNorm) for module in converted.modules())
    assert not any(type(module) is nn.BatchNorm2d for module in converted.modules())
    assert has_batch_statistics(converted)
    images = converted.eval()(*latents(generator))  # the call still passes conditions through
    assert images.shape == (4, 3, 32, 32)


@pytest.mark.parametrize(
    ("kind", "resolution", "changes", "reason"),
    [
        ("biggan", 32, {"latent_dim": 62}, "multiple of 4 such as 60"),
        ("biggan", 64, {"latent_dim": 3}, "multiple of 5 such as 5"),
        ("biggan", 32, {"attention_after_block": 4}, "3 blocks.*choose 1 to 3"),
        ("resgan", 100, {}, "resolution 100; use 96 or 112 .*from 16 to 512"),
        ("resgan", 32, {"channels": 1}, "divisible by 8"),
        ("dcgan", 16, {"attention_after_block": 3}, "2 blocks"),
        ("dcgan", 128, {"channels": 6}, "multiple of 4"),
        ("dcgan", 256, {}, "resolution 256; use 224 "),
        ("biggan", 1024, {}, "resolution 1024; use 512 "),
        ("biggan", 256, {"latent_dim": 128}, "multiple of 7 such as 126"),
    ],
)
def test_impossible_generators_fail_with_the_fix(
    kind: str,
    resolution: int,
    changes: dict[str, Any],
    reason: str,
    generator_config: Callable[..., Any],
    new_generator: NewGenerator,
) -> None:
    with pytest.raises(ValueError, match=reason):
        generator_config(kind, **changes).check(resolution)
    with pytest.raises(ValueError, match=reason):
        new_generator(kind, resolution, **changes)


@pytest.mark.parametrize(
    ("kind", "resolution", "changes", "reason"),
    [
        ("biggan", 32, {"attention_after_block": 5}, "4 blocks"),
        ("biggan", 12, {}, "resolution 12; use 16 "),
        ("dcgan", 30, {}, "resolution 30; use 28 or 32 "),
        ("resgan", 64, {"channels": 12}, "block 1 of the trunk has 12"),
        ("dcgan", 32, {"attention_after_block": 4}, "3 blocks"),
    ],
)
def test_impossible_trunks_fail_with_the_fix(
    kind: str,
    resolution: int,
    changes: dict[str, Any],
    reason: str,
    trunk_config: Callable[..., Any],
    new_trunk: NewTrunk,
) -> None:
    with pytest.raises(ValueError, match=reason):
        trunk_config(kind, **changes).check(resolution)
    with pytest.raises(ValueError, match=reason):
        new_trunk(kind, resolution, **changes)
