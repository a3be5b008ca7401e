"""A lesson: weights in, weights out, and in between gradient steps on what was observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from slotwise.controllers.graph import Graph
from slotwise.controllers.learned import Learned, Tensors
from slotwise.controllers.mlp import Mlp
from slotwise.controllers.networks.graph import GraphNetwork
from slotwise.controllers.networks.mlp import MlpNetwork
from slotwise.controllers.networks.unrolled import Sizes, UnrolledNetwork
from slotwise.controllers.online.memory import Seen
from slotwise.controllers.training.tuning import tune, tuning_for, validated
from slotwise.controllers.unrolled import Unrolled
from slotwise.emulator.scenario import InputError

__all__ = ["Learner"]

_REHEARSED_STEPS = 2
_IMITATED = 0.25  # of a lesson of random weights


class Learner:
    """Gives lessons to networks of one architecture.

    Parameters
    ----------
    base : Learned
        Whose architecture, and whose weights lessons are pulled to.
    options : dict
        Fields of `slotwise.controllers.training.tuning.Tuning` that are not those recommended for
        this architecture.

    Attributes
    ----------
    most_users : int
        That the network can decide for.

    Raises
    ------
    InputError
        If networks of this kind cannot be trained further.
    ValueError
        If an option is out of its range.
    """

    def __init__(self, base: Learned, options: dict[str, Any]) -> None:
        self._base = base
        self._kind, self._network = _network(base, 0)
        self._tuning = validated(self._network, tuning_for(self._kind, **options))
        self.most_users = base.sizes.users if isinstance(base, Mlp) else 1_000_000

    def first(self, seed: int) -> Tensors:
        """Random weights of this architecture."""
        return _plain(_network(self._base, seed)[1])

    def learn(
        self,
        tensors: Tensors,
        seen: Seen,
        seed: tuple[int, ...],
        home: Tensors | None = None,
        random: bool = False,
    ) -> Tensors:
        """Weights that do better than others on what was seen.

        One thread computes them, so that they are the same on every number of cores.

        Parameters
        ----------
        tensors : mapping of str to ndarray
            Weights to begin with.
        seen : Seen
            What to learn from.
        seed : tuple of int
            Of what is drawn.
        home : mapping of str to ndarray, optional
            Weights to be pulled to; left out: those of the base.
        random : bool
            Whether the weights to begin with are random: then a quarter of the steps imitates
            WMMSE, because the rate alone would lead to full power.
        """
        network, tuning = self._network, self._tuning
        if random:
            tuning = tuning._replace(imitate=_IMITATED)
        network.load_plain_tensors(_torch(tensors))
        snr, mean, weight = (torch.from_numpy(part) for part in seen)
        anchor = _torch(self._base.tensors if home is None else home)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            tune(network, self._kind, snr, mean, weight, tuning, seed, anchor)
        finally:
            torch.set_num_threads(threads)
        return _plain(network)

    def warm_up(self) -> None:
        """Do once where it does not count what takes longer the first time."""
        users = min(4, self.most_users)
        snr = np.eye(users, dtype=np.float32)[None] + np.float32(0.1)
        seen = Seen(snr, snr, np.ones((1, users), np.float32))
        tuning, self._tuning = self._tuning, self._tuning._replace(steps=_REHEARSED_STEPS)
        self.learn(self._base.tensors, seen, (0,))
        self._tuning = tuning


def _network(base: Learned, seed: int) -> tuple[str, Any]:
    """Architecture and a torch network of it, with random weights."""
    if isinstance(base, Mlp):
        if base.sizes.stations != base.sizes.users:
            raise InputError(
                f"base = {base.name}: has {base.sizes.stations} receivers for {base.sizes.users} "
                "users: a perceptron that learns needs one for each"
            )
        return "mlp", MlpNetwork(base.sizes, seed)
    if isinstance(base, Graph):
        return "graph", GraphNetwork(base.sizes, seed)
    if isinstance(base, Unrolled):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return "unrolled", UnrolledNetwork(Sizes(*base.sizes))
    raise InputError(f"base = {base.name}: must be mlp, graph or unrolled")


def _torch(tensors: Tensors) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}


def _plain(network: Any) -> Tensors:
    return {name: tensor.numpy() for name, tensor in network.plain_tensors().items()}
