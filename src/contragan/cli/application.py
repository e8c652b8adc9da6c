"""The application: its entry point, how it ends, and the commands that list recipes."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from contragan.cli.options import Recipe, refuse_options
from contragan.core import parent
from contragan.core.errors import ToldByFirst, UserError
from contragan.core.signals import CLOSED_OUTPUT, Interrupted, interrupt, interrupting

app = typer.Typer(
    name="contragan",
    help="Train, compare and understand class-conditional GANs.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
recipes_app = typer.Typer(
    help="List the packaged recipes, one line for each, or show one.", invoke_without_command=True
)
app.add_typer(recipes_app, name="recipes")

UsageProblem: type[typer.BadParameter] = typer.BadParameter.__bases__[0]
"""What every usage error is; typer has no name for it."""


def main() -> NoReturn:
    """Entry point: bad input gets one clear line and exit code 2, never a traceback."""
    # Threads that spin for long while they wait make small networks twenty times slower as soon as
    # another program wants a core. Read when torch is loaded, which has not happened yet.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal can write "Fréchet"
    for number in interrupting():
        signal.signal(number, interrupt)
    parent.watch()
    try:
        code = app(standalone_mode=False) or 0
    except UsageProblem as error:
        code = _refuse(_usage(error))
    except ToldByFirst:
        # A launcher that sees another process fail may end the first before it has said so.
        code = 0
    except UserError as error:
        code = _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Interrupted as error:
        code = 128 + error.number
        print("interrupted", file=sys.stderr)
    except BrokenPipeError:
        from contragan.core.console import silence_output

        silence_output()
        code = 128 + CLOSED_OUTPUT
    except OSError as error:
        full = error.errno == errno.ENOSPC
        code = _refuse("the disk is full. Free some space and try again" if full else str(error))
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    sys.exit(code)


INTERRUPTED = 128 + signal.SIGINT


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _usage(error: typer.BadParameter) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "contragan"
    return f"{message}. See {command} --help"


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from contragan import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


@recipes_app.callback()
def recipes(
    context: typer.Context,
    family: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only one family: cifar10, digits, folder, ..."),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(metavar="WORDS", help="Only recipes whose name or line has all these words."),
    ] = None,
) -> None:
    """List the packaged recipes, one line for each, or show one."""
    if context.invoked_subcommand is not None:
        refuse_options(context, {"family", "search"}, f"to {context.invoked_subcommand}")
        return
    from contragan.recipes.catalog import find

    lines = find(family, search)
    width = max(map(len, lines))
    for name, description in lines.items():
        print(f"{name:<{width}}  {description}")


@recipes_app.command("show")
def show(
    name: Recipe,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Every setting, unset ones too, each with what it means."),
    ] = False,
) -> None:
    """Print one recipe, as a file that can be changed and trained from."""
    from contragan.recipes.catalog import recipe_text

    if not explain:
        print(recipe_text(name), end="")
        return
    from contragan.recipes.explain import explained
    from contragan.recipes.schema import load_recipe

    print(explained(load_recipe(name)))
