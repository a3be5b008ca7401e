"""The command line: what it answers, what it refuses, and how it ends."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slotwise.controllers.heuristics import FullPower
from slotwise.emulator.kernels import compilation
from slotwise.runs import read_run
from slotwise.runs.cli.options import tell_of_compiling

COMMANDS = (
    ["run"],
    ["compare"],
    ["evaluate"],
    ["report"],
    ["scenarios"],
    ["scenarios", "show"],
    ["controllers"],
    ["reference"],
    ["gains", "wifi"],
    ["bench"],
    ["warmup"],
)
HEAVY = ("numpy", "scipy", "simpy", "pyarrow", "matplotlib", "torch", "joblib")
SHORT = ["gaussian-ic", "--slots", "20", "--no-report"]

Slotwise = Callable[..., tuple[int, str, str]]


def _process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from slotwise.runs.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# --- what it answers -------------------------------------------------------------------------


def test_help_of_every_command_imports_nothing_heavy() -> None:
    program = (
        "import contextlib, io, sys\n"
        "from slotwise.runs.cli import status\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    codes = [status([*words, '--help']) for words in {[[], *COMMANDS]}]\n"
        f"print(codes, sorted(set({HEAVY}) & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{[0] * (1 + len(COMMANDS))} []\n", done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_gives_options_and_examples(slotwise: Slotwise, words: list[str]) -> None:
    code, out, err = slotwise(*words, "--help")
    assert (code, err) == (0, "")
    assert "--json" in out
    assert f"slotwise {' '.join(words)}" in out.partition("Examples")[2]


def test_no_command_is_a_question_for_help(slotwise: Slotwise) -> None:
    code, out, err = slotwise()
    assert (code, err) == (0, "")
    assert "compare" in out


def test_version_is_the_installed_one(slotwise: Slotwise) -> None:
    from importlib.metadata import version

    assert slotwise("--version") == (0, f"slotwise {version('slotwise')}\n", "")


def test_run_prints_the_summary_it_has_written(slotwise: Slotwise, tmp_path: Path) -> None:
    code, out, err = slotwise("run", *SHORT, "-c", "max", "--out", tmp_path / "life", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((tmp_path / "life/summary.json").read_text("utf-8"))
    assert read_run(tmp_path / "life").info["controller"] == "max"


def test_run_without_a_place_keeps_nothing(
    slotwise: Slotwise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = slotwise("run", *SHORT, "-c", "max")
    assert (code, err) == (0, "")
    assert "nothing was kept" in out
    assert "mean sum rate [bit/s/Hz]" in out
    assert list(tmp_path.iterdir()) == []


def test_run_replaces_an_earlier_run(slotwise: Slotwise, tmp_path: Path) -> None:
    said = [
        slotwise("run", *SHORT, "--seed", str(seed), "--out", tmp_path / "life")[2]
        for seed in (3, 4)
    ]
    assert said[0] == ""
    assert said[1].endswith(f"replaced the run that was in {tmp_path / 'life'}\n")
    assert read_run(tmp_path / "life").info["seed"] == 4


def test_a_replayed_run_repeats_a_measured_one(slotwise: Slotwise, tmp_path: Path) -> None:
    measured = ["run", *SHORT, "--set", "timing.mode=measured", "-c", "wmmse", "--json"]
    first = json.loads(slotwise(*measured, "--out", tmp_path / "life")[1])
    again = json.loads(slotwise(*measured, "--replay", tmp_path / "life")[1])
    assert first.pop("seconds") > 0
    assert again.pop("seconds") > 0
    assert again == first


def test_compare_prints_the_summary_it_has_written(slotwise: Slotwise, tmp_path: Path) -> None:
    where = tmp_path / "met"
    words = ["compare", *SHORT, "-c", "max", "-c", "greedy", "--seeds", "2", "--seed", "7"]
    code, out, err = slotwise(*words, "--jobs", "1", "--out", where, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found == json.loads((where / "summary.json").read_text("utf-8"))
    assert found["seeds"] == [7, 8]
    assert list(found["controllers"]) == ["max", "greedy"]


def test_compare_prints_a_table_with_units(slotwise: Slotwise, tmp_path: Path) -> None:
    words = ["compare", *SHORT, "-c", "max", "-c", "greedy", "--seeds", "2", "--jobs", "1"]
    code, out, err = slotwise(*words, "--out", tmp_path / "met")
    assert (code, err) == (0, "")
    for head in ("controller", "sum rate", "[bit/s/Hz]", "p99 [ms]", "± 95% conf."):
        assert head in out
    assert f"data: {tmp_path / 'met'}" in out


def test_report_is_made_from_recorded_data(slotwise: Slotwise, tmp_path: Path) -> None:
    where = tmp_path / "life"
    assert slotwise("run", *SHORT, "--out", where)[0] == 0
    code, out, err = slotwise("report", where, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"report": str(where / "report.html")}
    assert (where / "report.html").is_file()


def test_evaluate_gives_every_quantity_of_every_controller(slotwise: Slotwise) -> None:
    words = ["evaluate", "--scenario", "gaussian-ic", "--links", "4", "--samples", "50"]
    words += ["--latency-samples", "5", "-c", "max", "-c", "wmmse", "--json"]
    code, out, err = slotwise(*words)
    assert (code, err) == (0, "")
    found = json.loads(out)
    rows = found.pop("controllers")
    assert found == {
        "scenario": "gaussian-ic",
        "gains": None,
        "samples": 50,
        "links": 4,
        "seed": 0,
        "reference": "max",
    }
    assert list(rows) == ["max", "wmmse"]
    for row in rows.values():
        assert row["samples"] == 50
        assert row["latency_samples"] == 5
        for name in ("mean_sum_rate", "std_error", "relative", "relative_low", "relative_high"):
            assert math.isfinite(row[name])
        for name in ("seconds_batch", "latency_p50_s", "latency_p99_s"):
            assert row[name] > 0


def test_evaluate_says_which_time_is_which(slotwise: Slotwise) -> None:
    words = ["evaluate", "--scenario", "gaussian-ic", "--samples", "1200", "-c", "max"]
    code, out, _ = slotwise(*words, "--latency-samples", "5")
    assert code == 0
    words = " ".join(out.split()).split()
    assert {"batch", "1,200", "one", "decision", "[s]", "[ms]"} <= set(words)


def test_evaluate_takes_measured_gains(slotwise: Slotwise, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.array([[3.0]]))
    words = ["evaluate", "--gains", tmp_path / "mine.npy", "--noise-power", "0.5", "--p-max", "2"]
    code, out, _ = slotwise(*words, "-c", "max", "--latency-samples", "2", "--json")
    assert code == 0
    row = json.loads(out)["controllers"]["max"]
    assert row["mean_sum_rate"] == pytest.approx(math.log2(1 + 3 * 2 / 0.5), rel=1e-12)
    assert row["std_error"] is None


def test_measured_gains_cost_what_is_said(slotwise: Slotwise, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.array([[3.0]]))
    words = ["evaluate", "--gains", tmp_path / "mine.npy", "--objective", "energy-efficiency"]
    words += ["-c", "max", "--latency-samples", "2"]
    costs = ["--amplifier-inefficiency", "2.5", "--circuit-power", "0.5"]
    row = json.loads(slotwise(*words, *costs, "--json")[1])["controllers"]["max"]
    assert row["mean_merit"] == pytest.approx(2.0 / (2.5 + 0.5), rel=1e-12)
    code, out, _ = slotwise(*words, *costs)
    assert code == 0
    assert "[bit/J/Hz]" in out
    assert "draws 2.5 W for each watt that it radiates (--amplifier-inefficiency) and 0.5 W" in out
    assert "draws 4 W" in slotwise(*words)[1]


def test_efficiencies_of_a_scenario_are_over_its_bandwidth(slotwise: Slotwise) -> None:
    words = ["evaluate", "--scenario", "four-cells", "--samples", "20", "-c", "max"]
    words += ["--latency-samples", "1"]
    row = json.loads(slotwise(*words, "--json")[1])["controllers"]["max"]
    out = slotwise(*words)[1]
    assert "[kbit/J]" in out
    shown = float(out.split(" max ")[1].split()[0].replace(",", ""))
    assert shown == pytest.approx(row["mean_merit"] * 180e3 / 1e3, rel=0.05)


def test_scenarios_are_listed_and_shown(slotwise: Slotwise, tmp_path: Path) -> None:
    code, out, _ = slotwise("scenarios", "--json")
    assert code == 0
    names = json.loads(out)["scenarios"]
    assert {"gaussian-ic", "imac", "d2d", "nasir-guo", "urban", "auckland", "drift"} <= set(names)
    code, out, _ = slotwise("scenarios")
    assert all(name in out for name in names)

    text = slotwise("scenarios", "show", "gaussian-ic")[1]
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    mine = slotwise("scenarios", "show", tmp_path / "mine.toml", "--json")[1]
    assert mine == slotwise("scenarios", "show", "gaussian-ic", "--json")[1]
    assert json.loads(mine)["population"]["initial_users"] == 10


def test_controllers_are_listed_with_options_and_defaults(slotwise: Slotwise) -> None:
    code, out, _ = slotwise("controllers", "--json")
    assert code == 0
    found = json.loads(out)["controllers"]
    assert found["wmmse"]["options"]["warm_start"] is False
    assert found["max"]["options"] == {}
    assert all(row["summary"] for row in found.values())
    assert "warm_start=false" in slotwise("controllers")[1]


def test_reference_lists_every_section(slotwise: Slotwise) -> None:
    code, out, _ = slotwise("reference")
    assert code == 0
    assert "`doppler_hz`" in out
    assert "properties" in json.loads(slotwise("reference", "--json")[1])


def test_what_a_controller_prints_never_mixes_with_json(
    slotwise: Slotwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FullPower.decide

    def talkative(self: FullPower, *arguments: Any, **options: Any) -> Any:
        print("thinking")  # noqa: T201
        return plain(self, *arguments, **options)

    monkeypatch.setattr(FullPower, "decide", talkative)
    code, out, err = slotwise("run", *SHORT, "-c", "max", "--json")
    assert code == 0
    assert json.loads(out)["decisions"] == 20
    assert "thinking" in err


def test_one_seed_gives_the_same_numbers_in_two_processes() -> None:
    words = ["run", *SHORT, "-c", "random", "--seed", "5", "--json"]
    first, again, other = (
        json.loads(_process(*line).stdout) for line in (words, words, [*words, "--seed", "6"])
    )
    times = ("seconds", "latency_p50_s", "latency_p99_s")
    for found in (first, again, other):
        for name in times:
            del found[name]
    assert again == first
    assert other["mean_sum_rate"] != first["mean_sum_rate"]


@pytest.mark.parametrize(("terminal", "first"), [(True, True), (True, False), (False, True)])
def test_whoever_looks_on_at_the_first_use_is_told_why_it_takes_long(
    terminal: bool, first: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compilation, "is_first_use", lambda *_: first)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    tell_of_compiling()
    told = capsys.readouterr().err
    assert told.startswith("first use: kernels are compiled") == (terminal and first)
    assert told.count("\n") == int(terminal and first)
