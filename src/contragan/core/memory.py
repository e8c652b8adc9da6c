"""How much memory may be taken."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import torch


def available_memory() -> int:
    """Bytes of main memory that this process could still take, container limits included."""
    return min(_machine(), *_cgroups())


class _MemoryStatus(ctypes.Structure):
    """Windows' MEMORYSTATUSEX."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load_percent", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("more", ctypes.c_uint64 * 5),
    )


def _machine() -> int:
    if sys.platform == "win32":
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.available)
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _cgroups() -> list[int]:
    rooms = [2**63]
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        folder = Path("/sys/fs/cgroup")
        try:
            rooms.append(
                int((folder / limit).read_text(encoding="utf-8"))
                - int((folder / usage).read_text(encoding="utf-8"))
            )
        except (OSError, ValueError):  # no such group, or no limit
            continue
    return rooms


def processes_here() -> int:
    """Processes of this job on this machine, which share its memory."""
    return max(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)


def free_memory(device: torch.device) -> int:
    """Bytes that this process could still take on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_memory() // processes_here()


def fits_in_memory(num_bytes: int, share: float) -> bool:
    """Whether ``num_bytes`` are at most ``share`` of the available memory of this process."""
    return num_bytes <= share * free_memory(torch.device("cpu"))


def fits_on_device(num_bytes: int, device: torch.device, share: float) -> bool:
    """Whether ``num_bytes`` are at most ``share`` of what is free on an accelerator."""
    # Other accelerators than CUDA's share main memory.
    return num_bytes <= share * free_memory(device)
