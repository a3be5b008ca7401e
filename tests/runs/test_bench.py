from __future__ import annotations

import gc
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.wmmse_numpy import wmmse_numpy
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError
from slotwise.runs.bench import compiled_c, growth, measuring, rivals, slots, solvers
from slotwise.runs.bench.baselines import NumpySeat, NumpySlots, wmmse_loop
from slotwise.runs.bench.compiled_c import Missing, compile_c
from slotwise.runs.bench.measuring import GROUPS, Benchmark, measure
from slotwise.runs.bench.plot import draw_growth
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting, rayleigh
from slotwise.runs.bench.slots import Seat, slots_of
from slotwise.runs.bench.table import closing_lines, markdown
from slotwise.runs.bench.timing import Times, interleaved

Array = NDArray[np.float64]
Slotwise = Callable[..., tuple[int, str, str]]

HURRY = Setting(seconds=0.01)


# --- rows and times --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "sense", "reached"),
    [(5.0, "at least", True), (4.9, "at least", False), (5.1, "at most", False)],
)
def test_a_goal_is_reached_on_its_own_side(measured: float, sense: Any, reached: bool) -> None:
    assert Row("group", "what", measured, goal=5.0, sense=sense).reached is reached


def test_a_row_without_a_goal_or_a_figure_is_neither_reached_nor_missed() -> None:
    assert Row("group", "what", 1.0).reached is None
    assert Row("group", "what", float("nan"), goal=1.0).reached is None


def test_a_ratio_is_the_median_of_ratios_within_rounds() -> None:
    """The machine slowed down ninefold in the second round: no ratio knows of it."""
    times = Times({"slow": np.array([4.0, 36.0, 4.0, 8.0]), "fast": np.array([1.0, 9.0, 1.0, 1.0])})
    assert times.ratio("slow", "fast") == (4.0, 4.0, 5.0)
    assert times.ratio("slow", "fast", scale=10.0) == (40.0, 40.0, 50.0)
    assert times.median("slow") == 6.0
    assert times.medians() == {"slow": 6.0, "fast": 1.0}


