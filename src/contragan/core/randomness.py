"""Counter-based randomness: every draw is seeded from what it is for, never from what came before.

A resumed run therefore sees the same noise without storing generator states, and an evaluation in
the middle of training changes nothing in it.
"""

from __future__ import annotations

import hashlib

import torch


def derived_seed(*counters: int | str) -> int:
    """A 63-bit seed from counters such as (seed, iteration, rank, purpose)."""
    text = "\x1f".join(f"{type(counter).__name__}:{counter}" for counter in counters)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def random_generator(device: torch.device, *counters: int | str) -> torch.Generator:
    """A generator on ``device`` seeded from ``counters``."""
    return torch.Generator(device).manual_seed(derived_seed(*counters))
