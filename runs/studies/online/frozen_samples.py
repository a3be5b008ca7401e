"""Real samples, few and many: what a pre-trained network is worth, and what it makes of them.

Every way to learn gets the same samples of a network that is not the model's, and is judged on the
same held-out draws of it. Results are kept for each network and seed; figures are means over seeds
with paired intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from slotwise.controllers.registry import make
from slotwise.runs.report.canvas import Drawing
from slotwise.runs.report.quantities import MISSING
from slotwise.runs.studies.online import draws
from slotwise.runs.studies.online.arms import (
    Arm,
    first,
    kept,
    learned,
    loss_of,
    network,
    rates,
    some,
)
from slotwise.runs.studies.online.figures import draw_samples
from slotwise.runs.studies.online.scale import OnlineScale
from slotwise.runs.studies.online.seeds import Found, found, percent
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit
from slotwise.runs.studies.tables import weights_digest

__all__ = [
    "ADAPTIVE",
    "MANY_SITES",
    "PUBLISHED",
    "UNROLLED",
    "Place",
    "of_place",
    "places",
    "relative",
    "samples_part",
]

ADAPTIVE = "mlp:adaptive-10"
PUBLISHED = "mlp:gaussian-ic-10"
UNROLLED = "unrolled"

_WITHOUT = ("wmmse", "wmmse:starts=10", "beam")
_BOUNDED = ("recent", "reservoir", "loss")
MANY_SITES = "many fixed sites"
"""Sites differ in what can be reached there; means over few of them are wide."""

_MANY = 4
_REFERENCE = "WMMSE on true CSI"
_NEAR = 0.5  # below what the perceptron is worth: shown larger


class Place(NamedTuple):
    """A kind of network to learn.

    Attributes
    ----------
    name, words : str
        Heading of its column, and what it is.
    draw : callable
        Takes samples, tests and seed.
    told : mapping
        What its draws depend on, as JSON.
    arms : tuple of Arm
        Who learns.
    times : int
        How many times the study's seeds it is measured with.
    """

    name: str
    words: str
    draw: Callable[[int, int, int], draws.Samples]
    told: Mapping[str, Any]
    arms: tuple[Arm, ...]
    times: int = 1

    def seeds(self, seeds: Sequence[int]) -> range:
        """Its seeds, where the study has these."""
        return range(seeds[0], seeds[0] + self.times * len(seeds))


def places(scale: OnlineScale, given: draws.Measured | None) -> list[Place]:
    """Networks of the study.

    Parameters
    ----------
    scale : OnlineScale
        Numbers of samples.
    given : Measured, optional
        Measured gains; left out: none.
    """
    main = _arms(scale)
    few_samples = scale.samples[: min(2, len(scale.samples))]
    short = tuple(
        Arm(label, base, counts=few_samples)
        for label, base in (("perceptron", ADAPTIVE), ("unrolled", UNROLLED))
    )
    few = (
        main[0],
        Arm("perceptron, from scratch", ADAPTIVE, fresh=True, counts=scale.samples[-1:]),
    )
    found_ = [
        Place(
            "random sites",
            "pairs at a new site in each sample",
            lambda *size: draws.pairs("random", *size),
            {"pairs": list(draws.PAIRS)},
            main,
        ),
        Place(
            "one fixed site",
            "one site for each seed",
            lambda *size: draws.pairs("fixed", *size),
            {"pairs": list(draws.PAIRS)},
            main + _bounded(scale),
        ),
        Place(
            MANY_SITES,
            "the same with four times the seeds, few samples",
            lambda *size: draws.pairs("fixed", *size),
            {"pairs": list(draws.PAIRS)},
            short,
            _MANY,
        ),
        Place(
            "fixed site, imperfect CSI",
            "the same, gains estimated with 10 dB NMSE and told in 6 bits",
            lambda *size: draws.pairs("fixed", *size, imperfect=True),
            {"pairs": list(draws.PAIRS), "imperfect": True},
            (*few, main[-2]),
        ),
    ]
    if given is not None:
        found_.append(
            Place(
                "measured gains",
                f"{given.path.name}, early samples learned from, late ones judged on",
                lambda *size: draws.measured(given, *size),
                draws.told(given),
                (*few, main[-2]),
            )
        )
    return found_


def _ends(scale: OnlineScale) -> tuple[int, ...]:
    """A few samples and the most."""
    middle = scale.samples[min(1, len(scale.samples) - 1)]
    return tuple(dict.fromkeys((middle, scale.samples[-1])))


def _arms(scale: OnlineScale) -> tuple[Arm, ...]:
    middle, most = _ends(scale)[0], scale.samples[-1]
    few = tuple(dict.fromkeys((scale.samples[0], middle, most)))
    return (
        Arm("perceptron", ADAPTIVE),
        Arm("perceptron, supervised", ADAPTIVE, "supervised", counts=(middle,)),
        Arm("perceptron, both", ADAPTIVE, "both", counts=(middle,)),
        Arm("perceptron, from scratch", ADAPTIVE, fresh=True, counts=few),
        Arm("published perceptron", PUBLISHED, counts=_ends(scale)),
        Arm("unrolled", UNROLLED),
        Arm("unrolled, from scratch", UNROLLED, fresh=True, counts=(most,)),
    )


def _bounded(scale: OnlineScale) -> tuple[Arm, ...]:
    return tuple(
        Arm(f"perceptron, memory {keep}", ADAPTIVE, keep=keep, counts=scale.samples[-1:])
        for keep in _BOUNDED
    )


def _units(place: Place, scale: OnlineScale, seeds: Sequence[int]) -> list[Unit]:
    """One unit for each seed."""
    steps = sum(1 + len(arm.counts or scale.samples) for arm in place.arms)

    def identity(seed: int) -> Mapping[str, Any]:
        return {
            "place": {"name": place.name, **place.told},
            "arms": [asdict(arm) for arm in place.arms],
            "weights": {arm.base: weights_digest(arm.base) for arm in place.arms},
            "samples": list(scale.samples),
            "tests": scale.tests,
            "memory": _capacity(scale),
            "steps": [scale.steps, scale.scratch_steps],
            "seed": seed,
        }

    return [
        Unit(
            "table-samples",
            f"{place.name}, seed {seed}",
            steps,
            lambda seed=seed: identity(seed),  # type: ignore[misc]
            lambda done, seed=seed: _measure(place, scale, seed, done),  # type: ignore[misc]
        )
        for seed in seeds
    ]


def _capacity(scale: OnlineScale) -> int:
    return max(1, scale.samples[-1] // 10)


def _measure(
    place: Place, scale: OnlineScale, seed: int, done: Callable[[int], None]
) -> dict[str, Any]:
    """Mean true sum rates of everyone on the held-out draws of one seed."""
    sample = place.draw(scale.samples[-1], scale.tests, seed)

    def mean(controller: Any) -> float:
        return float(rates(controller, sample.reported, sample.true).mean())

    result: dict[str, Any] = {
        _REFERENCE: {"0": float(rates(make("wmmse"), sample.true, sample.true).mean())}
    }
    for spec in _WITHOUT:
        result[spec] = {"0": mean(make(spec, seed=seed))}
    at = 0
    for arm in place.arms:
        base = network(arm.base)
        row = result.setdefault(arm.label, {})
        if not arm.fresh:
            row["0"] = mean(base)
        for count in arm.counts or scale.samples:
            seen = some(sample.seen, count)
            if arm.keep != "all":
                loss = loss_of(base, seen) if arm.keep == "loss" else None
                seen = kept(seen, _capacity(scale), arm.keep, seed, loss)
            begun = first(arm, base, seen, seed)
            steps = {"steps": scale.steps, "fresh": scale.scratch_steps}
            tensors = learned(arm, base, begun, seen, (seed, count), steps)
            row[str(count)] = mean(base.with_weights(tensors))
            at += 1
            done(at)
    return {"rates": result}


def samples_part(place_list: Sequence[Place], scale: OnlineScale, seeds: Sequence[int]) -> Part:
    """Tables and figures of all networks.

    Parameters
    ----------
    place_list : sequence of Place
        Networks.
    scale : OnlineScale
        Samples.
    seeds : sequence of int
        Of networks, samples and first weights.
    """
    units = [unit for place in place_list for unit in _units(place, scale, place.seeds(seeds))]
    counts = ", ".join(f"{count:,}" for count in scale.samples)
    words = (
        f"Pre-trained networks after fine-tuning on {counts} real samples, {draws.USERS} users, "
        f"{len(seeds)} seeds; {scale.tests:,} held-out draws for each. Mean true sum rate, WMMSE's "
        "on the true gains 100, mean over seeds ± half of a paired 95% interval. Powers are taken "
        "as they are, not rounded. Nobody is told a true gain to learn from; where CSI is "
        "imperfect, decisions are made on it, too. *From scratch* begins with random weights, "
        f"standardised inputs and takes {scale.scratch_steps} times the steps."
    )
    return Part(
        "samples",
        "Real samples",
        words,
        tuple(units),
        lambda results: _document(place_list, scale, seeds, results),
    )


def of_place(
    results: Sequence[Result], place_list: Sequence[Place], seeds: Sequence[int], name: str
) -> list[Mapping[str, Any]]:
    """Rates of one network, one mapping for each seed."""
    at = 0
    for place in place_list:
        count = len(place.seeds(seeds))
        if place.name == name:
            return [dict(result["rates"]) for result in results[at : at + count]]
        at += count
    return []


def relative(
    rows: Sequence[Mapping[str, Any]],
    label: str,
    count: int = 0,
    against: str = _REFERENCE,
    at: int = 0,
) -> Found | None:
    """Rates of one way with so many samples, relative to another's, over seeds."""
    known = [(label, str(count)), (against, str(at))]
    if not rows or not all(at_ in row.get(who, {}) for row in rows for who, at_ in known):
        return None
    values = [row[label][str(count)] for row in rows]
    return found(values, [row[against][str(at)] for row in rows])


