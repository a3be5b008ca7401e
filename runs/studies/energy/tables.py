"""Tables of the study: over the largest power, over all of them, promised rates, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slotwise.runs.report.quantities import MISSING, count, number
from slotwise.runs.studies.energy.figures import draw_shares, draw_sweeps
from slotwise.runs.studies.energy.found import Found
from slotwise.runs.studies.energy.promises import SEARCH
from slotwise.runs.studies.energy.setting import BEST, LEVELS_DBW, name_of
from slotwise.runs.studies.energy.times import LEVELS, WMMSE
from slotwise.runs.studies.part import Document, Grid, Result

__all__ = [
    "promises_document",
    "shares_document",
    "sweep_document",
    "times_document",
    "weighted_document",
]

_SHORT_DBW = tuple(range(-30, 21, 10))
_TIMED_DBW = 0
_NEAR = 95.0  # per cent of the search that keeps promises
_KINDS = (
    ("One decision at a time, median [µs] and times WMMSE's", "latency_p50_s", "latency"),
    ("One decision at a time, mean [µs] and times WMMSE's", "mean_s", "mean"),
    ("A whole batch in one call, per draw [µs] and times WMMSE's", "batch_s", "batch"),
)


def sweep_document(stem: str, found: Mapping[str, Found]) -> Document:
    """Energy efficiency over the largest power.

    Parameters
    ----------
    stem : str
        Of the figures' files.
    found : mapping of str to Found
        By place.
    """
    grids, details = [], []
    for place, one in found.items():
        values, relative = _means(one), _relatives(one)
        mean, ratio = f"{place}: mean [Mbit/J]", f"{place}: per cent of the best known"
        grids += [_levels(mean, values, _SHORT_DBW), _levels(ratio, relative, _SHORT_DBW)]
        details += [_levels(mean, values, LEVELS_DBW), _levels(ratio, relative, LEVELS_DBW)]
    rows = [row for place, one in found.items() for row in _sweep_rows(place, one)]
    notes = [note for place, one in found.items() for note in _sweep_notes(place, one)]
    return Document(
        grids,
        details,
        rows,
        notes,
        lambda: [draw_sweeps(stem, found), draw_shares(f"{stem}-relative", found)],
    )


def _level(value: int) -> str:
    return f"{value:g}".replace("-", "−")


def _levels(title: str, lines: Mapping[str, Sequence[str]], shown: Sequence[int]) -> Grid:
    heads = ("P_max [dBW]", *map(_level, shown))
    places = [LEVELS_DBW.index(level) for level in shown]
    cells = [(who, *(texts[place] for place in places)) for who, texts in lines.items()]
    return Grid(title, heads, cells)


def _means(one: Found) -> dict[str, list[str]]:
    def texts(values: Any) -> list[str]:
        return [one.mean(values, level).text(4) for level in range(len(LEVELS_DBW))]

    return {BEST: texts(one.best)} | {f"`{who}`": texts(each) for who, each in one.values.items()}


def _relatives(one: Found) -> dict[str, list[str]]:
    levels = range(len(LEVELS_DBW))
    return {f"`{who}`": [one.of_means(who, n).text() for n in levels] for who in one.values}


def _sweep_rows(place: str, one: Found) -> list[dict[str, Any]]:
    rows = []
    for who, values in {BEST: one.best, **one.values}.items():
        for level, dbw in enumerate(LEVELS_DBW):
            mean = one.mean(values, level)
            row = {"place": place, "controller": who, "p_max_dbw": dbw, "draws": values.shape[1]}
            row |= {"mbit_per_j": mean.value}
            row |= {"mbit_per_j_low": mean.low, "mbit_per_j_high": mean.high}
            if who != BEST:
                ratio = one.of_means(who, level)
                row |= {"percent": ratio.value}
                row |= {"percent_low": ratio.low, "percent_high": ratio.high}
            rows.append(row)
    return rows


def _sweep_notes(place: str, one: Found) -> list[str]:
    knee, best = one.knee(), one.best.mean(axis=1)
    flat = 100.0 * (best[knee:].max() / best[knee:].min() - 1.0)
    notes = [
        f"{place}: the best known is within 1% of its largest from {_level(LEVELS_DBW[knee])} dBW "
        f"on and differs by {_small(flat)} above."
    ]
    return [*notes, *_proof(place, one)]


def _proof(place: str, one: Found) -> list[str]:
    """What certificates say, in a sentence."""
    proved = one.proved()
    if proved is None:
        return [f"{place}: best known, nothing is certified."]
    share = 100.0 * proved["closed"]
    levels = f" at {len(one.best)} levels" if len(one.best) > 1 else ""
    text = (
        f"{place}: of {count(proved['samples'])} draws{levels}, {share:.4g}% of the best known "
        "are proved to be within 0.1% of the optimum"
    )
    if share < 100.0:
        text += (
            f"; the others stay open at the limit of boxes, by {100 * proved['mean_gap']:.3g}% on "
            f"average and at most {100 * proved['largest_gap']:.3g}%"
        )
    return [
        f"{text}. Twenty starts lose {_small(100.0 * proved['lost'])} of the best known there, "
        f"more than 0.1% in {100 * proved['missed']:.2g}% of cases. A certificate takes "
        f"{number(1e3 * proved['seconds'])} ms."
    ]


def _small(value: float) -> str:
    """A percentage that may be nothing."""
    return f"{number(value, 2)}%" if value >= 1e-3 else "less than 0.001%"


def shares_document(found: Mapping[str, Found]) -> Document:
    """Per cent of the best known, each draw at a largest power of its own.

    Parameters
    ----------
    found : mapping of str to Found
        By place; values of single starts are among those of controllers.
    """
    names = _names(found)
    mean, fifth = _pivots(found, names)
    heads = ("controller", *found)
    draws = ("draws", *(count(one.best.shape[1]) for one in found.values()))
    grids = [
        Grid("Mean per cent of the best known", heads, [*mean, draws]),
        Grid("5th percentile over draws", heads, fifth),
    ]
    notes = [note for place, one in found.items() for note in _proof(place, one)]
    return Document(grids, rows=_share_rows(found), notes=notes)


def _names(found: Mapping[str, Found]) -> list[str]:
    return list(dict.fromkeys(name_of(who) for one in found.values() for who in one.values))


def _pivots(found: Mapping[str, Found], names: Sequence[str]) -> tuple[list[tuple[str, ...]], ...]:
    mean, fifth = [], []
    for name in names:
        cells = [MISSING] * len(found), [MISSING] * len(found)
        for column, one in enumerate(found.values()):
            for who in one.values:
                if name_of(who) == name:
                    share = one.share(who)
                    cells[0][column] = share.text()
                    cells[1][column] = f"{share.fifth:.2f}"
        label = name if " " in name else f"`{name}`"
        mean.append((label, *cells[0]))
        fifth.append((label, *cells[1]))
    return mean, fifth


def _share_rows(found: Mapping[str, Found]) -> list[dict[str, Any]]:
    rows = []
    for place, one in found.items():
        for who in one.values:
            share, twenty = one.share(who), one.share(who, one.twenty[0])
            row = {"place": place, "controller": who, "draws": one.best.shape[1]}
            row |= {"percent": share.value, "percent_low": share.low, "percent_high": share.high}
            row |= {"percent_5th_percentile": share.fifth}
            rows.append(row | {"percent_of_twenty_starts": twenty.value})
    return rows


def weighted_document(found: Mapping[str, Found]) -> Document:
    """The sum of the users' own energy efficiencies, for who serves it and who does not.

    Parameters
    ----------
    found : mapping of str to Found
        By place.
    """
    names = _names(found)
    mean, _ = _pivots(found, names)
    draws = ("draws", *(count(one.best.shape[1]) for one in found.values()))
    title = "Mean per cent of the best of twenty starts"
    return Document([Grid(title, ("controller", *found), [*mean, draws])], rows=_share_rows(found))


def promises_document(results: Sequence[Result]) -> Document:
    """Who keeps promised rates, and what that costs.

    Parameters
    ----------
    results : sequence of mapping
        What `promises` gave for each place.
    """
    rows = [row for result in results for row in result["rows"]]
    lines, last = [], ""
    for row in rows:
        promise = _promise_of(row)
        lines.append((promise if promise != last else "", *_promise_cells(row)))
        last = promise
    heads = (
        "network, P_max, promise",
        "controller",
        "infeasible [%]",
        "broken in feasible draws",
        "bit/J of its own without the promise [%]",
        "of the search that keeps it [%]",
    )
    named = [{_NAMED.get(key, key): value for key, value in row.items()} for row in rows]
    return Document([Grid("", heads, lines)], rows=named, notes=_costly(rows))


_NAMED = {
    "min_rate": "min_rate_bit_per_s_per_hz",
    "shortfall": "shortfall_bit_per_s_per_hz",
    "value": "bit_per_j_per_hz",
    "free_value": "bit_per_j_per_hz_without",
    "search_value": "bit_per_j_per_hz_search",
}
"""Columns of promises, with their units, as a file of them has them."""


def _costly(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where keeping the promise costs a controller more than it has to."""
    shares: dict[str, list[str]] = {}
    for row in rows:
        if row["controller"] == SEARCH or row["value"] is None:
            continue
        share = 100.0 * row["value"] / row["search_value"]
        if share < _NEAR:
            text = f"`{name_of(row['controller'])}` {share:.0f}%"
            shares.setdefault(_promise_of(row), []).append(text)
    if not shares:
        return []
    places = "; ".join(f"{place}: {', '.join(texts)}" for place, texts in shares.items())
    return [f"More than {100.0 - _NEAR:g}% below the search: {places}."]


