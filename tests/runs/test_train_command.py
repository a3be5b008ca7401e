"""The command ``train``: what it writes, how it goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slotwise.controllers.cards import read
from slotwise.runs import training
from slotwise.runs.judging import TEST_SEED
from slotwise.runs.order import Order

Command = Callable[..., tuple[int, str, str]]

SMALL = (
    *("train", "mlp", "--scenario", "gaussian-ic", "--links", "3", "--samples", "1000"),
    *("--batch", "100", "--steps", "40", "--size", "hidden=16", "--size", "layers=2"),
    *("--learning-rate", "3e-3", "--recipe", "schedule=cosine", "--test-samples", "200"),
)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def equal(one: str, other: str) -> bool:
    first, second = (read(path, "mlp").tensors for path in (one, other))
    return all(np.array_equal(first[name], second[name]) for name in first | second)


def interrupt_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Press Ctrl-C once so many steps are made."""
    whole = training._teller

    def teller(*arguments: Any) -> Callable[[int, dict[str, float]], None]:
        tell = whole(*arguments)

        def pressing(step: int, figures: dict[str, float]) -> None:
            tell(step, figures)
            if step == steps:
                os.kill(os.getpid(), signal.SIGINT)

        return pressing

    monkeypatch.setattr(training, "_teller", teller)


def test_a_trained_network_is_a_file_that_says_what_it_is(
    slotwise: Command, tmp_path: Path
) -> None:
    code, out, _ = slotwise(*SMALL, "--out", "mlp-three.safetensors")
    assert code == 0
    assert "controller: mlp:mlp-three.safetensors" in out
    assert names(tmp_path) == {"mlp-three.safetensors"}
    card = read("mlp-three.safetensors", "mlp").card
    assert (card.name, card.users, card.scenario, card.steps) == ("three", 3, "gaussian-ic", 40)
    assert card.recipe["schedule"] == "cosine"
    assert (card.sizes["hidden"], card.sizes["layers"]) == (16, 2)
    (result,) = card.results
    assert (result.samples, result.seed, result.users) == (200, TEST_SEED, 3)
    assert 30 < result.low <= result.relative <= result.high < 103
    assert shlex.split(card.command) == [
        *("slotwise", "train", "mlp", "--scenario", "gaussian-ic", "--links", "3"),
        *("--samples", "1000", "--steps", "40", "--batch", "100", "--learning-rate", "0.003"),
        *("--recipe", "schedule=cosine", "--size", "hidden=16", "--size", "layers=2"),
        *("--out", "mlp-three.safetensors"),
    ]


def test_the_card_s_figure_is_what_evaluate_measures(slotwise: Command) -> None:
    slotwise(*SMALL, "--out", "x.safetensors")
    where = ("--scenario", "gaussian-ic", "--links", "3", "--samples", "200")
    asked = ("-c", "wmmse", "-c", "mlp:x.safetensors", "--latency-samples", "1")
    _, out, _ = slotwise("evaluate", *where, *asked, "--seed", str(TEST_SEED), "--json")
    measured = json.loads(out)["controllers"]["mlp:x.safetensors"]["relative"]
    assert 100 * measured == pytest.approx(read("x.safetensors", "mlp").card.results[0].relative)


def test_after_ctrl_c_the_same_command_ends_with_the_same_bits(
    slotwise: Command, tmp_path: Path
) -> None:
    slotwise(*SMALL, "--out", "whole.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 17)
        code, out, err = slotwise(*SMALL, "--out", "cut.safetensors")
    assert (code, out) == (130, "")
    assert "checkpoint in cut.checkpoint.safetensors; the same command goes on from there" in err
    assert not (tmp_path / "cut.safetensors").exists()
    code, _, _ = slotwise(*SMALL, "--out", "cut.safetensors")
    assert code == 0
    assert equal("whole.safetensors", "cut.safetensors")
    assert names(tmp_path) == {"whole.safetensors", "cut.safetensors"}


def test_a_checkpoint_of_other_options_is_refused_and_force_starts_anew(slotwise: Command) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 11)
        slotwise(*SMALL, "--out", "x.safetensors")
    code, _, err = slotwise(*SMALL, "--seed", "5", "--out", "x.safetensors")
    assert code == 2
    assert "x.checkpoint.safetensors: checkpoint of another training" in err
    assert slotwise(*SMALL, "--seed", "5", "--force", "--out", "x.safetensors")[0] == 0


def test_weights_that_exist_are_replaced_by_force_alone(slotwise: Command, tmp_path: Path) -> None:
    place = tmp_path / "x.safetensors"
    place.write_text("precious", "utf-8")
    code, _, err = slotwise(*SMALL, "--out", "x.safetensors")
    assert (code, err) == (2, "slotwise: error: x.safetensors: exists; --force replaces it\n")
    assert place.read_text("utf-8") == "precious"
    assert slotwise(*SMALL, "--out", "x.safetensors", "--force")[0] == 0
    assert read("x.safetensors", "mlp").card.users == 3


def test_a_checkpoint_with_a_place_of_its_own_stays(slotwise: Command, tmp_path: Path) -> None:
    kept = (*SMALL, "--out", "x.safetensors", "--checkpoint", "kept/c.safetensors")
    assert slotwise(*kept)[0] == 0
    before = (tmp_path / "x.safetensors").read_bytes()
    assert slotwise(*kept)[0] == 0  # trained already: judged and written again
    assert names(tmp_path / "kept") == {"c.safetensors"}
    assert (tmp_path / "x.safetensors").read_bytes()[-1000:] == before[-1000:]


