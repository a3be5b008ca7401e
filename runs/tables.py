"""What a person reads in the terminal, and what a program reads on standard output.

The same results leave in two forms: a table with units in its heads, rounded to what can be told
apart, or one JSON object with every digit and without NaN or infinity, which JSON does not have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from slotwise.runs.report.quantities import MISSING, number
from slotwise.runs.terminal import (
    add,
    console_for,
    energy_unit,
    folded,
    plain_table,
    plus_minus,
    scaled,
    show,
    width,
)

if TYPE_CHECKING:
    from rich.table import Table

    from slotwise.emulator.objective import Aim
    from slotwise.runs.evaluation import Evaluation
    from slotwise.runs.learning import Learning
    from slotwise.runs.merits import Kept
    from slotwise.runs.pooled import Comparison, Row

    _Column = tuple[str, str, Callable[[Row], str]]

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


def show_comparison(result: Comparison, *lines: str) -> None:
    """Print a comparison: one wide table where it fits, else two; then who learned, if anybody."""
    parts = [comparison_table(result)]
    if width(parts[0]) > console_for(parts).width:
        promised = any(row["promise"] for row in result["controllers"].values())
        groups = ("rates", "costs", "promise") if promised else ("rates", "costs")
        parts = [comparison_table(result, (group,), fold=_NARROW) for group in groups]
    learning = {spec: row["learning"] for spec, row in result["controllers"].items()}
    show(*parts, *learning_tables(learning), *lines)


def show_evaluation(
    results: Mapping[str, Evaluation], *lines: str, bandwidth_hz: float | None = None
) -> None:
    """Print an evaluation, and lines below; long specs are folded where the terminal is narrow."""
    whole = evaluation_table(results, bandwidth_hz=bandwidth_hz)
    fits = width(whole) <= console_for([whole]).width
    show(whole if fits else evaluation_table(results, _NARROW, bandwidth_hz), *lines)


def comparison_table(
    result: Comparison, groups: Sequence[str] = ("rates", "costs", "promise"), fold: int = 1000
) -> Table:
    """Controllers of a comparison, one a row; what they are compared by comes first.

    Parameters
    ----------
    result : Comparison
        What to show.
    groups : sequence of {"rates", "costs", "promise"}
        Columns: rates, what they cost, and what became of a promised rate where there is one.
    fold : int
        Longest line of a spec.
    """
    rows, saves = result["controllers"], result["objective"] != "sum-rate"
    unit, scale = energy_unit(row["energy_efficiency_bit_per_joule"] for row in rows.values())
    columns: list[_Column] = [
        *_merit_columns(result),
        ("rates", "5% user\n[bit/s/Hz]", lambda row: number(row["user_rate_p5"])),
        ("costs" if saves else "rates", "Jain\n[1]", lambda row: number(row["jain_fairness"])),
        (
            "costs",
            f"efficiency\n[{unit}]",
            lambda row: scaled(row["energy_efficiency_bit_per_joule"], scale),
        ),
        ("costs", "energy\n[J]", lambda row: number(row["consumed_j"])),
        ("costs", "one\ndecision\np50 [ms]", lambda row: scaled(row["latency_p50_s"], 1e3)),
        ("costs", "one\ndecision\np99 [ms]", lambda row: scaled(row["latency_p99_s"], 1e3)),
        ("costs", "missed\n[%]", _missed),
        ("costs", "faults\n[count]", lambda row: f"{row['faults']:,}"),
    ]
    if saves:  # what a joule is worth leads the table
        columns = [each for each in columns if each[:2] != ("costs", f"efficiency\n[{unit}]")]
    if any(row["promise"] for row in rows.values()):
        columns += _PROMISE_COLUMNS
    chosen = [(head, write) for group, head, write in columns if group in groups]
    table = plain_table("controller", *(head for head, _ in chosen))
    for spec, row in rows.items():
        add(table, folded(spec, fold), *(write(row) for _, write in chosen))
    return table


def _merit_columns(result: Comparison) -> list[_Column]:
    """What controllers are compared by, also never late, and the ratio to the first's."""
    rows, objective = result["controllers"].values(), result["objective"]
    unit, scale, head, of = "bit/s/Hz", 1.0, "sum rate", ""
    if objective != "sum-rate":
        unit, scale = energy_unit(row["merit"] for row in rows)
        head, of = _MERITS[objective].replace(" eff", "\neff"), "efficiency,\n"
    columns: list[_Column] = [
        ("rates", f"{head}\n[{unit}]", lambda row: scaled(row["merit"], scale, 4))
    ]
    if any(row["ideal_merit"] is not None for row in rows):
        columns.append(
            ("rates", f"never late\n[{unit}]", lambda row: scaled(row["ideal_merit"], scale, 4))
        )
    columns.append(("rates", f"{of}relative [%]\n± 95% conf.", _relative))
    if objective != "sum-rate":
        columns.append(
            ("rates", "sum rate\n[bit/s/Hz]", lambda row: number(row["mean_sum_rate"], 4))
        )
    return columns


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
    if width(whole) <= console_for([whole]).width:
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
            lambda row: scaled(row["latency_p50_s"], 1e3),
        ),
        (
            "times",
            "one decision\np50, not\n[ms]",
            lambda row: scaled(row["latency_alone_p50_s"], 1e3),
        ),
    ]
    if any(row["unfinished"] for row in rows.values()):
        columns.insert(4, ("counts", "unfinished\n[count]", lambda row: f"{row['unfinished']:,}"))
    chosen = [(head, write) for group, head, write in columns if group in groups]
    table = plain_table("learning", *(head for head, _ in chosen))
    for spec, row in rows.items():
        add(table, folded(spec, fold), *(write(row) for _, write in chosen))
    return table


