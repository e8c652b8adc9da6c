"""The command line: parse, call, print."""

from contragan.cli.application import app, main
from contragan.cli.cache import cache_app
from contragan.cli.data import data_app
from contragan.cli.drafting import init
from contragan.cli.evaluating import evaluate
from contragan.cli.exploring import explore
from contragan.cli.generating import sample
from contragan.cli.plotting_images import plot_app  # which adds kinds to those of plotting
from contragan.cli.reporting import report
from contragan.cli.study_results import page, table
from contragan.cli.studying import study_app
from contragan.cli.tools import bench, import_studiogan
from contragan.cli.training import resume, train

__all__ = ["main"]

app.command()(init)
app.command()(train)
app.command()(resume)
app.command()(sample)
app.command()(evaluate)
app.command()(report)
app.command()(explore)
app.command()(bench)
app.command()(import_studiogan)
app.add_typer(cache_app, name="cache")
app.add_typer(data_app, name="data")
study_app.command()(table)
study_app.command()(page)
app.add_typer(study_app, name="study")
app.add_typer(plot_app, name="plot")
