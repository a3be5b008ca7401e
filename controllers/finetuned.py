"""A trained network that goes on learning from the network it runs.

While it decides it keeps some of what is reported to it, learns from that now and then, and decides
by what it has learned only after this has done better on reports that it was not learned from. It
never sees a true gain: what is late, noisy or quantised for its decisions is so for its lessons.

Observations are kept in `slotwise.controllers.online`, what a lesson does to weights is
`slotwise.controllers.training.tuning`.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem, full_power_snr
from slotwise.controllers.cards import digest
from slotwise.controllers.learned import Learned
from slotwise.controllers.mlp import Mlp
from slotwise.controllers.online import state as states
from slotwise.controllers.online.deployment import Deployment
from slotwise.controllers.online.drift import DriftTest, levels
from slotwise.controllers.online.judging import Verdict
from slotwise.controllers.online.memory import Memory
from slotwise.controllers.online.places import Places
from slotwise.controllers.online.schedule import Schedule
from slotwise.controllers.online.state import State
from slotwise.controllers.registry import make
from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.lessons import Lesson
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from slotwise.controllers.online.learner import Learner
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["HOLD_OUT", "Finetuned"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

HOLD_OUT = 5
"""One observation in so many is never learned from: on these, networks are judged."""

_FEWEST_KEPT = 20


class Finetuned(Controller):
    """A trained network that goes on learning from the network it runs.

    Parameters
    ----------
    base : str
        Spec of the trained network to begin with, such as ``mlp:gaussian-ic-10`` or ``unrolled``;
        between its own options stands a plus: ``base=unrolled:flip=true+polish=20``.
    every : int
        Observations between lessons.
    when : str
        ``period``: all the time; ``drift``: five lessons at the beginning, and after each change
        that `slotwise.controllers.online.drift` finds. After a change the next lesson comes as soon
        as 50 observations have been made, in either case.
    objective : str
        ``unsupervised``: the sum rate of what was observed; ``supervised``: the powers that WMMSE
        gives it; ``both``: the one and a tenth of the other.
    memory : int
        Observations to learn from, at most; 0: all since the beginning.
    keep : str
        Which, see `slotwise.controllers.online.memory.Memory`. The newest are forgotten when a
        change is found, the others are not.
    steps, rate, pull, layers : int, float, float, int
        Gradient steps of a lesson, learning rate, pull to the weights of the beginning (what is
        added to the loss for every squared difference from them), and how many last layers are
        learned (0: all). Left out or -1: what is recommended for the base,
        `slotwise.controllers.training.tuning`.
    fresh : bool
        Forget the trained weights and begin with random ones: what training beforehand is worth.
    guard : bool
        Deploy only what did better than both the deployed and the trained weights on observations
        that were not learned from (lower end of the paired 95 % interval above zero), and roll back
        what turns out worse there. Without it, everything learned is deployed.
    resume : str
        Folder in which the learning state is kept, one file for each seed; what is there is gone on
        from. Left out: nothing is kept.

    Raises
    ------
    InputError
        If the base is no network that can be trained, or what is to be resumed is damaged or was
        learned otherwise.
    ValueError
        If an option is out of its range.

    Notes
    -----
    Lessons take time, which the emulator charges: see ``timing.learning``.
    """

    name = "finetuned"
    learns = True

    def __init__(  # noqa: PLR0913 - every one is a choice that studies of online learning make
        self,
        base: str,
        every: int = 200,
        when: str = "period",
        objective: str = "unsupervised",
        memory: int = 1000,
        keep: str = "reservoir",
        steps: int = -1,
        rate: float = -1.0,
        pull: float = -1.0,
        layers: int = -1,
        fresh: bool = False,
        guard: bool = True,
        resume: str = "",
    ) -> None:
        self._schedule = Schedule(every, when)
        begun = make(base.replace("+", ","))
        if not isinstance(begun, Learned):
            raise InputError(f"base = {base}: must be a network that can be trained further")
        if "csi=" in base:
            raise InputError(f"base = {base}: what is learned from are reports: leave out csi")
        wished = {"steps": steps, "rate": rate, "pull": pull, "layers": layers}
        given: dict[str, Any] = {name: value for name, value in wished.items() if value != -1}
        self._learner = _learner(begun, {"objective": objective, **given})
        self.equivariant, self.lasting = begun.equivariant, bool(resume)
        self._base, self._guard, self._fresh, self._keep = begun, guard, fresh, keep
        self.card = begun.card
        # A perceptron that sorts users tells them apart by their gains and needs no places.
        self._placed = isinstance(begun, Mlp) and begun.sizes.order == "given"
        self._identity = {
            "base": base,
            "weights": digest(dict(begun.tensors)),
            "every": every,
            "when": when,
            "objective": objective,
            "memory": memory,
            "keep": keep,
            **wished,
            "fresh": fresh,
            "guard": guard,
        }
        self._memory = Memory(memory, keep)
        self._folder = Path(resume) if resume else None
        self._begin()

    def _begin(self) -> None:
        """Forget everything that was learned."""
        first: Learned = self._base
        if self._fresh:
            first = first.with_weights(self._learner.first(self.seed))
        self._deployment = Deployment(first)
        self._coming: Learned | None = None
        self._memory.begin(self.seed)
        self._schedule.begin()
        self._drift, self._places = DriftTest(), Places(self._learner.most_users)
        self._mean: tuple[Any, Any, Floats] = (None, None, np.empty((0, 0), np.float32))

    @property
    def deployed(self) -> Learned:
        """What decides now; not to be changed."""
        return self._deployment.deployed

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`: by the weights that are deployed."""
        return self.deployed.allocate(gain, noise_power, p_max, weight)

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        place = self._places.of(observation.user_id) if self._placed else None
        if place is None:
            return self.deployed.decide(observation)
        seen, users = observation, int(place.max()) + 1
        gain = _spread(seen.gain, place, users)
        noise, p_max, weight = np.ones(users), np.zeros(users), np.zeros(users)
        noise[place], p_max[place], weight[place] = seen.noise_power, seen.p_max, seen.weight
        return self.deployed.allocate(gain, noise, p_max, weight)[place]

    def watch(self, observation: Observation) -> None:
        """See `Controller.watch`."""
        kept = self._kept(observation)
        if kept is None:
            return
        if self._drift.watch(levels(kept[0])):
            self._schedule.change()
            self._deployment.change()
            self._coming = None  # was judged on what is no more
            if self._keep == "recent":
                self._memory.begin(self.seed)
        self._schedule.observe()
        # By what was observed and not by when: who lives the same again holds the same back.
        mark = zlib.crc32(kept[0].tobytes())
        if mark % HOLD_OUT == 0:
            self._deployment.hold_back(*kept, mark=mark)
        else:
            loss = self._loss(kept[0], kept[2]) if self._keep == "loss" else 0.0
            self._memory.add(*kept, loss, mark)

    def learn(self) -> Lesson | None:
        """See `Controller.learn`."""
        found = self._deployment.look_back() if self._guard else None
        if found is not None:
            verdict, self._coming = found
            return _lesson("rolled back", 0, verdict, "worse than before")
        cause = self._schedule.cause()
        if not cause or not self._deployment.judges or len(self._memory) < _FEWEST_KEPT:
            return None
        self._save()  # a kill while it learns loses nothing
        samples, number = self._memory.samples(), self._schedule.learn()
        begun = self._deployment.first
        tensors = self._learner.learn(
            self.deployed.tensors,
            samples,
            (self.seed, number),
            home=begun.tensors,
            random=self._fresh and self.deployed is begun,
        )
        candidate = self._base.with_weights(tensors)
        verdict, better = self._deployment.compare(candidate)
        better = better or not self._guard
        self._coming = candidate if better else None
        outcome = "deployed" if better else "rejected"
        return _lesson(outcome, len(samples.weight), verdict, cause)

    def deploy(self) -> bool | None:
        """See `Controller.deploy`: not after a change."""
        coming, self._coming = self._coming, None
        if coming is not None:
            self._deployment.deploy(coming)
        self._save()
        return coming is not None

    def leave(self) -> None:
        """See `Controller.leave`: what has been computed decides when life goes on."""
        if self._path is not None:
            self.deploy()

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self._base.reset(scenario, seed)
        self._begin()
        path = self._path
        if path is not None and path.exists():
            self._restore(states.read(path, self._identity), path)
        if path is not None and scenario is not None and not self.rehearsing:
            _require_folder(path.parent)
        if scenario is not None:
            self._learner.warm_up()

    def _kept(self, seen: Observation) -> tuple[Floats, Floats, Floats] | None:
        """What is remembered of an observation; None where the base cannot decide for so many."""
        place = self._places.of(seen.user_id) if self._placed else None
        users = len(seen.user_id) if place is None else int(place.max()) + 1
        if not 0 < users <= self._learner.most_users:
            return None
        problem = Problem(seen.gain, seen.noise_power, seen.p_max, seen.weight)
        told, where, mean = self._mean
        if told is not seen.mean_gain or where is not place:
            long_term = problem._replace(gain=seen.mean_gain)
            mean = _spread(full_power_snr(long_term), place, users).astype(np.float32)
            self._mean = seen.mean_gain, place, mean
        snr = _spread(full_power_snr(problem), place, users).astype(np.float32)
        weight = np.zeros(users)
        weight[np.arange(users) if place is None else place] = seen.weight
        return snr, mean, weight.astype(np.float32)

    def _loss(self, snr: Floats, weight: Floats) -> float:
        """What the deployed weights lose against WMMSE in one observation [1]."""
        ones = np.ones(len(snr))
        problem = Problem(snr.astype(np.float64), ones, ones, weight.astype(np.float64))
        best, _ = wmmse(*problem)
        mine = self.deployed.allocate(*problem)
        level = float(sum_rate(problem.gain, best, 1.0, problem.weight))
        own = float(sum_rate(problem.gain, mine, 1.0, problem.weight))
        return 1.0 - own / level if level > 0.0 else 0.0

    @property
    def _path(self) -> Path | None:
        """Where the learning state is kept."""
        return None if self._folder is None else self._folder / f"seed-{self.seed}.safetensors"

    def _save(self) -> None:
        """Write the learning state, where there is a place for it."""
        path = self._path
        if path is None or self.rehearsing:
            return
        arrays: dict[str, NDArray[Any]] = {}
        values = {"schedule": self._schedule.state(), "drift": self._drift.state()}
        for name, part in (("memory", self._memory), ("deployment", self._deployment)):
            held, values[name] = part.state()
            arrays |= {f"{name}/{key}": array for key, array in held.items()}
        states.write(path, State(arrays, values), self._identity)

    def _restore(self, state: State, path: Path) -> None:
        """Go on from a state."""
        values = state.values
        try:
            self._schedule.restore(values["schedule"])
            self._drift.restore(values["drift"])
            self._memory.restore(state.part("memory"), values["memory"])
            self._deployment.restore(state.part("deployment"), values["deployment"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"resume: {path}: damaged: {error}") from None


def _learner(base: Learned, options: dict[str, Any]) -> Learner:
    """What changes weights; torch is loaded here and not before."""
    from slotwise.controllers.online.learner import Learner

    return Learner(base, options)


def _require_folder(folder: Path) -> None:
    """Make sure now that the learning state can be kept there.

    Raises
    ------
    InputError
        If it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"resume = {folder}: must be a folder: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"resume = {folder}: must be a folder that can be written to")


def _spread(matrix: Array, place: NDArray[np.int64] | None, users: int) -> Array:
    """Rows and columns put to places; the matrix itself where there are none."""
    if place is None:
        return matrix
    whole = np.zeros((users, users))
    whole[np.ix_(place, place)] = matrix
    return whole


def _lesson(outcome: str, samples: int, verdict: Verdict, cause: str) -> Lesson:
    return Lesson(outcome, samples, verdict.gain, verdict.low, verdict.high, verdict.judged, cause)
