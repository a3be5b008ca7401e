"""Environments: the controller's seat of the emulator behind other libraries' interfaces.

Importing this package makes the environments known to Gymnasium::

    import gymnasium as gym
    import slotwise.envs

    env = gym.make("slotwise/GaussianIC-v0")
    many = gym.make_vec("slotwise/Urban-v0", num_envs=64, observation="flat")

``gym.make("slotwise.envs:slotwise/IMAC-v0")`` imports it by itself.
"""

from __future__ import annotations

from slotwise.envs.power_control import PowerControl
from slotwise.envs.registration import ENVIRONMENTS, register
from slotwise.envs.vector import VectorPowerControl

__all__ = ["ENVIRONMENTS", "PowerControl", "VectorPowerControl", "register"]

register()
