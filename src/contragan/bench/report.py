"""A measurement as a table."""

from __future__ import annotations

from rich.table import Table

from contragan.bench.profile import Operator
from contragan.bench.result import BenchResult
from contragan.core.words import duration


def to_table(result: BenchResult) -> Table:
    """Ours beside the plain step, the split of an iteration, and the use of the machine."""
    values = result.to_dict()
    table = Table(
        title=f"{result.recipe}, batch {result.batch_size}, {result.precision}, {result.device}, "
        f"threads {result.threads}: medians of {result.iterations}",
        title_justify="left",
    )
    for column in ("", "ours", "plain step", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for title, key in (("D step", "d"), ("G step", "g")):
        table.add_row(
            title,
            milliseconds(values[f"{key}_step_seconds"]),
            milliseconds(values[f"reference_{key}_step_seconds"]),
            f"{values[f'{key}_speedup']:.2f}x",
        )
    plain, ours = result.reference_flops, result.flops
    table.add_row(
        "FLOPs per iteration", f"{ours / 1e9:.4g} G", f"{plain / 1e9:.4g} G", f"{plain / ours:.2f}x"
    )
    table.add_section()
    split = result.split_seconds()
    for title, seconds in split.items():
        share = seconds / sum(split.values())
        table.add_row(f"mean {title}", milliseconds(seconds), "", f"{share:.1%}")
    table.add_section()
    table.add_row("iterations/s", f"{values['iterations_per_second']:.4g}", "", "")
    table.add_row("real images/s", f"{values['images_per_second']:.4g}", "", "")
    length = f"{result.total_iterations:,} iterations"
    table.add_row("a whole run", f"about {duration(result.run_seconds)}", "", length)
    table.add_row("achieved", gigaflops(result.flops_per_second), "", "")
    share = result.flops_per_second / result.matmul_flops_per_second
    table.add_row(
        "a matrix product", gigaflops(result.matmul_flops_per_second), "", f"{share:.1%} achieved"
    )
    peak = result.peak_memory_bytes
    shown = "not told by this system" if peak is None else f"{peak / 1e6:,.0f} MB"
    table.add_row("peak memory", shown, "", "")
    return table


SHOWN_OPERATORS = 15


def operators_table(operators: list[Operator]) -> Table:
    """The operators that an iteration spends most of its time in, and the rest in one row."""
    table = Table(title="an iteration by operator, as profiled", title_justify="left")
    for column in ("", "calls", "time", "share", "per call"):
        table.add_column(column, justify="left" if not column else "right")
    total = sum(operator.seconds for operator in operators)

    def add(name: str, calls: float, seconds: float) -> None:
        table.add_row(
            name,
            f"{calls:.4g}",
            milliseconds(seconds),
            f"{seconds / total:.1%}",
            milliseconds(seconds / calls),
        )

    for operator in operators[:SHOWN_OPERATORS]:
        add(operator.name, operator.calls, operator.seconds)
    if rest := operators[SHOWN_OPERATORS:]:
        table.add_section()
        calls, seconds = sum(o.calls for o in rest), sum(o.seconds for o in rest)
        add(f"{len(rest)} others", calls, seconds)
    return table


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.4g} ms"


def gigaflops(rate: float) -> str:
    return f"{rate / 1e9:.4g} GFLOP/s"
