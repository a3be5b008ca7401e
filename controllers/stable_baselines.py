"""Saved agents of Stable-Baselines3, seated as controllers: they are told what environments tell.

A saved agent is a zip archive in which parts are pickled, and to read those is to run whatever
their author put there; so it is opened only for whoever says that it is to be trusted. Which
algorithm it is of is read without.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, broadcast, full_power_snr
from slotwise.controllers.search import flat
from slotwise.controllers.seating import Seating, coded
from slotwise.emulator.encoding import (
    LONG_AGO_SLOTS,
    GainScale,
    fraction_of_db,
    fraction_of_linear,
    gain_scale,
    level_fractions,
    power_code,
    rate_scale,
)
from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import InputError, Scenario

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation

__all__ = ["Agent"]

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
Ids = NDArray[np.int64]

_TELLING = ("policy_delay", "target_entropy", "clip_range", "exploration_rate", "gae_lambda")
_ALGORITHMS = dict(zip(_TELLING, ("TD3", "SAC", "PPO", "DQN", "A2C"), strict=True))
"""Fields of a saved agent that only one algorithm has, the first that is there counts."""

_KEYS = {"gain", "power", "rate", "weight", "mask", "csi_age", "user_id"}
_AT_ONCE = 1024  # problems that torch is asked about together


class _Spaces(NamedTuple):
    """What an agent was trained to be told and to answer."""

    rows: int
    observation: str  # dict, flat, or gains: flat with gains, weights and mask alone
    action: str
    levels: int


class Agent:
    """A saved agent.

    Parameters
    ----------
    path : str
        Zip archive that Stable-Baselines3 has written. It is unpickled.
    action : str
        ``auto``, or what its answers mean: ``levels``, ``binary``, ``db`` or ``linear``.
    observation : str
        ``auto``, or what it is to be told: ``dict`` or ``flat``.
    scale : GainScale, optional
        Of gains; left out: the one that suits the scenario.

    Attributes
    ----------
    gains_only : bool
        Whether it is told gains, weights and mask alone, and not what has been.

    Raises
    ------
    InputError
        If the file is missing, damaged or none of these, Stable-Baselines3 is not installed, or the
        agent was trained for spaces that are none of ours.

    Notes
    -----
    An environment tells mean rates since the last report, as the network has integrated them. A
    controller does not know those, and computes what can be known: rates at the gains last reported
    and the powers now in force. That is the same, up to the order of sums, where every slot has its
    report, decisions take no time and nobody comes or goes in between, and something else where
    reports or decisions are late. All other entries are those of the environment.
    """

    equivariant = False

    def __init__(
        self, path: str, action: str, observation: str, scale: GainScale | None = None
    ) -> None:
        self._model = _load(path)
        self._spaces = _spaces(path, self._model, action, observation)
        self.gains_only = self._spaces.observation == "gains"
        self._seating = Seating(self._spaces.rows, path)
        self._given = scale
        self.reset(None)

    def reset(self, scenario: Scenario | None) -> None:
        """Forget everybody, and learn what the network is like.

        Raises
        ------
        InputError
            If the network begins with more users than the agent has rows.
        """
        self._seating.reset()
        self._scale, self._slot_s, self._cap, self._rate_scale = self._given, 1.0, np.inf, 1.0
        self._before: tuple[Ids, Array] | None = None
        if scenario is None:
            return
        self._seating.refuse(scenario.population.initial_users)
        scale = self._given or gain_scale(scenario)
        self._scale, self._slot_s = scale, scenario.timing.slot_s
        self._rate_scale = rate_scale(scenario, scale)
        if scenario.radio.sinr_cap_db is not None:
            self._cap = from_db(scenario.radio.sinr_cap_db)

    def allocate(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array:
        """Powers as after a first report: nobody has had power or rate, and the report is new."""
        problem = broadcast(gain, noise_power, p_max, weight)
        users, shape = problem.weight.shape[-1], problem.weight.shape
        self._seating.refuse(users)
        if problem.weight.size == 0:
            return np.zeros(shape)
        every, row = flat(problem), np.arange(users)
        past = np.zeros((2, self._spaces.rows), np.float32)
        parts = [
            self._powers(Problem(*(a[at : at + _AT_ONCE] for a in every)), row, row, past, 0.0)
            for at in range(0, len(every.weight), _AT_ONCE)
        ]
        powers: Array = np.concatenate(parts).reshape(shape)
        return powers

    def decide(self, observation: Observation) -> Array:
        """Powers for what is reported now; see `slotwise.controllers.base.Controller.decide`."""
        seen = observation
        row = self._seating.of(seen.user_id)
        problem = broadcast(seen.gain, seen.noise_power, seen.p_max, seen.weight)
        fraction = np.zeros(self._spaces.rows)
        fraction[row] = seen.power / np.where(seen.p_max > 0.0, seen.p_max, 1.0)
        past = np.stack([power_code(fraction), self._rates(fraction)])
        snr = np.zeros((self._spaces.rows, self._spaces.rows))
        snr[row[:, None], row] = full_power_snr(problem)
        self._before = self._seating.user_id.copy(), snr
        age = (seen.time_s - seen.measured_s) / (LONG_AGO_SLOTS * self._slot_s)
        one = Problem(*(array[None] for array in problem))
        power: Array = self._powers(one, row, seen.user_id, past, min(age, 1.0))[0]
        return power

    def _rates(self, fraction: Array) -> Codes:
        """Codes of rates at the gains of the last report and powers in force, [M]."""
        rate = np.zeros(self._spaces.rows)
        if self._before is not None:
            user_id, snr = self._before
            same = (user_id == self._seating.user_id) & (user_id >= 0)
            heard = snr * np.where(same, fraction, 0.0)
            own = np.diagonal(heard).copy()
            np.fill_diagonal(heard, 0.0)
            sinr = np.minimum(own / (1.0 + heard.sum(axis=1)), self._cap)
            rate = np.minimum(np.log2(1.0 + sinr) / self._rate_scale, 1.0)
        return rate.astype(np.float32)

    def _powers(self, problem: Problem, row: Ids, user_id: Ids, past: Codes, age: float) -> Array:
        """Powers [N, K] of users who sit in these rows."""
        if self._scale is None:
            raise ValueError(
                "without a scenario the range of gains is unknown: give gain_range=low:high in dB, "
                "such as gain_range=0:80"
            )
        told = coded(problem, self._scale, row, self._spaces.rows)
        samples, rows = told.mask.shape
        power, rate = np.broadcast_to(past[:, None], (2, samples, rows)) * told.mask
        ids = np.full((samples, rows), -1.0, np.float32)
        ids[:, row] = user_id
        entries = {
            "gain": told.gain,
            "power": power,
            "rate": rate,
            "weight": told.weight,
            "mask": told.mask,
            "csi_age": np.full((samples, 1), age, np.float32),
            "user_id": ids,
        }
        answer, _ = self._model.predict(self._form(entries), deterministic=True)
        fraction = self._fractions(np.asarray(answer))[:, row]
        powers: Array = np.where(told.mask[:, row] > 0.0, fraction * problem.p_max, 0.0)
        return powers

    def _form(self, entries: dict[str, Codes]) -> Any:
        """What is told, in the form that the agent was trained on."""
        if self._spaces.observation == "dict":
            return entries
        left_out = {"user_id"}
        if self._spaces.observation == "gains":
            left_out |= {"power", "rate", "csi_age"}
        kept = [value for key, value in entries.items() if key not in left_out]
        return np.concatenate([value.reshape(len(value), -1) for value in kept], axis=1)

    def _fractions(self, answer: NDArray[Any]) -> Array:
        """Fractions of the largest power, [N, M]."""
        if self._spaces.action in ("levels", "binary"):
            # A Bernoulli policy answers floating-point zeros and ones.
            number = answer.astype(np.int64)
            fraction: Array = level_fractions(self._spaces.levels)[number]
            return fraction
        code = np.clip(answer, -1.0, 1.0)
        return fraction_of_db(code) if self._spaces.action == "db" else fraction_of_linear(code)


def _load(path: str) -> Any:
    """The model in a zip archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            fields = json.loads(archive.read("data"))
    except FileNotFoundError:
        raise InputError(f"path = {path}: there is no such file") from None
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: damaged, or no agent of Stable-Baselines3: {_one_line(error)}"
        ) from None
    known = [name for field, name in _ALGORITHMS.items() if field in fields]
    if not known:
        allowed = ", ".join(_ALGORITHMS.values())
        raise InputError(f"{path}: an agent of an unknown algorithm: must be of {allowed}")
    try:
        import stable_baselines3
    except ImportError:
        raise InputError(
            f"{path}: an agent of Stable-Baselines3, which is not installed: "
            "pip install 'slotwise[rl]'"
        ) from None
    # Room for experience is of no use to whoever does not learn, and can be gigabytes.
    unused = {"buffer_size": 1, "learning_rate": 0.0, "lr_schedule": _zero, "clip_range": _zero}
    try:
        algorithm = getattr(stable_baselines3, known[0])
        return algorithm.load(Path(path), device="cpu", custom_objects=unused)
    except Exception as error:  # noqa: BLE001 - what is unpickled may raise anything
        raise InputError(f"{path}: cannot be loaded as {known[0]}: {_one_line(error)}") from None


