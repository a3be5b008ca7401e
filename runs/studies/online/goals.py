"""What should be reached, and what was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from slotwise.runs.report.quantities import MISSING, count
from slotwise.runs.studies.online import episodes, frozen_samples, latency, lives
from slotwise.runs.studies.online.seeds import Found
from slotwise.runs.studies.part import Document, Grid, Part, Result

__all__ = ["Goal", "Reached", "goals_part"]


class Reached(NamedTuple):
    """What a goal is held against.

    Attributes
    ----------
    value, low, high : float or None
        Measured, with its 95 % interval; None where it was not.
    size : str
        Seeds, draws, deployments.
    """

    value: float | None
    low: float | None
    high: float | None
    size: str


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table.

    Attributes
    ----------
    what : str
        In words.
    least, aim : float or None
        At least, or at most where `most`; and better still. None of a line for comparison.
    part : str
        Where it is measured.
    measure : callable
        Takes the results of that part.
    most : bool
        Less is better.
    tie : bool
        It is enough that the interval reaches it.
    tried : str
        What was tried, said where it is missed.
    """

    what: str
    least: float | None
    aim: float | None
    part: str
    measure: Callable[[Sequence[Result]], Reached]
    most: bool = False
    tie: bool = False
    tried: str = ""

    def state(self, found: Reached) -> str:
        """How it came out."""
        if found.value is None:
            return "not measured"
        if self.least is None or self.aim is None:
            return ""
        sign = -1.0 if self.most else 1.0
        if self.aim != self.least and sign * found.value >= sign * self.aim:
            return "aim reached"
        if sign * found.value >= sign * self.least:
            return "reached"
        tied = self.tie and found.high is not None and found.high >= self.least
        return "equal within the interval" if tied else "missed"


def _of(one: Found | None, size: str) -> Reached:
    if one is None:
        return Reached(None, None, None, size)
    return Reached(one.value, one.low, one.high, size)


class _Samples:
    """Goals on frozen samples."""

    def __init__(
        self, places: Sequence[frozen_samples.Place], seeds: Sequence[int], tests: int
    ) -> None:
        self._places, self._seeds = places, seeds
        self._tests = tests

    def relative(
        self, place: str, who: str, samples: int, against: str = "", at: int = 0
    ) -> Callable[[Sequence[Result]], Reached]:
        """Rate of one way, relative to another's; left out: to WMMSE's on true CSI."""

        def measure(results: Sequence[Result]) -> Reached:
            rows = frozen_samples.of_place(results, self._places, self._seeds, place)
            size = f"{len(rows)} seeds, {self._tests:,} draws each"
            if not against:
                return _of(frozen_samples.relative(rows, who, samples), size)
            return _of(frozen_samples.relative(rows, who, samples, against, at), size)

        return measure


def _promises(results: Sequence[Result]) -> Reached:
    """Share of deployments that were no worse, over all lives, and its Wilson interval."""
    good = total = 0
    for result in results:
        one, every, _ = lives.kept_promises([result], list(result["lives"]))
        good, total = good + one, total + every
    if not total:
        return Reached(None, None, None, "no deployments")
    share, z = good / total, 1.96
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total**2)) / (1 + z * z / total)
    bounds = 100 * (middle - half), 100 * (middle + half)
    return Reached(100 * share, *bounds, f"{good:,} of {total:,} deployments")


def _beside(at: int) -> Callable[[Sequence[Result]], Reached]:
    """Decision time beside lessons over that without, of the base at this place."""

    def measure(results: Sequence[Result]) -> Reached:
        value, low, high = (100 * each for each in latency.ratio_of(results[at]))
        return Reached(value, low, high, f"{count(len(results[at]['alone']))} pairs of blocks")

    return measure


