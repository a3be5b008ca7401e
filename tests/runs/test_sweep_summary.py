"""What rows come to, who is ahead, and when a point has met enough networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy import stats

from slotwise.emulator.scenario import load
from slotwise.runs import intervals
from slotwise.runs.sweeps.contest import contest
from slotwise.runs.sweeps.outcomes import Outcomes
from slotwise.runs.sweeps.paired import ratio_of_means
from slotwise.runs.sweeps.planning.plan import Stopping, SweepPlan
from slotwise.runs.sweeps.stopping import seeds_wanted, wanted
from slotwise.runs.sweeps.summary import matrix, summarise

Array = NDArray[np.float64]

NAN = float("nan")


def plan_of(
    merit: Array, controllers: Sequence[str] = (), stopping: Stopping | None = None
) -> SweepPlan:
    points, seeds, many = merit.shape
    return SweepPlan(
        name="drawn",
        title="",
        base=load("d2d"),
        controllers=tuple(controllers) or tuple(f"c{n}" for n in range(many)),
        seeds=tuple(range(seeds)),
        slots=10,
        varied=("population.initial_users",),
        points=tuple((n + 1,) for n in range(points)),
        stopping=stopping,
    )


def rows_of(merit: Array, failed: Sequence[int] = (), absent: Sequence[int] = ()) -> pa.Table:
    cells = [cell for cell in range(merit.size) if cell not in set(absent)]
    flat = merit.ravel()
    known = [
        None if cell in set(failed) or math.isnan(flat[cell]) else flat[cell] for cell in cells
    ]
    return pa.table(
        {
            "cell": pa.array(cells, pa.int64()),
            "error": ["ValueError: no" if cell in set(failed) else "" for cell in cells],
            "mean_sum_rate": pa.array(known, pa.float64()),
            "reports": pa.array([10.0] * len(cells)),
            "missed_deadlines": pa.array([float(cell % 3) for cell in cells]),
            "faults": pa.array([1.0] * len(cells)),
        }
    )


def times_of(merit: Array) -> pa.Table:
    cells = np.arange(merit.size)
    return pa.table({"cell": cells, "seconds": cells + 1.0, "latency_p50_s": (cells + 1.0) ** 2})


def summary_of(merit: Array, **missing: Sequence[int]) -> list[dict[str, Any]]:
    plan = plan_of(merit)
    found: list[dict[str, Any]] = summarise(
        plan, rows_of(merit, **missing), times_of(merit)
    ).to_pylist()
    return found


def drawn(points: int, seeds: int, many: int, scatter: float = 0.01, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    network = np.exp(rng.normal(0.0, 0.3, (points, seeds, 1)))
    return network * (1.0 + scatter * rng.standard_normal((points, seeds, many)))


# --- paired intervals --------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 2, 3, 7])
def test_intervals_of_many_points_are_those_of_single_ones(seeds: int) -> None:
    merit = drawn(5, seeds, 3)
    ratios = ratio_of_means(merit, merit[..., :1])
    for point, one in product(range(5), range(3)):
        alone = intervals.ratio_of_means(merit[point, :, one], merit[point, :, 0])
        expected = [NAN if each is None else each for each in alone]
        np.testing.assert_allclose([each[point, one] for each in ratios], expected, rtol=1e-12)


def test_a_pair_of_which_one_is_missing_is_left_out() -> None:
    merit = drawn(1, 6, 2)
    holed = merit.copy()
    holed[0, 1, 0] = holed[0, 4, 1] = NAN
    kept = merit[:, [0, 2, 3, 5]]
    found, expected = (ratio_of_means(each, each[..., :1]) for each in (holed, kept))
    np.testing.assert_allclose(found.value[:, 1], expected.value[:, 1])
    np.testing.assert_allclose(found.high[:, 1], expected.high[:, 1])


@pytest.mark.parametrize(("worst", "ratio"), [(0.0, 3.0), (-2.0, NAN), (-3.0, NAN)])
def test_there_is_no_ratio_to_a_reference_that_yields_nothing(worst: float, ratio: float) -> None:
    merit = np.array([[[2.0, 3.0], [worst, 3.0]]])
    np.testing.assert_equal(ratio_of_means(merit, merit[..., :1]).value[0, 1], ratio)


# --- standings ---------------------------------------------------------------------------------


def test_the_winner_has_the_largest_mean_and_leads_by_the_ratio_of_means() -> None:
    found = contest(
        Outcomes(np.array([[[1.0, 3.0, 2.0], [1.0, 5.0, 4.4]]]), np.zeros((1, 2, 3), bool))
    )
    assert found.rank.tolist() == [[3, 1, 2]]
    assert found.lead().value[0] == pytest.approx(8.0 / 6.4 - 1.0)
    assert found.of_best.value[0] == pytest.approx([0.25, 1.0, 0.8])


def test_who_cannot_be_told_from_the_winner_is_tied_with_it() -> None:
    even = np.array([1.0, 1.02, 0.99, 1.01, 1.0, 0.98])
    merit = np.stack([even, 1.001 * even[::-1], 0.5 * even], axis=1)[None]
    found = contest(Outcomes(merit, np.zeros(merit.shape, bool)))
    assert found.tied.tolist() == [[True, True, False]]
    assert found.lead().low[0] < 0.0 < found.lead().high[0]


def test_whoever_is_ahead_of_the_reference_is_ranked_before_it() -> None:
    rng = np.random.default_rng(0)
    reference = rng.lognormal(0.0, 1.0, (50, 40))
    shares = np.where(reference > np.median(reference), 0.95, 1.25)  # much worse where it counts
    merit = np.stack([reference, reference * shares], axis=2)
    plan = plan_of(merit)
    summary = summarise(plan, rows_of(merit), times_of(merit))
    rank, relative, low, of_best, tied = (
        matrix(plan, summary, name)
        for name in ("rank", "relative", "relative_low", "of_best", "tied")
    )
    assert np.mean(merit[..., 1] / merit[..., 0]) > 1.0
    assert set(rank[:, 0]) == {1.0, 2.0}
    assert ((rank[:, 1] == 1) == (relative[:, 1] > 1.0)).all()
    first = rank[:, 0] == 1
    np.testing.assert_allclose(relative[first], of_best[first])
    assert ((low[first, 1] <= 1.0) | (tied[first, 1] == 1)).all()


def test_a_clear_winner_is_tied_with_nobody() -> None:
    merit = drawn(40, 5, 3, 0.001) * np.array([1.0, 1.1, 0.9])
    found = contest(Outcomes(merit, np.zeros(merit.shape, bool)))
    assert (found.rank == [2, 1, 3]).all()
    assert not found.tied.any()
    assert (found.lead().low > 0.09).all()


def test_who_failed_where_others_lived_is_not_ranked() -> None:
    rows = summary_of(np.array([[[1.0, 9.0], [2.0, 9.0], [3.0, 9.0]]]), failed=[1])
    assert [row["rank"] for row in rows] == [1, None]
    assert [row["failed"] for row in rows] == [0, 1]
    assert [row["seeds"] for row in rows] == [3, 2]


def test_a_network_in_which_everybody_fails_is_left_out_for_everybody() -> None:
    rows = summary_of(np.array([[[1.0, 9.0], [2.0, 9.0], [3.0, 8.0]]]), failed=[0, 1])
    assert [row["rank"] for row in rows] == [2, 1]
    assert rows[0]["of_best"] == pytest.approx(2.5 / 8.5)


def test_nobody_is_ranked_before_everybody_has_lived() -> None:
    merit = np.array([[[1.0, 9.0], [2.0, 9.0]], [[1.0, 2.0], [1.0, 3.0]]])
    rows = summary_of(merit, absent=[1, 3])
    assert [row["rank"] for row in rows] == [None, None, 2, 1]


def test_those_who_lived_are_compared_in_the_networks_that_all_lived() -> None:
    rows = summary_of(np.array([[[1.0, 2.0], [100.0, 2.0]]]), absent=[3])
    assert [row["rank"] for row in rows] == [2, 1]


@pytest.mark.parametrize("worth", [0.0, -1.0])
def test_where_nobody_yields_anything_nobody_wins(worth: float) -> None:
    rows = summary_of(np.full((1, 3, 2), worth))
    assert [row["rank"] for row in rows] == [None, None]
    assert [row["tied"] for row in rows] == [None, None]
    assert [row["of_best"] for row in rows] == [None, None]
    assert [row["lead"] for row in rows] == [None, None]
    assert [row["relative"] for row in rows] == [None, None]


def test_a_winner_over_one_who_yields_nothing_wins_by_no_ratio() -> None:
    rows = summary_of(np.array([[[0.0, 2.0], [0.0, 2.1]]]))
    assert (rows[1]["rank"], rows[1]["tied"], rows[1]["lead"]) == (1, False, None)
    assert rows[0]["of_best"] == 0.0


def test_one_network_gives_standings_without_intervals() -> None:
    first, second = summary_of(np.array([[[1.0, 2.0]]]))
    assert (second["rank"], second["lead"], second["relative"]) == (1, 1.0, 2.0)
    for name in ("relative_low", "of_best_high", "lead_low", "tied", "merit_std"):
        assert first[name] is None, name
        assert second[name] is None, name


def test_a_controller_alone_is_first_and_leads_nobody() -> None:
    (row,) = summary_of(np.array([[[1.0], [2.0]]]))
    assert (row["rank"], row["tied"], row["lead"], row["of_best"]) == (1, False, None, 1.0)


def test_two_equal_controllers_are_told_apart_in_about_five_points_of_a_hundred() -> None:
    merit = drawn(4000, 4, 2, 0.02, seed=3)
    found = contest(Outcomes(merit, np.zeros(merit.shape, bool)))
    share = 1.0 - np.mean(found.tied.any(axis=1))
    assert share == pytest.approx(0.056, abs=0.015)  # four standard errors


# --- the table ---------------------------------------------------------------------------------


def test_a_row_says_what_its_cells_came_to() -> None:
    merit = np.array([[[2.0, 3.0], [4.0, 5.0]]])
    row = summary_of(merit)[1]
    assert list(row)[:3] == ["point", "population.initial_users", "controller"]
    assert (row["point"], row["controller"], row["seeds"]) == (0, "c1", 2)
    assert row["merit"] == 4.0
    assert row["merit_std"] == pytest.approx(math.sqrt(2.0))
    assert row["relative"] == pytest.approx(4 / 3)
    half = float(stats.t.ppf(0.975, 1)) / 9  # residuals of a ninth of the reference's mean
    assert row["relative_high"] - row["relative"] == pytest.approx(half)
    assert row["missed_share"] == pytest.approx((1 + 0) / 20)
    assert (row["faults"], row["seconds"], row["latency_p50_s"]) == (2, 2.0 + 4.0, (4.0 + 16.0) / 2)


def test_rows_may_come_in_any_order_and_may_be_none() -> None:
    merit = drawn(3, 4, 2)
    plan, rows, times = plan_of(merit), rows_of(merit), times_of(merit)
    mixed = rows.take(pa.array(np.random.default_rng(0).permutation(merit.size)))
    assert summarise(plan, mixed, times).equals(summarise(plan, rows, times))
    empty = summarise(plan, rows.slice(0, 0), times.slice(0, 0))
    assert empty["seeds"].to_pylist() == [0] * 6
    assert empty["rank"].null_count == 6


def test_a_column_of_the_summary_comes_back_as_points_by_controllers() -> None:
    merit = drawn(3, 4, 2)
    plan = plan_of(merit)
    summary = summarise(plan, rows_of(merit), times_of(merit))
    np.testing.assert_allclose(matrix(plan, summary, "merit"), merit.mean(axis=1))
    assert np.isfinite(matrix(plan, summary, "tied")).all()


def test_the_figure_that_judges_is_that_of_the_objective() -> None:
    merit = drawn(1, 2, 2)
    base = load("d2d", overrides=["objective=energy-efficiency"])
    plan = replace(plan_of(merit), base=base)
    rows = rows_of(0.0 * merit).append_column(
        "energy_efficiency_bit_per_joule", pa.array(merit.ravel())
    )
    found = matrix(plan, summarise(plan, rows, times_of(merit)), "merit")
    np.testing.assert_allclose(found, merit.mean(axis=1))


# --- stopping ----------------------------------------------------------------------------------


def test_without_stopping_all_seeds_are_wanted() -> None:
    merit = drawn(2, 3, 2)
    plan = plan_of(merit)
    assert wanted(plan, rows_of(merit).slice(0, 0)).all()


def test_points_stop_after_the_wave_that_makes_them_certain_enough() -> None:
    merit = drawn(3, 12, 2, 0.0)
    merit[1, :3, 1] *= [1.0, 1.3, 0.8]  # wide after the first wave, less and less so later
    merit[2, ::2, 1] *= 2.0
    plan = plan_of(merit, stopping=Stopping(13.0, 3, 3))
    seeds = seeds_wanted(plan, Outcomes(merit, np.zeros(merit.shape, bool)))
    after = []
    for n in (3, 6, 9, 12):
        found = intervals.ratio_of_means(merit[1, :n, 1], merit[1, :n, 0])
        assert found.low is not None
        assert found.high is not None
        after.append(50.0 * (found.high - found.low))
    assert seeds[0] == 3
    assert seeds[1] == 3 * (1 + next(n for n, half in enumerate(after) if half <= 13.0))
    assert seeds[2] == 12


def test_a_wave_is_judged_when_all_of_it_has_been_lived() -> None:
    merit = drawn(1, 9, 2, 0.5)
    plan = plan_of(merit, stopping=Stopping(1.0, 3, 3))
    for lived, expected in ((0, 3), (5, 3), (6, 6), (11, 6), (12, 9), (18, 9)):
        mask = wanted(plan, rows_of(merit).slice(0, lived))
        assert mask.shape == (18,)
        assert mask.tolist() == [cell < 2 * expected for cell in range(18)], lived


def test_what_was_lived_beyond_the_wave_that_decides_changes_nothing() -> None:
    merit = drawn(4, 10, 3, 0.001)
    merit[:, 5:, 2] *= 3.0
    plan = plan_of(merit, stopping=Stopping(1.0, 5, 5))
    some = [cell for cell in range(merit.size) if cell // 3 % 10 >= 5]
    every, fewer = rows_of(merit), rows_of(merit, absent=some)
    assert (wanted(plan, every) == wanted(plan, fewer)).all()
    times = times_of(merit)
    mask = np.isin(np.asarray(times["cell"]), some, invert=True)
    assert summarise(plan, every, times).equals(summarise(plan, fewer, times.filter(mask)))


def test_a_last_wave_may_be_shorter_than_the_others() -> None:
    merit = drawn(1, 7, 2, 0.5)
    plan = plan_of(merit, stopping=Stopping(0.01, 3, 3))
    assert wanted(plan, rows_of(merit)).all()


def test_nobody_waits_for_a_controller_that_failed_or_a_reference_that_yields_nothing() -> None:
    merit = drawn(3, 9, 2, 0.5)
    merit[1, :, 0] = 0.0
    failed = [1, 36 + 0, 36 + 2, 36 + 4]
    plan = plan_of(merit, stopping=Stopping(0.01, 3, 3))
    mask = wanted(plan, rows_of(merit, failed=failed)).reshape(3, 9, 2)
    assert mask.any(axis=2).sum(axis=1).tolist() == [3, 3, 3]
    merit[1, 1:, 0] = 1.0
    mask = wanted(plan, rows_of(merit, failed=failed)).reshape(3, 9, 2)
    assert mask.any(axis=2).sum(axis=1).tolist() == [3, 9, 3]


def test_intervals_that_ended_a_search_hold_the_truth_almost_as_often_as_others() -> None:
    merit = drawn(4000, 40, 2, 0.0)
    rng = np.random.default_rng(1)
    merit[..., 1] *= 1.0 + 0.01 * rng.standard_normal(merit.shape[:2])
    outcome = Outcomes(merit, np.zeros(merit.shape, bool))
    plan = replace(plan_of(merit[:1]), points=tuple((n,) for n in range(4000)))
    plan = replace(plan, stopping=Stopping(0.7, 5, 5))
    kept = outcome.within(seeds_wanted(plan, outcome)).merit
    bounds = ratio_of_means(kept, kept[..., :1])
    assert 5 < np.isfinite(kept[..., 0]).sum(axis=1).mean() < 20
    held = np.mean((bounds.low[:, 1] <= 1.0) & (bounds.high[:, 1] >= 1.0))
    assert held == pytest.approx(0.921, abs=0.017)  # four standard errors