def _zero(_: float) -> float:
    return 0.0


def _spaces(path: str, model: Any, action: str, observation: str) -> _Spaces:
    """What the agent was trained for, if it is for our networks."""
    rows, law, levels = _answers(path, model.action_space, action)
    given = model.observation_space
    told = ""
    if hasattr(given, "spaces") and set(given.spaces) == _KEYS:
        told = "dict" if given["gain"].shape == (rows, rows) else ""
    else:
        widths = {(rows * rows + 4 * rows + 1,): "flat", (rows * rows + 2 * rows,): "gains"}
        told = widths.get(given.shape, "") if hasattr(given, "low") else ""
    if not told or observation not in ("auto", told):
        shown = told or f"a {type(given).__name__} of shape {getattr(given, 'shape', None)}"
        wanted = "dict or flat" if observation == "auto" else observation
        raise InputError(
            f"{path}: trained for observations of another space, {shown}: must be what an "
            f"environment of {rows} rows tells as observation={wanted}"
        )
    return _Spaces(rows, told, law, levels)


def _answers(path: str, given: Any, action: str) -> tuple[int, str, int]:
    """Rows, law and levels of an agent's actions."""
    kind = type(given).__name__
    shape: tuple[int, ...] = given.shape or ()
    if kind == "MultiDiscrete" and len(shape) == 1 and len(set(given.nvec.tolist())) == 1:
        found = {"levels": int(given.nvec[0])}
    elif kind == "MultiBinary" and len(shape) == 1:
        found = {"binary": 2}
    elif kind == "Box" and len(shape) == 1 and (given.low == -1).all() and (given.high == 1).all():
        found = {"db": 0, "linear": 0}
    else:
        raise InputError(
            f"{path}: trained for actions of another space, {_one_line(given)}: must be "
            "MultiDiscrete with as many levels for every row, MultiBinary, or Box from -1 to 1"
        )
    if action == "auto" and len(found) == 1:
        action = next(iter(found))
    if action not in found:
        raise InputError(
            f"{path}: action = {action}: it answers a {kind}, which must be read as one of "
            f"{', '.join(f'action={law}' for law in found)}"
        )
    return int(shape[0]), action, found[action]


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200]
