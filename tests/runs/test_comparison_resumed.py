"""Comparisons that go on: resumed, grown, refused, and the same whatever interrupts them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from slotwise.controllers.heuristics import FullPower
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.runs import cells, compare, is_run, quiet, simulate
from slotwise.runs.cells import CellError
from slotwise.runs.place import alone
from slotwise.runs.pooled import Comparison

TIMES = ("latency_p50_s", "latency_p99_s")


def _short(
    scenario: Scenario, out: Path, controllers: tuple[str, ...] = ("max", "greedy"), **options: Any
) -> Comparison:
    """A comparison that takes no time, in this process, without a report."""
    defaults: dict[str, Any] = {"slots": 20, "seeds": 3, "jobs": 1, "report": False}
    return compare(scenario, controllers, out=out, **(defaults | options))


def _untimed(found: Any) -> Any:
    """A nested result without what this machine's clock said."""
    if isinstance(found, dict):
        return {key: _untimed(value) for key, value in found.items() if key not in TIMES}
    return found


def _cells(out: Path) -> list[Path]:
    return sorted(path.parent for path in out.rglob("seed-*/run.json"))


# --- going on, growing, refusing -------------------------------------------------------------


def _no_life(*_: object, **__: object) -> NoReturn:
    raise AssertionError("lived again")


def test_finished_cells_are_not_lived_again(
    links: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _short(links, tmp_path)
    monkeypatch.setattr(cells, "simulate", _no_life)
    assert _short(links, tmp_path) == first


def test_a_lost_or_damaged_cell_is_lived_again(links: Scenario, tmp_path: Path) -> None:
    first = _short(links, tmp_path)
    (tmp_path / "cells/max/seed-1/summary.json").unlink()
    (tmp_path / "cells/max/seed-2/run.json").write_text("{", "utf-8")
    again = _short(links, tmp_path)
    assert _untimed(again) == _untimed(first)
    assert is_run(tmp_path / "cells/max/seed-1")


def test_seeds_and_controllers_can_be_added(
    links: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived: list[tuple[str, int]] = []
    plain = simulate

    def watched(scenario: Scenario, controller: str, **options: Any) -> Any:
        lived.append((controller, options["seed"]))
        return plain(scenario, controller, **options)

    monkeypatch.setattr(cells, "simulate", watched)
    _short(links, tmp_path / "grown", ("max",), seeds=1)
    lived.clear()
    grown = _short(links, tmp_path / "grown", ("max", "greedy"), seeds=2)
    assert lived == [("greedy", 0), ("max", 1), ("greedy", 1)]
    assert _untimed(grown) == _untimed(_short(links, tmp_path / "whole", seeds=2))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"controllers": ("max",)}, "it has controller greedy, which was not asked for"),
        ({"seeds": 2}, "it has seed 2, which was not asked for"),
        ({"slots": 21}, "slots = 20 there, 21 here"),
        ({"scenario": ["radio.p_max_dbm=20"]}, "radio.p_max_dbm = 30.0 there, 20.0 here"),
        ({"scenario": ["radio.sinr_cap_db=30"]}, "radio.sinr_cap_db = none there, 30.0 here"),
    ],
    ids=["controllers", "seeds", "slots", "field", "field left out"],
)
def test_another_comparison_is_refused_with_what_differs(
    links: Scenario, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    _short(links, tmp_path)
    before = (tmp_path / "compare.json").read_bytes()
    overrides = change.pop("scenario", [])
    other = load("gaussian-ic", ["population.initial_users=4", *overrides])
    with pytest.raises(InputError, match=f"holds another comparison: {said}"):
        _short(other, tmp_path, **change)
    assert (tmp_path / "compare.json").read_bytes() == before


def test_a_comparison_of_another_version_is_refused(links: Scenario, tmp_path: Path) -> None:
    _short(links, tmp_path)
    facts = json.loads((tmp_path / "compare.json").read_text("utf-8"))
    facts["versions"]["slotwise"] = "0.0.1"
    (tmp_path / "compare.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(InputError, match=r"made by slotwise 0\.0\.1"):
        _short(links, tmp_path)


def test_a_directory_in_use_is_refused(links: Scenario, tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(InputError, match="in use by another slotwise"):
        _short(links, tmp_path)
    assert list(tmp_path.iterdir()) == []
    _short(links, tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"controllers": ()}, "no controllers"),
        ({"seeds": []}, "no seeds"),
        ({"seeds": [1, 1]}, "seed 1: seeds must be different"),
        ({"seeds": [-1]}, "seed -1"),
        ({"slots": 0}, "slots = 0"),
        ({"jobs": 0}, "jobs = 0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_nonsense_is_refused_before_anything_is_made(
    links: Scenario, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        _short(links, tmp_path / "new", **options)
    assert list(tmp_path.iterdir()) == []


# --- what goes wrong -------------------------------------------------------------------------


def test_a_controller_that_raises_is_counted_and_the_comparison_goes_on(
    links: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError("no users, no rate")

    monkeypatch.setattr(FullPower, "decide", fail)
    rows = _short(links, tmp_path, ("greedy", "max"), seeds=2)["controllers"]
    assert (rows["max"]["faults"], rows["max"]["decisions"]) == (40, 40)
    assert rows["greedy"]["faults"] == 0


def test_a_controller_that_hangs_is_abandoned_and_has_no_ideal_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FullPower.decide

    def hang(self: FullPower, observation: Any) -> Any:
        while observation.slot == 3:
            pass
        return plain(self, observation)

    monkeypatch.setattr(FullPower, "decide", hang)
    monkeypatch.setattr(quiet, "_WARM_BUDGET_S", 0.1)
    scenario = load("gaussian-ic", ["timing.mode=measured", "timing.abandon_s=0.02"])
    rows = _short(scenario, tmp_path, ("greedy", "max"), slots=100, seeds=1)["controllers"]
    assert rows["max"]["faults"] == 1
    assert rows["max"]["ideal_mean_sum_rate"] is None
    assert rows["greedy"]["ideal_mean_sum_rate"] is not None


def test_what_a_killed_process_left_is_swept_away(links: Scenario, tmp_path: Path) -> None:
    (tmp_path / ".compare.json.partial-4711").write_text("{", "utf-8")
    (tmp_path / ".slotwise-x1y2").mkdir()
    _short(links, tmp_path)
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


def test_a_cell_that_crashes_is_told_and_tried_again(
    links: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = simulate

    def crash(scenario: Scenario, controller: str, **options: Any) -> Any:
        if (controller, options["seed"]) == ("max", 1):
            raise RuntimeError("a star fell")
        return plain(scenario, controller, **options)

    monkeypatch.setattr(cells, "simulate", crash)
    with pytest.raises(CellError, match=r"1 of 6 cells failed.*max with seed 1.*a star fell"):
        _short(links, tmp_path)
    assert len(_cells(tmp_path)) == 5
    assert not (tmp_path / "summary.json").exists()
    assert json.loads((tmp_path / "compare.json").read_text("utf-8"))["complete"] is False
    monkeypatch.setattr(cells, "simulate", plain)
    found = _short(links, tmp_path)
    assert _untimed(found) == _untimed(_short(links, tmp_path.with_name("undisturbed")))


def test_a_disk_that_takes_no_more_stops_all_processes_and_keeps_what_is_finished(
    tmp_path: Path, links: Scenario
) -> None:
    _short(links, tmp_path / "met", ("max",), seeds=1, slots=400)
    # Files end at 6 kB, which holds the plan but no trace of 400 slots.
    program = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))\n"
        "from slotwise.runs.cli import main\n"
        "main()\n"
    )
    words = ["compare", "gaussian-ic", "--set", "population.initial_users=4", "--slots", "400"]
    words += ["-c", "max", "-c", "greedy", "--seeds", "3", "--jobs", "2", "--out", "met"]
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    told = done.stderr.splitlines()
    assert told[0].endswith("1 of 6 cells are there already")
    assert told[1].startswith("slotwise: error: cannot write met/cells/")
    assert told[1].endswith(": File too large")
    assert len(told) == 2
    assert _cells(tmp_path) == [tmp_path / "met/cells/max/seed-0"]
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))


