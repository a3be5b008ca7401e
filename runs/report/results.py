"""The table of results: what each controller came to, and what that cost."""

from __future__ import annotations

import numpy as np

from slotwise.runs.report.marks import Column, Heading, Mark, Table, column, table
from slotwise.runs.report.merit import MERITS, Merit
from slotwise.runs.report.quantities import (
    MISSING,
    count,
    number,
    percent,
    prefix,
    signed_percent,
)
from slotwise.runs.report.recording import Recording, finite

__all__ = ["result_table"]


def result_table(recording: Recording) -> Table:
    """The summary with units in its heads and the best value of a column marked.

    Returns
    -------
    heads : list of Heading
        Without the first column, the controller's.
    rows : list of (str, list of Mark)
        Controller and its cells, in the order of the comparison.
    """
    merit, rate = recording.merit, MERITS["sum-rate"]
    network = MERITS["energy-efficiency"]
    columns = [
        _means(recording, merit),
        *([] if recording.single else [_differences(recording)]),
        *([_means(recording, rate)] if merit.saves else []),
        _plain(
            recording,
            "user_rate_p5",
            Heading("User\N{NO-BREAK SPACE}rate, 5th\N{NO-BREAK SPACE}pct.", "bit/s/Hz"),
            most=True,
        ),
        _plain(recording, "jain_fairness", Heading("Jain fairness", "0 to 1"), most=True),
        *([] if merit.saves else [_prefixed(recording, network.name, network.head, "bit/J")]),
        _energy(recording),
        _plain(recording, "latency_p50_s", Heading("Latency, median", "ms"), scale=1e3),
        _plain(
            recording,
            "latency_p99_s",
            Heading("Latency, 99th\N{NO-BREAK SPACE}pct.", "ms"),
            scale=1e3,
        ),
        _missed(recording),
        _counts(recording, "faults", Heading("Faults", "count")),
        _counts(recording, "fallbacks", Heading("Fallbacks", "count")),
    ]
    return table(recording.controllers, columns)


def _plain(
    recording: Recording, name: str, head: Heading, most: bool = False, scale: float = 1.0
) -> Column:
    values = [recording.value(c, name) for c in recording.controllers]
    scaled = [None if v is None else v * scale for v in values]
    texts = [number(v, 3 if v is None or v >= 0.0995 else 2) for v in scaled]
    return column(head, values, texts, [""] * len(texts), most)


def _prefixed(recording: Recording, name: str, head: str, unit: str) -> Column:
    """A figure in the unit that suits the largest; most bits are best, or least joules."""
    most = max((recording.value(c, name) or 0.0 for c in recording.controllers), default=0.0)
    text, size = prefix(most, unit)
    return _plain(recording, name, Heading(head, text), most="bit" in unit, scale=1 / size)


def _energy(recording: Recording) -> Column:
    """Joules consumed, and below them the power that was radiated."""
    head, joules = _prefixed(recording, "consumed_j", "Energy consumed", "J")
    watts = [recording.value(c, "mean_power_w") for c in recording.controllers]
    unit, size = prefix(max((v for v in watts if v is not None), default=0.0), "W")
    small = ["" if v is None else f"{number(v / size)} {unit} sent" for v in watts]
    return head, [Mark(j.text, text, j.best) for j, text in zip(joules, small, strict=True)]


def _means(recording: Recording, merit: Merit) -> Column:
    """Means of what may be an objective, with their deviation over seeds."""
    values = [recording.value(c, merit.name) for c in recording.controllers]
    unit, size = merit.scale(max((v for v in values if v is not None), default=0.0))
    spreads = [_spread_over_seeds(recording, c, merit.name) for c in recording.controllers]
    small = ["" if s is None else f"± {number(s / size, 2)}" for s in spreads]
    texts = [MISSING if v is None else number(v / size, 4) for v in values]
    head = merit.head.replace("sum rate", "sum\N{NO-BREAK SPACE}rate")
    return column(Heading(head, unit), values, texts, small, most=True)


def _spread_over_seeds(recording: Recording, spec: str, name: str) -> float | None:
    """Standard deviation over seeds; None where there are not two."""
    known = [finite(cell.summary.get(name)) for cell in recording.of(spec)]
    values = [value for value in known if value is not None]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _differences(recording: Recording) -> Column:
    """Difference to the first controller with its interval; the first says that it is the one."""
    marks = []
    for place, spec in enumerate(recording.controllers):
        value, low, high = (
            recording.value(spec, f"relative{end}") for end in ("", "_low", "_high")
        )
        if place == 0:
            marks.append(Mark("reference"))
        elif value is None:
            marks.append(Mark(MISSING))
        elif low is None or high is None:
            marks.append(Mark(signed_percent(value - 1), "one seed"))
        else:
            bounds = f"[{signed_percent(low - 1)}, {signed_percent(high - 1)}]".replace("%", "")
            marks.append(Mark(signed_percent(value - 1), bounds))
    first = recording.controllers[0]
    head = f"Against {first if len(first) <= 12 else 'the first'}"
    return Heading(head, "%, 95% interval"), marks


def _missed(recording: Recording) -> Column:
    values: list[float | None] = []
    texts, small = [], []
    for spec in recording.controllers:
        missed = recording.missed(spec)
        values.append(None if missed is None else missed[0] / missed[1])
        texts.append(percent(values[-1]))
        small.append("" if missed is None else f"{count(missed[0])} of {count(missed[1])}")
    return column(Heading("Missed deadlines", "% of reports"), values, texts, small, most=False)


def _counts(recording: Recording, name: str, head: Heading) -> Column:
    return head, [Mark(count(recording.value(c, name))) for c in recording.controllers]
