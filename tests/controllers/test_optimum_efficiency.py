"""The certified energy efficiency against closed forms, fine grids and powers drawn at random."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import lambertw

from slotwise.controllers import make
from slotwise.controllers.base import Problem, broadcast
from slotwise.controllers.dinkelbach import prove
from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels.box_bound import priced_of, room_for_box, shrink
from slotwise.controllers.kernels.branching import branch
from slotwise.controllers.kernels.envelope_bound import bound_of
from slotwise.controllers.kernels.links import load, padded, room_for
from slotwise.controllers.optimum import OpenGap, Optimum, certify
from slotwise.emulator.drops import draw
from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError
from slotwise.emulator.scenario import load as scenario_named

Array = NDArray[np.float64]

GAP = 0.001
EFFICIENCY = Objective("energy-efficiency")


def problems(users: int, snr: float, samples: int = 20, seed: int = 0) -> Problem:
    """Gains, noise, power limits and weights that all differ from user to user."""
    rng = np.random.default_rng([users, int(10 * snr), seed])
    noise, p_max, weight = rng.uniform(0.3, 2.0, size=(3, samples, users))
    # Strong links and weaker interference, so that none, some or all have a share.
    gain = (
        rng.exponential(size=(samples, users, users))
        * rng.choice([0.01, 0.3, 1.0], samples)[:, None, None]
    )
    gain[:, range(users), range(users)] = rng.exponential(size=(samples, users))
    return Problem(snr * gain, noise, p_max, weight)


def log_grid(users: int, points: int) -> Array:
    """Fractions of powers over six decades, and zero."""
    axis = np.concatenate(([0.0], np.geomspace(1e-6, 1.0, points - 1)))
    return np.stack(np.meshgrid(*[axis] * users), axis=-1).reshape(-1, 1, users)


@pytest.mark.parametrize("inefficiency", [1.0, 4.0])
@pytest.mark.parametrize("circuit", [0.01, 1.0, 50.0])
def test_one_user_has_the_closed_form(inefficiency: float, circuit: float) -> None:
    snr, p_max = np.geomspace(0.01, 1e8, 15), np.array([[1e-4], [1.0], [1e4]])
    # ln(1 + g p) / (mu p + P) is highest at 1 + g p = exp(1 + W((g P / mu - 1) / e)).
    ratio = (snr * circuit / inefficiency - 1.0) / np.e
    inner = 1.0 + np.array([lambertw(float(x)).real for x in ratio])
    power = np.minimum((np.exp(inner) - 1.0) / snr, p_max)
    best = np.log2(1.0 + snr * power) / (inefficiency * power + circuit)
    objective = Objective("energy-efficiency", inefficiency, circuit)
    found = certify(
        snr[:, None, None], 1.0, p_max[:, :, None], objective=objective, relative_gap=1e-6
    )
    assert found.closed.all()
    np.testing.assert_allclose(found.value, best, rtol=1e-6)
    assert (best <= found.bound * (1.0 + 1e-12)).all()
    assert (found.bound <= found.value * (1.0 + 1.01e-6)).all()
    assert 0 < (power < p_max).sum() < power.size


@pytest.mark.parametrize(("users", "points"), [(2, 201), (3, 41)])
@pytest.mark.parametrize("snr", [1.0, 100.0, 1e5])
def test_a_fine_grid_finds_nothing_better_than_the_bound(
    users: int, points: int, snr: float
) -> None:
    gain, noise, p_max, weight = problems(users, snr)
    for objective in (EFFICIENCY, EFFICIENCY._replace(circuit_power_w=0.02)):
        found = certify(gain, noise, p_max, weight, objective=objective)
        grid = objective.value(gain, log_grid(users, points) * p_max, noise, weight).max(axis=0)
        assert found.closed.all()
        assert (grid <= found.bound * (1.0 + 1e-12)).all()
        assert (found.value >= grid / (1.0 + GAP)).all()


@settings(max_examples=40, deadline=None)
@given(
    users=st.integers(1, 7),
    seed=st.integers(0, 10_000),
    snr=st.sampled_from([0.3, 30.0, 3e3, 1e6]),
    circuit=st.sampled_from([1e-3, 0.1, 1.0, 30.0]),
    nodes=st.sampled_from([1, 4, 30, 1000]),
)
def test_none_of_a_thousand_powers_exceeds_the_bound(
    users: int, seed: int, snr: float, circuit: float, nodes: int
) -> None:
    gain, noise, p_max, weight = (row[0] for row in problems(users, snr, 1, seed))
    objective = Objective("energy-efficiency", 4.0, circuit)
    found = certify(gain, noise, p_max, weight, nodes=nodes, objective=objective)
    rng = np.random.default_rng(seed)
    powers = p_max * 10.0 ** rng.uniform(-5.0, 0.0, (1000, users))
    powers[rng.random((1000, users)) < 0.3] = 0.0
    powers[::2] = found.power * rng.uniform(0.7, 1.4, (500, users))
    powers = np.minimum(powers, p_max)
    assert objective.value(gain, powers, noise, weight).max() <= found.bound * (1.0 + 1e-12)
    assert found.nodes <= nodes


@pytest.mark.parametrize("users", [4, 8])
def test_the_bound_lies_above_what_other_controllers_reach(users: int) -> None:
    gain, noise, _, weight = problem = problems(users, 300.0)
    found = certify(*problem, objective=EFFICIENCY)
    assert found.closed.all()
    climbed = EFFICIENCY.value(gain, fractional(*problem)[0], noise, weight)
    assert (climbed <= found.bound).all()
    assert (found.value >= climbed * (1.0 - 1e-12)).all()
    for spec in ("max", "wmmse", "fractional:starts=1", "optimum"):
        reached = EFFICIENCY.value(gain, make(spec).allocate(*problem), noise, weight)
        assert (reached <= found.bound).all()


def test_better_powers_that_the_search_finds_replace_those_it_began_with() -> None:
    problem = problems(5, 300.0)
    found = certify(*problem, objective=EFFICIENCY)
    power = 1e-4 * problem.p_max
    begun = EFFICIENCY.value(problem.gain, power, problem.noise_power, problem.weight)
    bound, nodes = prove(problem, EFFICIENCY, power, GAP, 100_000)
    reached = EFFICIENCY.value(problem.gain, power, problem.noise_power, problem.weight)
    assert (reached > 1.5 * begun).all()
    assert (bound <= reached * (1.0 + GAP) * (1.0 + 1e-9)).all()
    assert (reached <= found.bound).all()
    assert (found.value <= bound).all()
    assert (nodes > 1).all()


@pytest.mark.interpreted
@pytest.mark.parametrize("snr", [3.0, 300.0, 1e5])
def test_neither_tests_nor_planes_take_the_optimum_from_a_priced_box(snr: float) -> None:
    users, rng = 3, np.random.default_rng(int(snr))
    shrunk = 0
    for problem in zip(*problems(users, snr, 8), strict=True):
        gain, noise, p_max, weight = problem
        price = rng.uniform(0.3, 10.0, users)
        best = np.zeros(users)
        value, _, _ = branch(*problem, price, 1e-7, 200_000, best)
        best /= p_max
        links = room_for(users)
        priced = priced_of(links, load(*problem, links), price)
        for _ in range(6):
            ends = np.sort(rng.random((2, users)) ** 3, axis=0)
            # The optimum is flat, and where it lies known less precisely than what it is worth.
            least = np.clip(np.minimum(ends[0], 0.9 * best - 1e-5), 0.0, 1.0)
            most = np.clip(np.maximum(ends[1], 1.1 * best + 1e-5), 0.0, 1.0)
            least[rng.random(users) < 0.4] = 0.0
            box = room_for_box(padded(users))
            box.least[:users], box.most[:users] = least, most
            assert shrink(priced, box) >= 0
            shrunk += int((box.most[:users] < most).any() or (box.least[:users] > least).any())
            inside = box.least[:users], box.most[:users]
            assert (inside[0] <= best + 1e-3).all()
            assert (inside[1] >= best - 1e-3).all()
            powers = rng.uniform(*inside, (500, users))
            bound = bound_of(priced, box, -np.inf)
            reached = sum_rate(gain, powers * p_max, noise, weight) - powers @ price
            assert max(reached.max(), value) <= bound + 1e-6
    assert shrunk > 30


def test_silent_users_consume_circuit_power_all_the_same() -> None:
    gain, noise, p_max, weight = problems(6, 300.0)
    weight[:, 1] = 0.0
    p_max[:, 2] = 0.0
    gain[:, 4, 4] = 0.0
    found = certify(gain, noise, p_max, weight, objective=EFFICIENCY)
    rest = [0, 3, 5]
    some = gain[:, rest][:, :, rest], noise[:, rest], p_max[:, rest], weight[:, rest]
    among = certify(*some, objective=EFFICIENCY._replace(circuit_power_w=2.0))
    assert not found.power[:, [1, 2, 4]].any()
    np.testing.assert_allclose(found.value, among.value, rtol=1e-5)
    nobody = certify(gain, noise, p_max, 0.0, objective=EFFICIENCY)
    assert not nobody.power.any()
    assert not nobody.bound.any()
    assert nobody.closed.all()


def test_users_may_be_numbered_and_problems_arranged_in_any_way() -> None:
    gain, noise, p_max, weight = problems(5, 300.0, samples=6)
    found = certify(gain, noise, p_max, weight, objective=EFFICIENCY)
    order = [3, 0, 4, 2, 1]
    noise, p_max, weight = (row[:, order].reshape(2, 3, 5) for row in (noise, p_max, weight))
    gain = gain[:, order][:, :, order].reshape(2, 3, 5, 5)
    other = certify(gain, noise, p_max, weight, objective=EFFICIENCY)
    np.testing.assert_allclose(other.power.reshape(6, 5), found.power[:, order], rtol=1e-9)
    np.testing.assert_array_equal(other.nodes.ravel(), found.nodes)


def test_powers_in_other_units_are_the_same_problem() -> None:
    gain, noise, p_max, weight = problems(5, 300.0, samples=6)
    found = certify(gain, noise, p_max, weight, objective=EFFICIENCY)
    milli = EFFICIENCY._replace(circuit_power_w=1e-3)
    scaled = certify(gain, 1e-3 * noise, 1e-3 * p_max, weight, objective=milli)
    np.testing.assert_allclose(scaled.value, 1e3 * found.value, rtol=1e-6)


@pytest.mark.parametrize("users", [0, 1, 4])
def test_where_circuits_consume_nothing_bits_are_cheapest_slowly(users: int) -> None:
    gain, noise, p_max, weight = problems(users, 30.0)
    free = Objective("energy-efficiency", 2.0, 0.0)
    found = certify(gain, noise, p_max, weight, objective=free)
    best = (np.einsum("nkk->nk", gain) / noise * weight).max(axis=1, initial=0.0) / 2.0
    np.testing.assert_allclose(found.bound, best / np.log(2.0))
    assert found.closed.all()
    assert (found.power <= p_max).all()
    drawn = p_max * 10.0 ** np.random.default_rng(0).uniform(-9, 0, (200, 1, users))
    if users:
        assert (free.value(gain, drawn, noise, weight) <= found.bound * (1.0 + 1e-9)).all()


def test_a_limit_on_the_nodes_leaves_a_gap_that_holds_and_is_said() -> None:
    problem = Problem(*broadcast(30.0 * np.random.default_rng(8).exponential(size=(6, 9, 9)), 1, 1))
    done = certify(*problem, objective=EFFICIENCY)
    controller = make("optimum:objective=energy-efficiency,nodes=6")
    assert isinstance(controller, Optimum)
    with pytest.warns(OpenGap, match=r"6 of 6 stay open, by at most [0-9.e+]+%, after nodes = 6"):
        controller.allocate(*problem)
    with warnings.catch_warnings(action="error"):
        controller.allocate(*problem)
    assert controller.certificate is not None
    cut = controller.certificate
    assert (cut.nodes <= 6).all()
    assert (cut.gap > GAP * cut.value).all()
    assert (done.value <= cut.bound).all()


def test_a_summary_of_efficiencies_is_in_parts_of_what_is_reached() -> None:
    found = certify(*problems(3, 30.0, samples=2), objective=EFFICIENCY)
    assert found.objective == EFFICIENCY
    mixed = found._replace(
        value=np.array([2.0, 4.0]), gap=np.array([0.001, 0.5]), closed=np.array([True, False])
    )
    assert mixed.summary() == (
        "1 of 2 stay open, by at most 12%; the other 1 proved within 0.05% of the optimum"
    )
    wide = mixed._replace(gap=np.array([0.001, 16.4]))
    assert "by at most 410%;" in wide.summary()


def test_the_option_or_the_network_names_what_is_maximised() -> None:
    problem = problems(4, 300.0, samples=3)
    rate, efficiency = certify(*problem), certify(*problem, objective=EFFICIENCY)
    alone, named = make("optimum"), make("optimum:objective=energy-efficiency")
    np.testing.assert_array_equal(alone.allocate(*problem), rate.power)
    np.testing.assert_array_equal(named.allocate(*problem), efficiency.power)
    network = scenario_named("four-cells")
    alone.reset(network, 0)
    np.testing.assert_array_equal(alone.allocate(*problem), efficiency.power)
    bits = make("optimum:objective=sum-rate")
    bits.reset(network, 0)
    np.testing.assert_array_equal(bits.allocate(*problem), rate.power)


def test_what_it_cannot_maximise_is_refused() -> None:
    aim: Aim = "weighted-energy-efficiency"
    with pytest.raises(ValueError, match="optimum serves sum-rate, energy-efficiency alone"):
        make(f"optimum:objective={aim}")
    with pytest.raises(ValueError, match=f"objective = {aim}: must be one of"):
        certify(np.eye(2), 1.0, 1.0, objective=Objective(aim))
    with pytest.raises(ValueError, match=r"relative_gap = 0.0: must be positive"):
        make("optimum:relative_gap=0")
    promise = "min_rate = 0.5: optimum knows no promised rates"
    with pytest.raises(InputError, match=promise):
        certify(np.eye(2), 1.0, 1.0, objective=EFFICIENCY._replace(min_rate=0.5))
    with pytest.raises(InputError, match=r"radio.min_rate = 0.5: must be 0, optimum knows"):
        make("optimum").reset(scenario_named("four-cells", ["radio.min_rate=0.5"]), 0)


@pytest.mark.parametrize("aim", ["sum-rate", "energy-efficiency"])
@pytest.mark.parametrize("cap", [0.3, 1.0, 10.0])
@pytest.mark.parametrize("users", [1, 2, 3])
def test_where_sinr_is_capped_nothing_is_called_proved_that_a_grid_beats(
    aim: Aim, cap: float, users: int
) -> None:
    rng = np.random.default_rng((users, 31))
    gain = 10.0 * rng.exponential(size=(25, users, users))
    objective = Objective(aim, sinr_cap=cap)
    found = certify(gain, 1.0, 1.0, objective=objective)
    fractions = log_grid(users, {1: 2001, 2: 121, 3: 25}[users])
    best = objective.value(gain, fractions, 1.0).max(axis=0)
    assert (found.bound >= best * (1.0 - 1e-9)).all()
    allowed = 0.01 if aim == "sum-rate" else GAP * found.value
    assert (found.value >= best - allowed - 1e-9)[found.closed].all()
    assert (found.gap > allowed)[~found.closed].all()
    np.testing.assert_allclose(found.value, objective.value(gain, found.power, 1.0), rtol=1e-12)
    free = fractional(gain, 1.0, 1.0, objective=objective)[0]
    assert (found.value >= objective.value(gain, free, 1.0) * (1.0 - 1e-12)).all()
    if users == 1:
        assert found.closed.all()


def test_shouting_beyond_a_cap_is_not_called_optimal() -> None:
    drops = draw(scenario_named("gaussian-ic", ["radio.sinr_cap_db=0"]), 100, 1, 3)
    objective = drops.objective._replace(aim="energy-efficiency")
    found = certify(drops.gain, drops.noise_power, drops.p_max, objective=objective)
    for share in np.geomspace(0.01, 1.0, 9):
        less = objective.value(drops.gain, share * found.power, drops.noise_power)
        assert (less <= 1.01 * found.value).all()
        assert (less <= found.value * (1.0 + GAP))[found.closed].all()
    assert not found.closed.all()


def test_a_network_with_a_promise_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"controller optimum: radio.min_rate = 0.5: must be 0"):
        make("optimum").reset(scenario_named("urban", ["radio.min_rate=0.5"]), 0)
    with pytest.raises(InputError, match="objective = weighted-energy-efficiency: optimum serves"):
        make("optimum").reset(scenario_named("urban", ["objective=weighted-energy-efficiency"]), 0)
