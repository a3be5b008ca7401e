"""Measurements: gains as a report carries them; of which users, is known only when they are read.

Between the measurement and the reading users may leave. A report that is read at once reads the
gains in the network itself; one that travels, waits, or was estimated with an error carries its
own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.csi import estimate, estimate_channel
from slotwise.emulator.kernels.reports import among_all, among_users
from slotwise.emulator.kernels.slot import AirValues
from slotwise.emulator.network import Network
from slotwise.emulator.sections import Csi

__all__ = ["Measurement"]

Array = NDArray[np.float64]
Channels = NDArray[np.complex128]
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
    channel : [B, S, M], complex, optional
        Complex channels that it carries, where these are reported; left out: those of the medium,
        if the measurement is to be read there and the scenario has them reported.

    Attributes
    ----------
    downlink : bool
        Whether antennas transmitted.
    """

    def __init__(
        self, network: Network, air: AirValues | None = None, channel: Channels | None = None
    ) -> None:
        self._network = network
        self._live = air is None
        if self._live and network.scenario.csi.reports == "channel":
            channel = _true_channel(network)
        self._channel = channel
        self.downlink = network.medium.downlink  # an episode may change it under way
        self._air: AirValues | None = network.medium.air if air is None else air

    @classmethod
    def carried(cls, network: Network, csi: Csi, rngs: list[np.random.Generator]) -> Measurement:
        """Gains as they are estimated now, with error and quantisation, and kept."""
        medium = network.medium
        mean, channel = medium.mean * medium.fading.mean, None
        if csi.reports == "channel":
            channel = estimate_channel(csi, _true_channel(network), mean, rngs)
            seen = np.square(channel.real) + np.square(channel.imag)
        else:
            seen = estimate(csi, medium.coupling, mean, rngs)
        return cls(network, (seen, np.ones_like(seen), medium.air[2].copy()), channel)

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

    def channel_among(self, network: int, row: Ids) -> Channels | None:
        """Complex channels among users of a network, as `among` has their squared magnitudes.

        Returns
        -------
        [K, K], complex128, or None
            A new array; None where gains alone are reported.
        """
        if self._channel is None:
            return None
        antenna = self.air[2][network, row]
        channel = self._channel[network][np.ix_(antenna, row)]
        return np.ascontiguousarray(channel.T) if self.downlink else channel

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


def _true_channel(network: Network) -> Channels:
    """Complex channels of all links now, [B, S, M]: the root of the mean gain times the field."""
    channel: Channels = np.sqrt(network.medium.mean) * network.medium.fading.field
    return channel
