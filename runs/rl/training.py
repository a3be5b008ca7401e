"""Policies from beginning to end: from an order to a file that sits in the controller's seat.

A policy is judged as it will be used: the controller ``rl`` reads the file that was written, and
decides in networks that neither training nor validation has met.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from slotwise.controllers.cards import Card, Result, write
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.runs.place import check_writable, writing
from slotwise.runs.quiet import single_threaded
from slotwise.runs.rl.fitted import Fitted
from slotwise.runs.rl.instants import check_promise, check_slots
from slotwise.runs.rl.judging import JUDGED_SEED, Line, judge
from slotwise.runs.rl.order import PolicyOrder
from slotwise.runs.training import checkpoint_of, fitted, versions

if TYPE_CHECKING:
    from slotwise.controllers.training.recipe import Recipe

__all__ = ["TrainedPolicy", "train_policy"]

_SUFFIX = ".safetensors"


class TrainedPolicy(TypedDict):
    """What a training came to."""

    file: str
    algorithm: str
    policy: str
    steps: int
    seconds: float
    figures: dict[str, float]
    lines: list[Line]


def train_policy(
    order: PolicyOrder,
    out: Path,
    *,
    checkpoint: Path | None = None,
    logs: Path | None = None,
    force: bool = False,
    test_networks: int = 400,
    progress: bool = False,
) -> TrainedPolicy:
    """Train a policy, write it, and judge it.

    Parameters
    ----------
    order : PolicyOrder
        What to train.
    out : Path
        File to write, ``*.safetensors``.
    checkpoint : Path, optional
        Where training goes on from and what it keeps up to date. Left out: beside ``out``, and
        removed when ``out`` is written.
    logs : Path, optional
        Folder for TensorBoard.
    force : bool
        Replace ``out``, and start anew where there is a checkpoint.
    test_networks : int
        Unseen networks to judge by, at least 2; 0: none.
    progress : bool
        Say on standard error how far it is.

    Returns
    -------
    TrainedPolicy

    Raises
    ------
    InputError
        If the order cannot be carried out, or ``out`` exists and no checkpoint of it.
    KeyboardInterrupt
        On Ctrl-C; the checkpoint is kept, and the same call goes on from there.
    """
    place = checkpoint_of(out) if checkpoint is None else checkpoint
    scenario = order.network_lived()
    check_slots(scenario)
    check_promise(scenario)
    if test_networks < 0 or test_networks == 1:
        raise InputError(f"test_networks = {test_networks}: must be 0 or at least 2")
    _check(order, out, place, logs, force)
    if force:
        place.unlink(missing_ok=True)
    with writing(out), single_threaded():
        done = _algorithm(order)(order, scenario, place, logs, progress)
        card = _card(order, out, scenario, done)
        write(out, card, done.tensors)
        lines: list[Line] = []
        if test_networks:
            lines = judge(scenario, [f"rl:{out}"], networks=test_networks, progress=progress)
            results = _results(order, scenario, lines[-1], test_networks)
            write(out, card.model_copy(update={"results": results}), done.tensors)
    if checkpoint is None:
        place.unlink(missing_ok=True)
    return TrainedPolicy(
        file=str(out),
        algorithm=order.algorithm,
        policy=order.kind,
        steps=done.steps,
        seconds=done.seconds,
        figures=done.figures,
        lines=lines,
    )


def _check(order: PolicyOrder, out: Path, place: Path, logs: Path | None, force: bool) -> None:
    """Refuse what can be refused before anything is lived."""
    if out.suffix != _SUFFIX:
        raise InputError(f"{out}: must end in {_SUFFIX}")
    if "," in str(out):
        raise InputError(f"{out}: must be without commas, which separate a controller's options")
    if out.exists() and not (force or place.exists()):
        raise InputError(f"{out}: exists; --force replaces it")
    needed = [] if order.algorithm == "counterfactual" else ["stable_baselines3"]
    for package in [*needed, *(["tensorboard"] if logs else [])]:
        if find_spec(package) is None:
            name = package.replace("_", "-")
            raise InputError(f"{name} is not installed: pip install 'slotwise[rl]'")
    check_writable(out.parent)
    check_writable(place.parent)


def _algorithm(order: PolicyOrder) -> Any:
    """What carries the order out."""
    if order.algorithm == "counterfactual":
        return _counterfactual
    from slotwise.runs.rl.flat import learn

    return learn


def _counterfactual(
    order: PolicyOrder, scenario: Scenario, place: Path, logs: Path | None, progress: bool
) -> Fitted:
    """Train the graph policy on counterfactual sum rates."""
    from slotwise.emulator.encoding import gain_scale
    from slotwise.runs.rl.counterfactual import CounterfactualTask, recipe_for

    rows = scenario.population.capacity
    recipe: Recipe = recipe_for(rows, order.length, order.networks)
    task = CounterfactualTask(scenario, recipe, order.seed, order.levels)
    outcome = fitted(task, recipe, place, logs, "train rl", progress)
    scale = gain_scale(scenario)
    tensors = {name: tensor.numpy() for name, tensor in task.network.plain_tensors().items()}
    return Fitted(
        tensors=tensors,
        sizes={
            "policy": "graph",
            **task.network.sizes._asdict(),
            "low_db": scale.low_db,
            "high_db": scale.high_db,
            "users_per_drop": rows,
        },
        recipe={"algorithm": order.algorithm, **asdict(recipe), **task.identity["exploration"]},
        steps=outcome.steps,
        samples=outcome.steps * task.lives.networks,
        seconds=outcome.seconds,
        figures={"best": outcome.best, "best_step": float(outcome.best_step)},
    )


def _card(order: PolicyOrder, out: Path, scenario: Scenario, done: Fitted) -> Card:
    """What the file says of itself."""
    return Card(
        format=1,
        network="rl",
        name=out.stem,
        sizes=done.sizes,
        scenario=scenario.name,
        overrides=list(order.overrides),
        users=scenario.population.capacity if order.kind == "flat" else None,
        command=order.command(out),
        recipe=done.recipe,
        seed=order.seed,
        steps=done.steps,
        samples=done.samples,
        seconds=round(done.seconds, 1),
        date=datetime.now(UTC).date().isoformat(),
        versions=versions(),
        results=[],
    )


def _results(order: PolicyOrder, scenario: Scenario, line: Line, networks: int) -> list[Result]:
    """The policy's line of the judgement, for the card, if there is anything to be relative to."""
    relative, low, high = line["relative"], line["low"], line["high"]
    if relative is None or low is None or high is None:
        return []
    result = Result(
        scenario=scenario.name,
        overrides=list(order.overrides),
        users=max(scenario.population.initial_users, 1),
        samples=networks,
        seed=JUDGED_SEED,
        relative=relative,
        relative_rounded=relative,  # levels are what they are
        low=low,
        high=high,
    )
    return [result]
