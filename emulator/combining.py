"""Maximum-ratio combining: what a station with several antennas makes of small-scale fading.

In the uplink every antenna of station s hears user j over a channel of its own. The station weighs
its antennas for user k by that user's own channels, w = f_k / ||f_k||, which is the best against
noise (D. G. Brennan, "Linear diversity combining techniques", Proc. IRE 47(6), 1959). Noise stays
what it is at one antenna, and user j is heard with the power

    |f_k^H f_j|² / ||f_k||²,    f the fading of each to the A antennas of the station of k,

times its mean gain to that station. Of user k itself that is ||f_k||², in the mean A; of all
others, whose channels do not depend on f_k, in the mean 1, whatever A. So combining is an antenna
of one's own that a handover changes at once.

Antennas of a station fade independently, as among rich scatterers: no angles, no correlation
between antennas and no direct path, whose phases those would fix.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import jn_zeros

from slotwise.emulator.fading import EVERY, Fading, Rngs, Rows, Shape, make_fading
from slotwise.emulator.kernels import fading as kernels
from slotwise.emulator.kernels.combining import combine
from slotwise.emulator.sections import Channel

__all__ = ["Combined", "draw_combined"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_BLOCK = 2_000_000
"""Most real numbers drawn at a time: 16 MB."""


class Combined(Fading):
    """Fading of every user as combined for every other: `power` at ``[b, k, j]``, shape (B, M, M).

    Parameters
    ----------
    channel : Channel
        As of `make_fading`; kinds ``iid``, ``gauss-markov`` and ``sinusoids``, without Rice factor.
    slot_s : float
        Slot duration [s].
    shape : (B, S, M)
        Networks, stations, user rows.
    antennas : int
        A, of each station.
    serving : ndarray, shape (B, M), int64
        Station of each user; kept, and read at every step.
    rngs : sequence of B generators
        Network b draws from the b-th.

    Attributes
    ----------
    mean : ndarray, shape (M, M), float64
        A on the diagonal, 1 elsewhere.
    inner : Fading
        That of every antenna: shape (B, S A, M), antenna a of station s at s A + a.
    """

    mean: Array

    def __init__(
        self,
        channel: Channel,
        slot_s: float,
        shape: Shape,
        antennas: int,
        serving: Index,
        rngs: Rngs,
    ) -> None:
        networks, stations, rows = shape
        self._moves = channel.fading != "iid"
        if not self._moves:
            channel = _of_no_memory(channel, slot_s)
        self.inner = make_fading(channel, slot_s, (networks, stations * antennas, rows), rngs)
        self._antennas, self._serving = antennas, serving
        self.mean = np.where(np.eye(rows, dtype=bool), float(antennas), 1.0)
        self.power = np.empty((networks, rows, rows))
        self.recombine()

    def advance(self) -> None:
        """Move every antenna's channels on by one slot, and combine them."""
        self.inner.advance()
        self.recombine()

    def recombine(self, networks: slice = EVERY) -> None:
        """Combine anew, because users have changed their stations."""
        parts = kernels.parts_of(self.inner.process, self.inner.power.shape)
        combine(parts[networks], self._serving[networks], self._antennas, self.power[networks])

    def renew(self, network: int, row: int, rng: np.random.Generator, own_station: bool) -> None:  # noqa: ARG002
        """Give a user row to a new occupant; stations, and so their antennas, belong to nobody."""
        self.inner.renew(network, row, rng, False)
        self.recombine(slice(network, network + 1))

    def set_doppler(
        self, network: int, rows: Rows, doppler_hz: ArrayLike, stations: Rows = EVERY
    ) -> None:
        """State the maximum Doppler frequency of users to all antennas of all stations."""
        if self._moves:
            self.inner.set_doppler(network, rows, doppler_hz, stations)


def _of_no_memory(channel: Channel, slot_s: float) -> Channel:
    """Fading that is independent from slot to slot and has phases, which ``iid`` has not."""
    # At the first zero of J0 a Gauss-Markov process keeps nothing of its past.
    turns = float(jn_zeros(0, 1)[0]) / (2.0 * math.pi)
    return channel.model_copy(update={"fading": "gauss-markov", "doppler_hz": turns / slot_s})


def draw_combined(
    channel: Channel,
    serving: Index,
    stations: int,
    antennas: int,
    rng: np.random.Generator,
) -> Array:
    """Independent draws of the power of every user as combined for every other.

    Parameters
    ----------
    channel : Channel
        ``fading`` and ``sinusoids`` are used, as by `Combined`.
    serving : ndarray, shape (n, K), int64
        Station of each user.
    stations, antennas : int
        S stations of A antennas.
    rng : Generator
        Source of the draws.

    Returns
    -------
    ndarray, shape (n, K, K), float64
        Power at ``[n, k, j]``, mean A where k = j and 1 elsewhere [1].
    """
    samples, users = serving.shape
    numbers = (2, stations * antennas, users)
    power = np.empty((samples, users, users))
    at_once = max(1, _BLOCK // math.prod(numbers))
    for first in range(0, samples, at_once):
        block = slice(first, first + at_once)
        parts = _parts(channel, (len(serving[block]), *numbers), rng)
        combine(parts, serving[block], antennas, power[block])
    return power


def _parts(channel: Channel, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Real and imaginary parts of channels, [n, 2, links of a sample...], in the stationary law."""
    if channel.fading != "sinusoids":
        parts = rng.standard_normal(shape)
        parts *= math.sqrt(0.5)
        return parts
    parts = np.zeros(shape)
    for _ in range(channel.sinusoids):
        phase = 2.0 * math.pi * rng.random((shape[0], *shape[2:]))
        parts[:, 0] += np.cos(phase)
        parts[:, 1] += np.sin(phase)
    parts *= 1.0 / math.sqrt(channel.sinusoids)
    return parts
