"""Many environments at once: the batched emulator itself behind Gymnasium's vector interface.

All sub-environments that were reset together live on one clock in one emulator and are stepped by
the same kernels; each lives bit for bit what an environment of its own lives under the same seed.
Whoever resets some of them alone (``options={"reset_mask": ...}``) makes them a cohort of its own,
which costs a step of its own from then on, until all are reset together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from slotwise.emulator.scenario import InputError, Scenario
from slotwise.envs.forms import form_of
from slotwise.envs.options import OptionValues, options_of
from slotwise.envs.power_control import MOST_SEED
from slotwise.envs.seat import Seat, action_space

__all__ = ["VectorPowerControl"]

Flags = NDArray[np.bool_]
Index = NDArray[np.int64]
Info = dict[str, Any]


@dataclass(slots=True)
class _Cohort:
    """Sub-environments that were reset together, of which some may have left for another cohort."""

    seat: Seat
    places: Index  # in the vector environment, of each network of the seat
    alive: Flags
    steps: int = 0
    over: bool = False

    def begin(self, lives: Sequence[int]) -> None:
        """Begin the episodes of all its sub-environments."""
        self.seat.reset(lives)
        self.steps, self.over = 0, False


class VectorPowerControl(VectorEnv[Any, Any, Any]):
    """Decide at what powers the users of B networks transmit, report by report.

    Parameters
    ----------
    num_envs : int
        B.
    scenario : str, Path, mapping or Scenario
        As of `slotwise.envs.power_control.PowerControl`.
    max_episode_steps : int, optional
        Steps after which an episode is truncated; left out: never.
    autoreset_mode : AutoresetMode or str
        When a new episode begins: in the step after the last (``NextStep``), in the last itself
        (``SameStep``), or when `reset` is asked for it (``Disabled``).
    **options
        See `slotwise.envs.options.options_of`.

    Raises
    ------
    InputError
        If the scenario or an option is unknown or out of its range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Mapping[str, Any] | Scenario = "gaussian-ic",
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **options: Unpack[OptionValues],
    ) -> None:
        self.options = options_of(scenario, **options)
        self.num_envs = _at_least_one("num_envs", num_envs)
        self.max_episode_steps = (
            None
            if max_episode_steps is None
            else _at_least_one("max_episode_steps", max_episode_steps)
        )
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 20,
            "autoreset_mode": self.autoreset_mode,
        }
        if self.options.render_mode == "human":
            raise InputError(
                "render_mode = 'human': a vector environment has many networks and no window; "
                "must be rgb_array"
            )
        self.render_mode = self.options.render_mode
        self._whole = Seat(self.options, self.num_envs)
        self._form = form_of(self.options, self._whole.canonical)
        self.single_observation_space = self._form.space
        self.single_action_space = action_space(self.options, self._whole.rows)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._rngs: list[np.random.Generator | int | None] = [None] * self.num_envs
        self._cohorts: list[_Cohort] = []
        self._told = self._whole.told
        self._everyone = np.ones(self.num_envs, np.bool_)
        self._everyone.flags.writeable = False

    @property
    def scenario(self) -> Scenario:
        """What is lived."""
        return self.options.scenario

    @property
    def seats(self) -> list[Seat]:
        """The seats of all cohorts; one, unless some sub-environments were reset alone."""
        return [cohort.seat for cohort in self._cohorts]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, Info]:
        """Begin episodes, and live until their first report.

        Parameters
        ----------
        seed : int or sequence, optional
            Sub-environment i has seed + i, or the i-th; those left out go on as their last seed
            fixes.
        options : dict, optional
            ``reset_mask``, bool of shape (B,): which sub-environments; left out: all. The others
            stay as they are.

        Returns
        -------
        observation, info
            As of `step`.

        Raises
        ------
        ValueError
            If there are more or fewer seeds than sub-environments, one is no non-negative integer,
            or the mask is of a wrong shape or dtype or selects none; then nothing happens.
        """
        mask = _reset_mask(options, self.num_envs)
        if not (self._cohorts or mask.all()):
            raise ResetNeeded("there are no networks yet: reset all before some of them")
        seeds = self._spread(seed)
        places = np.flatnonzero(mask).tolist()
        self._begin(mask, [self._life(place, seeds[place]) for place in places])
        self._told = self._gather(lambda seat: seat.told, np.float32)
        return self._observation(), self._info(mask)

    def step(self, actions: Any) -> tuple[Any, NDArray[np.float64], Flags, Flags, Info]:
        """Put powers in force in all networks, and live until their next reports.

        Parameters
        ----------
        actions : array_like, shape (B, M)
            In the space of actions; what is given for rows without a user, or for a
            sub-environment that begins a new episode in this step, is ignored.

        Returns
        -------
        observation
            In the form asked for, with a leading axis B.
        reward : ndarray, shape (B,), float64
            Mean over the time since the last report.
        terminated, truncated : ndarray, shape (B,), bool
            Terminated is never true; truncated in an episode's last step.
        info : dict
            That of `PowerControl.step` with a leading axis B, and for each key a ``_key`` that
            says which sub-environments it is of; with ``SameStep``, ``final_obs`` and
            ``final_info`` of those that ended.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset, or, with ``Disabled``, after the end of an episode.
        ValueError
            If an action is of a wrong shape or dtype, or not in its space; then nothing happens in
            any network.
        """
        if not self._cohorts:
            raise ResetNeeded("there are no networks yet: call reset() before step()")
        if self.autoreset_mode == AutoresetMode.DISABLED and any(c.over for c in self._cohorts):
            raise ResetNeeded('episodes are over: call reset(options={"reset_mask": ...}) first')
        going_on = [cohort for cohort in self._cohorts if not cohort.over]
        self._choose(going_on, actions)
        ended = np.zeros(self.num_envs, np.bool_)
        for cohort in self._cohorts:
            if cohort.over:
                self._restart(cohort)
                continue
            cohort.seat.grant()
            cohort.seat.live()
            cohort.steps += 1
            cohort.over = cohort.steps == self.max_episode_steps
            if cohort.over:
                ended[cohort.places[cohort.alive]] = True
        reward = self._gather(lambda seat: seat.reward, np.float64)
        self._told = self._gather(lambda seat: seat.told, np.float32)
        final: Info = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP and ended.any():
            final = self._final(ended)
            for cohort in self._cohorts:
                if cohort.over:
                    self._restart(cohort)
            self._told = self._gather(lambda seat: seat.told, np.float32)
        never = np.zeros(self.num_envs, np.bool_)
        return self._observation(), reward, never, ended, self._info(self._everyone) | final

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Pictures of all networks, each of shape (540, 960, 3); see `PowerControl.render`.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset.
        """
        if not self._cohorts:
            raise ResetNeeded("there are no networks yet: call reset() before render()")
        every: list[NDArray[np.uint8] | None] = [None] * self.num_envs
        for cohort in self._cohorts:
            frames = cohort.seat.frames()
            if frames is None:
                return None
            for place, alive, frame in zip(cohort.places, cohort.alive, frames, strict=True):
                every[place] = frame if alive else every[place]
        return tuple(frame for frame in every if frame is not None)

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ARG002 - Gymnasium's signature
        """Forget the networks."""
        self._cohorts = []

    def _spread(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            first = _sound_seed(seed)
            super().reset(seed=first)
            return [None if first is None else first + place for place in range(self.num_envs)]
        if not isinstance(seed, Sequence | np.ndarray):
            raise TypeError(f"seed = {seed!r}: must be an integer, or a sequence of them")
        seeds = [_sound_seed(one) for one in seed]
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds, {self.num_envs} sub-environments: one for each")
        return seeds

    def _life(self, place: int, seed: int | None = None) -> int:
        """Seed of a sub-environment's next episode, as one of its own would choose it."""
        if seed is not None:
            self._rngs[place] = seed
            return seed
        rng = self._rngs[place]
        if not isinstance(rng, np.random.Generator):
            rng = self._rngs[place] = seeding.np_random(rng)[0]
        return int(rng.integers(MOST_SEED))

    def _begin(self, mask: Flags, lives: Sequence[int]) -> None:
        """Let the sub-environments of a mask leave their cohorts and begin one together."""
        places = np.flatnonzero(mask)
        everybody = len(places) == self.num_envs
        seat = self._whole if everybody else Seat(self.options, len(places))
        fresh = _Cohort(seat, places, np.ones(len(places), np.bool_))
        fresh.begin(lives)
        for cohort in self._cohorts:
            cohort.alive &= ~mask[cohort.places]
        self._cohorts = [*(cohort for cohort in self._cohorts if cohort.alive.any()), fresh]

    def _restart(self, cohort: _Cohort) -> None:
        """Begin the next episodes of a cohort; those that have left it may live anything."""
        lives = [
            self._life(place) if alive else 0
            for place, alive in zip(cohort.places.tolist(), cohort.alive.tolist(), strict=True)
        ]
        cohort.begin(lives)

    def _choose(self, cohorts: Sequence[_Cohort], actions: Any) -> None:
        """Hand actions to the seats; none has moved when one is refused."""
        if len(cohorts) == 1 and cohorts[0].seat is self._whole and cohorts[0].alive.all():
            self._whole.choose(actions)
            return
        given = np.asarray(actions)
        shape = (self.num_envs, self._whole.rows)
        if given.shape != shape:
            raise ValueError(f"actions of shape {given.shape}: must be {shape}")
        for cohort in cohorts:
            own = given[cohort.places]
            own[~cohort.alive] = np.zeros((), given.dtype)
            cohort.seat.choose(own)

    def _gather(self, part: Any, dtype: Any) -> NDArray[Any]:
        """Numbers of all sub-environments, from the seats of their cohorts."""
        if len(self._cohorts) == 1:  # then nobody has left it
            whole: NDArray[Any] = part(self._cohorts[0].seat)
            return whole
        first = part(self._cohorts[0].seat)
        every = np.zeros((self.num_envs, *first.shape[1:]), dtype)
        for cohort in self._cohorts:
            every[cohort.places[cohort.alive]] = part(cohort.seat)[cohort.alive]
        return every

    def _observation(self) -> Any:
        # Where some may be reset alone the others are told the same again, whatever has been done
        # to what was handed out.
        alone = self.autoreset_mode == AutoresetMode.DISABLED
        return self._form.tell(self._told.copy() if alone else self._told)

    def _info(self, mask: Flags) -> Info:
        """What `PowerControl.step` informs of, for all sub-environments."""

        def alike(value: Any) -> Any:
            return lambda seat: np.full(seat.networks, value(seat))

        values = {
            "sum_rate": self._gather(lambda seat: seat.sum_rate, np.float64),
            "rates": self._gather(lambda seat: seat.rates, np.float64),
            "active_mask": self._gather(lambda seat: seat.mask.copy(), np.bool_),
            "deadline_missed": self._gather(alike(lambda seat: seat.missed), np.int64),
            "csi_age_s": self._gather(alike(lambda seat: seat.csi_age_s), np.float64),
            "sim_time_s": self._gather(alike(lambda seat: seat.time_s), np.float64),
            "energy_j": self._gather(lambda seat: seat.energy_j, np.float64),
            "shortfall": self._gather(lambda seat: seat.shortfall, np.float64),
        }
        info: Info = {}
        for name, value in values.items():
            told = value
            if not mask.all():  # nothing is told of the others
                told = np.zeros_like(value)
                told[mask] = value[mask]
            info[name], info[f"_{name}"] = told, mask.copy()
        return info

    def _final(self, ended: Flags) -> Info:
        """Last observations and infos of the episodes that have ended."""
        last = np.full(self.num_envs, None, object)
        for place in np.flatnonzero(ended).tolist():
            last[place] = self._form.tell(self._told[place])
        return {
            "final_obs": last,
            "_final_obs": ended.copy(),
            "final_info": self._info(ended),
            "_final_info": ended.copy(),
        }


def _at_least_one(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{name} = {value!r}: must be an integer of at least 1")
    return int(value)


def _sound_seed(seed: Any) -> int | None:
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed = {seed!r}: must be a non-negative integer")
    return int(seed)


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        allowed = ", ".join(str(one.value) for one in AutoresetMode)
        raise InputError(f"autoreset_mode = {mode!r}: must be one of {allowed}") from None


def _reset_mask(options: dict[str, Any] | None, num_envs: int) -> Flags:
    """Which sub-environments are to be reset."""
    mask = None if options is None else options.get("reset_mask")
    if mask is None:
        return np.ones(num_envs, np.bool_)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (num_envs,):
        raise ValueError(
            f'options["reset_mask"]: must be an array of bool of shape ({num_envs},), got '
            f"{type(mask).__name__} of {getattr(mask, 'dtype', '?')} {np.shape(mask)}"
        )
    if not mask.any():
        raise ValueError('options["reset_mask"]: must select at least one sub-environment')
    return mask
