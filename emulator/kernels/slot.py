"""A slot of B networks, compiled: rates are integrated to its end, then every link fades.

The rates are those of `slotwise.emulator.radio`, which is their reference. Whoever is silent has no
rate, and nothing is summed for it. One network is finished before the next is begun, so that its
gains are read from memory once; networks share nothing, so that each lives as it would alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.fading import step
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = [
    "CARRIED",
    "CONSUMED",
    "DELIVERED",
    "OWN_EFFICIENCY",
    "POWER",
    "RADIATED",
    "TIME",
    "WORTH",
    "Air",
    "Ledger",
    "Terms",
    "integrate",
    "slot",
]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
# Plain tuples reach a kernel in half the time that named ones take.
TermsValues = tuple[float, float, float, float, bool, bool, bool]
AirValues = tuple[Array, Array, Ids]
LedgerValues = tuple[Ids, Array, Array]


POWER, DELIVERED, WORTH = 0, 1, 2
"""Rows of what a ledger keeps of users."""

CARRIED, RADIATED, CONSUMED, TIME, OWN_EFFICIENCY = 0, 1, 2, 3, 4
"""Rows of what it keeps of networks."""


_LEAST_W = 1e-300  # in place of nothing, by which no rate, zero then, can be divided


class Terms(NamedTuple):
    """What never changes: the radio, and how antennas and users belong together.

    Attributes
    ----------
    noise_w : float
        Noise power of every receiver [W].
    sinr_cap : float
        Largest SINR that counts, linear; infinite if there is none.
    inefficiency : float
        Consumed per radiated power [1].
    circuit_w : float
        What a user that is present consumes besides [W].
    downlink : bool
        Whether antennas transmit to users, or users to antennas.
    own_antenna : bool
        Whether antenna m belongs to user row m: that of an empty row is not there either.
    appraise : bool
        Whether to integrate what each user is worth to the sum rate.
    """

    noise_w: float
    sinr_cap: float
    inefficiency: float
    circuit_w: float
    downlink: bool
    own_antenna: bool
    appraise: bool = False

    def values(self) -> TermsValues:
        """The same without names."""
        return cast("TermsValues", tuple(self))


class Air(NamedTuple):
    """The links of B networks between S antennas and M user rows.

    Attributes
    ----------
    mean, fading : [B, S, M], float64
        Mean gain and fading power, whose product is the gain.
    antenna : [B, M], int64
        Antenna that serves each user.
    """

    mean: Array
    fading: Array
    antenna: Ids

    def values(self) -> AirValues:
        """The same without names."""
        return cast("AirValues", tuple(self))


class Ledger(NamedTuple):
    """Who is there, at what power, and what has been carried; see `network.Network`.

    Attributes
    ----------
    user_id : [B, M], int64
        -1 for nobody.
    users : [3, B, M], float64
        ``POWER`` in force [W]; integral of the rate, ``DELIVERED`` [bit/Hz]; and, if asked for, of
        what the sum rate would lose without the user, ``WORTH`` [bit/Hz]: its own rate less what
        the others would gain by its silence.
    totals : [5, B], float64
        Integrals of the sum rate, ``CARRIED`` [bit/Hz], and of ``RADIATED`` and ``CONSUMED`` power
        [J], up to when they go, ``TIME`` [s], and the integral of what users make of their own
        joules, added up, ``OWN_EFFICIENCY`` [bit s/J/Hz].
    """

    user_id: Ids
    users: Array
    totals: Array

    def values(self) -> LedgerValues:
        """The same without names."""
        return cast("LedgerValues", tuple(self))


@kernel(reorder=True)
def _uplink_sinr(b: int, rows: int, terms: Terms, air: Air, sent: Array, sinr: Array) -> None:
    """SINR of users who transmit to antennas: a sum along the row of each one's antenna."""
    mean, fade = air.mean, air.fading
    for k in range(rows):
        own = sent[k]
        sinr[k] = 0.0
        if own > 0.0:
            s = air.antenna[b, k]
            sent[k] = 0.0  # so that one loop sums over all the others
            heard = 0.0
            for j in range(rows):
                heard += mean[b, s, j] * fade[b, s, j] * sent[j]
            sent[k] = own
            signal = mean[b, s, k] * fade[b, s, k] * own
            sinr[k] = min(signal / (heard + terms.noise_w), terms.sinr_cap)


@kernel(reorder=True)
def _downlink_sinr(b: int, rows: int, terms: Terms, air: Air, sent: Array, sinr: Array) -> None:
    """SINR of users who listen: every transmitting antenna adds its row to what they hear."""
    mean, fade = air.mean, air.fading
    heard = np.full(rows, terms.noise_w)
    for j in range(rows):
        if sent[j] > 0.0:
            s, own, before = air.antenna[b, j], sent[j], heard[j]
            for k in range(rows):
                heard[k] += mean[b, s, k] * fade[b, s, k] * own
            heard[j] = before  # it does not disturb itself
    for k in range(rows):
        s = air.antenna[b, k]
        signal = mean[b, s, k] * fade[b, s, k] * sent[k]
        sinr[k] = min(signal / heard[k], terms.sinr_cap)


