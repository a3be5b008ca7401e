"""The file of a plan: its tables and keys, checked one by one before anything is made of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, Field, ValidationError, field_validator

from slotwise.emulator.scenario import InputError, nearest
from slotwise.emulator.sections import Section

__all__ = ["Drawing", "PlanFile", "Source", "Stopping", "builtin_plans", "find_plan", "saying"]

_BUILTIN: Final = Path(__file__).parent / "plans"


class Stopping(NamedTuple):
    """When a point has met enough networks.

    Attributes
    ----------
    width_percent : float
        Half-width that the paired 95% interval of every controller must come down to [%].
    first, step : int
        Seeds before it is judged for the first time, and between judgements.
    """

    width_percent: float
    first: int
    step: int


class Drawing(NamedTuple):
    """Varied fields along the axes of a map, and one with a panel for each value."""

    x: str
    y: str | None
    panel: str | None


class _Stop(Section):
    width_percent: float = Field(gt=0, le=100, strict=True)
    first: int = Field(5, ge=2, strict=True)
    step: int = Field(5, ge=1, strict=True)


class _Map(Section):
    x: str
    y: str | None = None
    panel: str | None = None


class PlanFile(Section):
    """The tables of a plan as they stand in the file.

    Attributes
    ----------
    name, title : str
        What to call it, if not as the file; one line.
    scenario : str
        Built-in name or path; left out where the scenario varies.
    controllers : tuple of str
        Specs; the first is the reference. Paths in them are relative to the file.
    seeds : int or tuple of int
        So many, or these.
    slots : int
        How long each network lives.
    set : dict
        Fields that are the same at all points; kinds are set first, and another kind than the
        scenario's starts its section afresh.
    grid, list, random : dict, tuple of dict, dict
        Fields that vary, see `slotwise.runs.sweeps.planning.points`.
    stop, map : table
        `Stopping`, whose ``first`` and ``step`` are 5 if left out, and `Drawing`.
    """

    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=80)
    title: str = Field("", max_length=400)
    scenario: str | None = None
    controllers: tuple[str, ...]
    seeds: int | tuple[int, ...]
    slots: int | None = Field(None, ge=1, le=1_000_000_000, strict=True)
    set: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, Any] | None = None
    list: tuple[dict[str, Any], ...] | None = Field(None, min_length=1)
    random: dict[str, Any] | None = None
    stop: _Stop | None = None
    map: _Map | None = None

    @field_validator("seeds", mode="before")
    @classmethod
    def _whole(cls, seeds: Any) -> Any:
        several = seeds if isinstance(seeds, list | tuple) else [seeds]
        for seed in several:
            if type(seed) is not int:
                raise ValueError(f"{seed!r} must be a whole number, or an array of them")
        if several is not seeds and seeds < 1:
            raise ValueError(f"{seeds} must be at least 1")
        return seeds

    @classmethod
    def checked(cls, table: Mapping[str, Any]) -> PlanFile:
        """The tables of a file.

        Raises
        ------
        InputError
            One line for the first thing that is wrong.
        """
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise InputError(_first_line(error)) from None


_TABLES: Final[Mapping[str, type[BaseModel]]] = {"stop": _Stop, "map": _Map}


class Source(NamedTuple):
    """Where a plan stands: its table, what errors call it, its name, and what paths start from."""

    table: dict[str, Any]
    where: str
    stem: str
    folder: Path | None


def builtin_plans() -> tuple[str, ...]:
    """Names of the built-in plans, sorted."""
    return tuple(sorted(file.stem for file in _BUILTIN.glob("*.toml")))


def find_plan(plan: Mapping[str, Any] | str | Path) -> Source:
    """A plan's table, by built-in name or from a file, or as it is.

    Raises
    ------
    InputError
        If there is no such plan, or it is not TOML.
    """
    if isinstance(plan, Mapping):
        return Source(_plain(plan), "plan", "sweep", Path.cwd())
    if not isinstance(plan, str | Path):
        raise InputError(f"plan = {plan}: must be a mapping, a built-in name or a path")
    path = Path(plan)
    names = builtin_plans()
    is_builtin = str(plan) in names
    if is_builtin:
        path = _BUILTIN / f"{plan}.toml"
    elif path.is_dir():
        raise InputError(f"plan {plan} is a directory, not a file")
    elif path.suffix != ".toml" and not path.is_file():
        raise InputError(
            f"unknown plan {str(plan)!r}{nearest(str(plan), names)}; a path, or one of "
            f"{', '.join(names) or 'none'}"
        )
    where = str(plan)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"cannot read plan {where}: {reason}") from None
    return Source(table, where, path.stem, None if is_builtin else path.resolve().parent)


def _plain(value: Any) -> Any:
    """A value as TOML has it, of one that may hold ranges, and arrays and numbers of NumPy."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(inner) for inner in value]
    return value.tolist() if hasattr(value, "tolist") else value


@contextmanager
def saying(where: str) -> Iterator[None]:
    """Begin what is said of the user's mistakes with the place where they are.

    Raises
    ------
    InputError
        Instead of one without the place.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _first_line(error: ValidationError) -> str:
    found = error.errors()
    # A key that is misspelt is also one that is missing; its own line says more.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    model: type[BaseModel] | None = PlanFile
    names: list[str] = []
    field = ""
    for part in first["loc"]:
        if isinstance(part, int):
            field += f"[{part}]"
            continue
        field = f"{field}.{part}" if field else part
        names = sorted(model.model_fields) if model else []
        model = _TABLES.get(part)
    given = first["input"]
    match first["type"]:
        case "extra_forbidden":
            hint = nearest(field.rpartition(".")[2], names)
            return f"unknown key {field}{hint}; allowed: {', '.join(names)}"
        case "missing":
            return f"{field} is missing"
        case "value_error":
            return f"{field} = {first['ctx']['error']}"
        case "too_short":
            allowed = "must have at least one entry"
        case "tuple_type":
            allowed = "must be an array"
        case "dict_type" | "model_type" | "model_attributes_type":
            allowed = "must be a table"
        case _:
            allowed = first["msg"].replace("Input should be", "must be")
    return f"{field} = {given}: {allowed}"
