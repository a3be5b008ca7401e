"""Mobility: how users move between the refreshes of positions.

A user joins at a place with a random generator of its own, from which it draws its speed group,
its speed and its first leg. It walks a leg straight and at constant speed; at the leg's end, at
that very instant, it draws the next one from the same generator. Its path therefore depends on
its generator alone: not on other users, nor on how time is cut into steps.

Random waypoint: T. Camp, J. Boleng and V. Davies, "A survey of mobility models for ad hoc network
research", Wirel. Commun. Mob. Comput. 2(5), 2002, section 2.2. Speeds are per user, not per leg,
and the law of positions drifts from that of the joins towards the centre of the area, as that
model's does. Random direction: exponential legs with reflection at the edges, as in P. Nain, D.
Towsley, B. Liu and Z. Liu, "Properties of random direction models", IEEE INFOCOM 2005, which
keeps uniform positions uniform.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.emulator.sections import Mobility

__all__ = ["Motion"]

Array = NDArray[np.float64]

_TOLERANCE_M = 1e-6


class Motion:
    """Positions of the users of B networks, M rows each.

    Parameters
    ----------
    mobility : Mobility
        How users move.
    area : (4,) array
        xmin, ymin, xmax, ymax [m], see `layout.Places`. An infinite one has no edges, which
        suits ``direction`` alone.
    networks, rows : int
        B and M.

    Attributes
    ----------
    position : (B, M, 2) float64
        Where users are [m]; NaN in an empty row.
    speed : (B, M) float64
        How fast each walks [m/s], also while it pauses at a waypoint; 0 for ``still`` and in an
        empty row.
    group : (B, M) int64
        Index of each user's speed group, -1 in an empty row.

    Raises
    ------
    ValueError
        If users move and the area is not an area.
    """

    def __init__(self, mobility: Mobility, area: ArrayLike, networks: int, rows: int) -> None:
        corners = np.asarray(area, dtype=np.float64)
        self._low, self._high = corners[:2], corners[2:]
        self._kind = mobility.kind
        edged = self._kind == "waypoint"
        if self._kind != "still" and not (
            np.all(self._high > self._low) and (np.all(np.isfinite(corners)) or not edged)
        ):
            raise ValueError(
                f"area = {corners.tolist()}: {self._kind} must have an area to move in"
            )
        self._pause_s, self._leg_s = mobility.pause_s, mobility.leg_s
        self._slowest = np.array([group.speed_min_mps for group in mobility.groups])
        self._fastest = np.array([group.speed_max_mps for group in mobility.groups])
        self._share = np.cumsum([group.share for group in mobility.groups])
        self.position = np.full((networks, rows, 2), np.nan)
        self.speed = np.zeros((networks, rows))
        self.group = np.full((networks, rows), -1, dtype=np.int64)
        self._velocity = np.zeros((networks, rows, 2))
        self._target = np.full((networks, rows, 2), np.nan)
        self._remaining = np.full((networks, rows), np.inf)  # time to the next turn
        self._walking = np.zeros((networks, rows), dtype=bool)
        self._rng: dict[tuple[int, int], np.random.Generator] = {}

    def join(
        self,
        network: int,
        row: int,
        position: ArrayLike,
        rng: np.random.Generator,
        legs: np.random.Generator | None = None,
    ) -> None:
        """Let a user appear.

        Parameters
        ----------
        network, row : int
            Where it is kept until it leaves.
        position : (2,) array
            Where it appears [m].
        rng : Generator
            The user's own: group by share, and speed uniform in the group's range.
        legs : Generator, optional
            The user's own as well: first leg and all later ones; left out: `rng` goes on.

        Raises
        ------
        ValueError
            If the user can move and its position is outside the area.
        """
        at = (network, row)
        self.leave(network, row)
        place = np.asarray(position, dtype=np.float64)
        group = int(np.searchsorted(self._share, rng.random() * self._share[-1], side="right"))
        speed = rng.uniform(self._slowest[group], self._fastest[group])
        self.position[at], self.group[at] = place, group
        if self._kind == "still":
            return
        inside = np.clip(place, self._low, self._high)
        if not np.all(np.abs(place - inside) <= _TOLERANCE_M):
            raise ValueError(
                f"position = {place.tolist()}: must be between {self._low.tolist()} and "
                f"{self._high.tolist()}"
            )
        self.position[at], self.speed[at] = inside, speed
        if speed > 0.0:
            self._rng[at] = rng if legs is None else legs
            self._walk(at)

    def stand(self, network: int, row: NDArray[np.int64], position: Array) -> None:
        """Let users appear who never move, and so have no group either.

        Parameters
        ----------
        network : int
        row : (n,) int64
            Where they are kept.
        position : (n, 2) float64
            Where they appear [m].
        """
        self.position[network, row] = position

    def leave(self, network: int, row: int) -> None:
        """Empty a row."""
        at = (network, row)
        self.position[at], self.speed[at], self.group[at] = np.nan, 0.0, -1
        self._velocity[at], self._target[at], self._remaining[at] = 0.0, np.nan, np.inf
        self._walking[at] = False
        self._rng.pop(at, None)

    def advance(self, dt_s: ArrayLike) -> Array:
        """Let time pass.

        Parameters
        ----------
        dt_s : float or (B, M) array
            How long [s].

        Returns
        -------
        (B, M) float64
            Path that each user walked [m], round its corners.

        Raises
        ------
        ValueError
            If the time is negative or not finite.
        """
        left = np.array(np.broadcast_to(np.asarray(dt_s, dtype=np.float64), self.speed.shape))
        if not np.all((left >= 0.0) & (left < math.inf)):
            raise ValueError(f"dt_s = {dt_s!r}: must be finite and at least 0")
        path = np.zeros(self.speed.shape)
        if not self._rng:
            return path
        while True:
            step = np.minimum(left, self._remaining)
            self.position += self._velocity * step[..., None]
            path += np.where(self._walking, self.speed * step, 0.0)
            self._remaining -= step
            left -= step
            if self._kind == "direction":
                self._reflect()
            turning = np.argwhere(self._remaining <= 0.0)
            if not turning.size:
                return path
            for network, row in turning:
                self._turn((int(network), int(row)))

    def _turn(self, at: tuple[int, int]) -> None:
        """End a leg or a pause, and begin what comes next."""
        if self._kind == "waypoint" and self._walking[at]:
            self.position[at] = self._target[at]  # without the rounding of many steps
            if self._pause_s > 0.0:
                self._walking[at], self._velocity[at] = False, 0.0
                self._remaining[at] = self._pause_s
                return
        self._walk(at)

    def _walk(self, at: tuple[int, int]) -> None:
        """Draw a leg."""
        rng, speed = self._rng[at], float(self.speed[at])
        self._walking[at] = True
        if self._kind == "waypoint":
            target = self._low + (self._high - self._low) * rng.random(2)
            way = target - self.position[at]
            length = math.hypot(*way)  # a Python float, like speed: over almost 0 it is inf
            self._target[at], self._remaining[at] = target, length / speed
            self._velocity[at] = way * (speed / length) if length > 0.0 else 0.0
        else:
            angle = rng.uniform(0.0, 2.0 * math.pi)
            self._velocity[at] = speed * math.cos(angle), speed * math.sin(angle)
            self._remaining[at] = rng.exponential(self._leg_s)

    def _reflect(self) -> None:
        """Fold positions beyond an edge back, as often as it takes, and turn their velocities."""
        network, row, axis = np.nonzero((self.position < self._low) | (self.position > self._high))
        if network.size:
            low, high = self._low[axis], self._high[axis]
            size = high - low
            offset = np.mod(self.position[network, row, axis] - low, 2.0 * size)
            backwards = offset > size
            folded = low + np.where(backwards, 2.0 * size - offset, offset)
            self.position[network, row, axis] = np.clip(folded, low, high)
            self._velocity[network, row, axis] *= np.where(backwards, -1.0, 1.0)