def network_line(result: Comparison) -> str:
    """What happened in the networks, in one line."""
    seeds, counts = len(result["seeds"]), result["network"]
    return (
        f"{result['scenario']}: {seeds} network{'s' if seeds != 1 else ''} of {result['slots']:,} "
        f"slots; {counts['joins']:,} joins, {counts['leaves']:,} leaves, "
        f"{counts['blocked']:,} blocked, {counts['handovers']:,} handovers"
    )


def evaluation_table(
    results: Mapping[str, Evaluation], fold: int = 1000, bandwidth_hz: float | None = None
) -> Table:
    """Controllers on frozen draws, one a row; what they are compared by comes first.

    Parameters
    ----------
    results : mapping of str to Evaluation
        What to show.
    fold : int
        Longest line of a spec.
    bandwidth_hz : float, optional
        Over which bits per joule are counted; left out: per hertz.
    """
    first = next(iter(results.values()))
    head = _MERITS[first["objective"]]
    unit, scale = _merit_unit(results, bandwidth_hz)
    columns: list[tuple[str, Callable[[Evaluation], str]]] = [
        (
            f"{head}\n± std. error\n[{unit}]",
            lambda row: plus_minus(
                _times(row["mean_merit"], scale), _times(row["std_error"], scale)
            ),
        ),
        ("relative\n± 95% conf.\n[%]", _relative),
        ("mean\nsum rate\n[bit/s/Hz]", lambda row: number(row["mean_sum_rate"], 4)),
        (f"batch of\n{first['samples']:,}\n[s]", lambda row: number(row["seconds_batch"])),
        ("one\ndecision\np50 [ms]", lambda row: scaled(row["latency_p50_s"], 1e3)),
        ("one\ndecision\np99 [ms]", lambda row: scaled(row["latency_p99_s"], 1e3)),
    ]
    if first["objective"] == "sum-rate":
        del columns[2]
    if first["promise"] is not None:
        columns += [
            ("promise\ninfeasible\n[% of draws]", lambda row: _share(row["promise"], "infeasible")),
            ("else\nbroken\n[% of draws]", lambda row: _share(row["promise"], "broken")),
        ]
    table = plain_table("controller", *(head for head, _ in columns))
    for spec, row in results.items():
        add(table, folded(spec, fold), *(write(row) for _, write in columns))
    return table


_MERITS = {
    "sum-rate": "mean sum rate",
    "energy-efficiency": "energy efficiency",
    "weighted-energy-efficiency": "sum of users'\nefficiencies",
}


def _merit_unit(results: Mapping[str, Evaluation], bandwidth_hz: float | None) -> tuple[str, float]:
    """Unit of what controllers are compared by, and what to multiply an evaluation's figures by."""
    if next(iter(results.values()))["objective"] == "sum-rate":
        return "bit/s/Hz", 1.0
    if bandwidth_hz is None:
        return "bit/J/Hz", 1.0
    merits = [_times(row["mean_merit"], bandwidth_hz) for row in results.values()]
    unit, scale = energy_unit(merits)
    return unit, bandwidth_hz * scale


def _times(value: float | None, scale: float) -> float | None:
    return None if value is None else scale * value


