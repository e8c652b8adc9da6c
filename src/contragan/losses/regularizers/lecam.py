"""LeCam regularisation: D's logits stay near the other side's moving average, for few images."""

from __future__ import annotations

from typing import Literal

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor

from contragan.core.processes import world_size
from contragan.core.types import Terms
from contragan.losses.regularizers.base import DiscriminatorContext, Memory, Regularizer, wide


class LeCam(Regularizer):
    """weight * (mean (D(x) - a_G)^2 + mean (D(G(z)) - a_R)^2), against overfitting to few images.

    a_R and a_G are moving averages of D's mean logit on real and on generated images, over the
    batches of earlier updates, of all processes: a <- decay * a + (1 - decay) * mean. Before
    ``start_iteration`` there is no penalty, and the averages are the last batch's means.

    - ``form: paper``: both squares whole.
    - ``form: authors``: the squares of max(0, D(x) - a_G) and max(0, a_R - D(G(z))), as in the
      authors' software, which made the published scores: nothing pushes logits apart that are
      on the wrong side.

    Source: Tseng et al. 2021, Eq. 5 and Sec. 3.2.
    """

    kind: Literal["lecam"]
    weight: float = Field(gt=0)
    """Factor of the penalty; published 0.3."""
    decay: float = Field(default=0.99, ge=0, lt=1)
    """Share of a moving average that each update of D keeps; published 0.99."""
    start_iteration: int = Field(default=1000, ge=0)
    """Iteration, from 0, at which the penalty begins; published 1,000."""
    form: Literal["paper", "authors"] = "paper"
    """paper: squared distances; authors: of logits beyond the other side's average only."""

    def memory(self) -> Memory:
        # "seen" adds up logits, and counts them, over the parts of an update.
        return {
            "real": torch.zeros(()),
            "generated": torch.zeros(()),
            "seen": torch.zeros(3),
            "is_on": torch.zeros(()),
        }

    def begin(self, memory: Memory, iteration: int) -> None:
        memory["is_on"].fill_(float(iteration >= self.start_iteration))

    def discriminator_penalty(self, context: DiscriminatorContext) -> Terms:
        memory = context.memory
        real, generated = wide(context.real_output.logit), wide(context.fake_output.logit)
        count = torch.ones_like(real).sum()
        memory["seen"] += torch.stack([real.detach().sum(), generated.detach().sum(), count])
        above, below = real - memory["generated"], memory["real"] - generated
        if self.form == "authors":
            above, below = above.relu(), below.relu()
        distance: Tensor = above.square().mean() + below.square().mean()
        return {"lecam": self.weight * memory["is_on"] * distance}

    @torch.no_grad()
    def remember(self, memory: Memory) -> None:
        seen = memory["seen"]
        if world_size() > 1:
            dist.all_reduce(seen)
        new = 1 - self.decay * memory["is_on"]
        for name, total in (("real", seen[0]), ("generated", seen[1])):
            memory[name].lerp_((total / seen[2]).to(memory[name].dtype), new)
        seen.zero_()
