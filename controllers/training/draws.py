"""Draws that networks learn from: gains as single precision, with WMMSE's powers as labels.

A set is drawn in blocks, and a block is a function of the seed, of what it is for and of its
number. So nothing of a generator is ever kept, a set of a thousand samples is the beginning of a
set of a million, and validation never sees what was trained on.

Users of one station have the same row of gains, which is kept once: N rows of K for N stations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast, full_power_snr
from slotwise.controllers.kernels.stations import stations_of
from slotwise.controllers.wmmse import wmmse
from slotwise.emulator import drops
from slotwise.emulator.drops import Drops
from slotwise.emulator.scenario import InputError, Scenario

__all__ = [
    "BLOCK",
    "Draw",
    "Form",
    "Part",
    "Samples",
    "Spread",
    "collect",
    "form_of",
    "in_turn",
    "of_scenario",
    "seed_of",
]

Floats = NDArray[np.float32]
Index = NDArray[np.int64]

R = TypeVar("R")

Draw = Callable[[int, int], Drops]
"""So many networks of a seed: ``draw(seed, samples)``."""

BLOCK = 1000
"""Samples that are drawn at once. Part of what a seed means."""


class Part(IntEnum):
    """What a draw is for. The numbers are part of what a seed means."""

    TRAINING = 0
    VALIDATION = 1
    TEST = 2


class Spread(Protocol):
    """A way to draw blocks: here, or in other processes."""

    def __call__(self, do: Callable[[int], R], tasks: Iterable[int]) -> Iterator[tuple[int, R]]:
        """Do all tasks; each one's number from 0 and its result, in any order."""


def in_turn(do: Callable[[int], R], tasks: Iterable[int]) -> Iterator[tuple[int, R]]:
    """Do tasks here, one after another; see `Spread`."""
    for number, task in enumerate(tasks):
        yield number, do(task)


class Form(NamedTuple):
    """Who is received where, the same in every draw of a scenario.

    Attributes
    ----------
    station : ndarray, shape (K,), int64
        Station of each user.
    first : ndarray, shape (N,), int64
        First user of each station.
    """

    station: Index
    first: Index


class Samples(NamedTuple):
    """Networks as a perceptron sees them, and WMMSE's answers.

    Attributes
    ----------
    amplitude : ndarray, shape (n, N K), float32
        Square roots of the gains in units of noise at full power, station after station.
    fraction : ndarray, shape (n, K), float32
        WMMSE's powers from full power, as fractions of the largest.
    """

    amplitude: Floats
    fraction: Floats


def of_scenario(scenario: Scenario, users: int) -> Draw:
    """Draws of a scenario.

    Raises
    ------
    InputError
        If its gains are measured: those cannot be drawn again and again.
    """
    if scenario.channel.fading == "replay":
        raise InputError(
            f"scenario {scenario.name}: channel.fading = replay: gains to learn from must be drawn"
        )
    return lambda seed, samples: drops.draw(scenario, samples, seed, users)


def seed_of(seed: int, part: Part, number: int) -> int:
    """Seed of one block."""
    state = np.random.SeedSequence((seed, int(part), number)).generate_state(1, np.uint64)
    return int(state[0])


def form_of(draw: Draw) -> Form:
    """Who is received where: users with the same gains share a station."""
    return Form(*stations_of(draw(0, 1).gain[0]))


def block(draw: Draw, form: Form, seed: int, labels: bool = True, samples: int = BLOCK) -> Samples:
    """Draw one block of samples.

    Parameters
    ----------
    draw : callable
        See `Draw`.
    form : Form
        From `form_of`.
    seed : int
        From `seed_of`.
    labels : bool
        Solve them by WMMSE; else the fractions are zero.

    Raises
    ------
    InputError
        If users of some draw share stations in another way.
    """
    drawn = draw(seed, samples)
    leader = form.first[form.station]
    if not np.array_equal(drawn.gain[:, :, 0], drawn.gain[:, leader, 0]):
        raise InputError(
            "users must share stations in the same way in every draw: association = home"
        )
    problem = broadcast(drawn.gain, drawn.noise_power, drawn.p_max, drawn.weight)
    snr = full_power_snr(problem)[:, form.first].astype(np.float32)
    fraction = np.zeros(problem.weight.shape, np.float32)
    if labels:
        power = wmmse(*problem)[0]
        np.divide(power, problem.p_max, out=fraction, casting="same_kind")
    return Samples(np.sqrt(snr).reshape(samples, -1), fraction)


def collect(
    draw: Draw,
    form: Form,
    seed: int,
    part: Part,
    samples: int,
    labels: bool = True,
    progress: Callable[[int], None] | None = None,
    spread: Spread = in_turn,
) -> Samples:
    """Draw a set of samples, block by block.

    Parameters
    ----------
    samples : int
        How many.
    progress : callable, optional
        Called with how many are done.
    spread : Spread
        Draws the blocks; the set is the same whoever does.

    Returns
    -------
    Samples
        All in memory: 4 N K bytes a sample.
    """
    users, stations = len(form.station), len(form.first)
    whole = Samples(
        np.empty((samples, stations * users), np.float32), np.empty((samples, users), np.float32)
    )
    do = functools.partial(_numbered, draw, form, (seed, part), labels)
    done = 0
    for number, part_of_it in spread(do, range(-(-samples // BLOCK))):
        rows = slice(number * BLOCK, min((number + 1) * BLOCK, samples))
        for kept, drawn in zip(whole, part_of_it, strict=True):
            kept[rows] = drawn[: rows.stop - rows.start]
        done += rows.stop - rows.start
        if progress is not None:
            progress(done)
    return whole


def _numbered(draw: Draw, form: Form, key: tuple[int, Part], labels: bool, number: int) -> Samples:
    return block(draw, form, seed_of(*key, number), labels)
