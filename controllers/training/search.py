"""Search of batch size and learning rate, the two that decide whether a recipe works at all.

Sun et al. (IEEE Trans. Signal Process. 66(20), 2018, Fig. 6) tried a grid of both by hand. Here
Optuna's tree-structured Parzen estimator (Akiba et al., KDD 2019; Bergstra et al., NeurIPS 2011)
proposes them, each trial is a short training on the same number of samples, and those that fall
behind the median are given up early. The first trial is the recipe as it stands.

Every proposal is a function of the seed and of the trials before, so a search that was killed goes
on from its journal as if it had not been.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from slotwise.controllers.atomic import write_whole
from slotwise.controllers.training.loop import Task, fit
from slotwise.controllers.training.recipe import Recipe
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    import optuna

__all__ = ["Trial", "best", "rescaled", "search"]

_BATCHES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Batch sizes that are tried, as shares of the recipe's."""

_RATES = 30.0
"""Learning rates that are tried: up to so many times more or less than the recipe's."""

_VALIDATIONS = 10
_AT_RANDOM = 5
_COMPLETE_BEFORE_GIVING_UP = 3
_VALIDATED_BEFORE_GIVING_UP = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One short training.

    Attributes
    ----------
    batch : int
        Samples of a batch.
    learning_rate : float
        Largest step size.
    seconds : float
        What it took [s].
    given_up : bool
        Whether it fell behind, or had no finite gradients, and was ended early.
    values : tuple of float
        The deciding figure of its validations, first to last; higher is better.
    """

    batch: int
    learning_rate: float
    seconds: float
    given_up: bool
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """Best of its validations; minus infinity if none was finite."""
        return max((value for value in self.values if math.isfinite(value)), default=-math.inf)


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the best validation, the earlier of two equals."""
    return max(trials, key=lambda trial: trial.value)


def rescaled(recipe: Recipe, batch: int, learning_rate: float, share: float = 1.0) -> Recipe:
    """The recipe with another batch size, on a share of the samples.

    Parameters
    ----------
    recipe : Recipe
        What to start from.
    batch, learning_rate
        What to change.
    share : float
        Of the samples, positive.

    Returns
    -------
    Recipe
        Warm-up and validations fall where as many samples have been seen; there is at least one
        step.
    """
    longer = share * recipe.batch / batch
    return replace(
        recipe,
        batch=batch,
        learning_rate=learning_rate,
        steps=max(1, round(recipe.steps * longer)),
        warmup=round(recipe.warmup * longer),
        validate_every=max(1, round(recipe.validate_every * longer)),
    )


def search(
    make: Callable[[Recipe], Task],
    recipe: Recipe,
    trials: int,
    *,
    share: float = 0.1,
    seed: int = 0,
    journal: Path | None = None,
    progress: Callable[[int, Trial], None] | None = None,
) -> list[Trial]:
    """Try batch sizes from a tenth to five times the recipe's, and learning rates around its own.

    Parameters
    ----------
    make : callable
        Makes the task of a recipe, with fresh weights.
    recipe : Recipe
        What the first trial tries, and where all else is from.
    trials : int
        How many, at least one.
    share : float
        Samples of a trial as a share of the recipe's.
    seed : int
        Fixes the proposals.
    journal : Path, optional
        JSON file of the trials so far: a search goes on from there.
    progress : callable, optional
        Called after each trial with the number of trials and the last of them.

    Returns
    -------
    list of Trial
        In the order they were made.

    Raises
    ------
    InputError
        If Optuna is not installed, there is no trial to make, or the journal is damaged or one of
        another search.
    """
    if trials < 1:
        raise InputError(f"trials = {trials}: must be at least 1")
    about = {"recipe": asdict(recipe), "share": share, "seed": seed}
    done = [] if journal is None or not journal.exists() else _read(journal, about)[:trials]
    while len(done) < trials:
        asked = _ask(recipe, done, seed)
        tried = rescaled(recipe, asked.params["batch"], asked.params["learning_rate"], share)
        tried = replace(tried, validate_every=math.ceil(tried.steps / _VALIDATIONS), patience=0)
        done.append(_try(make(tried), tried, asked))
        if journal is not None:
            _write(journal, about, done)
        if progress is not None:
            progress(len(done), done[-1])
    return done


