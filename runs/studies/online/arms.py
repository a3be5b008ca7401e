"""Ways to learn from real samples, all with the same care.

What `finetuned` does in one lesson is one of them. Others begin with random weights, imitate WMMSE,
or keep only some of the samples. They share samples, loss, augmentation and step sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.controllers.learned import Learned, Tensors
from slotwise.controllers.mlp import Mlp
from slotwise.controllers.online.memory import Memory, Seen
from slotwise.controllers.registry import make
from slotwise.emulator.radio import sum_rate

__all__ = ["Arm", "first", "kept", "learned", "loss_of", "network", "rates", "some"]

Array = NDArray[np.float64]

_IMITATED = 0.1
"""Share of the steps in which random weights learn WMMSE's powers: the rate alone could lead them
to full power for everyone."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to learn.

    Attributes
    ----------
    label : str
        As tables and figures call it.
    base : str
        Spec of the trained network whose architecture, and whose weights unless `fresh`, are used.
    objective : str
        ``unsupervised``, ``supervised`` or ``both``, see `slotwise.controllers.finetuned`.
    fresh : bool
        Begin with random weights.
    keep : str
        What of the samples is kept: all of them, or as `slotwise.controllers.online.memory` says.
    counts : tuple of int
        With how many samples it is measured; none: with all of the study's numbers.
    """

    label: str
    base: str
    objective: str = "unsupervised"
    fresh: bool = False
    keep: str = "all"
    counts: tuple[int, ...] = ()


def network(spec: str) -> Learned:
    """The network of a spec.

    Raises
    ------
    TypeError
        If it was not learned.
    """
    made = make(spec)
    if not isinstance(made, Learned):
        raise TypeError(f"{spec}: was not learned")
    return made


def learned(
    arm: Arm, base: Learned, now: Tensors, seen: Seen, seed: Sequence[int], steps: Mapping[str, int]
) -> Tensors:
    """Weights after one lesson.

    Parameters
    ----------
    arm : Arm
        How to learn.
    base : Learned
        Its network.
    now : mapping of str to ndarray
        Weights to begin with.
    seen : Seen
        What to learn from.
    seed : sequence of int
        Of what is drawn.
    steps : mapping of str to int
        ``steps`` of a lesson, zero for as many as are recommended, and how many times as many a
        fresh network takes, ``fresh``.
    """
    from slotwise.controllers.online.learner import Learner
    from slotwise.controllers.training.tuning import tuning_for

    kind = base.card.network
    count = steps["steps"] or tuning_for(kind).steps
    options: dict[str, Any] = {"objective": arm.objective, "steps": count}
    if arm.fresh:
        options |= {"steps": steps["fresh"] * count, "imitate": _IMITATED}
    return Learner(base, options).learn(now, seen, tuple(seed))


def first(arm: Arm, base: Learned, seen: Seen, seed: int) -> Tensors:
    """Weights before the first lesson: trained ones, or random ones that suit the samples."""
    if not arm.fresh:
        return base.tensors
    from slotwise.controllers.online.learner import Learner

    if not isinstance(base, Mlp):
        return Learner(base, {}).first(seed)
    import torch

    from slotwise.controllers.networks.mlp import MlpNetwork

    perceptron = MlpNetwork(base.sizes, seed)
    perceptron.standardise(torch.from_numpy(np.sqrt(seen.snr)).flatten(1))
    return {name: tensor.numpy() for name, tensor in perceptron.plain_tensors().items()}


def some(seen: Seen, count: int) -> Seen:
    """The first so many samples."""
    return Seen(*(part[:count] for part in seen))


def kept(seen: Seen, capacity: int, keep: str, seed: int, loss: Array | None = None) -> Seen:
    """What a bounded memory has kept of samples that came one after another."""
    memory = Memory(capacity, keep)
    memory.begin(seed)
    losses = np.zeros(len(seen.weight)) if loss is None else loss
    for snr, mean, weight, lost in zip(*seen, losses, strict=True):
        memory.add(snr, mean, weight, float(lost))
    return memory.samples()


def loss_of(controller: Controller, seen: Seen) -> Array:
    """What powers lose against WMMSE's in each sample, at least zero [1]."""
    snr = seen.snr.astype(np.float64)
    best = rates(make("wmmse"), snr, snr)
    lost = 1.0 - rates(controller, snr, snr) / np.maximum(best, np.finfo(float).tiny)
    return np.asarray(np.maximum(lost, 0.0))


def rates(controller: Controller, reported: Array, true: Array) -> Array:
    """True sum rates of powers for reported gains, both in units of noise, (n,) [bit/s/Hz]."""
    return sum_rate(true, controller.allocate(reported, 1.0, 1.0), 1.0)
