"""Loss terms of many iterations, summed on the device and rarely read back."""

from __future__ import annotations

import torch
from torch import Tensor

from contragan.core.devices import widest_float
from contragan.core.errors import UserError
from contragan.core.processes import mean_over_processes
from contragan.core.types import Terms

_NEVER = 2**53


class NonFiniteLoss(UserError):
    """A loss term became NaN or infinite."""


class TermMeter:
    """Mean of each named term since the last read, without reading it back in between.

    Also remembers on the device the first iteration at which a term was not finite.
    """

    def __init__(self, prefix: str, device: torch.device) -> None:
        self.prefix = prefix
        self.device = device
        self.names: list[str] = []
        self._state = torch.zeros(0)
        self._count = 0

    def add(self, terms: Terms, iteration: int) -> None:
        """Count one update's terms (detached) of the given iteration."""
        if self.names != list(terms):  # the first update, or a run of a version with other terms
            self._reset(list(terms))
        values = torch.stack([term.detach().to(self._state.dtype) for term in terms.values()])
        self._state[0] += values
        bad = torch.where(values.isfinite(), _NEVER, iteration)
        self._state[1] = torch.minimum(self._state[1], bad)
        self._count += 1

    def _reset(self, names: list[str]) -> None:
        self.names = names
        dtype = widest_float(self.device)
        self._state = torch.zeros(2, len(names), dtype=dtype, device=self.device)
        self._state[1] = _NEVER
        self._count = 0

    def check(self) -> None:
        """Raise where a term was not finite.

        Raises:
            NonFiniteLoss: names the term and the iteration.
        """
        if not self.names:
            return
        for name, iteration in zip(self.names, self._state[1].tolist(), strict=True):
            if iteration < _NEVER:
                raise NonFiniteLoss(
                    f"loss term {self.prefix}/{name} became NaN or infinite at iteration "
                    f"{int(iteration)}: try a lower learning rate, training.precision=fp32, or "
                    "another seed"
                )

    def share(self) -> None:
        """Bring the sums to their means over all processes, which must all call this."""
        if self._count:
            self._state[0] = mean_over_processes(self._state[0])

    def means(self) -> dict[str, float]:
        """Mean of each term since the last :meth:`read`, by its full name."""
        if not self._count:
            return {}
        values = (self._state[0] / self._count).tolist()
        return {f"{self.prefix}/{n}": v for n, v in zip(self.names, values, strict=True)}

    def read(self) -> dict[str, float]:
        """:meth:`means`, and start anew."""
        self.check()
        means = self.means()
        self._reset(self.names)
        return means

    def state_dict(self) -> dict[str, list[str] | Tensor | int]:
        return {"names": self.names, "state": self._state.cpu().clone(), "count": self._count}

    def load_state_dict(self, state: dict[str, list[str] | Tensor | int]) -> None:
        names, values, count = state["names"], state["state"], state["count"]
        assert isinstance(names, list)
        assert isinstance(values, Tensor)
        assert isinstance(count, int)
        self.names, self._count = names, count
        self._state = values.to(widest_float(self.device)).to(self.device)