def _ask(recipe: Recipe, done: Sequence[Trial], seed: int) -> optuna.trial.Trial:
    """What to try next: a function of its arguments alone, so nothing else need be kept."""
    try:
        import optuna
    except ImportError:
        raise InputError("trials: Optuna is not installed: pip install 'slotwise[train]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    batches = sorted({max(1, round(share * recipe.batch)) for share in _BATCHES})
    space: dict[str, optuna.distributions.BaseDistribution] = {
        "batch": optuna.distributions.CategoricalDistribution(batches),
        "learning_rate": optuna.distributions.FloatDistribution(
            recipe.learning_rate / _RATES, recipe.learning_rate * _RATES, log=True
        ),
    }
    drawn = int(np.random.SeedSequence((seed, len(done))).generate_state(1)[0])
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(n_startup_trials=_AT_RANDOM, seed=drawn),
        pruner=optuna.pruners.MedianPruner(_COMPLETE_BEFORE_GIVING_UP, _VALIDATED_BEFORE_GIVING_UP),
    )
    for trial in done:
        study.add_trial(_recorded(trial, space))
    if not done:
        study.enqueue_trial({"batch": recipe.batch, "learning_rate": recipe.learning_rate})
    return study.ask(space)


def _recorded(
    trial: Trial, space: dict[str, optuna.distributions.BaseDistribution]
) -> optuna.trial.FrozenTrial:
    """A trial as Optuna keeps it."""
    from optuna.trial import TrialState, create_trial

    finite = {at: value for at, value in enumerate(trial.values) if math.isfinite(value)}
    state = TrialState.PRUNED if trial.given_up else TrialState.COMPLETE
    return create_trial(
        state=state if finite else TrialState.FAIL,
        value=trial.value if finite else None,
        params={"batch": trial.batch, "learning_rate": trial.learning_rate},
        distributions=space,
        intermediate_values=finite,
    )


class _Watched:
    """A task whose validations the study sees, and may end."""

    def __init__(self, task: Task, trial: optuna.trial.Trial) -> None:
        self._task, self._trial = task, trial
        self.values: list[float] = []

    @property
    def network(self) -> nn.Module:
        return self._task.network

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._task.identity

    def loss(self, step: int) -> Tensor:
        return self._task.loss(step)

    def validate(self) -> dict[str, float]:
        import optuna

        figures = self._task.validate()
        value = next(iter(figures.values()))
        if math.isfinite(value):
            self._trial.report(value, len(self.values))
        self.values.append(value)
        if self._trial.should_prune():
            raise optuna.TrialPruned
        return figures


def _try(task: Task, recipe: Recipe, asked: optuna.trial.Trial) -> Trial:
    import optuna

    watched, given_up, began_s = _Watched(task, asked), False, time.perf_counter()
    try:
        fit(watched, recipe)
    except (optuna.TrialPruned, FloatingPointError):
        given_up = True
    seconds = time.perf_counter() - began_s
    return Trial(recipe.batch, recipe.learning_rate, seconds, given_up, tuple(watched.values))


def _write(journal: Path, about: Mapping[str, Any], trials: Sequence[Trial]) -> None:
    """Write the journal whole or not at all."""
    whole = {**about, "trials": [asdict(trial) for trial in trials]}
    write_whole(journal, (json.dumps(whole, indent=2) + "\n").encode())


def _read(journal: Path, about: Mapping[str, Any]) -> list[Trial]:
    names = [field.name for field in fields(Trial)]
    try:
        whole = json.loads(journal.read_text("utf-8"))
        trials = [
            Trial(**{name: found[name] for name in names} | {"values": tuple(found["values"])})
            for found in whole.pop("trials")
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{journal}: cannot be read: {error}") from None
    if whole != json.loads(json.dumps(about)):
        raise InputError(
            f"{journal}: journal of another search (recipe or seed differ); delete it to start anew"
        )
    return trials