def _share(kept: Kept | None, which: Literal["infeasible", "broken"]) -> str:
    """Share of the draws, of all that were infeasible or of the others that were broken."""
    if kept is None:
        return MISSING
    of = kept["slots"] if which == "infeasible" else kept["slots"] - kept["infeasible"]
    return f"{100 * kept[which] / of:.1f}" if of else MISSING


_PROMISE_COLUMNS: list[_Column] = [
    (
        "promise",
        "promise\ninfeasible\n[% of slots]",
        lambda row: _share(row["promise"], "infeasible"),
    ),
    ("promise", "else\nbroken\n[% of slots]", lambda row: _share(row["promise"], "broken")),
    ("promise", "user\nbelow it\n[% of time]", lambda row: _below(row["promise"])),
]


def _below(kept: Kept | None) -> str:
    """Share of users' slots below the promised rate."""
    if kept is None or not kept["user_slots"]:
        return MISSING
    return f"{100 * kept['short'] / kept['user_slots']:.1f}"


_RUN_ROWS = (
    ("mean sum rate [bit/s/Hz]", "mean_sum_rate", 1.0),
    ("mean users", "mean_users", 1.0),
    ("5% user rate [bit/s/Hz]", "user_rate_p5", 1.0),
    ("median user rate [bit/s/Hz]", "user_rate_p50", 1.0),
    ("fairness (Jain)", "jain_fairness", 1.0),
    ("energy efficiency [{}]", "energy_efficiency_bit_per_joule", 1.0),
    ("energy consumed [J]", "consumed_j", 1.0),
    ("mean power radiated [W]", "mean_power_w", 1.0),
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


def run_table(summary: Mapping[str, Any], objective: Aim = "sum-rate") -> Table:
    """What one life came to, one quantity a row.

    Parameters
    ----------
    summary : mapping
        Of a life, `slotwise.runs.summary.summarise`.
    objective : str
        The network's: its figure comes first. Users' own efficiencies are shown where they are
        it.
    """
    table = plain_table("quantity", "value")
    if objective == "weighted-energy-efficiency":
        own = summary.get("own_efficiency_bit_per_joule")
        unit, factor = energy_unit([own])
        add(table, f"sum of users' efficiencies [{unit}]", scaled(own, factor, 4))
    unit, factor = energy_unit([summary.get("energy_efficiency_bit_per_joule")])
    from slotwise.runs.merits import MERIT  # it needs the emulator, other tables do not

    first = MERIT[objective]
    for label, key, scale in sorted(_RUN_ROWS, key=lambda row: row[1] != first):
        value = summary.get(key)
        if scale is None:
            add(table, label, MISSING if value is None else f"{value:,}")
        else:
            shown = factor if "{}" in label else scale
            add(table, label.format(unit), scaled(value, shown, 4))
    kept: Kept | None = summary.get("promise")
    if kept is not None:
        add(table, "promised rate [bit/s/Hz]", number(kept["min_rate"]))
        add(table, "promise infeasible [% of slots]", _share(kept, "infeasible"))
        add(table, "else broken [% of feasible slots]", _share(kept, "broken"))
        add(table, "users below it [% of their slots]", _below(kept))
    return table


def scenario_table(scenarios: Mapping[str, str]) -> Table:
    """Names of scenarios with a line each."""
    table = plain_table("scenario", "what it is", words=(0, 1))
    for name, line in scenarios.items():
        add(table, name, line)
    return table


def controller_table(controllers: Mapping[str, Mapping[str, Any]]) -> Table:
    """Names of controllers with their options, defaults and a line each."""
    table = plain_table("controller", "options and defaults", "what it does", words=(0, 1, 2))
    for name, row in controllers.items():
        options = "\n".join(f"{key}={_spelled(value)}" for key, value in row["options"].items())
        add(table, name, options or MISSING, str(row["summary"]))
    return table


def _relative(row: Row | Evaluation) -> str:
    """A ratio in percent, give or take half its interval."""
    value, high = row["relative"], row["relative_high"]
    if value is None or high is None:
        return plus_minus(None if value is None else 100 * value, None)
    return plus_minus(100 * value, 100 * (high - value))


def _missed(row: Row) -> str:
    """Missed deadlines in percent of the reports, of which some may never have been decided on."""
    if not row["reports"]:
        return MISSING
    return f"{100 * row['missed_deadlines'] / row['reports']:.1f}"


def _spelled(value: Any) -> str:
    """An option's default as a spec writes it; an option without one must be given."""
    if value is None:
        return "…"
    return str(value).lower() if isinstance(value, bool) else str(value)
