"""What there is to know of a set of images before a network sees it: ``contragan data check``."""

from __future__ import annotations

from contragan.inspection.check import CheckRequest, check_data
from contragan.inspection.findings import Check, Finding

__all__ = ["Check", "CheckRequest", "Finding", "check_data"]
