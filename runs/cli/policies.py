"""The commands ``train rl`` and ``study rl``: policies trained, and policies judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from slotwise.runs.cli.options import (
    Checkpoint,
    Force,
    Interrupted,
    Json,
    ObjectiveName,
    Overrides,
    Trust,
    aimed_at,
    clean_stdout,
    examples,
    print_json,
    tell_of_compiling,
    trusted,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from slotwise.runs.rl.judging import Line
    from slotwise.runs.rl.training import TrainedPolicy

__all__ = ["add_judgement_to", "add_to", "judgement_table"]

AlgorithmName = Literal["counterfactual", "ppo", "sac", "td3"]
PolicyName = Literal["graph", "flat"]

Scenario = Annotated[
    str,
    typer.Option(
        "--scenario",
        metavar="SCENARIO",
        help="Learn in networks of this scenario: built-in name or path of a TOML file.",
    ),
]
Algorithm = Annotated[
    AlgorithmName,
    typer.Option(
        "--algorithm",
        help="counterfactual: the gradient over all actions, from sum rates of what everybody "
        "could have done instead; the others are Stable-Baselines3's.",
    ),
]
Policy = Annotated[
    PolicyName | None,
    typer.Option(
        "--policy",
        help="graph: for any number of users; flat: a perceptron for the rows it is trained with. "
        "Left out: graph for counterfactual, else flat.",
        show_default=False,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        min=1,
        help="counterfactual: batches to learn from; else slots of one network.",
        show_default=False,
    ),
]
Networks = Annotated[
    int | None,
    typer.Option("--envs", min=1, help="Networks side by side.", show_default=False),
]
Policies = Annotated[
    list[str],
    typer.Option(
        "--policy",
        metavar="FILE",
        help="Policy to judge, as of the controller rl; repeat for more.",
        show_default=False,
    ),
]
JudgedScenario = Annotated[
    str,
    typer.Option(
        "--scenario",
        metavar="SCENARIO",
        help="Built-in name or path of a TOML file: what is lived.",
    ),
]
Judged = Annotated[int, typer.Option("--networks", min=2, help="Networks to judge in.")]
JudgedSlots = Annotated[
    int, typer.Option("--slots", min=1, help="Decisions of each network, four slots apart.")
]
JudgedSeed = Annotated[int, typer.Option("--seed", min=0, help="Fixes the networks.")]
Report = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write the table as Markdown, too.", show_default=False
    ),
]
Levels = Annotated[int, typer.Option("--levels", min=2, help="Power levels to choose from.")]
TrainSeed = Annotated[
    int, typer.Option("--seed", min=0, help="Fixes first weights, lives and decisions.")
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FILE", help="Policy to write: NAME.safetensors.", show_default=False
    ),
]
LogFolder = Annotated[
    Path | None,
    typer.Option(
        "--logs",
        metavar="DIR",
        help="Write curves for TensorBoard (needs the extra rl).",
        show_default=False,
    ),
]
TestNetworks = Annotated[
    int,
    typer.Option(
        "--test-networks",
        min=0,
        help="Unseen networks to judge the policy by, at least 2; 0: none.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to the commands of ``train``."""
    app.command(
        name="rl",
        epilog=examples(
            "slotwise train rl --out graph.safetensors",
            "slotwise train rl --set layout.cells=5 --set population.initial_users=5 \\",
            "    --algorithm ppo --out ppo.safetensors",
            "slotwise run nasir-guo -c rl:graph.safetensors",
        ),
    )(rl)


def add_judgement_to(app: typer.Typer) -> None:
    """Add the command that judges policies to the commands of ``study``."""
    app.command(
        name="rl",
        epilog=examples(
            "slotwise study rl --policy one.safetensors --policy two.safetensors",
            "slotwise study rl --set csi.delay_s=0.02 --policy late.safetensors --out late.md",
        ),
    )(judged)


