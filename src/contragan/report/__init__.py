"""One page about runs: it reads their folders and opens anywhere, offline."""

from contragan.report.page import Report, report
from contragan.report.watch import watch

__all__ = ["Report", "report", "watch"]
