"""Whole lives: who learns the network that it runs, beside who does not, over time.

Everybody lives the same networks. Rates are relative to those of WMMSE that knows every gain at
once and decides in no time, which nobody who is told late and wrong can reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import Scenario, load
from slotwise.runs.report.canvas import Drawing
from slotwise.runs.report.quantities import MISSING, count
from slotwise.runs.studies.online.figures import draw_course, draw_since
from slotwise.runs.studies.online.frozen_samples import ADAPTIVE, PUBLISHED, UNROLLED
from slotwise.runs.studies.online.life import Lived, live
from slotwise.runs.studies.online.scale import OnlineScale
from slotwise.runs.studies.online.seeds import Found, found, percent
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit
from slotwise.runs.studies.tables import weights_digest

__all__ = ["SCENES", "Scene", "kept_promises", "life_units", "lives_part", "whole"]

Array = NDArray[np.float64]

_REFERENCE = "WMMSE on true CSI"
_OUTCOMES = ("deployed", "rejected", "rolled back", "unfinished")
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Scene:
    """A network to live in.

    Attributes
    ----------
    name, words : str
        Built-in scenario, and what is done with it.
    overrides : tuple of str
        What is set in it.
    seats : dict of str to str
        Specs of those who decide, by what figures call them.
    drawn : tuple of str
        Which of them are drawn.
    bin_slots : int
        Slots that a point of a curve stands for.
    """

    name: str
    words: str
    overrides: tuple[str, ...]
    seats: Mapping[str, str]
    drawn: tuple[str, ...]
    bin_slots: int

    def scenario(self) -> Scenario:
        """As it is lived."""
        return load(self.name, list(self.overrides))


def _tuned(base: str, options: str = "") -> str:
    return f"finetuned:base={base}{options and ','}{options}"


_LATE = ("csi.delay_s=0.02", "csi.error_nmse_db=-10", "csi.quantisation_bits=8")

SCENES = (
    Scene(
        "drift",
        "Its four episodes of 500 slots, exact CSI, decisions and lessons in no time.",
        (),
        {
            "wmmse": "wmmse",
            "wmmse:starts=10": "wmmse:starts=10",
            "perceptron, zero-shot": ADAPTIVE,
            "perceptron, fine-tuned": _tuned(ADAPTIVE),
            "perceptron, fresh": _tuned(ADAPTIVE, "fresh=true"),
            "published perceptron": PUBLISHED,
            "published, fine-tuned": _tuned(PUBLISHED),
            "unrolled, zero-shot": UNROLLED,
            "unrolled, fine-tuned": _tuned(UNROLLED),
        },
        (
            "perceptron, zero-shot",
            "perceptron, fine-tuned",
            "published perceptron",
            "published, fine-tuned",
            "unrolled, fine-tuned",
        ),
        50,
    ),
    Scene(
        "d2d",
        "Ten pairs, one site for each seed, 1 Hz Doppler, slots of 20 ms; gains arrive one slot "
        "late, estimated with 10 dB NMSE, in 8 bits; a lesson takes one second beside decisions.",
        (
            "population.initial_users=10",
            "layout.side_m=450",
            "channel.doppler_hz=1",
            "timing.slot_s=0.02",
            'timing.mode="fixed"',
            "timing.latency_s=1e-4",
            "timing.learning_s=1.0",
            *_LATE,
        ),
        {
            "wmmse": "wmmse",
            "wmmse:starts=10": "wmmse:starts=10",
            "perceptron, zero-shot": ADAPTIVE,
            "perceptron, fine-tuned": _tuned(ADAPTIVE, "every=200"),
            "perceptron, on drift": _tuned(ADAPTIVE, "every=200,when=drift"),
            "perceptron, fresh": _tuned(ADAPTIVE, "every=200,fresh=true"),
            "unrolled, zero-shot": UNROLLED,
            "unrolled, fine-tuned": _tuned(UNROLLED, "every=200"),
        },
        (
            "wmmse",
            "perceptron, zero-shot",
            "perceptron, fine-tuned",
            "unrolled, zero-shot",
            "unrolled, fine-tuned",
        ),
        100,
    ),
    Scene(
        "auckland",
        "Five seconds of each hour from 5 to 8 in the morning, slots of 10 ms, pedestrians; gains "
        "arrive two slots late, estimated with 10 dB NMSE, in 8 bits; a decision takes one "
        "millisecond, a lesson two seconds beside decisions. Too many users for a perceptron.",
        (
            "population.profile.hours=[5,6,7,8]",
            "population.profile.sample_s=5",
            'timing.mode="fixed"',
            "timing.latency_s=1e-3",
            "timing.learning_s=2.0",
            *_LATE,
        ),
        {
            "wmmse": "wmmse",
            "wmmse:starts=10": "wmmse:starts=10",
            "graph, zero-shot": "graph",
            "graph, fine-tuned": _tuned("graph"),
            "unrolled, zero-shot": UNROLLED,
            "unrolled, fine-tuned": _tuned(UNROLLED),
        },
        (
            "wmmse",
            "graph, zero-shot",
            "graph, fine-tuned",
            "unrolled, zero-shot",
            "unrolled, fine-tuned",
        ),
        100,
    ),
)


def life_units(scene: Scene, scale: OnlineScale, seeds: Sequence[int]) -> list[Unit]:
    """One unit for each seed of a scene."""
    slots = scale.slots[scene.name]

    def identity(seed: int) -> Mapping[str, Any]:
        return {
            "scene": scene.name,
            "set": list(scene.overrides),
            "seats": dict(scene.seats),
            "weights": {spec: weights_digest(spec) for spec in _networks(scene)},
            "slots": slots,
            "bin": scene.bin_slots,
            "held": scale.held,
            "steps": scale.steps,
            "seed": seed,
        }

    return [
        Unit(
            f"table-{scene.name}",
            f"{scene.name}, seed {seed}",
            slots * (1 + len(scene.seats)),
            lambda seed=seed: identity(seed),  # type: ignore[misc]
            lambda done, seed=seed: _measure(scene, scale, seed, done),  # type: ignore[misc]
        )
        for seed in seeds
    ]


def _networks(scene: Scene) -> list[str]:
    """Trained networks of a scene, as specs of their own."""
    return sorted(
        {spec.partition("base=")[2].partition(",")[0] or spec for spec in scene.seats.values()}
    )


def _measure(
    scene: Scene, scale: OnlineScale, seed: int, done: Callable[[int], None]
) -> dict[str, Any]:
    """Live a network once for each controller."""
    slots, scenario = scale.slots[scene.name], scene.scenario()
    timing = scenario.timing.model_copy(update={"mode": "ideal"})
    ideal = scenario.model_copy(update={"timing": timing, "csi": type(scenario.csi)()})
    first = live(ideal, "wmmse", seed, slots, scale.held)
    lives = {_REFERENCE: _told(first, scene.bin_slots)}
    for turn, (name, spec) in enumerate(scene.seats.items(), 1):
        steps = f",steps={scale.steps}" if scale.steps and spec.startswith("finetuned") else ""
        base = turn * slots
        lived = live(
            scenario,
            spec + steps,
            seed,
            slots,
            scale.held,
            lambda at, base=base: done(base + at),  # type: ignore[misc]
        )
        lives[name] = _told(lived, scene.bin_slots)
    return {"lives": lives, "events": first.events}


def _told(lived: Lived, width: int) -> dict[str, Any]:
    """A life as JSON."""
    bins = len(lived.sum_rate) // width
    binned = lived.sum_rate[: bins * width].reshape(bins, width).mean(axis=1)
    return {
        "mean": float(lived.sum_rate.mean()),
        "binned": binned.tolist(),
        "lessons": lived.lessons,
        "updates": [[one.slot, one.outcome, *one.verdict] for one in lived.updates],
        "unseen": lived.unseen,
        "faults": lived.faults,
    }


def lives_part(scene: Scene, scale: OnlineScale, seeds: Sequence[int]) -> Part:
    """Table and figure of a scene.

    Parameters
    ----------
    scene : Scene
        The network.
    scale : OnlineScale
        Slots.
    seeds : sequence of int
        Of networks.
    """
    words = (
        f"{scene.words} {scale.slots[scene.name]:,} slots, {len(seeds)} seeds. Sum rate in % of "
        "WMMSE's on true CSI in ideal timing, over the whole life and after its first half, with "
        "half of a paired 95% interval over seeds. *No worse* counts deployments (roll-backs "
        f"included) whose weights did not do significantly worse (95%) on the next {scale.held} "
        "slots' true gains than those before, of all after which at least 20 slots followed; "
        "*gain* is the mean of the difference there."
    )
    return Part(
        scene.name,
        f"Living: {scene.name}",
        words,
        tuple(life_units(scene, scale, seeds)),
        lambda results: _document(scene, scale, results),
    )


def whole(results: Sequence[Result], name: str, last: float = 1.0) -> Found:
    """Relative rate of a controller over the last share of its life, over seeds."""
    values, reference = (
        [_later(result["lives"][who]["binned"], last) for result in results]
        for who in (name, _REFERENCE)
    )
    return found(values, reference)


def _later(binned: Sequence[float], last: float) -> float:
    return float(np.mean(binned[round(len(binned) * (1.0 - last)) :]))


def kept_promises(results: Sequence[Result], names: Sequence[str]) -> tuple[int, int, list[float]]:
    """Deployments that were no worse than what they replaced, all of them, and their gains [1]."""
    updates = [
        update
        for result in results
        for name in names
        for update in result["lives"][name]["updates"]
    ]
    highs = [float(high if high is not None else np.inf) for *_, high, _ in updates]
    gains = [float(update[2]) for update in updates]
    return sum(high >= -_TINY for high in highs), len(updates), gains


def _document(scene: Scene, scale: OnlineScale, results: Sequence[Result]) -> Document:
    cells, rows = [], []
    for name, spec in scene.seats.items():
        every, later = whole(results, name), whole(results, name, 0.5)
        lives = [result["lives"][name] for result in results]
        counts = {
            outcome: sum(life["lessons"].get(outcome, 0) for life in lives) for outcome in _OUTCOMES
        }
        good, total, gains = kept_promises(results, [name])
        learns = spec.startswith("finetuned")
        told = [count(each) for each in counts.values()] if learns else [MISSING] * len(counts)
        mean = f"{100 * float(np.mean(gains)):+.2f}%".replace("-", "−") if gains else MISSING
        promise = f"{good} of {total}" if total else MISSING
        cells.append((name, percent(every), percent(later), *told, promise, mean))
        rows.append(
            {
                "who": name,
                "spec": spec,
                **every.row(),
                "second_half": later.value,
                **counts,
                "no_worse": good,
                "looked_at": total,
                "mean_gain": float(np.mean(gains)) if gains else None,
                "faults": sum(life["faults"] for life in lives),
            }
        )
    heads = ("", "whole life", "second half", *_OUTCOMES, "no worse", "gain")
    notes = [f"`{spec}` is *{name}*." for name, spec in scene.seats.items() if name != spec]
    grid = Grid("", heads, cells)
    return Document([grid], (), rows, [" ".join(notes)], lambda: [_draw(scene, scale, results)])


def _curves(scene: Scene, results: Sequence[Result]) -> dict[str, Array]:
    """Per cents of each controller that is drawn, [seeds, bins]."""
    reference = np.array([result["lives"][_REFERENCE]["binned"] for result in results])
    return {
        name: 100.0 * np.array([result["lives"][name]["binned"] for result in results]) / reference
        for name in scene.drawn
    }


def _draw(scene: Scene, scale: OnlineScale, results: Sequence[Result]) -> Drawing:
    curves = _curves(scene, results)
    width, slot_s = scene.bin_slots, scene.scenario().timing.slot_s
    bins = next(iter(curves.values())).shape[1]
    words = f"Each point is a mean over {width} slots."
    middle: Array = np.asarray((np.arange(bins) + 0.5) * width, np.float64)
    if scene.name != "drift":
        marks = [(float(at), str(name)) for at, name in results[0]["events"]]
        return draw_course(
            scene.name, np.asarray(middle * slot_s, np.float64), curves, marks, words
        )
    starts = [round(float(at) / slot_s) for at, _ in results[0]["events"]]
    panels: dict[str, tuple[Array, dict[str, Array]]] = {}
    for (_, name), start, stop in zip(
        results[0]["events"], starts, [*starts[1:], scale.slots[scene.name]], strict=True
    ):
        part = slice(start // width, stop // width)
        here = {who: each[:, part] for who, each in curves.items()}
        panels[str(name)] = np.asarray(middle[part] - start, np.float64), here
    return draw_since(scene.name, panels, words)
