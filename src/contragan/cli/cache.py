"""``contragan cache``: what is kept of earlier runs, and how to be rid of it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from contragan.core.errors import UserError
from contragan.core.words import readable

cache_app = typer.Typer(
    help="List what the cache folder holds, with sizes, or clear it.", invoke_without_command=True
)


class Kind(StrEnum):
    """What the cache holds."""

    images = "images"
    statistics = "statistics"
    downloads = "downloads"
    unpacked = "unpacked"


@cache_app.callback()
def cache(context: typer.Context) -> None:
    """List what the cache folder holds, with sizes, or clear it."""
    if context.invoked_subcommand is not None:
        return
    from contragan.core.cache import cache_folder, entries

    folder = cache_folder()
    found = entries(folder)
    for entry in found:
        print(f"{entry.kind:<10}  {readable(entry.num_bytes):>8}  {entry.name}")
    total = sum(entry.num_bytes for entry in found)
    print(f"{readable(total)} in {folder}" if found else f"{folder} holds nothing")


@cache_app.command("clear")
def clear(
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only this kind; may be repeated. Default all.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove decoded data sets, statistics, downloads and archives; runs are never touched."""
    from contragan.core.cache import cache_folder, check_ours, entries
    from contragan.core.cache import clear as clear_cache

    folder, kinds = cache_folder(), {one.value for one in kind or Kind}
    check_ours(folder)
    found = [entry for entry in entries(folder) if entry.kind in kinds]
    if not found:
        print(f"nothing to remove in {folder}")
        return
    total = readable(sum(entry.num_bytes for entry in found))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"{total} in {folder} would be removed: add --yes to do so")
        typer.confirm(f"Remove {', '.join(sorted(kinds))}, {total}, in {folder}?", abort=True)
    freed = clear_cache(folder, kinds, lambda line: print(f"note: {line}"))
    print(f"{readable(freed)} removed from {folder}")
