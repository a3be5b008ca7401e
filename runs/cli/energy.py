"""The command ``study zappone2019-energy``: bits per joule over the largest power."""

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
        "zappone2019-energy",
        epilog=examples(
            "slotwise study zappone2019-energy --tables fig3,s1",
            "slotwise study zappone2019-energy --scale paper",
        ),
    )(zappone2019_energy)


def zappone2019_energy(
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
    """Bits per joule over the largest power (A. Zappone et al., 2019): Fig. 3.

    Certified and best known powers, fractional programming, the published
    perceptron and an unrolled network, full power, and WMMSE's sum-rate powers.
    """
    from slotwise.runs.studies.energy.setting import AMOUNTS
    from slotwise.runs.studies.energy.study import energy

    place = out or Path(f"zappone2019-energy-{scale}")
    workers = workers_for(jobs, backend, address)
    run_study(energy(AMOUNTS[scale], seed), place, names_of(tables), as_json, workers)