def _promise_of(row: Mapping[str, Any]) -> str:
    return f"{row['place']}, {_level(row['level_dbw'])} dBW, {row['min_rate']:g} bit/s/Hz"


def _promise_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def relative(key: str) -> str:
        one, other = row["value"], row[key]
        return MISSING if one is None or other is None else f"{100.0 * one / other:.2f}"

    who = row["controller"]
    return (
        who if who == SEARCH else f"`{name_of(who)}`",
        f"{100.0 * row['infeasible'] / row['draws']:.1f}",
        f"{count(row['broken'])} of {count(row['feasible'])}",
        relative("free_value"),
        relative("search_value"),
    )


def times_document(results: Sequence[Result]) -> Document:
    """Decision times, one at a time and per draw of a batch, which are kept apart.

    Parameters
    ----------
    results : sequence of mapping
        What `times` gave for each place.
    """
    rows = [row for result in results for row in result["rows"]]
    grids: list[Grid] = []
    details: list[Grid] = []
    for level in (_TIMED_DBW, *(level for level in LEVELS if level != _TIMED_DBW)):
        chosen = [row for row in rows if row["level_dbw"] == level]
        for title, *keys in _KINDS:
            grid = _time_grid(f"{title}, {_level(level)} dBW", chosen, *keys)
            (grids if level == _TIMED_DBW else details).append(grid)
    return Document(grids, details, rows)


def _time_grid(title: str, rows: Sequence[Mapping[str, Any]], key: str, ratio: str) -> Grid:
    places = list(dict.fromkeys(row["place"] for row in rows))
    names = list(dict.fromkeys(name_of(row["controller"]) for row in rows))
    cells = {(name_of(row["controller"]), row["place"]): row for row in rows}
    lines = []
    for name in names:
        line = [f"`{name}`"]
        for place in places:
            row = cells.get((name, place))
            if row is None:
                line.append(MISSING)
            elif name == WMMSE:
                line.append(number(1e6 * row[key]))
            else:
                line.append(f"{number(1e6 * row[key])} ({number(row[f'{ratio}_ratio'], 2)}×)")
        lines.append(tuple(line))
    return Grid(title, ("controller", *places), lines)
