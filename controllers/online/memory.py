"""What a controller remembers of the network it runs: observations, as many as there is room for.

An observation is kept as gains in units of noise at full power, so that neither watts nor path
losses matter, with the long-term gains that were told with it. Who is absent has no gain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["Keep", "Memory", "Seen"]

Floats = NDArray[np.float32]
Keep = Literal["recent", "reservoir", "loss"]

_LEAST_LOSS = 1e-3  # what a network that does all right is remembered by


class Seen(NamedTuple):
    """Observations of up to M users.

    Attributes
    ----------
    snr : ndarray, shape (n, M, M), float32
        Gains in units of noise at full power; rows are receivers. Zero to and from who is absent.
    mean : ndarray, shape (n, M, M), float32
        The same in the long term, without fading.
    weight : ndarray, shape (n, M), float32
        Weights of the rates; zero of who is absent.
    """

    snr: Floats
    mean: Floats
    weight: Floats


class Memory:
    """Observations that were kept, at most so many.

    Parameters
    ----------
    capacity : int
        Most observations; 0: all of them.
    keep : {"recent", "reservoir", "loss"}
        Which ones: the newest; each with the same chance (algorithm R of J. S. Vitter, "Random
        sampling with a reservoir", ACM Trans. Math. Softw. 11(1), 1985); or each the more likely
        the more its loss was (algorithm A-Res of P. S. Efraimidis and P. G. Spirakis, "Weighted
        random sampling with a reservoir", Inf. Process. Lett. 97(5), 2006).

    Attributes
    ----------
    seen : int
        Observations so far, kept or not.

    Raises
    ------
    ValueError
        If the capacity is negative, or `keep` is unknown.
    """

    def __init__(self, capacity: int, keep: str) -> None:
        if capacity < 0:
            raise ValueError(f"memory = {capacity}: must be non-negative; 0 keeps everything")
        if keep not in get_args(Keep):
            raise ValueError(f"keep = {keep}: must be one of {', '.join(get_args(Keep))}")
        self._capacity, self._keep = capacity, keep
        self.begin(0)

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, seed: int) -> None:
        """Forget everything; what is drawn from now on is fixed by a seed."""
        self.seen = 0
        self._rng = np.random.default_rng(seed)
        self._kept: list[tuple[Floats, Floats, Floats]] = []
        self._keys: list[float] = []
        self._marks: list[int] = []
        self._marked: set[int] = set()

    def add(
        self, snr: Floats, mean: Floats, weight: Floats, loss: float = 0.0, mark: int = 0
    ) -> bool:
        """Keep an observation, if it is chosen.

        Parameters
        ----------
        snr, mean : ndarray, shape (K, K), float32
            See `Seen`; not copied.
        weight : ndarray, shape (K,), float32
            Not copied.
        loss : float
            How much was lost there, for ``keep = "loss"`` [1].
        mark : int
            By which it is known again: one that is there is not kept twice. Zero: unknown.

        Returns
        -------
        bool
            Whether it is new.
        """
        if mark and mark in self._marked:
            return False
        self.seen += 1
        kept = snr, mean, weight
        key = 0.0
        if self._keep == "loss":
            # The logarithm of A-Res's key: the same order, and no underflow.
            key = math.log(1.0 - self._rng.random()) / max(loss, _LEAST_LOSS)
        if self._capacity == 0 or len(self._kept) < self._capacity:
            self._kept.append(kept)
            self._keys.append(key)
            self._marks.append(mark)
            self._marked.add(mark)
            return True
        place = self._place(key)
        if place is not None:
            self._marked.discard(self._marks[place])
            self._marked.add(mark)
            self._kept[place], self._keys[place], self._marks[place] = kept, key, mark
        return True

    def samples(self, newest: int = 0) -> Seen:
        """What is kept, one array for all; users past the last of an observation are absent.

        Parameters
        ----------
        newest : int
            Only so many, those that came last, where the newest are kept; 0: all.
        """
        return _stacked(self._in_order()[-newest:])

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that there is to save: arrays, and values for JSON."""
        arrays: dict[str, NDArray[Any]] = _stacked(self._kept)._asdict()
        arrays["users"] = np.array([len(w) for *_, w in self._kept], np.int64)
        arrays["key"] = np.array(self._keys, np.float64)
        arrays["mark"] = np.array(self._marks, np.int64)
        return arrays, {"seen": self.seen, "rng": self._rng.bit_generator.state}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Become what `state` told of.

        Raises
        ------
        KeyError, TypeError, ValueError
            If that is nothing of the kind.
        """
        self.seen = int(values["seen"])
        self._rng.bit_generator.state = values["rng"]
        parts = (arrays["users"], arrays["snr"], arrays["mean"], arrays["weight"])
        self._kept = [
            (snr[:there, :there].copy(), mean[:there, :there].copy(), weight[:there].copy())
            for there, snr, mean, weight in zip(*parts, strict=True)
        ]
        self._keys = [float(key) for key in arrays["key"]]
        self._marks = [int(mark) for mark in arrays["mark"]]
        self._marked = set(self._marks)

    def _place(self, key: float) -> int | None:
        """Whom a new observation replaces, where there is no room; None: it is not kept."""
        if self._keep == "recent":
            return (self.seen - 1) % self._capacity
        if self._keep == "reservoir":
            place = int(self._rng.integers(self.seen))
            return place if place < self._capacity else None
        least = min(range(len(self._keys)), key=self._keys.__getitem__)
        return least if key > self._keys[least] else None

    def _in_order(self) -> list[tuple[Floats, Floats, Floats]]:
        """The newest last, where that is known."""
        if self._keep != "recent" or not 0 < self._capacity == len(self._kept):
            return self._kept
        turn = self.seen % self._capacity
        return self._kept[turn:] + self._kept[:turn]


def _stacked(kept: list[tuple[Floats, Floats, Floats]]) -> Seen:
    """Observations in arrays for all of them."""
    users = max((len(weight) for *_, weight in kept), default=0)
    seen = Seen(
        np.zeros((len(kept), users, users), np.float32),
        np.zeros((len(kept), users, users), np.float32),
        np.zeros((len(kept), users), np.float32),
    )
    for n, (snr, mean, weight) in enumerate(kept):
        there = len(weight)
        seen.snr[n, :there, :there] = snr
        seen.mean[n, :there, :there] = mean
        seen.weight[n, :there] = weight
    return seen
