"""Both networks' optima, found in several ways: the part of the study without any learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from slotwise.emulator.radio import from_dbm
from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import look
from slotwise.runs.report.quantities import number
from slotwise.runs.studies.density import grid, poisson
from slotwise.runs.studies.density.cellular import Array
from slotwise.runs.studies.density.search import (
    CANDIDATES,
    GridDrop,
    grid_efficiency,
    poisson_efficiency,
    searched,
)
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit

__all__ = ["optima_part"]

_LEVELS_DBM = np.arange(-10.0, 61.0, 10.0)
_DROPS = (1, 10)
_TICKS_PER_KM2 = (20, 50, 100, 200, 500)
_HEADS = ("transmit power [dBm]", *(f"{level:.0f}".replace("-", "−") for level in _LEVELS_DBM))


def optima_part(seed: int, checks: int, searches: int) -> Part:
    """The part, not yet computed.

    Parameters
    ----------
    seed : int
        Of the simulations.
    checks, searches : int
        Drops that check an energy efficiency; searches that tell the noise of an optimum.
    """
    identity = {"seed": seed, "checks": checks, "searches": searches}
    steps = _LEVELS_DBM.size * (checks + searches * len(_DROPS))
    unit = Unit("optima", "optima", steps, lambda: identity, lambda done: _compute(identity, done))
    words = (
        "The density of stations with the largest energy efficiency over their transmit power: of "
        "the Poisson network by the closed form, of the square grid by an integral over a cell. "
        f"Each is checked by {checks} simulated drops of 400 stations at its own optimum "
        "(simulated over computed energy efficiency, ± two standard errors), and the grid's "
        "optimum is also searched by simulation at 301 densities, 0.02 decades apart: what comes "
        "out differs from search to search, and that is the noise of a real sample's label."
    )
    return Part("optima", "Optima of both networks", words, (unit,), _document)


def _compute(identity: dict[str, int], done: Callable[[int], None]) -> dict[str, Any]:
    rng = np.random.default_rng((identity["seed"], 20190))
    checks, searches = identity["checks"], identity["searches"]
    power = from_dbm(_LEVELS_DBM)
    found = {"poisson": poisson.best_log_density(power), "grid": grid.best_log_density(power)}
    rows, steps = [], 0
    for place, transmit in enumerate(power):
        logs = {name: float(best[place]) for name, best in found.items()}
        at = {name: np.asarray(10.0**log) for name, log in logs.items()}
        value = {
            "poisson": float(poisson.efficiency(at["poisson"], transmit)),
            "grid": float(grid.efficiency(at["grid"], transmit)),
        }
        simulated: dict[str, list[float]] = {"anyone": [], "served": [], "grid": []}
        for _ in range(checks):
            drop = poisson_efficiency(logs["poisson"], float(transmit), rng)
            simulated["anyone"].append(drop.anyone / value["poisson"])
            simulated["served"].append(drop.served / value["poisson"])
            where = np.asarray([logs["grid"]])
            seen = grid_efficiency(GridDrop(rng), where, float(transmit))
            simulated["grid"].append(float(seen[0]) / value["grid"])
            done(steps := steps + 1)
        row: dict[str, Any] = {"level_dbm": float(_LEVELS_DBM[place])}
        for name, log in logs.items():
            row |= {f"{name}_per_km2": 10.0 ** (log + 6.0), f"{name}_bit_per_j": value[name]}
        row["model_loses"] = 1.0 - float(grid.efficiency(at["poisson"], transmit)) / value["grid"]
        for name, ratios in simulated.items():
            row[f"{name}_simulated"] = float(np.mean(ratios))
            row[f"{name}_error"] = float(np.std(ratios, ddof=1) / np.sqrt(len(ratios)))
        for drops in _DROPS:
            many = np.full(searches, transmit)
            noise = searched(many, rng, drops) - logs["grid"]
            row[f"noise_{drops}"] = float(np.sqrt(np.mean(noise**2)))
            row[f"bias_{drops}"] = float(noise.mean())
            done(steps := steps + searches)
        rows.append(row)
    return {"rows": rows}


def _document(results: Sequence[Result]) -> Document:
    rows = results[0]["rows"]

    def line(words: str, key: str, scale: float = 1.0, digits: int = 3) -> tuple[str, ...]:
        return (words, *(number(scale * row[key], digits) for row in rows))

    def ratio(words: str, key: str) -> tuple[str, ...]:
        cells = (f"{row[f'{key}_simulated']:.3f} ± {2.0 * row[f'{key}_error']:.3f}" for row in rows)
        return (words, *cells)

    best = [
        line("Poisson, closed form: best density [1/km²]", "poisson_per_km2"),
        line("its energy efficiency [kbit/J]", "poisson_bit_per_j", 1e-3),
        line("square grid, integral: best density [1/km²]", "grid_per_km2"),
        line("its energy efficiency [kbit/J]", "grid_bit_per_j", 1e-3),
        line("lost on the grid by the Poisson optimum [%]", "model_loses", 100.0),
    ]
    checks = [
        ratio("Poisson, coverage of any user", "anyone"),
        ratio("Poisson, one user of each station", "served"),
        ratio("square grid", "grid"),
    ]
    noise = [
        line(f"{drops} drop{'s' * (drops > 1)}: {words}", f"{key}_{drops}", digits=2)
        for drops in _DROPS
        for key, words in (("noise", "root mean square"), ("bias", "mean"))
    ]
    grids = [
        Grid("Best densities", _HEADS, best),
        Grid("Simulated over computed energy efficiency", _HEADS, checks),
        Grid("Searched minus exact optimum of the grid [decades]", _HEADS, noise),
    ]
    notes = (
        "The closed form takes every user of the network for its coverage; where one user of each "
        "station is served, small cells count as much as large ones and coverage is larger.",
        "Around 30 dBm energy efficiency changes so little with the density that a search by "
        "simulation misses the optimum by a fifth of a decade, and loses next to nothing by it.",
    )
    return Document(grids, rows=rows, notes=notes, drawings=lambda: [_draw(rows)])


def _draw(rows: Sequence[Result]) -> Drawing:
    """Best density over transmit power, both networks, and where searches end."""
    looks = {"Poisson, closed form": look(0), "square grid, integral": look(1)}
    extra = "grid, 10 drops simulated: ± root mean square"
    figure = sheet(3.0, [*looks, extra])
    axes = figure.add_subplot()
    level = np.linspace(_LEVELS_DBM[0], _LEVELS_DBM[-1], 281)
    curves: tuple[Array, ...] = (
        poisson.best_log_density(from_dbm(level)),
        grid.best_log_density(from_dbm(level)),
    )
    for style, curve in zip(looks.values(), curves, strict=True):
        axes.plot(level, 10.0 ** (curve + 6.0), color=style.colour, linestyle=style.linestyle)
    centre = np.array([row["grid_per_km2"] for row in rows])
    noise = 10.0 ** np.array([row[f"noise_{_DROPS[-1]}"] for row in rows])
    colour = looks["square grid, integral"].colour
    bars = axes.errorbar(
        [row["level_dbm"] for row in rows],
        centre,
        yerr=[centre - centre / noise, centre * noise - centre],
        color=colour,
        linestyle="none",
        marker="o",
        markersize=3.5,
        capsize=3.0,
    )
    axes.set_yscale("log")
    axes.set_yticks(_TICKS_PER_KM2, [f"{tick:g}" for tick in _TICKS_PER_KM2])
    axes.yaxis.set_minor_formatter(lambda *_: "")
    axes.set_xlabel("transmit power [dBm]")
    axes.set_ylabel("best density [1/km²]")
    keys(figure, looks, extra=[(bars.lines[0], extra)])
    caption = (
        "Density of stations with the largest energy efficiency. Bars: how far searches by "
        f"simulation, at {CANDIDATES.size} densities on {_DROPS[-1]} drops, end from it."
    )
    label = "Line chart of the best density over transmit power, Poisson and square grid."
    return finish(figure, "optima", "Best densities", caption, label)
