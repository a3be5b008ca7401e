"""The benchmark as a person reads it: one table, with goals beside figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slotwise.runs.report.quantities import MISSING, number

if TYPE_CHECKING:
    from rich.table import Table

    from slotwise.runs.bench.measuring import Benchmark
    from slotwise.runs.bench.row import Row

__all__ = ["benchmark_table", "closing_lines", "markdown"]

_HEADS = ("group", "what: against what", "measured", "spread", "goal", "aim", "")


def benchmark_table(benchmark: Benchmark) -> Table:
    """All rows, one line each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column, head in enumerate(_HEADS):
        table.add_column(Text(head), justify="left" if column < 2 else "right", no_wrap=column != 1)
    last = None
    for row in benchmark.rows:
        if last not in (None, row.group):
            table.add_section()
        shown = "" if row.group == last else row.group
        table.add_row(*(Text(cell) for cell in (shown, row.what, *_figures(row))))
        last = row.group
    return table


def markdown(benchmark: Benchmark) -> str:
    """The same for a page: rows of a Markdown table."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|" + "---|" * len(_HEADS)]
    lines += [
        "| " + " | ".join((row.group, row.what, *_figures(row))) + " |" for row in benchmark.rows
    ]
    return "\n".join(lines)


def closing_lines(benchmark: Benchmark) -> list[str]:
    """What was left out, what was missed, and where it was measured."""
    lines = [f"not measured: {one.group}: {one.what}: {one.why}" for one in benchmark.skipped]
    having = [row for row in benchmark.rows if row.reached is not None]
    if having:
        reached = len(having) - len(benchmark.missed)
        lines.append(f"goals: {reached} of {len(having)} reached")
    machine = benchmark.machine
    lines.append(
        f"measured on {machine['processor']}, one of {machine['cores']} cores; "
        f"Python {machine['python']}, NumPy {machine['numpy']}, Numba {machine['numba']}; "
        f"C: {machine['c']}"
    )
    return lines


def _figures(row: Row) -> tuple[str, str, str, str, str]:
    spread = MISSING
    if row.low is not None and row.high is not None:
        spread = f"{number(row.low, row.digits)} – {number(row.high, row.digits)}"
    sign = {"at least": "≥", "at most": "≤"}[row.sense]
    goal, aim = (
        MISSING if bound is None else f"{sign} {bound:,g}" for bound in (row.goal, row.aim)
    )
    verdict = {True: "✓", False: "missed", None: ""}[row.reached]
    return f"{number(row.measured, row.digits)} {row.unit}", spread, goal, aim, verdict
