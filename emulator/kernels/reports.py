"""What goes up and what comes down, compiled: gains among users, and powers in force."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.slot import Air, AirValues

__all__ = ["among_all", "among_users", "lay_out", "lay_out_present", "put_in_force"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]


@kernel()
def among_users(b: int, row: Ids, downlink: bool, air: AirValues, gain: Array) -> None:
    """Gains among some users of a network.

    Parameters
    ----------
    b : int
        Network.
    row : [K], int64
        Rows of the users.
    downlink : bool
        Whether antennas transmit.
    air
        Values of `slot.Air` of B networks.
    gain : [K, K], float64
        ``gain[k, j]`` from the transmitter of user j to the receiver of user k, written to.
    """
    links, users = Air(*air), row.size
    for i in range(users):
        antenna = links.antenna[b, row[i]]
        mean, fade = links.mean[b, antenna], links.fading[b, antenna]
        for n in range(users):
            heard = mean[row[n]] * fade[row[n]]
            if downlink:
                gain[n, i] = heard
            else:
                gain[i, n] = heard


@kernel()
def among_all(user_id: Ids, downlink: bool, air: AirValues, gain: Array) -> None:
    """Gains among the users of every network.

    Parameters
    ----------
    user_id : [B, M], int64
        -1 for nobody.
    downlink : bool
        Whether antennas transmit.
    air
        Values of `slot.Air` of B networks.
    gain : [B, M, M], float64
        As of `among_users`, written to; zero to and from empty rows.
    """
    links, rows = Air(*air), user_id.shape[1]
    for b in range(user_id.shape[0]):
        for i in range(rows):
            antenna = links.antenna[b, i]
            mean, fade = links.mean[b, antenna], links.fading[b, antenna]
            out, here = gain[b, i], user_id[b, i] >= 0
            if downlink:
                for n in range(rows):
                    gain[b, n, i] = mean[n] * fade[n] if here and user_id[b, n] >= 0 else 0.0
            else:
                for n in range(rows):
                    out[n] = mean[n] * fade[n] if here and user_id[b, n] >= 0 else 0.0


@kernel()
def lay_out(
    given: Array,
    meant_for: Ids,
    user_id: Ids,
    most_w: float,
    rows: Array,
    unsound: NDArray[np.bool_],
) -> int:
    """Check the powers of B networks, and give the sound ones to whom they were meant for.

    Parameters
    ----------
    given : [B, M], float64
        Powers [W]; what is given for nobody is ignored.
    meant_for, user_id : [B, M], int64
        Whom each is for and who is there, -1 for nobody.
    most_w : float
        Largest power [W].
    rows : [B, M], float64
        Powers of who is there, written to; those of unsound networks stay.
    unsound : [B], bool
        Whether a power of a network is not finite or not in its box; written to.

    Returns
    -------
    int
        How many networks are unsound.
    """
    count = 0
    for b in range(given.shape[0]):
        sound = True
        for m in range(given.shape[1]):
            inside = 0.0 <= given[b, m] <= most_w  # NaN is not
            if meant_for[b, m] >= 0 and not inside:
                sound = False
        unsound[b] = not sound
        count += 0 if sound else 1
        for m in range(given.shape[1]):
            if sound and meant_for[b, m] >= 0 and meant_for[b, m] == user_id[b, m]:
                rows[b, m] = given[b, m]
    return count


@kernel()
def lay_out_present(
    given: Array,
    meant_for: Ids,
    user_id: Ids,
    most_w: float,
    rows: Array,
    unsound: NDArray[np.bool_],
) -> int:
    """Like `lay_out`, for the users of one network in the order of their rows.

    Parameters
    ----------
    given : [K], float64
        Powers of the users they are meant for [W].
    meant_for, user_id, most_w, rows, unsound
        As of `lay_out`, B = 1.

    Returns
    -------
    int
        1 if it is unsound, 0 if not, -1 if there are more or fewer users than powers.
    """
    users = 0
    for m in range(meant_for.shape[1]):
        users += 1 if meant_for[0, m] >= 0 else 0
    if users != given.size:
        return -1
    unsound[0] = False
    for k in range(users):
        if not (0.0 <= given[k] <= most_w):
            unsound[0] = True
    if unsound[0]:
        return 1
    k = 0
    for m in range(meant_for.shape[1]):
        if meant_for[0, m] >= 0:
            if meant_for[0, m] == user_id[0, m]:
                rows[0, m] = given[k]
            k += 1
    return 0


@kernel()
def put_in_force(power: Array, meant_for: Ids, user_id: Ids, in_force: Array) -> None:
    """Give powers to the users they were meant for, wherever they still are.

    Parameters
    ----------
    power : [B, M], float64
        Powers [W].
    meant_for, user_id : [B, M], int64
        Whom each is for and who is there, -1 for nobody.
    in_force : [B, M], float64
        Powers of who is there [W], written to.
    """
    for b in range(power.shape[0]):
        for m in range(power.shape[1]):
            if meant_for[b, m] >= 0 and meant_for[b, m] == user_id[b, m]:
                in_force[b, m] = power[b, m]
