"""One contract, every controller: whatever it decides, these must hold."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from slotwise.controllers import Controller, available, make
from slotwise.controllers.aimed import Aimed
from slotwise.emulator.objective import SUM_RATE
from slotwise.emulator.observation import Observation

Array = NDArray[np.float64]

SPECS = [
    "max",
    "random",
    "greedy",
    "beam",
    "beam:width=3,depth=4,patience=0",
    "beam:width=2,polish=false",
    "beam:width=3,sparse=3",
    "beam:csi=conditional-mean",
    "beam:csi=kalman-sampled,draws=4",
    "ascent",
    "ascent:start=silent",
    "ascent:start=beam,levels=3,floor_db=-9,sweeps=2,cap=15",
    "finetuned:base=mlp:gaussian-ic-10",
    "finetuned:base=unrolled-tiny",
    "fractional",
    "fractional:objective=sum-rate,starts=2",
    "fractional:objective=weighted-energy-efficiency,starts=1",
    "fractional:warm_start=true",
    "graph",
    "graph:rounding=better",
    "graph:sparse=3",
    "mlp:gaussian-ic-10",
    "mlp:gaussian-ic-10,rounding=half",
    "mlp:gaussian-ic-10-rate,rounding=better",
    "mlp-ee:wide-cell-8",
    "optimum",
    "optimum:objective=energy-efficiency",
    "rl:nasir-guo",
    "unrolled",
    "unrolled:starts=3,flip=true",
    "unrolled:polish=5,rounding=better",
    "unrolled:sparse=3",
    "unrolled:sparse=3,polish=5,starts=2,flip=true",
    "unrolled:csi=kalman,doppler=estimated",
    "unrolled-ee",
    "unrolled-ee:starts=3",
    "unrolled-late",
    "unrolled-late:filter=kalman",
    "unrolled-tiny",
    "wmmse",
    "wmmse:starts=3",
    "wmmse:warm_start=true",
    "wmmse:flip=true",
    "wmmse:starts=3,warm_start=true,flip=true",
    "wmmse:tolerance=0,max_iterations=3",
    "wmmse:tolerance=1e-3,max_iterations=100",
    "wmmse:threads=2",
    "wmmse:csi=conditional-mean",
    "wmmse:csi=kalman,warm_start=true",
    "wmmse:sparse=3",
    "wmmse:sparse=3,starts=2,warm_start=true,flip=true",
]
WITHOUT_MEMORY = [spec for spec in SPECS if spec != "random" and "warm_start" not in spec]
USERS = [0, 1, 2, 7]
LEADING: list[tuple[int, ...]] = [(), (5,), (2, 3), (0,)]

every_controller = pytest.mark.parametrize("spec", SPECS)


def rounding(spec: str) -> float:
    """By how much powers may differ where nothing but the order of sums does."""
    return 3e-5 if spec.startswith(("finetuned", "graph", "mlp", "unrolled")) else 1e-9


def draw(shape: tuple[int, ...], users: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Gains, noise, power limits and weights that all differ from user to user."""
    rng = np.random.default_rng(seed)
    return (
        rng.exponential(size=(*shape, users, users)),
        rng.uniform(0.1, 2.0, size=(*shape, users)),
        rng.uniform(0.5, 3.0, size=(*shape, users)),
        rng.uniform(0.2, 2.0, size=(*shape, users)),
    )


def test_every_available_controller_is_held_to_the_contract() -> None:
    assert {spec.partition(":")[0] for spec in SPECS} == set(available())


@every_controller
@pytest.mark.parametrize("users", USERS)
@pytest.mark.parametrize("leading", LEADING)
def test_powers_are_finite_in_the_box_and_of_the_right_shape(
    spec: str, users: int, leading: tuple[int, ...]
) -> None:
    gain, noise_power, p_max, weight = draw(leading, users)
    power = make(spec).allocate(gain, noise_power, p_max, weight)
    assert power.shape == (*leading, users)
    assert power.dtype == np.float64
    assert np.isfinite(power).all()
    assert (power >= 0).all()
    assert (power <= p_max).all()


