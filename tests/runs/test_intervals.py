"""Intervals of paired comparisons against textbook arithmetic and against repetition."""

from __future__ import annotations

import numpy as np
import pytest

from slotwise.runs.intervals import Interval, mean_of_ratios, ratio_of_means


def test_three_ratios_by_hand() -> None:
    # Ratios 2, 3, 4: mean 3, standard error 1/sqrt(3), t(0.975, 2) = 4.302653.
    found = mean_of_ratios(np.array([2.0, 6.0, 12.0]), np.array([1.0, 2.0, 3.0]))
    half = 4.302653 / 3**0.5
    assert found == pytest.approx((3.0, 3.0 - half, 3.0 + half), rel=1e-6)


def test_ratio_of_means_by_hand() -> None:
    # R = 8/4 = 2; residuals (y - 2 x)/mean(x) = (1, 0, -1)/4; standard error 0.25/sqrt(3).
    found = ratio_of_means(np.array([5.0, 8.0, 11.0]), np.array([2.0, 4.0, 6.0]))
    half = 4.302653 * 0.25 / 3**0.5
    assert found == pytest.approx((2.0, 2.0 - half, 2.0 + half), rel=1e-6)


def test_pairing_takes_away_what_both_have_in_common() -> None:
    reference = np.random.default_rng(1).uniform(1.0, 9.0, 50)
    assert ratio_of_means(1.25 * reference, reference) == pytest.approx((1.25, 1.25, 1.25))
    assert mean_of_ratios(1.25 * reference, reference) == pytest.approx((1.25, 1.25, 1.25))


@pytest.mark.parametrize("estimate", [mean_of_ratios, ratio_of_means])
def test_the_interval_holds_the_truth_in_95_of_100_repetitions(
    estimate: object,
) -> None:
    assert callable(estimate)
    rng = np.random.default_rng(2)
    trials, inside = 2000, 0
    for _ in range(trials):
        reference = rng.uniform(2.0, 4.0, 30)
        values = reference * (1.5 + 0.2 * rng.standard_normal(30))
        _, low, high = estimate(values, reference)
        inside += low <= 1.5 <= high
    error = (0.95 * 0.05 / trials) ** 0.5
    assert abs(inside / trials - 0.95) < 4 * error


@pytest.mark.parametrize("estimate", [mean_of_ratios, ratio_of_means])
def test_one_pair_has_no_bounds(estimate: object) -> None:
    assert callable(estimate)
    assert estimate(np.array([3.0]), np.array([2.0])) == Interval(1.5, None, None)


@pytest.mark.parametrize("estimate", [mean_of_ratios, ratio_of_means])
@pytest.mark.parametrize(
    ("values", "reference"),
    [([], []), ([1.0, 1.0], [0.0, 0.0]), ([1.0, np.nan], [1.0, 1.0])],
    ids=["nothing", "zero reference", "NaN"],
)
def test_there_is_no_ratio_of_nothing(
    estimate: object, values: list[float], reference: list[float]
) -> None:
    assert callable(estimate)
    found = estimate(np.array(values), np.array(reference))
    assert found == Interval(None, None, None)
