"""Who the neighbours are, and that decisions among all neighbours are decisions among all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.base import Problem
from slotwise.controllers.neighbours import (
    Neighbourhood,
    Neighbours,
    beam_among,
    graph_of,
    in_each,
    strongest,
    wmmse_among,
)
from slotwise.controllers.wmmse_numpy import wmmse_numpy
from slotwise.emulator.clock import Emulator
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, load

Array = NDArray[np.float64]


def pairs(users: int, seed: int) -> Problem:
    """Pairs in a square at 50 to a unit, with everything different for everyone."""
    rng = np.random.default_rng(seed)
    receiver = rng.random((users, 2)) * np.sqrt(users / 50)
    transmitter = receiver + rng.normal(scale=0.03, size=(users, 2))
    length = np.linalg.norm(receiver[:, None] - transmitter[None], axis=-1)
    gain = (0.1 / np.maximum(length, 0.01)) ** 3.5 * rng.exponential(size=(users, users))
    noise, p_max, weight = rng.uniform(0.5, 2.0, (3, users))
    return Problem(gain, 0.01 * noise, p_max, weight)


@pytest.mark.interpreted
@given(st.integers(1, 40), st.integers(0, 45), st.integers(0, 2**31))
def test_the_strongest_are_those_that_a_sort_puts_first(users: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gain, p_max = rng.integers(0, 9, (users, users)).astype(float), rng.uniform(0.5, 1.0, users)
    hood = strongest(gain, count, p_max)
    received = gain * p_max
    for k in range(users):
        others = np.array([j for j in range(users) if j != k], dtype=int)
        order = others[np.argsort(-received[k, others], kind="stable")]
        assert hood.near[k].tolist() == order[:count].tolist()
        np.testing.assert_allclose(hood.rest[k], received[k, order[count:]].sum(), rtol=1e-12)


def test_the_rest_is_summed_and_not_what_a_subtraction_leaves() -> None:
    gain = np.full((3, 3), 1e-20)
    gain[0, 1] = 1.0
    assert strongest(gain, 1).rest[0] == 1e-20


def test_neighbours_are_kept_as_long_as_the_array_is_the_same_object() -> None:
    gain, p_max = np.random.default_rng(0).random((5, 5)), np.ones(5)
    neighbours = Neighbours(2)
    first = neighbours.of(gain, p_max)
    assert neighbours.of(gain, p_max.copy()) is first
    assert neighbours.of(gain.copy(), p_max) is not first
    again = neighbours.of(gain, p_max)
    assert again is not first
    np.testing.assert_array_equal(again.near, first.near)
    assert neighbours.of(gain, 2.0 * p_max) is not again


def test_long_term_gains_may_be_read_only() -> None:
    gain, p_max = np.random.default_rng(0).random((5, 5)), np.ones(5)
    gain.flags.writeable = p_max.flags.writeable = False
    hood = Neighbours(2).of(gain, p_max)
    graph = graph_of(Problem(gain, p_max, p_max, p_max), hood)
    assert graph.cross.shape == (5, 2)


def test_no_neighbours_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="count = 0: must be at least 1"):
        Neighbours(0)


@pytest.mark.parametrize("users", [1, 2, 3, 17, 100])
def test_among_all_neighbours_powers_are_those_among_all(users: int) -> None:
    problem = pairs(users, 3)
    power = in_each(problem, users, lambda graph, _: wmmse_among(graph)[0])
    expected, _ = wmmse_numpy(*problem)
    np.testing.assert_allclose(power, expected, rtol=1e-7, atol=1e-12)


def test_nobody_gets_nothing() -> None:
    none = Problem(np.empty((0, 0)), np.empty(0), np.empty(0), np.empty(0))
    assert in_each(none, 4, lambda graph, _: beam_among(graph)).shape == (0,)


def test_networks_of_any_leading_axes_are_solved_one_by_one() -> None:
    several = [pairs(6, seed) for seed in range(4)]
    problem = Problem(
        *(np.stack(arrays).reshape(2, 2, *arrays[0].shape) for arrays in zip(*several, strict=True))
    )
    power = in_each(problem, 2, lambda graph, _: wmmse_among(graph)[0])
    for n, one in enumerate(several):
        graph = graph_of(one, strongest(one.gain, 2, one.p_max))
        np.testing.assert_array_equal(power[divmod(n, 2)], wmmse_among(graph)[0] * one.p_max)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("gain", -1.0, "must be non-negative"),
        ("gain", np.nan, "must be non-negative"),
        ("p_max", np.inf, "must be non-negative and finite"),
        ("noise_power", 0.0, "must be positive"),
        ("weight", -1.0, "must be non-negative"),
    ],
)
def test_what_is_out_of_range_is_named(name: str, value: float, complaint: str) -> None:
    problem = pairs(3, 0)
    getattr(problem, name)[..., 1] = value
    hood = Neighbourhood(np.array([[1], [0], [1]], np.int32), np.zeros(3))
    with pytest.raises(ValueError, match=rf"{name}.*{complaint}"):
        graph_of(problem, hood)


def test_a_few_neighbours_are_nearly_as_good_as_all() -> None:
    problem = pairs(150, 7)
    power = in_each(problem, 16, lambda graph, _: wmmse_among(graph)[0])
    expected, _ = wmmse_numpy(*problem)
    rate = sum_rate(problem.gain, power, problem.noise_power, problem.weight)
    assert rate > 0.99 * sum_rate(problem.gain, expected, problem.noise_power, problem.weight)


def test_the_rest_counts_as_noise() -> None:
    problem = pairs(30, 1)
    hood = strongest(problem.gain, 4, problem.p_max)
    deaf = graph_of(problem, hood._replace(rest=np.zeros(30)))
    graph = graph_of(problem, hood)
    assert np.all(graph.direct < deaf.direct)


@pytest.mark.parametrize("spec", ["wmmse:sparse=4", "beam:sparse=4"])
def test_a_living_network_is_decided_among_long_term_neighbours(spec: str) -> None:
    # Whoever is near in the long term is listened to, however loud others are at the moment.
    scenario = load("d2d", ["population.initial_users=30", "layout.side_m=775"])
    report = Emulator(scenario, seed=3).advance()
    assert report is not None
    seen = report.observation()
    controller = make(spec)
    power = controller.decide(seen)
    hood = strongest(seen.mean_gain, 4, seen.p_max)
    graph = graph_of(Problem(seen.gain, seen.noise_power, seen.p_max, seen.weight), hood)
    fraction = wmmse_among(graph)[0] if spec.startswith("wmmse") else beam_among(graph)
    np.testing.assert_array_equal(power, fraction * seen.p_max)
    # A controller without memory of the network takes the loudest of the moment for neighbours.
    at_the_moment = controller.allocate(seen.gain, seen.noise_power, seen.p_max, seen.weight)
    assert (at_the_moment != power).any()


@pytest.mark.parametrize("spec", ["wmmse:sparse=-1", "beam:sparse=-2"])
def test_negative_numbers_of_neighbours_are_refused(spec: str) -> None:
    with pytest.raises(InputError, match=r"sparse = -\d: must be non-negative"):
        make(spec)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("spec", ["wmmse:sparse=5", "beam:sparse=5"])
def test_gains_that_are_none_are_refused_before_anybody_is_chosen(spec: str, value: float) -> None:
    gain = np.random.default_rng(1).exponential(size=(12, 12))
    gain[3, 7] = value
    with pytest.raises(ValueError, match=r"gain\[3, 7\]"):
        make(spec).allocate(gain, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"gain\[3, 7\]"):
        strongest(gain, 5)
