"""Episodes one after another: what is remembered of the first when the last has been learned.

Each episode brings samples of its own, and then the next one comes (the setting of H. Sun, W. Pu,
X. Fu, T.-H. Chang and M. Hong, "Learning to continuously optimize wireless resource in a dynamic
environment: a bilevel optimization perspective", IEEE Trans. Signal Process. 70, 2022). After every
episode all four are judged, the coming ones, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from slotwise.controllers.online.memory import Memory, Seen
from slotwise.controllers.registry import make
from slotwise.runs.studies.online import draws
from slotwise.runs.studies.online.arms import Arm, first, learned, loss_of, network, rates
from slotwise.runs.studies.online.frozen_samples import ADAPTIVE, UNROLLED
from slotwise.runs.studies.online.scale import OnlineScale
from slotwise.runs.studies.online.seeds import Found, found, percent
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit
from slotwise.runs.studies.tables import weights_digest

__all__ = ["after_all", "episode_units", "episodes_part"]

_WAYS = {
    "recent": "transfer: the newest samples",
    "reservoir": "reservoir",
    "loss": "loss-weighted",
    "all": "joint: everything so far",
}
_PUBLISHED = {"transfer": 78.7, "reservoir": 94.0, "min-max": 93.7}
_ZERO = "zero-shot"
_FRESH_STEPS = 2
"""How many times the steps of fine-tuning a network takes in each episode that began with random
weights."""
_REFERENCE = "wmmse"


def _arms() -> tuple[Arm, ...]:
    warm = [Arm(f"perceptron, {way}", ADAPTIVE, keep=keep) for keep, way in _WAYS.items()]
    fresh = [
        Arm(f"perceptron from scratch, {_WAYS[keep]}", ADAPTIVE, fresh=True, keep=keep)
        for keep in ("recent", "reservoir")
    ]
    other = [
        Arm(f"unrolled, {_WAYS[keep]}", UNROLLED, keep=keep) for keep in ("recent", "reservoir")
    ]
    return (*warm, *fresh, *other)


def episode_units(scale: OnlineScale, seeds: Sequence[int]) -> list[Unit]:
    """One unit for each seed."""
    arms = _arms()

    def identity(seed: int) -> Mapping[str, Any]:
        return {
            "arms": [asdict(arm) for arm in arms],
            "weights": {arm.base: weights_digest(arm.base) for arm in arms},
            "samples": scale.episode_samples,
            "memory": scale.memory,
            "tests": scale.tests,
            "steps": [scale.steps, _FRESH_STEPS],
            "seed": seed,
        }

    return [
        Unit(
            "table-episodes",
            f"seed {seed}",
            len(arms) * len(draws.EPISODES),
            lambda seed=seed: identity(seed),  # type: ignore[misc]
            lambda done, seed=seed: _measure(arms, scale, seed, done),  # type: ignore[misc]
        )
        for seed in seeds
    ]


def _measure(
    arms: Sequence[Arm], scale: OnlineScale, seed: int, done: Callable[[int], None]
) -> dict[str, Any]:
    """Mean sum rates on all episodes, after each of them."""
    size = scale.episode_samples, scale.tests, seed
    stages = [draws.episode(number, *size) for number in range(len(draws.EPISODES))]

    def judged(controller: Any) -> list[float]:
        return [float(rates(controller, each.true, each.true).mean()) for each in stages]

    result: dict[str, Any] = {
        spec: [judged(make(spec, seed=seed))] for spec in (_REFERENCE, "wmmse:starts=10", "beam")
    }
    for spec, name in ((ADAPTIVE, "perceptron"), (UNROLLED, "unrolled")):
        result[f"{name}, {_ZERO}"] = [judged(network(spec))]
    for turn, arm in enumerate(arms):
        base = network(arm.base)
        memory = Memory(0 if arm.keep == "all" else scale.memory, _keep(arm))
        memory.begin(seed)
        now = first(arm, base, stages[0].seen, seed)
        rows = []
        for number, stage in enumerate(stages):
            _remember(memory, stage.seen, arm, base.with_weights(now))
            steps = {"steps": scale.steps, "fresh": _FRESH_STEPS}
            now = learned(arm, base, now, memory.samples(), (seed, number), steps)
            rows.append(judged(base.with_weights(now)))
            done(turn * len(stages) + number + 1)
        result[arm.label] = rows
    return {"rates": result}


def _keep(arm: Arm) -> str:
    return "recent" if arm.keep == "all" else arm.keep


def _remember(memory: Memory, seen: Seen, arm: Arm, now: Any) -> None:
    """Put an episode's samples into a memory, one after another."""
    loss = loss_of(now, seen) if arm.keep == "loss" else np.zeros(len(seen.weight))
    for snr, mean, weight, lost in zip(*seen, loss, strict=True):
        memory.add(snr, mean, weight, float(lost))


def episodes_part(scale: OnlineScale, seeds: Sequence[int]) -> Part:
    """The tables of the four episodes.

    Parameters
    ----------
    scale : OnlineScale
        Samples and memory.
    seeds : sequence of int
        Of samples and first weights.
    """
    words = (
        f"The four episodes of `drift` one after another, {scale.episode_samples:,} samples each, "
        f"new places for every sample, {draws.USERS} users, exact CSI, {len(seeds)} seeds, "
        f"{scale.tests:,} held-out draws for each episode. Memories have room for "
        f"{scale.memory:,} samples (joint: for all), and one lesson follows each episode. Sum rate "
        "in % of WMMSE's; half of a paired 95% interval over seeds. Of perceptrons trained in the "
        "same four episodes, the published code reaches (scored with rows as receivers) "
        + ", ".join(f"{name} {value}%" for name, value in _PUBLISHED.items())
        + " over all four after the last."
    )
    return Part(
        "episodes",
        "Four episodes, learned one after another",
        words,
        tuple(episode_units(scale, seeds)),
        _document,
    )


def after_all(results: Sequence[Result], label: str) -> Found:
    """Mean ratio over all episodes after the last one, over seeds."""
    ratios = []
    for result in results:
        reference = np.array(result["rates"][_REFERENCE][-1])
        ratios.append(float((np.array(result["rates"][label][-1]) / reference).mean()))
    return found(ratios, [1.0] * len(ratios))


def _document(results: Sequence[Result]) -> Document:
    labels = [label for label in results[0]["rates"] if label != _REFERENCE]
    cells, details, rows = [], [], []
    for label in labels:
        each = [_cell(results, label, -1, number) for number in range(len(draws.EPISODES))]
        mean = after_all(results, label)
        cells.append(
            (f"`{label}`" if "," not in label else label, *map(percent, each), percent(mean))
        )
        rows.append({"who": label, "after": draws.EPISODES[-1], "on": "all", **mean.row()})
        stages = len(results[0]["rates"][label])
        lines = []
        for stage in range(stages):
            after = draws.EPISODES[stage] if stages > 1 else ""
            line = [_cell(results, label, stage, number) for number in range(len(draws.EPISODES))]
            lines.append((after or "always", *map(percent, line)))
            rows += [
                {"who": label, "after": after, "on": name, **one.row()}
                for name, one in zip(draws.EPISODES, line, strict=True)
            ]
        if stages > 1:
            details.append(Grid(f"{label}, after", ("episode", *draws.EPISODES), lines))
    grid = Grid("", ("after the last episode", *draws.EPISODES, "mean of four"), cells)
    return Document([grid], details, rows)


def _cell(results: Sequence[Result], label: str, stage: int, number: int) -> Found:
    values = [result["rates"][label][stage][number] for result in results]
    return found(values, [result["rates"][_REFERENCE][-1][number] for result in results])
