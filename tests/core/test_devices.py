"""Devices without float64, and systems without POSIX modules."""

import subprocess
import sys

import pytest
import torch

from contragan.bench.memory import peak_memory
from contragan.core import devices
from contragan.core.devices import float64_device, widest_float
from contragan.core.gaussian import Moments
from contragan.training.terms import NonFiniteLoss, TermMeter

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["cpu", "cuda:1", "meta"])
def test_devices_with_float64(name: str) -> None:
    device = torch.device(name)
    assert (widest_float(device), float64_device(device)) == (torch.float64, device)


def test_an_apple_gpu_has_none() -> None:
    device = torch.device("mps")
    assert (widest_float(device), float64_device(device)) == (torch.float32, CPU)


def test_the_meter_of_a_device_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = TermMeter("d", CPU)
    exact.add({"loss": torch.tensor(1.5)}, 0)
    monkeypatch.setattr(devices, "WITHOUT_FLOAT64", {"cpu"})
    meter = TermMeter("d", CPU)
    meter.load_state_dict(exact.state_dict())  # of a run that began elsewhere
    meter.add({"loss": torch.tensor(2.5)}, 1)
    state = meter.state_dict()["state"]
    assert isinstance(state, torch.Tensor)
    assert state.dtype == torch.float32
    assert meter.read() == {"d/loss": pytest.approx(2.0)}
    meter.add({"loss": torch.tensor(torch.nan)}, 9_999_999)
    with pytest.raises(NonFiniteLoss, match="at iteration 9999999:"):
        meter.check()


def test_moments_of_a_device_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "WITHOUT_FLOAT64", {"meta"})
    moments = Moments(2, "meta")
    moments.update(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert (moments.mean.device, moments.mean.dtype) == (CPU, torch.float64)
    torch.testing.assert_close(moments.mean, torch.tensor([2.0, 4.0], dtype=torch.float64))


def test_a_system_without_posix_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(sys, "platform", "win32")
    assert peak_memory(CPU) is None
    monkeypatch.undo()
    peak = peak_memory(CPU)
    assert peak is None or peak > 1e6
    code = (
        "import sys; sys.modules['resource'] = sys.modules['fcntl'] = None\n"
        "import contragan.bench.memory, contragan.runs.lock, contragan.core.cache"
    )
    if sys.platform != "win32":  # filelock itself asks for fcntl on POSIX and goes on without
        subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
