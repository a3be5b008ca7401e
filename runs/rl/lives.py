"""Networks that a policy learns from: groups of seats whose episodes begin one after another.

Every step takes one slot of every network. A network lives a few slots and is then drawn anew,
users, places, shadowing and all; groups do so at different steps, so that a batch holds networks of
every age. Which life a group is in, and how far, is a function of the seed and the step alone, and
no decision changes a channel: a training that goes on from a checkpoint meets the same networks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.radio import from_db
from slotwise.envs.options import Options
from slotwise.envs.seat import Seat
from slotwise.runs.rl.instants import check_slots

__all__ = ["Lives", "Met"]

Single = NDArray[np.float32]


class Met(NamedTuple):
    """What a step meets, networks of all groups one after another.

    Attributes
    ----------
    gain_code : [B, M, M], float32
        Reported gains as they are told.
    mask, weight : [B, M], float32
        As they are told.
    snr : [B, M, M], float64
        True gains of the slot, in units of noise at full power.
    """

    gain_code: Single
    mask: Single
    weight: Single
    snr: NDArray[np.float64]


class Lives:
    """Groups of networks, each behind a seat.

    Parameters
    ----------
    options : Options
        Of the environment, with levels.
    networks : int
        Of all groups; rounded up to a multiple of them.
    groups : int
        How many seats.
    slots : int
        That a network lives.
    seed : int
        Fixes every life.

    Attributes
    ----------
    networks : int
        Of all groups.
    sinr_cap : float
        Largest SINR that counts; infinite for none.

    Raises
    ------
    InputError
        If a decision of the scenario does not hold for one whole slot.
    """

    def __init__(self, options: Options, networks: int, groups: int, slots: int, seed: int) -> None:
        check_slots(options.scenario)
        share = -(-networks // groups)
        self._seats = [Seat(options, share) for _ in range(groups)]
        self._at: list[tuple[int, int] | None] = [None] * groups
        self._slots, self._seed, self._share = slots, seed, share
        self.networks = share * groups
        cap_db = options.scenario.radio.sinr_cap_db
        self.sinr_cap = np.inf if cap_db is None else float(from_db(cap_db))

    def meet(self, step: int) -> Met:
        """Bring all networks to a step."""
        for group in range(len(self._seats)):
            self._bring(group, *divmod(step + group * self._slots // len(self._seats), self._slots))
        told = [seat.canonical.views(seat.told) for seat in self._seats]
        networks = [seat.emulator.network for seat in self._seats]
        return Met(
            gain_code=np.concatenate([one["gain"] for one in told]),
            mask=np.concatenate([one["mask"] for one in told]),
            weight=np.concatenate([one["weight"] for one in told]),
            snr=np.concatenate([n.medium.gain * (n.p_max_w / n.noise_w) for n in networks]),
        )

    def answer(self, number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Let all networks live a slot under powers of these levels [B, M].

        Returns
        -------
        [B], float64
            Mean sum rates over it [bit/s/Hz].
        """
        for group, seat in enumerate(self._seats):
            at = self._at[group]
            assert at is not None, "networks are met before they are answered"
            seat.step(np.ascontiguousarray(number[group * self._share : (group + 1) * self._share]))
            self._at[group] = (at[0], at[1] + 1)
        return np.concatenate([seat.sum_rate for seat in self._seats])

    def _bring(self, group: int, life: int, slot: int) -> None:
        """Bring a group to a slot of a life; from the beginning, unless it is on its way there."""
        seat, at = self._seats[group], self._at[group]
        if at is None or at[0] != life or at[1] > slot:
            sequence = np.random.SeedSequence((self._seed, group, life))
            seat.reset([int(one) for one in sequence.generate_state(self._share, np.uint64)])
            at = (life, 0)
        silent = np.zeros((self._share, seat.rows), np.int64)
        for _ in range(slot - at[1]):
            seat.step(silent)
        self._at[group] = (life, slot)
