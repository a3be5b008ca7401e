"""What an environment can be asked for, checked in one place for all faces of the seat."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

import numpy as np

from slotwise.emulator.encoding import GainScale, gain_scale
from slotwise.emulator.scenario import InputError, Scenario, load, nearest, parse

__all__ = [
    "ActionLaw",
    "Form",
    "OptionValues",
    "Options",
    "RenderMode",
    "Reward",
    "UnknownOption",
    "options_of",
    "scale_between",
]

ActionLaw = Literal["levels", "db", "linear", "binary"]
Form = Literal["dict", "flat", "local", "graph"]
Reward = Literal[
    "sum-rate",
    "difference",
    "energy-efficiency",
    "proportional-fairness",
    "weighted-energy-efficiency",
]
RenderMode = Literal["rgb_array", "human"]


_MOST = 1000  # levels of a power, or neighbours of a user: more is a mistake


class UnknownOption(InputError, TypeError):
    """An option that there is not; also what Python raises for an unknown keyword."""


class OptionValues(TypedDict, total=False):
    """Keyword arguments that every environment takes; `options_of` says what they mean."""

    overrides: Sequence[str]
    action: ActionLaw
    levels: int
    observation: Form
    neighbours: int
    reward: Reward | None
    per_user: bool
    shortfall_price: float
    gain_range_db: Sequence[float] | None
    render_mode: RenderMode | None


@dataclass(frozen=True, slots=True)
class Options:
    """What `options_of` has checked.

    Attributes
    ----------
    scenario : Scenario
        The network.
    action : str
        Law of actions.
    levels : int
        How many levels there are.
    observation : str
        Form of observations.
    neighbours : int
        Interferers that a local observation tells of, in either direction.
    reward : str
        What is rewarded.
    per_user : bool
        Whether the reward, prices included, is divided by the number of users.
    shortfall_price : float
        What the reward loses for each bit/s/Hz that a user's rate lacks to the promised one.
    scale : GainScale
        Of gains.
    render_mode : str or None
        What `render` gives.
    """

    scenario: Scenario
    action: ActionLaw
    levels: int
    observation: Form
    neighbours: int
    reward: Reward
    per_user: bool
    shortfall_price: float
    scale: GainScale
    render_mode: RenderMode | None


def options_of(scenario: str | Path | Mapping[str, Any] | Scenario, **values: Any) -> Options:
    """Check what an environment is asked for.

    Parameters
    ----------
    scenario : str, Path, mapping or Scenario
        Built-in name, path of a TOML file, sections and fields, or a scenario that has been read.
    overrides : sequence of str
        ``"section.field=value"``, as ``--set`` of the command line.
    action : str
        ``levels``, ``db``, ``linear`` or ``binary``.
    levels : int
        At least two: off, and the others evenly in dB.
    observation : str
        ``dict``, ``flat``, ``local`` or ``graph``.
    neighbours : int
        Strongest interferers in either direction that a local observation tells of, at least one.
    reward : str, optional
        ``sum-rate``, ``difference``, ``energy-efficiency``, ``proportional-fairness`` or
        ``weighted-energy-efficiency``; None: the scenario's objective.
    per_user : bool
        Divide the reward, and with it what a shortfall costs, by the number of users.
    shortfall_price : float
        Non-negative, and positive only where ``radio.min_rate`` is; the reward loses so much for
        each bit/s/Hz that a user's mean rate since the last report lacks to that.
    gain_range_db : pair of float, optional
        Ends of the scale of gains [dB above the noise at full power]; left out: as suits the
        scenario.
    render_mode : str, optional
        ``rgb_array`` or ``human``.

    Raises
    ------
    InputError
        One line with the option, its value and what is allowed.
    """
    unknown = sorted(set(values) - set(OptionValues.__annotations__))
    if unknown:
        known = list(OptionValues.__annotations__)
        raise UnknownOption(
            f"got an unexpected keyword argument {unknown[0]!r}{nearest(unknown[0], known)}; "
            f"there are scenario, {', '.join(known)}"
        )
    found = _scenario(scenario, values.get("overrides", ()))
    if found.timing.mode == "measured":
        raise InputError(
            f"{found.name}: timing.mode = measured: an environment does not measure who decides; "
            'give overrides=["timing.mode=ideal"], or fixed with timing.latency_s'
        )
    levels = _count("levels", values.get("levels", 10), 2)
    bounds = values.get("gain_range_db")
    reward = values.get("reward")
    per_user = values.get("per_user", False)
    if not isinstance(per_user, bool | np.bool_):
        raise InputError(f"per_user = {per_user!r}: must be true or false")
    return Options(
        scenario=found,
        action=_one_of("action", values.get("action", "levels"), ActionLaw),
        levels=levels,
        observation=_one_of("observation", values.get("observation", "dict"), Form),
        neighbours=_count("neighbours", values.get("neighbours", 5), 1),
        reward=_one_of("reward", found.objective if reward is None else reward, Reward),
        per_user=bool(per_user),
        shortfall_price=_price(values.get("shortfall_price", 0.0), found),
        scale=gain_scale(found) if bounds is None else scale_between(bounds),
        render_mode=_render_mode(values.get("render_mode")),
    )


def _scenario(scenario: str | Path | Mapping[str, Any] | Scenario, overrides: Any) -> Scenario:
    listed = isinstance(overrides, list | tuple)
    if not (listed and all(isinstance(one, str) for one in overrides)):
        raise InputError(f"overrides = {overrides!r}: must be a list of section.field=value")
    if isinstance(scenario, str | Path):
        return load(scenario, overrides)
    if overrides:
        raise InputError("overrides: only with a scenario by name or path; change its fields")
    if isinstance(scenario, Scenario):
        return scenario
    if isinstance(scenario, Mapping):
        return parse(scenario)
    raise InputError(
        f"scenario = {scenario!r}: must be a built-in name, a path or a mapping of sections"
    )


def _one_of(name: str, value: Any, allowed: Any) -> Any:
    known = get_args(allowed)
    if value not in known:
        hint = nearest(value, known) if isinstance(value, str) else ""
        raise InputError(f"{name} = {value!r}{hint}: must be one of {', '.join(known)}")
    return value


def _price(value: Any, scenario: Scenario) -> float:
    sound = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not sound or not 0.0 <= value < math.inf:
        raise InputError(f"shortfall_price = {value!r}: must be a non-negative finite number")
    if value > 0.0 and scenario.radio.min_rate <= 0.0:
        raise InputError(
            f"shortfall_price = {value!r}: radio.min_rate = {scenario.radio.min_rate} promises "
            'nothing that could be missed; give overrides=["radio.min_rate=0.5"] or so'
        )
    return float(value)


def _render_mode(value: Any) -> RenderMode | None:
    return None if value is None else _one_of("render_mode", value, RenderMode)


def _count(name: str, value: Any, least: int) -> int:
    sound = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not sound or not least <= value <= _MOST:
        raise InputError(f"{name} = {value!r}: must be an integer from {least} to {_MOST:,}")
    return int(value)


def scale_between(bounds: Any) -> GainScale:
    """The scale of gains between two ends in dB.

    Raises
    ------
    InputError
        If they are no pair of finite numbers in order.
    """
    try:
        low, high = (float(bound) for bound in bounds)
        return GainScale(low, high)
    except (TypeError, ValueError):
        wanted = "must be a pair of finite numbers [dB], the first below the second"
        raise InputError(f"gain_range_db = {bounds!r}: {wanted}") from None
