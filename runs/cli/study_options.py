"""What the commands of ``study`` share: their options, and how a study is run and shown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from slotwise.runs.cli.options import Interrupted, clean_stdout, print_json, tell_of_compiling

if TYPE_CHECKING:
    from slotwise.runs.studies.study import Finished, Study
    from slotwise.runs.workers import Workers

__all__ = ["JobsAhead", "Out", "ScaleOption", "Tables", "names_of", "run_study"]

ScaleName = Literal["minutes", "paper"]

ScaleOption = Annotated[
    ScaleName,
    typer.Option("--scale", help="Draws and training: some minutes, or as many as the paper's."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Directory to write, or to go on with; left out: NAME-SCALE here.",
        show_default=False,
    ),
]
JobsAhead = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        help="Processes that compute ahead what holds no times, each with one thread; left out: "
        "this one computes everything, with --backend one process for each core.",
        show_default=False,
    ),
]
Tables = Annotated[
    str,
    typer.Option(
        "--tables",
        metavar="LIST",
        help="Tables and figures to make, such as 1,2,fig3; left out: all.",
        show_default=False,
    ),
]


def names_of(tables: str) -> list[str]:
    """Names that the option ``--tables`` lists."""
    from slotwise.emulator.scenario import InputError

    names = [name for name in tables.replace(" ", "").split(",") if name]
    if tables and not names:
        raise InputError(f"--tables {tables}: names no table")
    return names


def run_study(
    study: Study,
    place: Path,
    names: Sequence[str],
    as_json: bool,
    workers: Workers | None = None,
) -> None:
    """Run a study's parts and show each when it is done.

    With workers, what holds no times is computed by them first.
    """
    import sys

    from slotwise.runs.directory import read_json
    from slotwise.runs.studies.study import choose, run

    choose(study.parts, names)
    tell_of_compiling()
    command = shlex.join(("slotwise", *sys.argv[1:]))
    try:
        with clean_stdout(as_json):
            if workers is not None:
                from slotwise.runs.studies.ahead import compute_ahead

                compute_ahead(study, names, place, workers)
            for finished in run(study, place, names, command):
                if not as_json:
                    _show(finished)
    except KeyboardInterrupt:
        raise Interrupted(
            f"what is measured is kept in {place}; the same command goes on"
        ) from None
    if as_json:
        print_json(read_json(place / "study.json"))
    else:
        typer.echo(f"written: {place / 'README.md'}")


def _show(finished: Finished) -> None:
    from slotwise.runs.studies.terminal import grid_table
    from slotwise.runs.tables import show

    part, document = finished.part, finished.document
    parts: list[Any] = [f"{part.title}", part.words]
    for grid in document.grids:
        parts += [grid.title] if grid.title else []
        parts.append(grid_table(grid))
    show(*parts, *document.notes)
