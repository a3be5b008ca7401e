"""Policies from beginning to end: lives, training, files, judgement, and what is refused."""

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
from slotwise.controllers.registry import make
from slotwise.emulator.encoding import level_fractions
from slotwise.emulator.scenario import Scenario, load
from slotwise.envs.kernels.counterfactual import counterfactual_rates
from slotwise.envs.options import options_of
from slotwise.runs import training
from slotwise.runs.rl import counterfactual
from slotwise.runs.rl.instants import instants
from slotwise.runs.rl.judging import JUDGED_SEED, judge
from slotwise.runs.rl.lives import Lives
from slotwise.runs.rl.order import PolicyOrder

Command = Callable[..., tuple[int, str, str]]

WHERE = ("--set", "layout.cells=3", "--set", "population.initial_users=3")
GRAPH = ("train", "rl", *WHERE, "--steps", "12", "--envs", "8", "--test-networks", "20")
PPO = (*GRAPH, "--algorithm", "ppo", "--steps", "512")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(counterfactual, "_VALIDATED_ON", 20)
    torch.set_num_threads(1)


def town(*overrides: str) -> Scenario:
    return load("nasir-guo", ["layout.cells=3", "population.initial_users=3", *overrides])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def interrupt_after(monkeypatch: pytest.MonkeyPatch, module: Any, steps: int) -> None:
    """Press Ctrl-C once so many steps are made."""
    whole = module._teller

    def teller(*arguments: Any) -> Callable[..., None]:
        tell = whole(*arguments)
        pressed = False

        def pressing(step: int, *figures: Any) -> None:
            nonlocal pressed
            tell(step, *figures)
            if step >= steps and not pressed:
                pressed = True
                os.kill(os.getpid(), signal.SIGINT)

        return pressing

    monkeypatch.setattr(module, "_teller", teller)


@pytest.mark.parametrize("overrides", [(), ("csi.delay_s=0.02",), ("radio.sinr_cap_db=none",)])
def test_what_a_step_is_worth_is_what_its_slot_then_carries(overrides: tuple[str, ...]) -> None:
    lives = Lives(options_of(town(*overrides)), 6, 2, 5, 1)
    rng, level = np.random.default_rng(0), level_fractions(10)
    for step in range(8):  # over the end of a life
        met = lives.meet(step)
        number = rng.integers(10, size=(6, 1, 3))
        rates = np.empty((6, 3, 10))
        counterfactual_rates(met.snr, level, number, met.mask > 0, lives.sinr_cap, rates)
        chosen = np.take_along_axis(rates, number[:, 0, :, None], -1)[..., 0]
        carried = lives.answer(number[:, 0])
        assert chosen == pytest.approx(np.tile(carried[:, None], 3))


def test_what_a_step_meets_is_a_function_of_its_number() -> None:
    options = options_of(town("csi.delay_s=0.02"))
    one, other = Lives(options, 4, 2, 6, 3), Lives(options, 4, 2, 6, 3)
    for step in range(8):
        one.meet(step)
        one.answer(np.full((4, 3), step))
    for met, again in zip(one.meet(8), other.meet(8), strict=True):
        assert np.array_equal(np.asarray(met), np.asarray(again))


def test_a_trained_policy_is_a_file_that_says_what_it_is_and_sits_in_the_seat(
    slotwise: Command, tmp_path: Path
) -> None:
    code, out, err = slotwise(*GRAPH, "--out", "p.safetensors")
    assert code == 0, err
    assert "controller: rl:p.safetensors" in out
    assert names(tmp_path) == {"p.safetensors"}
    card = read("p.safetensors", "rl").card
    assert (card.users, card.scenario, card.steps, card.samples) == (None, "nasir-guo", 12, 96)
    assert card.recipe["algorithm"] == "counterfactual"
    assert shlex.split(card.command) == [
        *("slotwise", "train", "rl", "--scenario", "nasir-guo", *WHERE),
        *("--algorithm", "counterfactual", "--policy", "graph", "--steps", "12"),
        *("--envs", "8", "--out", "p.safetensors"),
    ]
    (result,) = card.results
    assert (result.samples, result.seed, result.users) == (20, JUDGED_SEED, 3)
    lines = judge(town(), ["rl:p.safetensors"], networks=20)
    assert lines[-1]["relative"] == result.relative
    code, out, _ = slotwise("study", "rl", *WHERE, "--policy", "p.safetensors", "--networks", "20")
    assert f"{result.relative:.1f}" in out


