"""Controllers by name: a spec such as ``wmmse:starts=10,flip=true`` becomes a controller.

The part before the colon names a factory, the options are that factory's keyword parameters, read
as their annotations say: int, float, bool (true or false) or str. A first option without a name is
the first parameter's: ``mlp:gaussian-ic-10`` is ``mlp:weights=gaussian-ic-10``. Factories are the
built-in ones and those that other distributions register in the entry-point group
``slotwise.controllers``::

    [project.entry-points."slotwise.controllers"]
    mine = "mypackage.power:MyController"

Nothing is imported before its name is asked for. A registered name that is already built in is
ignored with a warning: what ``wmmse`` means never depends on what else is installed.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from slotwise.controllers.base import Controller
from slotwise.emulator.scenario import InputError

__all__ = ["Description", "available", "canonical", "make"]

Value = bool | int | float | str

GROUP = "slotwise.controllers"
"""Entry-point group in which other distributions register their controllers."""

_BUILTIN = {
    name: EntryPoint(name, f"slotwise.controllers.{place}", GROUP)
    for name, place in {
        "ascent": "ascent:Ascent",
        "beam": "beam:Beam",
        "finetuned": "finetuned:Finetuned",
        "fractional": "fractional:Fractional",
        "graph": "graph:Graph",
        "greedy": "heuristics:Greedy",
        "max": "heuristics:FullPower",
        "mlp": "mlp:Mlp",
        "mlp-ee": "energy_mlp:MlpEnergy",
        "optimum": "optimum:Optimum",
        "random": "heuristics:RandomPower",
        "rl": "rl:Rl",
        "unrolled": "unrolled:Unrolled",
        "unrolled-ee": "energy:UnrolledEnergy",
        "unrolled-late": "late:UnrolledLate",
        "unrolled-tiny": "unrolled:UnrolledTiny",
        "wmmse": "wmmse:Wmmse",
    }.items()
}
_ALLOWED = {"bool": "true or false", "int": "an integer", "float": "a finite number", "str": "text"}


class Description(NamedTuple):
    """What is known of a controller without building it.

    Attributes
    ----------
    summary : str
        One line.
    options : dict of str to value
        Options and their defaults; None for one that must be given.
    """

    summary: str
    options: dict[str, Value | None]


def make(spec: str, seed: int = 0) -> Controller:
    """Build a controller.

    Parameters
    ----------
    spec : str
        ``name`` or ``name:option=value,option=value``; the first option may go without its name.
    seed : int
        Non-negative seed of whatever it draws, passed to `Controller.reset`.

    Returns
    -------
    Controller
        Named by its canonical spec.

    Raises
    ------
    InputError
        If there is no such controller or option, or a value is of a wrong type or out of range.
    """
    name, options = _read(spec)
    if name in _BUILTIN and name in _registered():
        warnings.warn(
            f"controller {name} is built in, so {_source(name)} is ignored: rename it",
            RuntimeWarning,
            stacklevel=2,
        )
    try:
        controller = _factory(name)(**options)
    except Exception as error:
        if name in _BUILTIN and not isinstance(error, ValueError):
            raise
        raise InputError(f"controller {spec}: {_one_line(error)}") from error
    if not isinstance(controller, Controller):
        raise InputError(
            f"controller {name}: {_source(name)} made a {type(controller).__name__}: must be a "
            "slotwise.controllers.Controller"
        )
    controller.name = canonical(spec)
    controller.reset(None, seed)
    return controller


def canonical(spec: str) -> str:
    """The one spelling of a spec: options sorted, defaults dropped, values as Python prints them.

    Two specs that build the same controller have the same canonical spec, so that it can stand for
    it in labels and file names.

    Raises
    ------
    InputError
        As `make`.
    """
    name, options = _read(spec)
    defaults = _defaults(name)
    given = {key: _text(v) for key, v in sorted(options.items()) if v != defaults[key]}
    unnamed = next((key for key, default in defaults.items() if default is None), None)
    first = [given.pop(unnamed)] if unnamed is not None else []
    text = ",".join(first + [f"{key}={value}" for key, value in given.items()])
    return f"{name}:{text}" if text else name


def available() -> dict[str, Description]:
    """Every controller that `make` knows, by name.

    An entry point that cannot be loaded is listed with the reason as its summary.
    """
    known = {}
    for name in sorted({*_BUILTIN, *_registered()}):
        try:
            document = inspect.getdoc(_factory(name)) or "no description"
            known[name] = Description(document.splitlines()[0], _defaults(name))
        except InputError as error:
            known[name] = Description(str(error), {})
    return known


def _defaults(name: str) -> dict[str, Value | None]:
    """Options of one controller with their defaults; None for one that must be given."""
    return {
        key: None if option.default is option.empty else option.default
        for key, option in _parameters(name).items()
    }


def _read(spec: str) -> tuple[str, dict[str, Value]]:
    """Name and typed options of a spec."""
    name, colon, text = (part.strip() for part in spec.partition(":"))
    parameters = _parameters(name)
    options: dict[str, Value] = {}
    for place, item in enumerate(text.split(",") if colon else ()):
        key, equals, value = (part.strip() for part in item.partition("="))
        if place == 0 and parameters and (not equals or (key not in parameters and "/" in item)):
            key, equals, value = next(iter(parameters)), "=", item.strip()
        if not (key and equals and value):
            raise InputError(f"controller {spec}: {item!r} must be option=value")
        if key not in parameters:
            raise InputError(
                f"controller {spec}: no option {key!r}{_nearest(key, parameters)}; "
                f"{name} has {', '.join(parameters) or 'no options'}"
            )
        if key in options:
            raise InputError(f"controller {spec}: option {key} is given twice")
        options[key] = _value(spec, parameters[key], value)
    for key, option in parameters.items():
        if option.default is option.empty and key not in options:
            raise InputError(f"controller {spec}: option {key} must be given{_shipped(name)}")
    return name, options


def _shipped(name: str) -> str:
    """What comes with the package and can be given."""
    from slotwise.controllers.cards import shipped

    known = [f"{name}:{weights}" for weights in shipped(name)]
    return f", such as {', '.join(known)}" if known else ""


def _value(spec: str, option: inspect.Parameter, text: str) -> Value:
    """Read one value as its option's annotation says."""
    kind = _kind(option)
    if kind not in _ALLOWED:
        raise InputError(
            f"controller {spec}: option {option.name} is annotated {kind}: a spec can hold "
            f"{', '.join(_ALLOWED)}"
        )
    if kind == "str":
        return text
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "int":
            return int(text)
        number = float(text)
    except (KeyError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"controller {spec}: {option.name} = {text}: must be {_ALLOWED[kind]}")
    return number


