"""Where to compute."""

from __future__ import annotations

import torch

from contragan.core.errors import UserError

WITHOUT_FLOAT64 = {"mps"}
"""Types of devices that have no float64."""


def widest_float(device: torch.device) -> torch.dtype:
    """float64 where the device has it, else float32."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64


def float64_device(device: torch.device) -> torch.device:
    """Where to compute in float64 what lies on ``device``: there, or on the CPU."""
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def find_device(name: str = "auto") -> torch.device:
    """The device that ``--device`` names; ``auto`` is a GPU where there is one, else the CPU.

    Raises:
        UserError: it is not a device, or this machine has none of it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in {"cpu", "cuda", "mps"}:
        raise UserError(f"--device {name} is not a device: give auto, cpu, cuda or cuda:1")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"--device {name}: PyTorch finds no Apple GPU here. Give auto or cpu")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise UserError(f"--device {name}: PyTorch finds no GPU here. Give auto or cpu")
        if (device.index or 0) >= count:
            raise UserError(f"--device {name}: the last GPU here is cuda:{count - 1}")
    return device
