"""The command ``sweep``: a plan of many lives, on this machine's cores or a cluster's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slotwise.runs.cli.options import (
    Address,
    Backend,
    Interrupted,
    Jobs,
    Json,
    Overrides,
    Seed,
    clean_stdout,
    examples,
    print_json,
    tell_of_compiling,
)

if TYPE_CHECKING:
    from slotwise.runs.sweeps.planning.plan import SweepPlan
    from slotwise.runs.sweeps.sweep import Estimate, Swept

__all__ = ["add_to"]


def _plan_names(incomplete: str) -> list[str]:
    from slotwise.runs.sweeps.planning.plan import builtin_plans

    return [name for name in builtin_plans() if name.startswith(incomplete)]


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command(
        epilog=examples(
            "slotwise sweep plan.toml --out swept",
            "slotwise sweep plan.toml --out swept --estimate",
            "slotwise sweep plan.toml --out swept --retry-failed",
            "slotwise sweep plan.toml --backend ray --address ray://head:10001 --out swept",
            "slotwise sweep winner-map --out map",
        )
    )(sweep)


def sweep(  # noqa: PLR0913 - a parameter is an option of the command
    plan: Annotated[
        str,
        typer.Argument(
            metavar="PLAN",
            help="Path of a TOML file, or a built-in plan such as winner-map.",
            autocompletion=_plan_names,
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Directory to write, or to go on with; left out: the plan's name, here.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    overrides: Overrides = [],  # noqa: B006  (typer reads the default, nobody changes it)
    jobs: Jobs = None,
    backend: Backend = "local",
    address: Address = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate", help="Live a sample, which is kept, and say what the rest will cost."
        ),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Live the cells that failed again, no others.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Live a plan's networks: fields of a scenario x controllers x seeds.

    Each network's life is stored when it has been lived. Stop it, kill it, or lose
    the machine: the same command lives what is missing, and only that. Where
    decisions are measured on this machine, one network lives at a time.
    """
    from slotwise.emulator.scenario import InputError
    from slotwise.runs.sweeps.planning.plan import read_plan
    from slotwise.runs.sweeps.sweep import Swept, kept
    from slotwise.runs.sweeps.sweep import estimate as estimated
    from slotwise.runs.sweeps.sweep import sweep as swept
    from slotwise.runs.workers import Workers

    if estimate and retry_failed:
        raise InputError("--estimate, --retry-failed: one of the two")
    made = read_plan(plan, overrides, seed)
    place = out or Path(made.name)
    workers = Workers(backend, jobs, address)
    try:
        with clean_stdout(as_json):
            tell_of_compiling()
            if estimate:
                told: Estimate | Swept = estimated(made, out=place, workers=workers)
            else:
                told = swept(made, out=place, workers=workers, retry_failed=retry_failed)
    except KeyboardInterrupt:
        raise Interrupted(f"{kept(made, place)}; the same command goes on from there") from None
    if isinstance(told, Swept):
        _show(made, told, place, as_json)
    else:
        _tell(made, told, as_json)


def _tell(plan: SweepPlan, told: Estimate, as_json: bool) -> None:
    """What a plan will cost."""
    from slotwise.runs.sweeps.pace import spell

    if as_json:
        print_json({**told._asdict(), "cost": told.cost._asdict()})
        return
    typer.echo(
        f"{plan.name}: {told.cells} cells ({len(plan.points)} points x {len(plan.controllers)} "
        f"controllers x {len(plan.seeds)} seeds), {told.left} to live"
    )
    if told.left:
        typer.echo(f"{spell(told.cost, told.workers)}, from {told.sampled} cells that were timed")


def _show(plan: SweepPlan, result: Swept, out: Path, as_json: bool) -> None:
    """What a sweep came to; failures make the command fail, when everything has been said."""
    from slotwise.runs.cells import CellError

    if as_json:
        print_json({**result._asdict(), "out": str(out), "summary": result.summary.to_pylist()})
    else:
        from slotwise.runs.sweeps.tables import sweep_tables
        from slotwise.runs.tables import show

        left = f"{result.left} more cells have not been lived: leave out --retry-failed"
        tables = [*sweep_tables(plan, result.summary), *([left] if result.left else [])]
        show(*tables, f"written: {out / 'README.md'}")
    if result.failed:
        raise CellError(
            f"{result.failed} of {result.cells} cells failed, the first with: {result.error}; "
            "the others are kept, and --retry-failed tries these again"
        )
