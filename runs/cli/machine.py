"""Commands about this machine: ``bench``, how fast the core is on it, and ``warmup``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from slotwise.runs.cli.options import (
    Interrupted,
    Json,
    Seed,
    clean_stdout,
    examples,
    print_json,
    tell_of_compiling,
)

__all__ = ["add_to"]


def _group_names(incomplete: str) -> list[str]:
    from slotwise.runs.bench.measuring import GROUPS

    return [name for name in GROUPS if name.startswith(incomplete)]


Only = Annotated[
    list[str],
    typer.Option(
        "--only",
        metavar="GROUP",
        help="Measure this group of rows, such as limits, wmmse or slots; repeat for more, left "
        "out: all.",
        autocompletion=_group_names,
        show_default=False,
    ),
]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds", min=0.01, help="Time of one comparison: less is quicker, more is steadier."
    ),
]
Envs = Annotated[
    bool, typer.Option("--envs", help="Measure environments: the same as --only envs.")
]
Peers = Annotated[
    bool, typer.Option("--peers", help="Time other simulators too (needs the extra peers).")
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw how time grows with slots, networks and users (.png or .svg).",
        show_default=False,
    ),
]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print the table in Markdown, for a page.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command(
        epilog=examples(
            "slotwise bench",
            "slotwise bench --only wmmse --only decision --seconds 3",
            "slotwise bench --envs --peers",
            "slotwise bench --peers --json > bench.json",
        )
    )(bench)
    app.command(epilog=examples("slotwise warmup"))(warmup)


def bench(
    only: Only = [],  # noqa: B006  (typer reads the default, nobody changes it)
    envs: Envs = False,
    seconds: Seconds = 1.0,
    peers: Peers = False,
    plot: Plot = None,
    as_markdown: Markdown = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure how fast the core is, in ratios that hold on any machine.

    Solvers and slots are timed in turns with C compiled on the spot, with
    NumPy, with loops as they are often written, and with what the machine
    can do at most. Half a minute; the first time, compiling adds one.
    """
    from slotwise.emulator.scenario import InputError
    from slotwise.runs.bench import plot as plotting
    from slotwise.runs.bench.measuring import GROUPS, measure
    from slotwise.runs.bench.setting import Setting
    from slotwise.runs.progress import progress_bar

    if as_json and as_markdown:
        raise InputError("--json and --markdown exclude each other")
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise InputError("NUMBA_DISABLE_JIT is set: there is nothing compiled to measure")
    if plot is not None:
        plotting.check(plot)
    asked = [*only, *(["envs"] if envs else [])]
    # What other simulators are timed against comes with the environments too.
    extra = [*(["growth"] if plot else []), *(["peers"] if peers and not envs else [])]
    wanted = [*(asked or GROUPS), *extra]
    tell_of_compiling()
    try:
        with (
            clean_stdout(as_json or as_markdown),
            progress_bar("measure", len(set(wanted)), threadless=True) as done,
        ):
            setting = Setting(seconds=seconds, seed=seed, peers=peers or "peers" in only)
            result = measure(setting, wanted, done)
    except KeyboardInterrupt:
        raise Interrupted("nothing is kept; --only measures a part") from None
    if plot is not None:
        plotting.draw_growth(result.rows, plot)
    if as_json:
        print_json(result.to_dict())
        return
    from slotwise.runs.bench.table import benchmark_table, closing_lines, markdown
    from slotwise.runs.tables import show

    if as_markdown:
        typer.echo("\n".join([markdown(result), "", *closing_lines(result)]))
        return
    show(*([benchmark_table(result)] if result.rows else []), *closing_lines(result))


def warmup(as_json: Json = False) -> None:
    """Compile everything now, so that nothing waits for the compiler later.

    Compiled code is kept in the user's cache directory, or in
    NUMBA_CACHE_DIR. A minute or two, once for each version of slotwise.
    """
    import time

    from slotwise.emulator.kernels.compilation import cache_directory
    from slotwise.runs import warmup as warming
    from slotwise.runs.progress import progress_bar

    every = list(warming.steps())
    began_s = time.perf_counter()
    try:
        with progress_bar("compile", len(every), threadless=True) as done:
            for number, (_, compile_) in enumerate(every, 1):
                compile_()
                done(number)
    except KeyboardInterrupt:
        raise Interrupted("what was compiled is kept; the same command goes on") from None
    seconds, place = time.perf_counter() - began_s, cache_directory()
    if as_json:
        print_json({"seconds": seconds, "directory": None if place is None else str(place)})
    else:
        kept = f"kept in {place}"
        if place is None:
            kept = "nothing is kept: NUMBA_DISABLE_JIT is set, or no directory can be written to"
        typer.echo(f"compiled in {seconds:.1f} s, {kept}")
