"""The study `zappone2019-energy`: bits per joule over the largest power.

A. Zappone, M. Di Renzo, M. Debbah, T. T. Lam and X. Qian, "Model-aided wireless artificial
intelligence: embedding expert knowledge in deep neural networks for wireless system optimization",
IEEE Veh. Technol. Mag. 14(3), 2019, Fig. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from slotwise.controllers.registry import make
from slotwise.emulator.objective import Aim
from slotwise.runs.studies.energy.found import Found
from slotwise.runs.studies.energy.goals import goals_document
from slotwise.runs.studies.energy.measuring import (
    GAP,
    STARTS,
    best_known,
    certificates,
    decided,
    single_starts,
)
from slotwise.runs.studies.energy.promises import LEVELS as PROMISED_DBW
from slotwise.runs.studies.energy.promises import RATES, promises
from slotwise.runs.studies.energy.setting import (
    LEVELS_DBW,
    PLACES,
    Amount,
    Place,
    Sample,
    controllers,
    drawn,
)
from slotwise.runs.studies.energy.tables import (
    promises_document,
    shares_document,
    sweep_document,
    times_document,
    weighted_document,
)
from slotwise.runs.studies.energy.times import LEVELS as TIMED_DBW
from slotwise.runs.studies.energy.times import times
from slotwise.runs.studies.part import Document, Part, Result, Unit
from slotwise.runs.studies.study import Study
from slotwise.runs.studies.tables import weights_digest

__all__ = ["energy"]

Done = Callable[[int], None]

_WEIGHTED: Aim = "weighted-energy-efficiency"
_SWEPT = ("10×50", "10×8")
_TIMED = ("S1", "10×8", "10×50", "20×16", "50×100")
_PROMISED = ("S1", "10×8", "10×50")

_TITLE = "Energy efficiency over the largest power"
_WORDS = (
    "A. Zappone, M. Di Renzo, M. Debbah, T. T. Lam and X. Qian, IEEE Veh. Technol. Mag. 14(3), "
    "2019, Fig. 3: the energy efficiency of an uplink, sum of rates over power consumed, where "
    "every user may send at up to −30 to 20 dBW; the paper prints curves and no numbers. K×M is K "
    "users, 35 to 500 m around a station of M antennas (`wide-cell`), S1 four stations of four "
    "antennas with one user each (`four-cells`); 180 kHz, amplifiers consume four times what they "
    "radiate and every user 1 W besides. The best known is the best of certified optima and of "
    f"`fractional` from {STARTS} starts and from the best at neighbouring levels; below each table "
    "stands which share of it is proved. `mlp-ee` is the published perceptron, "
    "trained for each place by its own weights, `unrolled-ee` one network for all places; "
    "`fractional` keeps the best of its four starts, `max` is full power, and `wmmse` the powers "
    "of the largest sum rate. Draws are made from seeds that are hashed with a number of this "
    "study's own: no network was trained on them. ± is half a 95% interval over draws."
)


def energy(amount: Amount, seed: int) -> Study:
    """The study, not yet run.

    Parameters
    ----------
    amount : Amount
        How much is measured.
    seed : int
        Fixes the draws.

    Raises
    ------
    InputError
        If there are no weights for somebody.
    """
    for place in PLACES.values():
        for spec in controllers(place):
            make(spec)  # what is missing is missed now
    parts = (
        _goals(amount, seed),
        _sweep("fig3", "Fig. 3: ten users in a disc", _SWEPT, amount, seed),
        _sweep("s1", "S1: four cells", ("S1",), amount, seed),
        _shares(amount, seed),
        _times(amount, seed),
        _promises(amount, seed),
        _weighted(amount, seed),
    )
    return Study("zappone2019-energy", _TITLE, _WORDS, amount.name, seed, parts)


# --- units --------------------------------------------------------------------------------------


class _Units:
    """Units of a part, and how their results are found again."""

    def __init__(self, amount: Amount, seed: int, aim: Aim = "energy-efficiency") -> None:
        self._amount, self._seed, self._aim = amount, seed, aim
        self.units: list[Unit] = []

    def measured(self, place: Place, sample: Sample) -> Callable[[Mapping[str, Result]], Found]:
        """Add everyone in a place; what is found of them, once it is computed."""
        who = {spec: self._add(self._decided(place, sample, spec)) for spec in controllers(place)}
        twenty = self._add(self._best(place, sample))
        every = self._amount.swept if sample == "sweep" else self._amount.certified
        samples = min(every.get(place.label, 0), self._amount.draws(place))
        proof = ""
        if samples and self._aim != _WEIGHTED:
            proof = self._add(self._certified(place, sample, samples))

        def found(results: Mapping[str, Result]) -> Found:
            values = {spec: results[name] for spec, name in who.items()}
            return Found.of(values, results[twenty], results.get(proof))

        return found

    def single(self, place: Place) -> str:
        """Add what `fractional` makes of single starts, at levels of the draws' own."""
        unit = self._unit(
            place,
            "uniform",
            "single starts",
            4,
            dict,
            single_starts,
        )
        return self._add(unit)

    def document(self, results: Sequence[Result]) -> dict[str, Result]:
        """Results by the file names of their units."""
        return dict(zip((unit.file_name for unit in self.units), results, strict=True))

    def _add(self, unit: Unit) -> str:
        self.units.append(unit)
        return unit.file_name

    def _unit(
        self,
        place: Place,
        sample: Sample,
        name: str,
        steps: int,
        more: Callable[[], Mapping[str, Any]],
        compute: Callable[[Any, Done], Result],
    ) -> Unit:
        samples = self._amount.draws(place)

        def identity() -> Mapping[str, Any]:
            about: dict[str, Any] = {"place": asdict(place), "sample": sample}
            about |= {"samples": samples}
            about |= {"levels_dbw": LEVELS_DBW, "seed": self._seed, "aim": self._aim}
            return about | dict(more())

        def computed(done: Done) -> Result:
            return compute(drawn(place, sample, samples, self._seed, self._aim), done)

        folder = "weighted" if self._aim == _WEIGHTED else sample
        return Unit(folder, f"{place.label} {name}", steps, identity, computed)

    def _decided(self, place: Place, sample: Sample, spec: str) -> Unit:
        return self._unit(
            place,
            sample,
            spec,
            len(LEVELS_DBW) if sample == "sweep" else 1,
            lambda: {"controller": spec, "weights": weights_digest(spec)},
            lambda draws, done: decided(spec, draws, done),
        )

    def _best(self, place: Place, sample: Sample) -> Unit:
        levels = len(LEVELS_DBW) if sample == "sweep" else 3
        return self._unit(
            place,
            sample,
            f"{STARTS} starts",
            levels * self._amount.draws(place),
            lambda: {"starts": STARTS},
            lambda draws, done: best_known(draws, self._seed, done),
        )

    def _certified(self, place: Place, sample: Sample, samples: int) -> Unit:
        nodes = self._amount.nodes
        unit = self._unit(
            place,
            sample,
            "certificates",
            samples * (len(LEVELS_DBW) if sample == "sweep" else 1),
            lambda: {"certified": samples, "nodes": nodes, "gap": GAP},
            lambda draws, done: certificates(draws, samples, nodes, done),
        )
        return replace(unit, timed=True)

    def timed(self, place: Place) -> str:
        """Add decision times in a place."""
        specs = [spec for spec in controllers(place) if spec != "wmmse"]
        rounds, seed = self._amount.rounds, self._seed

        def identity() -> Mapping[str, Any]:
            weights = {spec: weights_digest(spec) for spec in specs}
            about: dict[str, Any] = {"place": asdict(place), "controllers": specs}
            about |= {"weights": weights}
            return about | {"rounds": rounds, "seed": seed, "levels_dbw": TIMED_DBW}

        def computed(done: Done) -> Result:
            return times(place, specs, rounds, seed, done)

        unit = Unit("times", place.label, len(TIMED_DBW), identity, computed, timed=True)
        return self._add(unit)

    def promised(self, place: Place) -> str:
        """Add promised rates in a place, for those who serve objectives."""
        specs = [spec for spec in controllers(place) if spec not in ("max", "wmmse")]
        samples, seed = self._amount.promised, self._seed

        def identity() -> Mapping[str, Any]:
            weights = {spec: weights_digest(spec) for spec in specs}
            about: dict[str, Any] = {"place": asdict(place), "controllers": specs}
            about |= {"weights": weights}
            about |= {"samples": samples, "seed": seed}
            return about | {"rates": RATES, "levels_dbw": PROMISED_DBW}

        def computed(done: Done) -> Result:
            return promises(place, specs, samples, seed, done)

        steps = len(PROMISED_DBW) * len(RATES) * (len(specs) + 1)
        return self._add(Unit("promises", place.label, steps, identity, computed))


