"""Frozen drops: many independent instants of a scenario, drawn at once.

A drop is what papers average over: stations, users, shadowing and fading drawn afresh for every
sample, nobody coming or going. It uses the same layouts, propagation and fading as the living
network, on arrays with a leading axis of samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator import fading, layout
from slotwise.emulator.combining import draw_combined
from slotwise.emulator.measured import read_gains
from slotwise.emulator.medium import user_gains
from slotwise.emulator.network import noise_power_w
from slotwise.emulator.objective import SUM_RATE, Objective
from slotwise.emulator.propagation import mean_gain
from slotwise.emulator.radio import from_db, from_dbm
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.emulator.streams import Cause, Streams

__all__ = ["Drops", "draw"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drops:
    """Frozen networks of K users.

    Attributes
    ----------
    gain : ndarray, shape (samples, K, K), float64
        Power gains, ``gain[n, k, j]`` from transmitter j to the receiver of k.
    noise_power, p_max, weight : ndarray, shape (K,), float64
        Noise [W], largest powers [W], weights of the sum rate.
    sinr_cap : float or None
        Largest SINR that the rate counts, linear.
    objective : Objective
        What their powers are for.
    """

    gain: Array
    noise_power: Array
    p_max: Array
    weight: Array
    sinr_cap: float | None
    objective: Objective = SUM_RATE


_DEFAULT_SAMPLES = 10_000


def draw(
    scenario: Scenario, samples: int | None = None, seed: int = 0, links: int | None = None
) -> Drops:
    """Draw frozen networks of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Its layout, channel and radio; episodes, population and time play no part.
    samples : int, optional
        How many; left out: 10,000, or every slot of a replayed measurement.
    seed : int
        Fixes the draws. Replayed measurements are not drawn: the first ones are taken.
    links : int, optional
        Users in each; left out: ``population.initial_users``.

    Raises
    ------
    InputError
        If there is not at least one sample and one link, there are more than 1,000 links or more
        samples than were measured, or a file is unusable.
    """
    users = scenario.population.initial_users if links is None else links
    if samples is not None and samples < 1:
        raise InputError(f"samples = {samples}: must be at least 1")
    if not 1 <= users <= 1000:
        raise InputError(f"links = {users}: must be between 1 and 1000")
    radio = scenario.radio
    return Drops(
        gain=np.ascontiguousarray(
            _gains(scenario, samples, users, Streams(seed).network(Cause.DROPS, 0))
        ),
        noise_power=np.full(users, noise_power_w(radio)),
        p_max=np.full(users, float(from_dbm(radio.p_max_dbm))),
        weight=np.ones(users),
        sinr_cap=None if radio.sinr_cap_db is None else float(from_db(radio.sinr_cap_db)),
        objective=Objective.of(scenario),
    )


def _gains(scenario: Scenario, wanted: int | None, users: int, rng: np.random.Generator) -> Array:
    plan, channel = scenario.layout, scenario.channel
    if channel.fading == "replay":
        return _replayed(scenario, wanted, users)
    samples = _DEFAULT_SAMPLES if wanted is None else wanted
    if plan.kind == "links":
        ones = np.ones((samples, users, users))
        sight, shadow = rng.random(ones.shape), rng.standard_normal(ones.shape)
        return mean_gain(channel, ones, sight, shadow) * fading.draw(channel, ones.shape, rng)

    places = layout.place_stations(plan, rng, users, networks=samples)
    home = np.broadcast_to(layout.homes(plan, places, users), (samples, users))
    user = layout.drop_users(plan, places, home, rng)
    station = layout.drop_receivers(plan, user, rng) if plan.kind == "pairs" else places.station
    length = layout.distance(station, user, places.tiles)
    mean = mean_gain(channel, length, rng.random(length.shape), rng.standard_normal(length.shape))
    if plan.kind == "pairs":
        own = np.arange(users)
        mean[:, own, own] *= from_db(plan.direct_gain_db)
        return mean * fading.draw(channel, mean.shape, rng)

    serving = (
        layout.cell_of(plan, places, home, user)
        if plan.association == "home"
        else layout.associate(mean)
    )
    downlink, several = plan.direction == "downlink", plan.station_antennas
    if plan.antennas == "shared" and several == 1:
        return user_gains(mean * fading.draw(channel, mean.shape, rng), serving, downlink)
    coupling = np.take_along_axis(mean, serving[:, :, None], axis=1)
    if several > 1:
        coupling *= draw_combined(channel, serving, mean.shape[1], several, rng)
    else:
        coupling *= fading.draw(channel, coupling.shape, rng)
    return user_gains(coupling, None, downlink)


def _replayed(scenario: Scenario, samples: int | None, users: int) -> Array:
    channel = scenario.channel
    measured = read_gains(Path(str(channel.replay_path)), channel.replay_transmit_dbm)
    if measured.shape[-1] < users:
        raise InputError(
            f"links = {users}: {channel.replay_path} has measured {measured.shape[-1]} links"
        )
    if samples is not None and samples > len(measured):
        raise InputError(
            f"samples = {samples}: {channel.replay_path} has measured {len(measured)} slots, and "
            "each can be taken once"
        )
    return measured[:samples, :users, :users]
