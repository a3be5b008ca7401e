"""Policies of reinforcement learning as controllers: trained in environments, seated in networks.

Where a policy comes from is in its name. Weights files are tensors and a card, are read without
torch and run nothing; archives of Stable-Baselines3 are pickles, and are opened for whoever trusts
them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.controllers.cards import Card, shipped
from slotwise.controllers.learned import trained
from slotwise.controllers.policies import (
    FlatPolicy,
    FlatPolicySizes,
    GraphPolicy,
    GraphPolicySizes,
    Policy,
)
from slotwise.emulator.encoding import GainScale
from slotwise.emulator.scenario import InputError, Scenario, nearest

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation

__all__ = ["Rl", "sizes_of"]

Array = NDArray[np.float64]

_SIZES = {"graph": GraphPolicySizes, "sb3": FlatPolicySizes}
_LEAST = {"layers": 1, "width": 1, "hidden": 1, "levels": 2, "rows": 1}
_ALLOWED = {
    "algorithm": ("ppo", "sac", "td3"),
    "action": ("levels", "db", "linear"),
    "activation": ("relu", "tanh"),
    "observation": ("flat",),
}
_MOST = 10_000


class Rl(Controller):
    """A policy that was trained by reinforcement learning.

    Parameters
    ----------
    path : str
        Name of weights that come with the package, weights that ``slotwise train rl`` has written
        (``.safetensors``), or an agent of Stable-Baselines3 (``.zip``).
    trust : bool
        Open a zip: it is a pickle, which can run any code. Weights need no trust.
    action : str
        What the answers of a zip mean: ``levels``, ``binary``, ``db`` or ``linear``; ``auto``: as
        its space of actions says, which leaves ``db`` or ``linear`` open.
    observation : str
        What a zip is told: ``dict``, ``flat``, or ``auto``: as its space of observations says.
    gain_range : str
        Ends of the scale of gains that a zip was trained with, ``low:high`` [dB]; ``auto``: as
        suits the scenario.

    Attributes
    ----------
    gains_only : bool
        Whether gains and weights are all that it is told, so that it decides without a past.

    Raises
    ------
    InputError
        If there is no such policy, it is damaged or another network's, a zip is not trusted or was
        trained for other spaces than those of our environments, or an option is of no use.

    Notes
    -----
    Graph policies serve any number of users, and are equivariant. Others know users by their rows,
    of which they have a certain number: a user keeps its row for its stay, and the first free one
    is a newcomer's. See `slotwise.controllers.stable_baselines.Agent` for what an agent in a zip is
    told.
    """

    name = "rl"

    def __init__(
        self,
        path: str,
        trust: bool = False,
        action: str = "auto",
        observation: str = "auto",
        gain_range: str = "auto",
    ) -> None:
        self.card: Card | None = None
        if path.endswith(".zip"):
            self._policy = _agent(path, trust, action, observation, gain_range)
        else:
            for option, value in (
                ("action", action),
                ("observation", observation),
                ("gain_range", gain_range),
            ):
                if value != "auto":
                    raise InputError(f"{option} = {value}: only for a zip; the card of {path} says")
            self.card, self._policy = _from_weights(path)
        self.equivariant = self._policy.equivariant
        self.gains_only = self._policy.gains_only
        self._allocate = self._policy.allocate

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`.

        Raises
        ------
        InputError
            Also if there are more users than the policy has rows.
        """
        return self._allocate(gain, noise_power, p_max, weight)

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        return self._policy.decide(observation)

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`.

        Raises
        ------
        InputError
            If the network begins with more users than the policy has rows.
        """
        super().reset(scenario, seed)
        self._policy.reset(scenario)


def sizes_of(card: Card) -> GraphPolicySizes | FlatPolicySizes:
    """Sizes that a card tells.

    Raises
    ------
    KeyError, TypeError, ValueError
        If they are none of a policy.
    """
    kind = card.sizes.get("policy")
    if kind not in _SIZES:
        raise ValueError(f"policy = {kind}: must be one of {', '.join(_SIZES)}")
    given: dict[str, Any] = dict(card.sizes)
    sizes: GraphPolicySizes | FlatPolicySizes = _SIZES[str(kind)](**given)
    values = sizes._asdict()
    for name, least in _LEAST.items():
        for value in _numbers(values.get(name, least)):
            if type(value) is not int or not least <= value <= _MOST:
                raise ValueError(f"{name} = {value}: must be an integer from {least} to {_MOST}")
    for name, allowed in _ALLOWED.items():
        if name in values and values[name] not in allowed:
            raise ValueError(f"{name} = {values[name]}: must be one of {', '.join(allowed)}")
    GainScale(sizes.low_db, sizes.high_db)
    return sizes


def _numbers(value: Any) -> list[Any]:
    """Numbers of a list such as ``256,256``, or one number."""
    return [int(part) for part in value.split(",")] if isinstance(value, str) else [value]


def _from_weights(path: str) -> tuple[Card, Policy]:
    """A policy from a weights file, which runs nothing."""
    known = list(shipped("rl"))
    if not path.endswith(".safetensors") and path not in known:
        allowed = ", ".join([*known, "a path that ends in .safetensors or .zip"])
        raise InputError(f"path = {path}{nearest(path, known)}: must be {allowed}")
    found = trained(path, "rl", lambda card: sizes_of(card).shapes())
    sizes = sizes_of(found.card)
    if isinstance(sizes, GraphPolicySizes):
        return found.card, GraphPolicy(sizes, found.tensors)
    return found.card, FlatPolicy(sizes, found.tensors, path)


def _agent(path: str, trust: bool, action: str, observation: str, gain_range: str) -> Policy:
    """A policy from a pickle."""
    from slotwise.controllers.stable_baselines import Agent

    if not Path(path).is_file():
        raise InputError(f"path = {path}: there is no such file")
    if not trust:
        raise InputError(
            f"{path} is a pickle, which can run any code: give trust=true (or --trust) if you know "
            "who made it"
        )
    return Agent(path, action, observation, _range(gain_range))


def _range(gain_range: str) -> GainScale | None:
    """Scale of gains that is asked for; None for the scenario's."""
    if gain_range == "auto":
        return None
    try:
        low, high = map(float, gain_range.split(":"))
    except ValueError:
        low = high = math.nan
    try:
        return GainScale(low, high)
    except ValueError as error:
        raise InputError(f"gain_range = {gain_range}: must be low:high in dB: {error}") from None
