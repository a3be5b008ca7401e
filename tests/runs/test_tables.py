"""Tables that people read: nothing cropped, nothing lost in a narrow terminal."""

from __future__ import annotations

import json
import re

import pytest

from slotwise.emulator.objective import Aim
from slotwise.runs.learning import Learning
from slotwise.runs.merits import Kept
from slotwise.runs.pooled import Comparison, NetworkCounts, Row
from slotwise.runs.tables import network_line, run_table, show, show_comparison, to_json

SPEC = "wmmse:starts=10,warm_start=true"


def _row(rate: float, relative: float, half: float) -> Row:
    return Row(
        merit=rate,
        ideal_merit=1.5 * rate,
        mean_sum_rate=rate,
        mean_sum_rate_std=0.1,
        relative=relative,
        relative_low=relative - half,
        relative_high=relative + half,
        ideal_mean_sum_rate=1.5 * rate,
        user_rate_p5=0.25,
        jain_fairness=None,
        energy_efficiency_bit_per_joule=3.25e6,
        own_efficiency_bit_per_joule=6.5e6,
        consumed_j=41.25,
        mean_power_w=0.5,
        latency_p50_s=2.5e-4,
        latency_p99_s=1.25e-3,
        reports=1500,
        missed_deadlines=30,
        decisions=1000,
        faults=7,
        fallbacks=7,
        promise=None,
        learning=None,
    )


LEARNING = Learning(
    lessons=1012,
    deployed=7,
    rejected=1004,
    rolled_back=1,
    unfinished=0,
    clock_s_per_s=0.1834,
    machine_s_per_s=0.0567,
    latency_p50_s=1.5e-5,
    latency_p99_s=1e-4,
    latency_alone_p50_s=1.4e-5,
    latency_alone_p99_s=2e-4,
    answer_p50_s=None,
    answer_p99_s=None,
    answer_alone_p50_s=None,
    answer_alone_p99_s=None,
)


RESULT = Comparison(
    scenario="urban",
    objective="sum-rate",
    slots=1000,
    seeds=[0, 1],
    reference="max",
    controllers={"max": _row(2.0, 1.0, 0.0), SPEC: _row(4.0, 2.0, 0.0123)},
    network=NetworkCounts(joins=1234, leaves=5, blocked=0, handovers=6),
)


def _words(text: str) -> str:
    return " ".join(text.split())


def test_a_wide_table_has_every_quantity_in_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(RESULT)
    (row,) = (line for line in capsys.readouterr().out.splitlines() if SPEC in line)
    assert _words(row) == f"{SPEC} 4.000 6.000 200.0 ± 1.2 0.250 – 3.25 41.2 0.250 1.25 2.0 7"


def test_a_narrow_terminal_gets_two_tables_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    show_comparison(RESULT, network_line(RESULT))
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    tables, line = out.rsplit("\n", 2)[:2]
    assert max(map(len, tables.splitlines())) <= 80
    for value in ("4.000", "6.000", "200.0 ± 1.2", "0.250", "3.25", "1.25", "3.0", "7"):
        assert value in tables
    assert tables.count("warm_start=true") == 2
    assert line.startswith("urban: 2 networks of 1,000 slots; 1,234 joins, 5 leaves")


def _learned(learning: Learning | None) -> Comparison:
    rows = RESULT["controllers"]
    row: Row = {**rows[SPEC], "learning": learning}
    return {**RESULT, "controllers": {"max": rows["max"], SPEC: row}}


def test_those_who_learned_and_nobody_else_stand_in_a_table_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_comparison(_learned(LEARNING), "last line")
    out = capsys.readouterr().out
    whole, second = (_words(line) for line in out.splitlines() if SPEC in line)
    assert whole.endswith("1.25 2.0 7")
    assert second == f"{SPEC} 1,012 7 1,004 1 18.3 0.0567 0.0150 0.0140"
    assert out.splitlines()[-1] == "last line"


