"""What a controller is: gains in, powers out.

A controller is met in two ways. Papers, offline tables and training labels call `allocate`, plain
arithmetic on arrays with any leading axes that remembers nothing. A living network calls `decide`
once per decision with what it has reported, between a `reset` and the next; there a controller may
remember, say its last powers, and unless it does, `decide` is `allocate`. One that learns while it
decides says so, and is given time to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from slotwise.emulator.lessons import Lesson
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["Controller", "Problem", "broadcast", "full_power_snr"]

Array = NDArray[np.float64]


class Controller(ABC):
    """Decides the power of every user.

    A subclass writes `allocate`; `decide` and `reset` are for those that remember, `watch`, `learn`
    and `deploy` for those that learn. Everything that an instance may be asked for is checked by
    one contract test: powers finite and in [0, `p_max`], of the right shape for any number of users
    including none, float64, the same under the same seed, inputs left alone.

    Attributes
    ----------
    name : str
        What reports call it. `slotwise.controllers.make` sets it to the canonical spec.
    equivariant : bool
        The claim that permuting the users permutes the powers and changes nothing else.
    learns : bool
        Whether it learns while it decides: then `watch` is called after every decision, and `learn`
        whenever nothing is being learned.
    rehearsing : bool
        Whether what it does now counts for nothing, so that it keeps no file.
    lasting : bool
        Whether what it learns outlives its life, so that the same life is not the same again.
    seed : int
        What `reset` was given last.
    """

    name: str = "controller"
    equivariant: bool = False
    learns: bool = False
    rehearsing: bool = False
    lasting: bool = False
    seed: int = 0

    @abstractmethod
    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """Powers for given gains, without memory.

        Parameters
        ----------
        gain : [..., K, K], float
            Linear power gain from transmitter j to the receiver of user k; rows are receivers.
        noise_power : [..., K] or scalar, float
            Noise power at each receiver [W], positive.
        p_max : [..., K] or scalar, float
            Largest power of each user [W], non-negative.
        weight : [..., K] or scalar, float, optional
            Weight of each user's rate, non-negative; left out: one.

        Returns
        -------
        [..., K], float64
            Power of each user [W].

        Raises
        ------
        ValueError
            If shapes do not fit or a value is out of its range.
        """

    def decide(self, observation: Observation) -> Array:
        """Powers for what one network reports now.

        Parameters
        ----------
        observation : Observation
            The K users present, by `user_id`, with their gains, noise, power limits and weights.

        Returns
        -------
        [K], float64
            Power of each user [W], in the observation's order.
        """
        return self.allocate(
            observation.gain, observation.noise_power, observation.p_max, observation.weight
        )

    def watch(self, observation: Observation) -> None:  # noqa: B027 - for those that learn
        """Keep what was just decided on, to learn from it later.

        Parameters
        ----------
        observation : Observation
            As `decide` was given it; not to be written to, and its gains are its own.
        """

    def learn(self) -> Lesson | None:
        """Learn, if it is time to.

        What has been learned changes no decision before `deploy`.

        Returns
        -------
        Lesson or None
            What will come of it; None where there was nothing to do.
        """
        return None

    def deploy(self) -> bool | None:
        """Decide by what the last lesson says from now on: learning it has taken until now.

        Returns
        -------
        bool or None
            False if nothing decides by it after all, say because the network has changed meanwhile.
        """
        return None

    def leave(self) -> None:  # noqa: B027 - for those that learn
        """The life is over: keep what is to be kept."""

    def reset(
        self,
        scenario: Scenario | None,  # noqa: ARG002 - for those that look at the network
        seed: int,
    ) -> None:
        """Forget everything and start over.

        Parameters
        ----------
        scenario : Scenario or None
            The network about to be controlled; None where there is none, as for a table of draws.
        seed : int
            Non-negative seed of whatever the controller draws.
        """
        self.seed = seed


class Problem(NamedTuple):
    """One or many power-control problems, all arrays of one leading shape.

    Attributes
    ----------
    gain : [..., K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [..., K], float64
        Noise [W], largest power [W] and weight of the rate of each user.
    """

    gain: Array
    noise_power: Array
    p_max: Array
    weight: Array


def broadcast(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
) -> Problem:
    """Bring the arguments of `Controller.allocate` to one leading shape and check them.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights; left out: one.

    Returns
    -------
    Problem
        Views of the inputs where no conversion is needed: not to be written to.

    Raises
    ------
    ValueError
        If shapes do not fit, a gain, power limit or weight is negative or not finite, or a noise
        power is not positive and finite.
    """
    gain = np.asarray(gain, dtype=np.float64)
    if gain.ndim < 2 or gain.shape[-1] != gain.shape[-2]:
        raise ValueError(f"gain has shape {gain.shape}: must be (..., K, K), rows are receivers")
    rows = {
        "noise_power": np.asarray(noise_power, dtype=np.float64),
        "p_max": np.asarray(p_max, dtype=np.float64),
        "weight": np.asarray(1.0 if weight is None else weight, dtype=np.float64),
    }
    shape = gain.shape[:-1]
    if any(row.shape != shape for row in rows.values()):
        shape = _common_shape(gain, rows)
        gain = np.broadcast_to(gain, (*shape, shape[-1]))
    _require("gain", gain, gain.min(initial=0.0) >= 0.0)
    for name, row in rows.items():
        least = row.min(initial=np.inf)
        _require(name, row, least > 0.0 if name == "noise_power" else least >= 0.0)
    return Problem(gain, *(_filled(row, shape) for row in rows.values()))


def full_power_snr(problem: Problem) -> Array:
    """Gains in units of noise at full power: ``gain[k, j] p_max[j] / noise_power[k]``.

    In these units every user's largest power and every noise are one, so that what is solved in
    them does not depend on the scale of watts and path losses.

    Returns
    -------
    [..., K, K], float64
        A new array. Entry (k, k) is the signal-to-noise ratio of user k alone at full power.
    """
    snr: Array = problem.gain * problem.p_max[..., None, :]
    snr /= problem.noise_power[..., :, None]
    return snr


def _common_shape(gain: Array, rows: dict[str, Array]) -> tuple[int, ...]:
    """Shape (..., K) of everything together; K is the gain's, never broadcast from one."""
    users = gain.shape[-1]
    for name, row in rows.items():
        if row.ndim > 0 and row.shape[-1] not in (1, users):
            raise ValueError(
                f"{name} has shape {row.shape}: must be a scalar or (..., {users}) "
                f"for gain of shape {gain.shape}"
            )
    try:
        shape = np.broadcast_shapes(gain.shape[:-1], *(row.shape for row in rows.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {row.shape}" for name, row in rows.items())
        raise ValueError(
            f"leading axes do not fit: gain {gain.shape}, {shapes}: must broadcast together"
        ) from None
    if shape[-1] != users:
        raise ValueError(
            f"gain has shape {gain.shape}: must be (..., {shape[-1]}, {shape[-1]}) like the others"
        )
    return shape


def _filled(row: Array, shape: tuple[int, ...]) -> Array:
    if row.shape == shape:
        return row
    return np.full(shape, row) if row.ndim == 0 else np.broadcast_to(row, shape)


def _require(name: str, values: Array, in_range: bool | np.bool) -> None:
    """Raise unless all are finite and `in_range`, which is False where one is NaN."""
    if in_range and values.max(initial=0.0) < np.inf:
        return
    wrong = ~np.isfinite(values) | (values <= 0.0 if name == "noise_power" else values < 0.0)
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    sign = "positive" if name == "noise_power" else "non-negative"
    at = f"[{', '.join(map(str, where))}]" if where else ""
    raise ValueError(f"{name}{at} = {values[where]}: must be {sign} and finite")
