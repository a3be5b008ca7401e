"""Running a study: units that are missing are computed, then everything is written.

The directory holds ``study.json`` (what was run and every row), ``README.md`` (the short tables and
the figures), and for each part a page, a CSV and its figures. ``units/`` keeps what was computed,
one file for each unit, whole or not at all; nothing else in the directory is read again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slotwise.controllers.atomic import write_whole
from slotwise.emulator.scenario import InputError
from slotwise.runs.directory import finite, read_json, write_json
from slotwise.runs.progress import note, progress_bar
from slotwise.runs.report.canvas import style
from slotwise.runs.simulation import versions
from slotwise.runs.studies.markdown import page, part_page
from slotwise.runs.studies.part import Document, Part, Result, Unit

if TYPE_CHECKING:
    from slotwise.runs.report.canvas import Drawing

__all__ = ["Finished", "Study", "choose", "run"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Study:
    """A paper's tables and figures, ready to be measured.

    Attributes
    ----------
    name, title : str
        As the command names it; heading of its page.
    words : str
        The paper, and what every table here has in common.
    scale : str
        Name of the scale.
    seed : int
        Fixes the draws.
    parts : tuple of Part
        In the paper's order.
    """

    name: str
    title: str
    words: str
    scale: str
    seed: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """A part with what was written of it."""

    part: Part
    document: Document
    drawings: Sequence[Drawing]


def choose(parts: Sequence[Part], names: Sequence[str]) -> tuple[Part, ...]:
    """The parts of these names, in the study's order; all without names.

    Raises
    ------
    InputError
        If there is no part of a name.
    """
    known = [part.name for part in parts]
    for name in names:
        if name not in known:
            raise InputError(f"--tables {name}: there are {', '.join(known)}")
    return tuple(part for part in parts if not names or part.name in names)


def run(
    study: Study, out: Path, names: Sequence[str] = (), command: str = ""
) -> Iterator[Finished]:
    """Compute what is missing and write everything, part after part.

    Parameters
    ----------
    study : Study
        What to run.
    out : Path
        Directory to write, or to go on with.
    names : sequence of str
        Parts to run; none: all. What the directory holds of others stays.
    command : str
        How it was started, for the record.

    Yields
    ------
    Finished
        Each part when its files are in place.

    Raises
    ------
    InputError
        If the directory holds something else.
    """
    chosen = choose(study.parts, names)
    kept = _open(study, out)
    for part in chosen:
        document = part.document([_computed(part, unit, out) for unit in part.units])
        with style():
            done = Finished(part, document, document.drawings())
        _write_part(done, out)
        kept[part.name] = _record(done, command)
        records = {each.name: kept[each.name] for each in study.parts if each.name in kept}
        write_json(out / "study.json", _about(study) | {"parts": records})
        text = page(study.title, study.words, _about(study), list(records.values()))
        write_whole(out / "README.md", text.encode())
        yield done


def _about(study: Study) -> dict[str, Any]:
    """What a directory is for: two commands that agree in it go on with each other's work."""
    return {"format": FORMAT, "study": study.name, "scale": study.scale, "seed": study.seed}


def _open(study: Study, out: Path) -> dict[str, Any]:
    """Records of the parts that the directory holds, if it is this study's; it is made if not."""
    path = out / "study.json"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out}: exists and is not a study of slotwise; choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, _about(study) | {"parts": {}})
    found = read_json(path)
    for key, value in _about(study).items():
        if found.get(key) != value:
            raise InputError(
                f"{out}: holds a study of {key} {found.get(key)!r}, not {value!r}; choose another "
                "--out"
            )
    parts = found.get("parts")
    return parts if isinstance(parts, dict) else {}


def _computed(part: Part, unit: Unit, out: Path) -> Result:
    """The unit's result, kept or new."""
    place = out / "units" / unit.file_name
    identity = finite(dict(unit.identity()))
    if place.exists():
        try:
            kept = read_json(place)
        except InputError:
            note(f"{place}: damaged, computed again")
        else:
            if kept.get("identity") == identity and isinstance(kept.get("result"), dict):
                return dict(kept["result"])
    with progress_bar(f"{part.name}: {unit.name}", unit.steps or None) as done:
        result: Result = finite(dict(unit.compute(done)))
    place.parent.mkdir(parents=True, exist_ok=True)
    write_json(place, {"identity": identity, "result": result})
    return result


def _write_part(done: Finished, out: Path) -> None:
    for drawing in done.drawings:
        write_whole(out / f"{drawing.name}.svg", drawing.svg.encode())
        write_whole(out / f"{drawing.name}.png", drawing.png)
    text = part_page(done.part, done.document, done.drawings)
    write_whole(out / f"{done.part.file_name}.md", text.encode())
    if done.document.rows:
        write_whole(out / f"{done.part.file_name}.csv", _csv(done.document.rows).encode())


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lines of a CSV; columns are those of all rows in order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _record(done: Finished, command: str) -> dict[str, Any]:
    """What study.json says of a part; the study's page is written from it."""
    return {
        "title": done.part.title,
        "words": done.part.words,
        "file": done.part.file_name,
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": versions(),
        "grids": [grid._asdict() for grid in done.document.grids],
        "notes": list(done.document.notes),
        "drawings": [
            {"name": drawing.name, "label": drawing.label, "caption": drawing.caption}
            for drawing in done.drawings
        ],
        "rows": [dict(row) for row in done.document.rows],
    }
