"""What is measured: one network, how many draws of it, who answers them, what was published.

Settings are plain values. They say everything that a measurement depends on but the weights, so
that their text, with the weights' digests, tells whether a kept result is still the one wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["SCALES", "Goal", "Published", "Quantity", "Scale", "Setting"]

Quantity = Literal["raw", "rounded", "better", "speed"]
"""Which figure of a method: its powers as they are, rounded to on or off, for each draw the better
of the two (all relative to the reference), or how many of its decisions fit into one of the
reference."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured and trained.

    Attributes
    ----------
    name : str
        ``minutes`` or ``paper``.
    samples, large_samples : int
        Draws of a network; of one with 100 users or more.
    certified_samples : int
        Draws whose optimum is certified, a quarter of it with 20 users.
    latency_samples : int
        Single decisions that are timed for each method.
    latency_s : float
        Time after which a method's single decisions are enough [s].
    training_samples, training_steps : int
        Samples and steps of a network that is trained anew.
    """

    name: str
    samples: int
    large_samples: int
    certified_samples: int
    latency_samples: int
    latency_s: float
    training_samples: int
    training_steps: int


SCALES = {
    "minutes": Scale("minutes", 500, 100, 100, 100, 0.5, 50_000, 1_000),
    "paper": Scale("paper", 10_000, 2_000, 1_000, 500, 5.0, 1_000_000, 40_000),
}
"""Both scales by name."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a paper says of one method; None and empty where it says nothing.

    Attributes
    ----------
    sum_rate : float, optional
        Mean sum rate [bit/s/Hz].
    relative : float, optional
        Ratio to the reference's mean sum rate [1].
    time : str
        As published, with its unit and what it is of.
    """

    sum_rate: float | None = None
    relative: float | None = None
    time: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a method should reach.

    Attributes
    ----------
    method : str
        Its label.
    quantity : Quantity
        Which of its figures.
    least : float
        At least this much, in per cent of the reference, or in times for ``speed``.
    aim : float, optional
        Better still.
    against : str
        Label of another reference than the setting's.
    """

    method: str
    quantity: Quantity
    least: float
    aim: float | None = None
    against: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """A network with frozen draws of it that every method answers.

    Attributes
    ----------
    label, group : str
        Column of a table, such as ``K = 10``, and the table it stands in where there are several.
    scenario : str
        Name of a scenario.
    users, samples : int
        Users of a draw; draws.
    methods : tuple of str
        Labels, which are specs unless a network was trained anew. The first is the reference.
    overrides : tuple of str
        ``field=value`` of the scenario.
    published : mapping of str to Published
        By label.
    goals : tuple of Goal
        What should be reached here.
    """

    label: str
    scenario: str
    users: int
    samples: int
    methods: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    group: str = ""
    published: Mapping[str, Published] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
