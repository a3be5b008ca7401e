"""Samples of a network that is not the one of the model, and others to be judged on.

A sample is what a report would say: gains in units of noise at full power, with the long-term gains
that were told with it. Test draws come in pairs, as they are reported and as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.online.memory import Seen
from slotwise.emulator import fading
from slotwise.emulator.csi import estimate
from slotwise.emulator.drops import draw
from slotwise.emulator.measured import read_gains
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.emulator.wifi import read_wifi_survey, wifi_links
from slotwise.runs.studies.measurement import draw_seed

__all__ = ["EPISODES", "PAIRS", "USERS", "Measured", "Samples", "episode", "measured", "pairs"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

USERS = 10
PAIRS = (
    'layout={kind="pairs",side_m=250.0,link_min_m=10.0,link_max_m=60.0}',
    'channel.path_loss={kind="power-law",reference_m=120.0,exponent=3.5}',
    "channel.min_distance_m=3.0",
    "channel.shadowing_db=8.0",
    "channel.rician_k_db=6.0",
)
"""What makes device pairs of the Gaussian interference channel: path loss, shadowing, a Rice factor
of 6 dB."""
EPISODES = ("Rayleigh", "Rice", "Geometry10", "Geometry50")

_IMPERFECT = (
    "csi.error_nmse_db=-10",
    "csi.quantisation_bits=6",
    "csi.quantisation_min_db=-60",
    "csi.quantisation_max_db=60",
)
_PLACEMENTS = 300
_LEARNED, _HELD_OUT = range(2)
_TRANSMIT_DBM = 20.0


class Samples(NamedTuple):
    """What is learned from, and what is judged on.

    Attributes
    ----------
    seen : Seen
        Samples, in the order in which they were made.
    reported, true : ndarray, shape (n, K, K), float64
        Held-out draws: gains as reported and as they are, in units of noise at full power.
    """

    seen: Seen
    reported: Array
    true: Array


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured gains of one's own.

    Attributes
    ----------
    path : Path
        File of gains in the order in which they were measured, or folder of a Wi-Fi survey.
    noise_power, p_max : float
        Of every user [W].
    """

    path: Path
    noise_power: float
    p_max: float


def pairs(kind: str, samples: int, tests: int, seed: int, *, imperfect: bool = False) -> Samples:
    """Samples of device pairs.

    Parameters
    ----------
    kind : {"random", "fixed"}
        A new site for each sample, or one for all of a seed.
    samples, tests : int
        How many to learn from, and to judge on.
    seed : int
        Fixes sites and fading.
    imperfect : bool
        Gains are reported with an estimation error of 10 dB below the mean, in 6 bits over -60 to
        60 dB.
    """
    scenario = load("gaussian-ic", [*PAIRS, *(_IMPERFECT if imperfect else ())])
    return _drawn(scenario, samples, tests, seed, fixed=kind == "fixed")


def episode(number: int, samples: int, tests: int, seed: int) -> Samples:
    """Samples of an episode of the scenario ``drift``, each with new places."""
    scenario = load("drift")
    chosen = scenario.episodes[number]
    layout = chosen.layout or scenario.layout
    channel = chosen.channel or scenario.channel
    stage = scenario.model_copy(update={"layout": layout, "channel": channel, "episodes": []})
    return _drawn(stage, samples, tests, seed * len(EPISODES) + number, fixed=False)


def measured(given: Measured, samples: int, tests: int, seed: int) -> Samples:
    """Samples of measured gains: learned from early ones, judged on late ones.

    Of a survey, 300 placements of the users are drawn; what was measured in the first half of the
    time at every point is learned from, what was measured later is judged on. Long-term gains are
    means of the first half. Of a file, the first half of the slots is learned from.

    Raises
    ------
    InputError
        If there is nothing that can be divided.
    """
    rng = np.random.default_rng((draw_seed(seed), 2))
    try:
        early, late = _halves(given, rng)
    except ValueError as error:
        raise InputError(f"{given.path}: {error}") from None
    per_noise = given.p_max / given.noise_power
    mean = np.repeat(early.mean(axis=1, keepdims=True), early.shape[1], axis=1)
    order = rng.permutation(early.shape[0] * early.shape[1])[:samples]
    chosen = rng.permutation(late.shape[0] * late.shape[1])[:tests]
    seen = _seen(_flat(early)[order] * per_noise, _flat(mean)[order] * per_noise)
    test = _flat(late)[chosen] * per_noise
    return Samples(seen, test, test)


def told(given: Measured) -> Mapping[str, Any]:
    """What a result on measured gains depends on."""
    return {
        "gains": given.path.name,
        "noise_power": given.noise_power,
        "p_max": given.p_max,
        "placements": _PLACEMENTS,
    }


def _halves(given: Measured, rng: np.random.Generator) -> tuple[Array, Array]:
    """Gains by placement and time, [placements, times, K, K], early and late."""
    if given.path.is_dir():
        survey = read_wifi_survey(given.path)
        every = [wifi_links(survey, USERS, _TRANSMIT_DBM, rng) for _ in range(_PLACEMENTS)]
        times = min(len(one) for one in every)
        gain = np.stack([one[:times] for one in every])
    else:
        gain = read_gains(given.path, _TRANSMIT_DBM)[None]
        times = gain.shape[1]
    if times < 2 or gain.shape[-1] != USERS:
        raise ValueError(f"shape {gain.shape[1:]}: two slots of {USERS} users are needed")
    return gain[:, : times // 2], gain[:, times // 2 :]


def _flat(gain: Array) -> Array:
    return gain.reshape(-1, *gain.shape[2:])


def _drawn(scenario: Scenario, samples: int, tests: int, seed: int, *, fixed: bool) -> Samples:
    snr, mean, _ = _parts(scenario, samples, seed, _LEARNED, fixed=fixed)
    reported, _, true = _parts(scenario, tests, seed, _HELD_OUT, fixed=fixed)
    return Samples(_seen(snr, mean), reported, true)


def _parts(
    scenario: Scenario, count: int, seed: int, turn: int, *, fixed: bool
) -> tuple[Array, Array, Array]:
    """Reported, mean and true gains in units of noise at full power."""
    still = scenario.channel.model_copy(update={"fading": "none"})
    places = scenario.model_copy(update={"channel": still})
    # One site for all samples of a seed, learned from or not; else new sites for either.
    drops = draw(places, 1 if fixed else count, draw_seed(seed, 0 if fixed else turn), USERS)
    mean = drops.gain * (drops.p_max / drops.noise_power[:, None])
    mean = np.repeat(mean, count, axis=0) if fixed else mean
    rng = np.random.default_rng((draw_seed(seed, turn), 1))
    true = mean * fading.draw(scenario.channel, mean.shape, rng)
    csi = scenario.csi
    if csi.error_nmse_db is None and csi.quantisation_bits is None:
        return true, mean, true
    return estimate(csi, true, mean, [rng] * count), mean, true


def _seen(snr: Array, mean: Array) -> Seen:
    weight = np.ones(snr.shape[:2], np.float32)
    return Seen(snr.astype(np.float32), mean.astype(np.float32), weight)