@kernel(inline=True)
def _from(b: int, j: int, i: int, terms: Terms, air: Air) -> float:
    """Gain from the transmitter of user j to the receiver of user i."""
    s, m = (air.antenna[b, j], i) if terms.downlink else (air.antenna[b, i], j)
    gain: float = air.mean[b, s, m] * air.fading[b, s, m]
    return gain


@kernel(reorder=True)
def _add_worth(
    b: int, rows: int, elapsed_s: float, terms: Terms, air: Air, ledger: Ledger, room: Array
) -> None:
    """Integrate what each user is worth to the sum rate, its rate and the others' together."""
    mean, fade = air.mean, air.fading
    rate, sent, signal, heard = room[0], room[1], room[2], room[3]
    for i in range(rows):
        s = air.antenna[b, i]
        signal[i] = mean[b, s, i] * fade[b, s, i] * sent[i]
        heard[i] = terms.noise_w
        for j in range(rows):
            if j != i:
                heard[i] += _from(b, j, i, terms, air) * sent[j]
    for k in range(rows):
        if sent[k] <= 0.0:
            continue
        worth = rate[k]
        for i in range(rows):
            if i != k and sent[i] > 0.0:
                # Noise is what is left at least; in 64 bits the difference is exact enough.
                rest = max(heard[i] - _from(b, k, i, terms, air) * sent[k], terms.noise_w)
                worth += rate[i] - log2_1p(min(signal[i] / rest, terms.sinr_cap))
        ledger.users[WORTH, b, k] += worth * elapsed_s


@kernel()
def _rows_in_use(b: int, user_id: Ids) -> int:
    """Rows up to the last that holds a user."""
    rows: int = user_id.shape[1]
    while rows > 0 and user_id[b, rows - 1] < 0:
        rows -= 1
    return rows


@kernel(reorder=True)
def _integrate_one(
    b: int, rows: int, now_s: float, terms: Terms, air: Air, ledger: Ledger, room: Array
) -> None:
    """Carry the integrals of one network forward under the powers and gains in force."""
    elapsed_s = now_s - ledger.totals[TIME, b]
    if elapsed_s == 0.0:
        return
    ledger.totals[TIME, b] = now_s
    rate, sent = room[0], room[1]
    radiated = 0.0
    present = 0.0
    for k in range(rows):
        sent[k] = ledger.users[POWER, b, k]
        radiated += sent[k]
        present += 1.0 if ledger.user_id[b, k] >= 0 else 0.0
    if terms.downlink:
        _downlink_sinr(b, rows, terms, air, sent, rate)
    else:
        _uplink_sinr(b, rows, terms, air, sent, rate)
    for k in range(rows):
        rate[k] = log2_1p(rate[k])
    carried = 0.0
    own = 0.0
    for k in range(rows):
        ledger.users[DELIVERED, b, k] += rate[k] * elapsed_s
        carried += rate[k]
        own += rate[k] / max(terms.inefficiency * sent[k] + terms.circuit_w, _LEAST_W)
    ledger.totals[CARRIED, b] += carried * elapsed_s
    ledger.totals[OWN_EFFICIENCY, b] += own * elapsed_s
    ledger.totals[RADIATED, b] += radiated * elapsed_s
    if terms.appraise:
        _add_worth(b, rows, elapsed_s, terms, air, ledger, room)
    consumed = terms.inefficiency * radiated + terms.circuit_w * present
    ledger.totals[CONSUMED, b] += consumed * elapsed_s


@kernel()
def integrate(
    first: int, last: int, now_s: float, terms: TermsValues, air: AirValues, ledger: LedgerValues
) -> None:
    """Carry the integrals of some networks forward to `now_s`.

    Parameters
    ----------
    first, last : int
        Networks from `first` up to, not including, `last`.
    now_s : float
        Not before the time the integrals go to [s].
    terms, air, ledger
        Values of `Terms`, `Air` and `Ledger` of B networks; the ledger is written to.
    """
    book = Ledger(*ledger)
    room = np.empty((4, book.user_id.shape[1]))
    for b in range(first, last):
        rows = _rows_in_use(b, book.user_id)
        _integrate_one(b, rows, now_s, Terms(*terms), Air(*air), book, room)


@kernel()
def slot(
    now_s: float, terms: TermsValues, air: AirValues, ledger: LedgerValues, process: tuple[Any, ...]
) -> None:
    """End a slot: carry the integrals of every network to `now_s`, then let its links fade.

    Parameters
    ----------
    now_s : float
        Not before the time the integrals go to [s].
    terms, air, ledger
        As of `integrate`; fading power and ledger are written to.
    process : tuple
        Values of the process by which the links fade; it moves on by one slot.
    """
    radio, links, book = Terms(*terms), Air(*air), Ledger(*ledger)
    networks, antennas, columns = links.fading.shape
    power = links.fading.reshape(networks, antennas * columns)
    room = np.empty((4, columns))
    for b in range(networks):
        rows = _rows_in_use(b, book.user_id)
        _integrate_one(b, rows, now_s, radio, links, book, room)
        step(process, b, rows if radio.own_antenna else antennas, rows, columns, power)
