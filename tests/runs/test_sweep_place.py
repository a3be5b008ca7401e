"""Which plans are one, and which may share a directory because their cells are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slotwise.emulator.scenario import InputError
from slotwise.runs.sweeps.planning.plan import SweepPlan, read_plan
from slotwise.runs.sweeps.storage.manifest import (
    check_sweep_place,
    earlier_partitions,
    write_manifest,
)

Planned = Callable[[str], SweepPlan]

HEAD = 'scenario = "d2d"\ncontrollers = ["max", "wmmse"]\nseeds = 3\n'
VARIED = '[grid]\n"timing.slowdown" = [1, 10]\n'
PLAN = HEAD + VARIED
OWN = 'name = "own"\n[layout]\nkind = "links"\n[channel]\npath_loss.kind = "unit"\n'
SCENARIOS = 'controllers = ["max"]\nseeds = 3\n[grid]\nscenario = ["own.toml"]\n'
TWO = SCENARIOS.replace('["own.toml"]', '["gaussian-ic", "own.toml"]')
BOTH = VARIED + '"channel.doppler_hz" = [3, 4]\n'
TURNED = '[grid]\n"channel.doppler_hz" = [3, 4, 5]\n"timing.slowdown" = [1, 10]\n'


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    """Read a plan from the text of its file."""
    (tmp_path / "own.toml").write_text(OWN)

    def read(text: str) -> SweepPlan:
        (tmp_path / "mine.toml").write_text(text)
        return read_plan(tmp_path / "mine.toml")

    return read


@pytest.mark.parametrize(
    ("first", "second", "same", "refusal"),
    [
        (PLAN, 'title = "other words"\n' + PLAN, True, ""),
        (PLAN, 'name = "other"\n' + PLAN, True, "it is of the plan mine, this is other"),
        (PLAN, HEAD + VARIED + '[map]\nx = "timing.slowdown"\n', True, ""),
        (PLAN, HEAD + VARIED.replace("[1, 10]", "[1.0, 1e1]"), True, ""),
        (
            PLAN,
            HEAD + '[[list]]\ntiming.slowdown = 1\n[[list]]\n"timing.slowdown" = 10\n',
            True,
            "",
        ),
        (PLAN, HEAD + VARIED.replace("10", "20"), False, ""),
        (PLAN, HEAD.replace("seeds = 3", "seeds = 4") + VARIED, False, ""),
        (PLAN, HEAD.replace('"wmmse"', '"greedy"') + VARIED, False, ""),
        (PLAN, HEAD + VARIED + "[stop]\nwidth_percent=1\nfirst=2\n", False, ""),
        (HEAD + BOTH, HEAD + TURNED, False, ""),
        (SCENARIOS, TWO, False, ""),
        (TWO, SCENARIOS, False, ""),
        (PLAN, "slots = 1000\n" + PLAN, False, "slots = none there, 1000 here"),
        (
            PLAN,
            HEAD + "[set]\nradio.p_max_dbm = 1\n" + VARIED,
            False,
            r"base\.radio\.p_max_dbm = .* there, 1\.0 here",
        ),
        (
            PLAN,
            HEAD + BOTH,
            False,
            r"it varies timing\.slowdown, this timing\.slowdown, ch",
        ),
        (
            PLAN,
            HEAD.replace("d2d", "imac") + VARIED,
            False,
            r"base\.name = d2d there, imac",
        ),
        (
            SCENARIOS,
            TWO.replace("[grid]", "[set]\nradio.p_max_dbm = 1\n[grid]"),
            False,
            r"scenarios\.own\.toml\.radio\.p_max_dbm = .* there, 1\.0 here",
        ),
        (SCENARIOS, "slots = 9\n" + SCENARIOS, False, "slots = none there, 9 here"),
    ],
)
def test_a_hash_is_of_what_decides_results_and_a_directory_of_what_decides_cells(
    planned: Planned, tmp_path: Path, first: str, second: str, same: bool, refusal: str
) -> None:
    one, other = planned(first), planned(second)
    assert (one.hash == other.hash) is same
    assert len(one.hash) == 16
    assert set(one.hash) <= set("0123456789abcdef")
    write_manifest(tmp_path / "out" / "cells" / f"plan={one.hash}", one, "")
    if refusal:
        with pytest.raises(InputError, match=f"holds another sweep: {refusal}"):
            check_sweep_place(tmp_path / "out", other)
    else:
        check_sweep_place(tmp_path / "out", other)
    shared = not same and not refusal
    assert earlier_partitions(tmp_path / "out", other) == ([f"plan={one.hash}"] if shared else [])


def test_a_scenario_file_that_changes_makes_another_plan(planned: Planned, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    before = planned(TWO)
    path.write_text(OWN + "[timing]\nslot_s = 0.01\n")
    after = planned(TWO)
    assert before.points == after.points
    assert before.hash != after.hash
    write_manifest(tmp_path / "out" / "cells" / f"plan={before.hash}", before, "")
    with pytest.raises(InputError, match=r"timing\.slot_s = 0\.001 there, 0\.01 here"):
        check_sweep_place(tmp_path / "out", after)


def test_a_plan_that_has_grown_has_the_points_of_the_smaller(planned: Planned) -> None:
    table = '[random]\npoints = 8\n"timing.slowdown" = { from = 1, to = 9, scale = "log" }\n'
    small, large = planned(HEAD + table), planned(HEAD + table.replace("8", "20"))
    assert large.points[:8] == small.points