def rl(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    scenario: Scenario = "nasir-guo",
    overrides: Overrides = [],  # noqa: B006  (typer reads the default, nobody changes it)
    objective: ObjectiveName = None,
    algorithm: Algorithm = "counterfactual",
    policy: Policy = None,
    steps: Steps = None,
    networks: Networks = None,
    levels: Levels = 10,
    seed: TrainSeed = 0,
    out: Out,
    checkpoint: Checkpoint = None,
    logs: LogFolder = None,
    test_networks: TestNetworks = 400,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a policy by reinforcement learning, judge it beside WMMSE, and write it.

    Ctrl-C leaves a checkpoint, and the same command goes on from there; so it
    does after a kill.
    """
    from slotwise.runs.rl.order import PolicyOrder
    from slotwise.runs.rl.training import train_policy
    from slotwise.runs.training import checkpoint_of

    order = PolicyOrder(
        scenario=scenario,
        overrides=tuple(aimed_at(objective, overrides)),
        algorithm=algorithm,
        policy=policy,
        steps=steps,
        networks=networks,
        levels=levels,
        seed=seed,
    )
    options: dict[str, Any] = {"logs": logs, "force": force, "test_networks": test_networks}
    try:
        with clean_stdout(as_json):
            tell_of_compiling()
            result = train_policy(order, out, checkpoint=checkpoint, progress=True, **options)
    except KeyboardInterrupt:
        place = checkpoint or checkpoint_of(out)
        kept = f"checkpoint in {place}; the same command goes on from there"
        lost = "nothing was kept; the same command starts again"
        raise Interrupted(kept if place.exists() else lost) from None
    if as_json:
        print_json(result)
    else:
        _show(result)


def _show(result: TrainedPolicy) -> None:
    from slotwise.runs.tables import show

    tables = [judgement_table(result["lines"])] if result["lines"] else []
    show(
        *tables,
        f"{result['steps']:,} steps of {result['algorithm']} in {result['seconds']:.0f} s",
        f"controller: rl:{result['file']}",
    )


def judged(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    policies: Policies = [],  # noqa: B006  (typer reads the default, nobody changes it)
    scenario: JudgedScenario = "nasir-guo",
    overrides: Overrides = [],  # noqa: B006
    objective: ObjectiveName = None,
    networks: Judged = 400,
    slots: JudgedSlots = 5,
    seed: JudgedSeed = 20180,
    trust: Trust = False,
    out: Report = None,
    as_json: Json = False,
) -> None:
    """Judge trained policies beside WMMSE, in networks that they have not met.

    Policies answer what is reported; rates are relative to those of WMMSE on
    the true gains. Zipped agents are judged if they are told gains alone.
    """
    from slotwise.emulator.scenario import load
    from slotwise.runs.rl.judging import judge, markdown, median_of
    from slotwise.runs.tables import show

    specs = [one if one.startswith("rl:") else f"rl:{one}" for one in policies]
    specs = trusted(specs, trust)
    with clean_stdout(as_json):
        tell_of_compiling()
        lived = load(scenario, aimed_at(objective, overrides))
        lines = judge(lived, specs, networks=networks, slots=slots, seed=seed, progress=True)
    said = median_of(lines[-len(specs) :]) if len(specs) > 1 else None
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(markdown(lines, said), "utf-8")
    if as_json:
        print_json({"scenario": lived.name, "overrides": list(overrides), "lines": lines})
    else:
        show(judgement_table(lines), *([said] if said else []))


def judgement_table(lines: Sequence[Line]) -> Table:
    """What policies are worth, relative to who solves the objective on the true gains."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from slotwise.runs.rl.judging import heads_of

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    what, share_of = heads_of(lines)
    heads = (
        "who decides",
        what.replace(" [", "\n["),
        f"relative to {share_of.removeprefix('% of ')}\n± 95% conf. [%]",
    )
    for number, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if number else "left", no_wrap=True)
    for line in lines:
        relative, low, high = line["relative"], line["low"], line["high"]
        share = "–" if relative is None else f"{relative:.1f}"
        if low is not None and high is not None:
            share += f" ± {(high - low) / 2:.1f}"
        table.add_row(Text(line["who"]), f"{line['merit']:.2f}", share)
    return table
