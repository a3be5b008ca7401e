"""Training from beginning to end: from an order to a file of weights that says what they are worth.

A trained network is judged as it will be used: the compiled controller reads the file that was
written and answers draws that neither training nor validation has seen.
"""

from __future__ import annotations

import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

from slotwise.controllers.cards import Card, Network, Result, architecture_of, write
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.runs.directory import finite
from slotwise.runs.judging import judge
from slotwise.runs.order import Order
from slotwise.runs.place import check_writable, writing
from slotwise.runs.progress import note, progress_bar
from slotwise.runs.quiet import single_threaded

if TYPE_CHECKING:
    from slotwise.controllers.training.draws import Spread
    from slotwise.controllers.training.loop import Outcome, Task
    from slotwise.controllers.training.recipe import Recipe
    from slotwise.controllers.training.search import Trial
    from slotwise.controllers.training.subjects import Subject
    from slotwise.runs.workers import Workers

__all__ = [
    "Order",
    "Trained",
    "checkpoint_of",
    "fitted",
    "spread_over",
    "train",
    "trials_of",
    "versions",
]

R = TypeVar("R")

_SUFFIX = ".safetensors"
_SHARE_OF_A_TRIAL = 0.1
_SAID_EVERY_S = 5.0
_UNSAID = ("step", "learning_rate")


class Trained(TypedDict):
    """What a training came to: rates relative to WMMSE's from full power, times in s."""

    file: str
    network: str
    name: str
    recipe: dict[str, Any]
    steps: int
    best: float | None
    best_step: int
    skipped: int
    seconds: float
    results: list[dict[str, Any]]
    trials: list[dict[str, Any]]


def checkpoint_of(out: Path) -> Path:
    """Where the checkpoint of a training to this file is, unless said otherwise."""
    return out.with_name(f"{out.stem}.checkpoint{_SUFFIX}")


def trials_of(out: Path) -> Path:
    """Where the trials of a training to this file are."""
    return out.with_name(f"{out.stem}.trials.json")


def train(
    order: Order,
    out: Path,
    *,
    checkpoint: Path | None = None,
    logs: Path | None = None,
    force: bool = False,
    test_samples: int = 10_000,
    workers: Workers | None = None,
    progress: bool = False,
) -> Trained:
    """Train a network, judge it, and write it.

    Parameters
    ----------
    order : Order
        What to train.
    out : Path
        File of weights to write, ``*.safetensors``.
    checkpoint : Path, optional
        File that training goes on from and keeps up to date. Left out: beside ``out``, and removed
        when ``out`` is written.
    logs : Path, optional
        Folder for TensorBoard.
    force : bool
        Replace ``out``, and start anew where there is a checkpoint.
    test_samples : int
        Draws to judge by; a fifth of them at 100 users.
    workers : Workers, optional
        Who draws and solves a fixed set of samples, which is the same whoever does; left out: this
        process.
    progress : bool
        Say on standard error how far it is.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        If the order cannot be carried out, or ``out`` exists and no checkpoint of it.
    KeyboardInterrupt
        On Ctrl-C; the checkpoint is kept, and the same call goes on from there.
    """
    place = checkpoint_of(out) if checkpoint is None else checkpoint
    _check(order, out, place, logs, force)
    scenario = order.network_drawn()
    from slotwise.controllers.training import subjects

    subject = subjects.subject(order.network, order.wish(scenario))
    if force:
        place.unlink(missing_ok=True)
        trials_of(out).unlink(missing_ok=True)
    with writing(out), _threads(order.network):
        spread = spread_over(workers)
        subject, trials = _searched(order, subject, trials_of(out), spread, progress)
        task = _task(subject, spread, progress)
        outcome = fitted(task, subject.recipe, place, logs, f"train {order.network}", progress)
        results = _kept(order, out, subject, task, outcome, scenario, test_samples, progress)
    if checkpoint is None:
        place.unlink(missing_ok=True)
    return _told(order, out, subject, outcome, results, trials)


def _told(
    order: Order,
    out: Path,
    subject: Subject,
    outcome: Outcome,
    results: Sequence[Result],
    trials: Sequence[Trial],
) -> Trained:
    """What a training came to."""
    return Trained(
        file=str(out),
        network=order.network,
        name=_name(out),
        recipe=asdict(subject.recipe),
        steps=outcome.steps,
        best=outcome.best if math.isfinite(outcome.best) else None,
        best_step=outcome.best_step,
        skipped=outcome.skipped,
        seconds=outcome.seconds,
        results=[result.model_dump(mode="json") for result in results],
        trials=[finite({**asdict(trial), "value": trial.value}) for trial in trials],
    )


def _threads(network: str) -> AbstractContextManager[None]:
    """One where layers are narrow: several are slower, and the last bits depend on how many."""
    return single_threaded() if network in ("mlp-ee", "unrolled-ee") else nullcontext()


def _check(order: Order, out: Path, place: Path, logs: Path | None, force: bool) -> None:
    """Refuse what can be refused before anything is read or drawn."""
    if out.suffix != _SUFFIX:
        raise InputError(f"{out}: must end in {_SUFFIX}")
    if "," in str(out):
        raise InputError(f"{out}: must be without commas, which separate a controller's options")
    if out.exists() and not (force or place.exists()):
        raise InputError(f"{out}: exists; --force replaces it")
    if order.trials < 0:
        raise InputError(f"trials = {order.trials}: must be at least 0")
    for wanted, package in ((logs, "tensorboard"), (order.trials, "optuna")):
        if wanted and find_spec(package) is None:
            raise InputError(f"{package} is not installed: pip install 'slotwise[train]'")
    check_writable(out.parent)
    check_writable(place.parent)