def test_trials_choose_batch_size_and_learning_rate(slotwise: Command, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    command = (*SMALL, "--trials", "3", "--out", "x.safetensors")
    code, out, _ = slotwise(*command, "--json")
    assert code == 0
    found = json.loads(out)
    tried = found["trials"]
    assert len(tried) == 3
    best = max(tried, key=lambda trial: trial["value"])
    chosen = found["recipe"]
    assert (chosen["batch"], chosen["learning_rate"]) == (best["batch"], best["learning_rate"])
    assert chosen["steps"] * chosen["batch"] == pytest.approx(40 * 100, rel=0.2)
    assert names(tmp_path) == {"x.safetensors", "x.trials.json"}


def test_curves_are_logged(slotwise: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    assert slotwise(*SMALL, "--out", "x.safetensors", "--logs", "curves")[0] == 0
    assert any(name.startswith("events.out") for name in names(tmp_path / "curves"))


def test_epochs_go_through_the_set_so_many_times() -> None:
    from slotwise.controllers.training.subjects import subject

    order = Order(network="mlp", scenario="gaussian-ic", samples=1200, epochs=2.5, batch=100)
    granted = subject("mlp", order.wish(order.network_drawn()))
    assert (granted.recipe.steps, granted.samples, granted.users) == (30, 1200, 10)


@pytest.mark.parametrize(
    ("network", "asked", "sizes"),
    [
        ("graph", ("--size", "hidden=4", "--batch", "40"), {"hidden": 4}),
        ("unrolled", ("--size", "size=tiny", "--batch", "40"), {"channels": 0}),
    ],
)
def test_networks_of_any_size_are_trained_and_judged_too(
    slotwise: Command,
    monkeypatch: pytest.MonkeyPatch,
    network: str,
    asked: tuple[str, ...],
    sizes: dict[str, int],
) -> None:
    monkeypatch.setattr("slotwise.controllers.training.unrolled._VALIDATION_STEPS", 2)
    monkeypatch.setattr("slotwise.controllers.training.graph._VALIDATION_BATCHES", 2)
    code, _, err = slotwise(
        *("train", network, *asked, "--steps", "1", "--test-samples", "5"),
        *("--out", f"{network}-x.safetensors", "--half"),
    )
    assert code == 0, err
    card = read(f"{network}-x.safetensors", network).card
    assert (card.users, card.scenario) == (None, "randomised")
    assert sizes.items() <= card.sizes.items()
    assert [result.users for result in card.results] == [10, 20, 30, 50, 100]


OUT = ("--out", "x.safetensors")
MLP = ("mlp", "--scenario", "gaussian-ic")
MLP_EE = ("mlp-ee", "--scenario", "wide-cell", "--set")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mlp", *OUT), "scenario: the network mlp needs one"),
        (("mpl", *OUT), "no such command 'mpl' (did you mean 'mlp'?)"),
        ((*MLP,), "missing option '--out'"),
        ((*MLP, "--out", "x.pt"), "x.pt: must end in .safetensors"),
        ((*MLP, "--out", "a,b.safetensors"), "must be without commas"),
        ((*MLP, "--out", "/proc/x.safetensors"), "cannot write /proc"),
        (("mlp", "--scenario", "gaussian", *OUT), "unknown scenario 'gaussian'"),
        ((*MLP, "--steps", "5", "--epochs", "1", *OUT), "epochs: not beside steps"),
        ((*MLP, "--epochs", "0", *OUT), "epochs = 0.0: must be positive"),
        ((*MLP, "--samples", "0", "--epochs", "1", *OUT), "epochs: only where samples is not 0"),
        ((*MLP, "--samples", "10", *OUT), "samples = 10: must be 0 or at least batch"),
        ((*MLP, "--learning-rate", "-1", *OUT), "learning_rate = -1.0: must be positive"),
        ((*MLP, "--size", "hidden=0", *OUT), "size: hidden = 0: must be an integer"),
        ((*MLP, "--size", "depth=2", *OUT), "size: the network mlp has no 'depth'"),
        ((*MLP, "--size", "hidden", *OUT), "size: 'hidden' must be name=value"),
        ((*MLP, "--recipe", "speed=2", *OUT), "recipe: no field 'speed'"),
        ((*MLP, "--recipe", "clip=much", *OUT), "recipe: clip = much: must be float"),
        (("unrolled", "--set", "radio.noise_dbm=1", *OUT), "--set radio.noise_dbm=1: only with a"),
        (("unrolled", "--objective", "both", *OUT), "objective = both: with the network unrolled"),
        (("graph", "--samples", "50", *OUT), "samples = 50: with the network graph it must be 0"),
        (("unrolled", "--pretrain", "reptile", *OUT), "must be randomised, or left out"),
        ((*MLP, "--pretrain", "reptile", *OUT), "with pretrain = reptile the network mlp learns"),
        (("unrolled", "--size", "size=huge", *OUT), "size = huge: must be one of full, tiny"),
        ((*MLP_EE, "objective=sum-rate", *OUT), "objective = sum-rate: the network mlp-ee learns"),
        (
            (*MLP_EE, "objective=weighted-energy-efficiency", *OUT),
            "objective = weighted-energy-efficiency: the network mlp-ee learns the energy eff",
        ),
        ((*MLP_EE, "radio.min_rate=0.5", *OUT), "radio.min_rate = 0.5: the network mlp-ee learns"),
        ((*MLP_EE, "radio.circuit_power_w=0", *OUT), "radio.circuit_power_w = 0.0: with objective"),
        (("unrolled-ee", "--set", "objective=sum-rate", *OUT), "--set objective=sum-rate: only"),
        (
            ("graph", "--scenario", "d2d", "--set", "radio.min_rate=1", *OUT),
            "radio.min_rate = 1.0: the network graph learns the sum rate and no promises",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_mistakes_are_told_in_one_line_and_nothing_is_made(
    slotwise: Command, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = slotwise("train", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not names(tmp_path)
