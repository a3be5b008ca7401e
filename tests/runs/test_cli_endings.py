"""How the command line ends: mistakes, full disks, faults of ours, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from slotwise.runs import is_run, read_run

SHORT = ["gaussian-ic", "--slots", "20", "--no-report"]

Slotwise = Callable[..., tuple[int, str, str]]


def _refused(answer: tuple[int, str, str]) -> str:
    """The one line of an answer that blames the user."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("slotwise: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


# --- what it refuses -------------------------------------------------------------------------

FEW = "mlp:gaussian-ic-10"
JOULES = ("evaluate", "-c", "max", "--gains", "x.npy", "--objective", "energy-efficiency")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runn"], "no such command 'runn' (did you mean 'run'?)"),
        (["run", "--slot", "5"], "no such option '--slot' (did you mean '--slots'?)"),
        (["run"], "missing argument 'SCENARIO'"),
        (["compare", "gaussian-ic", "--out", "x"], "--controller"),
        (["run", "gaussian-ic", "--slots", "0"], "'--slots'"),
        (["run", "gaussian-ic", "--slots", "many"], "'--slots'"),
        (["run", "gaussian-ic", "--seed", "-1"], "'--seed'"),
        (["run", "gaussian-id"], "unknown scenario 'gaussian-id' (did you mean 'gaussian-ic'?)"),
        (["run", "nowhere.toml"], "cannot read scenario nowhere.toml: No such file"),
        (["run", "gaussian-ic", "--set", "channel.dopler_hz=3"], "did you mean 'doppler_hz'?"),
        (["run", "gaussian-ic", "--set", "timing.slot_s=-1"], "timing.slot_s = -1"),
        (["run", "gaussian-ic", "--set", "timing.slot_s=1 ms"], "timing.slot_s = 1 ms"),
        (["run", "gaussian-ic", "--set", "slots"], "write it as section.field=value"),
        (["run", "gaussian-ic", "--set", "population.initial_users=0"], "no users"),
        (["run", "gaussian-ic", "-c", "wmmze"], "did you mean 'wmmse'?"),
        (["run", "gaussian-ic", "-c", "wmmse:start=2"], "did you mean 'starts'?"),
        (["run", "gaussian-ic", "-c", "wmmse:starts=0"], "starts = 0"),
        (["run", "gaussian-ic", "-c", "wmmse:flip=perhaps"], "must be true or false"),
        (["run", "gaussian-ic", "--replay", "nowhere"], "nowhere: not a run of slotwise"),
        (["run", "gaussian-ic", "--out", "/proc/here"], "cannot write /proc/here"),
        (["compare", "gaussian-ic", "-c", "max", "--out", "/proc/here"], "cannot write /proc/here"),
        (["report", "nowhere"], "nowhere is not a directory"),
        (["evaluate", "-c", "max"], "give --scenario SCENARIO or --gains FILE"),
        (["evaluate", "-c", "max", "--gains", "nowhere.npy"], "nowhere.npy"),
        (["evaluate", "-c", "max", "--scenario", "d2d", "--p-max", "1"], "--p-max"),
        (["evaluate", "-c", "max", "--scenario", "d2d", "--circuit-power", "1"], "with --gains"),
        (["evaluate", "-c", "max", "--gains", "x.npy", "--circuit-power", "1"], "in joules only"),
        ([*JOULES, "--circuit-power", "0"], "--circuit-power 0: must be positive"),
        ([*JOULES, "--amplifier-inefficiency", "0.5"], "must be at least 1"),
        (["evaluate", "-c", "max", "--scenario", "d2d", "--gains", "x.npy"], "--gains"),
        (["run", "wide-cell", "-c", "mlp-ee:four-cells"], "it takes at most 4 users"),
        (["compare", "imac", "-c", "max", "-c", FEW, "--out", "x"], f"{FEW}: population.initial_u"),
        (["run", "imac", "-c", f"finetuned:base={FEW}"], "initial_users = 12, and nobody leaves"),
        (["evaluate", "-c", "max", "--gains", "x.npy", "--links", "3"], "--links"),
        (["evaluate", "-c", "max", "--gains", "x.npy", "--samples", "3"], "--samples"),
        (["evaluate", "-c", "max", "--scenario", "d2d", "--samples", "0"], "'--samples'"),
        (["evaluate", "-c", "max", "-c", "max", "--scenario", "d2d"], "named twice"),
        (["scenarios", "show", "urba"], "did you mean 'urban'?"),
        (["gains", "wify", "x"], "did you mean 'wifi'?"),
        (["gains", "wifi", "nowhere", "--out", "x.npy"], "nowhere"),
        (["gains", "wifi", "nowhere", "--out", "x.txt"], ".npy"),
        (["gains", "wifi", "nowhere", "--out", "x.npy", "--band", "6"], "'2.4', '5'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_answered_with_one_line_and_nothing_is_made(
    slotwise: Slotwise,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in _refused(slotwise(*words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (np.array([[1.0, np.nan], [0.1, 1.0]]), "gain[0, 0, 1] = nan"),
        (np.array([[1.0, 0.1], [-0.5, 1.0]]), "gain[0, 1, 0] = -0.5"),
        (np.ones((2, 3)), "shape (2, 3)"),
        (np.ones((2, 2), dtype=complex), "complex"),
        (np.empty((0, 2, 2)), "shape (0, 2, 2)"),
    ],
    ids=["NaN", "negative", "not square", "complex", "empty"],
)
def test_bad_gains_are_named_with_their_place(
    slotwise: Slotwise, tmp_path: Path, gain: np.ndarray[Any, Any], said: str
) -> None:
    np.save(tmp_path / "mine.npy", gain)
    line = _refused(slotwise("evaluate", "--gains", tmp_path / "mine.npy", "-c", "max"))
    assert "mine.npy" in line
    assert said in line


@pytest.mark.parametrize("option", ["--noise-power", "--p-max"])
@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_noise_and_power_are_positive(
    slotwise: Slotwise, tmp_path: Path, option: str, value: str
) -> None:
    np.save(tmp_path / "mine.npy", np.eye(2))
    words = ["evaluate", "--gains", tmp_path / "mine.npy", "-c", "max", option, value]
    assert "positive" in _refused(slotwise(*words))


@pytest.mark.parametrize("command", ["run", "compare"])
def test_what_is_not_ours_is_left_alone(slotwise: Slotwise, tmp_path: Path, command: str) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("Dear", "utf-8")
    for place in ("letters", "letters/dear.txt", "letters/dear.txt/below"):
        _refused(slotwise(command, *SHORT, "-c", "max", "--out", tmp_path / place))
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["dear.txt"]
    assert (tmp_path / "letters/dear.txt").read_text("utf-8") == "Dear"


def test_a_run_does_not_replace_a_comparison_nor_a_comparison_a_run(
    slotwise: Slotwise, tmp_path: Path
) -> None:
    met, life = tmp_path / "met", tmp_path / "life"
    compare = ["compare", *SHORT, "-c", "max", "--seeds", "1"]
    assert slotwise(*compare, "--out", met)[0] == 0
    assert slotwise("run", *SHORT, "--out", life)[0] == 0
    assert "holds a comparison" in _refused(slotwise("run", *SHORT, "--out", met))
    assert "holds a single run" in _refused(slotwise(*compare, "--out", life))


def test_a_full_disk_is_one_line_and_loses_nothing(
    slotwise: Slotwise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet

    life = tmp_path / "life"
    assert slotwise("run", *SHORT, "--seed", "1", "--out", life)[0] == 0

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    line = _refused(slotwise("run", *SHORT, "--seed", "2", "--out", life))
    assert line == f"slotwise: error: cannot write {life}: No space left on device\n"
    assert read_run(life).info["seed"] == 1
    line = _refused(
        slotwise("compare", *SHORT, "-c", "max", "--jobs", "1", "--out", tmp_path / "met")
    )
    assert "No space left on device" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["life", "met"]
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))