# --- parts --------------------------------------------------------------------------------------


def _goals(amount: Amount, seed: int) -> Part:
    every = _Units(amount, seed)
    uniform = {label: every.measured(place, "uniform") for label, place in PLACES.items()}
    swept = every.measured(PLACES["S1"], "sweep")
    timed = [every.timed(PLACES[label]) for label in ("10×8", "10×50")]
    promised = [every.promised(PLACES[label]) for label in _PROMISED]

    def document(results: Sequence[Result]) -> Document:
        by_name = every.document(results)
        return goals_document(
            {label: found(by_name) for label, found in uniform.items()},
            swept(by_name),
            [by_name[name] for name in timed],
            [by_name[name] for name in promised],
        )

    words = (
        "Made of the tables below. Shares are means over draws of the ratio, each draw at a "
        "largest power of its own, uniform in dB from −30 to 20 dBW. Times are relative to "
        "compiled WMMSE's in the same rounds, with quartiles."
    )
    return Part("goals", "Goals", words, tuple(every.units), document)


def _sweep(name: str, title: str, labels: Sequence[str], amount: Amount, seed: int) -> Part:
    every = _Units(amount, seed)
    found = {label: every.measured(PLACES[label], "sweep") for label in labels}
    stem = f"figure-{name.removeprefix('fig')}"

    def document(results: Sequence[Result]) -> Document:
        by_name = every.document(results)
        return sweep_document(stem, {label: one(by_name) for label, one in found.items()})

    words = (
        f"{amount.samples:,} draws, each at every level; per cent of the best known are ratios of "
        "means."
    )
    return Part(name, title, words, tuple(every.units), document)


