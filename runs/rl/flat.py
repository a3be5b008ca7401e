"""Training by Stable-Baselines3: from an order to weights, with checkpoints that hold no pickle.

An agent that goes on from a checkpoint has its weights and its optimisers' moments, and meets new
networks; one that learns from a memory of the past begins that anew. The weights of the best
validation are kept, not the last.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from slotwise.controllers.training import checkpoints
from slotwise.controllers.training.checkpoints import Checkpoint
from slotwise.controllers.training.recipe import Recipe
from slotwise.controllers.training.stopping import interrupts_held
from slotwise.emulator.scenario import Scenario
from slotwise.runs.progress import note, progress_bar
from slotwise.runs.rl.fitted import Fitted
from slotwise.runs.rl.order import PolicyOrder
from slotwise.runs.rl.stable_baselines import agent_of, answered, plain_tensors, seeded, sizes_of
from slotwise.runs.rl.validation import Validation

__all__ = ["learn"]

_VALIDATIONS = 20
_SAVED_EVERY_S = 60.0


@dataclass(slots=True)
class _Best:
    """The best validation so far."""

    relative: float = -math.inf
    step: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)


class _Watch(BaseCallback):
    """Validates, tells, saves, and stops on Ctrl-C."""

    def __init__(
        self,
        run: _Run,
        tell: Callable[[int, float, float], None],
        interrupted: Callable[[], bool],
        every: int,
    ) -> None:
        super().__init__()
        self._run, self._tell, self._interrupted, self._every = run, tell, interrupted, every
        self._last = math.nan
        self._saved = time.monotonic()
        self._turn = -1

    def _on_rollout_start(self) -> None:
        """Between two rollouts weights are whole."""
        turn = self.num_timesteps // self._every
        if turn > max(self._turn, 0):
            self._last = self._run.validated()
            self.logger.record("relative", self._last)
            self._saved = -math.inf  # what has just been validated is kept
        self._turn = turn
        if time.monotonic() - self._saved >= _SAVED_EVERY_S:
            self._run.save()
            self._saved = time.monotonic()

    def _on_step(self) -> bool:
        self._tell(self.num_timesteps, self._last, self._run.best.relative)
        return not self._interrupted()


def learn(
    order: PolicyOrder, scenario: Scenario, place: Path, logs: Path | None, progress: bool
) -> Fitted:
    """Train an agent of Stable-Baselines3.

    Parameters
    ----------
    order : PolicyOrder
        What to train.
    scenario : Scenario
        In what.
    place : Path
        Of the checkpoint.
    logs : Path, optional
        Folder for TensorBoard.
    progress : bool
        Say on standard error how far it is.

    Raises
    ------
    InputError
        If a decision of the scenario does not hold for one whole slot, or the checkpoint is of
        another training.
    KeyboardInterrupt
        On Ctrl-C; the checkpoint is kept.
    """
    agent, hyper = agent_of(order, scenario, None if logs is None else str(logs))
    run = _Run(order, scenario, agent, hyper, place)
    run.restore()
    best = run.best
    with (
        interrupts_held() as interrupted,
        progress_bar(f"train {order.algorithm}", order.length, shown=progress) as done,
    ):
        tell = _teller(order, done, progress)
        every = max(1, order.length // _VALIDATIONS)
        watch = _Watch(run, tell, interrupted, every)
        if run.left > 0:
            agent.learn(run.left, callback=watch, reset_num_timesteps=False)
        if interrupted():
            run.save()
            raise KeyboardInterrupt
        if run.left <= 0 and agent.num_timesteps != best.step:
            run.validated()
    return Fitted(
        tensors={name: tensor.numpy() for name, tensor in best.tensors.items()},
        sizes=sizes_of(agent, order, scenario),
        recipe={"algorithm": order.algorithm, "gamma": 0.0, **hyper},
        steps=agent.num_timesteps,
        samples=agent.num_timesteps,
        seconds=run.seconds,
        figures={"best": best.relative, "best_step": float(best.step)},
    )


def _teller(
    order: PolicyOrder, done: Callable[[int], None], progress: bool
) -> Callable[[int, float, float], None]:
    """Moves the bar, and says in a line what each validation came to."""
    said = math.nan
    label = f"train rl: {order.algorithm}"

    def tell(step: int, relative: float, best: float) -> None:
        nonlocal said
        done(min(step, order.length))
        if progress and math.isfinite(relative) and relative != said:
            said = relative
            note(
                f"{label}: step {step} of {order.length}, relative {relative:.4f}, best {best:.4f}"
            )

    return tell


class _Run:
    """A training that can be saved and gone on with."""

    def __init__(
        self,
        order: PolicyOrder,
        scenario: Scenario,
        agent: BaseAlgorithm,
        hyper: dict[str, Any],
        place: Path,
    ) -> None:
        self._order, self._scenario, self._agent, self._place = order, scenario, agent, place
        self._validation = Validation(scenario)
        identity = {
            "network": f"rl {order.algorithm} {order.kind}",
            "scenario": scenario.model_dump(mode="json"),
            "hyperparameters": hyper,
            "levels": order.levels,
            "seed": order.seed,
        }
        recipe = Recipe(steps=order.length, batch=hyper["networks"])
        self._digest = checkpoints.digest(recipe, agent.policy, identity)
        self._since = time.monotonic()
        self.best, self._before_s = _Best(), 0.0

    @property
    def left(self) -> int:
        """Steps to go."""
        return self._order.length - self._agent.num_timesteps

    @property
    def seconds(self) -> float:
        """How long it has taken, over all resumptions [s]."""
        return self._before_s + time.monotonic() - self._since

    def validated(self) -> float:
        """Validate, and remember the best weights."""
        answer = answered(self._agent, self._validation.met, self._order, self._scenario)
        relative = self._validation.relative(answer)
        if relative > self.best.relative:
            self.best.relative, self.best.step = relative, self._agent.num_timesteps
            self.best.tensors = plain_tensors(self._agent)
        return relative

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"weight/{k}": v for k, v in self._agent.policy.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in self.best.tensors.items()}
        for name, optimiser in self._optimisers().items():
            for number, moments in optimiser.state_dict()["state"].items():
                for key, value in moments.items():
                    tensors[f"moment/{name}/{number}/{key}"] = value
        entropy = getattr(self._agent, "log_ent_coef", None)
        if isinstance(entropy, Tensor):
            tensors["entropy/log"] = entropy
        # Whoever shares weights between actor and critic names them twice; a file holds them once.
        kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        progress = {
            "step": self._agent.num_timesteps,
            "best": self.best.relative if self.best.tensors else None,
            "best_step": self.best.step,
            "seconds": self.seconds,
            "updates": getattr(self._agent, "_n_updates", 0),
        }
        checkpoints.write(self._place, Checkpoint(kept, progress), self._digest)

    def restore(self) -> None:
        """Become the run that was saved, if one was."""
        if not self._place.exists():
            return
        saved = checkpoints.read(self._place, self._digest)
        parts: dict[str, dict[str, Tensor]] = {
            "weight": {},
            "best": {},
            "moment": {},
            "entropy": {},
        }
        try:
            for name, tensor in saved.tensors.items():
                part, _, rest = name.partition("/")
                parts[part][rest] = tensor
            self._agent.policy.load_state_dict(parts["weight"])
            for name, optimiser in self._optimisers().items():
                whole = optimiser.state_dict()
                whole["state"] = _moments(parts["moment"], name)
                optimiser.load_state_dict(whole)
            for tensor in parts["entropy"].values():
                self._agent.log_ent_coef.data.copy_(tensor)  # type: ignore[attr-defined]
            at = saved.progress
            self._agent.num_timesteps = int(at["step"])
            self._agent._n_updates = int(at["updates"])
            self._before_s = float(at["seconds"])
            if at["best"] is not None:
                self.best.relative, self.best.step = float(at["best"]), int(at["best_step"])
                self.best.tensors = parts["best"]
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise checkpoints.damaged(self._place, error) from None
        # New networks and decisions, not those of the beginning again.
        seeded(self._agent, self._order.seed, int(at["step"]))

    def _optimisers(self) -> dict[str, Any]:
        """Optimisers by the names that Stable-Baselines3 has for them."""
        names: list[str] = self._agent._get_torch_save_params()[0]
        found = {}
        for name in names:
            if name.endswith("optimizer"):
                whole: Any = self._agent
                for part in name.split("."):
                    whole = getattr(whole, part)
                found[name] = whole
        return found


def _moments(moments: dict[str, Tensor], name: str) -> dict[int, dict[str, Tensor]]:
    """State of one optimiser, as torch has it."""
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in moments.items():
        whose, number, key = path.rsplit("/", 2)
        if whose == name:
            state.setdefault(int(number), {})[key] = tensor
    return state
