"""The medium: what lies between stations and users, for B networks at once.

A user enters the medium at a place of its own, with its own line of sight and shadowing to every
station, moves, fades slot by slot, and leaves. From all that the medium keeps one array,
``coupling[b, s, m]``, the power gain between antenna ``s`` and user ``m``. A station's antenna is
shared by its users, or each user has one of its own (pairs, and ``antennas = per-user``); then
antenna ``m`` belongs to user ``m``. Everything else is a view of it:

- uplink and pairs: ``gain[b, k, j] = coupling[b, antenna of k, j]``,
- downlink: ``gain[b, k, j] = coupling[b, antenna of j, k]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.fading import EVERY, make_fading
from slotwise.emulator.layout import (
    associate,
    cell_of,
    distance,
    draw_home,
    drop_receivers,
    drop_users,
    fold,
    homes,
    place_stations,
)
from slotwise.emulator.measured import read_gains
from slotwise.emulator.mobility import Motion
from slotwise.emulator.propagation import mean_gain, move_shadow
from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import InputError
from slotwise.emulator.sections import Cells, Channel, Layout, Mobility
from slotwise.emulator.streams import Cause, Streams

__all__ = ["Medium", "user_gains"]

Array = NDArray[np.float64]
_LIGHT_M_PER_S = 299_792_458.0
_ENDLESS = np.array([-np.inf, -np.inf, np.inf, np.inf])


def user_gains(coupling: Array, serving: NDArray[np.int64] | None, downlink: bool) -> Array:
    """Gains among users from the coupling between antennas and users.

    Parameters
    ----------
    coupling : ndarray, shape (B, S, M)
        Power gain between antenna and user.
    serving : ndarray, shape (B, M), or None
        Antenna of each user; None where antenna m belongs to user m.
    downlink : bool
        Whether the antennas transmit.

    Returns
    -------
    ndarray, shape (B, M, M)
        ``gain[b, k, j]`` from transmitter j to the receiver of k; may be a view of `coupling`.
    """
    if serving is not None:
        coupling = np.take_along_axis(coupling, serving[:, :, None], axis=1)
    return coupling.swapaxes(1, 2) if downlink else coupling


class Medium:
    """Places, mean gains and fading of B networks with M user rows each.

    Parameters
    ----------
    layout, channel, mobility
        Sections of the scenario (or of one of its episodes).
    rows : int
        M, most users at once.
    slot_s : float
        Slot duration [s].
    streams : Streams
        Random streams of the seed.
    networks : sequence of int
        Numbers of the B networks.
    drop : int
        How many times users have been given new places before; names their new streams.

    Attributes
    ----------
    coupling : ndarray, shape (B, S, M), float64
        Power gain between antennas and users now. Rows of absent users are zero.
    mean : ndarray, shape (B, S, M), float64
        The same without fading.
    serving : ndarray, shape (B, M), int64
        Site of each user.
    present : ndarray, shape (B, M), bool
        Rows that hold a user.

    Raises
    ------
    InputError
        If measured gains have too few links for M users, or a file is unusable.
    """

    def __init__(
        self,
        layout: Layout,
        channel: Channel,
        mobility: Mobility,
        rows: int,
        slot_s: float,
        streams: Streams,
        networks: Sequence[int],
        drop: int = 0,
    ) -> None:
        self.layout, self.channel, self.drop = layout, channel, drop
        self._streams, self._networks = streams, tuple(networks)
        count = len(self._networks)
        self.places = [
            place_stations(layout, streams.network(Cause.LAYOUT, number, drop), users=rows)
            for number in self._networks
        ]
        self.station = np.stack([places.station for places in self.places])
        sites = self.station.shape[1]
        self._cells = layout if isinstance(layout, Cells) else None
        self._paired = self._cells is None
        per_user = self._cells is not None and self._cells.antennas == "per-user"
        self.own_antenna = self._paired or per_user
        self._downlink = self._cells is not None and self._cells.direction == "downlink"
        antennas = rows if self.own_antenna else sites

        self._beam = np.ones((sites, rows))
        if layout.kind == "pairs":
            np.fill_diagonal(self._beam, from_db(layout.direct_gain_db))
        self._wrapped = len(self.places[0].tiles) > 1
        area = _ENDLESS if self._wrapped else self.places[0].area
        self.motion = Motion(mobility, area, count, rows)
        self._moved_s = np.zeros((count, rows))  # up to when each user has moved
        self.present = np.zeros((count, rows), bool)
        self.home = np.zeros((count, rows), np.int64)
        self.serving = np.zeros((count, rows), np.int64)
        self._sight = np.ones((count, sites, rows))
        self._shadow = np.zeros((count, sites, rows))
        self._site_mean = np.zeros((count, sites, rows))
        self.mean = np.zeros((count, antennas, rows)) if per_user else self._site_mean
        self.coupling = np.zeros((count, antennas, rows))
        self._gain: Array | None = None
        self._moving = [streams.network(Cause.SHADOWING, n, drop) for n in self._networks]
        replay = self._measured(rows)
        self.fading = make_fading(
            channel,
            slot_s,
            (count, antennas, rows),
            [streams.network(Cause.FADING, number, drop) for number in self._networks],
            replay,
        )

    def _measured(self, rows: int) -> Array | None:
        if self.channel.replay_path is None or self.channel.fading != "replay":
            return None
        gains = read_gains(Path(self.channel.replay_path), self.channel.replay_transmit_dbm)
        if gains.shape[-1] < rows:
            raise InputError(
                f"channel.replay_path = {self.channel.replay_path}: measured {gains.shape[-1]} "
                f"links, the scenario has up to {rows} users"
            )
        return gains[:, :rows, :rows]

    @property
    def gain(self) -> Array:
        """Gains among users now, ``[b, k, j]`` from transmitter j to the receiver of k.

        Returns
        -------
        ndarray, shape (B, M, M), float64
            Linear power gains; do not write to it.
        """
        if self._gain is None:
            self._gain = self.between_users(self.coupling)
        return self._gain

    def between_users(self, coupling: Array) -> Array:
        """User-to-user gains of any coupling array, such as an estimate; shape (B, M, M)."""
        return user_gains(coupling, None if self.own_antenna else self.serving, self._downlink)

    def first_homes(self, network: int, users: int) -> NDArray[np.int64]:
        """Homes of the first users of a network, spread evenly over its cells; shape (users,)."""
        return homes(self.layout, self.places[network], users)

    def enter(self, network: int, row: int, user: int, home: int | None, now_s: float) -> None:
        """Give a user a place, mean gains, a station and a fresh fading state.

        Parameters
        ----------
        network, row : int
            Where its state is kept.
        user : int
            Its number, which names its random streams.
        home : int or None
            Cell or site it appears at; None draws one.
        now_s : float
            From when it moves [s].
        """
        number = self._networks[network]
        places = self.places[network]
        self.present[network, row] = True
        position_stream = self._streams.user(Cause.POSITION, number, user, self.drop)
        drawn = draw_home(self.layout, places, position_stream)
        self.home[network, row] = drawn if home is None else home
        place = drop_users(self.layout, places, self.home[network, row : row + 1], position_stream)
        # Who it is (group, speed) is the same in every drop; where it goes is not.
        moving = self._streams.user(Cause.MOBILITY, number, user)
        legs = self._streams.user(Cause.MOBILITY, number, user, self.drop) if self.drop else None
        self.motion.join(network, row, place[0], moving, legs)
        self._moved_s[network, row] = now_s
        if self.layout.kind == "pairs":
            self.station[network, row] = drop_receivers(self.layout, place, position_stream)[0]
        self._draw_sight_and_shadow(network, row, number, user)
        self._refresh_mean(network, row)
        self._serve(network, row)
        self._set_doppler(network, row)
        start = self._streams.user(Cause.FADING_START, number, user, self.drop)
        self.fading.renew(network, row, start, self.own_antenna)
        self._refresh_coupling(network)

    def leave(self, network: int, row: int) -> None:
        """Remove a user: its gains become zero."""
        self.present[network, row] = False
        self.motion.leave(network, row)
        self._site_mean[network, :, row] = 0.0
        if self._paired:
            self._site_mean[network, row, :] = 0.0
        if self.layout.kind == "pairs":
            self.station[network, row] = np.nan
        self._refresh_coupling(network)

    def fade(self) -> None:
        """Let every link fade for one slot."""
        self.fading.advance()
        np.multiply(self.mean, self.fading.power, out=self.coupling)
        self._gain = None

    def move(self, now_s: float) -> list[tuple[int, int]]:
        """Move users, refresh their mean gains, and hand over those who need another station.

        Parameters
        ----------
        now_s : float
            Until when: each user moves since it entered or last moved [s].

        Returns
        -------
        list of (network, row)
            Users that changed their station.
        """
        before = self.motion.position.copy() if self.layout.kind == "pairs" else None
        moved = self.motion.advance(np.maximum(now_s - self._moved_s, 0.0))
        self._moved_s[:] = now_s
        if self._wrapped:
            tiles = self.places[0].tiles
            self.motion.position[:] = fold(self.station, self.motion.position, tiles)
        if before is not None:
            self.station += self.motion.position - before
        path = moved[:, None, :] + (moved[:, :, None] if self._paired else 0.0)
        for b, stream in enumerate(self._moving):
            innovation = stream.standard_normal(self._shadow.shape[1:])
            self._shadow[b] = move_shadow(
                self._shadow[b], path[b], self.channel.shadowing_distance_m, innovation
            )
        self._site_mean[:] = self._mean_gains((EVERY, EVERY, EVERY))
        changed = self._hand_over()
        for b in range(len(self._networks)):
            self._refresh_coupling(b)
        return changed

    def _mean_gains(self, links: tuple[int | slice, slice, slice]) -> Array:
        """Mean gains of the links (networks, sites, users); zero where an end is absent."""
        networks, sites, users = links
        if self.layout.kind == "links":
            length = np.ones(self._site_mean[links].shape)
        else:
            length = distance(
                self.station[networks, sites],
                self.motion.position[networks, users],
                self.places[0].tiles,
            )
        gain = mean_gain(self.channel, length, self._sight[links], self._shadow[links])
        gain *= self._beam[sites, users]
        gain *= self.present[networks, users][..., None, :]
        if self._paired:
            gain *= self.present[networks, sites][..., :, None]
        return gain

    def _hand_over(self) -> list[tuple[int, int]]:
        """Serve users by stronger stations; an antenna of one's own moves and goes on fading."""
        if self._cells is None or self._cells.association == "home":
            return []
        chosen = associate(self._site_mean, self.serving, self._cells.hysteresis_db)
        changed = self.present & (chosen != self.serving)
        self.serving[changed] = chosen[changed]
        return [(int(b), int(m)) for b, m in np.argwhere(changed)]

    def _draw_sight_and_shadow(self, network: int, row: int, number: int, user: int) -> None:
        sites, rows = self._sight.shape[1:]
        size = sites + rows if self._paired else sites
        sight = self._streams.user(Cause.SIGHT, number, user, self.drop).random(size)
        shadow = self._streams.user(Cause.SHADOWING, number, user, self.drop)
        normal = shadow.standard_normal(size)
        if self._paired:
            self._sight[network, row, :] = sight[sites:]
            self._shadow[network, row, :] = normal[sites:]
        self._sight[network, :, row] = sight[:sites]
        self._shadow[network, :, row] = normal[:sites]

    def _refresh_mean(self, network: int, row: int) -> None:
        """Mean gains of one user's column and, for a pair, of its receiver's row."""
        column = (network, EVERY, slice(row, row + 1))
        self._site_mean[column] = self._mean_gains(column)
        if self._paired:
            receiver = (network, slice(row, row + 1), EVERY)
            self._site_mean[receiver] = self._mean_gains(receiver)

    def _serve(self, network: int, row: int) -> None:
        if self._cells is None:
            self.serving[network, row] = row
        elif self._cells.association == "home":
            one = slice(row, row + 1)
            self.serving[network, row] = cell_of(
                self.layout,
                self.places[network],
                self.home[network, one],
                self.motion.position[network, one],
            )[0]
        else:
            self.serving[network, row] = associate(self._site_mean[network, :, row : row + 1])[0]

    def _refresh_coupling(self, network: int) -> None:
        if self.mean is not self._site_mean:
            served = self._site_mean[network, self.serving[network]]
            np.multiply(served, self.present[network][:, None], out=self.mean[network])
        np.multiply(self.mean[network], self.fading.power[network], out=self.coupling[network])
        self._gain = None

    def _set_doppler(self, network: int, row: int) -> None:
        """State the Doppler of a user's links, and of those to its receiver if it has its own."""
        if self.channel.doppler_hz is not None:
            self.fading.set_doppler(network, row, self.channel.doppler_hz)
            return
        per_speed = self.channel.carrier_hz / _LIGHT_M_PER_S
        speed = self.motion.speed[network]
        if self._paired:
            both = (speed + speed[row]) * per_speed
            self.fading.set_doppler(network, row, both)
            self.fading.set_doppler(network, EVERY, both, stations=row)
        else:
            self.fading.set_doppler(network, row, float(speed[row]) * per_speed)
