"""The study of energy efficiency: what it calls best is best, and it writes what it measures."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slotwise.controllers.fractional import fractional
from slotwise.emulator.scenario import load
from slotwise.runs.studies.energy import promises, study, times
from slotwise.runs.studies.energy.found import Found
from slotwise.runs.studies.energy.goals import goals_document
from slotwise.runs.studies.energy.measuring import best_known, certificates, decided, single_starts
from slotwise.runs.studies.energy.setting import (
    AMOUNTS,
    LEVELS_DBW,
    MBIT,
    PLACES,
    Draws,
    Place,
    controllers,
    drawn,
    draws_seed,
)

Command = Callable[..., tuple[int, str, str]]

SOLVERS = ("fractional", "fractional:starts=1", "max", "wmmse")


@pytest.fixture(scope="module")
def swept() -> Draws:
    return drawn(PLACES["4×16"], "sweep", 20, 3)


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = {"S1": 6, "4×16": 4, "10×8": 1}
    amount = replace(
        AMOUNTS["minutes"],
        samples=6,
        large_samples=2,
        swept=few,
        certified=few,
        nodes=1000,
        promised=6,
        rounds=2,
    )
    monkeypatch.setitem(AMOUNTS, "minutes", amount)
    monkeypatch.setattr(study, "controllers", _solvers)
    monkeypatch.setattr(times, "_BATCH_GAINS", 100)
    monkeypatch.chdir(tmp_path)


def _solvers(place: Place) -> tuple[str, ...]:
    return (*SOLVERS[:2], *filter(None, [place.network]), *SOLVERS[2:])


def test_the_bandwidth_of_every_place_is_the_one_of_mbit() -> None:
    for place in PLACES.values():
        assert load(place.scenario, place.overrides).radio.bandwidth_hz * 1e-6 == MBIT


def test_every_place_has_networks_and_draws_of_its_own() -> None:
    for place in PLACES.values():
        assert {"fractional", "unrolled-ee", "max", "wmmse"} <= set(controllers(place))
    seeds = [
        draws_seed(place, sample, seed)
        for place, sample, seed in itertools.product(PLACES.values(), ("sweep", "uniform"), (0, 1))
    ]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 1_000_000  # nobody trains on such a seed


def test_largest_powers_of_draws_fill_the_range_evenly() -> None:
    level = 10.0 * np.log10(drawn(PLACES["S1"], "uniform", 100, 0).limit)
    assert level.shape == (1, 100)
    counts, _ = np.histogram(level, bins=10, range=(LEVELS_DBW[0], LEVELS_DBW[-1]))
    assert (counts == 10).all()


def test_the_best_known_never_falls_with_the_largest_power(swept: Draws) -> None:
    best = np.array(best_known(swept, 0)["value"])
    assert best.shape == (len(LEVELS_DBW), 20)
    assert (np.diff(best, axis=0) >= -1e-8 * best[1:]).all()
    for spec in SOLVERS:
        assert (np.array(decided(spec, swept)["value"]) <= best * (1.0 + 1e-6)).all()


def test_the_best_known_is_that_of_a_grid() -> None:
    few = replace(PLACES["4×16"], users=2)
    draws = drawn(few, "uniform", 4, 1)
    best = np.array(best_known(draws, 0)["value"])[0]
    share = np.concatenate([[0.0], np.geomspace(1e-5, 1.0, 250)])
    for number, limit in enumerate(draws.limit[0]):
        first, second = np.meshgrid(share * limit, share * limit)
        power = np.stack([first.ravel(), second.ravel()], axis=-1)
        value = draws.objective.value(draws.gain[number], power, draws.noise_power)
        assert best[number] >= np.max(value) * (1.0 - 1e-9)
        assert best[number] == pytest.approx(np.max(value), rel=5e-3)


def test_certificates_bound_the_best_known(swept: Draws) -> None:
    proof = certificates(swept, 10, 100_000)
    best = np.array(best_known(swept, 0)["value"])[:, :10]
    assert np.all(proof["closed"])
    assert (np.array(proof["bound"]) >= best * (1.0 - 1e-8)).all()
    found = Found({}, best, proof)
    proved = found.proved()
    assert proved is not None
    assert (proved["closed"], proved["samples"]) == (1.0, 10)
    assert proved["largest_gap"] <= 1.001e-3
    assert (found.best >= best).all()


def test_single_starts_are_climbs_from_them() -> None:
    draws = drawn(PLACES["10×8"], "uniform", 5, 2)
    found = single_starts(draws)
    p_max = draws.p_max(0)
    power, _ = fractional(draws.gain, draws.noise_power, p_max, start=p_max)
    np.testing.assert_allclose(found["full power"]["value"][0], draws.value(power), rtol=1e-8)
    assert len(found) == 4


def test_who_does_not_serve_an_objective_says_so() -> None:
    draws = drawn(PLACES["10×8"], "uniform", 2, 0, "weighted-energy-efficiency")
    assert decided("mlp-ee:wide-cell-8", draws) == {"value": None}
    assert decided("fractional", draws)["value"] is not None


def test_promises_are_kept_where_that_is_feasible_and_seen_where_not() -> None:
    done: list[int] = []
    found = promises.promises(PLACES["S1"], ["fractional"], 40, 0, done.append)
    rows = found["rows"]
    assert done == list(range(1, 9))
    assert {row["broken"] for row in rows} == {0}
    assert all(row["infeasible"] + row["feasible"] == 40 for row in rows)
    assert any(row["infeasible"] for row in rows)
    served = [row for row in rows if row["controller"] == "fractional"]
    assert all(row["value"] <= row["free_value"] * (1.0 + 1e-9) for row in served)


def test_a_broken_promise_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "_answer", lambda _, draws: 0.0 * draws.p_max(0))
    rows = promises.promises(PLACES["S1"], ["nobody"], 10, 0, lambda _: None)["rows"]
    idle = [row for row in rows if row["controller"] == "nobody"]
    assert all(row["broken"] == row["feasible"] for row in idle)
    assert idle[0]["shortfall"] == pytest.approx(0.5)


def test_goals_say_what_is_missed() -> None:
    names = {spec for place in PLACES.values() for spec in controllers(place)}
    values = {spec: np.full((1, 4), 0.9) for spec in names}
    proof = {"value": np.ones((1, 4)), "bound": np.ones((1, 4)), "closed": np.ones((1, 4), bool)}
    one = Found(values, np.ones((1, 4)), proof)
    level = np.ones((len(LEVELS_DBW), 4))
    swept = Found({"max": 0.01 * level, "wmmse": 0.38 * level}, level, None)
    rows = goals_document(dict.fromkeys(PLACES, one), swept, [], []).rows
    state = {row["what"]: row["state"] for row in rows}
    assert state["`unrolled-ee` of the best known, S1 [%]"] == "missed"
    assert state["`mlp-ee:wide-cell-8` of the best known, 10×8 [%]"] == "reached"
    assert state["`fractional` of the certified optimum, 4×16 [%]"] == "missed"
    assert state["S1: WMMSE's sum-rate powers at 0 dBW, of the optimum [%], to 2%"] == "reached"
    assert state["S1: the optimum at 0 dBW [Mbit/J], to 2%"] == "−75.3%"


@pytest.mark.usefixtures("_tiny")
def test_the_study_is_measured_written_and_gone_on_with(slotwise: Command, tmp_path: Path) -> None:
    code, out, err = slotwise("study", "zappone2019-energy", "--tables", "fig3,shares,weighted")
    assert (code, err) == (0, "")
    assert "per cent of the best known" in out
    place = tmp_path / "zappone2019-energy-minutes"
    written = {path.name for path in place.iterdir()}
    assert {"README.md", "figure-3.svg", "figure-3-relative.png", "table-shares.csv"} <= written
    before = {path: path.stat().st_mtime_ns for path in (place / "units").rglob("*.json")}
    code, out, _ = slotwise(
        "study", "zappone2019-energy", "--tables", "goals,times,promises", "--json"
    )
    assert code == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    parts = json.loads(out)["parts"]
    assert {row["place"] for row in parts["shares"]["rows"]} == set(PLACES)
    states = {row["what"]: row["state"] for row in parts["goals"]["rows"]}
    assert states["`unrolled-ee` of the best known, S1 [%]"] == "not measured"
    assert any("broken" in what for what in states)
    promised = parts["promises"]["rows"]
    assert {"min_rate_bit_per_s_per_hz", "bit_per_j_per_hz_without"} <= promised[0].keys()
    rows = parts["times"]["rows"]
    assert all(row["latency_p50_s"] > 0.0 and row["batch_s"] > 0.0 for row in rows)
    assert {row["latency_ratio"] for row in rows if row["controller"] == "wmmse"} == {1.0}


def test_networks_that_are_missing_are_missed_at_once(
    slotwise: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "controllers", lambda _: ("mlp-ee:nobody",))
    monkeypatch.chdir(tmp_path)
    code, out, err = slotwise("study", "zappone2019-energy")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "mlp-ee:nobody" in err
    assert not any(tmp_path.iterdir())
