"""Going back to a run's best checkpoint, once its training has collapsed."""

from __future__ import annotations

import shutil

from contragan.core.files import write_text
from contragan.runs.checkpoint import checkpoints
from contragan.training.loop import Loop


def go_back(loop: Loop) -> str:
    """Make the best checkpoint the last one, in memory too; returns what happened, in a clause.

    Later checkpoints are removed. The log stays, and shows the collapse, until the run goes on.
    """
    if loop.best_iteration is None:
        return "no evaluated checkpoint to go back to"
    best = loop.checkpoints / f"step-{loop.best_iteration:07d}"
    if not best.is_dir():
        return "no evaluated checkpoint to go back to"
    write_text(loop.checkpoints / "last", best.name)
    for path in checkpoints(loop.checkpoints):
        if path > best:
            shutil.rmtree(path)
    loop.resume(best)
    return "went back to the best checkpoint"
