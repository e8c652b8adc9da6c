"""Confidence bounds on a share that was counted on so many images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALARM_RATE = 0.01
"""Chance that an evaluation reports anything where nothing is wrong, over all its classes."""


def lower_bound(counted: ArrayLike, trials: ArrayLike, level: float) -> NDArray[np.float64]:
    """The share below which the true one lies with probability ``level`` at most; 0 without trials.

    The exact binomial bound (Clopper and Pearson 1934), element by element.
    """
    from scipy.special import betaincinv

    counted, trials = np.broadcast_arrays(np.asarray(counted, float), np.asarray(trials, float))
    bound = np.zeros(counted.shape)
    some = counted > 0
    bound[some] = betaincinv(counted[some], trials[some] - counted[some] + 1, level)
    return bound


def upper_bound(counted: ArrayLike, trials: ArrayLike, level: float) -> NDArray[np.float64]:
    """The share above which the true one lies with probability ``level`` at most; 1 without."""
    counted, trials = np.asarray(counted, float), np.asarray(trials, float)
    return 1 - lower_bound(trials - counted, trials, level)
