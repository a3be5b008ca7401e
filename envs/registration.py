"""Names under which Gymnasium knows the environments."""

from __future__ import annotations

from typing import NamedTuple

import gymnasium as gym

__all__ = ["ENVIRONMENTS", "Registered", "register"]


class Registered(NamedTuple):
    """An environment that Gymnasium knows by name.

    Attributes
    ----------
    scenario : str
        Built-in scenario.
    max_episode_steps : int
        Steps of an episode.
    overrides : tuple of str
        Fields of the scenario that are set otherwise.
    """

    scenario: str
    max_episode_steps: int
    overrides: tuple[str, ...] = ()


ENVIRONMENTS = {
    "slotwise/PowerControl-v0": Registered("gaussian-ic", 1000),
    "slotwise/GaussianIC-v0": Registered("gaussian-ic", 100),
    "slotwise/IMAC-v0": Registered("imac", 100),
    "slotwise/D2D-v0": Registered("d2d", 100),
    "slotwise/Urban-v0": Registered("urban", 2000),
    "slotwise/NasirGuo-v0": Registered("nasir-guo", 20),
    # A decision there takes as long as it takes, which would make no two episodes alike.
    "slotwise/Auckland-v0": Registered("auckland", 2000, ("timing.mode=ideal",)),
    "slotwise/Drift-v0": Registered("drift", 2000),
    "slotwise/FourCells-v0": Registered("four-cells", 1000),
    "slotwise/WideCell-v0": Registered("wide-cell", 1000),
}
"""All environments by their names."""


def register() -> None:
    """Make the environments known to Gymnasium; those that it knows already stay as they are."""
    for name, (scenario, steps, overrides) in ENVIRONMENTS.items():
        if name in gym.registry:
            continue
        kwargs: dict[str, object] = {"scenario": scenario}
        if overrides:
            kwargs["overrides"] = list(overrides)
        gym.register(
            id=name,
            entry_point="slotwise.envs.power_control:PowerControl",
            vector_entry_point="slotwise.envs.vector:VectorPowerControl",
            max_episode_steps=steps,
            kwargs=kwargs,
        )
