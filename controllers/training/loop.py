"""The training loop, the same for every network: steps, validations, the best weights, checkpoints.

A batch is a function of its number. No generator has a state to save, so a run that was killed and
resumed goes through the same batches and ends with the same bits as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from slotwise.controllers.training import checkpoints
from slotwise.controllers.training.checkpoints import Checkpoint
from slotwise.controllers.training.logs import Logs
from slotwise.controllers.training.recipe import Recipe, learning_rate
from slotwise.controllers.training.stopping import interrupts_held

__all__ = ["Outcome", "Task", "fit"]

Progress = Callable[[int, dict[str, float]], None]

_CHECKPOINT_EVERY_S = 60.0
_HOPELESS = 100
"""Steps in a row without a finite gradient: the weights themselves are broken."""


class Task(Protocol):
    """What is learned.

    Attributes
    ----------
    network : torch.nn.Module
        What learns. It is trained in place.
    identity : mapping
        JSON values that say what is learned: data, objective, sizes, seed. A checkpoint of another
        identity is refused.
    """

    @property
    def network(self) -> nn.Module:
        """The network, trained in place."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON values that say what is learned."""

    def loss(self, step: int) -> Tensor:
        """Loss of batch number ``step``, a scalar; a function of the seed, ``step`` and weights."""

    def validate(self) -> dict[str, float]:
        """Figures on validation draws; the first decides, and higher is better."""


class Outcome(NamedTuple):
    """How a training ended.

    Attributes
    ----------
    steps : int
        Steps made; fewer than the recipe's where patience ended.
    best : float
        The deciding figure of the best validation; NaN if none was finite.
    best_step : int
        Steps that had been made then.
    seconds : float
        Time spent, over all resumptions [s].
    skipped : int
        Steps whose gradient was not finite and changed nothing.
    history : list of dict
        One entry for each validation: ``step``, ``loss`` (mean since the entry before),
        ``learning_rate``, and what the task's `validate` gave.
    """

    steps: int
    best: float
    best_step: int
    seconds: float
    skipped: int
    history: list[dict[str, float]]


def fit(
    task: Task,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    logs: Path | None = None,
    progress: Progress | None = None,
    resume: bool = True,
) -> Outcome:
    """Train a task's network, and leave the best validated weights in it.

    Parameters
    ----------
    task : Task
        What is learned.
    recipe : Recipe
        How.
    checkpoint : Path, optional
        File kept up to date while training: at every validation, at least about once a minute, and
        on Ctrl-C. It stays when training is done.
    logs : Path, optional
        Folder for TensorBoard's event files.
    progress : callable, optional
        Called after every step with the steps made and the latest figures.
    resume : bool
        Go on from ``checkpoint`` if there is one; False starts anew and replaces it.

    Returns
    -------
    Outcome
        How it ended.

    Raises
    ------
    InputError
        If the checkpoint is damaged or one of another training, or TensorBoard is not installed.
    FloatingPointError
        If no gradient of 100 steps in a row was finite.
    KeyboardInterrupt
        On Ctrl-C; with a checkpoint, the step under way is finished and saved before.
    """
    run = _Run(task, recipe, checkpoint)
    if checkpoint is not None and resume and checkpoint.exists():
        run.restore(checkpoint)
    with ExitStack() as stack:
        interrupted = stack.enter_context(interrupts_held(checkpoint is not None))
        written = stack.enter_context(Logs.opened(logs, run.at.step))
        while not run.done:
            run.advance()
            if run.due:
                written.add(run.at.step, run.validate())
            run.save_if_due()
            if progress is not None:
                progress(run.at.step, run.figures())
            if interrupted():
                run.save()
                raise KeyboardInterrupt
    return run.outcome()


@dataclass(slots=True)
class _Progress:
    """How far a training has come: what a checkpoint holds besides tensors."""

    step: int = 0
    best: float = math.nan
    best_step: int = 0
    stale: int = 0  # validations since the best
    waited: int = 0  # validations since the best or the last reduction
    reductions: int = 0
    stopped: bool = False
    skipped: int = 0
    hopeless: int = 0  # skipped steps in a row
    loss_sum: float = 0.0
    losses: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """Mean since the last validation."""
        return self.loss_sum / self.losses if self.losses else math.nan