def spread_over(workers: Workers | None) -> Spread:
    """The way in which these workers draw blocks of samples; None: this process draws them."""
    from slotwise.controllers.training.draws import in_turn

    if workers is None:
        return in_turn
    from slotwise.runs.workers import Lost, spread

    def over(do: Callable[[int], R], tasks: Iterable[int]) -> Iterator[tuple[int, R]]:
        for number, result in spread(do, tasks, workers):
            if isinstance(result, Lost):
                raise RuntimeError(f"block {number} of samples: {result.line}")  # noqa: TRY004
            yield number, result

    return over


def _searched(
    order: Order, subject: Subject, journal: Path, spread: Spread, progress: bool
) -> tuple[Subject, list[Trial]]:
    """The subject with the recipe that trials chose, and the trials."""
    if not order.trials:
        return subject, []
    from slotwise.controllers.training.search import best, rescaled, search

    with progress_bar("trials", order.trials, shown=progress) as done:

        def tell(number: int, trial: Trial) -> None:
            done(number)
            if progress:
                value = "given up" if trial.given_up else f"{trial.value:.4f}"
                of = f"trial {number} of {order.trials}"
                note(f"{of}: batch {trial.batch}, rate {trial.learning_rate:.2e}: {value}")

        trials = search(
            lambda recipe: subject.make(recipe, _SHARE_OF_A_TRIAL, spread=spread),
            subject.recipe,
            order.trials,
            share=_SHARE_OF_A_TRIAL,
            seed=order.seed,
            journal=journal,
            progress=tell,
        )
    chosen = best(trials)
    recipe = rescaled(subject.recipe, chosen.batch, chosen.learning_rate)
    return subject._replace(recipe=recipe), trials


def _task(subject: Subject, spread: Spread, progress: bool) -> Task:
    with progress_bar("draw", subject.samples or None, shown=progress) as done:
        return subject.make(subject.recipe, progress=done, spread=spread)


def fitted(
    task: Task, recipe: Recipe, place: Path, logs: Path | None, label: str, progress: bool
) -> Outcome:
    """Train a task with a bar, and a line now and then, on standard error; see `fit`."""
    from slotwise.controllers.training.loop import fit

    with progress_bar(label, recipe.steps, shown=progress) as done:
        tell = _teller(label, recipe, done) if progress else None
        return fit(task, recipe, checkpoint=place, logs=logs, progress=tell)


def _teller(
    label: str, recipe: Recipe, done: Callable[[int], None]
) -> Callable[[int, dict[str, float]], None]:
    """Moves the bar, and says in a line what validations came to, now and then."""
    began = said = time.monotonic()
    first = 0

    def tell(step: int, figures: dict[str, float]) -> None:
        nonlocal began, said, first
        done(step)
        now = time.monotonic()
        if not first:  # the first step waits for compilers
            began, first = now, step
        due = step == recipe.steps or now - said >= _SAID_EVERY_S
        if not due or "learning_rate" not in figures:  # nothing is validated yet
            return
        said = now
        speed = (step - first) / max(now - began, 1e-9)
        left = (recipe.steps - step) / speed if speed else math.nan
        words = ", ".join(f"{k} {v:.4f}" for k, v in figures.items() if k not in _UNSAID)
        note(f"{label}: step {step} of {recipe.steps}, {words}; {speed:.1f}/s, {left:.0f} s left")

    return tell


def _name(out: Path) -> str:
    # Perceptrons are called after what they learned from, the others after themselves.
    return out.stem.removeprefix("mlp-ee-").removeprefix("mlp-")


def _kept(
    order: Order,
    out: Path,
    subject: Subject,
    task: Task,
    outcome: Outcome,
    scenario: Scenario | None,
    test_samples: int,
    progress: bool,
) -> list[Result]:
    """Write the weights with what they are worth, and return that."""
    network: Any = task.network
    tensors = {name: tensor.numpy() for name, tensor in network.plain_tensors().items()}
    card = Card(
        format=1,
        network=cast("Network", architecture_of(order.network)),
        name=_name(out),
        sizes=network.sizes._asdict(),
        scenario="randomised" if scenario is None else scenario.name,
        overrides=list(order.overrides),
        users=subject.users,
        command=order.command(out),
        recipe=asdict(subject.recipe) | {"pretrain": subject.pretrain},
        seed=order.seed,
        steps=outcome.steps,
        samples=subject.samples or outcome.steps * subject.recipe.batch,
        seconds=round(outcome.seconds, 1),
        date=datetime.now(UTC).date().isoformat(),
        versions=versions(),
        results=[],
    )
    with tempfile.TemporaryDirectory(prefix="slotwise-") as folder:
        draft = Path(folder) / "weights.safetensors"
        write(draft, card, tensors, half=order.half)
        links = order.links if scenario is not None else subject.users
        about = (scenario, order.overrides, links, test_samples, progress)
        results = list(judge(order.network, draft, *about))
    write(out, card.model_copy(update={"results": results}), tensors, half=order.half)
    return results


def versions() -> dict[str, str]:
    """Of what a network is trained with, by name."""
    named = {name: version(name) for name in ("slotwise", "torch", "numpy", "numba")}
    return {"python": platform.python_version(), **named}