def test_doings_take_turns_and_the_collector_is_as_before() -> None:
    calls: list[str] = []

    def busy(name: str) -> Callable[[], object]:
        def do() -> None:
            calls.append(name)
            np.ones(400_000).sum()

        return do

    times = interleaved({"a": busy("a"), "b": busy("b")}, 0.0)
    assert len(times.seconds["a"]) == len(times.seconds["b"]) == 5
    turns = [name for name, before in zip(calls, ["", *calls], strict=False) if name != before]
    assert turns == ["a", "b"] * (len(turns) // 2)
    assert (times.seconds["a"] > 0.0).all()
    assert gc.isenabled()


# --- baselines are right ---------------------------------------------------------------------


def test_the_naive_loop_is_wmmse() -> None:
    gain = rayleigh(6, 4, snr_db=5.0)
    np.testing.assert_allclose(
        wmmse_loop(gain, 2.0, 3.0), wmmse_numpy(gain, 2.0, 3.0)[0], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("users", [1, 2, 10, 50])
def test_the_c_implementation_is_wmmse(users: int) -> None:
    try:
        c = compile_c()
    except Missing as missing:
        pytest.skip(str(missing))
    gain = rayleigh(8, users, snr_db=3.0)
    call, power, iterations = c.prepared(gain, 2.0, 3.0)
    assert call() == 0
    expected, count = wmmse_numpy(gain, 2.0, 3.0)
    np.testing.assert_allclose(power, expected, rtol=1e-9, atol=1e-12)
    assert iterations.tolist() == count.tolist()
    again, power, iterations = c.prepared(gain, 2.0, 3.0, max_iterations=2)
    again()
    assert (iterations <= 2).all()
    np.testing.assert_allclose(power, wmmse_numpy(gain, 2.0, 3.0, max_iterations=2)[0])


def test_without_a_compiler_there_is_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(Missing, match="no C compiler: looked for no-such-compiler"):
        compile_c()
    assert isinstance(Setting().c, Missing)


def test_a_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'error: out of ink' >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(Missing, match="broken-cc: error: out of ink"):
        compile_c()


def test_outside_a_checkout_there_is_no_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiled_c, "_SOURCE", tmp_path / "wmmse.c")
    with pytest.raises(Missing, match="checkout"):
        compile_c()


def test_numpy_slots_are_the_radio_arithmetic() -> None:
    many = NumpySlots(3, 5, correlation=0.9)
    power = np.linspace(0.0, 1.0, 15).reshape(3, 5)
    rates = many.step(power)
    expected = sum_rate(many.gain, power, 1.0)
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    np.testing.assert_allclose(many.bits.sum(axis=1), 1e-3 * rates)
    np.testing.assert_allclose(many.energy, 1e-3 * power)


def test_numpy_slots_fade_in_their_stationary_law() -> None:
    many = NumpySlots(400, 5, correlation=0.7)
    before = many.gain.copy()
    for _ in range(3):
        many.step(np.ones((400, 5)))
    assert abs(many.gain.mean() - 1.0) < 0.05
    correlation = np.corrcoef(before.ravel(), many.gain.ravel())[0, 1]
    assert abs(correlation - 0.7**6) < 0.05  # of |h|^2 it is the square, over three slots


def test_a_seat_in_numpy_answers_like_the_one_in_the_emulator() -> None:
    power = np.full(4, 0.5)
    for seat in (NumpySeat(4, 0.9), Seat(4)):
        gain, rate, terminated, truncated, info = seat.step(power)
        assert gain.shape == (4, 4)
        assert (gain > 0).all()
        assert 0 < rate < 40
        assert (terminated, truncated, info) == (False, False, {})
    with pytest.raises(ValueError, match="outside the box"):
        NumpySeat(4, 0.9).step(np.full(4, 1.5))


# --- slots of the emulator ---------------------------------------------------------------------


def test_a_step_rewards_the_sum_rate_of_its_slot() -> None:
    seat = Seat(6, seed=3)
    power = np.linspace(0.0, 1.0, 6)
    for _ in range(5):
        before = np.array(seat.gain)
        after, reward, terminated, truncated, info = seat.step(power)
        np.testing.assert_allclose(reward, sum_rate(before, power, 1.0), rtol=1e-6)
        assert after.shape == (6, 6)
        assert not np.array_equal(after, before)
        assert (terminated, truncated, info) == (False, False, {})


def test_many_networks_step_together() -> None:
    step = slots_of(3, 4)
    for _ in range(3):
        step()


# --- the whole -----------------------------------------------------------------------------------


def test_every_goal_stands_in_a_table_of_its_group() -> None:
    """The goals, stated a second time: who lowers one changes it here too."""
    assert {k: (double, single) for k, (_, double, single) in solvers._BATCHES.items()} == {
        10: ((5.0, 7.5), (10.0, 18.0)),
        30: ((3.5, 4.5), (6.0, 7.0)),
        50: ((4.0, 6.0), (6.0, 8.0)),
        100: ((5.0, 8.0), (8.0, 13.0)),
    }
    assert (solvers._LOOP_GOAL, solvers._LOOP_AIM) == (1000.0, 3000.0)
    assert [goal for _, goal, _ in solvers._DECISIONS.values()] == [2.0, None, 3.0, 3.0]
    assert {key: goal for key, (_, goal) in rivals._RATES.items()} == {
        (0.0, 10): 101.8,
        (0.0, 20): 101.6,
        (0.0, 50): 101.8,
        (20.0, 20): 111.0,
        (20.0, 50): 116.0,
    }
    assert [slots._SINGLE[users][0] for users in (10, 50, 100)] == [3.5, 8.0, 8.0]
    assert [goal for _, (goal, _), _ in slots._BATCHED.values()] == [4.0, 7.0, 7.0]
    assert [share for *_, (share, _) in slots._BATCHED.values()] == [None, 40.0, 40.0]
    assert growth._MEMORY == {(1000, 1): 300.0, (10, 4096): 1000.0}


def test_limits_come_with_units_and_without_goals() -> None:
    found = measure(HURRY, ["limits"])
    assert found.skipped == []
    assert {row.unit for row in found.rows} == {"GFLOP/s", "GB/s", "ns"}
    assert all(row.measured > 0.0 and row.reached is None for row in found.rows)


def test_an_unknown_group_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no such group; there are limits, wmmse"):
        measure(HURRY, ["speed"])


def test_groups_are_reported_as_they_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GROUPS, "limits", lambda _: iter([Row("limits", "one", 1.0)]))
    monkeypatch.setitem(GROUPS, "peers", lambda _: iter([Skipped("peers", "them", "not here")]))
    done: list[int] = []
    found = measure(HURRY, ["limits", "peers", "limits"], done.append)
    assert done == [0, 1, 1, 2]
    assert [row.what for row in found.rows] == ["one"]
    assert [one.why for one in found.skipped] == ["not here"]


def test_rows_against_c_are_skipped_with_a_word_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(solvers, "_DECISIONS", {3: (4, 2.0, None)})
    found = measure(Setting(seconds=0.01), ["decision"])
    assert [one.what for one in found.skipped] == ["one decision, K = 3: C through ctypes"]
    assert found.machine["c"].startswith("no C compiler")
    assert len(found.rows) == 1


def test_peers_that_are_not_installed_are_skipped_with_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slotwise.runs.bench.peers.find_spec", lambda _: None)
    (one,) = measure(Setting(seconds=0.01, peers=True), ["peers"]).skipped
    assert "slotwise[peers]" in one.why
    assert measure(HURRY, ["peers"]).skipped == []


