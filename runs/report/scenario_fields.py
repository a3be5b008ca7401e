"""A resolved scenario as a table: every field with its value and what it means.

The meanings are the descriptions in the scenario's models, which state the units; nothing is said
twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slotwise.emulator.scenario import Scenario
from slotwise.runs.report.quantities import count, superscript

__all__ = ["Field", "scenario_sections"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the scenario: its dotted name, its value and what it means."""

    name: str
    value: str
    meaning: str


def scenario_sections(scenario: Mapping[str, Any]) -> list[tuple[str, list[Field]]]:
    """The sections of a resolved scenario, without what heads a report anyway.

    Parameters
    ----------
    scenario : mapping
        As a run records it: every field, defaults included.

    Returns
    -------
    list of (str, list of Field)
        Name of each section that has fields, and these.
    """
    groups: list[tuple[str, list[Field]]] = []
    for name, value in scenario.items():
        fields = [
            Field(key, _written(inner), _meaning(f"{name}.{key}".rstrip("."), scenario))
            for key, inner in _flat(value)
        ]
        if fields and name not in ("name", "description", "attribution"):
            groups.append((name, fields))
    return groups


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted names and values of a nested JSON value; long lists are left whole."""
    if isinstance(value, Mapping):
        pairs = [(str(key), inner) for key, inner in value.items()]
        pairs.sort(key=lambda pair: pair[0] != "kind")  # the kind says what the others mean
    elif isinstance(value, list) and 0 < len(value) <= 8 and isinstance(value[0], Mapping):
        pairs = [(str(place), inner) for place, inner in enumerate(value)]
    else:
        return [(prefix, value)] if prefix or value else []
    found: list[tuple[str, Any]] = []
    for key, inner in pairs:
        found += _flat(inner, f"{prefix}.{key}" if prefix else key)
    return found


def _written(value: Any) -> str:
    """A JSON value as a person would write it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _plain_number(float(value))
    if isinstance(value, list):
        if any(isinstance(inner, list | Mapping) for inner in value):
            return f"{count(len(value))} entries"
        return ", ".join(_written(inner) for inner in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)


def _plain_number(value: float) -> str:
    """All digits, unless a power of ten says a round large number better: ``2.4×10⁹``."""
    if value != round(value) or abs(value) >= 1e15:
        return f"{value:.10g}".replace("-", "−")
    if abs(value) < 1e6 or float(f"{value:.3e}") != value:
        return count(value)
    mantissa, power = f"{value:.3e}".split("e")
    return f"{float(mantissa):g}×10{superscript(int(power))}".replace("-", "−")


def _meaning(path: str, scenario: Mapping[str, Any]) -> str:
    """Description of a field in the scenario's models, or nothing where it has none."""
    model: Any = Scenario
    value: Any = scenario
    text = ""
    for part in path.split("."):
        if isinstance(value, list):
            value = value[int(part)]
            continue
        value = value.get(part) if isinstance(value, Mapping) else None
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return ""
        text = field.description or ""
        if part == "kind" and not text:
            text = str(model.__doc__ or "").splitlines()[0]
        model = _inside(field.annotation, value)
    return text


def _inside(annotation: Any, value: Any) -> Any:
    """The model inside an annotation whose fields hold a value, by its ``kind`` where several."""
    if hasattr(annotation, "model_fields"):
        return annotation
    sample = value[0] if isinstance(value, list) and value else value
    kind = sample.get("kind") if isinstance(sample, Mapping) else None
    found = [_inside(inner, value) for inner in getattr(annotation, "__args__", ())]
    models = [model for model in found if model is not None]
    for model in models:
        own = model.model_fields.get("kind")
        if own is not None and own.default == kind:
            return model
    return models[0] if models else None
