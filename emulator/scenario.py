"""A scenario: the whole description of a network, read from TOML and checked before anything runs.

A scenario is born as text (a file or a built-in), may be changed field by field, and is then
frozen. Whatever is wrong with it is said in one line that names the file, the field, the value
and what is allowed.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from slotwise.emulator.objective import Aim
from slotwise.emulator.sections import (
    Cells,
    Channel,
    Csi,
    Episode,
    Layout,
    Links,
    Mobility,
    Population,
    Radio,
    Section,
    Timing,
)

__all__ = ["InputError", "Scenario", "builtin", "load", "parse", "source"]

_BUILTIN = Path(__file__).parent / "scenarios"


class InputError(ValueError):
    """The user's mistake, in one line: which field, which value, what is allowed."""


class Scenario(Section):
    """A network to emulate: who is where, what the air does, what the controller sees and when.

    Raises
    ------
    pydantic.ValidationError
        If a field is unknown, of a wrong type or out of range, or if sections contradict each
        other. `load` turns it into an `InputError` of one line.
    """

    name: str = Field(min_length=1, max_length=80, description="short name [text]")
    description: str = Field("", max_length=400, description="one line [text]")
    attribution: tuple[str, ...] = Field(
        (), description="credits that a report of this scenario must print [text]"
    )
    objective: Aim = Field(
        "sum-rate",
        description="what controllers that can are to maximise and reports compare by: the sum of "
        "the rates, bits per joule of the whole network, or the sum of what each user makes of its "
        "own joules",
    )
    layout: Layout = Links()
    channel: Channel = Channel()
    mobility: Mobility = Mobility()
    population: Population = Population()
    csi: Csi = Csi()
    radio: Radio = Radio()
    timing: Timing = Timing()
    episodes: tuple[Episode, ...] = Field(
        (), description="stretches of time with a layout or channel of their own; the last stays"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        for episode in (None, *self.episodes):
            layout = (episode and episode.layout) or self.layout
            channel = (episode and episode.channel) or self.channel
            where = f"episode {episode.name}: " if episode else ""
            if layout.kind == "links" and channel.path_loss.kind != "unit":
                raise ValueError(
                    f"{where}layout.kind = links has no distances; channel.path_loss.kind = "
                    f"{channel.path_loss.kind} needs pairs, hexagons, poisson, grid or sites"
                )
            if layout.kind == "links" and self.mobility.kind != "still":
                raise ValueError(
                    f"{where}layout.kind = links has no places; mobility.kind must be still"
                )
            wrapped = layout.kind == "hexagons" and layout.wrap_around
            if wrapped and self.mobility.kind == "waypoint":
                raise ValueError(
                    f"{where}layout.wrap_around has no edges to place waypoints between; "
                    "mobility.kind must be direction or still"
                )
            together = layout.kind == "pairs" and layout.receiver == "anywhere"
            if together and self.mobility.kind != "still":
                raise ValueError(
                    f"{where}layout.receiver = anywhere: the ends of a pair move together, so far "
                    "apart they would leave the square; mobility.kind must be still"
                )
            if self.population.profile is not None and layout != self.layout:
                raise ValueError(
                    f"{where}population.profile counts people at the scenario's own sites; an "
                    "episode cannot have another layout"
                )
            if channel.fading == "replay" and layout.kind != "links":
                raise ValueError(f"{where}channel.fading = replay needs layout.kind = links")
            if self.csi.reports == "channel" and channel.fading in ("iid", "replay"):
                raise ValueError(
                    f"{where}channel.fading = {channel.fading} knows powers alone; csi.reports = "
                    "channel needs none, gauss-markov or sinusoids"
                )
            _combinable(where, layout, channel, self.csi)
        if self.population.profile is not None and self.layout.kind != "sites":
            raise ValueError("population.profile needs layout.kind = sites")
        if self.objective != "sum-rate" and self.radio.circuit_power_w <= 0.0:
            raise ValueError(
                f"radio.circuit_power_w = {self.radio.circuit_power_w}: with objective = "
                f"{self.objective} the least powers would be the best; must be positive"
            )
        slots = (self.csi.period_s or self.timing.slot_s) / self.timing.slot_s
        if slots < 0.5 or abs(slots - round(slots)) > 1e-6 * slots:
            raise ValueError(
                f"csi.period_s = {self.csi.period_s} must be a whole number of slots of "
                f"timing.slot_s = {self.timing.slot_s}"
            )
        return self


def _combinable(where: str, layout: Layout, channel: Channel, csi: Csi) -> None:
    """Check that the antennas of a station can be combined, if there are several."""
    if not isinstance(layout, Cells) or layout.station_antennas == 1:
        return
    several = f"{where}layout.station_antennas = {layout.station_antennas}"
    if channel.fading in ("none", "replay"):
        raise ValueError(
            f"{several}: each fades on its own; channel.fading = {channel.fading} must be iid, "
            "gauss-markov or sinusoids"
        )
    if channel.rician_k_db is not None:
        raise ValueError(
            f"{several}: a direct path has an angle to them, which is not modelled; "
            f"channel.rician_k_db = {channel.rician_k_db} must be left out"
        )
    if csi.reports == "channel":
        raise ValueError(
            f"{several}: what is combined of them has a power and no phase to report; csi.reports "
            "= channel must be gain"
        )


def builtin() -> dict[str, str]:
    """Names of the built-in scenarios with their one-line descriptions.

    Returns
    -------
    dict of str to str
        Sorted by name.
    """
    tables = {
        file.stem: tomllib.loads(file.read_text("utf-8"))
        for file in sorted(_BUILTIN.glob("*.toml"))
    }
    return {name: str(table.get("description", "")) for name, table in tables.items()}


def source(name: str) -> str:
    """TOML text of a built-in scenario, to start one's own from.

    Raises
    ------
    InputError
        If there is no such built-in scenario.
    """
    names = sorted(builtin())
    if name not in names:
        raise InputError(f"unknown scenario {name!r}{nearest(name, names)}; one of {_list(names)}")
    return (_BUILTIN / f"{name}.toml").read_text("utf-8")


def load(scenario: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario by built-in name or from a TOML file, with fields overridden.

    Parameters
    ----------
    scenario : str or Path
        A built-in name (whatever else of that name lies about), or a path that ends in ``.toml``
        or exists.
    overrides : sequence of str
        ``"section.field=value"`` with the value in TOML (bare words are text). Setting a
        ``kind`` gives the section that kind's defaults.

    Raises
    ------
    InputError
        One line with the file, the field, the value and what is allowed.
    """
    path = Path(scenario)
    if str(scenario) not in builtin() and (path.suffix == ".toml" or path.exists()):
        try:
            text, where, base = path.read_text("utf-8"), str(path), path.resolve().parent
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise InputError(f"cannot read scenario {path}: {reason}") from None
    else:
        text, where, base = source(str(scenario)), str(scenario), None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None
    for override in overrides:
        _override(table, override)
    return parse(table, where=where, base=base)


def parse(table: Mapping[str, Any], where: str = "scenario", base: Path | None = None) -> Scenario:
    """Validate a nested mapping, such as a resolved scenario read back from a run.

    Parameters
    ----------
    table : mapping
        Sections and fields.
    where : str
        What errors call the source.
    base : Path, optional
        Folder that relative paths are relative to.

    Raises
    ------
    InputError
        One line for the first thing that is wrong.
    """
    try:
        return Scenario.model_validate(anchored(table, base))
    except ValidationError as error:
        raise InputError(f"{where}: {_first_line(error)}") from None


def nearest(word: str, words: Sequence[str]) -> str:
    """Hint of the nearest right name, or nothing: ``" (did you mean 'wmmse'?)"``."""
    match = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def _list(words: Sequence[str]) -> str:
    return ", ".join(words)


def assignment(override: str) -> tuple[str, Any]:
    """Dotted field and value of ``"section.field=value"``.

    Raises
    ------
    InputError
        If it is not written like this.
    """
    name, equals, text = override.partition("=")
    field = name.strip()
    if not equals or not all(field.split(".")):
        raise InputError(f"override {override!r}: write it as section.field=value")
    try:
        return field, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return field, text.strip()


def changed(scenario: Scenario, values: Mapping[str, Any], where: str = "scenario") -> Scenario:
    """A scenario with some fields set to other values, one after another.

    Parameters
    ----------
    scenario : Scenario
        Stays as it is.
    values : mapping of str to object
        By dotted name, as overrides set them: another ``kind`` gives the section that kind's
        defaults, and ``"none"`` leaves a field out.
    where : str
        What errors call the source.

    Raises
    ------
    InputError
        One line for the first thing that is wrong.
    """
    table = scenario.model_dump()
    for field, value in values.items():
        _assign(table, field, value, where)
    return parse(table, where)


def _override(table: dict[str, Any], override: str) -> None:
    """Set one field of a nested table in place."""
    field, value = assignment(override)
    _assign(table, field, value, f"override {override!r}")


def _assign(table: dict[str, Any], field: str, value: Any, where: str) -> None:
    """Set one dotted field of a nested table in place."""
    keys = field.split(".")
    for key in keys[:-1]:
        inner = table.get(key)
        if inner is None:
            inner = table[key] = {}
        if not isinstance(inner, dict):
            raise InputError(f"{where}: {key} is a value, not a section")
        table = inner
    if keys[-1] == "kind" and table.get("kind") != value:
        table.clear()
    if value == "none" and keys[-1] != "fading":
        table.pop(keys[-1], None)
    else:
        table[keys[-1]] = value


def anchored(value: Any, base: Path | None, key: str = "") -> Any:
    """Make file paths absolute, so that a resolved scenario means the same everywhere."""
    if isinstance(value, Mapping):
        return {name: anchored(inner, base, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [anchored(inner, base, key) for inner in value]
    is_path = key in ("path", "replay_path") and isinstance(value, str)
    if is_path and base is not None and not value.startswith("package:"):
        return str(base / value)
    return value


def _first_line(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, as one line."""
    first = error.errors()[0]
    field, model = _locate(first["loc"])
    given = first["input"]
    match first["type"]:
        case "extra_forbidden":
            names = sorted(model)
            return (
                f"unknown field {field}{nearest(field.rpartition('.')[2], names)}; "
                f"allowed: {_list(names)}"
            )
        case "missing":
            return f"{field} is missing"
        case "union_tag_invalid" | "union_tag_not_found":
            context = first.get("ctx", {})
            tag = context.get("tag", "nothing")
            return f"{field}.kind = {tag}: allowed are {context.get('expected_tags', 'its kinds')}"
        case "value_error":
            message = str(first["ctx"]["error"])
            return f"{field}: {message}" if field else message
    shown = given if isinstance(given, str | int | float | bool) else type(given).__name__
    return f"{field} = {shown}: {first['msg'].replace('Input should be', 'must be')}"


def _locate(location: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """Dotted name of a field, without the tags of unions, and its neighbours' names."""
    model: Any = Scenario
    parts: list[str] = []
    names: list[str] = list(Scenario.model_fields)
    for part in location:
        union = _kinds(model)
        if part in union:
            model = union[str(part)]
        elif isinstance(part, int):
            parts[-1] += f"[{part}]"
        else:
            parts.append(str(part))
            fields = getattr(model, "model_fields", {})
            names = list(fields)
            model = fields[part].annotation if part in fields else None
    return ".".join(parts), names


def _kinds(annotation: Any) -> dict[str, type[Section]]:
    """Models inside an annotation (a union, an optional, a tuple) by their ``kind``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return {}
    found: dict[str, type[Section]] = {}
    for inner in getattr(annotation, "__args__", ()):
        if isinstance(inner, type) and issubclass(inner, Section):
            kind = inner.model_fields.get("kind")
            if kind is not None:
                found[str(kind.default)] = inner
        else:
            found |= _kinds(inner)
    return found
