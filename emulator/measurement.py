"""Measurements: gains as a report carries them; of which users, is known only when they are read.

Between the measurement and the reading users may leave. A report that is read at once reads the
gains in the network itself; one that travels, waits, or was estimated with an error carries its
own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.csi import estimate
from slotwise.emulator.kernels.reports import among_all, among_users
from slotwise.emulator.kernels.slot import AirValues
from slotwise.emulator.network import Network
from slotwise.emulator.sections import Csi

__all__ = ["Measurement"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]


class Measurement:
    """State of B networks at one instant, as far as a report says it.

    Parameters
    ----------
    network : Network
        What is measured.
    air : tuple, optional
        Values of `kernels.slot.Air` that the measurement carries; left out: those of the medium,
        to be read before the report is answered.

    Attributes
    ----------
    downlink : bool
        Whether antennas transmitted.
    """

    def __init__(self, network: Network, air: AirValues | None = None) -> None:
        self._network = network
        self._live = air is None
        self.downlink = network.medium.downlink  # an episode may change it under way
        self._air: AirValues | None = network.medium.air if air is None else air

    @classmethod
    def carried(cls, network: Network, csi: Csi, rngs: list[np.random.Generator]) -> Measurement:
        """Gains as they are estimated now, with error and quantisation, and kept."""
        medium = network.medium
        seen = estimate(csi, medium.coupling, medium.mean * medium.fading.mean, rngs)
        return cls(network, (seen, np.ones_like(seen), medium.air[2].copy()))

    def expire(self) -> None:
        """The network lives on: what is read in it is no longer this measurement."""
        if self._live:
            self._air = None

    def among(self, network: int, row: Ids) -> Array:
        """Gains among users of a network.

        Parameters
        ----------
        network : int
            Which.
        row : [K], int64
            Rows of the users.

        Returns
        -------
        [K, K], float64
            ``gain[k, j]`` from transmitter j to the receiver of k; a new array.

        Raises
        ------
        RuntimeError
            If it was to be read in the network, and the report has been answered.
        """
        gain = np.empty((row.size, row.size))
        among_users(network, row, self.downlink, self.air, gain)
        return gain

    def everywhere(self, user_id: Ids) -> Array:
        """Gains of all networks.

        Parameters
        ----------
        user_id : [B, M], int64
            -1 for an empty row.

        Returns
        -------
        [B, M, M], float64
            Zero to and from empty rows; a new array.

        Raises
        ------
        RuntimeError
            If it was to be read in the network, and the report has been answered.
        """
        networks, rows = user_id.shape
        gain = np.empty((networks, rows, rows))
        among_all(user_id, self.downlink, self.air, gain)
        return gain

    def long_term(self, network: int, row: Ids) -> Array:
        """Gains without fading as they are known now, shape (K, K): `Observation.mean_gain`."""
        return self._network.medium.long_term_gain(network, row)

    @property
    def air(self) -> AirValues:
        """Values of `kernels.slot.Air` as they were measured.

        Raises
        ------
        RuntimeError
            If they were to be read in the network, and the report has been answered.
        """
        if self._air is None:
            raise RuntimeError("these gains have passed: read a report before it is answered")
        return self._air
