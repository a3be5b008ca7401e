"""Obstacles: what stands between stations and users, for B networks at once.

Each link has a level that decides whether it is in line of sight and a standard normal that says
how deep in shadow it lies; `propagation.mean_gain` makes decibels of them. Both are drawn when a
user appears, and shadows drift with the metres it walks. What a channel has no use for is not
drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.propagation import move_shadow
from slotwise.emulator.sections import Channel
from slotwise.emulator.streams import Cause, Streams

__all__ = ["Obstacles"]

Array = NDArray[np.float64]


class Obstacles:
    """Sight and shadow of every link of B networks, S stations and M user rows.

    Parameters
    ----------
    channel : Channel
        ``path_loss``, ``shadowing_db`` and ``shadowing_distance_m`` are used.
    shape : (B, S, M)
        Networks, stations, user rows.
    paired : bool
        Whether station m belongs to user m and appears with it.
    streams : Streams
        Random streams of the B networks.
    drop : int
        How many times users had been given new places when this began; names the stream in which
        shadows drift.

    Attributes
    ----------
    sight : ndarray, shape (B, S, M), float64
        Uniform on [0, 1); in line of sight is who is below the probability of it.
    shadow : ndarray, shape (B, S, M), float64
        Standard normal, positive for a stronger signal.
    """

    def __init__(
        self,
        channel: Channel,
        shape: tuple[int, int, int],
        paired: bool,
        streams: Streams,
        drop: int,
    ) -> None:
        self.sight, self.shadow = np.ones(shape), np.zeros(shape)
        self._decorrelation_m, self._paired = channel.shadowing_distance_m, paired
        self._streams, self._drop = streams, drop
        self._has_sight = channel.path_loss.kind in ("umi", "uma")
        deviation_db = channel.shadowing_db
        self._has_shadow = self._has_sight if deviation_db is None else deviation_db > 0
        self._shadow_streams: dict[int, np.random.Generator] = {}

    def populate(self, network: int) -> None:
        """Draw all links of a network at its beginning, from its own streams."""
        if self._has_sight:
            sight = self._streams.network(Cause.SIGHT, network, self._drop)
            self.sight[network] = sight.random(self.sight.shape[1:])
        if self._has_shadow:
            stream = self._shadow_stream(network)
            self.shadow[network] = stream.standard_normal(self.shadow.shape[1:])

    def enter(self, network: int, row: int, user: int, drop: int) -> None:
        """Draw the links of one user, and of its receiver if it has one, from its own streams.

        Parameters
        ----------
        network, row : int
            Where they are kept.
        user : int
            Its number.
        drop : int
            How many times it has been given a new place before.
        """
        if self._has_sight:
            stream = self._streams.user(Cause.SIGHT, network, user, drop)
            self._set(self.sight[network], row, stream.random(self._links()))
        if self._has_shadow:
            stream = self._streams.user(Cause.SHADOWING, network, user, drop)
            self._set(self.shadow[network], row, stream.standard_normal(self._links()))

    def move(self, moved_m: Array) -> None:
        """Let shadows drift with the metres that users walked, shape (B, M); sight stays."""
        if not self._has_shadow:
            return
        path = moved_m[:, None, :] + (moved_m[:, :, None] if self._paired else 0.0)
        for b in range(len(self._streams)):
            innovation = self._shadow_stream(b).standard_normal(self.shadow.shape[1:])
            self.shadow[b] = move_shadow(self.shadow[b], path[b], self._decorrelation_m, innovation)

    def _links(self) -> int:
        """Links of a user: to every station, and those of all users to its receiver."""
        stations, rows = self.sight.shape[1:]
        return stations + rows if self._paired else stations

    def _set(self, level: Array, row: int, drawn: Array) -> None:
        stations = level.shape[0]
        if self._paired:
            level[row, :] = drawn[stations:]
        level[:, row] = drawn[:stations]

    def _shadow_stream(self, network: int) -> np.random.Generator:
        """Stream of a network's shadows: those it begins with, and how they change."""
        if network not in self._shadow_streams:
            stream = self._streams.network(Cause.SHADOWING, network, self._drop)
            self._shadow_streams[network] = stream
        return self._shadow_streams[network]
