"""The command line: parse, call, print."""

from contragan.cli.application import app, main
from contragan.cli.cache import cache_app
from contragan.cli.generating import evaluate, sample
from contragan.cli.reporting import report
from contragan.cli.tools import bench, import_studiogan
from contragan.cli.training import train

__all__ = ["main"]

app.command()(train)
app.command()(sample)
app.command()(evaluate)
app.command()(report)
app.command()(bench)
app.command()(import_studiogan)
app.add_typer(cache_app, name="cache")
