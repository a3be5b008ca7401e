"""What a person reads in the terminal, and what a program reads on standard output.

The same results leave in two forms: a table with units in its heads, rounded to what can be told
apart, or one JSON object with every digit and without NaN or infinity, which JSON does not have.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slotwise.runs.report.quantities import MISSING, number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from slotwise.runs.evaluation import Evaluation
    from slotwise.runs.learning import Learning
    from slotwise.runs.pooled import Comparison, Row

__all__ = [
    "comparison_table",
    "controller_table",
    "evaluation_table",
    "learning_tables",
    "network_line",
    "run_table",
    "scenario_table",
    "show",
    "show_comparison",
    "show_evaluation",
    "to_json",
]

_NARROW = 16


def to_json(value: Any) -> str:
    """One JSON object.

    Raises
    ------
    ValueError
        If a number in it is NaN or infinite; results say None where something is undefined.
    """
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)


def show(*parts: Table | str) -> None:
    """Print tables and lines on standard output."""
    console = _console(parts)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def show_comparison(result: Comparison, *lines: str) -> None:
    """Print a comparison: one wide table where it fits, else two; then who learned, if anybody."""
    parts = [comparison_table(result)]
    if _width(parts[0]) > _console(parts).width:
        parts = [comparison_table(result, (group,), fold=_NARROW) for group in ("rates", "costs")]
    learning = {spec: row["learning"] for spec, row in result["controllers"].items()}
    show(*parts, *learning_tables(learning), *lines)


def show_evaluation(results: Mapping[str, Evaluation]) -> None:
    """Print an evaluation; long specs are folded where the terminal is narrow."""
    whole = evaluation_table(results)
    fits = _width(whole) <= _console([whole]).width
    show(whole if fits else evaluation_table(results, fold=_NARROW))


def _console(parts: Sequence[Table | str]) -> Console:
    """Standard output; as wide as its tables where it is not a terminal, so nothing is cropped."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = max([80, *(_width(part) for part in parts if not isinstance(part, str))])
    return console