def test_unfinished_lessons_are_counted_where_there_are_any(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_comparison(_learned({**LEARNING, "unfinished": 3}))
    row = [line for line in capsys.readouterr().out.splitlines() if SPEC in line][1]
    assert _words(row).startswith(f"{SPEC} 1,012 7 1,004 1 3 18.3")


def test_where_nobody_learned_there_is_no_table_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(_learned(None))
    assert "taken back" not in capsys.readouterr().out


def test_the_table_of_learning_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    show_comparison(_learned({**LEARNING, "latency_p50_s": None}))
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= 80
    for value in ("1,012", "1,004", "18.3", "0.0567", "0.0140"):
        assert value in out


def test_json_has_every_digit_and_no_nan() -> None:
    assert json.loads(to_json({"x": 1 / 3, "y": None})) == {"x": 1 / 3, "y": None}
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": float("nan")})


# --- objectives ------------------------------------------------------------------------------

KEPT = Kept(min_rate=0.1, slots=200, infeasible=50, broken=30, user_slots=1000, short=125)


def _saving(objective: Aim, promise: Kept | None = None) -> Comparison:
    rows = {
        spec: {**row, "merit": 4.5e6, "ideal_merit": 5.25e6, "promise": promise}
        for spec, row in RESULT["controllers"].items()
    }
    return {**RESULT, "objective": objective, "controllers": rows}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("energy-efficiency", ["energy", "efficiency", "[Mbit/J]"]),
        ("weighted-energy-efficiency", ["sum of users'", "efficiencies", "[Mbit/J]"]),
    ],
)
def test_a_network_that_saves_joules_is_led_by_what_it_makes_of_them(
    capsys: pytest.CaptureFixture[str], objective: Aim, words: list[str]
) -> None:
    show_comparison(_saving(objective))
    out = capsys.readouterr().out
    (row,) = (line for line in out.splitlines() if SPEC in line)
    assert _words(row) == f"{SPEC} 4.500 5.250 200.0 ± 1.2 4.000 0.250 – 41.2 0.250 1.25 2.0 7"
    head = out.split("max")[0]
    assert all(word in head for word in [*words, "efficiency, ", "relative [%]", "[J]"])


def test_a_promise_has_columns_of_its_own_and_nothing_has_them_where_there_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_comparison(_saving("sum-rate", KEPT))
    out = capsys.readouterr().out
    assert "promise" in out
    (row,) = (line for line in out.splitlines() if SPEC in line)
    assert _words(row).endswith(" 2.0 7 25.0 20.0 12.5")  # 50 of 200, 30 of 150, 125 of 1000
    show_comparison(RESULT)
    assert "promise" not in capsys.readouterr().out


@pytest.mark.parametrize("objective", ["sum-rate", "energy-efficiency"])
def test_a_narrow_terminal_shows_promises_in_a_third_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, objective: Aim
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    show_comparison(_saving(objective, KEPT))
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("warm_start=true") == 3


def test_one_life_shows_joules_and_users_efficiencies_only_where_they_are_the_objective(
    capsys: pytest.CaptureFixture[str],
) -> None:
    life = {**RESULT["controllers"]["max"], "slots": 1000}
    show(run_table(life))
    plain = capsys.readouterr().out
    assert re.search(r"energy consumed \[J\] +41\.25", plain)
    assert plain.index("mean sum rate") < plain.index("mean power") < plain.index("slots")
    show(run_table(life, "energy-efficiency"))
    led = capsys.readouterr().out
    assert led.index("energy efficiency [Mbit/J]") < led.index("mean sum rate")
    assert led.count("energy efficiency") == 1
    assert re.search(r"mean power radiated \[W\] +0\.5", plain)
    assert "users' efficiencies" not in plain
    assert "promise" not in plain
    show(run_table({**life, "promise": KEPT}, "weighted-energy-efficiency"))
    told = capsys.readouterr().out
    assert re.search(r"sum of users' efficiencies \[Mbit/J\] +6\.5", told)
    assert re.search(r"promise infeasible \[% of slots\] +25\.0", told)
    assert re.search(r"else broken \[% of feasible slots\] +20\.0", told)
    assert re.search(r"users below it \[% of their slots\] +12\.5", told)
