"""What a trained network is worth: the compiled controller on draws nobody has learned from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from slotwise.controllers.base import Controller
from slotwise.controllers.cards import Result
from slotwise.emulator.drops import draw
from slotwise.emulator.scenario import Scenario, load
from slotwise.runs.evaluation import evaluate

__all__ = ["TEST_SEED", "judge"]

TEST_SEED = 20180
"""Seed of the draws that a trained network is judged on."""

_CONTROLLERS = {"mlp": "Mlp", "graph": "Graph", "unrolled": "Unrolled"}
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
        ``mlp``, ``graph`` or ``unrolled``.
    weights : Path
        Its weights file.
    scenario : Scenario, optional
        What is drawn; left out: independent Rayleigh fading at 10 to 100 users.
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
        One for each number of users.
    """
    if scenario is None:
        name, sizes = _WHERE_ALL_KINDS
        scenario = load(name)
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
    module = import_module(f"slotwise.controllers.{network}")
    controller: Controller = getattr(module, _CONTROLLERS[network])(str(weights), rounding=rounding)
    controller.name = f"{network} {rounding}"
    controller.reset(None, 0)
    return controller


def _percent(ratio: float | None) -> float:
    """Zero where WMMSE itself carries nothing."""
    return 0.0 if ratio is None else round(100.0 * ratio, 4)
