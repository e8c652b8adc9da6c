"""Generated images beside the training images that they are most like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from contragan.analysis.loaded import load_titled
from contragan.core.pair_pictures import ClosestPairs, draw_pairs
from contragan.evaluation.choice import Choice
from contragan.evaluation.run import evaluator_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Neighbours:
    """The pairs that are most surely copies, and what the check for copies says of all images."""

    title: str
    pairs: ClosestPairs
    copied_share: float
    real_copied_share: float
    num_images: int
    warnings: tuple[str, ...]

    def summary(self) -> str:
        """The shares of copies, in one line."""
        return (
            f"{self.title}: {self.copied_share:.1%} of {self.num_images:,} generated images are as "
            f"near to a training image as copies are; of training images, "
            f"{self.real_copied_share:.1%} are as near to another"
        )


def read_neighbours(
    path: Path,
    console: Console,
    *,
    num_images: int | None = 1000,
    features: str | None = None,
    which: str = "best",
    data: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Neighbours:
    """Nearest training images, as the metric ``memorisation`` finds them; nothing is recorded.

    Args:
        path: a run's folder, or a checkpoint in it.
        console: where progress is shown.
        num_images: how many images are generated and looked at; None as the recipe says.
        features: what images are compared by, beside their pixels; None as the recipe says.
        which: the checkpoint of a run: ``"best"`` or ``"last"``.
        data: where the data set lies; None where the run had it.
        seed: of the latents.
        device: where the networks run.

    Raises:
        UserError: no run, no checkpoint, or no data.
    """
    ((model, title),) = load_titled([path], console, which=which, device=device)
    choice = Choice(
        features=features,
        num_images=num_images,
        metrics=("memorisation",),
        data=data,
        seed=seed,
        device=device,
    )
    found: list[ClosestPairs] = []
    evaluator = replace(evaluator_of(model, choice, console), closest_pairs=found.append)
    record = evaluator(model.iteration)
    return Neighbours(
        title=title,
        pairs=found[0],
        copied_share=record.values["copied_share"],
        real_copied_share=record.values["real_copied_share"],
        num_images=record.counts["generated"],
        warnings=record.warnings,
    )


def draw_neighbours(neighbours: Neighbours) -> Figure:
    """Each training image, framed, and to its right the generated images nearest to it."""
    figure: Figure = draw_pairs(neighbours.pairs, of=neighbours.title).figure()
    return figure
