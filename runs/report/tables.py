"""The tables of a report besides its results: episodes, promises, learning, network, failures.

What is bold, what stands where a number is missing and which prefix a unit takes is decided here;
the template only places it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slotwise.runs.intervals import Interval, mean_of_ratios
from slotwise.runs.report.marks import Column, Heading, Mark, Table, column, table
from slotwise.runs.report.quantities import (
    MISSING,
    count,
    number,
    percent,
)
from slotwise.runs.report.recording import Recording, finite

__all__ = [
    "episode_table",
    "failure_rows",
    "learning_table",
    "network_rows",
    "promise_table",
]


def episode_table(recording: Recording) -> Table:
    """What controllers are compared by, relative to the first's in each episode, seed by seed.

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
        columns.append(column(head, [r.value for r in found], texts, small, most=True))
    return table(recording.controllers, columns)


_EPISODES = 8
_INSTANT_S = 1e-9


def _ratio(recording: Recording, spec: str, slots: slice) -> Interval:
    """Ratio of merits to the first controller's in some slots, paired by seed."""
    reference, merit = recording.controllers[0], recording.merit
    pairs = [
        [merit.over_slots(recording.cells[who, s]).mean(slots) for who in (spec, reference)]
        for s in recording.seeds
        if (spec, s) in recording.cells and (reference, s) in recording.cells
    ]
    ours, theirs = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return mean_of_ratios(ours, theirs)


# --- promises --------------------------------------------------------------------------------


def promise_table(recording: Recording) -> Table:
    """What became of a promised rate, a row for each controller.

    Returns
    -------
    heads : list of Heading
        Without the first column, the controller's.
    rows : list of (str, list of Mark)
        Controller and its cells; none where nothing is promised.
    """
    kept = {spec: recording.promise(spec) for spec in recording.controllers}
    kept = {spec: each for spec, each in kept.items() if each}
    if not kept:
        return [], []
    columns = [
        _shares(
            Heading(head, unit),
            [(each[part], each[of] - each.get(less, 0)) for each in kept.values()],
        )
        for head, unit, part, of, less in (
            ("Promise infeasible", "% of slots", "infeasible", "slots", ""),
            ("Broken though feasible", "% of feasible slots", "broken", "slots", "infeasible"),
            ("User below it", "% of users' slots", "short", "user_slots", ""),
        )
    ]
    return table(kept, columns)


def _shares(head: Heading, parts: Sequence[tuple[int, int]]) -> Column:
    """Shares of counts, the least marked."""
    values = [part / whole if whole else None for part, whole in parts]
    small = [f"{count(part)} of {count(whole)}" if whole else "" for part, whole in parts]
    return column(head, values, [percent(value) for value in values], small, most=False)


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
    return table(recording.learners, columns)


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
