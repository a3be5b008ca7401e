"""Commands on frozen draws: ``evaluate``, and ``gains`` that makes draws of measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from slotwise.runs.cli.options import (
    AimName,
    Controllers,
    Interrupted,
    Json,
    ObjectiveName,
    Overrides,
    Seed,
    Trust,
    aimed_at,
    clean_stdout,
    examples,
    print_json,
    tell_of_compiling,
    trusted,
)

if TYPE_CHECKING:
    from slotwise.controllers import Controller
    from slotwise.emulator.drops import Drops
    from slotwise.emulator.objective import Objective
    from slotwise.runs.frozen import Frozen

__all__ = ["add_to"]

Band = Literal["2.4", "5"]

_TRANSMIT_DBM = 20.0

DrawnScenario = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="SCENARIO",
        help="Draw from this scenario: built-in name or path of a TOML file.",
        show_default=False,
    ),
]
Links = Annotated[
    int | None,
    typer.Option(
        "--links", min=1, help="Users of a draw; left out: the scenario's.", show_default=False
    ),
]
Gains = Annotated[
    Path | None,
    typer.Option(
        "--gains",
        metavar="FILE",
        help="Measured gains instead: .npy of shape (n, K, K) or (K, K), linear power gains, "
        "rows are receivers; or .csv with columns time, rx, tx, dbm.",
        show_default=False,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        min=1,
        help="Draws; left out: 10000, or all slots of a replay.",
        show_default=False,
    ),
]
LatencySamples = Annotated[
    int, typer.Option("--latency-samples", min=1, help="Single decisions to time.")
]
NoisePower = Annotated[
    float | None,
    typer.Option("--noise-power", help="With --gains: noise power in W (1).", show_default=False),
]
PMax = Annotated[
    float | None,
    typer.Option("--p-max", help="With --gains: largest power in W (1).", show_default=False),
]
AmplifierInefficiency = Annotated[
    float | None,
    typer.Option(
        "--amplifier-inefficiency",
        help="With --gains and an objective in joules: power drawn per radiated power, at least 1 "
        "(4).",
        show_default=False,
    ),
]
CircuitPower = Annotated[
    float | None,
    typer.Option(
        "--circuit-power",
        help="With --gains and an objective in joules: what a user draws besides, in W (1).",
        show_default=False,
    ),
]
TransmitDbm = Annotated[
    float | None,
    typer.Option(
        "--transmit-dbm",
        help="With --gains FILE.csv: power at which its levels were sent, in dBm (20).",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command(
        epilog=examples(
            "slotwise evaluate --scenario gaussian-ic --samples 10000 -c wmmse -c max",
            "slotwise evaluate --scenario imac --links 24 -c wmmse -c greedy --json",
            "slotwise evaluate --scenario wide-cell -c max -c fractional -c unrolled-ee",
            "slotwise evaluate --gains mine.npy --noise-power 0.01 -c wmmse -c max",
            "slotwise evaluate --gains g.npy --objective energy-efficiency -c fractional",
        )
    )(evaluate)
    gains = typer.Typer(
        help="Make gain matrices of measurements.",
        no_args_is_help=False,
        epilog=examples("slotwise gains wifi survey-2019-02-19 --links 10 --out gains.npy"),
    )
    gains.callback(invoke_without_command=True)(_gains)
    gains.command(
        epilog=examples(
            "slotwise gains wifi survey-2019-02-19 --links 10 --out gains.npy",
            "slotwise evaluate --gains gains.npy --noise-power 1e-12 -c wmmse -c max",
        )
    )(wifi)
    app.add_typer(gains, name="gains")


def _gains(context: typer.Context) -> None:
    """Make gain matrices of measurements."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def evaluate(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    scenario: DrawnScenario = None,
    links: Links = None,
    samples: Samples = None,
    controllers: Controllers,
    overrides: Overrides = [],  # noqa: B006  (typer reads the default, nobody changes it)
    objective: ObjectiveName = None,
    gains: Gains = None,
    noise_power: NoisePower = None,
    p_max: PMax = None,
    amplifier_inefficiency: AmplifierInefficiency = None,
    circuit_power: CircuitPower = None,
    transmit_dbm: TransmitDbm = None,
    latency_samples: LatencySamples = 500,
    seed: Seed = 0,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Evaluate controllers on frozen draws, as papers do.

    Gives the mean of what the network is for, its sum rate or its bits per joule,
    and two times that published tables mix: the whole batch in one call, and one
    decision at a time after warm-up.
    """
    from slotwise.runs import evaluate as evaluate_controllers
    from slotwise.runs.evaluation import make_all

    bandwidth_hz, notes = None, []
    try:
        with clean_stdout(as_json):
            specs = trusted(controllers, trust)
            made = make_all(specs, seed)  # cheaper to refuse than draws
            seats = list(made.values())
            if scenario is not None:
                _refuse("not with --scenario", {"--gains": gains})
                measured = {
                    "--noise-power": noise_power,
                    "--p-max": p_max,
                    "--amplifier-inefficiency": amplifier_inefficiency,
                    "--circuit-power": circuit_power,
                }
                _refuse("with --gains only", {**measured, "--transmit-dbm": transmit_dbm})
                fields = aimed_at(objective, overrides)
                bandwidth_hz = _bandwidth_hz(scenario, fields)
                draws: Drops | Frozen = _drawn(scenario, fields, samples, seed, links)
                _introduce(seats, scenario, fields, seed, links)
                _remark(made, scenario, fields)
            else:
                of_draws = {"--links": links, "--samples": samples, "--set": overrides or None}
                _refuse("with --scenario only", of_draws)
                served = _served(objective, amplifier_inefficiency, circuit_power)
                draws = _measured(gains, transmit_dbm, noise_power, p_max, served)
                notes = _cost_lines(served)
            tell_of_compiling()
            results = evaluate_controllers(
                draws, seats, latency_samples=latency_samples, seed=seed, progress=True
            )
    except KeyboardInterrupt:
        raise Interrupted("nothing was written; the same command starts again") from None
    if as_json:
        about = {"scenario": scenario, "gains": gains and str(gains)}
        size = {**dict(zip(("samples", "links"), draws.gain.shape, strict=False)), "seed": seed}
        print_json({**about, **size, "reference": next(iter(results)), "controllers": results})
        return
    from slotwise.runs.tables import show_evaluation

    show_evaluation(results, *notes, bandwidth_hz=bandwidth_hz)


def _refuse(where: str, given: Mapping[str, object]) -> None:
    """Refuse options that say nothing beside the others that were given."""
    from slotwise.emulator.scenario import InputError

    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option}: {where}")


def _drawn(
    scenario: str, overrides: list[str], samples: int | None, seed: int, links: int | None
) -> Drops:
    from slotwise.emulator.drops import draw
    from slotwise.emulator.scenario import load
    from slotwise.runs.progress import progress_bar

    with progress_bar("draw", None):
        return draw(load(scenario, overrides), samples, seed, links)


def _bandwidth_hz(scenario: str, overrides: list[str]) -> float:
    from slotwise.emulator.scenario import load

    return load(scenario, overrides).radio.bandwidth_hz


def _introduce(
    seats: list[Controller], scenario: str, overrides: list[str], seed: int, links: int | None
) -> None:
    """Tell zipped policies of the scenario, which fixes how they are told of gains."""
    from slotwise.controllers.rl import Rl
    from slotwise.emulator.scenario import load

    loaded = load(scenario, overrides)
    if links is not None:
        population = loaded.population.model_copy(update={"initial_users": links})
        loaded = loaded.model_copy(update={"population": population})
    for seat in seats:
        if isinstance(seat, Rl):
            seat.reset(loaded, seed)


def _remark(made: Mapping[str, Controller], scenario: str, overrides: list[str]) -> None:
    """Say who was trained in another layout of this scenario."""
    from slotwise.emulator.scenario import load
    from slotwise.runs.progress import note
    from slotwise.runs.room import trained_elsewhere

    loaded = load(scenario, overrides)
    for spec, seat in made.items():
        if words := trained_elsewhere(seat, loaded):
            note(f"{spec}: {words}")


def _served(
    aim: AimName | None, amplifier_inefficiency: float | None, circuit_power: float | None
) -> Objective:
    """What gains of the user's own are judged by."""
    from slotwise.emulator.objective import Objective
    from slotwise.emulator.scenario import InputError

    costs = {"--amplifier-inefficiency": amplifier_inefficiency, "--circuit-power": circuit_power}
    if aim in (None, "sum-rate"):
        _refuse("with an --objective in joules only", costs)
    plain = Objective(aim or "sum-rate")
    given = amplifier_inefficiency, circuit_power
    usual = plain.amplifier_inefficiency, plain.circuit_power_w
    inefficiency, watts = (b if a is None else a for a, b in zip(given, usual, strict=True))
    if not 1.0 <= inefficiency < math.inf:
        raise InputError(f"--amplifier-inefficiency {inefficiency:g}: must be at least 1")
    if not 0.0 < watts < math.inf:
        raise InputError(f"--circuit-power {watts:g}: must be positive, in W")
    return plain._replace(amplifier_inefficiency=inefficiency, circuit_power_w=watts)


