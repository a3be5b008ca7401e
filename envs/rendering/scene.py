"""A scene: what there is to see of one network at one instant, as plain arrays of who is present.

A picture is drawn from a scene and not from the network itself, so that an environment may look
when there is something to see, right after powers have come into force, and draw later, when the
channel has moved on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.medium import Medium
from slotwise.emulator.network import Network
from slotwise.emulator.radio import from_db, rate, sinr, to_db

__all__ = ["SILENT", "Scene"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

SILENT = 1e-4
"""Fraction of the largest power below which a user counts as silent: -40 dB."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One network at one instant, K users in ascending order of their numbers.

    Attributes
    ----------
    now_s : float
        Network time [s].
    csi_age_s : float
        Age of the newest report [s].
    capacity : int
        Most users at once.
    user_id, serving : ndarray, shape (K,), int64
        Who is there, and at which station.
    fraction : ndarray, shape (K,), float64
        Powers in force over the largest power [1].
    sinr_db : ndarray, shape (K,), float64
        SINR that counts, capped where the scenario caps it [dB]; minus infinity for the silent.
    rate : ndarray, shape (K,), float64
        Rates [bit/s/Hz].
    received_db : ndarray, shape (K, K), float64
        ``[k, j]``: power from transmitter j at the receiver of user k, over the noise [dB]; minus
        infinity where j is silent.
    user_m : ndarray, shape (K, 2), float64
        Where users are [m]; NaN in a layout without places.
    other_m : ndarray, shape (K, 2), float64
        The other ends of their links [m]: receivers of pairs, else the serving station or, with
        wrap-around, its nearest image.
    shift_m : ndarray, shape (K, 2), float64
        From the station to that image [m]; zero for the station itself.
    medium : Medium
        For what stays: layout, stations and direction.
    network : int
        Which of the medium's networks.
    """

    now_s: float
    csi_age_s: float
    capacity: int
    user_id: Ids
    serving: Ids
    fraction: Array
    sinr_db: Array
    rate: Array
    received_db: Array
    user_m: Array
    other_m: Array
    shift_m: Array
    medium: Medium
    network: int

    @property
    def sends(self) -> NDArray[np.bool_]:
        """Who is not silent, shape (K,)."""
        return self.fraction >= SILENT

    @classmethod
    def of(cls, network: Network, now_s: float, csi_age_s: float = 0.0, b: int = 0) -> Scene:
        """Look at a network.

        Parameters
        ----------
        network : Network
            State of B networks.
        now_s : float
            Network time [s].
        csi_age_s : float
            Age of the newest report [s].
        b : int
            Which of the B.
        """
        medium, one = network.medium, slice(b, b + 1)
        row = np.flatnonzero(network.user_id[b] >= 0)
        row = row[np.argsort(network.user_id[b, row])]
        # One network's gains alone: the others may be thousands.
        every = medium.between_users(medium.mean[one] * medium.fading.power[one], one)[0]
        gain, power = every[np.ix_(row, row)], network.power[b, row]
        cap_db = network.scenario.radio.sinr_cap_db
        cap = None if cap_db is None else float(from_db(cap_db))
        user_m, serving = medium.motion.position[b, row], medium.serving[b, row]
        other_m, shift_m = _other_ends(medium, b, serving, user_m)
        return cls(
            now_s=now_s,
            csi_age_s=csi_age_s,
            capacity=network.user_id.shape[1],
            user_id=network.user_id[b, row],
            serving=serving,
            fraction=power / network.p_max_w,
            sinr_db=to_db(sinr(gain, power, network.noise_w, cap)),
            rate=rate(gain, power, network.noise_w, cap),
            received_db=to_db(gain * power / network.noise_w),
            user_m=user_m,
            other_m=other_m,
            shift_m=shift_m,
            medium=medium,
            network=b,
        )


def _other_ends(medium: Medium, b: int, serving: Ids, user_m: Array) -> tuple[Array, Array]:
    """Where the links of users end, and by how much that is beside a station."""
    station = medium.station[b, serving]
    tiles = medium.places[b].tiles
    image = station[:, None, :] + tiles
    nearest = np.argmin(np.sum((user_m[:, None, :] - image) ** 2, axis=-1), axis=-1)
    shift_m = tiles[nearest]
    return station + shift_m, shift_m