def _width(table: Table) -> int:
    """Columns that a table takes when nothing in it is folded."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=10_000)
    return Measurement.get(wide, wide.options, table).maximum


def comparison_table(
    result: Comparison, groups: Sequence[str] = ("rates", "costs"), fold: int = 1000
) -> Table:
    """Controllers of a comparison, one a row.

    Parameters
    ----------
    result : Comparison
        What to show.
    groups : sequence of {"rates", "costs"}
        Columns: rates, and what they cost.
    fold : int
        Longest line of a spec.
    """
    rows = result["controllers"]
    unit, scale = _energy_unit(row["energy_efficiency_bit_per_joule"] for row in rows.values())
    columns: list[tuple[str, str, Callable[[Row], str]]] = [
        ("rates", "sum rate\n[bit/s/Hz]", lambda row: number(row["mean_sum_rate"], 4)),
        ("rates", "never late\n[bit/s/Hz]", lambda row: number(row["ideal_mean_sum_rate"], 4)),
        ("rates", "relative [%]\n± 95% conf.", _relative),
        ("rates", "5% user\n[bit/s/Hz]", lambda row: number(row["user_rate_p5"])),
        ("costs", "Jain\n[1]", lambda row: number(row["jain_fairness"])),
        (
            "costs",
            f"energy\n[{unit}]",
            lambda row: _scaled(row["energy_efficiency_bit_per_joule"], scale),
        ),
        ("costs", "one decision\np50 [ms]", lambda row: _scaled(row["latency_p50_s"], 1e3)),
        ("costs", "one decision\np99 [ms]", lambda row: _scaled(row["latency_p99_s"], 1e3)),
        ("costs", "missed\n[%]", _missed),
        ("costs", "faults\n[count]", lambda row: f"{row['faults']:,}"),
    ]
    if all(row["ideal_mean_sum_rate"] is None for row in rows.values()):
        del columns[1]
    chosen = [(head, write) for group, head, write in columns if group in groups]
    table = _table("controller", *(head for head, _ in chosen))
    for spec, row in rows.items():
        _add(table, _folded(spec, fold), *(write(row) for _, write in chosen))
    return table


def learning_tables(learning: Mapping[str, Learning | None]) -> list[Table]:
    """Tables of those who learned, one a row: one wide table or two, none where nobody did.

    Parameters
    ----------
    learning : mapping of str to Learning or None
        By controller.
    """
    rows = {spec: row for spec, row in learning.items() if row is not None}
    if not rows:
        return []
    whole = _learning_table(rows)
    if _width(whole) <= _console([whole]).width:
        return [whole]
    return [_learning_table(rows, (group,), _NARROW) for group in ("counts", "times")]


def _learning_table(
    rows: Mapping[str, Learning],
    groups: Sequence[str] = ("counts", "times"),
    fold: int = 1000,
) -> Table:
    columns: list[tuple[str, str, Callable[[Learning], str]]] = [
        ("counts", "lessons\n[count]", lambda row: f"{row['lessons']:,}"),
        ("counts", "deployed\n[count]", lambda row: f"{row['deployed']:,}"),
        ("counts", "rejected\n[count]", lambda row: f"{row['rejected']:,}"),
        ("counts", "taken back\n[count]", lambda row: f"{row['rolled_back']:,}"),
        ("times", "under way\n[% of time]", lambda row: f"{100 * row['clock_s_per_s']:.1f}"),
        ("times", "this machine\n[s per s]", lambda row: number(row["machine_s_per_s"])),
        (
            "times",
            "one decision\np50, learning\n[ms]",
            lambda row: _scaled(row["latency_p50_s"], 1e3),
        ),
        (
            "times",
            "one decision\np50, not\n[ms]",
            lambda row: _scaled(row["latency_alone_p50_s"], 1e3),
        ),
    ]
    if any(row["unfinished"] for row in rows.values()):
        columns.insert(4, ("counts", "unfinished\n[count]", lambda row: f"{row['unfinished']:,}"))
    chosen = [(head, write) for group, head, write in columns if group in groups]
    table = _table("learning", *(head for head, _ in chosen))
    for spec, row in rows.items():
        _add(table, _folded(spec, fold), *(write(row) for _, write in chosen))
    return table


def network_line(result: Comparison) -> str:
    """What happened in the networks, in one line."""
    seeds, counts = len(result["seeds"]), result["network"]
    return (
        f"{result['scenario']}: {seeds} network{'s' if seeds != 1 else ''} of {result['slots']:,} "
        f"slots; {counts['joins']:,} joins, {counts['leaves']:,} leaves, "
        f"{counts['blocked']:,} blocked, {counts['handovers']:,} handovers"
    )


def evaluation_table(results: Mapping[str, Evaluation], fold: int = 1000) -> Table:
    """Controllers on frozen draws, one a row."""
    samples = next(iter(results.values()))["samples"]
    table = _table(
        "controller",
        "mean sum rate\n± std. error\n[bit/s/Hz]",
        "relative\n± 95% conf.\n[%]",
        f"batch of\n{samples:,}\n[s]",
        "one\ndecision\np50 [ms]",
        "one\ndecision\np99 [ms]",
    )
    for spec, row in results.items():
        _add(
            table,
            _folded(spec, fold),
            _plus_minus(row["mean_sum_rate"], row["std_error"]),
            _relative(row),
            number(row["seconds_batch"]),
            _scaled(row["latency_p50_s"], 1e3),
            _scaled(row["latency_p99_s"], 1e3),
        )
    return table


_RUN_ROWS = (
    ("mean sum rate [bit/s/Hz]", "mean_sum_rate", 1.0),
    ("mean users", "mean_users", 1.0),
    ("5% user rate [bit/s/Hz]", "user_rate_p5", 1.0),
    ("median user rate [bit/s/Hz]", "user_rate_p50", 1.0),
    ("fairness (Jain)", "jain_fairness", 1.0),
    ("energy efficiency [{}]", "energy_efficiency_bit_per_joule", 1.0),
    ("one decision, p50 [ms]", "latency_p50_s", 1e3),
    ("one decision, p99 [ms]", "latency_p99_s", 1e3),
    ("decisions", "decisions", None),
    ("missed deadlines", "missed_deadlines", None),
    ("faults", "faults", None),
    ("fallbacks", "fallbacks", None),
    ("joins", "joins", None),
    ("leaves", "leaves", None),
    ("blocked arrivals", "blocked", None),
    ("handovers", "handovers", None),
    ("slots", "slots", None),
    ("wall clock [s]", "seconds", 1.0),
)


def run_table(summary: Mapping[str, Any]) -> Table:
    """What one life came to, one quantity a row."""
    table = _table("quantity", "value")
    unit, factor = _energy_unit([summary.get("energy_efficiency_bit_per_joule")])
    for label, key, scale in _RUN_ROWS:
        value = summary.get(key)
        if scale is None:
            _add(table, label, MISSING if value is None else f"{value:,}")
        else:
            shown = factor if "{}" in label else scale
            _add(table, label.format(unit), _scaled(value, shown, 4))
    return table


def scenario_table(scenarios: Mapping[str, str]) -> Table:
    """Names of scenarios with a line each."""
    table = _table("scenario", "what it is", words=(0, 1))
    for name, line in scenarios.items():
        _add(table, name, line)
    return table


def controller_table(controllers: Mapping[str, Mapping[str, Any]]) -> Table:
    """Names of controllers with their options, defaults and a line each."""
    table = _table("controller", "options and defaults", "what it does", words=(0, 1, 2))
    for name, row in controllers.items():
        options = "\n".join(f"{key}={_spelled(value)}" for key, value in row["options"].items())
        _add(table, name, options or MISSING, str(row["summary"]))
    return table


def _folded(spec: str, width: int) -> str:
    """A spec on lines of a width, broken after its colon and commas."""
    lines = [""]
    for part in re.findall(r"[^:,]+[:,]?", spec):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _table(*heads: str, words: Sequence[int] = (0,)) -> Table:
    """A plain table whose columns hold numbers, save those named as words."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column, head in enumerate(heads):
        is_word = column in words
        table.add_column(
            Text(head),
            justify="left" if is_word else "right",
            overflow="fold",
            no_wrap=not is_word,
        )
    return table


