"""contragan: train, compare and understand class-conditional GANs.

Names are loaded on first use, so that importing the package is instant.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contragan.conditioning import ConditionalContrastiveLoss as ConditionalContrastiveLoss
    from contragan.discriminator import Discriminator as Discriminator
    from contragan.errors import UserError as UserError
    from contragan.gan import build as build
    from contragan.networks import build_generator as build_generator
    from contragan.networks import build_trunk as build_trunk
    from contragan.recipe import load_recipe as load_recipe
    from contragan.sampling import load as load

__version__ = version("contragan")

_HOMES = {
    "ConditionalContrastiveLoss": "contragan.conditioning",
    "Discriminator": "contragan.discriminator",
    "UserError": "contragan.errors",
    "build": "contragan.gan",
    "build_generator": "contragan.networks",
    "build_trunk": "contragan.networks",
    "load": "contragan.sampling",
    "load_recipe": "contragan.recipe",
}

__all__ = [  # noqa: PLE0604
    *sorted(_HOMES),
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'contragan' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
