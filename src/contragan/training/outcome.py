"""How a training ended, and what to tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    ``stopped`` says why it ended early, ``go_on`` is the command that goes on. ``scores`` are of
    the evaluation after iteration ``scored_at``, ``best`` is the Fréchet distance that ranks
    checkpoints, ``signs_of_death`` what shows that the networks are dead.
    """

    folder: Path
    iteration: int
    stopped: str | None
    exit_code: int
    last_grid: Path | None
    go_on: str
    scores: dict[str, float] = field(default_factory=dict)
    scored_at: int | None = None
    best: float | None = None
    best_iteration: int | None = None
    signs_of_death: list[str] = field(default_factory=list)
    trained: bool = True

    def lines(self) -> list[str]:
        """What to tell the user at the end."""
        lines = [self._end(), *self._scores()]
        if self.last_grid:
            lines.append(f"pictures: {self.last_grid} (one row per class)")
        lines.append(f"run: {self.folder}")
        if self.stopped:
            lines.append(f"go on: {self.go_on}")
        return lines

    def _end(self) -> str:
        if not self.trained and not self.stopped:
            return f"nothing was trained: the run is at iteration {self.iteration} already"
        end = "finished"
        if self.stopped:
            end = f"{self.stopped}; saved"
        elif self.signs_of_death:
            end = "ended"
        line = f"{end} at iteration {self.iteration}"
        if self.signs_of_death:
            line += (
                f", but training has failed: {'; '.join(self.signs_of_death)}. "
                "Try another --seed or lower learning rates"
            )
        return line

    def _scores(self) -> list[str]:
        lines = []
        if self.scores:
            shown = "  ".join(f"{name} {value:.4g}" for name, value in self.scores.items())
            lines.append(f"at iteration {self.scored_at}: {shown}")
        if self.best is not None and self.best_iteration != self.scored_at:
            score = f"Fréchet distance {self.best:.4g}"
            lines.append(f"best checkpoint: iteration {self.best_iteration}, {score}")
        return lines
