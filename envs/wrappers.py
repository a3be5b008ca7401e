"""Wrappers that tell a canonical observation in another form: flat, link by link, or as a graph.

>>> import gymnasium as gym
>>> import slotwise.envs
>>> from slotwise.envs.wrappers import LocalObservation
>>> env = LocalObservation(gym.make("slotwise/GaussianIC-v0"), neighbours=3)
>>> env.observation_space.shape
(10, 40)

Whoever needs one form alone gives the environment ``observation="flat"``, ``"local"`` or
``"graph"``, which tells the same numbers and spares the dictionary. Wrappers are for those who
also need the dictionary, or stand behind wrappers of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorObservationWrapper, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from slotwise.emulator.encoding import GainScale
from slotwise.emulator.scenario import InputError
from slotwise.envs.canonical import Canonical
from slotwise.envs.forms import Flat, Graph, Local, ObservationForm
from slotwise.envs.options import Options, scale_between

__all__ = [
    "FlatObservation",
    "GraphObservation",
    "LocalObservation",
    "VectorFlatObservation",
    "VectorLocalObservation",
]

Codes = NDArray[np.float32]


class _Told(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Tells what the environment tells in another form."""

    _form: ObservationForm

    def __init__(self, env: gym.Env[Any, Any], **recorded: Any) -> None:
        RecordConstructorArgs.__init__(self, **recorded)
        gym.ObservationWrapper.__init__(self, env)
        self._canonical = _canonical_of(self, env.observation_space)

    def _tell_as(self, form: ObservationForm) -> None:
        self._form = form
        self.observation_space = form.space

    def observation(self, observation: Mapping[str, Codes]) -> Any:
        """The observation in the form of this wrapper."""
        return self._form.tell(_told(self._canonical, observation))


class FlatObservation(_Told):
    """Everything but the users' ids in one row of numbers; see `slotwise.envs.forms.Flat`.

    Parameters
    ----------
    env : gymnasium.Env
        With the canonical observation.

    Raises
    ------
    InputError
        If its observation is another one.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._tell_as(Flat(self._canonical))


class LocalObservation(_Told):
    """A row for each user of what its own link sees; see `slotwise.envs.forms.Local`.

    Parameters
    ----------
    env : gymnasium.Env
        With the canonical observation.
    neighbours : int
        Strongest interferers in either direction, at least one.
    gain_range_db : pair of float, optional
        Ends of the environment's scale of gains [dB]; left out: the environment is asked.

    Raises
    ------
    InputError
        If its observation is another one, or it cannot be asked for its scale.
    ValueError
        If there is no neighbour.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        neighbours: int = 5,
        gain_range_db: Sequence[float] | None = None,
    ) -> None:
        super().__init__(env, neighbours=neighbours, gain_range_db=gain_range_db)
        scale = _scale_of(self, env.unwrapped, gain_range_db)
        self._tell_as(Local(self._canonical, scale, neighbours))


class GraphObservation(_Told):
    """Users as nodes, and gains between them as edges; see `slotwise.envs.forms.Graph`.

    Parameters
    ----------
    env : gymnasium.Env
        With the canonical observation.

    Raises
    ------
    InputError
        If its observation is another one.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._tell_as(Graph(self._canonical))


class _VectorTold(VectorObservationWrapper[Any, Any, Any, Any]):
    """Tells what a vector environment tells in another form, last observations included."""

    _form: ObservationForm

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        # Not that of VectorObservationWrapper, which refuses AutoresetMode.SAME_STEP because it
        # would leave last observations as they are.
        VectorWrapper.__init__(self, env)
        self._canonical = _canonical_of(self, env.single_observation_space)

    def _tell_as(self, form: ObservationForm) -> None:
        self._form = form
        self.single_observation_space = form.space
        self.observation_space = batch_space(form.space, self.num_envs)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """As of the environment, with observations in the form of this wrapper."""
        observations, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            last = np.full(self.num_envs, None, object)
            for place, one in enumerate(info["final_obs"]):
                if one is not None:
                    last[place] = self._form.tell(_told(self._canonical, one))
            info = info | {"final_obs": last}
        return self.observations(observations), reward, terminated, truncated, info

    def observations(self, observations: Mapping[str, Codes]) -> Any:
        """The observations in the form of this wrapper."""
        return self._form.tell(_told(self._canonical, observations))


class VectorFlatObservation(_VectorTold):
    """`FlatObservation` of every sub-environment.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        With the canonical observation.

    Raises
    ------
    InputError
        If its observation is another one.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._tell_as(Flat(self._canonical))


class VectorLocalObservation(_VectorTold):
    """`LocalObservation` of every sub-environment.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        With the canonical observation.
    neighbours : int
        Strongest interferers in either direction, at least one.
    gain_range_db : pair of float, optional
        Ends of the environment's scale of gains [dB]; left out: the environment is asked.

    Raises
    ------
    InputError
        If its observation is another one, or it cannot be asked for its scale.
    ValueError
        If there is no neighbour.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        neighbours: int = 5,
        gain_range_db: Sequence[float] | None = None,
    ) -> None:
        super().__init__(env)
        scale = _scale_of(self, env.unwrapped, gain_range_db)
        self._tell_as(Local(self._canonical, scale, neighbours))


def _canonical_of(wrapper: Any, space: spaces.Space[Any]) -> Canonical:
    """Where everything stands in the canonical observations of a space."""
    if isinstance(space, spaces.Dict) and "mask" in space.spaces:
        shape = space["mask"].shape
        if shape is not None and len(shape) == 1:
            canonical = Canonical(shape[0])
            if space == canonical.space():
                return canonical
    kind = type(space).__name__
    of = f" of {', '.join(space)}" if isinstance(space, spaces.Dict) else f" {space.shape}"
    raise InputError(
        f"{type(wrapper).__name__}: the environment's observation is a {kind}{of}; must be the "
        'canonical dictionary, observation="dict"'
    )


def _scale_of(wrapper: Any, env: Any, gain_range_db: Sequence[float] | None) -> GainScale:
    """The scale of an environment's gains: what is stated, or what the environment says."""
    if gain_range_db is not None:
        return scale_between(gain_range_db)
    options = getattr(env, "options", None)
    if not isinstance(options, Options):
        raise InputError(
            f"{type(wrapper).__name__}: {type(env).__name__} does not say its scale of gains; give "
            "gain_range_db=(low, high)"
        )
    return options.scale


def _told(canonical: Canonical, observation: Mapping[str, Codes]) -> Codes:
    """A dictionary, of one network or several, as the row of numbers that it was."""
    leading = observation["mask"].shape[:-1]
    parts = [observation[name].reshape(*leading, -1) for name in canonical.entries]
    return np.concatenate(parts, axis=-1)
