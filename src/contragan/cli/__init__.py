"""The command line: parse, call, print."""

from contragan.cli.app import app, main
from contragan.cli.generating import evaluate, sample
from contragan.cli.tools import bench, import_studiogan
from contragan.cli.training import train

__all__ = ["main"]

for command in (train, sample, evaluate, bench, import_studiogan):
    app.command()(command)
