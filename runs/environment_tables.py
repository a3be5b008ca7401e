"""Tables of what environments take and tell, from the code that takes and tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from slotwise.envs.canonical import Canonical
from slotwise.envs.forms import (
    EDGE_FEATURES,
    INTERFERER_FEATURES,
    LINK_FEATURES,
    NODE_FEATURES,
    VICTIM_FEATURES,
    Feature,
)
from slotwise.envs.options import Options, OptionValues, options_of
from slotwise.runs.reference import table

__all__ = ["graph_table", "local_table", "observation_table", "options_table"]

_ITEM = re.compile(r"^    (\w+) : (.+)$", re.MULTILINE)


def options_table() -> str:
    """What is allowed, the default and the meaning of options, from where they are checked."""
    meanings = _described(options_of.__doc__ or "")
    purposes = _described(Options.__doc__ or "")
    defaults = options_of("gaussian-ic")
    rows = [("`scenario`", "text or mapping", "as of the id", meanings["scenario"])]
    for name, kind in get_type_hints(OptionValues).items():
        words, plain = _words(kind), _KINDS.get(kind, "")
        # What a word means stands in a section of its own.
        meaning = purposes[name] if words else meanings[name]
        if name in _SECTIONS:
            meaning = f"{meaning}: see [{_SECTIONS[name]}](#{_SECTIONS[name]})"
        value = _STATED.get(name, getattr(defaults, name, None))
        default = "left out" if value is None else f"`{value!r}`".replace("'", '"')
        default = _WORDED.get(name, default)
        allowed = ", ".join(f'`"{word}"`' for word in words) or plain
        rows.append((f"`{name}`", allowed, default, meaning))
    return table(("Option", "Allowed", "Default", "Meaning"), rows)


_STATED: Mapping[str, Any] = {"overrides": (), "gain_range_db": None}
_WORDED = {"reward": "`None`: the scenario's objective"}
_SECTIONS = {"action": "actions", "observation": "observations", "reward": "rewards"}
_KINDS: Mapping[Any, str] = {
    int: "integer",
    float: "number",
    bool: "`True`, `False`",
    Sequence[str]: "list of text",
    Sequence[float] | None: "pair of numbers",
}


def _words(kind: Any) -> list[str]:
    """Words that a Literal allows, alone or in a union; none for anything else."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [word for part in get_args(kind) for word in _words(part)]


def _described(docstring: str) -> dict[str, str]:
    """Parameters or attributes of a NumPy docstring, and what it says of them."""
    listed = re.split(r"(?:Parameters|Attributes)\n", docstring)[1].partition("\n\n    Raises")[0]
    parts = _ITEM.split(listed)
    return {
        name: " ".join(text.split()).replace("``", "`").rstrip(".")
        for name, text in zip(parts[1::3], parts[3::3], strict=True)
    }


def observation_table(rows: int | None = None) -> str:
    """Entries of the dictionary.

    Parameters
    ----------
    rows : int, optional
        M; left out: in general.
    """
    letters = Canonical(11 if rows is None else rows)
    body = []
    for name, entry in letters.entries.items():
        sizes = ["M" if rows is None and size == 11 else str(size) for size in entry.shape]
        shape = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        low, high = (_number(bound) for bound in (entry.low, entry.high))
        body.append((f"`{name}`", shape, low, high, entry.unit, entry.meaning))
    return table(("Key", "Shape", "Min", "Max", "Unit", "Meaning"), body)


def local_table() -> str:
    """What a link sees, in the order of its row."""
    sides = (
        ("own", LINK_FEATURES),
        ("interferer n: `in_n_`", INTERFERER_FEATURES),
        ("victim n: `out_n_`", VICTIM_FEATURES),
    )
    body = [_feature(side, one) for side, features in sides for one in features]
    return table(("Of", "Name", "Min", "Max", "Meaning"), body)


def graph_table() -> str:
    """What a graph tells of its nodes and edges."""
    sides = (("node", NODE_FEATURES), ("edge", EDGE_FEATURES))
    body = [_feature(side, one) for side, features in sides for one in features]
    return table(("Of", "Name", "Min", "Max", "Meaning"), body)


def _feature(side: str, one: Feature) -> tuple[str, ...]:
    return side, f"`{one.name}`", _number(one.low), _number(one.high), one.meaning


def _number(value: float) -> str:
    return "2^24" if value == 2.0**24 else f"{value:g}"
