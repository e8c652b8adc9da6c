"""A page in the browser to look at a trained generator: served to this machine only."""

from contragan.explore.serve import explore

__all__ = ["explore"]
