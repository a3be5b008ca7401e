"""What a trained network is worth: the compiled controller on draws nobody has learned from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from slotwise.controllers.base import Controller
from slotwise.controllers.cards import Result
from slotwise.emulator.drops import draw
from slotwise.emulator.scenario import Scenario, load
from slotwise.runs.evaluation import evaluate
from slotwise.runs.judging_efficiency import ENERGY, WHERE, judge_efficiency

__all__ = ["TEST_SEED", "judge"]

TEST_SEED = 20180
"""Seed of the draws that a trained network is judged on."""

_CONTROLLERS = {
    "mlp": "mlp:Mlp",
    "graph": "graph:Graph",
    "unrolled": "unrolled:Unrolled",
    "unrolled-late": "late:UnrolledLate",
}
_WHERE_ALL_KINDS = ("gaussian-ic", (10, 20, 30, 50, 100))
_LARGE, _FEWER = 100, 5


def judge(
    network: str,
    weights: Path,
    scenario: Scenario | None = None,
    overrides: tuple[str, ...] = (),
    links: int | None = None,
    samples: int = 10_000,
    progress: bool = False,
) -> Iterator[Result]:
    """Compare a trained network with WMMSE from full power, raw and rounded.

    Parameters
    ----------
    network : str
        ``mlp``, ``graph``, ``unrolled``, or ``unrolled-late``, which is told that all is known;
        ``mlp-ee`` or ``unrolled-ee``.
    weights : Path
        Its weights file.
    scenario : Scenario, optional
        What is drawn; left out: independent Rayleigh fading at 10 to 100 users, or at `links`.
    overrides : tuple of str
        What was set in the scenario, for the record.
    links : int, optional
        Users of a draw; left out: the scenario's.
    samples : int
        Draws; a fifth of them at 100 users, and fewer as users get more.
    progress : bool
        Show a bar.

    Yields
    ------
    Result
        One for each number of users; of a network for bits per joule, see `judge_efficiency`.
    """
    if network in ENERGY:
        for each, changes in (
            [(load(name, changes), changes) for name, changes in WHERE]
            if scenario is None
            else [(scenario, overrides)]
        ):
            users, record = links or each.population.initial_users, (changes, TEST_SEED, samples)
            yield from judge_efficiency(network, weights, each, users, record, progress=progress)
        return
    if scenario is None:
        name, sizes = _WHERE_ALL_KINDS
        scenario = load(name)
        sizes = sizes if links is None else (links,)  # type: ignore[assignment]
    else:
        sizes = (links or scenario.population.initial_users,)  # type: ignore[assignment]
    for users in sizes:
        count = samples if users < _LARGE else max(2, samples * _LARGE**2 // (_FEWER * users**2))
        drops = draw(scenario, count, TEST_SEED, users)
        raw, rounded = (_controller(network, weights, kind) for kind in ("none", "half"))
        figures = evaluate(drops, ["wmmse", raw, rounded], latency_samples=1, progress=progress)
        relative = figures[raw.name]
        yield Result(
            scenario=scenario.name,
            overrides=list(overrides),
            users=users,
            samples=count,
            seed=TEST_SEED,
            relative=_percent(relative["relative"]),
            relative_rounded=_percent(figures[rounded.name]["relative"]),
            low=_percent(relative["relative_low"]),
            high=_percent(relative["relative_high"]),
        )


def _controller(network: str, weights: Path, rounding: str) -> Controller:
    place, _, name = _CONTROLLERS[network].partition(":")
    made = getattr(import_module(f"slotwise.controllers.{place}"), name)
    controller: Controller
    if network == "unrolled-late":  # its powers are not rounded by itself
        controller = made(str(weights))
        controller = _AtHalf(controller) if rounding == "half" else controller
    else:
        controller = made(str(weights), rounding=rounding)
    controller.name = f"{network} {rounding}"
    controller.reset(None, 0)
    return controller


class _AtHalf(Controller):
    """Powers of another controller, rounded at half."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def allocate(self, gain: Any, noise_power: Any, p_max: Any, weight: Any = None) -> Any:
        power = self._controller.allocate(gain, noise_power, p_max, weight)
        return np.where(power > 0.5 * np.asarray(p_max), p_max, 0.0)


def _percent(ratio: float | None) -> float:
    """Zero where WMMSE itself carries nothing."""
    return 0.0 if ratio is None else round(100.0 * ratio, 4)