class _Run:
    """One training under way."""

    def __init__(self, task: Task, recipe: Recipe, checkpoint: Path | None) -> None:
        self._task, self._recipe, self._checkpoint = task, recipe, checkpoint
        self._named = {n: p for n, p in task.network.named_parameters() if p.requires_grad}
        self._optimiser = _optimiser(recipe, list(self._named.values()))
        self._digest = checkpoints.digest(recipe, task.network, task.identity)
        self._best_weights: dict[str, Tensor] = {}
        self._since = self._saved = time.monotonic()
        self._before_s = 0.0
        self.at = _Progress()

    @property
    def done(self) -> bool:
        return self.at.stopped or self.at.step >= self._recipe.steps

    @property
    def due(self) -> bool:
        """Whether a validation follows the step just made."""
        step = self.at.step
        return step % self._recipe.validate_every == 0 or step == self._recipe.steps

    def advance(self) -> None:
        """Make one step."""
        at = self.at
        self._task.network.train()
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self._recipe, at.step, at.reductions)
        self._optimiser.zero_grad()
        loss = self._task.loss(at.step)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._named.values(), self._recipe.clip or math.inf)
        at.step += 1
        value = float(loss.detach())
        if math.isfinite(value) and math.isfinite(float(norm)):
            self._optimiser.step()
            at.loss_sum, at.losses, at.hopeless = at.loss_sum + value, at.losses + 1, 0
            return
        at.skipped, at.hopeless = at.skipped + 1, at.hopeless + 1
        if at.hopeless >= _HOPELESS:
            raise FloatingPointError(
                f"no finite gradient in the last {_HOPELESS} of {at.step} steps: a smaller "
                "learning_rate, or clip, may do"
            )

    def validate(self) -> dict[str, float]:
        """Validate, remember the best, and see what schedule and patience make of it."""
        at = self.at
        self._task.network.eval()
        with torch.no_grad():
            figures = self._task.validate()
        rate = self._optimiser.param_groups[0]["lr"]
        entry = {"step": float(at.step), "loss": at.loss, "learning_rate": rate, **figures}
        at.history.append(entry)
        at.loss_sum, at.losses = 0.0, 0
        value = next(iter(figures.values()))
        finite = all(map(math.isfinite, figures.values()))
        if finite and not value <= at.best:  # the first best is NaN
            at.best, at.best_step, at.stale, at.waited = value, at.step, 0, 0
            self._best_weights = _copy(self._task.network)
        else:
            at.stale, at.waited = at.stale + 1, at.waited + 1
        if at.waited >= self._recipe.plateau_patience:
            at.reductions, at.waited = at.reductions + 1, 0
        at.stopped = 0 < self._recipe.patience <= at.stale
        self._saved = -math.inf
        return entry

    def figures(self) -> dict[str, float]:
        """The latest figures: mean loss since the last validation, and that validation's."""
        at = self.at
        latest = at.history[-1] if at.history else {}
        loss = at.loss if at.losses else latest.get("loss", math.nan)
        return {**latest, "step": float(at.step), "loss": loss, "best": at.best}

    def outcome(self) -> Outcome:
        """The end, with the best weights in the network; the last, if no validation was finite."""
        at = self.at
        if self._best_weights:
            self._task.network.load_state_dict(self._best_weights)
        self._task.network.eval()
        return Outcome(at.step, at.best, at.best_step, self._seconds, at.skipped, at.history)

    def save_if_due(self) -> None:
        """Save after a validation, and when the last time is a while ago."""
        if time.monotonic() - self._saved >= _CHECKPOINT_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write the checkpoint, where there is one to write."""
        if self._checkpoint is not None:
            self.at.seconds = self._seconds
            saved = Checkpoint(self._tensors(), asdict(self.at))
            checkpoints.write(self._checkpoint, saved, self._digest)
        self._saved = time.monotonic()

    def restore(self, path: Path) -> None:
        """Become the run that was saved."""
        saved = checkpoints.read(path, self._digest)
        parts: dict[str, dict[str, Tensor]] = {"weight": {}, "best": {}, "moment": {}}
        try:
            self.at = _Progress(**saved.progress)
            for name, tensor in saved.tensors.items():
                part, _, rest = name.partition("/")
                parts[part][rest] = tensor
            self._task.network.load_state_dict(parts["weight"])
            for name, tensor in parts["moment"].items():
                parameter, _, key = name.rpartition("/")
                self._optimiser.state[self._named[parameter]][key] = tensor
        except (KeyError, RuntimeError, TypeError) as error:
            raise checkpoints.damaged(path, error) from None
        self._best_weights = parts["best"]
        self._before_s = self.at.seconds

    @property
    def _seconds(self) -> float:
        return self._before_s + time.monotonic() - self._since

    def _tensors(self) -> dict[str, Tensor]:
        moments = {
            f"moment/{name}/{key}": value
            for name, parameter in self._named.items()
            for key, value in self._optimiser.state[parameter].items()
            if isinstance(value, Tensor)
        }
        weights = {f"weight/{name}": t for name, t in self._task.network.state_dict().items()}
        best = {f"best/{name}": tensor for name, tensor in self._best_weights.items()}
        return weights | best | moments


def _optimiser(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(
            parameters,
            recipe.learning_rate,
            alpha=recipe.decay,
            eps=recipe.epsilon,
            momentum=recipe.momentum,
        )
    # One pass over all weights: small networks spend their time in calls, not in arithmetic.
    return torch.optim.Adam(parameters, recipe.learning_rate, eps=recipe.epsilon, fused=True)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