@every_controller
def test_scalars_stand_for_arrays_of_one_value(spec: str) -> None:
    gain, *_ = draw((3,), 4)
    one = np.ones((3, 4))
    scalar = make(spec).allocate(gain, 0.5, 2.0, 3.0)
    np.testing.assert_array_equal(
        scalar, make(spec).allocate(gain, 0.5 * one, 2.0 * one, 3.0 * one)
    )


@every_controller
def test_leading_axes_of_noise_and_limits_multiply_the_problems(spec: str) -> None:
    gain, *_ = draw((), 3)
    power = make(spec).allocate(gain, np.array([[0.1], [1.0]]), 1.0)
    assert power.shape == (2, 3)


@every_controller
def test_inputs_are_left_alone(spec: str, observe: Callable[..., Observation]) -> None:
    arrays = draw((4,), 5)
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    make(spec).allocate(*arrays)
    observation = observe(arrays[0][0])
    make(spec).decide(observation)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_controller
def test_the_answer_is_the_callers_to_change(spec: str) -> None:
    arrays = draw((4,), 5)
    power = make(spec).allocate(*arrays)
    power += 1.0
    assert (arrays[2] <= 3.0).all()


@every_controller
def test_the_same_seed_gives_the_same_powers(
    spec: str, observe: Callable[..., Observation]
) -> None:
    arrays = draw((4,), 5)
    histories = []
    controller = make(spec, seed=9)
    for reset in (False, True):
        if reset:
            controller.reset(None, 9)
        decided = [controller.decide(observe(gain)) for gain in arrays[0]]
        histories.append(np.array([*decided, *controller.allocate(*arrays)]))
    np.testing.assert_array_equal(histories[0], histories[1])


@every_controller
def test_allocating_between_decisions_disturbs_none(
    spec: str, observe: Callable[..., Observation]
) -> None:
    gains = draw((4,), 5)[0]
    plain, disturbed = make(spec, seed=2), make(spec, seed=2)
    for gain in gains:
        disturbed.allocate(gain.T.copy(), 1.0, 1.0)
        np.testing.assert_array_equal(plain.decide(observe(gain)), disturbed.decide(observe(gain)))


@every_controller
@pytest.mark.parametrize("users", USERS)
def test_a_decision_answers_every_user_present(
    spec: str, users: int, observe: Callable[..., Observation]
) -> None:
    controller = make(spec)
    for seed in range(3):
        power = controller.decide(observe(draw((), users, seed)[0], p_max=0.3))
        assert power.shape == (users,)
        assert power.dtype == np.float64
        assert ((power >= 0) & (power <= 0.3)).all()


@pytest.mark.parametrize("spec", WITHOUT_MEMORY)
def test_a_decision_without_memory_is_an_allocation(
    spec: str, observe: Callable[..., Observation]
) -> None:
    controller = make(spec)
    for gain in draw((3,), 6)[0]:
        decided = controller.decide(observe(gain))
        np.testing.assert_array_equal(decided, controller.allocate(gain, 1.0, 1.0))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec != "random"])
@pytest.mark.parametrize("users", [1, 2, 7])
def test_a_batch_equals_its_problems_one_by_one(spec: str, users: int) -> None:
    arrays = draw((60,), users, seed=4)
    controller = make(spec)
    batch = controller.allocate(*arrays)
    single = [controller.allocate(*problem) for problem in zip(*arrays, strict=True)]
    np.testing.assert_allclose(batch, single, rtol=0, atol=1e-12)


