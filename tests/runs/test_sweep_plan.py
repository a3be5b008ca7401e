"""Plans of sweeps: what a file says is what is lived, and what is wrong with it is one line."""

from __future__ import annotations

import itertools
import json
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.controllers.registry import canonical
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.runs.comparison import own_slots
from slotwise.runs.sweeps.planning import plan_file
from slotwise.runs.sweeps.planning.plan import SweepPlan, builtin_plans, read_plan

Planned = Callable[..., SweepPlan]

HEAD = 'scenario = "d2d"\ncontrollers = ["max", "wmmse"]\nseeds = 3\n'
VARIED = '[grid]\n"timing.slowdown" = [1, 10]\n'
MANY = '[grid]\n"population.initial_users" = { from = 1, to = 100, count = 100 }\n'
OWN = 'name = "own"\n[layout]\nkind = "links"\n[channel]\npath_loss.kind = "unit"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where plans stand, beside a scenario."""
    place = tmp_path_factory.mktemp("plans")
    (place / "own.toml").write_text(OWN)
    return place


@pytest.fixture(scope="module")
def planned(folder: Path) -> Planned:
    """Read a plan from the text of its file."""

    def read(text: str, *overrides: str, seed: int = 0, name: str = "mine.toml") -> SweepPlan:
        path = folder / name
        path.write_text(text)
        return read_plan(path, overrides, seed)

    return read


# --- points and cells --------------------------------------------------------------------------


def test_a_grid_is_every_combination_with_the_first_field_slowest(planned: Planned) -> None:
    plan = planned(
        HEAD
        + '[grid]\n"population.initial_users" = [10, 100]\n"channel.doppler_hz" = [1, 5.5]\n'
        + 'timing.mode = ["ideal", "fixed"]\n',
        seed=7,
    )
    assert plan.varied == ("population.initial_users", "channel.doppler_hz", "timing.mode")
    assert plan.points == tuple(itertools.product((10, 100), (1.0, 5.5), ("ideal", "fixed")))
    assert [type(value) for value in plan.points[0]] == [int, float, str]
    every = itertools.product(range(8), (7, 8, 9), ("max", "wmmse"))
    expected = [(number, *rest) for number, rest in enumerate(every)]
    assert [tuple(plan.cell(number)) for number in range(plan.cells)] == expected
    for outside in (-1, plan.cells):
        with pytest.raises(IndexError, match="the plan has 48"):
            plan.cell(outside)


def test_a_plan_that_varies_nothing_has_one_point(planned: Planned) -> None:
    plan = planned(HEAD)
    assert (plan.varied, plan.points, plan.cells) == ((), ((),), 6)
    assert plan.scenario(0) == plan.base == load("d2d")
    assert plan.name == "mine"


def test_tables_of_points_are_combined_in_the_order_of_the_file(planned: Planned) -> None:
    entries = '[[list]]\n"timing.slowdown" = 1\nchannel.doppler_hz = 3\n'
    entries += '[[list]]\nchannel.doppler_hz = 4\n"timing.slowdown" = 10\n'
    table = '[grid]\n"population.initial_users" = [3, 4]\n'
    rows = ((1.0, 3.0), (10.0, 4.0))
    first = planned(HEAD + table + entries)
    assert first.varied == ("population.initial_users", "timing.slowdown", "channel.doppler_hz")
    assert first.points == tuple((users, *row) for users in (3, 4) for row in rows)
    second = planned(HEAD + entries + table)
    assert second.varied == ("timing.slowdown", "channel.doppler_hz", "population.initial_users")
    assert second.points == tuple((*row, users) for row in rows for users in (3, 4))


# --- scenarios, lengths, sizes -----------------------------------------------------------------


