"""The study of late reports: its draws have the law they claim, and it writes what it measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import j0

from slotwise.controllers.cards import read, write
from slotwise.emulator.radio import sum_rate
from slotwise.runs.studies import late as study
from slotwise.runs.studies.late_draws import Case, rates, report, true_gains

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The network for known gains as one that gives nothing on what is unknown."""
    found = read("unrolled", "unrolled")
    tensors = {
        name: np.insert(tensor, [8, 8], 0.0, axis=1)
        if name.endswith(("message.weight", "inner.weight"))
        else tensor
        for name, tensor in found.tensors.items()
    }
    path = tmp_path / "indifferent.safetensors"
    sizes = found.card.sizes | {"late": 2}
    write(path, found.card.model_copy(update={"sizes": sizes}), tensors)
    return path


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = {"minutes": 3}
    monkeypatch.setattr(study, "_DRAWS", few)
    monkeypatch.setattr(study, "_SLOTS", few)
    monkeypatch.setattr(study, "GROUPS", 2)
    monkeypatch.setattr(study, "_CEILING_DRAWS", 4)
    monkeypatch.setattr(study, "_TRUE_DRAWS", 8)
    monkeypatch.chdir(tmp_path)


def test_a_report_and_what_is_believed_have_the_law_of_the_fading() -> None:
    case = Case("one", 8, 0.7, 10.0, 0.2)
    told = report(case, 2000, 0, 1)
    assert told.gain.mean() == pytest.approx(10.0 * 1.2, rel=0.02)
    gain = true_gains(told.belief, np.random.default_rng(0))
    assert gain.mean() == pytest.approx(10.0, rel=0.02)
    # Reported and true gains of one Rayleigh link correlate by rho^2 over 1 + e.
    both = np.corrcoef(told.gain.ravel(), gain.ravel())[0, 1]
    assert both == pytest.approx(0.7**2 / 1.2, abs=0.02)


def test_eight_reports_tell_more_than_one() -> None:
    one = Case("one", 8, 0.99, 0.0, 0.1)
    many = replace(one, reports=8)
    single, filtered = (report(case, 500, 0, 1).belief for case in (one, many))
    assert filtered.unknown.max() < 0.6 * single.unknown.min()
    for belief in (single, filtered):
        assert belief.expected.mean() == pytest.approx(1.0, rel=0.03)
        assert true_gains(belief, np.random.default_rng(0)).mean() == pytest.approx(1.0, rel=0.03)


def test_users_of_one_station_have_one_channel() -> None:
    told = report(Case("cells", 12, 0.9, scenario="urban"), 5, 0, 0)
    same = (told.gain[:, :, None] == told.gain[:, None]).all(-1).sum(-1)
    assert same.max() > 1
    assert same.min() >= 1
    true = true_gains(told.belief, np.random.default_rng(0))
    np.testing.assert_array_equal((true[:, :, None] == true[:, None]).all(-1).sum(-1), same)


def test_rates_are_those_of_every_answer() -> None:
    rng = np.random.default_rng(0)
    gain, fraction = rng.exponential(size=(5, 4, 4)), rng.random((3, 5, 4))
    expected = [[sum_rate(g, p, 1.0) for g, p in zip(gain, one, strict=True)] for one in fraction]
    np.testing.assert_allclose(rates(gain, fraction), expected)


def test_the_slot_of_20_ms_at_10_hz_is_the_goals_correlation() -> None:
    assert study.CASES[0].rho == pytest.approx(j0(2 * np.pi * 0.2))
    assert study.CASES[0].rho == pytest.approx(0.64, abs=0.005)


@pytest.mark.usefixtures("_tiny")
def test_the_study_is_measured_and_written(
    slotwise: Command, weights: Path, tmp_path: Path
) -> None:
    command = ("study", "late", "--weights", weights, "--out", "out")
    code, out, err = slotwise(*command)
    assert (code, err) == (0, "")
    assert "Goals" in out
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"README.md", "figure-1.svg", "table-1.csv", "table-2.csv", "study.json"} <= written
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "units").rglob("*.json")
    }
    code, out, _ = slotwise(*command, "--json")
    after = {path: path.stat().st_mtime_ns for path in before}
    assert (code, before) == (0, after)
    parts = json.loads(out)["parts"]
    frozen, living = parts["1"]["rows"], parts["2"]["rows"]
    stale = [row for row in frozen if row["controller"] == "wmmse"]
    assert len(stale) == len(study.CASES)
    assert all(row["relative"] == pytest.approx(100.0) for row in stale)
    assert all(row["low"] <= row["relative"] <= row["high"] for row in frozen)
    best = {row["case"]: row["relative"] for row in frozen if "true gains" in row["controller"]}
    assert best["iid 10 dB, K = 20, ρ = .64"] > 130.0
    assert {row["faults"] for row in living} == {0}
    assert all(row["latency_p50_s"] > 0 for row in living)


@pytest.mark.usefixtures("_tiny")
def test_weights_that_are_missing_are_missed_at_once(slotwise: Command, tmp_path: Path) -> None:
    code, out, err = slotwise("study", "late", "--weights", "none.safetensors")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "none.safetensors" in err
    assert not any(tmp_path.iterdir())
