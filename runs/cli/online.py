"""The command ``study online``: networks that go on learning, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from slotwise.runs.cli.options import Address, Backend, Json, Seed, examples, workers_for
from slotwise.runs.cli.study_options import JobsAhead, names_of, run_study

if TYPE_CHECKING:
    from slotwise.runs.studies.online.draws import Measured

__all__ = ["add_to"]

ScaleName = Literal["minutes", "full"]

_NOISE_W, _P_MAX_W = 1e-12, 0.1

ScaleOption = Annotated[
    ScaleName, typer.Option("--scale", help="A look in some minutes, or all of it.")
]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", min=1, help="Networks; left out: the scale's.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Directory to write, or to go on with; left out: online-SCALE here.",
        show_default=False,
    ),
]
Tables = Annotated[
    str,
    typer.Option(
        "--tables",
        metavar="LIST",
        help="Parts to make, such as samples,drift; left out: all.",
        show_default=False,
    ),
]
Gains = Annotated[
    Path | None,
    typer.Option(
        "--gains",
        metavar="FILE",
        help="Measured gains of ten users in order of time: .npy or .csv as of evaluate, or "
        "the folder of a Wi-Fi survey.",
        show_default=False,
    ),
]
NoisePower = Annotated[
    float | None,
    typer.Option(
        "--noise-power",
        min=1e-30,
        help="With --gains: noise power in W (1e-12).",
        show_default=False,
    ),
]
PMax = Annotated[
    float | None,
    typer.Option(
        "--p-max", min=1e-30, help="With --gains: largest power in W (0.1).", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to the commands of ``study``."""
    app.command(
        epilog=examples(
            "slotwise study online",
            "slotwise study online --scale full --gains survey-2019-02-19 --jobs 2",
            "slotwise study online --tables drift --seeds 3",
        )
    )(online)


def online(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    scale: ScaleOption = "minutes",
    seeds: Seeds = None,
    seed: Seed = 0,
    jobs: JobsAhead = None,
    backend: Backend = "local",
    address: Address = None,
    out: Out = None,
    tables: Tables = "",
    gains: Gains = None,
    noise_power: NoisePower = None,
    p_max: PMax = None,
    as_json: Json = False,
) -> None:
    """Fine-tuning: real samples, episodes, whole lives, drift, time.

    Pre-trained networks learn from what a network that they have not met reports,
    beside those that begin anew, those that learn nothing, and WMMSE.
    """
    from slotwise.runs.studies.online.scale import SCALES
    from slotwise.runs.studies.online.study import online as made

    chosen = SCALES[scale]
    place = out or Path(f"online-{scale}")
    networks = range(seed, seed + (seeds or chosen.seeds))
    study = made(chosen, networks, _measured(gains, noise_power, p_max))
    workers = workers_for(jobs, backend, address)
    run_study(study, place, names_of(tables), as_json, workers)


def _measured(
    gains: Path | None, noise_power: float | None, p_max: float | None
) -> Measured | None:
    from slotwise.emulator.scenario import InputError
    from slotwise.runs.studies.online.draws import Measured

    if gains is None:
        if noise_power is not None or p_max is not None:
            raise InputError("--noise-power, --p-max: with --gains only")
        return None
    if not gains.exists():
        raise InputError(f"--gains {gains}: no such file or folder")
    return Measured(gains, noise_power or _NOISE_W, p_max or _P_MAX_W)
