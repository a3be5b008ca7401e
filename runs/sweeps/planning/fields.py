"""Fields of a scenario by dotted name, as plans of sweeps name and vary them.

What a field may hold is read from the models of the scenario. A field of a section that has kinds
is looked for in all of them; whether the kind at hand has it turns out when a scenario is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from slotwise.emulator.scenario import InputError, Scenario, nearest
from slotwise.emulator.sections import Section

__all__ = ["WORDS", "Value", "check_field", "flatten", "holds", "in_order", "of_one_type"]

Value = str | int | float | bool
"""What a varied field is set to."""

Holds = Literal["whole numbers", "numbers", "text", "true or false", "a section", "an array"]

WORDS: Final = ("scenario", "slots")
"""What a plan may vary besides fields: the scenario itself, and how long it lives."""

_SINGLE: Final[Mapping[Holds, str]] = {
    "whole numbers": "a whole number",
    "numbers": "a number",
    "text": "a text",
    "true or false": "true or false",
}


def check_field(field: str, also: Sequence[str] = ()) -> None:
    """Refuse a field that no scenario has.

    Parameters
    ----------
    field : str
        Dotted name.
    also : sequence of str
        Words that could have been meant besides fields.

    Raises
    ------
    InputError
        With the nearest name and what is allowed.
    """
    models: tuple[type[Section], ...] = (Scenario,)
    parts = field.split(".")
    for place, part in enumerate(parts):
        names = sorted({name for model in models for name in model.model_fields})
        if place == 0:
            names = sorted({*names, *also})
        if part not in names:
            name = ".".join(parts[: place + 1])
            if not names:
                above = ".".join(parts[:place])
                raise InputError(f"unknown field {name}: {above} is a value, not a section")
            raise InputError(
                f"unknown field {name}{nearest(part, names)}; allowed: {', '.join(names)}"
            )
        models = _sections(_annotations(models, part))


def holds(field: str) -> Holds:
    """What a known field may be set to.

    Parameters
    ----------
    field : str
        Dotted name, or one of `WORDS`.
    """
    if field in WORDS:
        return "text" if field == "scenario" else "whole numbers"
    return _holds(field)


def flatten(table: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a table, whose keys may be dotted names or sections in any mixture.

    Returns
    -------
    dict of str to object
        By dotted name, in the order of the table. Unknown names stay as they are.

    Raises
    ------
    InputError
        If a field is named twice.
    """
    found: dict[str, Any] = {}
    for field, value in _flat(table, ""):
        if field in found:
            raise InputError(f"{field} = {value}: named twice")
        found[field] = value
    return found


def in_order(fields: Sequence[str]) -> list[str]:
    """Fields as they must be set: outer kinds first, since a kind starts its section afresh."""
    kinds = [field for field in fields if field.rpartition(".")[2] == "kind"]
    others = [field for field in fields if field not in kinds]
    return sorted(kinds, key=lambda field: field.count(".")) + others


def of_one_type(field: str, values: Sequence[Any]) -> tuple[Value, ...]:
    """Values of a varied field as its type has them: 10 is 10.0 where any number is allowed.

    Raises
    ------
    InputError
        If one is of another type; ``"none"`` is a value of every field, but not beside numbers.
    """
    kind = holds(field)
    for value in values:
        if not _is_of(kind, value) and value != "none":
            raise InputError(f"{field} = {value}: must be {_SINGLE[kind]}")
    if "none" in values and not all(isinstance(value, str) for value in values):
        raise InputError(f"{field} = none: cannot vary together with {kind}; make it another plan")
    if "none" in values or kind in ("text", "true or false"):
        return tuple(values)
    if kind == "numbers":
        return tuple(float(value) for value in values)
    return tuple(int(value) if float(value).is_integer() else value for value in values)


def _is_of(kind: Holds, value: Any) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if kind == "true or false":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flat(table: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        field = f"{above}.{key}" if above else key
        if isinstance(value, Mapping) and _holds(field) == "a section":
            yield from _flat(value, field)
        else:
            yield field, value


@lru_cache(maxsize=1024)
def _holds(field: str) -> Holds:
    """What a field may be set to; of one that no scenario has, text."""
    models: tuple[type[Section], ...] = (Scenario,)
    *above, last = field.split(".")
    for part in above:
        models = _sections(_annotations(models, part))
    found = _annotations(models, last)
    if _sections(found):
        return "a section"
    if any(get_origin(each) is tuple for each in found):
        return "an array"
    if float in found:
        return "numbers"
    if int in found:
        return "whole numbers"
    return "true or false" if bool in found else "text"


def _annotations(models: Sequence[type[Section]], name: str) -> set[Any]:
    """What a field of some models may be, each alternative by itself."""
    return {
        each
        for model in models
        if name in model.model_fields
        for each in _alternatives(model.model_fields[name].annotation)
        if each is not NoneType
    }


def _sections(annotations: set[Any]) -> tuple[type[Section], ...]:
    return tuple(
        each for each in annotations if isinstance(each, type) and issubclass(each, Section)
    )


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for inner in get_args(annotation):
            yield from _alternatives(inner)
    elif origin is Literal:
        yield from (type(value) for value in get_args(annotation))
    else:
        yield annotation
