"""What each network can be told to learn: the same words for all, answered by a task and a recipe.

Networks differ in what they learn from. The perceptron has one number of users and may keep a fixed
set of labelled samples; the others have any number, learn from the rate itself, and draw afresh in
every step. What a network cannot do is refused here, before anything is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Protocol, cast, get_args

from slotwise.controllers.training import (
    energy,
    energy_mlp,
    graph,
    late,
    mlp,
    pretraining,
    unrolled,
)
from slotwise.controllers.training.aims import efficiency_only, promised_rate, rates_only
from slotwise.controllers.training.draws import BLOCK, Spread, in_turn, of_scenario
from slotwise.controllers.training.loop import Task
from slotwise.controllers.training.recipe import Recipe
from slotwise.emulator.scenario import InputError, Scenario

__all__ = ["NETWORKS", "Subject", "Wish", "subject"]

Progress = Callable[[int], None]

_LARGEST_SIZE = 4096
_VALIDATIONS = 10
"""Least number of validations, however short a training is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to learn and how, as far as anyone has said; None: the network's own default.

    Attributes
    ----------
    scenario : Scenario, optional
        What is drawn; None: networks of every kind, where the network can learn from those.
    links : int, optional
        Users of a draw; left out: the scenario's.
    objective : str, optional
        ``supervised``, ``unsupervised`` or ``both``.
    pretrain : str, optional
        ``model``: draws of the scenario; ``randomised``: networks of every kind; ``reptile``: from
        there on sites, on which little is learned fast.
    samples : int, optional
        Size of a fixed set of samples; 0: fresh ones in every step.
    steps : int, optional
        Batches to learn from.
    epochs : float, optional
        Instead: times to go through the set.
    batch, learning_rate, patience
        As in `Recipe`.
    recipe : mapping of str to str
        Other fields of the recipe by name.
    size : mapping of str to str
        Sizes of the network by name.
    seed : int
        Of first weights and draws.
    """

    scenario: Scenario | None = None
    links: int | None = None
    objective: str | None = None
    pretrain: str | None = None
    samples: int | None = None
    steps: int | None = None
    epochs: float | None = None
    batch: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    recipe: Mapping[str, str] = field(default_factory=dict)
    size: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


class Make(Protocol):
    """Makes a task, with fresh weights."""

    def __call__(
        self,
        recipe: Recipe,
        share: float = 1.0,
        progress: Progress | None = None,
        spread: Spread = in_turn,
    ) -> Task:
        """Make the task of a recipe, from a share of the samples."""


class Subject(NamedTuple):
    """A wish that can be granted.

    Attributes
    ----------
    recipe : Recipe
        How.
    make : Make
        What.
    samples : int
        Size of the fixed set; 0: fresh samples in every step.
    users : int or None
        Users that the network is fixed to; None: any number.
    pretrain : str
        What it learns from, as in `Wish`.
    """

    recipe: Recipe
    make: Make
    samples: int
    users: int | None
    pretrain: str


def subject(network: str, wish: Wish) -> Subject:
    """What a network is to learn.

    Parameters
    ----------
    network : str
        One of `NETWORKS`.
    wish : Wish
        What to learn.

    Raises
    ------
    InputError
        If there is no such network, it cannot learn that, or a value is out of range.
    """
    if network not in NETWORKS:
        raise InputError(f"network {network!r}: must be one of {', '.join(NETWORKS)}")
    for name, least in (("links", 1), ("samples", 0), ("steps", 1), ("batch", 1), ("seed", 0)):
        value = getattr(wish, name)
        if value is not None and value < least:
            raise InputError(f"{name} = {value}: must be at least {least}")
    if wish.steps is not None and wish.epochs is not None:
        raise InputError("epochs: not beside steps")
    granted = NETWORKS[network](wish)
    if "validate_every" in wish.recipe:
        return granted
    every = min(granted.recipe.validate_every, math.ceil(granted.recipe.steps / _VALIDATIONS))
    return granted._replace(recipe=replace(granted.recipe, validate_every=max(1, every)))


def _perceptron(wish: Wish) -> Subject:
    ways = "model", *get_args(pretraining.Pretraining)
    if _among("pretrain", wish.pretrain or "model", ways) != "model":
        return _adaptive(wish)
    if wish.epochs is not None and not 0 < wish.epochs < math.inf:
        raise InputError(f"epochs = {wish.epochs}: must be positive and finite")
    if wish.scenario is None:
        raise InputError("scenario: the network mlp needs one, it is made for one number of users")
    scenario, users = wish.scenario, wish.links or wish.scenario.population.initial_users
    rates_only(scenario, "mlp")
    objective = cast(
        "mlp.Objective",
        _among("objective", wish.objective or "supervised", get_args(mlp.Objective)),
    )
    sizes: dict[str, Any] = _integers(wish, "mlp", ("hidden", "layers"))
    samples = mlp.Options().samples if wish.samples is None else wish.samples
    options = mlp.Options(objective=objective, seed=wish.seed, samples=samples)._replace(**sizes)
    options = options._replace(min_rate=promised_rate(scenario, objective))
    recipe = mlp.recipe_for(objective, wish.steps, **_changes(wish))
    if wish.epochs is not None:
        if not options.samples:
            raise InputError("epochs: only where samples is not 0")
        recipe = _over(recipe, wish.epochs * options.samples)
    if 0 < options.samples < recipe.batch:
        raise InputError(f"samples = {options.samples}: must be 0 or at least batch")

    def make(
        recipe: Recipe,
        share: float = 1.0,
        progress: Progress | None = None,
        spread: Spread = in_turn,
    ) -> Task:
        fewer = options.samples and max(BLOCK, recipe.batch, round(share * options.samples))
        return mlp.task(
            scenario,
            users,
            recipe,
            options._replace(samples=min(fewer, options.samples)),
            progress,
            spread,
        )

    return Subject(recipe, make, options.samples, users, "model")


def _adaptive(wish: Wish) -> Subject:
    """A perceptron that is to be adapted to whatever network it will meet."""
    kind = cast("pretraining.Pretraining", wish.pretrain)
    _fresh_only(wish, f"pretrain = {kind}")
    if wish.scenario is not None:
        raise InputError(
            f"scenario: with pretrain = {kind} the network mlp learns from networks of every "
            "kind, leave it out"
        )
    sizes: dict[str, Any] = _integers(wish, "mlp", ("hidden", "layers"))
    users = pretraining.Options().users if wish.links is None else wish.links
    options = pretraining.Options(kind, users, wish.seed)._replace(**sizes)
    recipe = pretraining.recipe_for(kind, wish.steps, **_changes(wish))

    def make(recipe: Recipe, *_: object, **__: object) -> Task:
        return pretraining.task(recipe, options)

    return Subject(recipe, make, 0, users, kind)


def _energy_perceptron(wish: Wish) -> Subject:
    network = "the network mlp-ee"
    _only("pretrain", wish.pretrain, "model", network)
    if wish.scenario is None:
        raise InputError(f"scenario: {network} needs one, it is made for one number of users")
    if wish.size:
        raise InputError(f"size: {network} is as large as published")
    scenario, users = wish.scenario, wish.links or wish.scenario.population.initial_users
    efficiency_only(scenario, network)
    learned = cast(
        "energy_mlp.Learned",
        _among("objective", wish.objective or "unsupervised", get_args(energy_mlp.Learned)),
    )
    options = energy_mlp.Options(objective=learned, seed=wish.seed)
    if wish.samples is not None:
        options = options._replace(samples=wish.samples)
    recipe = replace(energy_mlp.RECIPE, **_changes(wish))
    if options.samples < recipe.batch:
        raise InputError(f"samples = {options.samples}: must be at least batch = {recipe.batch}")
    if wish.steps is not None or wish.epochs is not None:
        epochs = wish.epochs if wish.steps is None else None
        if epochs is not None and not 0 < epochs < math.inf:
            raise InputError(f"epochs = {epochs}: must be positive and finite")
        each = (wish.steps or 0) * recipe.batch if epochs is None else epochs * options.samples
        recipe = _over(recipe, each)

    def make(
        recipe: Recipe,
        share: float = 1.0,
        progress: Progress | None = None,
        spread: Spread = in_turn,
    ) -> Task:
        fewer = max(recipe.batch, round(share * options.samples))
        tried = options._replace(samples=min(fewer, options.samples))
        return energy_mlp.task(scenario, users, recipe, tried, progress, spread)

    return Subject(recipe, make, options.samples, users, "model")


def _graph(wish: Wish) -> Subject:
    _fresh_only(wish, "the network graph")
    rates_only(wish.scenario, "graph")
    learned, given = ("randomised", "no") if wish.scenario is None else ("model", "a")
    _only("pretrain", wish.pretrain, learned, f"the network graph and {given} scenario")
    counts = tuple(name for name in graph.Sizes._fields if name != "shared")
    asked: dict[str, Any] = _integers(wish, "graph", counts)
    sizes = graph.Sizes()._replace(**asked)
    draw = origin = None
    if wish.scenario is not None:
        users = wish.links or wish.scenario.population.initial_users
        draw = of_scenario(wish.scenario, users)
        origin = {"scenario": wish.scenario.model_dump(mode="json"), "users": users}
    recipe = replace(graph.RECIPE, **_changes(wish))
    recipe = recipe if wish.steps is None else _over(recipe, wish.steps * recipe.batch)

    def make(recipe: Recipe, *_: object, **__: object) -> Task:
        return graph.GraphTask(draw, origin, sizes, recipe.batch, wish.seed)

    return Subject(recipe, make, 0, None, learned)


def _unrolled(wish: Wish) -> Subject:
    _every_kind_only(wish, "unrolled")
    named = {"size": "full", **wish.size}
    if unknown := sorted(named.keys() - {"size"}):
        raise InputError(f"size: the network unrolled has no {unknown[0]!r}; say size=full or tiny")
    size = _among("size", named["size"], tuple(unrolled.SIZES))
    recipe = unrolled.recipe_for(size, wish.steps, **_changes(wish))
    options = unrolled.options_for(size, wish.seed)

    def make(recipe: Recipe, *_: object, **__: object) -> Task:
        return unrolled.UnrolledTask(recipe, options)

    return Subject(recipe, make, 0, None, "randomised")


def _unrolled_late(wish: Wish) -> Subject:
    network = "unrolled-late"
    _every_kind_only(wish, network)
    if wish.size:
        raise InputError(f"size: the network {network} is as large as unrolled, which it begins as")
    recipe = late.recipe_for(wish.steps, **_changes(wish))
    options = late.Options(wish.seed)

    def make(recipe: Recipe, *_: object, **__: object) -> Task:
        return late.LateTask(recipe, options)

    return Subject(recipe, make, 0, None, "randomised")


def _unrolled_energy(wish: Wish) -> Subject:
    network = "unrolled-ee"
    _every_kind_only(wish, network)
    if wish.size:
        raise InputError(f"size: the network {network} comes in one size")
    recipe = energy.recipe_for(wish.steps, **_changes(wish))
    options = energy.Options(wish.seed)

    def make(recipe: Recipe, *_: object, **__: object) -> Task:
        return energy.EnergyTask(recipe, options)

    return Subject(recipe, make, 0, None, "randomised")


NETWORKS: dict[str, Callable[[Wish], Subject]] = {
    "mlp": _perceptron,
    "mlp-ee": _energy_perceptron,
    "graph": _graph,
    "unrolled": _unrolled,
    "unrolled-ee": _unrolled_energy,
    "unrolled-late": _unrolled_late,
}
"""Networks that can be trained."""


def _changes(wish: Wish) -> dict[str, Any]:
    """Fields of the recipe that were asked for."""
    named = ("batch", "learning_rate", "patience")
    asked = {name: getattr(wish, name) for name in named if getattr(wish, name) is not None}
    kinds = {f.name: str(f.type) for f in fields(Recipe) if f.name not in {*named, "steps"}}
    for name, text in wish.recipe.items():
        if name not in kinds:
            raise InputError(f"recipe: no field {name!r}, but {', '.join(kinds)}")
        read = {"int": int, "float": float}.get(kinds[name], str)
        try:
            asked[name] = read(text)
        except ValueError:
            raise InputError(f"recipe: {name} = {text}: must be {kinds[name]}") from None
    return asked


def _over(recipe: Recipe, samples: float) -> Recipe:
    """The recipe over so many samples; a tenth of the steps at most are warm-up."""
    steps = max(1, round(samples / recipe.batch))
    return replace(recipe, steps=steps, warmup=min(recipe.warmup, steps // 10))


def _every_kind_only(wish: Wish, network: str) -> None:
    """Refuse what a network cannot do that learns from fresh networks of every kind alone."""
    _fresh_only(wish, f"the network {network}")
    _only("pretrain", wish.pretrain, "randomised", f"the network {network}")
    for name in ("scenario", "links"):
        if getattr(wish, name) is not None:
            raise InputError(
                f"{name}: the network {network} learns from networks of every kind, leave it out"
            )


def _fresh_only(wish: Wish, choice: str) -> None:
    """Refuse labels and fixed sets where a choice does without."""
    _only("objective", wish.objective, "unsupervised", choice)
    _only("samples", wish.samples, 0, choice, ": every step draws afresh, say steps")
    if wish.epochs is not None:
        raise InputError(
            f"epochs = {wish.epochs}: with {choice} it must be left out: every step draws afresh, "
            "say steps"
        )


def _only(name: str, value: object, allowed: object, choice: str, why: str = "") -> None:
    if value not in (None, allowed):
        raise InputError(f"{name} = {value}: with {choice} it must be {allowed}, or left out{why}")


def _among(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InputError(f"{name} = {value}: must be one of {', '.join(allowed)}")
    return value


def _integers(wish: Wish, network: str, allowed: tuple[str, ...]) -> dict[str, int]:
    """Sizes as numbers."""
    read = {}
    for name, text in wish.size.items():
        if name not in allowed:
            raise InputError(
                f"size: the network {network} has no {name!r}, but {', '.join(allowed)}"
            )
        if not (text.isdecimal() and 0 < int(text) <= _LARGEST_SIZE):
            raise InputError(
                f"size: {name} = {text}: must be an integer between 1 and {_LARGEST_SIZE}"
            )
        read[name] = int(text)
    return read