@settings(max_examples=15)
@given(
    scenario=st.sampled_from(["d2d", "imac", "urban", "nasir-guo"]),
    users=st.integers(1, 12),
    power=st.floats(-20, 60),
    mode=st.sampled_from(["ideal", "fixed", "measured"]),
    delay=st.sampled_from([0.0, 1e-3, 0.02]),
)
def test_the_scenario_of_a_point_is_the_one_loaded_with_its_values(
    planned: Planned, scenario: str, users: int, power: float, mode: str, delay: float
) -> None:
    plan = planned(
        f'scenario = "{scenario}"\ncontrollers = ["max"]\nseeds = 1\n'
        f'[set]\ntiming.mode = "{mode}"\npopulation.max_users = 1000\n'
        f'[grid]\n"population.initial_users" = [{users}]\n"radio.p_max_dbm" = [{power}]\n',
        f"csi.delay_s={delay}",
    )
    changes = [f"timing.mode={mode}", "population.max_users=1000", f"csi.delay_s={delay}"]
    changes += [f"population.initial_users={users}", f"radio.p_max_dbm={power}"]
    loaded = load(scenario, changes)
    assert plan.scenario(0) == loaded
    assert plan.length(0) == own_slots(loaded)


def test_kinds_are_set_before_the_fields_they_bring(planned: Planned) -> None:
    plan = planned(
        'scenario = "imac"\ncontrollers = ["max"]\nseeds = 1\n'
        '[set.channel.path_loss]\nexponent = 2.5\nkind = "log-distance"\n'
        '[[list]]\n"layout.rows" = 5\n"layout.kind" = "grid"\n'
    )
    loaded = ["layout.kind=grid", "layout.rows=5"]
    loaded += ["channel.path_loss.kind=log-distance", "channel.path_loss.exponent=2.5"]
    assert plan.varied == ("layout.rows", "layout.kind")
    assert plan.scenario(0) == load("imac", loaded)


def test_none_leaves_a_field_out_and_overrides_come_after_what_the_plan_sets(
    planned: Planned,
) -> None:
    text = HEAD + '[set]\n"channel.shadowing_db" = 3\n"channel.fading" = "none"\n'
    assert planned(text).base.channel.shadowing_db == 3.0
    changed = planned(text, "channel.shadowing_db=none")
    assert changed.base.channel.shadowing_db is None
    assert changed.base.channel.fading == "none"


def test_scenarios_are_found_beside_the_plan_and_can_vary(planned: Planned, folder: Path) -> None:
    plan = planned(
        'controllers = ["max"]\nseeds = 2\n'
        '[set]\n"radio.p_max_dbm" = 12\n'
        '[grid]\nscenario = ["own.toml", "gaussian-ic"]\n"population.initial_users" = [4, 5]\n'
    )
    names = [plan.scenario(point).name for point in range(4)]
    assert names == ["own", "own", "gaussian-ic", "gaussian-ic"]
    assert [plan.scenario(point).population.initial_users for point in range(4)] == [4, 5, 4, 5]
    assert {plan.scenario(point).radio.p_max_dbm for point in range(4)} == {12.0}
    assert plan.base.name == "own"
    fixed = planned('scenario = "own.toml"\ncontrollers = ["max"]\nseeds = 2\n')
    assert fixed.base == load(folder / "own.toml")


def test_slots_are_the_plans_or_varied_or_the_scenarios_own(planned: Planned) -> None:
    assert planned("slots = 30\n" + HEAD).length(0) == 30
    varied = planned(HEAD + '[grid]\nslots = [10, 20]\n"population.initial_users" = [2]\n')
    assert [varied.length(point) for point in (0, 1)] == [10, 20]
    assert varied.slots is None
    drift = 'scenario = "drift"\ncontrollers = ["max"]\nseeds = 1\n'
    own = planned(drift + "[grid]\n'timing.slot_s' = [0.01, 0.02]\n")
    expected = [own_slots(load("drift", [f"timing.slot_s={slot}"])) for slot in (0.01, 0.02)]
    assert [own.length(point) for point in (0, 1)] == expected
    assert expected[0] == 2 * expected[1]


def test_sizes_are_of_all_pairs_in_all_slots_in_the_order_of_the_points(planned: Planned) -> None:
    plan = planned(HEAD + '[grid]\n"population.initial_users" = [10, 90]\nslots = [2, 3]\n')
    assert plan.sizes.tolist() == [2 * 20**2, 3 * 20**2, 2 * 100**2, 3 * 100**2]
    assert plan.sizes is plan.sizes
    with pytest.raises(ValueError, match="read-only"):
        plan.sizes[0] = 1.0