@pytest.mark.parametrize("group", ["decision", "cells", "slots", "batches"])
def test_a_group_measures_something_positive(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers, "_DECISIONS", {3: (4, 2.0, None)})
    monkeypatch.setattr(solvers, "_CELL_SAMPLES", 2)
    monkeypatch.setattr(slots, "_SINGLE", {3: (1.0, 2.0)})
    monkeypatch.setattr(slots, "_BATCHED", {3: (2, (1.0, 2.0), (40.0, 70.0))})
    found = measure(HURRY, [group])
    assert found.rows
    for row in found.rows:
        assert row.measured > 0.0
        assert row.low is None or (row.high is not None and row.low <= row.measured <= row.high)


def test_batches_of_few_users_against_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers, "_BATCHES", {3: (40, (5.0, 7.5), (10.0, 18.0))})
    monkeypatch.setattr(solvers, "_ACCURACY", {3: 2_000})
    found = measure(HURRY, ["wmmse", "accuracy"])
    assert len([row for row in found.rows if "naive loop" in row.what]) == 2
    assert len([row for row in found.rows if "share of peak" in row.what]) == 2
    accuracy = [row for row in found.rows if row.group == "accuracy"]
    assert [(row.goal, row.aim, row.sense) for row in accuracy] == [
        (100.0, 20.0, "at most"),
        (0.5, 0.1, "at most"),
    ]


def test_growth_of_a_square_has_the_exponent_two(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {str(size): np.full(5, 1e-6 * size**2) for size in (10, 100, 1000)}
    monkeypatch.setattr(growth, "interleaved", lambda doings, seconds: Times(sizes))
    row = growth._exponent(HURRY, "users", 2.0, {10: lambda: None})
    assert row.measured == pytest.approx(2.0)
    assert row.reached is True


def test_memory_is_that_of_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_MEMORY", {(3, 2): 1000.0})
    ballast = np.ones(2**26)  # 512 MB here, and not there
    (row,) = growth.memory(HURRY)
    assert isinstance(row, Row)
    assert 20.0 < row.measured < ballast.nbytes * 1e-6
    assert row.sense == "at most"


@pytest.fixture
def benchmark() -> Benchmark:
    machine = dict.fromkeys(("processor", "cores", "python", "numpy", "numba", "c"), "x")
    rows = [
        Row("wmmse", "batch [K]", 4.0, low=3.5, high=4.5, goal=5.0, aim=7.5),
        Row("memory", "much", 250.0, "MB", goal=300.0, sense="at most"),
        Row("growth", "time with users, 1 to 10", 2.0, "exponent", times_s={"1": 0.1, "10": 9.0}),
    ]
    return Benchmark(machine, rows, [Skipped("peers", "them", "not here")])


def test_a_table_says_what_was_missed_and_what_was_left_out(benchmark: Benchmark) -> None:
    lines = markdown(benchmark).splitlines()
    assert lines[2] == "| wmmse | batch [K] | 4.00 × | 3.50 – 4.50 | ≥ 5 | ≥ 7.5 | missed |"
    assert lines[3] == "| memory | much | 250 MB | – | ≤ 300 | – | ✓ |"
    assert closing_lines(benchmark)[:2] == [
        "not measured: peers: them: not here",
        "goals: 1 of 2 reached",
    ]
    assert benchmark.to_dict()["goals"] == {"reached": 1, "missed": 1}


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_growth_is_drawn(benchmark: Benchmark, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"growth{suffix}"
    draw_growth(benchmark.rows, file)
    assert file.read_bytes()[:5] in {b"\x89PNG\r", b"<?xml"}


def test_the_command_prints_a_table(slotwise: Slotwise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(measuring.GROUPS, "limits", lambda _: iter([Row("limits", "[peak]", 7.0)]))
    code, out, err = slotwise("bench", "--only", "limits")
    assert (code, err) == (0, "")
    assert "[peak]" in out
    assert "7.00 ×" in out
    assert "measured on" in out


def test_the_command_prints_markdown(slotwise: Slotwise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(measuring.GROUPS, "limits", lambda _: iter([Row("limits", "peak", 7.0)]))
    code, out, err = slotwise("bench", "--only", "limits", "--markdown")
    assert (code, err) == (0, "")
    assert "| limits | peak | 7.00 × | – | – | – |  |" in out.splitlines()


def test_the_command_prints_one_json_object(
    slotwise: Slotwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("limits", "peak", 7.0, goal=8.0)
    monkeypatch.setitem(measuring.GROUPS, "limits", lambda _: iter([row]))
    code, out, err = slotwise("bench", "--only", "limits", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["goals"] == {"reached": 0, "missed": 1}
    assert told["rows"][0]["measured"] == 7.0
    assert told["rows"][0]["reached"] is False


def test_the_command_refuses_what_it_cannot_do(slotwise: Slotwise, tmp_path: Path) -> None:
    code, _, err = slotwise("bench", "--only", "speed")
    assert code == 2
    assert "no such group" in err
    code, _, err = slotwise("bench", "--only", "limits", "--plot", "growth.txt")
    assert code == 2
    assert "must end in .png or .svg" in err