def _add(table: Table, *cells: str) -> None:
    """Add a row in which square brackets are text, not markup."""
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))


def _energy_unit(values: Iterable[float | None]) -> tuple[str, float]:
    """Unit that suits efficiencies, and what to multiply bit/J by."""
    return ("Mbit/J", 1e-6) if max(value or 0.0 for value in values) >= 1e4 else ("bit/J", 1.0)


def _relative(row: Row | Evaluation) -> str:
    """A ratio in percent, give or take half its interval."""
    value, high = row["relative"], row["relative_high"]
    if value is None or high is None:
        return _plus_minus(None if value is None else 100 * value, None)
    return _plus_minus(100 * value, 100 * (high - value))


def _missed(row: Row) -> str:
    """Missed deadlines in percent of the reports, of which some may never have been decided on."""
    if not row["reports"]:
        return MISSING
    return f"{100 * row['missed_deadlines'] / row['reports']:.1f}"


def _plus_minus(value: float | None, half: float | None) -> str:
    """A number with as many decimals as two digits of its uncertainty have."""
    if value is None:
        return MISSING
    if not half:
        return number(value, 4)
    decimals = min(max(1 - math.floor(math.log10(half)), 0), 6)
    return f"{value:,.{decimals}f} ± {half:,.{decimals}f}"


def _scaled(value: float | None, scale: float, digits: int = 3) -> str:
    return MISSING if value is None else number(scale * value, digits)


def _spelled(value: Any) -> str:
    """An option's default as a spec writes it; an option without one must be given."""
    if value is None:
        return "…"
    return str(value).lower() if isinstance(value, bool) else str(value)