@every_controller
def test_permuting_the_users_permutes_the_powers_where_that_is_claimed(spec: str) -> None:
    controller = make(spec)
    gain, *rows = draw((40,), 7, seed=5)
    order = np.random.default_rng(6).permutation(7)
    permuted = controller.allocate(gain[:, order][:, :, order], *(row[:, order] for row in rows))
    answer = controller.allocate(gain, *rows)[:, order]
    same = np.allclose(permuted, answer, rtol=0, atol=rounding(spec))
    assert same == controller.equivariant


@every_controller
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), users=st.integers(1, 6), silent=st.floats(0, 1))
def test_gains_over_23_decades_with_zeros_do_no_harm(
    spec: str, seed: int, users: int, silent: float
) -> None:
    rng = np.random.default_rng(seed)
    gain = 10.0 ** rng.uniform(-20, 3, size=(4, users, users))
    gain[rng.random(gain.shape) < silent] = 0.0
    weight = rng.exponential(size=(4, users)) * (rng.random((4, users)) < 0.8)
    p_max = rng.exponential(size=(4, users)) * (rng.random((4, users)) < 0.9)
    noise_power = 10.0 ** rng.uniform(-13, 0, size=(4, users))
    controller = make(spec)
    for chosen in (slice(None), 0):
        power = controller.allocate(
            gain[chosen], noise_power[chosen], p_max[chosen], weight[chosen]
        )
        assert ((power >= 0) & (power <= p_max[chosen])).all()


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "random" not in spec])
def test_noise_of_a_receiver_in_watts_is_as_good_as_noise_one(spec: str) -> None:
    gain, noise_power, p_max, weight = draw((20,), 6, seed=8)
    reference = make(spec).allocate(gain, noise_power, p_max, weight)
    controller = make(spec)
    if isinstance(controller, Aimed):  # a hundredth of a watt must cost as much as one did
        costs = controller.objective.amplifier_inefficiency
        controller.serve(controller.objective._replace(amplifier_inefficiency=1e2 * costs))
    scaled = controller.allocate(gain * 1e-11, noise_power * 1e-13, p_max * 1e-2, weight)
    np.testing.assert_allclose(scaled * 1e2, reference, rtol=0, atol=rounding(spec))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec not in ("max", "random")])
def test_a_link_alone_transmits_at_full_power_unless_joules_count(spec: str) -> None:
    controller = make(spec)
    power = controller.allocate(np.array([[1e-9]]), 1e-13, 0.2)
    if isinstance(controller, Aimed) and controller.objective.aim != "sum-rate":
        best = minimize_scalar(lambda p: -math.log1p(1e4 * p) / (4.0 * p + 1.0), (0.01, 0.1))
        assert power == pytest.approx([min(float(best.x), 0.2)], rel=1e-3)
    else:
        assert power == pytest.approx([0.2], rel=1e-12)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec not in ("max", "random")])
def test_a_user_without_weight_or_direct_gain_is_silenced(spec: str) -> None:
    gain = draw((), 4)[0]
    gain[1, 1] = 0.0
    power = make(spec).allocate(gain, 1.0, 1.0, np.array([1.0, 1.0, 0.0, 1.0]))
    assert power[1] == 0.0
    assert power[2] == 0.0
    assert power.max() > 0.0


# A policy is for the networks it was trained in: test_weights holds it to what it does there.
EVERYWHERE = [spec for spec in SPECS if spec not in ("max", "random", "rl:nasir-guo")]


@pytest.mark.parametrize("spec", EVERYWHERE)
def test_nobody_does_worse_than_full_power_on_average(spec: str) -> None:
    gain, noise_power, p_max, weight = draw((200,), 7, seed=10)
    controller = make(spec)
    objective = controller.objective if isinstance(controller, Aimed) else SUM_RATE
    power = controller.allocate(gain, noise_power, p_max, weight)
    chosen = objective.value(gain, power, noise_power, weight).mean()
    assert chosen > 1.2 * objective.value(gain, p_max, noise_power, weight).mean()


def test_the_base_class_alone_decides_nothing() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Controller()  # type: ignore[abstract]
