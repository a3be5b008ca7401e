"""Networks of every kind for bits per joule, drawn afresh for every step.

What makes them differ is who hears whom: users around one station of many antennas, who differ by
decades in strength and whom combining keeps apart; users of four stations; and the pairs, cells and
links of `slotwise.controllers.training.randomised`. Everywhere the largest power goes from -30 to
20 dBW, so that silence costs nothing at one end and everything at the other.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slotwise.controllers.networks.energy import Links
from slotwise.controllers.training.randomised import draw_networks
from slotwise.emulator.drops import draw
from slotwise.emulator.scenario import Scenario, load

__all__ = ["LEAST_SNR", "MOST_SNR", "draw_links"]

Array = NDArray[np.float64]

LEAST_SNR, MOST_SNR = 1e-9, 1e14
"""Gains in units of noise at full power are held between these."""

LOWEST_DBW, HIGHEST_DBW = -30.0, 20.0
"""Largest powers that are learned."""

_SIZES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32)
_SIZE_SHARES = (0.04, 0.05, 0.14, 0.05, 0.08, 0.12, 0.25, 0.09, 0.10, 0.05, 0.03)
_FEWEST = 4
_MOST_ANTENNAS = 128


def draw_links(seed: int, step: int, users: int, apart_share: float) -> Links:
    """Networks of one step, all of one size and one kind.

    Parameters
    ----------
    seed, step : int
        Fix the draw.
    users : int
        Of all networks together.
    apart_share : float
        How often everyone's bits count per joule of its own, between 0 and 1.
    """
    rng = np.random.default_rng((seed, step))
    kind = rng.random()
    if kind < 0.68:
        snr = _one_cell(rng, users, published=kind < 0.55)
    elif kind < 0.80:
        snr = _drawn("four-cells", {}, rng, users, 4)
    else:
        snr = _any(rng, users)
    count, size = snr.shape[:2]
    p_max = 10.0 ** (rng.uniform(LOWEST_DBW, HIGHEST_DBW, (count, 1)) / 10.0) * np.ones((1, size))
    if rng.random() < 0.1:  # limits of their own
        p_max = p_max * 10.0 ** rng.uniform(-1.5, 0.0, (count, size))
    cost = 4.0 * p_max
    if rng.random() < 0.2:  # other amplifiers and circuits
        cost = cost * 10.0 ** rng.uniform(-1.0, 0.7, (count, 1))
    weight = np.ones((count, size))
    if rng.random() < 0.15:
        weight = 10.0 ** (-rng.uniform(0.0, 1.5, (count, 1)) * rng.random((count, size)))
        weight /= weight.mean(axis=1, keepdims=True)
    return Links(
        _tensor(np.clip(snr * p_max[:, None, :], LEAST_SNR, MOST_SNR)),
        _tensor(cost),
        _tensor(weight),
        bool(rng.random() < apart_share),
    )


def _one_cell(rng: np.random.Generator, users: int, *, published: bool) -> Array:
    """Gains at 1 W over noise around one station, as published or of another size and law."""
    size = int(rng.choice(_SIZES, p=_SIZE_SHARES))
    antennas = round(size * 2.0 ** rng.uniform(-1.0, 3.0))
    changes: dict[str, Any] = {"station_antennas": int(np.clip(antennas, 4, _MOST_ANTENNAS))}
    if published:
        return _drawn("wide-cell", {"layout": changes}, rng, users, size)
    changes["radius_m"] = 10.0 ** rng.uniform(2.0, 3.2)
    law = {"exponent": rng.uniform(2.5, 4.5), "gain_db": -81.0 + rng.uniform(-15.0, 15.0)}
    return _drawn("wide-cell", {"layout": changes, "path_loss": law}, rng, users, size)


def _any(rng: np.random.Generator, users: int) -> Array:
    """Gains at 1 W of pairs, cells and links of every kind, at any level."""
    drawn = draw_networks(int(rng.integers(2**31)), 0, users)
    snr: Array = drawn.snr.double().numpy() * 10.0 ** rng.uniform(0.0, 5.0)
    return snr


def _drawn(
    name: str, changes: dict[str, dict[str, Any]], rng: np.random.Generator, users: int, size: int
) -> Array:
    """Gains at 1 W over noise of a built-in scenario with some fields changed."""
    scenario = _builtin(name)
    if changes:
        layout = scenario.layout.model_copy(update=changes["layout"])
        law = scenario.channel.path_loss.model_copy(update=changes.get("path_loss", {}))
        channel = scenario.channel.model_copy(update={"path_loss": law})
        scenario = scenario.model_copy(update={"layout": layout, "channel": channel})
    drops = draw(scenario, max(_FEWEST, users // size), int(rng.integers(2**63)), size)
    snr: Array = drops.gain / drops.noise_power[:, None]
    return snr


@functools.cache
def _builtin(name: str) -> Scenario:
    return load(name)


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
