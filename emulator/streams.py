"""Random streams: one for each cause, all from one seed.

A stream is named by what it is for (a cause), by the network, and, where it belongs to a user, by
that user's number. Nothing that happens in one stream moves another, and no decision touches any,
so two controllers under one seed see the same users and the same channel to the last bit, and
network ``b`` lives the same life alone and among many.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

__all__ = ["Cause", "Streams"]


class Cause(IntEnum):
    """What randomness is for. The numbers are part of what a seed means: never renumber."""

    LAYOUT = 0
    ARRIVALS = 1
    LIFETIME = 2
    POSITION = 3
    MOBILITY = 4
    SHADOWING = 5
    SIGHT = 6
    FADING = 7
    FADING_START = 8
    CSI = 9
    DROPS = 10


class Streams:
    """The streams of B networks.

    Parameters
    ----------
    seed : int or sequence of int
        Non-negative; one for all networks, or one for each.
    numbers : sequence of int
        Numbers of the networks.

    Raises
    ------
    ValueError
        If a seed is negative, or there are more or fewer seeds than networks.
    """

    def __init__(self, seed: int | Sequence[int], numbers: Sequence[int] = (0,)) -> None:
        seeds = [seed] * len(numbers) if isinstance(seed, int | np.integer) else list(seed)
        if len(seeds) != len(numbers):
            raise ValueError(f"{len(seeds)} seeds, {len(numbers)} networks: must be one for each")
        for one in seeds:
            if one < 0:
                raise ValueError(f"seed = {one}: must be a non-negative integer")
        self._names = [(int(one), int(number)) for one, number in zip(seeds, numbers, strict=True)]

    def __len__(self) -> int:
        return len(self._names)

    def network(self, cause: Cause, network: int, drop: int = 0) -> np.random.Generator:
        """Stream of a cause in the network of this index (and one drop)."""
        return self._stream(cause, network, drop)

    def user(self, cause: Cause, network: int, user: int, drop: int = 0) -> np.random.Generator:
        """Stream of a cause for one user of the network of this index (and one drop)."""
        return self._stream(cause, network, drop, user)

    def _stream(self, cause: Cause, network: int, *key: int) -> np.random.Generator:
        seed, number = self._names[network]
        sequence = np.random.SeedSequence(seed, spawn_key=(int(cause), number, *key))
        return np.random.Generator(np.random.PCG64(sequence))
