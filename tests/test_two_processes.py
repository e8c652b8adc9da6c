"""Two gloo processes give the single process's loss and gradient."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing.spawn import spawn
from two_process_work import (
    CONDITIONINGS,
    averages,
    loss_and_gradients,
    normalized,
    probability,
    work,
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    spawn(work, args=(str(folder),), nprocs=2)
    return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", CONDITIONINGS)
def test_loss_and_gradient(name: str, two: list[dict[str, Any]]) -> None:
    loss, feature, *weights = loss_and_gradients(CONDITIONINGS[name], slice(None))
    first, second = (found[name] for found in two)
    torch.testing.assert_close((first[0] + second[0]) / 2, loss)
    # Gradients are averaged over processes afterwards, so each carries twice its share here.
    torch.testing.assert_close(torch.cat([first[1], second[1]]) / 2, feature, rtol=1e-5, atol=1e-6)
    assert len(first) == len(second) == len(weights) + 2
    for one, other, expected in zip(first[2:], second[2:], weights, strict=True):
        torch.testing.assert_close((one + other) / 2, expected, rtol=1e-5, atol=1e-6)
    assert feature.abs().sum() > 0


def test_adaptive_probability(two: list[dict[str, Any]]) -> None:
    expected = probability(slice(None))
    assert expected.item() == pytest.approx(0.16)
    for found in two:
        torch.testing.assert_close(found["ada"], expected, rtol=0, atol=0)


def test_moving_averages_of_logits(two: list[dict[str, Any]]) -> None:
    """Means 1.125 and 0.5: half of the second, a quarter of the first."""
    expected = [pytest.approx(0.25 * 1.125 + 0.5 * 0.5)] * 2
    assert [found["lecam"] for found in two] == [expected] * 2
    assert averages(slice(None)) == expected


def test_synchronized_batch_norm(two: list[dict[str, Any]]) -> None:
    """Loss, gradients and running statistics, against PyTorch's own norm on the whole batch."""
    loss, images, *rest = normalized(slice(None))
    first, second = (found["batch norm"] for found in two)
    torch.testing.assert_close((first[0] + second[0]) / 2, loss)
    together = torch.cat([first[1], second[1]]) / 2
    torch.testing.assert_close(together, images, rtol=1e-4, atol=1e-7)
    for one, other, expected in zip(first[2:], second[2:], rest, strict=True):
        torch.testing.assert_close((one + other) / 2, expected, rtol=1e-4, atol=1e-6)
    for one, other in zip(first[-6:], second[-6:], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_logged_terms_are_means_over_processes(two: list[dict[str, Any]]) -> None:
    assert [found["meter"] for found in two] == [{"d/adversarial": pytest.approx(6)}] * 2


def test_processes_stop_for_the_same_reason(two: list[dict[str, Any]]) -> None:
    expected = [
        [None, 0],
        ["stopped by SIGTERM", 128 + signal.SIGTERM],
        ["stopped by the time limit", 124],
        ["stopped by SIGINT", 128 + signal.SIGINT],
    ]
    assert [found["stop"] for found in two] == [expected, expected]