def _document(
    place_list: Sequence[Place],
    scale: OnlineScale,
    seeds: Sequence[int],
    results: Sequence[Result],
) -> Document:
    grids, lines = [], []
    curves: dict[str, dict[str, list[tuple[int, Found]]]] = {}
    for place in place_list:
        rows = of_place(results, place_list, seeds, place.name)
        heads = (f"{place.name}: {place.words}", "0", *(f"{count:,}" for count in scale.samples))
        cells = []
        for label in dict.fromkeys((*_WITHOUT, *(arm.label for arm in place.arms))):
            each = {count: relative(rows, label, count) for count in (0, *scale.samples)}
            name = f"`{label}` on the same CSI" if label in _WITHOUT else label
            cells.append(
                (name, *(MISSING if one is None else percent(one) for one in each.values()))
            )
            for count, one in each.items():
                if one is not None:
                    lines.append(
                        {"network": place.name, "who": label, "samples": count, **one.row()}
                    )
            known = [(count, one) for count, one in each.items() if one is not None]
            if place.times == 1:
                curves.setdefault(place.name, {})[label] = known
        grids.append(Grid("", heads, cells))
    notes = [
        f"Memories of {_capacity(scale):,} samples have been shown {scale.samples[-1]:,}; in a "
        "network that does not change, *perceptron* learns jointly from everything so far."
    ]
    return Document(grids, (), lines, notes, lambda: _draw(curves))


def _draw(curves: Mapping[str, Mapping[str, list[tuple[int, Found]]]]) -> list[Drawing]:
    shown = (
        "perceptron",
        "perceptron, from scratch",
        "published perceptron",
        "unrolled",
        "unrolled, from scratch",
    )
    return [
        draw_samples(
            name,
            {label: lines[label] for label in shown if label in lines},
            {label: lines[label][0][1] for label in ("wmmse", "wmmse:starts=10")},
            min(one.value for _, one in lines["perceptron"]) - _NEAR,
        )
        for name, lines in curves.items()
    ]