def test_seeds_are_counted_from_the_first_or_named(planned: Planned) -> None:
    named = HEAD.replace("seeds = 3", "seeds = [9, 2]")
    assert planned(HEAD).seeds == (0, 1, 2)
    assert planned(HEAD, seed=40).seeds == (40, 41, 42)
    assert planned(named).seeds == (9, 2)
    with pytest.raises(InputError, match="the first cannot be 4 unless seeds says how many"):
        planned(named, seed=4)


def test_stopping_and_the_map_are_read(planned: Planned) -> None:
    plan = planned(
        'title = "Who wins"\nname = "who-wins"\n'
        + HEAD
        + '[grid]\n"timing.slowdown" = [1, 10]\nslots = [5, 6]\n'
        + "[stop]\nwidth_percent = 0.5\nfirst = 2\nstep = 1\n"
        + '[map]\nx = "slots"\ny = "timing.slowdown"\n'
    )
    assert (plan.name, plan.title) == ("who-wins", "Who wins")
    assert plan.stopping == (0.5, 2, 1)
    assert plan.drawing == ("slots", "timing.slowdown", None)


def test_controllers_are_canonical(planned: Planned) -> None:
    plan = planned(HEAD.replace('"wmmse"', '"wmmse:max_iterations=7"'))
    assert plan.controllers == plan.specs == ("max", canonical("wmmse:max_iterations=7"))


def test_a_plan_is_json_and_travels(planned: Planned) -> None:
    plan = planned(HEAD + VARIED)
    plan.scenario(0)
    told = json.loads(json.dumps(plan.resolved(), allow_nan=False))
    assert told == plan.resolved()
    assert Scenario.model_validate(told["base"]) == plan.base
    copy = pickle.loads(pickle.dumps(plan))  # noqa: S301
    assert copy == plan
    assert (copy.hash, copy.scenario(1)) == (plan.hash, plan.scenario(1))


def test_scenarios_are_kept_for_a_while_and_made_again(planned: Planned) -> None:
    plan = planned(HEAD + MANY)
    first = plan.scenario(0)
    assert plan.scenario(0) is first
    users = [plan.scenario(point).population.initial_users for point in range(100)]
    assert users == list(range(1, 101))
    assert plan.scenario(0) == first
    assert len(plan._recent) <= 32
    with pytest.raises(IndexError, match="the plan has 100"):
        plan.scenario(100)


