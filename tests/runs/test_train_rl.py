"""Policies from beginning to end: lives, training, files, judgement, and what is refused."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from slotwise.controllers.cards import read
from slotwise.controllers.registry import make
from slotwise.controllers.training.draws import Part, seed_of
from slotwise.emulator.clock import Emulator
from slotwise.emulator.encoding import gain_scale, level_fractions
from slotwise.emulator.radio import from_db, sum_rate
from slotwise.emulator.scenario import Scenario, load
from slotwise.envs.options import options_of
from slotwise.runs import training
from slotwise.runs.rl import counterfactual, validation
from slotwise.runs.rl.instants import instants
from slotwise.runs.rl.judging import JUDGED_SEED, judge
from slotwise.runs.rl.kernels.counterfactual import counterfactual_rates
from slotwise.runs.rl.lives import Lives
from slotwise.runs.rl.order import PolicyOrder

Command = Callable[..., tuple[int, str, str]]

WHERE = ("--set", "layout.cells=3", "--set", "population.initial_users=3")
GRAPH = ("train", "rl", *WHERE, "--steps", "12", "--envs", "8", "--test-networks", "20")
PPO = (*GRAPH, "--algorithm", "ppo", "--steps", "512")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(validation, "_NETWORKS", 20)
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
        radio = (lives.sinr_cap, 0.0)
        counterfactual_rates(met.snr, level, number, met.mask > 0, radio, rates)
        chosen = np.take_along_axis(rates, number[:, 0, :, None], -1)[..., 0]
        carried = lives.answer(number[:, 0])
        assert chosen == pytest.approx(np.tile(carried[:, None], 3))


def test_efficient_powers_are_worth_most_where_joules_count() -> None:
    lived = town("objective=energy-efficiency", "radio.p_max_dbm=40")
    met = instants(lived, 3, 30, 2)
    watts = np.full(met.present.shape, 0.5) * 10.0
    rates = met.sum_rates(watts / 10.0)
    consumed = (4.0 * watts + 1.0).sum(-1)
    np.testing.assert_allclose(met.merits(watts / 10.0), rates / consumed)
    lines = {line["who"]: line for line in judge(lived, networks=30, slots=2)}
    assert list(lines)[2] == "fractional"
    assert lines["fractional"]["relative"] == 100.0
    assert lines["fractional"]["solver"] == "fractional"
    full = lines["max"]
    assert full["relative"] is not None
    assert full["relative"] < 90.0


@pytest.mark.parametrize(
    "words",
    [
        ("train", "rl", "--out", "p.safetensors"),
        ("train", "rl", "--algorithm", "ppo", "--out", "p.safetensors"),
        ("study", "rl"),
    ],
)
def test_promised_rates_are_refused_with_what_learns_them(
    slotwise: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, out, err = slotwise(*words, "--set", "radio.min_rate=0.5")
    assert (code, out) == (2, "")
    assert err.startswith("slotwise: error: nasir-guo: radio.min_rate = 0.5: ")
    assert "train mlp --objective unsupervised" in err
    assert "shortfall_price" in err
    assert err.count("\n") == 1
    assert not names(tmp_path)


def test_a_weighted_objective_is_refused_with_the_option_that_learns_it(slotwise: Command) -> None:
    aim = ("--objective", "weighted-energy-efficiency")
    code, _, err = slotwise(*GRAPH, *aim, "--out", "p.safetensors")
    assert code == 2
    assert "say --algorithm ppo" in err


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


@pytest.mark.parametrize(
    ("override", "imitation"),
    [
        ("csi.delay_s=0", 1.0),
        ("csi.delay_s=0.02", 0.0),
        ("csi.error_nmse_db=-10", 0.0),
        ("csi.quantisation_bits=4", 0.0),
    ],
)
def test_only_who_is_told_the_true_gains_imitates(override: str, imitation: float) -> None:
    recipe = counterfactual.recipe_for(3, 10, 4)
    task = counterfactual.CounterfactualTask(town(override), recipe)
    assert task.identity["exploration"]["imitation"] == imitation


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3"])
def test_agents_of_stable_baselines3_decide_in_the_seat_as_they_did(algorithm: str) -> None:
    pytest.importorskip("stable_baselines3")
    from slotwise.controllers.policies import FlatPolicy
    from slotwise.controllers.rl import sizes_of as read_sizes
    from slotwise.runs.rl.stable_baselines import agent_of, answered, plain_tensors, sizes_of

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


def test_after_ctrl_c_in_the_last_update_the_same_command_is_done(
    slotwise: Command, tmp_path: Path
) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    update, words = sb3.PPO.train, (*PPO, "--steps", "128", "--out", "ppo.safetensors")

    def pressing(agent: Any) -> None:
        update(agent)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sb3.PPO, "train", pressing)
        assert slotwise(*words)[0] == 130
    assert names(tmp_path) == {"ppo.checkpoint.safetensors"}
    code, out, err = slotwise(*words, "--json")
    assert code == 0, err
    figures = json.loads(out)["figures"]
    assert figures["best_step"] == 128
    assert 0.0 < figures["best"] < 2.0
    assert names(tmp_path) == {"ppo.safetensors"}


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3"])
def test_a_checkpoint_keeps_weights_moments_steps_and_the_best(
    algorithm: Any, tmp_path: Path
) -> None:
    pytest.importorskip("stable_baselines3")
    from slotwise.runs.rl.flat import _Run
    from slotwise.runs.rl.stable_baselines import agent_of

    order = PolicyOrder(scenario="nasir-guo", algorithm=algorithm, networks=2, seed=5)
    runs = []
    for _ in range(2):
        agent, hyper = agent_of(order, town(), None)
        agent.learning_starts, agent.gradient_steps = 0, 1  # type: ignore[attr-defined]
        runs.append(_Run(order, town(), agent, hyper, tmp_path / "x.safetensors"))
    saved, restored = runs
    saved._agent.learn(32)
    relative = saved.validated()
    with torch.no_grad():  # the best is not the last
        for parameter in saved._agent.policy.parameters():
            parameter.add_(1.0)
    saved.save()
    restored.restore()
    assert restored._agent.num_timesteps == 32
    assert cast("Any", restored._agent.env)._seeds[0] == seed_of(5, Part.TRAINING, 32)
    assert restored._agent._n_updates == saved._agent._n_updates > 0
    assert (restored.best.relative, restored.best.step) == (relative, 32)
    weights = saved._agent.policy.state_dict()
    assert_same(restored._agent.policy.state_dict(), weights)
    assert_same(restored.best.tensors, saved.best.tensors)
    assert not any(torch.equal(best, best + 1.0) for best in restored.best.tensors.values())
    ours, theirs = restored._optimisers(), saved._optimisers()
    assert ours.keys() == theirs.keys()
    for name, optimiser in theirs.items():
        moments = optimiser.state_dict()["state"]
        assert moments
        found = ours[name].state_dict()["state"]
        assert found.keys() == moments.keys()
        for number, one in moments.items():
            assert any(moment.any() for moment in one.values())
            assert_same(found[number], one)
    if algorithm == "sac":
        entropy = saved._agent.log_ent_coef  # type: ignore[attr-defined]
        assert torch.equal(restored._agent.log_ent_coef, entropy)  # type: ignore[attr-defined]


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_agents_live_in_no_network_that_they_are_judged_in_and_in_others_for_another_seed() -> None:
    pytest.importorskip("stable_baselines3")
    from slotwise.runs.rl.stable_baselines import agent_of, seeded

    scenario = town()
    judged = instants(scenario, JUDGED_SEED, 4, 1).reported
    codes = gain_scale(scenario).encode(judged).reshape(4, -1)
    begun = []
    for seed, step in ((JUDGED_SEED, 0), (JUDGED_SEED, 64), (0, 64)):
        order = PolicyOrder(scenario="nasir-guo", algorithm="ppo", networks=4, seed=seed)
        agent, _ = agent_of(order, scenario, None)
        if step:
            seeded(agent, seed, step)
        env: Any = agent.env
        begun.append(env.reset()[:, :9])
    every = np.concatenate([codes, *begun])
    assert len(np.unique(every, axis=0)) == len(every) == 16


def test_ppo_trains_the_graph_policy_too(slotwise: Command) -> None:
    pytest.importorskip("stable_baselines3")
    code, _, err = slotwise(*PPO, "--policy", "graph", "--steps", "128", "--out", "g.safetensors")
    assert code == 0, err
    assert read("g.safetensors", "rl").card.sizes["policy"] == "graph"


TRUE_GAINS = tuple(f"{who}, true gains" for who in ("wmmse", "wmmse:starts=8", "ascent"))
AS_REPORTED = ("wmmse, as reported", "ascent, as reported")


@pytest.mark.parametrize(
    ("overrides", "who"),
    [
        ((), ("wmmse", "wmmse:starts=8", "ascent")),
        (
            ("csi.delay_s=0.02",),
            (*TRUE_GAINS, *AS_REPORTED, "wmmse, mean gains", "ascent, mean gains"),
        ),
        (("csi.error_nmse_db=-5",), (*TRUE_GAINS, *AS_REPORTED)),
        (("csi.quantisation_bits=3",), (*TRUE_GAINS, *AS_REPORTED)),
    ],
)
def test_a_judgement_says_of_every_reference_which_gains_it_answers(
    overrides: tuple[str, ...], who: tuple[str, ...]
) -> None:
    lines = {line["who"]: line for line in judge(town(*overrides), networks=30, slots=2)}
    assert tuple(lines) == ("max", "random", *who)
    wmmse, _, ascent = who[:3]
    assert lines[wmmse]["relative"] == 100.0
    assert lines[ascent]["sum_rate"] > lines[wmmse]["sum_rate"]
    if overrides:
        for name in ("wmmse", "ascent"):
            reported, true = (lines[f"{name}, {what}"] for what in ("as reported", "true gains"))
            assert reported["sum_rate"] < true["sum_rate"]
            assert reported["sum_rate"] > lines["random"]["sum_rate"]


def test_networks_that_come_and_go_are_judged_by_who_is_there() -> None:
    changing = (
        *("population.initial_users=1", "population.max_users=3"),
        *("population.arrivals_per_s=2.0", "population.lifetime.kind=exponential"),
        "population.lifetime.mean_s=2.0",
    )
    scenario = load("nasir-guo", ["layout.cells=3", *changing])
    lines = {line["who"]: line for line in judge(scenario, networks=8, slots=2)}
    assert scenario.radio.sinr_cap_db is not None
    cap, met = from_db(scenario.radio.sinr_cap_db), set()
    rates: dict[str, list[float]] = {"max": [], "wmmse": []}
    for number in range(8):
        emulator = Emulator(scenario, JUDGED_SEED, networks=[number])
        for slot in range(505):
            report = emulator.advance()
            assert report is not None
            if slot in (500, 504):
                seen = report.observation()
                met.add(len(seen.user_id))
                for name, one in rates.items():
                    power = make(name).allocate(seen.gain, seen.noise_power, seen.p_max)
                    one.append(float(sum_rate(seen.gain, power, seen.noise_power, sinr_cap=cap)))
            emulator.grant(np.zeros(emulator.network.power.shape))
    assert len(met) > 1
    for name, one in rates.items():
        assert lines[name]["sum_rate"] == pytest.approx(np.mean(one))


def test_networks_of_nobody_leave_no_figure_on_the_card(slotwise: Command) -> None:
    nobody = (
        *("population.initial_users=0", "population.max_users=2"),
        *("population.arrivals_per_s=1e-9", "population.lifetime.kind=exponential"),
        "population.lifetime.mean_s=1.0",
    )
    words = [word for field in nobody for word in ("--set", field)]
    code, _, err = slotwise(*GRAPH, *words, "--steps", "2", "--out", "p.safetensors")
    assert code == 0, err
    assert read("p.safetensors", "rl").card.results == []


def test_zipped_agents_are_judged_if_they_are_trusted_and_told_gains_alone(
    slotwise: Command, tmp_path: Path
) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    from slotwise.envs.sb3 import StableVecEnv

    scenario, agents = town(), {}
    for name in ("gains", "flat"):
        env = StableVecEnv(scenario, 2, gains_only=name == "gains")
        agents[name] = sb3.PPO("MlpPolicy", env, n_steps=2, batch_size=4, seed=3, device="cpu")
        agents[name].save(tmp_path / f"{name}.zip")
    met = instants(scenario, JUDGED_SEED, 10, 2)
    told = gain_scale(scenario).encode(met.reported).reshape(20, 9)
    told = np.concatenate([told, np.ones((20, 6), np.float32)], axis=1)
    level = level_fractions(10)[agents["gains"].predict(told, deterministic=True)[0]]
    expected = met.sum_rates(level).mean()
    words = ("study", "rl", *WHERE, "--networks", "10", "--slots", "2", "--json", "--policy")
    code, out, err = slotwise(*words, "gains.zip", "--trust")
    assert code == 0, err
    assert json.loads(out)["lines"][-1]["sum_rate"] == pytest.approx(expected)
    assert "give trust=true (or --trust)" in slotwise(*words, "gains.zip")[2]
    code, out, err = slotwise(*words, "flat.zip", "--trust")
    assert (code, out) == (2, "")
    assert "judge it with slotwise compare" in err.splitlines()[-1]


OUT = ("--out", "x.safetensors")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "flat", *OUT), "policy = flat: algorithm = counterfactual trains graph"),
        (("--algorithm", "sac", "--policy", "graph", *OUT), "algorithm = sac trains flat"),
        (("--scenario", "nasir", *OUT), "nasir"),
        (("--test-networks", "1", *OUT), "test_networks = 1: must be 0 or at least 2"),
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
