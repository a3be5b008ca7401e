"""The command ``train``: from a scenario to a file of weights that a controller reads."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from slotwise.runs.cli import policies
from slotwise.runs.cli.options import (
    Address,
    Backend,
    Checkpoint,
    Force,
    Interrupted,
    Json,
    Overrides,
    clean_stdout,
    examples,
    print_json,
    tell_of_compiling,
    workers_for,
)

if TYPE_CHECKING:
    from rich.table import Table

    from slotwise.runs.order import Order
    from slotwise.runs.training import Trained

__all__ = ["add_to"]

ObjectiveName = Literal["supervised", "unsupervised", "both"]
PretrainName = Literal["model", "randomised", "reptile"]

Scenario = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="SCENARIO",
        help="Learn from draws of this scenario: built-in name or path of a TOML file; left out: "
        "from networks of every kind, where the network can.",
        show_default=False,
    ),
]
Links = Annotated[
    int | None,
    typer.Option(
        "--links", min=1, help="Users of a draw; left out: the scenario's.", show_default=False
    ),
]
Objective = Annotated[
    ObjectiveName | None,
    typer.Option(
        "--objective",
        help="Imitate WMMSE (mlp-ee: fractional), raise the sum rate (bits per joule) itself, or "
        "first the one and then the other. Where mlp raises it, everyone's mean rate is at least "
        "radio.min_rate, if that can be.",
        show_default=False,
    ),
]
Pretrain = Annotated[
    PretrainName | None,
    typer.Option(
        "--pretrain",
        help="What is learned before it is fine-tuned: one model, the scenario; networks of every "
        "kind; or, mlp: after those, sites on which little is learned fast.",
        show_default=False,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        min=0,
        help="mlp, mlp-ee: size of the set that is learned from; 0: fresh samples in every step.",
        show_default=False,
    ),
]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Batches to learn from.", show_default=False)
]
Epochs = Annotated[
    float | None,
    typer.Option("--epochs", help="Instead: times to go through the set.", show_default=False),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        min=1,
        help="Samples of a batch; graph, unrolled: users, in all its networks together.",
        show_default=False,
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", help="Largest step size.", show_default=False),
]
Patience = Annotated[
    int | None,
    typer.Option(
        "--patience",
        min=0,
        help="Stop after so many validations without a better one; 0: never.",
        show_default=False,
    ),
]
RecipeFields = Annotated[
    list[str],
    typer.Option(
        "--recipe",
        metavar="NAME=VALUE",
        help="Another field of the recipe, such as schedule=cosine or clip=1; repeat for more.",
        show_default=False,
    ),
]
Size = Annotated[
    list[str],
    typer.Option(
        "--size",
        metavar="NAME=VALUE",
        help="Size of the network: hidden=400 (mlp), layers=4 (mlp, graph), size=tiny (unrolled); "
        "repeat for more.",
        show_default=False,
    ),
]
Half = Annotated[
    bool, typer.Option("--half", help="Store weights in half precision: half the size.")
]
Trials = Annotated[
    int,
    typer.Option(
        "--trials",
        min=0,
        help="First so many short trainings in search of batch size and learning rate (needs the "
        "extra train).",
    ),
]
TrainSeed = Annotated[
    int, typer.Option("--seed", min=0, help="Fixes first weights, samples and their order.")
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="FILE",
        help="File of weights to write: NAME.safetensors.",
        show_default=False,
    ),
]
LogFolder = Annotated[
    Path | None,
    typer.Option(
        "--logs",
        metavar="DIR",
        help="Write curves for TensorBoard (needs the extra train).",
        show_default=False,
    ),
]
TestSamples = Annotated[
    int, typer.Option("--test-samples", min=2, help="Draws to judge the trained network by.")
]

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        help="mlp, mlp-ee: processes that draw and solve the set of samples, which stays the same; "
        "left out: this one, with --backend one for each core.",
        show_default=False,
    ),
]

_EXAMPLES = {
    "mlp": (
        "slotwise train mlp --scenario gaussian-ic --links 10 --out mine.safetensors",
        "slotwise train mlp --scenario imac --samples 20000 --epochs 5 --out m.safetensors",
        "slotwise train mlp --pretrain randomised --links 10 --out adaptive.safetensors",
        "slotwise evaluate --scenario gaussian-ic -c wmmse -c mlp:mine.safetensors",
    ),
    "graph": ("slotwise train graph --scenario d2d --out pairs.safetensors",),
    "mlp-ee": (
        "slotwise train mlp-ee --scenario wide-cell --links 10 --out wide.safetensors",
        "slotwise train mlp-ee --scenario four-cells --samples 10000 --out few.safetensors",
    ),
    "unrolled": ("slotwise train unrolled --size size=tiny --logs curves --out u.safetensors",),
    "unrolled-ee": ("slotwise train unrolled-ee --out frugal.safetensors",),
    "unrolled-late": ("slotwise train unrolled-late --out late.safetensors",),
}


_SAVING = ("mlp-ee", "unrolled-ee")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    group = typer.Typer(
        help="Train a network or a policy, judge it beside WMMSE, and write its weights.",
        no_args_is_help=False,
        epilog=examples(
            "slotwise train mlp --scenario gaussian-ic --links 10 --out mine.safetensors",
            "slotwise train rl --scenario nasir-guo --out policy.safetensors",
        ),
    )
    group.callback(invoke_without_command=True)(_train)
    for network, lines in _EXAMPLES.items():
        group.command(name=network, epilog=examples(*lines))(_command(network))
    policies.add_to(group)
    app.add_typer(group, name="train")


def _train(context: typer.Context) -> None:
    """Train a network or a policy, judge it beside WMMSE, and write its weights."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _command(network: str) -> Callable[..., None]:
    """The command that trains one network; all have the same options, and their judge its name."""

    @functools.wraps(train)
    def command(**options: Any) -> None:
        train(network, **options)

    if network in _SAVING:
        command.__doc__ = (train.__doc__ or "").replace(
            "judge it beside WMMSE", "judge its bits per joule beside fractional"
        )
    whole = inspect.signature(train, eval_str=True)
    given = [one for name, one in whole.parameters.items() if name != "network"]
    command.__signature__ = whole.replace(parameters=given)  # type: ignore[attr-defined]
    return command


