"""Tables that people read: nothing cropped, nothing lost in a narrow terminal."""

from __future__ import annotations

import json
import re

import pytest

from slotwise.runs.pooled import Comparison, NetworkCounts, Row
from slotwise.runs.tables import network_line, show_comparison, to_json

SPEC = "wmmse:starts=10,warm_start=true"


def _row(rate: float, relative: float, half: float) -> Row:
    return Row(
        mean_sum_rate=rate,
        mean_sum_rate_std=0.1,
        relative=relative,
        relative_low=relative - half,
        relative_high=relative + half,
        ideal_mean_sum_rate=1.5 * rate,
        user_rate_p5=0.25,
        jain_fairness=None,
        energy_efficiency_bit_per_joule=3.25e6,
        latency_p50_s=2.5e-4,
        latency_p99_s=1.25e-3,
        reports=1500,
        missed_deadlines=30,
        decisions=1000,
        faults=7,
        fallbacks=7,
    )


RESULT = Comparison(
    scenario="urban",
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
    assert _words(row) == f"{SPEC} 4.000 6.000 200.0 ± 1.2 0.250 – 3.25 0.250 1.25 2.0 7"


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


def test_json_has_every_digit_and_no_nan() -> None:
    assert json.loads(to_json({"x": 1 / 3, "y": None})) == {"x": 1 / 3, "y": None}
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": float("nan")})
