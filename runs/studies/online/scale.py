"""How much of the study is measured: seeds, samples, slots."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SCALES", "OnlineScale"]


@dataclass(frozen=True, slots=True)
class OnlineScale:
    """How much is measured.

    Attributes
    ----------
    name : str
        ``minutes`` or ``full``.
    seeds : int
        Networks, each learned anew, unless the command says how many.
    samples : tuple of int
        Real samples that are learned from.
    tests : int
        Held-out draws of each network.
    episode_samples, memory : int
        Samples of an episode that are learned one after another, and how many a bounded memory has
        room for.
    scratch_steps : int
        How many times the steps of fine-tuning a network takes that starts from random weights.
    steps : int
        Gradient steps of a lesson; 0: as many as are recommended.
    slots : dict of str to int
        Slots of each kind of life.
    held : int
        Slots after a deployment on which the weights before and after it are compared.
    watched, networks : int
        Slots that the drift test watches, and in how many networks.
    blocks, block_s : int, float
        Pairs of blocks in which decisions are timed, and how long each lasts [s].
    """

    name: str
    seeds: int
    samples: tuple[int, ...]
    tests: int
    episode_samples: int
    memory: int
    scratch_steps: int
    steps: int
    slots: dict[str, int]
    held: int
    watched: int
    networks: int
    blocks: int
    block_s: float


SCALES = {
    "minutes": OnlineScale(
        name="minutes",
        seeds=2,
        samples=(50, 300),
        tests=500,
        episode_samples=300,
        memory=300,
        scratch_steps=2,
        steps=100,
        slots={"drift": 2000, "d2d": 1000, "auckland": 400},
        held=100,
        watched=5_000,
        networks=5,
        blocks=10,
        block_s=0.1,
    ),
    "full": OnlineScale(
        name="full",
        seeds=5,
        samples=(50, 300, 1000, 3000),
        tests=2000,
        episode_samples=1000,
        memory=1000,
        scratch_steps=3,
        steps=0,
        slots={"drift": 2000, "d2d": 1600, "auckland": 2000},
        held=200,
        watched=20_000,
        networks=10,
        blocks=60,
        block_s=0.25,
    ),
}
"""Both scales by name; what stands under docs/results was made with ``full``."""
