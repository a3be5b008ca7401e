"""Options that several commands share, and how a command speaks.

One meaning, one spelling: an option that two commands take is described here once. Names that can
be wrong are completed by the shell and corrected by the error line.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from slotwise.runs.workers import Workers

__all__ = [
    "Address",
    "AimName",
    "Backend",
    "BackendName",
    "Checkpoint",
    "Controllers",
    "Force",
    "Interrupted",
    "Jobs",
    "Json",
    "ObjectiveName",
    "Overrides",
    "ScenarioName",
    "Seed",
    "Slots",
    "Trust",
    "aimed_at",
    "clean_stdout",
    "examples",
    "print_json",
    "tell_of_compiling",
    "trusted",
    "workers_for",
]


_ZIPPED = re.compile(r"\s*rl\s*:[^,]*\.zip\s*(,|$)")


class Interrupted(Exception):
    """Ctrl-C, with the line that says what is kept and how to go on."""


def _scenario_names(incomplete: str) -> list[str]:
    from slotwise.emulator.scenario import builtin

    return [name for name in builtin() if name.startswith(incomplete)]


def _controller_names(incomplete: str) -> list[str]:
    from slotwise.controllers.registry import available

    return [name for name in available() if name.startswith(incomplete)]


ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="Built-in name (see: slotwise scenarios) or path of a TOML file.",
        autocompletion=_scenario_names,
        show_default=False,
    ),
]
Controllers = Annotated[
    list[str],
    typer.Option(
        "--controller",
        "-c",
        metavar="SPEC",
        help="Controller such as wmmse:starts=10,flip=true; repeat for more, the first is the "
        "reference.",
        autocompletion=_controller_names,
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Override a field of the scenario, such as channel.doppler_hz=10; repeat for more.",
        show_default=False,
    ),
]
AimName = Literal["sum-rate", "energy-efficiency", "weighted-energy-efficiency"]
ObjectiveName = Annotated[
    AimName | None,
    typer.Option(
        "--objective",
        metavar="AIM",
        help="What the network is for: sum-rate, energy-efficiency or weighted-energy-efficiency; "
        "left out: what its scenario says.",
        show_default=False,
    ),
]
Slots = Annotated[
    int | None,
    typer.Option(
        "--slots",
        min=1,
        help="Slots to live; left out: the scenario's own length, or 1000 where it has none.",
        show_default=False,
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Fixes every random number of the network.")
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Open policies rl:FILE.zip, which are pickles: they can run any code."
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Keep the checkpoint there; left out: beside --out, until that is written.",
        show_default=False,
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace --out, and start anew where there is a checkpoint.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        help="Processes; left out: one for each core. Of a cluster with an address: tasks under "
        "way at once; left out: as many as it has cores.",
        show_default=False,
    ),
]
BackendName = Literal["local", "ray", "dask"]
Backend = Annotated[
    BackendName,
    typer.Option(
        "--backend",
        help="Who works: processes of this machine, or a Ray or Dask cluster (needs the extra ray "
        "or dask).",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="The cluster's, as its own tools print it; left out: one is started on this machine "
        "and ended afterwards.",
        show_default=False,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]


def aimed_at(objective: AimName | None, overrides: list[str]) -> list[str]:
    """Overrides with that of the objective."""
    return overrides if objective is None else [*overrides, f"objective={objective}"]


def examples(*lines: str) -> str:
    """Examples as the end of a help page, one a line.

    Markup reads square brackets, and typer keeps line breaks; so examples hold no brackets and
    stay under 80 columns.
    """
    return "\n".join(("[bold]Examples[/bold]", *(f"  {line}" for line in lines)))


def trusted(specs: Sequence[str], trust: bool) -> list[str]:
    """Specs that trust zipped policies, if the user does so and they do not say otherwise."""
    return [
        f"{spec},trust=true" if trust and _ZIPPED.match(spec) and "trust=" not in spec else spec
        for spec in specs
    ]


def tell_of_compiling() -> None:
    """Tell whoever looks at a terminal why the first command takes its time."""
    if not sys.stderr.isatty():
        return
    from slotwise import controllers, emulator
    from slotwise.emulator.kernels.compilation import is_first_use
    from slotwise.runs.progress import note

    folders = (
        Path(str(package.__file__)).parent / "kernels" for package in (controllers, emulator)
    )
    if is_first_use(*folders):
        note("first use: kernels are compiled as they are needed, up to a minute in all, once")


def workers_for(jobs: int | None, backend: BackendName, address: str | None) -> Workers | None:
    """Who works beside this process; None if nobody was asked for."""
    if jobs is None and backend == "local" and address is None:
        return None
    from slotwise.runs.workers import Workers

    return Workers(backend, jobs, address)


def print_json(value: Any) -> None:
    """Print the command's one JSON object."""
    from slotwise.runs.tables import to_json

    typer.echo(to_json(value))


def clean_stdout(as_json: bool) -> contextlib.AbstractContextManager[Any]:
    """Where JSON is promised, whatever a controller prints goes to standard error."""
    return contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
