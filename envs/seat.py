"""The controller's seat in B networks: actions in, observations and rewards out.

One seat, several faces: an environment of Gymnasium holds it with one network, a vector environment
with many, and one of PettingZoo with one whose users decide for themselves. A step answers the
report that waits with powers, and lives until the next report is handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from slotwise.emulator.clock import Emulator
from slotwise.emulator.encoding import (
    LONG_AGO_SLOTS,
    OFF_BELOW,
    POWER_RANGE_DB,
    level_fractions,
    rate_scale,
)
from slotwise.emulator.kernels.slot import TIME
from slotwise.emulator.observation import Report
from slotwise.emulator.roster import Roster
from slotwise.envs.canonical import Canonical
from slotwise.envs.kernels.choosing import choose_codes, choose_levels
from slotwise.envs.kernels.telling import (
    ENERGY,
    FIGURES,
    NOTES,
    REWARD,
    SHORTFALL,
    SUM_RATE,
    Telling,
    tell,
)
from slotwise.envs.options import Options, Reward

if TYPE_CHECKING:
    from slotwise.envs.rendering.viewer import Viewer

__all__ = ["Seat", "action_space"]

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
Ids = NDArray[np.int64]

_MEMORY_SLOTS = 100.0  # over which mean rates are taken for proportional fairness
_KINDS = {"levels": "iu", "binary": "iub", "db": "f", "linear": "f"}  # of a dtype
_INT64 = np.dtype(np.int64)
_FLOAT32 = np.dtype(np.float32)


def action_space(options: Options, rows: int) -> spaces.Space[Any]:
    """Space of the actions of one network with M user rows."""
    match options.action:
        case "levels":
            return spaces.MultiDiscrete(np.full(rows, options.levels, np.int64))
        case "binary":
            return spaces.MultiBinary(rows)
    return spaces.Box(-1.0, 1.0, (rows,), np.float32)


class Seat:
    """B networks of a scenario, each with somebody's hand on its powers.

    Parameters
    ----------
    options : Options
        What is told, taken and rewarded.
    networks : int
        B.

    Attributes
    ----------
    rows : int
        M, most users of a network at once.
    canonical : Canonical
        Where in `told` everything stands.
    emulator : Emulator
        Which lives the networks.
    told : ndarray, shape (B, N), float32
        The last observation, a new array at every step.
    figures : ndarray, shape (B, 4 + 2 M), float64
        What became of the last decision, a new array at every step; see `reward`, `sum_rate`,
        `energy_j`, `shortfall`, `rates` and `user_rewards`, which are views of it.
    user_id : ndarray, shape (B, M), int64
        Of whom the last report is, -1 for nobody; read-only.
    mask : ndarray, shape (B, M), bool
        Rows that hold one of them; read-only.
    missed : int
        Reports since the last one that were not decided in time.

    Raises
    ------
    InputError
        If a file that the scenario names is unusable.
    """

    def __init__(self, options: Options, networks: int) -> None:
        scenario, scale = options.scenario, options.scale
        self.options = options
        self.rows = scenario.population.capacity
        self.canonical = Canonical(self.rows)
        self._appraise = options.reward == "difference"
        self.emulator = Emulator(scenario, 0, networks=[0] * networks, appraise=self._appraise)
        network = self.emulator.network
        slot_s, p_max_w = scenario.timing.slot_s, network.p_max_w
        self._how = Telling(
            per_noise=p_max_w / network.noise_w,
            low_db=scale.low_db,
            high_db=scale.high_db,
            per_rate=1.0 / rate_scale(scenario, scale),
            per_watt=1.0 / p_max_w,
            range_db=POWER_RANGE_DB,
            reward=get_args(Reward).index(options.reward),
            per_user=options.per_user,
            memory_s=_MEMORY_SLOTS * slot_s,
            min_rate=scenario.radio.min_rate,
            shortfall_price=options.shortfall_price,
        ).values()
        self._per_age = 1.0 / (LONG_AGO_SLOTS * slot_s)
        flat = options.observation == "flat"
        self._width = self.canonical.flat_width if flat else self.canonical.width
        levels = 2 if options.action == "binary" else options.levels
        self._level_w = level_fractions(levels) * p_max_w
        self._discrete = options.action in ("levels", "binary")
        self._range_db = POWER_RANGE_DB if options.action == "db" else 0.0
        self._dtype = _INT64 if self._discrete else _FLOAT32
        self._shape = (networks, self.rows)
        self._told_shape = (networks, self._width)
        self._figures_shape = (networks, FIGURES + 2 * self.rows)
        self._power = np.zeros(self._shape)
        self._account = np.zeros((networks, NOTES + 4 * self.rows))
        self._missed_before = 0
        self.missed = 0
        self.told: Codes = np.empty((networks, 0), np.float32)
        self.figures: Array = np.empty((networks, 0))
        self.user_id: Ids = np.empty((networks, 0), np.int64)
        self.report: Report | None = None
        self._roster: Roster | None = None
        self._viewer: Viewer | None = None
        self.mask: NDArray[np.bool_] = np.empty((networks, 0), np.bool_)

    @property
    def networks(self) -> int:
        """B."""
        return len(self._power)

    @property
    def started(self) -> bool:
        """Whether a report waits for an action."""
        return self.report is not None

    @property
    def csi_age_s(self) -> float:
        """Age of the last report when it was handed over [s]."""
        assert self.report is not None
        return self.report.time_s - self.report.measured_s

    @property
    def time_s(self) -> float:
        """Network time at which the last report was handed over [s]."""
        assert self.report is not None
        return self.report.time_s

    @property
    def reward(self) -> Array:
        """Reward of each network since the last report, shape (B,)."""
        return self.figures[:, REWARD]

    @property
    def sum_rate(self) -> Array:
        """Mean sum rate of each network since the last report [bit/s/Hz], shape (B,)."""
        return self.figures[:, SUM_RATE]

    @property
    def energy_j(self) -> Array:
        """Energy that each network consumed since the last report [J], shape (B,)."""
        return self.figures[:, ENERGY]

    @property
    def shortfall(self) -> Array:
        """What was missing to promised rates since the last report [bit/s/Hz], shape (B,)."""
        return self.figures[:, SHORTFALL]

    @property
    def rates(self) -> Array:
        """Mean rate of each row since the last report [bit/s/Hz], shape (B, M)."""
        return self.figures[:, FIGURES : FIGURES + self.rows]

    @property
    def user_rewards(self) -> Array:
        """Reward of each row since the last report, shape (B, M).

        Its own difference where that is rewarded, the network's reward else.
        """
        return self.figures[:, FIGURES + self.rows :]

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin a new life of every network, and live until the first report.

        Parameters
        ----------
        seeds : sequence of int
            One for each network, non-negative.
        """
        if self.options.render_mode is not None and self._viewer is None:
            from slotwise.envs.rendering.viewer import Viewer

            mode = self.options.render_mode
            self._viewer = Viewer(self.options.scenario, self.networks, mode)
        self.emulator.reset(seeds)
        self._account[:] = 0.0
        self._account[:, NOTES : NOTES + self.rows] = -1.0
        self._account[:, TIME] = -1.0  # there is no last report
        self._missed_before = 0
        self._receive()
        if self._viewer is not None:
            self._viewer.begin(self.emulator.network, self.time_s, self.csi_age_s)

    def step(self, action: Any) -> None:
        """Answer the report, and live until the next one; see `choose`."""
        self.choose(action)
        self.grant()
        self.live()

    def choose(self, action: Any) -> None:
        """Make powers of an action, and nothing else yet.

        Parameters
        ----------
        action : array_like, shape (B, M)
            In the space of actions; what is given for nobody is ignored.

        Raises
        ------
        ValueError
            If the action is of a wrong shape or dtype, or not in its space; then nothing happens.
        """
        ready = (
            type(action) is np.ndarray
            and action.dtype is self._dtype
            and action.shape == self._shape
            and action.flags.c_contiguous
        )
        self._choose(action if ready else self._as_action(action))

    def grant(self) -> None:
        """Answer the report with the powers chosen; without latency they are in force at once."""
        self.emulator.grant(self._power, sound=True)
        if self._viewer is not None:
            self._viewer.look(self.emulator.network, self.time_s, self.csi_age_s)

    def live(self) -> None:
        """Live until the next report is handed over."""
        self._receive()
        if self._viewer is not None:
            self._viewer.note(self.sum_rate)

    def frames(self) -> list[NDArray[np.uint8]] | None:
        """Pictures of all networks, each of shape (540, 960, 3), as of the last decision.

        None where a window shows them, or none were asked for.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset.
        """
        if self.options.render_mode is None:
            gym.logger.warn(
                "render() draws nothing without a render_mode: give render_mode='rgb_array' where "
                "the environment is made"
            )
            return None
        if self._viewer is None:
            raise ResetNeeded("there is no network yet: call reset() before render()")
        return self._viewer.frames() if self.options.render_mode == "rgb_array" else None

    def __getstate__(self) -> None:
        """A living network is no value: its clock holds events that are still to come.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            "a living network cannot be copied or pickled: make another environment with the same "
            "options and reset it with the same seed"
        )

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None

    def _receive(self) -> None:
        """Live until a report is handed over, and tell it."""
        emulator = self.emulator
        report = emulator.advance()
        assert report is not None, "an emulator without a last slot goes on"
        network = emulator.network
        network.catch_up(report.time_s)  # to an instant within a slot
        self.told = np.empty(self._told_shape, np.float32)
        self.figures = np.empty(self._figures_shape)
        self.report = report
        if report.roster is not self._roster:
            self._roster = report.roster
            self.user_id = report.user_id
            self.mask = self.user_id >= 0
            self.mask.flags.writeable = False
        measurement = report.measurement
        age = min((report.time_s - report.measured_s) * self._per_age, 1.0)
        tell(
            self.user_id,
            (measurement.downlink, age),
            self._how,
            measurement.air,
            network.ledger,
            self._account,
            self.told,
            self.figures,
        )
        missed = emulator.journal.tally.missed_deadlines
        self.missed, self._missed_before = missed - self._missed_before, missed

    def _as_action(self, action: Any) -> NDArray[Any]:
        """An action as an array of the right shape and kind."""
        given = np.asarray(action)
        if given.dtype != self._dtype:
            law, kind = self.options.action, given.dtype.kind
            if law == "binary" and kind == "f":  # as Stable-Baselines3 gives them
                given = np.where(given == np.rint(given), given, -1.0)
            elif kind not in _KINDS[law]:
                wanted = "integers" if self._discrete else "floating-point numbers"
                raise ValueError(f"action of dtype {given.dtype}: must be {wanted} for {law}")
            with np.errstate(all="ignore"):  # what does not fit is found out of range
                given = given.astype(self._dtype)
        if given.shape != self._power.shape:
            networks, rows = self._power.shape
            wanted = f"({rows},)" if networks == 1 else f"({networks}, {rows})"
            shape = given.shape[1:] if networks == 1 and given.ndim > 1 else given.shape
            raise ValueError(
                f"action of shape {shape}: must be {wanted}, one for each row of users"
            )
        return given if given.flags.c_contiguous else np.ascontiguousarray(given)

    def _choose(self, action: NDArray[Any]) -> None:
        """Powers from actions."""
        if self._discrete:
            wrong = choose_levels(action, self._level_w, self.user_id, self._power)
        else:
            wrong = choose_codes(
                cast("Codes", action),
                self._range_db,
                OFF_BELOW,
                self.emulator.network.p_max_w,
                self.user_id,
                self._power,
            )
        if wrong >= 0:
            b, m = divmod(wrong, self.rows)
            place = f"[{m}]" if self.networks == 1 else f"[{b}, {m}]"
            allowed = f"0 to {len(self._level_w) - 1}" if self._discrete else "in [-1, 1]"
            raise ValueError(f"action{place} = {action[b, m]}: must be {allowed}")
