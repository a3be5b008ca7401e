"""A network lives: users join and leave, powers change, and throughput is the integral of the rate.

B networks share every array; row m of network b holds one user for the whole of its stay, or
nobody (``user_id = -1``). Between two changes rates are constant, so the integral over time is
exact: whoever is about to change something first calls `integrate` up to that instant.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.reports import put_in_force
from slotwise.emulator.kernels.slot import (
    Ledger,
    LedgerValues,
    Terms,
    TermsValues,
    integrate,
    slot,
)
from slotwise.emulator.medium import Medium
from slotwise.emulator.radio import from_db, from_dbm, rate
from slotwise.emulator.roster import Roster
from slotwise.emulator.scenario import Scenario
from slotwise.emulator.sections import Episode, Radio
from slotwise.emulator.streams import Streams

__all__ = ["Network", "noise_power_w"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
ALL = slice(None)


def noise_power_w(radio: Radio) -> float:
    """Noise power at a receiver [W]: as stated, or density times bandwidth times noise figure."""
    if radio.noise_dbm is not None:
        return float(from_dbm(radio.noise_dbm))
    density_dbm = radio.noise_density_dbm_per_hz + radio.noise_figure_db
    return float(from_dbm(density_dbm)) * radio.bandwidth_hz


class Network:
    """State of B networks and the arithmetic of their time.

    Parameters
    ----------
    scenario : Scenario
        What to live.
    streams : Streams
        Random streams of the B networks.
    episode : Episode, optional
        That begins at time zero.
    appraise : bool
        Keep account of `worth`.

    Attributes
    ----------
    user_id : ndarray, shape (B, M), int64
        Who is in each row, -1 for nobody.
    power : ndarray, shape (B, M), float64
        Powers in force [W].
    delivered : ndarray, shape (B, M), float64
        Integral of each present user's rate since it joined [bit/Hz].
    carried : ndarray, shape (B,), float64
        Integral of the network's sum rate since time zero [bit/Hz].
    radiated : ndarray, shape (B,), float64
        Integral of the sum of powers since time zero [J].
    consumed : ndarray, shape (B,), float64
        Integral of the consumed power since time zero [J].
    time_s : ndarray, shape (B,), float64
        Up to when the integrals go [s].
    own_efficiency : ndarray, shape (B,), float64
        Integral, since time zero, of what each user makes of the joules that it consumes itself,
        added up over users [bit s/J/Hz].
    ledger : tuple
        Values of `kernels.slot.Ledger`: all of these arrays together.
    worth : ndarray, shape (B, M), float64
        Integral, since time zero, of the difference that the user in each row makes to the sum
        rate [bit/Hz]: its own rate less what the others would gain by its silence. Zero unless
        asked for.
    """

    def __init__(
        self,
        scenario: Scenario,
        streams: Streams,
        episode: Episode | None = None,
        *,
        appraise: bool = False,
    ) -> None:
        self.scenario, self._streams = scenario, streams
        shape = (len(streams), scenario.population.capacity)
        radio = scenario.radio
        self.noise_w, self.p_max_w = noise_power_w(radio), float(from_dbm(radio.p_max_dbm))
        self._cap = None if radio.sinr_cap_db is None else float(from_db(radio.sinr_cap_db))
        self.user_id: Ids = np.full(shape, -1, np.int64)
        users, totals = np.zeros((3, *shape)), np.zeros((5, shape[0]))
        self.power, self.delivered, self.worth = users
        self.carried, self.radiated, self.consumed, self.time_s, self.own_efficiency = totals
        self.ledger: LedgerValues = Ledger(self.user_id, users, totals).values()
        self._appraise = appraise
        self._level_s = 0.0  # up to when all integrals go
        self._roster: Roster | None = None
        self._adopt(self.medium_of(episode, 0))

    def _adopt(self, medium: Medium) -> None:
        """Live in a medium from now on."""
        self.medium = medium
        radio = self.scenario.radio
        self._terms: TermsValues = Terms(
            noise_w=self.noise_w,
            sinr_cap=math.inf if self._cap is None else self._cap,
            inefficiency=radio.amplifier_inefficiency,
            circuit_w=radio.circuit_power_w,
            downlink=medium.downlink,
            own_antenna=medium.own_antenna,
            appraise=self._appraise,
        ).values()

    @property
    def roster(self) -> Roster:
        """Who is in which row, to be lent out; the same one until somebody comes or goes."""
        if self._roster is None:
            self._roster = Roster(self.user_id.copy())
        return self._roster

    def medium_of(self, episode: Episode | None, drop: int) -> Medium:
        """An empty medium of an episode; InputError if a file that it names is unusable."""
        scenario = self.scenario
        return Medium(
            (episode and episode.layout) or scenario.layout,
            (episode and episode.channel) or scenario.channel,
            scenario.mobility,
            self.user_id.shape[1],
            scenario.timing.slot_s,
            self._streams,
            drop,
        )

    def present(self) -> NDArray[np.bool_]:
        """Rows that hold a user, shape (B, M)."""
        return self.user_id >= 0

    def rates(self, networks: slice = ALL) -> Array:
        """Rates of the users now, shape (B, M) [bit/s/Hz]; zero for the absent and the silent."""
        return rate(
            self.medium.gain[networks], self.power[networks], self.noise_w, sinr_cap=self._cap
        )

    def integrate(self, now_s: float, networks: slice = ALL) -> None:
        """Carry the integrals forward to ``now_s`` under the powers and gains in force.

        Parameters
        ----------
        now_s : float
            Not before the last call's time [s].
        networks : slice
            Which networks.
        """
        first, last, _ = networks.indices(len(self._streams))
        integrate(first, last, now_s, self._terms, self.medium.air, self.ledger)
        if networks == ALL:
            self._level_s = now_s

    def end_slot(self, now_s: float) -> None:
        """Carry the integrals to the end of a slot and let every link fade into the next.

        Parameters
        ----------
        now_s : float
            Not before the last call's time [s].
        """
        fading = self.medium.fading
        if fading.process is None:
            self.integrate(now_s)
            fading.advance()
        else:
            slot(now_s, self._terms, self.medium.air, self.ledger, fading.process)
            self._level_s = now_s

    def populate(self, network: int, users: int, now_s: float) -> None:
        """Let the first users in at once, silent until granted."""
        row = np.arange(users)
        self.user_id[network, row] = row
        self._roster = None
        home = self.medium.first_homes(network, users)
        self.medium.populate(network, row, row, home, now_s)

    def join(self, network: int, user: int, home: int | None, now_s: float) -> int | None:
        """Let a user in, silent until granted.

        Returns
        -------
        int or None
            Its row, or None if every row is taken and it was blocked.
        """
        free = np.flatnonzero(self.user_id[network] < 0)
        if free.size == 0:
            return None
        row = int(free[0])
        self.integrate(now_s, slice(network, network + 1))
        self.user_id[network, row] = user
        self._roster = None
        self.delivered[network, row] = 0.0
        self.medium.enter(network, row, user, home, now_s)
        return row

    def leave(self, network: int, row: int, now_s: float) -> float:
        """Let a user out; it is silent at once.

        Returns
        -------
        float
            What it was delivered over its stay [bit/Hz].
        """
        self.integrate(now_s, slice(network, network + 1))
        self.user_id[network, row] = -1
        self._roster = None
        self.power[network, row] = 0.0
        self.medium.leave(network, row)
        return float(self.delivered[network, row])

    def grant(self, power: Array, user_id: Ids, now_s: float) -> None:
        """Put powers in force for the users they were meant for, wherever they still are.

        Parameters
        ----------
        power : ndarray, shape (B, M)
            Powers [W].
        user_id : ndarray, shape (B, M)
            Whom each is for, -1 for nobody. A user keeps its row for life, so a row with another
            id now is another user, which keeps its own power.
        """
        self.catch_up(now_s)
        put_in_force(power, user_id, self.user_id, self.power)

    def catch_up(self, now_s: float) -> None:
        """Integrate up to now unless that has been done; then powers may change."""
        if now_s != self._level_s:
            self.integrate(now_s)

    def redrop(self, drop: int, now_s: float) -> None:
        """Give every present user a new place under the same layout and channel."""
        medium = self.medium
        medium.drop = drop
        for b, m in np.argwhere(self.present()).tolist():
            medium.enter(b, m, int(self.user_id[b, m]), int(medium.home[b, m]), now_s)

    def change(self, episode: Episode, drop: int, now_s: float) -> None:
        """Begin an episode: new layout or channel, the same users at new places."""
        self._adopt(self.medium_of(episode, drop))
        for b in range(len(self._streams)):
            home = self.medium.first_homes(b, self.user_id.shape[1])
            row = np.flatnonzero(self.user_id[b] >= 0)
            self.medium.populate(b, row, self.user_id[b, row], home[row], now_s)
