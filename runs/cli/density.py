"""The command ``study zappone2019-transfer``: density learned on a model, then adapted."""

from __future__ import annotations

from pathlib import Path

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


def add_to(study: typer.Typer) -> None:
    """Add the command of this module to ``study``."""
    study.command(
        "zappone2019-transfer",
        epilog=examples(
            "slotwise study zappone2019-transfer --tables optima,fig6",
            "slotwise study zappone2019-transfer --scale paper",
        ),
    )(zappone2019_transfer)


def zappone2019_transfer(
    *,
    scale: ScaleOption = "minutes",
    seed: Seed = 0,
    out: Out = None,
    tables: Tables = "",
    jobs: JobsAhead = None,
    backend: Backend = "local",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Model and few real samples (A. Zappone et al., 2019): Figs. 4 to 9.

    Networks that answer the best density of base stations: pre-trained on a
    model and adapted on few real samples, beside those that see these alone.
    """
    from slotwise.runs.studies.density.zappone2019 import AMOUNTS, zappone2019

    place = out or Path(f"zappone2019-transfer-{scale}")
    made = zappone2019(AMOUNTS[scale], seed, place)
    workers = workers_for(jobs, backend, address)
    run_study(made, place, names_of(tables), as_json, workers)
