"""The tables of a report as rows of text: results, network, failures.

What is bold, what stands where a number is missing and which prefix a unit takes is decided here;
the template only places it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from slotwise.runs.intervals import Interval, mean_of_ratios
from slotwise.runs.report.quantities import (
    MISSING,
    count,
    number,
    percent,
    signed_percent,
)
from slotwise.runs.report.recording import Recording, finite

__all__ = [
    "Heading",
    "Mark",
    "Table",
    "episode_table",
    "failure_rows",
    "learning_table",
    "network_rows",
    "result_table",
]

_PREFIXES = (("Gbit/J", 1e9), ("Mbit/J", 1e6), ("kbit/J", 1e3), ("bit/J", 1.0))


@dataclass(frozen=True, slots=True)
class Heading:
    """Head of a column: what it holds and in which unit."""

    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A cell of the table: its number, a smaller addition, and whether it is the best."""

    text: str
    small: str = ""
    best: bool = False


Table = tuple[list[Heading], list[tuple[str, list[Mark]]]]
"""Heads of columns without the first, the controller's, and rows: a controller and its cells."""


# --- results ---------------------------------------------------------------------------------


def result_table(recording: Recording) -> Table:
    """The summary with units in its heads and the best value of a column marked.

    Returns
    -------
    heads : list of Heading
        Without the first column, the controller's.
    rows : list of (str, list of Mark)
        Controller and its cells, in the order of the comparison.
    """
    unit, size = _prefix(recording)
    columns = [
        _means(recording),
        *([] if recording.single else [_differences(recording)]),
        _plain(
            recording,
            "user_rate_p5",
            Heading("User\N{NO-BREAK SPACE}rate, 5th\N{NO-BREAK SPACE}pct.", "bit/s/Hz"),
            most=True,
        ),
        _plain(recording, "jain_fairness", Heading("Jain fairness", "0 to 1"), most=True),
        _plain(
            recording,
            "energy_efficiency_bit_per_joule",
            Heading("Energy efficiency", unit),
            most=True,
            scale=1 / size,
        ),
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
    rows = [
        (spec, [marks[place] for _, marks in columns])
        for place, spec in enumerate(recording.controllers)
    ]
    return [head for head, _ in columns], rows


Column = tuple[Heading, list[Mark]]


def _prefix(recording: Recording) -> tuple[str, float]:
    name = "energy_efficiency_bit_per_joule"
    most = max((recording.value(c, name) or 0.0 for c in recording.controllers), default=0.0)
    return next(((unit, size) for unit, size in _PREFIXES if most >= size), _PREFIXES[-1])


def _best(texts: Sequence[str], values: Sequence[float | None], most: bool) -> list[bool]:
    """Which cells to mark: all that read like the best, unless every one does or there is one."""
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return [False] * len(values)
    winner = texts[values.index(max(known) if most else min(known))]
    marked = [text == winner for text in texts]
    return [False] * len(values) if sum(marked) == len(known) else marked


def _column(
    head: Heading, values: Sequence[float | None], texts: list[str], small: list[str], most: bool
) -> Column:
    best = _best(texts, values, most)
    return head, [Mark(*cell) for cell in zip(texts, small, best, strict=True)]


def _plain(
    recording: Recording, name: str, head: Heading, most: bool = False, scale: float = 1.0
) -> Column:
    values = [recording.value(c, name) for c in recording.controllers]
    scaled = [None if v is None else v * scale for v in values]
    texts = [number(v, 3 if v is None or v >= 0.0995 else 2) for v in scaled]
    return _column(head, values, texts, [""] * len(texts), most)


def _means(recording: Recording) -> Column:
    values = [recording.value(c, "mean_sum_rate") for c in recording.controllers]
    spreads = [recording.value(c, "mean_sum_rate_std") for c in recording.controllers]
    several = len(recording.each_seed()) > 1
    small = [f"± {number(s, 2)}" if several and s is not None else "" for s in spreads]
    texts = [number(v, 4) for v in values]
    return _column(
        Heading("Mean sum\N{NO-BREAK SPACE}rate", "bit/s/Hz"), values, texts, small, most=True
    )


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
    return _column(Heading("Missed deadlines", "% of reports"), values, texts, small, most=False)


def _counts(recording: Recording, name: str, head: Heading) -> Column:
    return head, [Mark(count(recording.value(c, name))) for c in recording.controllers]


def episode_table(recording: Recording) -> Table:
    """Sum rate relative to the first controller's in each episode, seed by seed.

    Returns
    -------
    heads : list of Heading
        One for each episode.
    rows : list of (str, list of Mark)
        Controller and its ratios in per cent with half their paired 95 % intervals; none where
        there is nothing to compare or no episode changes the network.
    """
    reference = recording.controllers[0]
    seeds = [s for s in recording.seeds if (reference, s) in recording.cells]
    if len(recording.controllers) < 2 or not seeds:
        return [], []
    cell = recording.cells[reference, seeds[0]]
    episodes = [(e.time_s, e.cause) for e in cell.events if e.kind == "episode"]
    starts = np.searchsorted(cell.slots["time_s"], [time_s - _INSTANT_S for time_s, _ in episodes])
    if not 2 <= len(episodes) <= _EPISODES:
        return [], []
    columns: list[Column] = []
    for (_, name), start, stop in zip(episodes, starts, [*starts[1:], None], strict=True):
        found = [_ratio(recording, spec, slice(start, stop)) for spec in recording.controllers]
        texts = [MISSING if r.value is None else f"{100 * r.value:.1f}" for r in found]
        small = [
            ""
            if r.value is None or not r.high or r.high == r.low
            else f"± {100 * (r.high - r.value):.1f}"
            for r in found
        ]
        head = Heading(name, f"%, {reference if len(reference) <= 12 else 'the first'} = 100")
        columns.append(_column(head, [r.value for r in found], texts, small, most=True))
    rows = [
        (spec, [marks[place] for _, marks in columns])
        for place, spec in enumerate(recording.controllers)
    ]
    return [head for head, _ in columns], rows


_EPISODES = 8
_INSTANT_S = 1e-9


def _ratio(recording: Recording, spec: str, slots: slice) -> Interval:
    """Ratio of mean sum rates to the first controller's in some slots, paired by seed."""
    reference = recording.controllers[0]
    pairs = [
        [recording.cells[who, s].slots["sum_rate"][slots].mean() for who in (spec, reference)]
        for s in recording.seeds
        if (spec, s) in recording.cells and (reference, s) in recording.cells
    ]
    ours, theirs = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return mean_of_ratios(ours, theirs)


# --- learning --------------------------------------------------------------------------------


def learning_table(recording: Recording) -> Table:
    """What learning came to, a row for each controller that tried a lesson.

    Returns
    -------
    heads : list of Heading
        Without the first column, the controller's.
    rows : list of (str, list of Mark)
        Controller and its cells; none where nobody learned.
    """
    tried = [
        Mark(count(row.get("lessons")), f"{count(row['unfinished'])} unfinished")
        if row.get("unfinished")
        else Mark(count(row.get("lessons")))
        for row in _lessons(recording)
    ]
    columns = [(Heading("Lessons tried", "count"), tried)]
    columns += [
        (Heading(text, "count"), [Mark(count(row.get(name))) for row in _lessons(recording)])
        for text, name in (
            ("Deployed", "deployed"),
            ("Rejected", "rejected"),
            ("Taken back", "rolled_back"),
        )
    ]
    columns += [
        (
            Heading("Under way", "% of time"),
            [Mark(percent(finite(row.get("clock_s_per_s")))) for row in _lessons(recording)],
        ),
        (
            Heading("This machine", "s per s"),
            [Mark(number(finite(row.get("machine_s_per_s")))) for row in _lessons(recording)],
        ),
    ]
    told = [("Decision", "latency"), ("Report to powers", "answer")]
    for text, name in told[:1] if recording.timing["mode"] == "ideal" else told:
        for which, end in (("median", "p50"), ("99th\N{NO-BREAK SPACE}pct.", "p99")):
            marks = [
                Mark(
                    _milliseconds(row.get(f"{name}_{end}_s")),
                    f"else {_milliseconds(row.get(f'{name}_alone_{end}_s'))}",
                )
                for row in _lessons(recording)
            ]
            columns.append((Heading(f"{text}, {which}", "ms"), marks))
    rows = [
        (spec, [marks[place] for _, marks in columns])
        for place, spec in enumerate(recording.learners)
    ]
    return [head for head, _ in columns], rows


def _lessons(recording: Recording) -> list[Mapping[str, Any]]:
    return [recording.learning(spec) for spec in recording.learners]


def _milliseconds(value: Any) -> str:
    seconds = finite(value)
    return number(None if seconds is None else 1e3 * seconds)


# --- network and failures --------------------------------------------------------------------


def network_rows(recording: Recording) -> list[tuple[str, str, str]]:
    """Name of a count, its sum over all seeds, and the seeds' own, of what befell the network."""
    cells = recording.each_seed()
    seen = [_whole(cell.run.get("users_seen")) for cell in cells]
    rows = [("Users seen", count(sum(seen)), _spread(seen))]
    for name, text in (
        ("joins", "Joins"),
        ("leaves", "Leaves"),
        ("blocked", "Blocked arrivals"),
        ("handovers", "Handovers"),
    ):
        each = [_whole(cell.summary.get(name)) for cell in cells]
        total = recording.network.get(name)
        rows.append((text, count(sum(each) if total is None else _whole(total)), _spread(each)))
    return rows


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and value == value else 0


def _spread(each: Sequence[int]) -> str:
    if len(each) <= 5:
        return ", ".join(count(n) for n in each)
    return f"{count(min(each))} to {count(max(each))}"


def failure_rows(recording: Recording, most: int = 20) -> list[tuple[str, str, str, str]]:
    """Controller, what happened, its cause and how often, the most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for (spec, _), cell in recording.cells.items():
        counts.update(
            (spec, event.kind, event.cause.splitlines()[0] if event.cause else "no cause given")
            for event in cell.events
            if event.kind in ("fault", "fallback")
        )
    order = {spec: place for place, spec in enumerate(recording.controllers)}
    ranked = sorted(counts.items(), key=lambda item: (-item[1], order.get(item[0][0], 0), item[0]))
    return [(spec, kind, cause, count(n)) for (spec, kind, cause), n in ranked[:most]]