def test_a_read_only_file_system_is_one_line(
    slotwise: Slotwise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> NoReturn:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("slotwise.runs.place.tempfile.mkdtemp", read_only)
    for words in (["run", *SHORT], ["compare", *SHORT, "-c", "max"]):
        line = _refused(slotwise(*words, "--out", tmp_path / "new"))
        assert "Read-only file system" in line
    assert list(tmp_path.iterdir()) == []


# --- how it ends -----------------------------------------------------------------------------


def _break(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("the moon\nis full")


def test_our_fault_is_one_line_that_says_how_to_see_more(
    slotwise: Slotwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slotwise.emulator.scenario.builtin", _break)
    code, out, err = slotwise("scenarios")
    assert (code, out) == (1, "")
    assert err == (
        "slotwise: error: RuntimeError: the moon is full (SLOTWISE_TRACEBACK=1 shows where)\n"
    )


def test_too_much_at_a_time_is_the_users_to_mend(slotwise: Slotwise) -> None:
    words = ["evaluate", "--scenario", "gaussian-ic", "--links", "1000", "--samples", "1000000000"]
    assert "not enough memory" in _refused(slotwise(*words, "-c", "max"))


def test_the_traceback_is_shown_on_request(
    slotwise: Slotwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slotwise.emulator.scenario.builtin", _break)
    monkeypatch.setenv("SLOTWISE_TRACEBACK", "1")
    code, _, err = slotwise("scenarios")
    assert code == 1
    assert err.startswith("Traceback")
    assert "in _break" in err


@pytest.mark.parametrize("words", [["--help"], ["scenarios"], ["scenarios", "show", "d2d"]])
def test_a_reader_that_leaves_ends_it_quietly(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from slotwise.runs.cli import main; main()", *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(tmp_path: Path, jobs: str) -> None:
    words = ["compare", "gaussian-ic", "-c", "max", "--slots", "400", "--seeds", "400"]
    command = [sys.executable, "-c", "from slotwise.runs.cli import main; main()", *words]
    process = subprocess.Popen(
        [*command, "--jobs", jobs, "--out", "met"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while not is_run(tmp_path / "met/cells/max/seed-2") and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the command's processes
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("slotwise: interrupted; ")
    assert err.endswith("finished cells are kept in met; the same command goes on from there\n")
    assert err.count("\n") == 1


def test_a_warning_of_ours_is_one_line() -> None:
    words = ["evaluate", "--scenario", "gaussian-ic", "--links", "20", "--samples", "2"]
    words += ["-c", "optimum:nodes=1", "--latency-samples", "1"]
    answer = subprocess.run(
        [sys.executable, "-c", "from slotwise.runs.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    notes = [line for line in answer.stderr.splitlines() if "optimum" in line]
    assert len(notes) == 1
    assert notes[0].startswith("slotwise: note: optimum:nodes=1: 2 of 2 stay open")


def test_why_decisions_failed_is_said_once(slotwise: Slotwise) -> None:
    leaving = ("--set", "population.lifetime.kind=fixed", "--slots", "5")
    code, _, err = slotwise("run", "imac", "-c", "mlp:gaussian-ic-10", *leaving)
    assert code == 0
    said = "every one of 5 decisions failed, all figures are the fallback's: ValueError: 12 users"
    assert f"{said}: gaussian-ic-10 takes at most 10" in err


def test_a_network_trained_in_another_layout_says_so(slotwise: Slotwise) -> None:
    evaluated = ("evaluate", "--scenario", "wide-cell", "--samples", "5", "--latency-samples", "1")
    for words in (("run", "wide-cell", "--slots", "2"), evaluated):
        code, _, err = slotwise(*words, "-c", "mlp-ee:wide-cell-8")
        assert (code, err) == (
            0,
            "mlp-ee:wide-cell-8: was trained with layout.station_antennas = 8 (here 50)\n",
        )
        assert slotwise(*words, "-c", "mlp-ee:wide-cell-50")[::2] == (0, "")