def _goals(places: Sequence[frozen_samples.Place], seeds: Sequence[int], tests: int) -> list[Goal]:
    of = _Samples(places, seeds, tests).relative
    fixed, random = "one fixed site", "random sites"
    sites, deep = frozen_samples.MANY_SITES, "unrolled"
    who, scratch, part = "perceptron", "perceptron, from scratch", "samples"
    size = f"{len(seeds)} seeds, {tests:,} draws of each episode"

    def last(label: str) -> Callable[[Sequence[Result]], Reached]:
        return lambda results: _of(episodes.after_all(results, label), size)

    def same(place: str) -> Callable[[Sequence[Result]], Reached]:
        return of(place, deep, 50, deep, 0)

    def many(place: str) -> Callable[[Sequence[Result]], Reached]:
        return of(place, who, 300, scratch, 3000)

    beside = "decision p50 beside lessons over alone"
    return [
        Goal(f"perceptron, 300 samples, {fixed}", 97.5, 99.0, part, of(fixed, who, 300)),
        Goal("— from scratch on 3,000 = 100", 100.0, 100.0, part, many(fixed)),
        Goal(f"perceptron, 300 samples, {random}", 91.0, 95.0, part, of(random, who, 300)),
        Goal("— from scratch on 3,000 = 100", 100.0, 100.0, part, many(random)),
        Goal(f"unrolled, 50 samples, {random}", 101.0, 101.5, part, of(random, deep, 50)),
        Goal("— zero-shot = 100", 100.0, 100.0, part, same(random), tie=True, tried=_FLAT),
        Goal(
            f"unrolled, 50 samples, {fixed}", 102.0, 102.3, part, of(fixed, deep, 50), tried=_SITES
        ),
        Goal("— zero-shot = 100", 100.0, 100.0, part, same(fixed), tie=True, tried=_FLAT),
        Goal("— `beam` there, for comparison", None, None, part, of(fixed, "beam", 0)),
        Goal(
            f"unrolled, 50 samples, {sites}", 102.0, 102.3, part, of(sites, deep, 50), tried=_SITES
        ),
        Goal("— zero-shot = 100", 100.0, 100.0, part, same(sites), tie=True, tried=_FLAT),
        Goal("— `beam` there, for comparison", None, None, part, of(sites, "beam", 0)),
        Goal("four episodes, perceptron, reservoir", 94.0, 97.0, "episodes", last(_MLP)),
        Goal("four episodes, unrolled, reservoir", 100.0, 100.0, "episodes", last(_DEEP)),
        Goal("deployments that were no worse", 99.0, 100.0, "lives", _promises, tried=_GONE),
        Goal(f"{beside}: perceptron", 110.0, 110.0, "latency", _beside(0), most=True),
        Goal(f"{beside}: unrolled", 110.0, 110.0, "latency", _beside(3), most=True),
    ]


_SITES = (
    "more samples, to no avail. What can be reached differs from site to site: beam search itself "
    "is in the line after next."
)
_GONE = (
    "see the lives below. Every deployment was better on observations that it was not learned "
    "from, but in `auckland` those show the users that it was learned from, and when a lesson of "
    "two seconds is deployed some of them have left."
)
_FLAT = (
    "step sizes from 3e-4 to 1e-2 and imitating beam search where "
    "it is better; the network's powers are saturated where they are wrong, so lessons move little."
)
_MLP, _DEEP = "perceptron, reservoir", "unrolled, reservoir"


def goals_part(
    parts: Sequence[Part],
    places: Sequence[frozen_samples.Place],
    seeds: Sequence[int],
    tests: int,
) -> Part:
    """The table of goals: made of what the other parts have measured.

    Parameters
    ----------
    parts : sequence of Part
        All others, of the names ``samples``, ``episodes``, ``latency`` and of scenes.
    places, seeds, tests
        As of the part ``samples``.
    """
    goals = _goals(places, seeds, tests)

    def document(results: Sequence[Result]) -> Document:
        split: dict[str, list[Result]] = {}
        left = list(results)
        for part in parts:
            name = "lives" if part.name in _SCENES else part.name
            split.setdefault(name, []).extend(left[: len(part.units)])
            left = left[len(part.units) :]
        return _document(goals, split)

    units = tuple(unit for part in parts for unit in part.units)
    words = (
        "Sum rates in % of WMMSE's on the same true channels unless another 100 is named; in "
        "brackets a 95% interval, paired over seeds. Late CSI and transfer of energy efficiency "
        "have studies of their own."
    )
    return Part("goals", "Goals", words, units, document)


_SCENES = {scene.name for scene in lives.SCENES}


def _document(goals: Sequence[Goal], split: Mapping[str, Sequence[Result]]) -> Document:
    cells, rows, notes = [], [], []
    for goal in goals:
        found = goal.measure(split.get(goal.part, ()))
        state = goal.state(found)
        value = MISSING if found.value is None else f"{found.value:.2f}"
        if found.low is not None and found.high is not None:
            value += f" ({found.low:.2f} to {found.high:.2f})"
        sign = "≤" if goal.most else "≥"
        least = MISSING if goal.least is None else f"{sign} {goal.least:g}"
        aim = MISSING if goal.aim in (None, goal.least) else f"{goal.aim:g}"
        cells.append((goal.what, least, aim, value, state, found.size))
        rows.append(
            {"goal": goal.what, "least": goal.least, "aim": goal.aim}
            | {**found._asdict(), "state": state, "part": goal.part}
        )
        if state == "missed" and goal.tried:
            notes.append(f"Missed, {goal.what}: {goal.tried}")
    heads = ("", "at least", "aim", "measured [%]", "", "of")
    return Document([Grid("", heads, cells)], (), rows, notes)
