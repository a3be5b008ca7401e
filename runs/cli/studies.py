"""The command ``study``: what a paper published, measured again, with its figures beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slotwise.runs.cli import density, energy, late, online, policies
from slotwise.runs.cli.options import Address, Backend, Json, Seed, examples, workers_for
from slotwise.runs.cli.study_options import (
    JobsAhead,
    Out,
    ScaleOption,
    Tables,
    names_of,
    run_study,
)

if TYPE_CHECKING:
    from slotwise.runs.studies.setting import Scale

__all__ = ["add_to"]

Retrain = Annotated[
    bool,
    typer.Option(
        "--retrain", help="Train the networks anew instead of taking those that come with slotwise."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    study = typer.Typer(
        help="Measure again what a paper published.",
        no_args_is_help=False,
        epilog=examples(
            "slotwise study sun2018 --tables 1,2", "slotwise study rsun2024 --scale paper"
        ),
    )
    study.callback(invoke_without_command=True)(_study)
    study.command(
        epilog=examples(
            "slotwise study sun2018",
            "slotwise study sun2018 --scale paper --out results",
            "slotwise study sun2018 --tables 6 --gains gains.npy --noise-power 1e-9 --p-max 0.1",
        )
    )(sun2018)
    study.command(
        epilog=examples("slotwise study rsun2024", "slotwise study rsun2024 --tables 1000")
    )(rsun2024)
    policies.add_judgement_to(study)
    density.add_to(study)
    energy.add_to(study)
    late.add_to(study)
    online.add_to(study)
    app.add_typer(study, name="study")


def _study(context: typer.Context) -> None:
    """Measure again what a paper published."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def sun2018(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    scale: ScaleOption = "minutes",
    seed: Seed = 0,
    out: Out = None,
    tables: Tables = "",
    retrain: Retrain = False,
    gains: Annotated[
        Path | None,
        typer.Option(
            "--gains",
            metavar="FILE",
            help="Measured gains for Table VI: .npy of shape (n, K, K), linear power gains, rows "
            "are receivers; or .csv with columns time, rx, tx, dbm.",
            show_default=False,
        ),
    ] = None,
    noise_power: Annotated[
        float | None,
        typer.Option(
            "--noise-power", help="With --gains: noise power in W (1).", show_default=False
        ),
    ] = None,
    p_max: Annotated[
        float | None,
        typer.Option("--p-max", help="With --gains: largest power in W (1).", show_default=False),
    ] = None,
    jobs: JobsAhead = None,
    backend: Backend = "local",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Learning to optimize (H. Sun et al., 2018): Tables I to VI, Figs. 3, 6, 7, 8.

    A network imitates WMMSE. Beside it stand learned controllers that need not
    be trained for each network, and searches that they must beat.
    """
    from slotwise.emulator.scenario import InputError
    from slotwise.runs.studies.crosstalk import Measured, crosstalk_part
    from slotwise.runs.studies.selection import selection_part
    from slotwise.runs.studies.setting import SCALES
    from slotwise.runs.studies.sun2018 import sun2018 as made

    chosen = SCALES[scale]
    place = out or Path(f"sun2018-{scale}")
    if gains is None and (noise_power is not None or p_max is not None):
        raise InputError("--noise-power, --p-max: with --gains only")
    extra = [selection_part(chosen, seed)]
    names = names_of(tables)
    if gains is not None:
        measured = Measured(gains, noise_power or 1.0, p_max or 1.0)
        extra.insert(0, crosstalk_part(measured, chosen, seed, place))
    elif "6" in names:
        raise InputError("--tables 6: needs measured gains: --gains FILE")
    specs = _specs(retrain, chosen, seed, place)
    workers = workers_for(jobs, backend, address)
    run_study(made(chosen, seed, specs, extra), place, names, as_json, workers)


def rsun2024(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    scale: ScaleOption = "minutes",
    seed: Seed = 0,
    out: Out = None,
    tables: Tables = "",
    retrain: Retrain = False,
    jobs: JobsAhead = None,
    backend: Backend = "local",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Unrolled WMMSE (R. Sun et al., 2024): Fig. 5 and Table I, on to 1,000 pairs.

    Networks that were trained once decide for more and more device pairs,
    beside WMMSE, searches, and the published times.
    """
    from slotwise.runs.studies.rsun2024 import rsun2024 as made
    from slotwise.runs.studies.setting import SCALES

    chosen = SCALES[scale]
    place = out or Path(f"rsun2024-{scale}")
    specs = _specs(retrain, chosen, seed, place)
    workers = workers_for(jobs, backend, address)
    run_study(made(chosen, seed, specs), place, names_of(tables), as_json, workers)


def _specs(retrain: bool, scale: Scale, seed: int, place: Path) -> Any:
    """What a method's label stands for: itself, or a network that is trained first."""
    if not retrain:
        return str
    from slotwise.runs.studies.retraining import Retrained

    return Retrained(place / "weights", scale, seed)
