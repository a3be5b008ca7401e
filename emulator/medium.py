"""The medium: what lies between stations and users, for B networks at once.

A user enters the medium at a place of its own, with its own line of sight and shadowing to every
station, moves, fades slot by slot, and leaves. From all that the medium keeps one array,
``coupling[b, s, m]``, the power gain between antenna ``s`` and user ``m``. A station's antenna is
shared by its users, or each user has one of its own (pairs, ``antennas = per-user``, and what a
station of several antennas combines for a user); then antenna ``m`` belongs to user ``m``.
Everything else is a view of it:

- uplink and pairs: ``gain[b, k, j] = coupling[b, antenna of k, j]``,
- downlink: ``gain[b, k, j] = coupling[b, antenna of j, k]``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.combining import Combined
from slotwise.emulator.fading import EVERY, Fading, make_fading
from slotwise.emulator.kernels.slot import Air
from slotwise.emulator.layout import (
    Places,
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
from slotwise.emulator.obstacles import Obstacles
from slotwise.emulator.propagation import mean_gain
from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import InputError
from slotwise.emulator.sections import Cells, Channel, Layout, Mobility
from slotwise.emulator.streams import Cause, Streams

__all__ = ["Medium", "user_gains"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
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
        Random streams of the B networks.
    drop : int
        How many times users have been given new places before; names their new streams.

    Attributes
    ----------
    mean : ndarray, shape (B, S, M), float64
        Power gain between antennas and users without fading. Rows of absent users are zero.
    fading : Fading
        Its fading power; the product of both is `coupling`.
    air : tuple
        Values of `kernels.slot.Air`: mean gains, fading power and the antenna of each user.
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
        drop: int = 0,
    ) -> None:
        self.layout, self.channel, self.drop = layout, channel, drop
        self._streams = streams
        count = len(streams)
        self.places = self._place(rows)
        self.station = np.stack([places.station for places in self.places])
        sites = self.station.shape[1]
        self._cells = layout if isinstance(layout, Cells) else None
        self._paired = self._cells is None
        self._several = 1 if self._cells is None else self._cells.station_antennas
        per_user = self._cells is not None and self._cells.antennas == "per-user"
        self.own_antenna = self._paired or per_user or self._several > 1
        self.downlink = self._cells is not None and self._cells.direction == "downlink"
        antennas = rows if self.own_antenna else sites

        self._beam = np.ones((sites, rows))
        if layout.kind == "pairs":
            np.fill_diagonal(self._beam, from_db(layout.direct_gain_db))
        self._still = mobility.kind == "still"
        self._wrapped = len(self.places[0].tiles) > 1
        area = _ENDLESS if self._wrapped else self.places[0].area
        self.motion = Motion(mobility, area, count, rows)
        self._moved_s = np.zeros((count, rows))  # up to when each user has moved
        self.present = np.zeros((count, rows), bool)
        self.home = np.zeros((count, rows), np.int64)
        self.serving = np.zeros((count, rows), np.int64)
        self._obstacles = Obstacles(channel, (count, sites, rows), self._paired, streams, drop)
        self._site_mean = np.zeros((count, sites, rows))
        shared = self._paired or not self.own_antenna
        self.mean = self._site_mean if shared else np.zeros((count, antennas, rows))
        self.fading = self._make_fading(slot_s, (count, antennas, rows), sites)
        antenna = np.tile(np.arange(rows), (count, 1)) if self.own_antenna else self.serving
        self.air = Air(self.mean, self.fading.power, antenna).values()
        self._long_term: dict[int, tuple[Index, Array]] = {}

    def _make_fading(self, slot_s: float, shape: tuple[int, int, int], sites: int) -> Fading:
        count, _, rows = shape
        rngs = [self._streams.network(Cause.FADING, b, self.drop) for b in range(count)]
        if self._several == 1:
            return make_fading(self.channel, slot_s, shape, rngs, self._measured(rows))
        shape = count, sites, rows
        return Combined(self.channel, slot_s, shape, self._several, self.serving, rngs)

    def _place(self, rows: int) -> list[Places]:
        """Stations of every network; only Poisson points differ."""
        layout, drop = self.layout, self.drop
        differ = layout.kind == "poisson"
        places = [
            place_stations(layout, self._streams.network(Cause.LAYOUT, b, drop), users=rows)
            for b in range(len(self._streams) if differ else 1)
        ]
        return places if differ else places * len(self._streams)

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
    def coupling(self) -> Array:
        """Power gain between antennas and users now, shape (B, S, M); a new array."""
        return self.mean * self.fading.power

    @property
    def gain(self) -> Array:
        """Gains among users now, ``[b, k, j]`` from transmitter j to the receiver of k.

        Returns
        -------
        ndarray, shape (B, M, M), float64
            A new array of linear power gains.
        """
        return self.between_users(self.coupling)

    def between_users(self, coupling: Array, networks: slice = EVERY) -> Array:
        """User-to-user gains of any coupling array, such as an estimate; shape (B, M, M)."""
        serving = None if self.own_antenna else self.serving[networks]
        return user_gains(coupling, serving, self.downlink)

    def long_term_gain(self, network: int, row: Index) -> Array:
        """Gains among users of a network without fading.

        Returns
        -------
        ndarray, shape (K, K), float64
            Read-only; the same array as last time while the same users are at the same places.
        """
        last = self._long_term.get(network)
        if last is not None and (last[0] is row or np.array_equal(last[0], row)):
            return last[1]
        one = slice(network, network + 1)
        every = self.between_users(self.mean[one] * self.fading.mean, one)
        gain: Array = every[0][np.ix_(row, row)]
        gain.flags.writeable = False
        self._long_term[network] = row, gain
        return gain

    def first_homes(self, network: int, users: int) -> NDArray[np.int64]:
        """Homes of the first users of a network, spread evenly over its cells; shape (users,)."""
        return homes(self.layout, self.places[network], users)

    def populate(self, network: int, row: Index, user: Index, home: Index, now_s: float) -> None:
        """Give the users of a new medium their places, all at once.

        Users who come later draw from streams of their own, these from the network's. Their fading
        is that of the new medium.

        Parameters
        ----------
        network : int
            In which network.
        row, user, home : ndarray, shape (n,), int64
            Rows of the users, their numbers, and the cells or sites they appear at.
        now_s : float
            From when they move [s].
        """
        self.home[network, row] = home
        self._appear(network, row, user, self._streams.network(Cause.POSITION, network, self.drop))
        self._moved_s[network, row] = now_s
        self._obstacles.populate(network)
        everything = (network, EVERY, EVERY)
        self._site_mean[everything] = self._mean_gains(everything)
        self._serve(network, row)
        self._set_doppler(network, row)
        self._refresh_mean(network)

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
        one = np.array([row])
        position = self._streams.user(Cause.POSITION, network, user, self.drop)
        drawn = draw_home(self.layout, self.places[network], position)
        self.home[network, row] = drawn if home is None else home
        self._appear(network, one, np.array([user]), position)
        self._moved_s[network, row] = now_s
        self._obstacles.enter(network, row, user, self.drop)
        column = (network, EVERY, slice(row, row + 1))
        self._site_mean[column] = self._mean_gains(column)
        if self._paired:
            receiver = (network, slice(row, row + 1), EVERY)
            self._site_mean[receiver] = self._mean_gains(receiver)
        self._serve(network, one)
        self._set_doppler(network, one)
        start = self._streams.user(Cause.FADING_START, network, user, self.drop)
        self.fading.renew(network, row, start, self.own_antenna)
        self._refresh_mean(network)

    def _appear(self, network: int, row: Index, user: Index, rng: np.random.Generator) -> None:
        """Put users somewhere near their homes, and let them set out."""
        places = self.places[network]
        self.present[network, row] = True
        place = drop_users(self.layout, places, self.home[network, row], rng)
        if self.layout.kind == "pairs":
            self.station[network, row] = drop_receivers(self.layout, place, rng)
        if self._still:
            self.motion.stand(network, row, place)
            return
        for at, who, position in zip(row.tolist(), user.tolist(), place, strict=True):
            # Who it is (group, speed) is the same in every drop; where it goes is not.
            moving = self._streams.user(Cause.MOBILITY, network, who)
            anew = self.drop > 0
            legs = self._streams.user(Cause.MOBILITY, network, who, self.drop) if anew else None
            self.motion.join(network, at, position, moving, legs)

    def leave(self, network: int, row: int) -> None:
        """Remove a user: its gains become zero."""
        self.present[network, row] = False
        self.motion.leave(network, row)
        self._site_mean[network, :, row] = 0.0
        if self._paired:
            self._site_mean[network, row, :] = 0.0
        if self.layout.kind == "pairs":
            self.station[network, row] = np.nan
        self._refresh_mean(network)

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
        self._obstacles.move(moved)
        self._site_mean[:] = self._mean_gains((EVERY, EVERY, EVERY))
        changed = self._hand_over()
        for b in range(len(self._streams)):
            self._refresh_mean(b)
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
        gain = mean_gain(
            self.channel, length, self._obstacles.sight[links], self._obstacles.shadow[links]
        )
        gain *= self._beam[sites, users]
        gain *= self.present[networks, users][..., None, :]
        if self._paired:
            gain *= self.present[networks, sites][..., :, None]
        return gain

    def _hand_over(self) -> list[tuple[int, int]]:
        """Serve users by stronger stations; an antenna per user moves and goes on fading."""
        if self._cells is None or self._cells.association == "home":
            return []
        chosen = associate(self._site_mean, self.serving, self._cells.hysteresis_db)
        changed = self.present & (chosen != self.serving)
        self.serving[changed] = chosen[changed]
        return [(int(b), int(m)) for b, m in np.argwhere(changed)]

    def _serve(self, network: int, row: Index) -> None:
        if self._cells is None:
            self.serving[network, row] = row
        elif self._cells.association == "home":
            home, position = self.home[network, row], self.motion.position[network, row]
            served = cell_of(self.layout, self.places[network], home, position)
            self.serving[network, row] = served
        else:
            self.serving[network, row] = associate(self._site_mean[network][:, row])

    def _refresh_mean(self, network: int) -> None:
        """Long-term gains of a network have changed, or who serves whom."""
        if isinstance(self.fading, Combined):
            self.fading.recombine(slice(network, network + 1))
        if self.mean is not self._site_mean:
            served = self._site_mean[network, self.serving[network]]
            np.multiply(served, self.present[network][:, None], out=self.mean[network])
        self._long_term.pop(network, None)

    def _set_doppler(self, network: int, row: Index) -> None:
        """State the Doppler of users' links, and of those to their receivers if they have some."""
        if self.channel.doppler_hz is not None or self._still:
            return  # as the fading was made with
        per_speed = self.channel.carrier_hz / _LIGHT_M_PER_S
        speed = self.motion.speed[network]
        if self._paired:
            for m in row.tolist():
                both = (speed + speed[m]) * per_speed
                self.fading.set_doppler(network, m, both)
                self.fading.set_doppler(network, EVERY, both, stations=m)
        else:
            self.fading.set_doppler(network, row, speed[row] * per_speed)