def test_after_ctrl_c_the_same_command_ends_with_the_same_bits(
    slotwise: Command, tmp_path: Path
) -> None:
    slotwise(*GRAPH, "--out", "whole.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, training, 7)
        code, _, err = slotwise(*GRAPH, "--out", "cut.safetensors")
    assert code == 130
    assert "checkpoint in cut.checkpoint.safetensors; the same command goes on from there" in err
    assert slotwise(*GRAPH, "--out", "cut.safetensors")[0] == 0
    one, other = (read(f"{name}.safetensors", "rl").tensors for name in ("whole", "cut"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert names(tmp_path) == {"whole.safetensors", "cut.safetensors"}


def test_a_few_seconds_of_training_beat_full_power() -> None:
    recipe = counterfactual.recipe_for(3, 100, 32)
    task = counterfactual.CounterfactualTask(town(), recipe)
    before = task.validate()["relative"]
    from slotwise.controllers.training.loop import fit

    assert fit(task, recipe).best > before + 0.05


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3"])
def test_agents_of_stable_baselines3_decide_in_the_seat_as_they_did(algorithm: str) -> None:
    pytest.importorskip("stable_baselines3")
    from slotwise.controllers.policies import FlatPolicy
    from slotwise.controllers.rl import sizes_of as read_sizes
    from slotwise.runs.rl.agents import agent_of, answered, plain_tensors, sizes_of

    scenario = town()
    order = PolicyOrder(scenario="nasir-guo", algorithm=algorithm, networks=2)  # type: ignore[arg-type]
    agent, _ = agent_of(order, scenario, None)
    met = instants(scenario, 3, 30, 1)
    sizes: Any = sizes_of(agent, order, scenario)
    card: Any = type("Card", (), {"sizes": sizes})
    tensors = {name: tensor.numpy() for name, tensor in plain_tensors(agent).items()}
    seated = FlatPolicy(read_sizes(card), tensors, "here")  # type: ignore[arg-type]
    found = seated.allocate(met.reported, 1.0, 1.0, None)
    assert found == pytest.approx(answered(agent, met, order, scenario), abs=1e-5)


def test_ppo_is_trained_interrupted_gone_on_with_and_judged(
    slotwise: Command, tmp_path: Path
) -> None:
    pytest.importorskip("stable_baselines3")
    from slotwise.runs.rl import flat

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat, "_VALIDATED_ON", 20)
        interrupt_after(patch, flat, 200)
        code, _, err = slotwise(*PPO, "--out", "ppo.safetensors")
        assert (code, names(tmp_path)) == (130, {"ppo.checkpoint.safetensors"}), err
    code, out, err = slotwise(*PPO, "--out", "ppo.safetensors", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["algorithm"], found["policy"], found["lines"][2]["who"]) == (
        "ppo",
        "flat",
        "wmmse",
    )
    assert found["steps"] >= 512
    card = read("ppo.safetensors", "rl").card
    assert (card.users, card.sizes["rows"], card.recipe["gamma"]) == (3, 3, 0.0)
    assert make("rl:ppo.safetensors").allocate(np.ones((2, 3, 3)), 1.0, 1.0).shape == (2, 3)


def test_ppo_trains_the_graph_policy_too(slotwise: Command) -> None:
    pytest.importorskip("stable_baselines3")
    code, _, err = slotwise(*PPO, "--policy", "graph", "--steps", "128", "--out", "g.safetensors")
    assert code == 0, err
    assert read("g.safetensors", "rl").card.sizes["policy"] == "graph"


def test_a_judgement_has_all_references_and_wmmse_is_what_it_is_relative_to() -> None:
    lines = {line["who"]: line for line in judge(town("csi.delay_s=0.02"), networks=30, slots=2)}
    assert list(lines) == [
        *("max", "random", "wmmse", "wmmse, late", "wmmse:starts=8", "ascent"),
        *("wmmse, mean gains", "ascent, mean gains"),
    ]
    assert lines["wmmse"]["relative"] == 100.0
    assert lines["wmmse, late"]["sum_rate"] < lines["wmmse"]["sum_rate"]
    assert lines["ascent"]["sum_rate"] > lines["wmmse"]["sum_rate"]
    assert "wmmse, late" not in {line["who"] for line in judge(town(), networks=5, slots=1)}


def test_networks_that_come_and_go_are_judged_by_who_is_there() -> None:
    changing = (
        *("population.initial_users=1", "population.max_users=3"),
        *("population.arrivals_per_s=2.0", "population.lifetime.kind=exponential"),
        "population.lifetime.mean_s=2.0",
    )
    lines = judge(load("nasir-guo", ["layout.cells=3", *changing]), networks=8, slots=2)
    assert all(np.isfinite(line["sum_rate"]) for line in lines)


OUT = ("--out", "x.safetensors")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "flat", *OUT), "policy = flat: algorithm = counterfactual trains graph"),
        (("--algorithm", "sac", "--policy", "graph", *OUT), "algorithm = sac trains flat"),
        (("--scenario", "nasir", *OUT), "nasir"),
        (("--out", "x.zip"), "x.zip: must end in .safetensors"),
        (("--out", "a,b.safetensors"), "must be without commas"),
        (
            ("--set", "timing.mode=fixed", "--set", "timing.latency_s=0.001", *OUT),
            "a decision must hold for one whole slot to be learned from",
        ),
        (("--scenario", "auckland", *OUT), "timing.mode = measured: must be ideal"),
        (("--set", "csi.delay_s=0.03", *OUT), "csi.delay_s = 0.03: must be a multiple of"),
        (("--set", "csi.period_s=0.04", *OUT), "csi.period_s = 0.04: must be timing.slot_s"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    slotwise: Command, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = slotwise("train", "rl", "--steps", "1", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("slotwise: error: ")
    assert err.count("\n") == 1
    assert said in err
    assert names(tmp_path) == set()