def _kind(option: inspect.Parameter) -> str:
    """Name of the type an option is annotated with, in a string or not."""
    if isinstance(option.annotation, str):
        return option.annotation
    return str(getattr(option.annotation, "__name__", option.annotation))


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    """Keyword parameters of a controller's factory."""
    keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    every = inspect.signature(_factory(name)).parameters
    return {key: option for key, option in every.items() if option.kind in keyword}


def _factory(name: str) -> Callable[..., object]:
    """Load what builds a controller."""
    if name in _BUILTIN:
        return _load(_BUILTIN[name])
    registered = _registered().get(name, ())
    if not registered:
        known = sorted({*_BUILTIN, *_registered()})
        raise InputError(
            f"controller {name!r}: unknown{_nearest(name, known)}; there are {', '.join(known)}"
        )
    if len(registered) > 1:
        raise InputError(f"controller {name}: registered more than once: {_source(name)}")
    return _load(registered[0])


def _load(point: EntryPoint) -> Callable[..., object]:
    try:
        factory = point.load()
    except Exception as error:
        raise InputError(
            f"controller {point.name}: {_origin(point)} cannot be loaded: {_one_line(error)}"
        ) from error
    if not callable(factory):
        raise InputError(f"controller {point.name}: {_origin(point)} must be callable")
    return factory  # type: ignore[no-any-return]


@functools.cache
def _registered() -> dict[str, tuple[EntryPoint, ...]]:
    """Entry points of the group by name, none of them loaded.

    Looked up once: reading what is installed takes longer than living a small network.
    """
    points: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUP):
        points[point.name] = (*points.get(point.name, ()), point)
    return points


def _source(name: str) -> str:
    points = _registered().get(name) or (_BUILTIN[name],)
    return ", ".join(_origin(point) for point in points)


def _origin(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist is not None else ""
    return f"the entry point {point.name} = {point.value}{package}"


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"
