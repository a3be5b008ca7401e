"""The command ``study late``: what late and wrong reports cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotwise.runs.cli.options import Address, Backend, Json, Seed, examples, workers_for
from slotwise.runs.cli.study_options import (
    JobsAhead,
    Out,
    ScaleOption,
    Tables,
    names_of,
    run_study,
)

__all__ = ["add_to"]

Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="NAME|FILE",
        help="Weights of unrolled-late: a name or a .safetensors file.",
    ),
]


def add_to(study: typer.Typer) -> None:
    """Add the command of this module to ``study``."""
    study.command(
        "late", epilog=examples("slotwise study late", "slotwise study late --scale paper --out l")
    )(late)


def late(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    scale: ScaleOption = "minutes",
    seed: Seed = 0,
    out: Out = None,
    tables: Tables = "",
    weights: Weights = "unrolled-late",
    jobs: JobsAhead = None,
    backend: Backend = "local",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Late and wrong reports: frozen draws, and lives a slot late.

    Beside the network that is told what is unknown stand WMMSE, beam search and the
    unrolled network on reports and conditional means, and a search on sampled gains.
    """
    from slotwise.runs.studies.late import late as made
    from slotwise.runs.studies.setting import SCALES

    place = out or Path(f"late-{scale}")
    workers = workers_for(jobs, backend, address)
    run_study(made(SCALES[scale], seed, weights), place, names_of(tables), as_json, workers)
