"""What a network for bits per joule is worth: one largest power after the other, on fresh draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from slotwise.controllers.base import Controller
from slotwise.controllers.cards import Result
from slotwise.emulator.drops import draw
from slotwise.emulator.radio import from_dbm
from slotwise.emulator.scenario import Scenario
from slotwise.runs.evaluation import evaluate

__all__ = ["ENERGY", "LEVELS_DBM", "WHERE", "judge_efficiency"]

ENERGY = {"mlp-ee": "energy_mlp:MlpEnergy", "unrolled-ee": "energy:UnrolledEnergy"}
"""Networks for bits per joule, and the controllers that decide by them."""

LEVELS_DBM = (0, 10, 20, 30, 40, 50)
"""Largest powers that they are judged at: -30 to 20 dBW."""

_SOLVER = "fractional"

WHERE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("four-cells", ()),
    ("wide-cell", ("layout.station_antennas=8",)),
    ("wide-cell", ()),
)
"""Scenarios, and what is set in them, where a network was made for none."""


def judge_efficiency(
    network: str,
    weights: Path,
    scenario: Scenario,
    links: int,
    record: tuple[tuple[str, ...], int, int],
    *,
    progress: bool = False,
) -> Iterator[Result]:
    """Compare a network's bits per joule with those of `fractional`, the best of its starts.

    Parameters
    ----------
    network : str
        One of `ENERGY`.
    weights : Path
        Its weights file.
    scenario : Scenario
        What is drawn. Whatever it is for, here it is for bits per joule, and nothing is promised.
    links : int
        Users of a draw.
    record : (tuple of str, int, int)
        What was set in the scenario, the seed of the draws, and how many.
    progress : bool
        Show a bar.

    Yields
    ------
    Result
        One for each of `LEVELS_DBM`, on the same draws.
    """
    overrides, seed, samples = record
    drawn = draw(scenario, samples, seed, links)
    objective = drawn.objective._replace(aim="energy-efficiency", min_rate=0.0)
    for level in LEVELS_DBM:
        p_max = np.full(links, float(from_dbm(float(level))))
        drops = replace(drawn, p_max=p_max, objective=objective)
        controller = _controller(network, weights)
        each = evaluate(drops, [_SOLVER, controller], latency_samples=1, progress=progress)
        figures = each[controller.name]
        relative, low, high = (
            round(100.0 * (figures[name] or 0.0), 4)
            for name in ("relative", "relative_low", "relative_high")
        )
        yield Result(
            scenario=scenario.name,
            overrides=[*overrides, f"radio.p_max_dbm={level}"],
            users=links,
            samples=samples,
            seed=seed,
            relative=relative,
            low=low,
            high=high,
        )


def _controller(network: str, weights: Path) -> Controller:
    place, _, name = ENERGY[network].partition(":")
    controller: Controller = getattr(import_module(f"slotwise.controllers.{place}"), name)(
        str(weights)
    )
    controller.name = f"{network} judged"
    controller.reset(None, 0)
    return controller
