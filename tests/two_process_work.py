"""What two gloo processes compute; a module of its own, so that both can import it."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from contragan.augmentation.ada import AdaptiveConfig
from contragan.core.processes import largest
from contragan.core.types import DiscriminatorOutput
from contragan.losses.regularizers.lecam import LeCam
from contragan.models.heads import Conditioning
from contragan.models.heads.base import ConditioningSettings
from contragan.models.heads.contrastive import ContrastiveConfig
from contragan.models.heads.d2d_ce import D2DCEConfig
from contragan.models.heads.metric_learning import NPairConfig, PairConfig, TripletConfig
from contragan.models.heads.nt_xent import NTXentConfig
from contragan.models.heads.proxy_nca import ProxyNCAConfig
from contragan.models.layers.factory import Layers
from contragan.models.layers.normalization import BatchNorm2d, synchronized
from contragan.training.stop import Stop
from contragan.training.terms import TermMeter

FEATURES, CLASSES, BATCH = 6, 3, 8
COMMON: dict[str, Any] = {"embedding_dim": 5, "weight": 0.7, "projection_head": "linear"}


def contrastive(positives: bool, same: bool, **extra: Any) -> ContrastiveConfig:
    return ContrastiveConfig(
        kind="contrastive",
        temperature=0.5,
        positives_in_numerator=positives,
        same_class_negatives=same,
        **COMMON,
        **extra,
    )


CONDITIONINGS: dict[str, ConditioningSettings] = {
    "eq8": contrastive(True, True),
    "eq7": contrastive(False, True),
    "eq7 without same-class negatives": contrastive(False, False),
    "eq8 with copies": contrastive(True, True, augmented_positives={"proxy": True}),
    "eq8 with proxy classification": contrastive(
        True, True, proxy_classification={"weight": 1.0, "temperature": 0.1}
    ),
    "nt_xent": NTXentConfig(kind="nt_xent", temperature=0.5, augmentation="flip_shift", **COMMON),
    "proxy_nca": ProxyNCAConfig(kind="proxy_nca", temperature=0.5, **COMMON),
    "d2d_ce": D2DCEConfig(
        kind="d2d_ce", temperature=0.5, positive_margin=0.98, negative_margin=0.02, **COMMON
    ),
    "pair": PairConfig(kind="pair", margin=1.0, **COMMON),
    "triplet": TripletConfig(kind="triplet", margin=0.5, **COMMON),
    "n_pair": NPairConfig(kind="n_pair", temperature=0.5, **COMMON),
}


def data() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    feature = torch.randn(BATCH, FEATURES, generator=random)
    return (
        feature,
        feature + torch.randn(BATCH, FEATURES, generator=random),
        torch.tensor([0, 1, 1, 2, 0, 0, 1, 0]),
    )


def loss_and_gradients(settings: ConditioningSettings, rows: slice) -> list[Tensor]:
    """The loss on some rows of the batch, the gradient by the feature, and by each parameter."""
    torch.manual_seed(1)
    head: Conditioning = settings.build(FEATURES, CLASSES, Layers())
    feature, view, label = (tensor[rows] for tensor in data())
    feature = feature.clone().requires_grad_()
    output: DiscriminatorOutput = head(feature, label)
    copies = head(view, label).embedding if head.needs_view else None
    output = DiscriminatorOutput(**{**vars(output), "view": copies})
    loss = torch.stack(list(head.discriminator_loss(output, output).values())).sum()
    loss.backward()
    weights = [p.grad for p in head.parameters() if p.grad is not None]
    assert feature.grad is not None
    return [loss.detach(), feature.grad, *weights]


def adapted() -> Any:
    settings = AdaptiveConfig(
        kind="ada", groups=("color",), target=0.5, ramp_images=100, interval=2
    )
    return settings.build(torch.device("cpu"))


LOGITS = [torch.tensor([1.0, 2, 3, -1, 1, 1, 1, 1]), torch.tensor([1.0, 1, 1, 1, -1, -1, 1, 1])]


def probability(rows: slice) -> Tensor:
    augmentation = adapted()
    for logit in LOGITS:
        augmentation.observe(logit[rows])
        augmentation.adapt()
    return augmentation.probability  # type: ignore[no-any-return]


def averages(rows: slice) -> list[Tensor]:
    """LeCam's moving averages after two updates."""
    regularizer = LeCam(kind="lecam", weight=1, decay=0.5, start_iteration=0)
    memory = regularizer.memory()
    regularizer.begin(memory, 0)
    for logit in LOGITS:
        label = torch.zeros(len(logit[rows]), dtype=torch.long)
        output = DiscriminatorOutput(logit[rows], label)
        context = SimpleNamespace(memory=memory, real_output=output, fake_output=output)
        regularizer.discriminator_penalty(context)  # type: ignore[arg-type]
        regularizer.remember(memory)
    return [memory["real"], memory["generated"]]


def normalized(rows: slice) -> list[Tensor]:
    """The loss of a batch-normalised network on some rows, its gradients, and its statistics."""
    torch.manual_seed(2)
    network = nn.Sequential(
        BatchNorm2d(3, eps=1e-5, momentum=0.1),
        nn.Conv2d(3, 4, 3),
        BatchNorm2d(4, eps=1e-5, momentum=0.1, affine=False),
    )
    images = (torch.randn(BATCH, 3, 5, 5) * 3 + 20)[rows]
    weights = torch.randn(BATCH, 4, 3, 3)[rows]
    images = images.clone().requires_grad_()
    with synchronized(network):
        loss = (network(images) * weights).square().mean()
    loss.backward()
    assert images.grad is not None
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    statistics = [buffer.double() for buffer in network.buffers()]
    return [loss.detach(), images.grad, *gradients, *statistics]


STOPS: list[tuple[list[float | None], list[int | None]]] = [
    ([None, None], [None, None]),
    ([None, None], [None, signal.SIGTERM]),
    ([0.0, 100.0], [None, None]),
    ([0.0, None], [None, signal.SIGINT]),
]
"""Time limits and signals of the two processes."""


def stopped(
    rank: int, limits: list[float | None], signals: list[int | None]
) -> tuple[str | None, int]:
    """Why a process stops, and how it exits."""
    stop = Stop(limits[rank])
    stop.signal = signals[rank]
    (found,) = largest([stop.noticed()], torch.device("cpu"))
    return stop.agree(found), stop.exit_code


def logged(rank: int) -> dict[str, float]:
    """What the log says of three updates, the first two before a checkpoint."""
    meter = TermMeter("d", torch.device("cpu"))
    for update in range(3):
        meter.add({"adversarial": torch.tensor(10.0 * rank + update)}, update)
        if update == 1:
            meter.share()
    meter.share()
    return meter.read()


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    half = BATCH // 2
    rows = slice(rank * half, (rank + 1) * half)
    found: dict[str, Any] = {
        name: loss_and_gradients(settings, rows) for name, settings in CONDITIONINGS.items()
    }
    found["ada"] = probability(rows)
    found["lecam"] = averages(rows)
    found["batch norm"] = normalized(rows)
    found["meter"] = logged(rank)
    found["stop"] = [list(stopped(rank, *case)) for case in STOPS]
    torch.save(found, os.path.join(folder, f"{rank}.pt"))
    dist.destroy_process_group()
