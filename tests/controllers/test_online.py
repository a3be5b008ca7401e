"""Learning in the seat: memory, judging, the test for drift, places, and the state as a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, special, stats

from slotwise.controllers.online import state as states
from slotwise.controllers.online.drift import ALLOWANCE, DriftTest, levels
from slotwise.controllers.online.judging import compare
from slotwise.controllers.online.memory import Memory
from slotwise.controllers.online.places import Places
from slotwise.controllers.online.state import State
from slotwise.emulator.scenario import InputError


def _remember(memory: Memory, numbers: range, loss: float = 0.0) -> None:
    for number in numbers:
        snr = np.full((2, 2), number, np.float32)
        memory.add(snr, snr, np.ones(2, np.float32), loss)


def _numbers(memory: Memory) -> list[int]:
    return [int(snr[0, 0]) for snr in memory.samples().snr]


class TestMemory:
    def test_the_newest_are_kept_in_the_order_in_which_they_came(self) -> None:
        memory = Memory(5, "recent")
        _remember(memory, range(13))
        assert _numbers(memory) == [8, 9, 10, 11, 12]
        assert [int(s[0, 0]) for s in memory.samples(newest=2).snr] == [11, 12]

    def test_what_is_there_is_not_kept_twice(self) -> None:
        memory, gain = Memory(3, "recent"), np.ones((2, 2), np.float32)
        for mark in (7, 7, 8, 9, 10, 7):
            memory.add(gain, gain, gain[0], mark=mark)
        assert memory.seen == 5  # the first has been replaced when it comes again
        assert memory.add(gain, gain, gain[0], mark=7) is False
        again = Memory(3, "recent")
        again.restore(*memory.state())
        assert again.add(gain, gain, gain[0], mark=10) is False
        assert again.add(gain, gain, gain[0], mark=11) is True

    def test_without_a_capacity_everything_is_kept(self) -> None:
        memory = Memory(0, "reservoir")
        _remember(memory, range(300))
        assert _numbers(memory) == list(range(300))

    def test_a_reservoir_keeps_every_observation_with_the_same_chance(self) -> None:
        counts = np.zeros(40)
        for seed in range(600):
            memory = Memory(10, "reservoir")
            memory.begin(seed)
            _remember(memory, range(40))
            counts[_numbers(memory)] += 1
        # Ten of forty each time: a count's variance is 600/4 · 3/4, and forty counts that add up
        # have 39 degrees of freedom.
        chi_square = float(np.sum((counts - 150) ** 2 / (150 * 0.75))) * 39 / 40
        assert stats.chi2.sf(chi_square, 39) > 1e-3

    def test_an_observation_is_kept_in_proportion_to_its_loss_where_one_of_two_is(self) -> None:
        heavy = 0
        for seed in range(3000):
            memory = Memory(1, "loss")
            memory.begin(seed)
            _remember(memory, range(1), loss=0.1)
            _remember(memory, range(1, 2), loss=0.3)
            heavy += _numbers(memory) == [1]
        assert heavy / 3000 == pytest.approx(0.75, abs=0.03)  # four deviations

    def test_observations_of_different_users_share_one_array_and_the_absent_have_no_gain(
        self,
    ) -> None:
        memory = Memory(5, "recent")
        for users in (2, 4, 1):
            ones = np.ones((users, users), np.float32)
            memory.add(ones, 2 * ones, np.ones(users, np.float32))
        seen = memory.samples()
        assert seen.snr.shape == (3, 4, 4)
        assert seen.snr.sum(axis=(1, 2)).tolist() == [4, 16, 1]
        assert seen.mean.sum(axis=(1, 2)).tolist() == [8, 32, 2]
        assert seen.weight.sum(axis=1).tolist() == [2, 4, 1]

    @pytest.mark.parametrize("keep", ["recent", "reservoir", "loss"])
    def test_what_was_saved_goes_on_as_if_never_interrupted(self, keep: str) -> None:
        one, other = Memory(7, keep), Memory(7, keep)
        one.begin(3)
        _remember(one, range(23), loss=0.2)
        other.restore(*one.state())
        _remember(one, range(23, 60), loss=0.5)
        _remember(other, range(23, 60), loss=0.5)
        assert _numbers(one) == _numbers(other)

    @pytest.mark.parametrize(
        ("capacity", "keep", "message"),
        [(-1, "recent", "memory = -1"), (3, "oldest", "keep = oldest: must be one of recent")],
    )
    def test_what_cannot_be_is_refused(self, capacity: int, keep: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Memory(capacity, keep)


class TestJudging:
    def test_of_independent_observations_the_interval_is_that_of_a_paired_t_test(self) -> None:
        rng = np.random.default_rng(2)
        other = rng.normal(3.0, 0.5, 50)
        one = other + np.where(np.arange(50) % 2, 0.2, -0.1)  # neighbours never alike
        verdict = compare(one, other)
        interval = stats.ttest_rel(one, other).confidence_interval(0.95)
        assert verdict.gain == pytest.approx(np.mean(one - other) / other.mean())
        assert verdict.low == pytest.approx(interval.low / other.mean())
        assert verdict.high == pytest.approx(interval.high / other.mean())
        assert verdict.judged == 50

    @pytest.mark.parametrize("keep", [0.0, 0.5, 0.8])
    def test_the_interval_covers_the_truth_though_neighbours_are_alike(self, keep: float) -> None:
        rng, covered, trials = np.random.default_rng(5), 0, 400
        for _ in range(trials):
            fresh = rng.normal(0.0, math.sqrt(1.0 - keep * keep), 200)
            fresh[0] = rng.normal()
            away = fresh.copy()
            for n in range(1, 200):
                away[n] = keep * away[n - 1] + fresh[n]
            other = np.full(200, 10.0)
            verdict = compare(other + 0.3 + away, other)
            covered += verdict.low <= 0.03 <= verdict.high
        # 95% less what the estimated correlation costs; without it, 0.8 would cover 51%.
        assert 0.90 <= covered / trials <= 0.985

    @pytest.mark.parametrize(("judged", "keep", "most"), [(8, 0.0, 0.04), (16, 0.5, 0.06)])
    @pytest.mark.parametrize("confidence", [0.95, 0.99])
    def test_few_observations_seldom_prove_what_is_not_so(
        self, judged: int, keep: float, most: float, confidence: float
    ) -> None:
        rng = np.random.default_rng(6)
        fresh = rng.normal(0.0, math.sqrt(1.0 - keep * keep), (judged + 50, 1000))
        away = signal.lfilter([1.0], [1.0, -keep], fresh, axis=0)[50:].T
        other = np.full(judged, 10.0)
        proved = np.mean([compare(other + row, other, confidence).low > 0.0 for row in away])
        assert proved <= most * (1.0 if confidence == 0.95 else 0.5)

    def test_there_is_no_verdict_without_observations_or_rates(self) -> None:
        empty: NDArray[np.float64] = np.empty(0)
        assert math.isnan(compare(empty, empty).gain)
        assert math.isnan(compare(np.ones(3), np.zeros(3)).low)
        three = compare(np.array([2.0, 2.1, 2.2]), np.ones(3))
        assert (three.low, three.high) == (-math.inf, math.inf)
        one = compare(np.array([2.0]), np.array([1.0]))
        assert (one.gain, one.low, one.high) == (1.0, -math.inf, math.inf)


def _mean_run_length(threshold: float) -> float:
    """Reports before the first alarm of six one-sided sums, after D. Siegmund, "Sequential
    Analysis", 1985, equation 2.57: (exp(2 k b) - 2 k b - 1) / (2 k²), b = h + 1.166."""
    b = threshold + 1.166
    k = ALLOWANCE
    return float((math.exp(2 * k * b) - 2 * k * b - 1) / (2 * k * k)) / 6


