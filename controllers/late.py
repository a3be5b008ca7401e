"""The learned optimiser for late and wrong reports: told what is known of every gain, and what not.

The network is `slotwise.controllers.networks.unrolled.UnrolledNetwork` with late features: of a
gain |sqrt(A) + sqrt(V) e|^2 it sees what is typical, A + 0.65 V, and how much every user's
interference and own gain vary. It was trained for the mean of the rate over what the gains
may be, at any correlation and estimation error, so that one network serves all.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast
from slotwise.controllers.kernels.unrolled_late import LATE_FEATURES, pass_late
from slotwise.controllers.kernels.unrolled_layers import packed
from slotwise.controllers.learned import Learned, Tensors, trained
from slotwise.controllers.posterior import Tracker
from slotwise.controllers.search import flat, problem_of
from slotwise.controllers.unrolled import shapes_of, sizes_of
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["UnrolledLate"]

Array = NDArray[np.float64]


class UnrolledLate(Learned):
    """Learned optimiser of the expected sum rate on late and wrong reports.

    In a living network the known and unknown parts of all gains follow from the reports, their
    ages, the estimation error and the Doppler frequency, see `slotwise.controllers.posterior`.
    `allocate` takes gains for exactly known; `allocate_late` takes both parts.

    Parameters
    ----------
    weights : str
        Name of weights that come with the package, or a path that ends in ``.safetensors``.
    filter : str
        ``single``: parts follow from the newest report alone. ``kalman``: from a filter of every
        link; the scenario must report complex channels, ``csi.reports=channel``.
    doppler : str
        ``known``: as the scenario states it, and estimated where it does not. ``estimated``: from
        the reports.

    Raises
    ------
    ValueError
        If an option is none of its words.
    InputError
        If the weights are missing, damaged or another network's.
    """

    name = "unrolled-late"
    equivariant = True

    def __init__(
        self,
        weights: str = "unrolled-late",
        filter: str = "single",  # noqa: A002 - the option's name
        doppler: str = "known",
    ) -> None:
        self._tracker = Tracker(filter, doppler)
        found = trained(weights, "unrolled", lambda card: shapes_of(sizes_of(card)))
        self.card = found.card
        self.sizes = sizes_of(found.card)
        if self.sizes.late != LATE_FEATURES:
            raise InputError(
                f"weights = {weights}: late = {self.sizes.late}: must be {LATE_FEATURES}, of a "
                "network that is told what is unknown"
            )
        self.tensors = found.tensors
        self._net = packed(found.tensors, self.sizes)

    def with_weights(self, tensors: Tensors) -> Self:
        """See `Learned.with_weights`."""
        other = copy.copy(self)
        other.tensors, other._net = tensors, packed(tensors, self.sizes)
        other._tracker = copy.deepcopy(self._tracker)
        return other

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`: nothing is unknown."""
        gain = np.asarray(gain, np.float64)
        return self.allocate_late(gain, np.zeros_like(gain), noise_power, p_max, weight)

    def allocate_late(
        self,
        known: Array,
        unknown: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """Powers for gains that are known in part.

        Parameters
        ----------
        known, unknown : [..., K, K], float
            Gains are |sqrt(known) + sqrt(unknown) e|^2 with e ~ CN(0, 1); rows are receivers.
        noise_power, p_max, weight
            As of `Controller.allocate`.

        Returns
        -------
        [..., K], float64
            Power of each user [W].

        Raises
        ------
        ValueError
            If shapes do not fit or a value is out of its range.
        """
        known, unknown = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
        if known.shape != unknown.shape:
            raise ValueError(
                f"unknown has shape {unknown.shape}: must be {known.shape}, that of known"
            )
        problem = problem_of(known, noise_power, p_max, weight)
        every = flat(problem)
        doubt = np.array(np.broadcast_to(unknown, problem.gain.shape), order="C")
        doubt = doubt.reshape(every.gain.shape)
        power = np.empty(every.weight.shape)
        rows = every.noise_power, every.p_max, every.weight
        if power.size and pass_late(every.gain, doubt, *rows, self._net, power) >= 0:
            broadcast(*problem)
            broadcast(doubt, *rows)
            raise ValueError("gain p_max / noise_power: must be below 3.4e38")
        return power.reshape(problem.weight.shape)

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`: for what is believed of the gains."""
        belief = self._tracker.belief(observation)
        return self.allocate_late(
            *belief[:2], observation.noise_power, observation.p_max, observation.weight
        )

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`.

        Raises
        ------
        InputError
            If a Kalman filter would get gains.
        """
        super().reset(scenario, seed)
        self._tracker.reset(scenario)
