"""Commands that live a network: ``run``, ``compare`` and ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slotwise.runs.cli.options import (
    Controllers,
    Interrupted,
    Json,
    ObjectiveName,
    Overrides,
    ScenarioName,
    Seed,
    Slots,
    Trust,
    aimed_at,
    clean_stdout,
    examples,
    print_json,
    tell_of_compiling,
    trusted,
)

if TYPE_CHECKING:
    from slotwise.emulator.scenario import Scenario

__all__ = ["add_to"]

NoReport = Annotated[
    bool, typer.Option("--no-report", help="Do not make report.html and the figures.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command(
        epilog=examples(
            "slotwise run gaussian-ic -c wmmse --slots 2000 --seed 1 --out lived",
            "slotwise run urban -c wmmse --set timing.mode=measured --out late",
            "slotwise run urban -c wmmse --set timing.mode=measured --replay late",
            "slotwise run my-network.toml -c greedy --json",
        )
    )(run)
    app.command(
        epilog=examples(
            "slotwise compare urban -c max -c wmmse --seeds 5 --out urban",
            "slotwise compare urban -c wmmse -c wmmse:warm_start=true --out warm",
            "slotwise compare auckland --objective energy-efficiency -c max -c fractional --out ee",
            "slotwise compare d2d -c max -c wmmse --set timing.mode=measured --out late",
            "slotwise compare gaussian-ic -c wmmse -c max --out first --json",
        )
    )(compare)
    app.command(epilog=examples("slotwise report urban", "slotwise report urban --json"))(report)


def run(  # noqa: PLR0913 - a parameter is an option of the command
    scenario: ScenarioName,
    controller: Annotated[
        str,
        typer.Option(
            "--controller", "-c", metavar="SPEC", help="Controller such as wmmse:starts=10."
        ),
    ] = "wmmse",
    slots: Slots = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Directory to write; left out: nothing is kept.", show_default=False
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006  (typer reads the default, nobody changes it)
    objective: ObjectiveName = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="DIR",
            help="Charge the times recorded in that run instead of measuring.",
            show_default=False,
        ),
    ] = None,
    trust: Trust = False,
    no_report: NoReport = False,
    as_json: Json = False,
) -> None:
    """Live one network under one controller.

    Prints what its life came to, and writes every slot, event, user, decision and
    lesson to --out.
    """
    try:
        with clean_stdout(as_json):
            (spec,) = trusted([controller], trust)
            loaded = _load(scenario, aimed_at(objective, overrides))
            summary = _live_one(
                loaded,
                spec,
                slots,
                seed,
                out,
                replay,
                not no_report,
            )
    except KeyboardInterrupt:
        kept = "what was learned is kept and gone on from" if "resume=" in controller else ""
        raise Interrupted(
            f"nothing was written{', but ' if kept else ''}{kept}; the same command starts again"
        ) from None
    if as_json:
        print_json(summary)
        return
    from slotwise.runs.tables import learning_tables, run_table, show

    where = "nothing was kept: give --out DIR to keep the run" if out is None else f"run: {out}"
    lines = [where] if no_report or out is None else [_report_line(out), where]
    table = run_table(summary, loaded.objective)
    show(table, *learning_tables({spec: summary["learning"]}), *lines)


def _live_one(
    scenario: Scenario,
    controller: str,
    slots: int | None,
    seed: int,
    out: Path | None,
    replay: Path | None,
    report: bool,
) -> dict[str, Any]:
    """Live once, with a bar, and keep it where it was asked for; the place is checked first."""
    from slotwise.controllers.registry import make
    from slotwise.runs import is_run, simulate, write_report, write_run
    from slotwise.runs.comparison import own_slots
    from slotwise.runs.directory import finite
    from slotwise.runs.place import check_run_place, writing
    from slotwise.runs.pooled import fault_lines
    from slotwise.runs.progress import note, progress_bar
    from slotwise.runs.quiet import quiet
    from slotwise.runs.room import check_room, trained_elsewhere

    seat = make(controller, seed)
    check_room(controller, seat, scenario)
    if words := trained_elsewhere(seat, scenario):
        note(f"{controller}: {words}")
    if out is not None:
        check_run_place(out)
    tell_of_compiling()
    length = own_slots(scenario) if slots is None else slots
    label = f"run {scenario.name}"
    with (
        quiet(scenario, [controller] if replay is None else []),
        progress_bar(label, length, threadless=True) as done,
    ):
        life = simulate(scenario, controller, slots=length, seed=seed, progress=done, replay=replay)
    events = life.tables["events"]
    kinds = zip(events["kind"], events["cause"], strict=True)
    faults = [str(cause) for kind, cause in kinds if kind == "fault"]
    for line in fault_lines(faults, life.summary["decisions"]):
        note(f"{label}: {line}")
    if out is not None:
        replaced = is_run(out)
        with writing(out):
            write_run(life, out)
            if replaced:
                note(f"{label}: replaced the run that was in {out}")
            if report:
                with progress_bar("report", None):
                    write_report(out)
    summary: dict[str, Any] = finite(life.summary)
    return summary


def compare(  # noqa: PLR0913 - a parameter is an option of the command
    scenario: ScenarioName,
    controllers: Controllers,
    out: Annotated[Path, typer.Option("--out", help="Directory to write, or to go on with.")],
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Networks: seeds from --seed upwards.")
    ] = 5,
    seed: Seed = 0,
    slots: Slots = None,
    overrides: Overrides = [],  # noqa: B006  (typer reads the default, nobody changes it)
    objective: ObjectiveName = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=1,
            help="Processes; left out: one for each core. Measured decisions are taken in one.",
            show_default=False,
        ),
    ] = None,
    trust: Trust = False,
    no_report: NoReport = False,
    as_json: Json = False,
) -> None:
    """Compare controllers on the same networks: same users, same channels, paired intervals.

    Stop it whenever you like: the same command goes on where it stopped, and more
    seeds or controllers can be added later. Where decisions are measured, nothing
    else runs beside them.
    """
    from slotwise.runs import compare as compare_controllers

    try:
        with clean_stdout(as_json):
            loaded = _load(scenario, aimed_at(objective, overrides))
            tell_of_compiling()
            result = compare_controllers(
                loaded,
                trusted(controllers, trust),
                slots=slots,
                seeds=range(seed, seed + seeds),
                out=out,
                jobs=jobs,
                report=not no_report,
            )
    except KeyboardInterrupt:
        from slotwise.runs.comparison import kept

        raise Interrupted(f"{kept(out)}; the same command goes on from there") from None
    if as_json:
        print_json(result)
        return
    from slotwise.runs.tables import network_line, show_comparison

    last = f"data: {out}" if no_report else _report_line(out)
    show_comparison(result, network_line(result), last)


def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run or a comparison.")],
    as_json: Json = False,
) -> None:
    """Make the report of a run or a comparison anew from its recorded data."""
    from slotwise.runs import write_report
    from slotwise.runs.place import writing
    from slotwise.runs.progress import progress_bar

    with clean_stdout(as_json), progress_bar("report", None), writing(directory):
        page = write_report(directory)
    if as_json:
        print_json({"report": str(page)})
    else:
        typer.echo(f"report: {page}")


def _load(scenario: str, overrides: list[str]) -> Scenario:
    from slotwise.emulator.scenario import load

    return load(scenario, overrides)


def _report_line(out: Path) -> str:
    return f"report: {out / 'report.html'}"