def test_another_thread_may_keep_a_scenario_at_any_moment(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, made = planned(HEAD + MANY), load("d2d")
    monkeypatch.setattr(SweepPlan, "_made", lambda *_: made)
    left = 0

    def step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code is not SweepPlan.scenario.__code__:
            return None
        frame.f_trace_opcodes = True
        left -= event == "opcode"
        if event == "opcode" and left == 0:
            plan._recent[len(kept)] = made
            kept.append(made)
        return step

    kept: list[Scenario] = [made] * 1000
    before = sys.gettrace()
    for moment in range(1, 80):
        left = moment
        sys.settrace(step)
        try:
            plan.scenario(moment)
        finally:
            sys.settrace(before)
    assert len(kept) > 1040
    assert len(plan._recent) <= 33


def test_a_point_costs_a_small_part_of_loading_a_scenario(planned: Planned) -> None:
    def took(action: Callable[[], object]) -> float:
        start = time.process_time()
        action()
        return time.process_time() - start

    whole = min(took(lambda: planned(HEAD + MANY)) for _ in range(3)) / 100
    one = min(took(lambda: load("d2d")) for _ in range(5))
    assert whole < one / 4  # 20,000 points are seconds and not minutes


# --- what is wrong with a plan ------------------------------------------------------------------


WRONG = [
    ("[grid\n", "not valid TOML"),
    ("sceanrio = 'd2d'\n", r"unknown key sceanrio \(did you mean 'scenario'\?\); allowed: contr"),
    ("title = 3\n", "title = 3: must be a valid string"),
    ("name = '../x'\n", r"name = \.\./x: String should match"),
    ("slots = 0\n", "slots = 0: must be greater than or equal to 1"),
    ("slots = true\n", "slots = True: must be a valid integer"),
    ("[sett]\n", r"unknown key sett \(did you mean 'set'\?\)"),
    ("grid = 3\n", "grid = 3: must be a table"),
    ("[set]\n'chanel.doppler_hz' = 3\n", r"set: unknown field chanel \(did you mean 'channel'\?\)"),
    ("[set]\nchannel.dopler_hz = 3\n", r"set: unknown field channel\.dopler_hz \(did you mean 'd"),
    ("[set]\nradio.p_max_dbm = 900\n", r"set: radio\.p_max_dbm = 900: must be less than or equal"),
    ("[set]\nslots = 3\n", "set: unknown field slots"),
    (
        "[set]\n'radio.p_max_dbm.x' = 3\n",
        r"unknown field radio\.p_max_dbm\.x: radio\.p_max_dbm is a",
    ),
    ("[grid]\n'channel.dopler_hz' = [3]\n", r"grid: unknown field channel\.dopler_hz \(did you me"),
    ("[grid]\nscenaro = ['d2d']\n", r"grid: unknown field scenaro \(did you mean 'scenario'\?\)"),
    ("[grid]\nchannel.path_loss = ['umi']\n", r"grid: channel\.path_loss is a section"),
    ("[grid]\nmobility.groups = [1]\n", r"grid: mobility\.groups is an array"),
    (
        "[grid]\nobjective = ['sum-rate']\n",
        "grid: objective is varied, but a plan is judged",
    ),
    ("[[list]]\nobjective = 'sum-rate'\n", "list: objective is varied"),
    ("[random]\npoints = 1\nobjective = ['sum-rate']\n", "random: objective is varied"),
    ("[grid]\ntiming.slowdown = []\n", r"grid: timing\.slowdown: no values"),
    ("[grid]\ntiming.slowdown = 3\n", r"timing\.slowdown = 3: must be an array of values or a ra"),
    ("[grid]\ntiming.slowdown = [1, 1.0]\n", r"timing\.slowdown = 1\.0 is named twice"),
    ("[grid]\ntiming.slowdown = [1, 'a']\n", r"timing\.slowdown = a: must be a number"),
    ("[grid]\ntiming.slowdown = [1, true]\n", r"timing\.slowdown = True: must be a number"),
    ("[grid]\nslots = ['3']\n", r"slots = 3: must be a whole number"),
    ("[grid]\nlayout.wrap_around = [0, 1]\n", r"layout\.wrap_around = 0: must be true or false"),
    ("[grid]\ncsi.period_s = ['none', 1]\n", r"csi\.period_s = none: cannot vary together with nu"),
    ("[grid]\ntiming.slowdown = [[1]]\n", r"timing\.slowdown = \[1\]: must be a number"),
    ("[grid]\ntiming.slowdown = [nan]\n", r"point 0 \(timing\.slowdown = nan\): timing\.slowdow"),
    ("[grid]\ntiming.slowdown = [1, -1]\n", r"point 1 \(timing\.slowdown = -1\.0\): timing\.slow"),
    ("[grid]\npopulation.initial_users = [1.5]\n", r"initial_users = 1\.5: must be a valid integ"),
    ("[grid]\ntiming.slowdown = {from=1,to=2,cuont=3}\n", r"unknown key cuont \(did you mean 'co"),
    ("[grid]\ntiming.slowdown = {from=1,count=3}\n", r"timing\.slowdown: to is missing"),
    ("[grid]\ntiming.slowdown = {from=1,to=2}\n", r"timing\.slowdown: count is missing"),
    ("[grid]\ntiming.slowdown = {from=1,to=2,count=1}\n", "count = 1: must be a whole number from"),
    ("[grid]\ntiming.slowdown = {from=3,to=2,count=2}\n", "from = 3 must be below to = 2"),
    ("[grid]\ntiming.slowdown = {from='a',to=2,count=2}\n", "from = a: must be a finite number"),
    (
        "[grid]\nradio.p_max_dbm = {from=-3,to=2,count=2,scale='log'}\n",
        "from = -3 must be above 0 where scale = log",
    ),
    ("[grid]\ntiming.slowdown = {from=3,to=4,count=2,scale='lg'}\n", "scale = lg: must be linear"),
    ("[grid]\ntiming.mode = {from=3,to=4,count=2}\n", r"timing\.mode holds text: give an array"),
    ("[grid]\nslots = {from=3,to=5,count=9}\n", "slots: count = 9 gives 3 more than once"),
    ("[grid]\nslots = [0]\n", "slots = 0: must be a whole number of at least 1"),
    ("[set]\n'radio.p_max_dbm' = 3\nradio.p_max_dbm = 4\n", r"set: radio\.p_max_dbm = 4: named tw"),
    ("[set]\nradio.p_max_dbm.x = 3\n", r"set: radio\.p_max_dbm = dict: must be a valid number"),
    ("[grid]\nscenario = ['imac']\n", "scenario = d2d: it is varied too"),
    ("list = []\n", "list = .*: must have at least one entry"),
    ("[[list]]\n", "list: entry 1 is empty"),
    ("[[list]]\nslots=1\n[[list]]\ntiming.slowdown=3\n", "entry 2: slots is missing"),
    (
        "[[list]]\nslots=1\n[[list]]\nslots=2\ntiming.slowdown=3\n",
        r"1: timing\.slowdown is missi",
    ),
    ("[[list]]\nslots=1\n[[list]]\nslots=1\n", r"list: two points are equal: slots = 1"),
    ("[[list]]\nslots=[1]\n", r"list: slots = \[1\]: must be a whole number"),
    ("[grid]\nslots=[1]\n[[list]]\nslots=1\n", "slots is varied twice"),
    ("[random]\nslots=[1]\n", "random: points is missing"),
    ("[random]\npoints=0\nslots=[1]\n", "random: points = 0: must be a whole number from 1 to"),
    ("[random]\npoints=1\n", "random: no fields"),
    ("[random]\npoint=1\npoints=1\n", r"unknown field point \(did you mean 'points'\?\)"),
    ("[random]\npoints=3\nseed=-1\nslots=[1]\n", "random: seed = -1: must be a whole number"),
    ("[random]\npoints=3\nslots=3\n", "slots = 3: must be an array to choose from or a range"),
    ("[random]\npoints=3\nslots={from=1,to=9,count=3}\n", "unknown key count"),
    ("[set]\nradio.p_max_dbm=3\n[grid]\nradio.p_max_dbm=[4]\n", "radio.p_max_dbm = 3: it is vari"),
    (
        "[set]\nlayout.side_m=30\n[grid]\nlayout.kind=['pairs','grid']\n",
        r"set: layout\.side_m = 30: layout\.kind is varied",
    ),
    ("[grid]\nlayout.kind=['links']\n", r"point 0 \(layout\.kind = links\): layout\.kind = links"),
    ("[stop]\n", r"stop\.width_percent is missing"),
    ("[stop]\nwidth=0.5\n", r"unknown key stop\.width; allowed: first, step, width_percent"),
    ("[stop]\nwidth_percent=0\n", r"stop\.width_percent = 0: must be greater than 0"),
    ("[stop]\nwidth_percent=1\nfrist=3\n", r"unknown key stop\.frist \(did you mean 'first'\?\)"),
    ("[stop]\nwidth_percent=1\nfirst=1\n", r"stop\.first = 1: must be greater than or equal to 2"),
    ("[stop]\nwidth_percent=1\nfirst=5\n", r"stop\.first = 5: must be at most the 3 of seeds"),
    ("[map]\nx='slots'\n", r"map\.x = slots: not varied; allowed: none"),
    (
        "[grid]\ntiming.slowdown=[1]\n[map]\nx='timing.slowdwn'\n",
        r"map\.x = timing\.slowdwn: not varied \(did you mean 'timing\.slowdown'\?\)",
    ),
    ("[grid]\nslots=[1]\n[map]\nx='slots'\ny='slots'\n", r"map\.y = slots: the map has it already"),
    (
        "[grid]\ntiming.slowdown={from=1,to=2,count=2000}\n"
        "radio.p_max_dbm={from=1,to=2,count=2000}\n",
        "4000000 points: at most 1000000",
    ),
]


LACKING = [
    ('controllers = ["max"]\nseeds = 1\n', "scenario is missing"),
    ('scenario = "d2d"\nseeds = 1\n', "controllers is missing"),
    ("slots = 3\n" + HEAD + "[grid]\nslots = [1]\n", "slots = 3: slots are varied too"),
    ('scenario = "d2d"\ncontrollers = ["max"]\n', "seeds is missing"),
    (HEAD.replace('["max", "wmmse"]', '"max"'), "controllers = max: must be an array"),
    (HEAD.replace("wmmse", "wmse"), r"wmse.*did you mean 'wmmse'"),
    (HEAD.replace("wmmse", "max"), "'max' is named twice"),
    (HEAD.replace('["max", "wmmse"]', "[]"), "no controllers"),
    (HEAD.replace("d2d", "d2e"), r"unknown scenario 'd2e' \(did you mean 'd2d'\?\)"),
    (HEAD.replace("d2d", "absent.toml"), "cannot read scenario .*absent.toml: No such file"),
    (HEAD.replace("seeds = 3", "seeds = 0"), "seeds = 0 must be at least 1"),
    (HEAD.replace("seeds = 3", "seeds = true"), "seeds = True must be a whole number"),
    (HEAD.replace("seeds = 3", "seeds = [1, 1]"), "seed 1: seeds must be different"),
    (HEAD.replace("seeds = 3", "seeds = [-1]"), "seed -1: seeds must be different and zero"),
    (HEAD.replace("seeds = 3", "seeds = []"), "no seeds"),
    (HEAD.replace("seeds", "seds"), r"unknown key seds \(did you mean 'seeds'\?\)"),
    (
        HEAD.replace('["max", "wmmse"]', '["max"]') + "[stop]\nwidth_percent=1\nfirst=2\n",
        "stop: intervals are relative to the first controller; name another",
    ),
    (
        'controllers = ["max"]\nseeds = 1\n[grid]\nscenario = ["d2d", "wide-cell"]\n',
        "scenario = .*has objective = energy-efficiency, and .* has sum-rate",
    ),
]


@pytest.mark.parametrize(
    ("text", "message"),
    [(HEAD + text if text[0] == "[" else text + HEAD, message) for text, message in WRONG]
    + LACKING,
)
def test_what_is_wrong_with_a_plan_is_one_line(planned: Planned, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        planned(text)
    assert "\n" not in str(caught.value)
    assert "mine.toml: " in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("timing.slowdown=3", r"timing\.slowdown = 3: it is varied"),
        ("timing.slwdown=3", r"unknown field timing\.slwdown \(did you mean 'slowdown'\?\)"),
        ("timing", "write it as section.field=value"),
        ("timing.slot_s=0", r"timing\.slot_s = 0: must be greater"),
    ],
)
def test_a_bad_override_of_a_plan_is_one_line(
    planned: Planned, override: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        planned(HEAD + VARIED, override)
    assert "\n" not in str(caught.value)


def test_plans_are_found_by_name_and_by_path(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "built-in"
    folder.mkdir()
    (folder / "who-wins.toml").write_text(HEAD)
    monkeypatch.setattr(plan_file, "_BUILTIN", folder)
    assert builtin_plans() == ("who-wins",)
    assert read_plan("who-wins").name == "who-wins"
    assert planned(HEAD, name="my plan").name == "my plan"
    with pytest.raises(InputError, match=r"unknown plan 'who-win' \(did you mean 'who-wins'\?\)"):
        read_plan("who-win")
    with pytest.raises(InputError, match=r"cannot read plan .*absent\.toml: No such file"):
        read_plan(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"binary\.toml: not UTF-8 text"):
        read_plan(tmp_path / "binary.toml")


@pytest.mark.parametrize("name", builtin_plans())
def test_the_builtin_plans_can_be_read(name: str) -> None:
    plan = read_plan(name)
    assert plan.cells > 0
    assert plan.title


def test_a_mapping_may_hold_ranges_and_what_numpy_makes() -> None:
    plain = {
        "scenario": "gaussian-ic",
        "controllers": ["max", "wmmse"],
        "seeds": [0, 1, 2],
        "slots": 5,
        "grid": {"channel.doppler_hz": [1.0, 2.0]},
    }
    varied = {"channel.doppler_hz": np.linspace(1.0, 2.0, 2)}
    made = plain | {"seeds": range(3), "slots": np.int64(5), "grid": varied}
    assert read_plan(made).hash == read_plan(plain).hash


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([1, 2], r"plan = \[1, 2\]: must be a mapping, a built-in name or a path"),
        (".", "directory"),
    ],
)
def test_what_is_no_plan_at_all_is_told(plan: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_plan(plan)


def test_a_built_in_plan_is_found_beside_what_it_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "winner-map").mkdir()
    assert read_plan("winner-map").name == "winner-map"