def _cost_lines(objective: Objective) -> list[str]:
    """What was taken for the price of a watt, where it counts."""
    if objective.aim == "sum-rate":
        return []
    return [
        f"a user draws {objective.amplifier_inefficiency:g} W for each watt that it radiates "
        f"(--amplifier-inefficiency) and {objective.circuit_power_w:g} W besides (--circuit-power)"
    ]


def _measured(
    gains: Path | None,
    transmit_dbm: float | None,
    noise_power: float | None,
    p_max: float | None,
    objective: Objective,
) -> Frozen:
    from slotwise.emulator.measured import read_gains
    from slotwise.emulator.scenario import InputError
    from slotwise.runs.frozen import Frozen

    if gains is None:
        raise InputError("nothing to evaluate on: give --scenario SCENARIO or --gains FILE")
    return Frozen.of(
        read_gains(gains, _TRANSMIT_DBM if transmit_dbm is None else transmit_dbm),
        1.0 if noise_power is None else noise_power,
        1.0 if p_max is None else p_max,
        objective=objective,
    )


def wifi(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Survey: rssis.csv, channels.csv and coordinates.csv."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New .npy file to write.")],
    links: Annotated[int, typer.Option("--links", min=1, help="Users, each with a radio.")] = 10,
    placements: Annotated[
        int, typer.Option("--placements", min=1, help="Random choices of the users' places.")
    ] = 1,
    band: Annotated[Band, typer.Option("--band", help="Radios that take part, in GHz.")] = "2.4",
    transmit_dbm: Annotated[
        float, typer.Option("--transmit-dbm", help="Power at which the radios sent, in dBm.")
    ] = _TRANSMIT_DBM,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make gains of a Wi-Fi survey, such as the University of Minho's, for evaluate --gains.

    Users stand at surveyed points, each served by the strongest free radio; the
    samples taken at a point follow each other as slots. More placements follow
    the first in the same file.
    """
    from slotwise.runs.survey import save_wifi_gains

    with clean_stdout(as_json):
        made = save_wifi_gains(
            folder,
            out,
            links=links,
            placements=placements,
            band=band,
            power=transmit_dbm,
            seed=seed,
        )
    if as_json:
        print_json(made)
        return
    typer.echo(
        f"{out}: {made['samples']} samples of {links} links; {made['radios']} radios at "
        f"{made['points']} points; median gain {made['direct_gain_db']:.1f} dB direct, "
        f"{made['unheard_percent']:.0f}% of the others not heard\n"
        f"next: slotwise evaluate --gains {out} --noise-power 1e-12 --p-max 0.1 -c wmmse -c max"
    )
