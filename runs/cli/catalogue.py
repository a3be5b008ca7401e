"""Commands that tell what there is: ``scenarios``, ``controllers`` and ``reference``."""

from __future__ import annotations

from typing import Annotated

import typer

from slotwise.runs.cli.options import Json, Overrides, ScenarioName, examples, print_json

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    group = typer.Typer(
        help="List the built-in scenarios, or show one to start from.",
        epilog=examples("slotwise scenarios", "slotwise scenarios show d2d > my-network.toml"),
    )
    group.callback(invoke_without_command=True)(scenarios)
    group.command(
        epilog=examples(
            "slotwise scenarios show d2d > my-network.toml",
            "slotwise scenarios show d2d --set population.initial_users=20 --json",
        )
    )(show)
    app.add_typer(group, name="scenarios")
    app.command(epilog=examples("slotwise controllers", "slotwise controllers --json"))(controllers)
    app.command(epilog=examples("slotwise reference", "slotwise reference | less"))(reference)


def scenarios(context: typer.Context, as_json: Json = False) -> None:
    """List the built-in scenarios, or show one to start from."""
    if context.invoked_subcommand is not None:
        return
    from slotwise.emulator.scenario import builtin
    from slotwise.runs import tables

    if as_json:
        print_json({"scenarios": builtin()})
    else:
        tables.show(tables.scenario_table(builtin()))


def show(name: ScenarioName, overrides: Overrides = [], as_json: Json = False) -> None:  # noqa: B006
    """Print a scenario: its TOML text, or with --json every field with its default."""
    from slotwise.emulator.scenario import InputError, load, source

    if as_json:
        print_json(load(name, overrides).model_dump(mode="json"))
    elif overrides:
        raise InputError("--set goes with --json here: the TOML text is printed as it stands")
    else:
        typer.echo(source(name), nl=False)


def controllers(as_json: Json = False) -> None:
    """List the controllers with their options and defaults."""
    from slotwise.controllers.registry import available
    from slotwise.runs import tables

    rows = {
        name: {"summary": row.summary, "options": row.options} for name, row in available().items()
    }
    if as_json:
        print_json({"controllers": rows})
    else:
        tables.show(tables.controller_table(rows))


def reference(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON schema of a scenario instead.")
    ] = False,
) -> None:
    """Print the scenario reference: every field with its unit, range and default, in Markdown."""
    if as_json:
        from slotwise.emulator.scenario import Scenario

        print_json(Scenario.model_json_schema())
        return
    from slotwise.runs.reference import scenario_reference

    typer.echo(scenario_reference(), nl=False)
