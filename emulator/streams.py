"""Random streams: one for each cause, all from one seed.

A stream is named by what it is for (a cause), by the network, and, where it belongs to a user, by
that user's number. Nothing that happens in one stream moves another, and no decision touches any,
so two controllers under one seed see the same users and the same channel to the last bit, and
network ``b`` lives the same life alone and among many.
"""

from __future__ import annotations

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
    """The streams of one seed.

    Parameters
    ----------
    seed : int
        Non-negative.

    Raises
    ------
    ValueError
        If the seed is negative.
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed = {seed}: must be a non-negative integer")
        self.seed = seed

    def network(self, cause: Cause, network: int, episode: int = 0) -> np.random.Generator:
        """Stream of a cause in one network (and one episode)."""
        return self._stream(cause, network, episode)

    def user(self, cause: Cause, network: int, user: int, episode: int = 0) -> np.random.Generator:
        """Stream of a cause for one user of one network (and one episode)."""
        return self._stream(cause, network, episode, user)

    def _stream(self, cause: Cause, *key: int) -> np.random.Generator:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(int(cause), *key))
        return np.random.Generator(np.random.PCG64(sequence))
