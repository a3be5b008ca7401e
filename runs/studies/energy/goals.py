"""What the study should reach, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from slotwise.runs.report.quantities import MISSING, count, number
from slotwise.runs.studies.energy.found import Found
from slotwise.runs.studies.energy.promises import SEARCH
from slotwise.runs.studies.energy.setting import PLACES
from slotwise.runs.studies.part import Document, Grid, Result

__all__ = ["goals_document"]

_ANN = {"S1": (97.0, 99.5), "10×50": (94.0, 98.0), "10×8": (90.0, 97.0)}
_UNROLLED = {
    "S1": (99.9, 100.0),
    "4×16": (99.0, 99.8),
    "10×8": (97.0, 99.5),
    "10×50": (99.0, 99.9),
    "20×16": (96.5, 99.0),
    "50×100": (99.5, 100.0),
}
_FOUR_OF_TWENTY, _OF_CERTIFIED = (99.6, 99.9), (99.8, 99.95)
_SLOWER = (2.0, 1.0)
_SATURATED = {-10: 0.73, 0: 0.73, 20: 0.73}  # Mbit/J in S1
_SUM_RATE = {0: 38.0, 20: 0.7}  # per cent of the optimum in S1
_CLOSE = 2.0  # per cent
_FLAT = 1.0  # per cent


class _Line(NamedTuple):
    """A goal and what was measured."""

    what: str
    least: str
    aim: str
    measured: str
    size: str
    state: str
    value: float | None


def goals_document(
    uniform: Mapping[str, Found],
    swept: Found,
    times: Sequence[Result],
    promised: Sequence[Result],
) -> Document:
    """Every goal with what was measured.

    Parameters
    ----------
    uniform : mapping of str to Found
        By place, at largest powers uniform in dB.
    swept : Found
        S1 over the largest power.
    times, promised : sequence of mapping
        What `times` and `promises` gave.
    """
    lines = [*_shares(uniform), *_speed(times), *_saturation(swept), _kept(promised)]
    heads = ("goal", "at least", "aim", "measured", "n", "")
    rows = [line._asdict() for line in lines]
    return Document([Grid("", heads, [line[:-1] for line in lines])], rows=rows)


def _shares(uniform: Mapping[str, Found]) -> list[_Line]:
    lines = []
    for place, goal in _ANN.items():
        spec = PLACES[place].network
        lines.append(_share(f"`{spec}` of the best known, {place}", uniform[place], spec, goal))
    for place, goal in _UNROLLED.items():
        what = f"`unrolled-ee` of the best known, {place}"
        lines.append(_share(what, uniform[place], "unrolled-ee", goal))
    for place, one in uniform.items():
        what = f"`fractional`, four starts of twenty, {place}"
        lines.append(_share(what, one, "fractional", _FOUR_OF_TWENTY, one.twenty[0]))
    for place in ("S1", "4×16"):
        what = f"`fractional` of the certified optimum, {place}"
        one = uniform[place]
        lines.append(_share(what, one, "fractional", _OF_CERTIFIED, one.certified()))
    return lines


def _share(what: str, found: Found, spec: str, goal: tuple[float, float], of: Any = None) -> _Line:
    least, aim = goal
    heads = (f"{what} [%]", f"{least:g}", f"{aim:g}")
    if spec not in found.values:
        return _Line(*heads, MISSING, MISSING, "not measured", None)
    if of is not None:
        fine = np.isfinite(of)
        values = {who: one[:, : fine.size][:, fine] for who, one in found.values.items()}
        found, of = Found(values, found.twenty[:, : fine.size][:, fine]), of[fine]
    share = found.share(spec, of)
    size = found.values[spec].shape[1] if of is None else len(of)
    shown = round(share.value, 3)
    state = "aim reached" if shown >= aim else "reached" if shown >= least else "missed"
    text = f"{share.text(3)}, 5th percentile {share.fifth:.2f}"
    return _Line(*heads, text, count(size), state, share.value)


def _speed(times: Sequence[Result]) -> list[_Line]:
    lines = []
    least, aim = _SLOWER
    rows = [row for result in times for row in result["rows"]]
    for row in rows:
        wanted = row["users"] == 10 and row["level_dbw"] == 0
        if not wanted or row["controller"] != "fractional:starts=1":
            continue
        ratio = max(row["latency_ratio"], row["mean_ratio"])
        state = "aim reached" if ratio <= aim else "reached" if ratio <= least else "missed"
        texts = []
        for kind in ("latency", "mean"):
            low, high = (number(row[f"{kind}_ratio_{end}"], 2) for end in ("low", "high"))
            texts.append(f"{number(row[f'{kind}_ratio'], 2)} [{low}, {high}]")
        lines.append(
            _Line(
                f"`fractional:starts=1`, one decision, times WMMSE's, {row['place']}",
                f"at most {least:g}",
                f"at most {aim:g}",
                f"median {texts[0]}, mean {texts[1]}",
                count(row["decisions"]),
                state,
                ratio,
            )
        )
    return lines


def _saturation(one: Found) -> list[_Line]:
    size = count(one.best.shape[1])
    lines = []
    for dbw, expected in _SATURATED.items():
        mean = one.mean(one.best, one.at(dbw))
        what = f"S1: the optimum at {_dbw(dbw)} [Mbit/J], to {_CLOSE:g}%"
        lines.append(_near(what, expected, mean.value, mean.text(4), size))
    knee = one.knee()
    level = one.best.mean(axis=1)[knee:]
    change = 100.0 * (level.max() / level.min() - 1.0)
    state = "reached" if change <= _FLAT else "missed"
    what = "S1: the optimum's change above the knee [%]"
    lines.append(_Line(what, f"at most {_FLAT:g}", MISSING, number(change, 2), size, state, change))
    if "max" in one.values:
        full = one.of_means("max", one.at(20))
        state = "reached" if full.value < 50.0 else "missed"
        what = "S1: full power at 20 dBW, of the optimum [%]"
        lines.append(_Line(what, "falls", MISSING, full.text(), size, state, full.value))
    for dbw, expected in _SUM_RATE.items():
        if "wmmse" in one.values:
            share = one.of_means("wmmse", one.at(dbw))
            what = f"S1: WMMSE's sum-rate powers at {_dbw(dbw)}, of the optimum [%], to {_CLOSE:g}%"
            lines.append(_near(what, expected, share.value, share.text(), size))
    return lines


def _dbw(level: int) -> str:
    return f"{level} dBW".replace("-", "−")


def _near(what: str, expected: float, value: float, text: str, size: str) -> _Line:
    """Whether a number is the expected one, as far as its digits and the tolerance say."""
    digits = 10.0 ** -(len(f"{expected:g}".partition(".")[2])) / 2.0
    off = abs(value - expected)
    fine = off <= max(digits, 0.01 * _CLOSE * expected)
    state = "reached" if fine else f"{100.0 * (value / expected - 1.0):+.1f}%".replace("-", "−")
    return _Line(what, f"{expected:g}", MISSING, text, size, state, value)


def _kept(promised: Sequence[Result]) -> _Line:
    rows = [row for result in promised for row in result["rows"] if row["controller"] != SEARCH]
    broken, feasible = sum(row["broken"] for row in rows), sum(row["feasible"] for row in rows)
    state = "reached" if broken == 0 else "missed"
    what = "promised rates: feasible draws in which one is broken, all controllers"
    return _Line(what, "0", MISSING, count(broken), count(feasible), state, float(broken))