def train(  # noqa: PLR0913 - a parameter is an option of the command
    network: str,
    *,
    scenario: Scenario = None,
    links: Links = None,
    overrides: Overrides = [],  # noqa: B006  (typer reads the default, nobody changes it)
    objective: Objective = None,
    pretrain: Pretrain = None,
    samples: Samples = None,
    steps: Steps = None,
    epochs: Epochs = None,
    batch: Batch = None,
    learning_rate: LearningRate = None,
    patience: Patience = None,
    recipe: RecipeFields = [],  # noqa: B006
    size: Size = [],  # noqa: B006
    half: Half = False,
    trials: Trials = 0,
    seed: TrainSeed = 0,
    out: Out,
    checkpoint: Checkpoint = None,
    logs: LogFolder = None,
    test_samples: TestSamples = 10_000,
    jobs: Jobs = None,
    backend: Backend = "local",
    address: Address = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a network, judge it beside WMMSE, and write its weights.

    What is left out is as in the network's own recipe. Ctrl-C leaves a
    checkpoint, and the same command goes on from there; so it does after a kill.
    """
    from slotwise.runs.order import Order

    order = Order(
        network=network,
        scenario=scenario,
        overrides=tuple(overrides),
        links=links,
        objective=objective,
        pretrain=pretrain,
        samples=samples,
        steps=steps,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        patience=patience,
        recipe=tuple(recipe),
        size=tuple(size),
        seed=seed,
        half=half,
        trials=trials,
    )
    options = {
        "logs": logs,
        "force": force,
        "test_samples": test_samples,
        "workers": workers_for(jobs, backend, address),
    }
    result = _carried_out(order, out, checkpoint, as_json, options)
    if as_json:
        print_json(result)
        return
    from slotwise.runs.tables import show

    tables = [_trial_table(result["trials"])] if result["trials"] else []
    show(*tables, _result_table(result["results"]), *_closing_lines(result))


def _carried_out(
    order: Order, out: Path, checkpoint: Path | None, as_json: bool, options: Mapping[str, Any]
) -> Trained:
    """Train, and say on Ctrl-C what is kept."""
    from slotwise.runs.training import checkpoint_of, trials_of
    from slotwise.runs.training import train as train_network

    try:
        with clean_stdout(as_json):
            tell_of_compiling()
            return train_network(order, out, checkpoint=checkpoint, progress=True, **options)
    except KeyboardInterrupt:
        raise Interrupted(_kept(checkpoint or checkpoint_of(out), trials_of(out))) from None


def _kept(checkpoint: Path, trials: Path) -> str:
    for what, path in (("checkpoint", checkpoint), ("trials", trials)):
        if path.exists():
            return f"{what} in {path}; the same command goes on from there"
    return "nothing was kept; the same command starts again"


def _table(*heads: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if number else "left", no_wrap=True)
    return table


def _trial_table(trials: list[dict[str, Any]]) -> Table:
    """Trials, the best first."""
    table = _table("trial", "batch\n[1]", "learning\nrate [1]", "best\nvalidation", "time\n[s]", "")
    order = sorted(range(len(trials)), key=lambda at: -(_number(trials[at]["value"])))
    for place, at in enumerate(order):
        trial = trials[at]
        value, fate = trial["value"], "given up" if trial["given_up"] else ""
        table.add_row(
            str(at + 1),
            str(trial["batch"]),
            f"{trial['learning_rate']:.2e}",
            "–" if value is None else f"{value:.4f}",
            f"{trial['seconds']:.1f}",
            "chosen" if place == 0 else fate,
        )
    return table


def _number(value: float | None) -> float:
    return float("-inf") if value is None else value


def _result_table(results: list[dict[str, Any]]) -> Table:
    """Rates relative to WMMSE's on the test draws."""
    table = _table("test draws", "users\n[1]", "relative\n± 95% conf.\n[%]", "rounded\n[%]")
    for row in results:
        half = (row["high"] - row["low"]) / 2
        table.add_row(
            f"{row['samples']:,} of {row['scenario']}{_level(row)}",
            str(row["users"]),
            f"{row['relative']:.2f} ± {half:.2f}",
            "–" if row["relative_rounded"] is None else f"{row['relative_rounded']:.2f}",
        )
    return table


def _level(row: Mapping[str, Any]) -> str:
    """Largest power of the draws, where it is judged at several."""
    last = next(iter(row["overrides"][-1:]), "")
    return f", {last}" if last.startswith("radio.p_max_dbm") else ""


def _closing_lines(result: Mapping[str, Any]) -> list[str]:
    """How the training went, and how the weights are used."""
    name, recipe = result["network"], result["recipe"]
    skipped = f", {result['skipped']} skipped" if result["skipped"] else ""
    early = ", stopped early" if result["steps"] < recipe["steps"] else ""
    return [
        f"{result['steps']:,} steps{early} of {recipe['batch']:,} in {result['seconds']:.0f} s, "
        f"best validation at {result['best_step']:,}{skipped}",
        f"controller: {name}:{result['file']}",
    ]