def _killed(command: list[str], folder: Path, *, cells: int, after_s: float) -> int:
    """Run until so many cells are there, and a little longer, then kill; the exit code."""
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(_cells(folder / "met")) < cells:
        time.sleep(0.005)
    time.sleep(after_s)
    process.kill()
    return process.wait()


def test_killing_at_any_moment_changes_nothing(tmp_path: Path) -> None:
    slots, seeds = 200, 3
    program = (
        "from slotwise.runs import compare\n"
        f"compare('gaussian-ic', ['max', 'greedy'], slots={slots}, seeds={seeds}, out='met',"
        " jobs=2, report=False)\n"
    )
    command = [sys.executable, "-c", program]
    dice = random.Random(1)  # noqa: S311 - when to kill, not what to hide
    for kill in range(3):
        before = {path: (path / "run.json").stat().st_mtime_ns for path in _cells(tmp_path / "met")}
        code = _killed(command, tmp_path, cells=dice.randrange(4), after_s=0.3 * dice.random())
        assert code in (0, -9), f"kill {kill}"
        for path, written in before.items():
            assert (path / "run.json").stat().st_mtime_ns == written
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found = json.loads((tmp_path / "met/summary.json").read_text("utf-8"))
    undisturbed = compare(
        "gaussian-ic",
        ["max", "greedy"],
        slots=slots,
        seeds=seeds,
        out=tmp_path / "undisturbed",
        jobs=1,
        report=False,
    )
    assert _untimed(found) == _untimed(undisturbed)
    assert len(_cells(tmp_path / "met")) == 2 * seeds
    assert not any(path.name.startswith(".") for path in (tmp_path / "met").rglob("*"))