def _shares(amount: Amount, seed: int) -> Part:
    every = _Units(amount, seed)
    found = {label: every.measured(place, "uniform") for label, place in PLACES.items()}
    single = {label: every.single(place) for label, place in PLACES.items()}

    def document(results: Sequence[Result]) -> Document:
        by_name = every.document(results)
        return shares_document(
            {label: one(by_name).beside(by_name[single[label]]) for label, one in found.items()}
        )

    words = (
        "Each draw at a largest power of its own, uniform in dB from −30 to 20 dBW; means over "
        "draws of the ratio to the best known in that draw. Below the controllers stand climbs of "
        "`fractional` from one start that knows nothing of the network but a user's own gain."
    )
    return Part("shares", "All largest powers, all places", words, tuple(every.units), document)


def _times(amount: Amount, seed: int) -> Part:
    every = _Units(amount, seed)
    names = [every.timed(PLACES[label]) for label in _TIMED]

    def document(results: Sequence[Result]) -> Document:
        by_name = every.document(results)
        return times_document([by_name[name] for name in names])

    words = (
        "This machine's, one thread, everyone in turns beside compiled WMMSE. A decision of one "
        "network and a draw of a batch are kept apart: in a batch, calls cost nothing and draws "
        "may be worked on side by side. WMMSE iterates on some draws much longer than on most, so "
        "that medians and means differ. `max` computes nothing: its time is that of a call in "
        "Python that checks its arguments. Other largest powers stand on the part's own page."
    )
    return Part("times", "Decision times", words, tuple(every.units), document)


def _promises(amount: Amount, seed: int) -> Part:
    every = _Units(amount, seed)
    names = [every.promised(PLACES[label]) for label in _PROMISED]

    def document(results: Sequence[Result]) -> Document:
        by_name = every.document(results)
        return promises_document([by_name[name] for name in names])

    words = (
        f"Every user is promised a rate; {amount.promised:,} draws. Infeasible are draws in which "
        "no powers keep it to all. In the others nobody may be short of it by more than a "
        "millionth, and mean energy efficiency is compared with the controller's own without a "
        "promise, and with that of a search by convex approximation from several starts. With a "
        "promise `fractional` goes on from that search's starts, so that `starts=1` can find more "
        "with it than from its one start without."
    )
    return Part("promises", "Promised rates", words, tuple(every.units), document)


def _weighted(amount: Amount, seed: int) -> Part:
    every = _Units(amount, seed, _WEIGHTED)
    found = {label: every.measured(place, "uniform") for label, place in PLACES.items()}

    def document(results: Sequence[Result]) -> Document:
        by_name = every.document(results)
        return weighted_document({label: one(by_name) for label, one in found.items()})

    words = (
        "Sum of every user's own rate over its own consumption, same draws and largest powers as "
        "above. `mlp-ee`, which learned another objective, is left out; `max` and `wmmse` serve no "
        "efficiency and show what that costs."
    )
    title = "Sum of the users' own energy efficiencies"
    return Part("weighted", title, words, tuple(every.units), document)
