"""A study's directory: computed once, resumed, refused where it is another's; and what it says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slotwise.emulator.scenario import InputError, load
from slotwise.runs.directory import read_json
from slotwise.runs.report.canvas import style
from slotwise.runs.studies import crosstalk, published, retraining, tables
from slotwise.runs.studies.crosstalk import Levels, Measured, Normal, crosstalk_part, draws_like
from slotwise.runs.studies.descent import descend
from slotwise.runs.studies.distributions import draw_distributions
from slotwise.runs.studies.part import Document, Grid, Part, Unit
from slotwise.runs.studies.retraining import Retrained, order_of
from slotwise.runs.studies.rsun2024 import rsun2024
from slotwise.runs.studies.setting import SCALES, Published, Scale, Setting
from slotwise.runs.studies.study import Study, run
from slotwise.runs.studies.sun2018 import sun2018
from slotwise.runs.studies.tables import measured_unit, show_settings, weights_digest
from slotwise.runs.training import Order

TINY = Scale("minutes", 8, 4, 4, 3, 0.02, 200, 4)


class Counted:
    """A study of two parts whose units count how often they are computed."""

    def __init__(self) -> None:
        self.computed: list[str] = []
        self.salt = 0
        self.interrupt = ""

    def study(self, seed: int = 0) -> Study:
        parts = [self._part("1", ("a", "b")), self._part("fig2", ("c",))]
        return Study("counted", "Counted", "Words.", "minutes", seed, tuple(parts))

    def _part(self, name: str, units: tuple[str, ...]) -> Part:
        made = tuple(
            Unit("table", unit, 1, lambda: {"salt": self.salt}, self._compute(unit))
            for unit in units
        )

        def document(results: Any) -> Document:
            rows = [{"unit": one["unit"], "value": one["value"]} for one in results]
            cells = [(row["unit"], f"{row['value']:.1f}") for row in rows]
            return Document([Grid("Numbers", ("unit", "value"), cells)], rows=rows)

        return Part(name, f"Part {name}", "What it is.", made, document)

    def _compute(self, unit: str) -> Callable[[Callable[[int], None]], Mapping[str, Any]]:
        def compute(done: Callable[[int], None]) -> dict[str, Any]:
            if unit == self.interrupt:
                raise KeyboardInterrupt
            self.computed.append(unit)
            done(1)
            return {"unit": unit, "value": 1 / 3}

        return compute


def finish(study: Study, out: Path, *names: str) -> None:
    for _ in run(study, out, names, "slotwise study counted"):
        pass


def test_what_is_computed_is_not_computed_again(tmp_path: Path) -> None:
    counted = Counted()
    finish(counted.study(), tmp_path / "out")
    finish(counted.study(), tmp_path / "out")
    assert counted.computed == ["a", "b", "c"]


def test_another_identity_is_computed_again(tmp_path: Path) -> None:
    counted = Counted()
    finish(counted.study(), tmp_path, "fig2")
    counted.salt = 1
    finish(counted.study(), tmp_path, "fig2")
    assert counted.computed == ["c", "c"]


def test_whoever_stops_goes_on_where_it_was(tmp_path: Path) -> None:
    counted = Counted()
    counted.interrupt = "b"
    with pytest.raises(KeyboardInterrupt):
        finish(counted.study(), tmp_path)
    counted.interrupt = ""
    finish(counted.study(), tmp_path)
    assert counted.computed == ["a", "b", "c"]


def test_a_damaged_unit_is_computed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = Counted()
    finish(counted.study(), tmp_path, "fig2")
    (tmp_path / "units/table/c.json").write_text('{"identity":')
    finish(counted.study(), tmp_path, "fig2")
    assert counted.computed == ["c", "c"]
    assert "damaged, computed again" in capsys.readouterr().err


def test_pages_and_rows_are_written(tmp_path: Path) -> None:
    finish(Counted().study(), tmp_path)
    page = (tmp_path / "README.md").read_text("utf-8")
    assert "# Counted" in page
    assert "| a | 0.3 |" in page
    assert "Made by `slotwise study counted` on 20" in page
    assert "# Part fig2" in (tmp_path / "figure-2.md").read_text("utf-8")
    with (tmp_path / "table-1.csv").open() as file:
        assert [float(row["value"]) for row in csv.DictReader(file)] == [1 / 3, 1 / 3]
    assert list(read_json(tmp_path / "study.json")["parts"]) == ["1", "fig2"]
    assert not list(tmp_path.rglob("*partial*"))


def test_parts_made_later_join_those_made_before(tmp_path: Path) -> None:
    finish(Counted().study(), tmp_path, "fig2")
    finish(Counted().study(), tmp_path, "1")
    page = (tmp_path / "README.md").read_text("utf-8")
    assert page.index("## Part 1") < page.index("## Part fig2")


def test_another_study_s_directory_is_refused(tmp_path: Path) -> None:
    finish(Counted().study(), tmp_path / "out", "fig2")
    with pytest.raises(InputError, match="holds a study of seed 0, not 1"):
        finish(Counted().study(seed=1), tmp_path / "out")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a study"):
        finish(Counted().study(), tmp_path)


def test_an_unknown_table_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--tables 7: there are 1, fig2"):
        finish(Counted().study(), tmp_path / "out", "7")
    assert not (tmp_path / "out").exists()


# --- what was published ----------------------------------------------------------------------


def test_published_ratios_are_those_of_the_published_rates() -> None:
    for table in (published.GAUSSIAN, published.IMAC, published.HALF):
        for line in table.values():
            assert line.network / line.wmmse == pytest.approx(line.relative, abs=2e-4)
    for network, wmmse, relative, *_ in published.MEASURED_LINES.values():
        assert network / wmmse == pytest.approx(relative, abs=2e-4)


def test_published_tables_agree_where_they_overlap() -> None:
    for cells, line in published.IMAC.items():
        assert published.IMAC_RADIUS[cells][100] == line.relative
        assert published.IMAC_INNER[cells][0] == line.relative


@pytest.mark.parametrize("make", [sun2018, rsun2024], ids=["sun2018", "rsun2024"])
def test_every_setting_is_a_network_that_can_be_drawn(
    make: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "make_methods", lambda _: ({}, {}))
    seen: list[Setting] = []

    for scale in SCALES.values():
        for part in make(scale, 0, str).parts:
            for unit in part.units:
                identity = unit.identity()
                if "setting" in identity:
                    seen.append(Setting(**identity["setting"]))
    assert seen
    for setting in seen:
        scenario = load(setting.scenario, list(setting.overrides))
        assert scenario.name == setting.scenario
        if setting.scenario == "imac":
            assert setting.users % getattr(scenario.layout, "cells") == 0  # noqa: B009
        assert setting.methods[0] in ("wmmse", "optimum")
        assert set(setting.published) <= set(setting.methods)


def test_published_figures_stand_beneath_ours() -> None:
    figure = published.GAUSSIAN[10]
    known = {"max": Published(2.77, figure.relative, "47 ms")}
    setting = Setting("K = 4", "gaussian-ic", 4, 6, ("wmmse", "max"), published=known)
    unit = measured_unit("table", setting, str, TINY, 0)
    result = json.loads(json.dumps(unit.compute(lambda _: None)))
    document = show_settings([setting], [result], "decision")
    quality, call, decision = document.grids
    assert quality.rows[2] == ("— published", "98.33")
    assert decision.rows[2] == ("— published", "47 ms")
    assert len(call.rows) == 2
    assert "2.7700" in document.details[0].rows[1]


def test_distributions_are_drawn_of_those_who_took_part() -> None:
    setting = Setting("K = 4", "gaussian-ic", 4, 6, ("wmmse",))
    curve = np.linspace(1.0, 3.0, 201).tolist()
    higher = np.linspace(2.0, 4.0, 201).tolist()
    result = {
        "quantiles": {
            "wmmse": {"raw": curve, "rounded": curve},
            "mlp:x": {"raw": curve, "rounded": higher},
        }
    }
    document = draw_distributions("f", [(setting, "mlp:x")], [result], ("wmmse", "", "max"))
    assert [row[1] for row in document.grids[0].rows] == ["wmmse", "mlp, rounded"]
    assert document.rows[1]["quantile_0.5"] == pytest.approx(3.0)
    with style():
        (drawing,) = document.drawings()
    assert drawing.svg.startswith("<?xml")
    assert drawing.png[1:4] == b"PNG"


# --- the parts that learn --------------------------------------------------------------------


def test_descent_ends_at_the_root_on_the_side_where_it_began() -> None:
    z = np.array([0.25, 0.25, 1.0, 0.81])
    start = np.array([0.1, -0.1, 0.9, -1.0])
    np.testing.assert_allclose(descend(start, z), [0.5, -0.5, 1.0, -0.9], atol=1e-6)
    assert descend(np.zeros(1), np.ones(1)) == 0


def test_draws_have_the_statistics_they_are_told() -> None:
    measured = Measured(Path("none.npy"), 2.0, 3.0)
    drops = draws_like(Normal(2.0, 0.1), Levels(-10.0, 3.0, 0.25), 6, measured)(1, 4000)
    own = np.eye(6, dtype=np.bool_)
    direct, cross = np.sqrt(drops.gain[:, own]), drops.gain[:, ~own]
    assert direct.mean() == pytest.approx(2.0, abs=0.01)
    assert direct.std() == pytest.approx(0.1, abs=0.005)
    fitted = crosstalk.fit_levels(cross)
    assert fitted.mean_db == pytest.approx(-10.0, abs=0.1)
    assert fitted.deviation_db == pytest.approx(3.0, abs=0.1)
    assert fitted.zero == pytest.approx(0.25, abs=0.01)
    assert (drops.noise_power == 2.0).all()
    assert (drops.p_max == 3.0).all()


def test_gains_that_nobody_heard_have_no_levels() -> None:
    assert crosstalk.fit_levels(np.zeros(4)) == Levels(0.0, 0.0, 1.0)


def test_a_network_is_trained_for_measured_gains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"_TRAINING_SAMPLES": 1000, "_VALIDATION": 1000, "_BATCH": 500}.items():
        monkeypatch.setattr(crosstalk, name, value)
    monkeypatch.setattr(crosstalk, "CLASSICAL", ("wmmse",))
    monkeypatch.setattr(crosstalk, "OPTIMISER", ())
    monkeypatch.setitem(crosstalk._EPOCHS, "minutes", 2)
    gains = tmp_path / "gains.npy"
    np.save(gains, np.random.default_rng(3).exponential(size=(30, 3, 3)))
    part = crosstalk_part(Measured(gains, 0.5), TINY, 0, tmp_path)
    document = part.document([part.units[0].compute(lambda _: None)])
    methods = [row["method"] for row in document.rows]
    assert {"wmmse", "mlp, normal draws", "mlp, levels in dB"} <= set(methods)
    assert all(row["samples"] == 8 for row in document.rows)
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "measured-levels.safetensors",
        "measured-normal.safetensors",
    ]
    assert document.grids[-1].rows[0][0] == "75 m, far end"


def test_too_few_measured_gains_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones((1, 3, 3)))
    with pytest.raises(InputError, match="at least two draws"):
        crosstalk_part(Measured(tmp_path / "one.npy"), TINY, 0, tmp_path)


def test_networks_are_trained_anew_by_the_names_they_come_with() -> None:
    paper = order_of("gaussian-ic-20", TINY, 3)
    assert (paper.network, paper.links, paper.objective) == ("mlp", 20, "supervised")
    assert order_of("gaussian-ic-20-rate", TINY, 3).objective == "both"
    cells = order_of("imac-7x28", TINY, 3)
    assert (cells.overrides, cells.links) == (("layout.cells=7",), 28)
    assert order_of("graph", TINY, 3).network == "graph"
    assert order_of("unrolled-tiny", TINY, 3).size == ("size=tiny",)


def test_specs_keep_their_options_when_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Order] = []

    def train(order: Order, out: Path, **_: object) -> None:
        trained.append(order)
        out.parent.mkdir(exist_ok=True)
        out.write_bytes(b"weights")

    monkeypatch.setattr(retraining, "train", train)
    anew = Retrained(tmp_path / "weights", TINY, 0)
    assert anew("wmmse:starts=10") == "wmmse:starts=10"
    place = tmp_path / "weights"
    assert anew("mlp:gaussian-ic-10") == f"mlp:{place}/gaussian-ic-10.safetensors"
    assert anew("unrolled-tiny") == f"unrolled:{place}/unrolled-tiny.safetensors"
    nine = anew("unrolled:flip=true,starts=9")
    assert nine == f"unrolled:{place}/unrolled.safetensors,flip=true,starts=9"
    assert anew("unrolled") == f"unrolled:{place}/unrolled.safetensors"
    assert [order.network for order in trained] == ["mlp", "unrolled", "unrolled"]
    before = weights_digest(nine)
    (place / "unrolled.safetensors").write_bytes(b"others")
    assert before is not None
    assert weights_digest(nine) not in (None, before)
    assert weights_digest("wmmse:starts=10") is None
