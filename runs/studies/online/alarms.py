"""The drift test where nothing drifts, and where something does.

How often it alarms in networks that stay what they are is counted over long lives; how long it
takes after a change, on the four episodes of the scenario ``drift``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median_low
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from slotwise.controllers.online.drift import DriftTest, levels
from slotwise.emulator.clock import Emulator
from slotwise.emulator.scenario import Scenario, load
from slotwise.runs.report.quantities import MISSING, count, number
from slotwise.runs.studies.online.scale import OnlineScale
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit

__all__ = ["Watched", "alarms_part", "poisson_bounds", "watched"]

_STILL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "independent fading": ("gaussian-ic", ()),
    "10 Hz Doppler, 20 ms slots": (
        "gaussian-ic",
        ('channel.fading="gauss-markov"', "channel.doppler_hz=10", "timing.slot_s=0.02"),
    ),
    "10 Hz Doppler, 1 ms slots": (
        "gaussian-ic",
        ('channel.fading="gauss-markov"', "channel.doppler_hz=10"),
    ),
    "pairs, new places every 20 slots": (
        "gaussian-ic",
        ('layout={kind="pairs",side_m=50.0}', "mobility.redrop_s=0.02"),
    ),
}
_PER = 100_000
_CONFIDENCE = 0.95


class Watched(NamedTuple):
    """What a drift test said of one network.

    Attributes
    ----------
    alarms : list of int
        Slots in which it alarmed.
    block : int
        Reports of a block in the end.
    """

    alarms: list[int]
    block: int


def watched(scenario: Scenario, slots: int, networks: int, seed: int) -> list[Watched]:
    """What drift tests say, one test for each network.

    Parameters
    ----------
    scenario : Scenario
        What is lived, in silence: powers change no report.
    slots, networks : int
        How long, and how many.
    seed : int
        Fixes them.
    """
    emulator = Emulator(scenario, seed, networks=networks, slots=slots)
    tests = [DriftTest() for _ in range(networks)]
    alarms: list[list[int]] = [[] for _ in tests]
    while (report := emulator.advance()) is not None:
        snr = (report.gain * (report.p_max_w / report.noise_w)).astype(np.float32)
        for number_, test in enumerate(tests):
            if test.watch(levels(snr[number_])):
                alarms[number_].append(report.slot)
        emulator.grant(np.zeros(report.user_id.shape), sound=True)
    return [Watched(*each) for each in zip(alarms, (test.block for test in tests), strict=True)]


def poisson_bounds(events: int) -> tuple[float, float]:
    """The exact 95 % interval of the mean of a Poisson count (F. Garwood, 1936)."""
    tail = (1.0 - _CONFIDENCE) / 2.0
    low = float(special.gammaincinv(events, tail)) if events else 0.0
    return low, float(special.gammaincinv(events + 1, 1.0 - tail))


def alarms_part(scale: OnlineScale, seed: int) -> Part:
    """The table of false alarms and of delays.

    Parameters
    ----------
    scale : OnlineScale
        Slots and networks.
    seed : int
        Fixes the networks.
    """
    size = {"slots": scale.watched, "networks": scale.networks, "seed": seed}
    still = [
        Unit(
            "table-alarms",
            name,
            0,
            _identity({**size, "scenario": scenario, "set": list(overrides)}),
            _still(load(scenario, list(overrides)), scale, seed),
        )
        for name, (scenario, overrides) in _STILL.items()
    ]
    drift = Unit("table-alarms", "drift", 0, _identity(size), _drifting(scale, seed))
    words = (
        f"The test of `finetuned` on {scale.networks} networks of {scale.watched:,} slots each, "
        "10 users, exact CSI, one report a slot; an interval is the exact one of a Poisson count, "
        "alarms taken as independent. *Block* is the median length of the blocks of reports that "
        "tests arrived at; in its first twenty blocks a test cannot alarm."
    )
    return Part("alarms", "Drift test", words, (*still, drift), _document)


def _identity(values: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    return lambda: values


def _still(scenario: Scenario, scale: OnlineScale, seed: int) -> Callable[..., Result]:
    def compute(_: Callable[[int], None]) -> Result:
        found = watched(scenario, scale.watched, scale.networks, seed)
        return {
            "alarms": sum(len(each.alarms) for each in found),
            "reports": scale.watched * scale.networks,
            "quiet": sum(not each.alarms for each in found),
            "block": median_low(each.block for each in found),
        }

    return compute


def _drifting(scale: OnlineScale, seed: int) -> Callable[..., Result]:
    def compute(_: Callable[[int], None]) -> Result:
        scenario = load("drift")
        slot_s = scenario.timing.slot_s
        lengths = [round(each.duration_s / slot_s) for each in scenario.episodes]
        starts = np.cumsum([0, *lengths])
        found = watched(scenario, int(starts[-1]), scale.networks, seed)
        changes = []
        for number_, name in enumerate(each.name for each in scenario.episodes):
            start, stop = starts[number_], starts[number_ + 1]
            within = [
                [slot - start for slot in one.alarms if start <= slot < stop] for one in found
            ]
            delays = [int(one[0]) for one in within if one]
            changes.append({"to": name, "networks": len(found), "delays": delays})
        return {"changes": changes}

    return compute


def _document(results: Sequence[Result]) -> Document:
    *still, drift = results
    rows: list[dict[str, Any]] = []
    cells = []
    for name, result in zip(_STILL, still, strict=True):
        reports, alarms = int(result["reports"]), int(result["alarms"])
        low, high = (_PER * bound / reports for bound in poisson_bounds(alarms))
        rate = _PER * alarms / reports
        rows.append({"network": name, **result, "per_100000": rate, "low": low, "high": high})
        bounds = f"{number(low, 2)} to {number(high, 2)}"
        block = count(result["block"])
        cells.append((name, count(reports), block, count(alarms), number(rate, 2), bounds))
    heads = ("nothing changes", "reports", "block", "alarms", "in 100,000", "95% interval")
    delays = []
    for change in drift["changes"][1:]:
        found: NDArray[np.float64] = np.array(change["delays"], np.float64)
        middle = number(float(np.median(found))) if found.size else MISSING
        worst = number(float(found.max())) if found.size else MISSING
        rows.append({"network": f"to {change['to']}", "found": len(found), **change})
        delays.append(
            (f"to {change['to']}", f"{len(found)} of {change['networks']}", middle, worst)
        )
    first = drift["changes"][0]
    note = (
        f"In the first episode of `drift`, before anything has changed, {len(first['delays'])} of "
        f"{first['networks']} tests alarmed."
    )
    after = ("change in `drift`", "found", "median delay [slots]", "longest")
    return Document(
        [Grid("False alarms", heads, cells), Grid("Delay", after, delays)], (), rows, [note]
    )