class TestDrift:
    def test_levels_are_means_and_spread_in_db(self) -> None:
        snr = np.array([[100.0, 10.0, 0.0], [0.1, 10.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
        own_db, cross_db, spread_db = levels(snr)
        assert (own_db, cross_db) == pytest.approx((15.0, 0.0), abs=1e-5)
        assert spread_db == pytest.approx(10.0, abs=1e-5)
        assert levels(np.array([[100.0]], np.float32)) == pytest.approx([20.0, 0.0, 0.0], abs=1e-5)
        assert levels(np.zeros((0, 0), np.float32)).tolist() == [0.0, 0.0, 0.0]

    def test_false_alarms_are_as_rare_as_the_theory_of_the_test_says(self) -> None:
        rng, lengths = np.random.default_rng(7), []
        for _ in range(80):
            test, reports = DriftTest(block=1, threshold=6.0), 1
            while not test.watch(rng.normal((5.0, -20.0, 3.0), (1.0, 10.0, 0.1))):
                reports += 1
            lengths.append((reports - 20) / test.block)  # twenty to find how long blocks must be
        # Nearly geometric, so this mean has a deviation of 11%.
        assert np.mean(lengths) == pytest.approx(_mean_run_length(6.0), rel=0.35)

    def test_a_move_of_three_deviations_is_found_within_a_handful_of_blocks(self) -> None:
        rng, delays, false = np.random.default_rng(8), [], 0
        for _ in range(50):
            test = DriftTest(block=5, threshold=8.0)
            level = rng.normal(0.0, 1.0, (1200, 3))
            level[960:, 1] -= 3.0 / math.sqrt(5)
            alarms = [n for n, row in enumerate(level) if test.watch(row)]
            false += sum(n < 960 for n in alarms)
            delays += [(n - 959) / 5 for n in alarms if n >= 960][:1]
        # (h / (delta - k)) blocks with the deviation known: 3.2; here it is learned from before,
        # and blocks that have been made longer find more.
        assert len(delays) == 50
        assert 2.0 <= np.median(delays) <= 6.0
        assert false <= 8

    def test_scores_are_standard_normal(self) -> None:
        rng, scores = np.random.default_rng(9), []
        for _ in range(400):
            test = DriftTest(block=1, threshold=math.inf)
            test._trial = None
            for row in rng.normal(4.0, 2.0, (12, 3)):
                test.watch(row)
            scores.append(test._score(rng.normal(4.0, 2.0, 3)))
        assert stats.kstest(np.ravel(scores), special.ndtr).pvalue > 1e-3

    @pytest.mark.parametrize("keep", [0.9, 0.97])
    def test_reports_that_are_alike_because_of_slow_fading_are_no_change(self, keep: float) -> None:
        rng, longer, short = np.random.default_rng(11), 0, 0
        for _ in range(4):
            fresh = rng.normal(0.0, math.sqrt(1.0 - keep * keep), (8000, 3))
            level = signal.lfilter([1.0], [1.0, -keep], fresh, axis=0)
            level[6000:] += 8.0
            test, plain = DriftTest(block=5), DriftTest(block=5)
            plain._trial = None  # blocks stay as short as they are
            when = [n for n, row in enumerate(level) if test.watch(row)]
            longer += sum(n < 6000 for n in when)
            short += sum(plain.watch(row) for row in level[:6000])
            assert test.block > 5
            assert any(n >= 6000 for n in when)
        assert longer <= 12
        assert short > 10 * longer

    def test_what_never_varies_never_alarms(self) -> None:
        test = DriftTest(block=2)
        assert not any(test.watch(np.zeros(3)) for _ in range(1000))

    def test_what_was_saved_goes_on_as_if_never_interrupted(self) -> None:
        rng = np.random.default_rng(10)
        level = rng.normal(0.0, 1.0, (400, 3)) + np.where(np.arange(400) > 200, 2.0, 0.0)[:, None]
        one, other = DriftTest(block=3), DriftTest(block=3)
        for row in level[:100]:
            one.watch(row)
        other.restore(one.state())
        assert [one.watch(row) for row in level[100:]] == [other.watch(row) for row in level[100:]]
        assert one.alarms == other.alarms > 0


class TestPlaces:
    def test_who_stays_keeps_its_place_and_who_comes_takes_the_first_free_one(self) -> None:
        places = Places(10)

        def of(*users: int) -> list[int] | None:
            found = places.of(np.array(users, np.int64))
            return None if found is None else found.tolist()

        assert of(0, 1, 2) is None
        assert of(0, 2) == [0, 2]
        assert of(0, 2, 3) == [0, 2, 1]
        assert of(0, 3, 2) is None  # everyone's place is its row again
        assert of() is None
        assert of(7, 8) is None

    def test_who_was_given_a_place_that_does_not_exist_is_moved_as_soon_as_there_is_room(
        self,
    ) -> None:
        places = Places(3)
        crowd = places.of(np.arange(5))
        assert crowd is None  # everyone's place is its row, though two have none
        found = places.of(np.array([1, 4, 3]))
        assert found is not None
        assert found.tolist() == [1, 0, 2]


class TestState:
    def test_a_state_comes_back_as_it_was(self, tmp_path: Path) -> None:
        state = State({"deployed/a": np.arange(3.0), "held/a": np.eye(2)}, {"watched": 4})
        path = tmp_path / "deep" / "seed-1.safetensors"
        states.write(path, state, {"base": "unrolled"})
        found = states.read(path, {"base": "unrolled"})
        assert found.values == {"watched": 4}
        assert found.part("held")["a"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
        assert list(found.part("deployed")) == ["a"]

    def test_that_of_another_learner_or_a_damaged_one_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "seed-1.safetensors"
        states.write(path, State({"a": np.ones(2)}, {}), {"base": "unrolled"})
        with pytest.raises(InputError, match="learned with base = unrolled and not graph"):
            states.read(path, {"base": "graph"})
        path.write_bytes(path.read_bytes()[:-3])
        with pytest.raises(InputError, match="cannot be read"):
            states.read(path, {"base": "unrolled"})
