"""Small-scale fading: what time does to a gain whose mean distance has set.

A fading process holds ``power[b, s, m]`` = |h|², mean one, of every station s and user row m of B
networks. It begins in its stationary law, moves on by one slot at each ``advance``, and forgets the
past of a row when a new user takes it (``renew``). Network b draws only from lanes that the b-th
generator seeds: its history depends neither on the other networks nor on any decision. The steps
are compiled, `slotwise.emulator.kernels.fading`; what is here sets them up.

The channel of a link is flat over the band and constant within a slot. With a Rice factor K,

    h = sqrt(K / (K + 1)) + sqrt(1 / (K + 1)) scatter,    scatter ~ CN(0, 1),

where the direct path stands still and only the scatter fades; without one, h is the scatter alone
(Rayleigh). Kinds: ``none``; ``iid``, a new scatter each slot; ``gauss-markov`` and ``sinusoids``,
both with Clarke's autocorrelation J0(2π f_d τ), over one slot or over all lags; ``replay``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import j0

from slotwise.emulator.kernels import fading as kernels
from slotwise.emulator.kernels.memory import aligned_zeros
from slotwise.emulator.kernels.normals import empty_lanes, seed_lanes
from slotwise.emulator.radio import from_db
from slotwise.emulator.sections import Channel

__all__ = ["Fading", "draw", "make_fading"]

Array = NDArray[np.float64]
Channels = NDArray[np.complex128]
Rngs = Sequence[np.random.Generator]
Rows = int | slice | NDArray[np.integer]
Shape = tuple[int, int, int]
EVERY = slice(None)


class Fading(ABC):
    """State of the fading of B networks. Made by :func:`make_fading`.

    Attributes
    ----------
    power : [B, S, M], float
        Fading power |h|² of each station and user row, mean 1 [1]. Updated in place.
    mean : float or [S, M], float
        Mean of ``power``: 1, except for a replay, whose mean over the measured slots it is [1].
    process : tuple or None
        Values of a process of `slotwise.emulator.kernels.fading`, for a kernel that moves it on
        together with other things; None where nothing is drawn.
    """

    power: Array
    mean: float | Array = 1.0
    process: tuple[Any, ...] | None = None

    def advance(self) -> None:
        """Move every network on by one slot."""
        if self.process is not None:
            kernels.step_networks(self.process, self.power)

    @property
    def field(self) -> Channels:
        """Complex h of each station and user row, [B, S, M], a new array; `power` is |h|².

        Raises
        ------
        RuntimeError
            If the kind of fading knows powers alone: ``iid`` and ``replay``.
        """
        return kernels.field_of(self.process, self.power.shape)

    @abstractmethod
    def renew(self, network: int, row: int, rng: np.random.Generator, own_station: bool) -> None:
        """Give a user row to a new occupant: its fading starts afresh in the stationary law.

        Parameters
        ----------
        network, row : int
            Network and user row whose links are drawn again.
        rng : Generator
            The new user's own generator: what it draws does not disturb the network's stream.
        own_station : bool
            Whether the station of the same index belongs to the user (the receiver of a pair), so
            that the links of all users to it are new as well.
        """

    def set_doppler(  # noqa: B027 - kinds without a Doppler frequency inherit this
        self, network: int, rows: Rows, doppler_hz: ArrayLike, stations: Rows = EVERY
    ) -> None:
        """State the maximum Doppler frequency of links; ignored by kinds that have none.

        Parameters
        ----------
        network : int
            Network of the links.
        rows : int, slice or [n], int
            User rows.
        doppler_hz : array_like, float
            Maximum Doppler frequency f_d = v f_c / c [Hz], v the speeds of both ends together; at 0
            the channel stands still. One number, or as many as the links that are meant.
        stations : int or slice
            Stations; left out: all.
        """


def make_fading(
    channel: Channel, slot_s: float, shape: Shape, rngs: Rngs, replay: Array | None = None
) -> Fading:
    """Fading of B networks in its stationary law, as a channel describes it.

    Where the channel states no Doppler frequency it is 0 until :meth:`Fading.set_doppler`.

    Parameters
    ----------
    channel : Channel
        ``fading``, ``rician_k_db``, ``doppler_hz`` and ``sinusoids`` are used.
    slot_s : float
        Slot duration [s].
    shape : (B, S, M)
        Networks, stations, user rows.
    rngs : sequence of B generators
        Network b draws from the b-th.
    replay : [T, S, M], float, optional
        Measured gains for ``fading = "replay"``, which take the place of the fading power
        unchanged: their mean need not be 1.

    Returns
    -------
    Fading
        The process at slot 0.

    Raises
    ------
    ValueError
        The number of generators is not B, or measured gains are missing or of another shape.
    """
    if len(rngs) != shape[0]:
        raise ValueError(f"rngs has {len(rngs)} generators; {shape[0]} networks need one each")
    match channel.fading:
        case "none":
            return _NoFading(shape)
        case "iid":
            return _Independent(channel, shape, rngs)
        case "gauss-markov":
            return _GaussMarkov(channel, slot_s, shape, rngs)
        case "sinusoids":
            return _Sinusoids(channel, slot_s, shape, rngs)
        case "replay":
            return _Replay(shape, replay)


def draw(channel: Channel, shape: int | tuple[int, ...], rng: np.random.Generator) -> Array:
    """Independent draws of the fading power from its stationary law.

    Parameters
    ----------
    channel : Channel
        ``fading``, ``rician_k_db`` and ``sinusoids`` are used.
    shape : int or tuple of int
        Shape of the result.
    rng : Generator
        Source of the draws.

    Returns
    -------
    [*shape], float
        Fading power |h|², mean 1 [1].

    Raises
    ------
    ValueError
        The fading is a replay: measured gains have no law to draw from.
    """
    if channel.fading == "replay":
        raise ValueError("channel.fading = replay has measured gains, not a law to draw from")
    if channel.fading == "none":
        return np.ones(shape)
    direct, scatter = _rice_amplitudes(channel)
    if channel.fading == "sinusoids":
        field = np.full(shape, complex(direct))
        for _ in range(channel.sinusoids):
            angle = 2.0 * math.pi * rng.random(shape)
            field += scatter / math.sqrt(channel.sinusoids) * np.exp(1j * angle)
        return np.asarray(np.square(field.real) + np.square(field.imag))
    if direct == 0.0:
        # |CN(0, 1)|² is exponential, which is several times cheaper to draw than two normals.
        return rng.standard_exponential(shape)
    part = scatter * math.sqrt(0.5)
    power = np.square(direct + part * rng.standard_normal(shape))
    power += np.square(part * rng.standard_normal(shape))
    return power


def _rice_amplitudes(channel: Channel) -> tuple[float, float]:
    """Amplitudes of the direct path and of the scatter; their squares add up to one."""
    if channel.rician_k_db is None:
        return 0.0, 1.0
    factor = from_db(channel.rician_k_db)
    return math.sqrt(factor / (factor + 1.0)), math.sqrt(1.0 / (factor + 1.0))


def _lanes(rngs: Rngs) -> NDArray[np.uint32]:
    """Compiled random state of every network, [B, 4, L], from the seeds of its generators."""
    lanes = empty_lanes(len(rngs))
    for state, rng in zip(lanes, rngs, strict=True):
        state[...] = seed_lanes(cast("np.random.SeedSequence", rng.bit_generator.seed_seq))
    return lanes


def _room() -> NDArray[np.float32]:
    """Room for the random numbers of a chunk of links."""
    return aligned_zeros(kernels.CHUNK, np.float32)


class _NoFading(Fading):
    """The gain is its mean, always."""

    def __init__(self, shape: Shape) -> None:
        self.power = np.ones(shape)

    @property
    def field(self) -> Channels:
        return np.ones(self.power.shape, np.complex128)

    def renew(self, network: int, row: int, rng: np.random.Generator, own_station: bool) -> None:
        """Nothing changes."""


class _Independent(Fading):
    """A new channel every slot: block fading without memory."""

    def __init__(self, channel: Channel, shape: Shape, rngs: Rngs) -> None:
        self._channel = channel
        direct, scatter = _rice_amplitudes(channel)
        self.power = np.empty(shape)
        lanes, fresh = _lanes(rngs), _room()
        self.process = tuple(
            kernels.Rayleigh(lanes, fresh)
            if direct == 0.0
            else kernels.Rice(lanes, fresh, direct, scatter * math.sqrt(0.5))
        )
        self.advance()

    def renew(self, network: int, row: int, rng: np.random.Generator, own_station: bool) -> None:
        _, stations, users = self.power.shape
        self.power[network, :, row] = draw(self._channel, stations, rng)
        if own_station:
            self.power[network, row, :] = draw(self._channel, users, rng)


class _GaussMarkov(Fading):
    """First-order Gauss-Markov scatter: s' = rho s + sqrt(1 - rho²) e, rho = J0(2π f_d T).

    The lag-one correlation of Clarke's model as a Markov chain: after n slots it is rho^n, whereas
    Clarke's is J0(2π f_d n T). W. C. Jakes, "Microwave Mobile Communications", 1974; used so by
    Y. S. Nasir and D. Guo, "Multi-agent deep reinforcement learning for dynamic power allocation
    in wireless networks", IEEE J. Sel. Areas Commun. 37(10), 2019. rho may be negative.
    """

    def __init__(self, channel: Channel, slot_s: float, shape: Shape, rngs: Rngs) -> None:
        networks, stations, users = shape
        self._slot_s = slot_s
        direct, scatter = _rice_amplitudes(channel)
        self._deviation = scatter * math.sqrt(0.5)  # of the real and of the imaginary part
        self.power = np.empty(shape)
        links = stations * users
        state = kernels.GaussMarkov(
            lanes=_lanes(rngs),
            fresh=_room(),
            direct=direct,
            keep=np.zeros((networks, links), np.float32),
            spread=np.full((networks, links), self._deviation, np.float32),
            scatter=np.zeros((networks, 2, links), np.float32),
        )
        # The same numbers by station and user.
        self._keep, self._spread = (values.reshape(shape) for values in (state.keep, state.spread))
        self._scatter = state.scatter.reshape(networks, 2, stations, users)
        self._direct, self.process = direct, tuple(state)
        self.advance()  # keeps nothing: the stationary law
        for network in range(networks):
            self.set_doppler(network, np.arange(users), channel.doppler_hz or 0.0)

    def renew(self, network: int, row: int, rng: np.random.Generator, own_station: bool) -> None:
        everyone = slice(None)
        self._place(network, everyone, row, rng)
        if own_station:
            self._place(network, row, everyone, rng)

    def set_doppler(
        self, network: int, rows: Rows, doppler_hz: ArrayLike, stations: Rows = EVERY
    ) -> None:
        turns = np.multiply(doppler_hz, self._slot_s)
        # The spread goes with rho as it is kept, so that its rounding moves no variance.
        rho = j0(2.0 * math.pi * turns).astype(np.float32).astype(np.float64)
        spread = self._deviation * np.sqrt((1.0 - rho) * (1.0 + rho))
        self._keep[network][stations, rows] = rho
        self._spread[network][stations, rows] = spread

    def _place(
        self, network: int, stations: int | slice, users: int | slice, rng: np.random.Generator
    ) -> None:
        """Draw the scatter of some links of a network anew."""
        scatter = self._scatter[network, :, stations, users]
        scatter[...] = self._deviation * rng.standard_normal(scatter.shape)
        real, imaginary = scatter.astype(np.float64)
        self.power[network, stations, users] = (self._direct + real) ** 2 + imaginary**2


class _Sinusoids(Fading):
    """Sum of N paths, each with an angle of arrival α and a phase of its own.

    h(t) = N^(-1/2) sum_n exp(j (2π f_d t cos α_n + φ_n)), α and φ uniform on the circle: Clarke's
    model with random angles (R. H. Clarke, "A statistical theory of mobile-radio reception", Bell
    Syst. Tech. J. 47(6), 1968; as a simulator, C. Xiao et al., IEEE Trans. Wireless Commun. 5(12),
    2006). Its autocorrelation over all draws is J0(2π f_d τ) at every lag; |h|² has mean 1 and
    second moment 2 - 1/N, which tends to the exponential's 2. Between renewals nothing is drawn.
    """

    def __init__(self, channel: Channel, slot_s: float, shape: Shape, rngs: Rngs) -> None:
        networks, stations, users = shape
        self._slot_s = slot_s
        direct, scatter = _rice_amplitudes(channel)
        self._amplitude = scatter / math.sqrt(channel.sinusoids)
        self.power = np.empty(shape)
        self._phasor, self._turn = np.empty((2, networks, channel.sinusoids, 2, stations, users))
        flat = (networks, channel.sinusoids, 2, stations * users)
        self._state = kernels.Sinusoids(
            direct, self._phasor.reshape(flat), self._turn.reshape(flat)
        )
        self.process = tuple(self._state)
        self._cosine = np.empty((networks, channel.sinusoids, stations, users))
        self._doppler_hz = np.full(shape, channel.doppler_hz or 0.0)
        for network, rng in enumerate(rngs):
            self._place(network, slice(None), slice(None), rng)

    def renew(self, network: int, row: int, rng: np.random.Generator, own_station: bool) -> None:
        self._place(network, slice(None), slice(row, row + 1), rng)
        if own_station:
            self._place(network, slice(row, row + 1), slice(None), rng)

    def set_doppler(
        self, network: int, rows: Rows, doppler_hz: ArrayLike, stations: Rows = EVERY
    ) -> None:
        self._doppler_hz[network][stations, rows] = doppler_hz
        self._set_turn(network, stations, rows)

    def _place(self, network: int, stations: slice, users: slice, rng: np.random.Generator) -> None:
        """Draw angles and phases of the paths of some links of a network anew."""
        cosine = self._cosine[network, :, stations, users]
        phasor = self._phasor[network, :, :, stations, users]
        angle, phase = 2.0 * math.pi * rng.random((2, *cosine.shape))
        phasor[:, 0] = self._amplitude * np.cos(phase)
        phasor[:, 1] = self._amplitude * np.sin(phase)
        cosine[...] = np.cos(angle)
        self._set_turn(network, stations, users)
        networks, count, columns = self.power.shape
        flat = self.power.reshape(networks, count * columns)
        first, last, _ = users.indices(columns)
        for station in range(*stations.indices(count)):
            kernels.sum_paths(self._state, network, station * columns + first, last - first, flat)

    def _set_turn(self, network: int, stations: Rows, users: Rows) -> None:
        """Set the turn that a slot gives to each path of some links of a network."""
        doppler_hz = self._doppler_hz[network][stations, users]
        turns = doppler_hz * self._cosine[network][:, stations, users]
        angle = 2.0 * math.pi * self._slot_s * turns
        self._turn[network, :, 0][:, stations, users] = np.cos(angle)
        self._turn[network, :, 1][:, stations, users] = np.sin(angle)


class _Replay(Fading):
    """Measured gains, slot by slot and again from the beginning, the same in every network."""

    def __init__(self, shape: Shape, measured: Array | None) -> None:
        if measured is None:
            raise ValueError("channel.fading = replay needs measured gains")
        if measured.ndim != 3 or len(measured) == 0 or measured.shape[1:] != shape[1:]:
            raise ValueError(
                f"replay: measured gains of shape {measured.shape} do not fit {shape[1]} stations "
                f"and {shape[2]} users: (slots, {shape[1]}, {shape[2]}) is needed"
            )
        self._measured = measured
        self.mean = measured.mean(axis=0)
        self._slot = 0
        self.power = np.empty(shape)
        self.power[...] = measured[0]

    def advance(self) -> None:
        self._slot = (self._slot + 1) % len(self._measured)
        self.power[...] = self._measured[self._slot]

    def renew(self, network: int, row: int, rng: np.random.Generator, own_station: bool) -> None:
        """Nothing changes: the measurement goes on."""
