"""A user's choice of protocol, and of single settings of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from contragan.core.errors import UserError
from contragan.data import Reading
from contragan.recipes.evaluation import EvaluationConfig, named_protocol, needs


@dataclass(frozen=True)
class Choice:
    """What the user asks of an evaluation; None leaves the protocol's or the recipe's setting.

    ``classes`` are names, each one or several with commas between; none of them: all classes.
    """

    protocol: str | None = None
    features: str | None = None
    num_images: int | None = None
    reference: str | None = None
    batch_norm: str | None = None
    resize: str | None = None
    metrics: tuple[str, ...] | None = None
    probe_images: int | None = None
    classes: tuple[str, ...] = ()
    data: Path | None = None
    weights: Path | None = None
    skip_unreadable: bool = False
    report: Path | None = None
    reading: Reading = field(default_factory=Reading)
    seed: int = 0
    device: str = "auto"

    def config(self, otherwise: EvaluationConfig) -> EvaluationConfig:
        """The named protocol, or ``otherwise``, with the settings that were given changed.

        Raises:
            UserError: an unknown protocol, metric or extractor.
        """
        names = (
            "features",
            "num_images",
            "reference",
            "batch_norm",
            "resize",
            "metrics",
            "probe_images",
        )
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        try:
            if self.protocol is not None:
                config = named_protocol(self.protocol, **changes)
            else:
                config = EvaluationConfig.model_validate({**otherwise.model_dump(), **changes})
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(step) for step in problem["loc"][:1])
            said = problem["msg"].removeprefix("Value error, ")
            raise UserError(f"{where}: {said} (got {problem['input']!r})") from error
        if self.resize is not None and config.features == "pixels":
            raise UserError("--resize means nothing to the features pixels: leave it out")
        if self.probe_images is not None and "probe" not in needs(config):
            raise UserError("--probe-images means nothing without the metric class_fidelity")
        return config
