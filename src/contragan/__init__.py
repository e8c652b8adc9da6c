"""contragan: train, compare and understand class-conditional GANs.

Names are loaded on first use, so that importing the package is instant.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contragan.core.errors import UserError as UserError
    from contragan.evaluation.from_python import evaluate as evaluate
    from contragan.losses import ConditionalContrastiveLoss as ConditionalContrastiveLoss
    from contragan.models import build_generator as build_generator
    from contragan.models import build_trunk as build_trunk
    from contragan.models.discriminator import Discriminator as Discriminator
    from contragan.recipes.gan import build as build
    from contragan.recipes.schema import load_recipe as load_recipe
    from contragan.runs.model import load as load
    from contragan.training.from_python import train as train

__version__ = version("contragan")

_HOMES = {
    "ConditionalContrastiveLoss": "contragan.losses",
    "Discriminator": "contragan.models.discriminator",
    "UserError": "contragan.core.errors",
    "build": "contragan.recipes.gan",
    "build_generator": "contragan.models",
    "build_trunk": "contragan.models",
    "evaluate": "contragan.evaluation.from_python",
    "load": "contragan.runs.model",
    "load_recipe": "contragan.recipes.schema",
    "train": "contragan.training.from_python",
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
