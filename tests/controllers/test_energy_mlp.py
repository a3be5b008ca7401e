"""The published perceptron for bits per joule as a controller."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers.cards import Card, read, shipped, write
from slotwise.controllers.energy_mlp import SLOPE, WIDTHS, EnergyMlpSizes, MlpEnergy
from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels.energy_inputs import see_all
from slotwise.emulator.drops import draw
from slotwise.emulator.objective import Objective
from slotwise.emulator.radio import rate
from slotwise.emulator.scenario import InputError, load

Array = NDArray[np.float64]

EFFICIENCY = Objective("energy-efficiency")
K = 4


def cells(samples: int, seed: int = 3) -> tuple[Array, Array]:
    """Gains and noise of one user in each of four cells."""
    drawn = draw(load("four-cells"), samples, seed)
    return drawn.gain, drawn.noise_power


def seen(gain: Array, limit: Array) -> tuple[NDArray[np.int64], Array]:
    """Order of users and inputs of problems in units."""
    samples, users = limit.shape
    order = np.empty((samples, users), np.int64)
    snr = np.empty((samples, users, users), np.float32)
    full = np.empty((samples, users), np.float32)
    inputs = np.empty((samples, EnergyMlpSizes(users).inputs), np.float32)
    see_all(gain, limit, order, snr, full, inputs)
    return order, inputs.astype(np.float64)


def problems(samples: int, users: int, seed: int = 0) -> tuple[Array, Array]:
    """Gains and largest powers in units, over many decades."""
    rng = np.random.default_rng(seed)
    gain = 10.0 ** rng.uniform(-1, 4, (samples, users, users))
    gain[:, range(users), range(users)] *= 30.0
    return gain, np.repeat(10.0 ** rng.uniform(-3, 2, (samples, 1)), users, 1)


def admitted_after(gain: Array, power: Array, first: int) -> tuple[list[int], float]:
    """Greedy admission by rates themselves: the order, and its best beginning's bits per joule."""

    def rates(users: list[int]) -> float:
        on = np.zeros(len(power))
        on[users] = power[users]
        return float(rate(gain, on, 1.0).sum())

    order, best = [first], 0.0
    while True:
        best = max(best, rates(order) / (power[order].sum() + len(power)))
        left = [k for k in range(len(power)) if k not in order]
        if not left:
            return order, best
        order.append(max(left, key=lambda k: rates([*order, k])))


def test_users_take_places_in_the_best_order_of_greedy_admission() -> None:
    gain, limit = problems(40, 5)
    order, _ = seen(gain, limit)
    for n in range(len(gain)):
        power = np.minimum(limit[n], 0.4)
        strongest = np.argsort(-gain[n].diagonal() * power, kind="stable")[:3]
        tried = [admitted_after(gain[n], power, int(first)) for first in strongest]
        most = max(worth for _, worth in tried)
        # Of orders that begin with the same users, that of the strongest first.
        best = next(users for users, worth in tried if worth > most * (1.0 - 1e-12))
        assert order[n].tolist() == best


def test_inputs_are_what_they_are_said_to_be() -> None:
    gain, limit = problems(20, 3, seed=1)
    order, inputs = seen(gain, limit)
    for n in range(len(gain)):
        g, p = gain[n][np.ix_(order[n], order[n])], limit[n][order[n]]
        own = g.diagonal()
        off = ~np.eye(3, dtype=bool)
        power = np.minimum(p, 10.0 / own)
        heard = 1.0 + np.where(off, g * power, 0.0).sum(1)
        signal = own * power
        efficiency = np.log1p(signal / heard).sum() / (power.sum() + 3)
        price = np.where(off, g * (1 / heard - 1 / (heard + signal))[:, None], 0.0).sum(0)
        fill = np.maximum(own / (price + efficiency) - heard, 2.0**-10)
        cross = (g / own)[off] + 2.0**-13
        expected = own, cross, heard, price / efficiency + 1e-3, fill, p[:1]
        np.testing.assert_allclose(inputs[n], np.log2(np.concatenate(expected)), atol=2e-5)


def weights(path: Path, users: int, seed: int = 0) -> Path:
    """Random weights of a network, written to a file."""
    rng = np.random.default_rng(seed)
    tensors = {
        name: (rng.normal(size=shape) / math.sqrt(shape[-1])).astype(np.float32)
        for name, shape in EnergyMlpSizes(users).shapes().items()
    }
    tensors["scale"] = np.abs(tensors["scale"]) + np.float32(1.0)
    card = Card(
        network="mlp-ee",
        name="random",
        sizes={"users": users},
        scenario="four-cells",
        users=users,
        command="none",
        recipe={},
        seed=seed,
        steps=0,
        samples=0,
        seconds=0.0,
        date="2026-01-01",
        versions={},
    )
    write(path, card, tensors)
    return path


@pytest.mark.parametrize("users", [2, 4, 10, 40])
def test_powers_are_those_of_the_network_written_out(tmp_path: Path, users: int) -> None:
    controller = MlpEnergy(str(weights(tmp_path / "w.safetensors", users)))
    gain, limit = problems(30, users, seed=2)
    unit = 0.25  # P_c / mu
    answer = controller.allocate(gain / unit, 1.0, limit * unit)
    order, inputs = seen(gain, limit)
    t = controller.tensors
    values = np.clip((inputs - t["mean"]) / t["scale"], -5.0, 5.0)
    for number in range(len(WIDTHS) + 1):
        values = values @ t[f"weight{number}"].T.astype(np.float64) + t[f"bias{number}"]
        if number < len(WIDTHS):
            values = np.where(values > 0.0, values, SLOPE * values)
    own = np.take_along_axis(gain.diagonal(0, 1, 2), order, 1)
    aimed, full = 2.0**values * 10.0 / own, np.take_along_axis(limit, order, 1)
    expected = np.empty_like(answer)
    np.put_along_axis(expected, order, full * aimed / (full + aimed) * unit, 1)
    np.testing.assert_allclose(answer, expected, rtol=3e-4)


@settings(max_examples=25, deadline=None)
@given(mu=st.floats(1.0, 50.0), circuit=st.floats(1e-3, 1e3), scale=st.floats(1e-3, 1e3))
def test_what_a_watt_costs_only_changes_the_unit_of_power(
    mu: float, circuit: float, scale: float
) -> None:
    controller = MlpEnergy("four-cells")
    gain, noise = cells(20)
    reference = controller.allocate(gain, noise, scale)
    controller.serve(Objective("energy-efficiency", mu, circuit))
    ratio = (circuit / mu) / (1.0 / 4.0)
    power = controller.allocate(gain / ratio, noise, scale * ratio)
    np.testing.assert_allclose(power / ratio, reference, rtol=1e-3)


def test_who_is_absent_is_as_one_who_cannot_be_served_but_for_circuits() -> None:
    gain, noise = cells(30)
    present = np.array([0, 2, 3])
    controller = MlpEnergy("four-cells")
    controller.serve(Objective("energy-efficiency", 4.0, 0.75))
    of_all = controller.allocate(gain, noise, 1.0, np.array([1.0, 0.0, 1.0, 1.0]))
    assert (of_all[:, 1] == 0.0).all()
    controller.serve(Objective("energy-efficiency", 4.0, 1.0))  # of three, and of four at 0.75
    fewer = controller.allocate(gain[:, present][:, :, present], noise[present], 1.0)
    np.testing.assert_allclose(fewer, of_all[:, present], rtol=1e-12)


@pytest.mark.parametrize("snr", [1e-2, 1.0, 1e3, 1e7])
@pytest.mark.parametrize("p_max", [1e-3, 1.0, 100.0])
def test_who_is_alone_gets_the_power_that_is_best(snr: float, p_max: float) -> None:
    gain = np.array([[snr]])
    power = MlpEnergy("four-cells").allocate(gain, 1.0, p_max)
    tried = np.geomspace(1e-9, 1.0, 20_001)[:, None] * p_max
    best = EFFICIENCY.value(gain, tried, 1.0).max()
    assert EFFICIENCY.value(gain, power, 1.0) >= best * (1.0 - 1e-9)


def test_four_cells_are_near_the_best_of_a_grid() -> None:
    gain, noise = cells(6, seed=11)
    levels = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 17)])
    grid = np.array(list(itertools.product(levels, repeat=K)))
    power = MlpEnergy("four-cells").allocate(gain, noise, 1.0)
    reached = EFFICIENCY.value(gain, power, noise)
    best = np.array([EFFICIENCY.value(each, grid, noise).max() for each in gain])
    assert (reached > 0.95 * best).all()
    assert reached.mean() > 0.98 * best.mean()


@pytest.mark.parametrize("name", list(shipped("mlp-ee")))
def test_weights_that_come_along_are_as_good_as_their_card_says(name: str) -> None:
    """On draws of another seed, to four standard errors of the ratio."""
    card, controller = read(name, "mlp-ee").card, MlpEnergy(name)
    assert card.command.endswith(f"--out mlp-ee-{name}.safetensors")
    assert len(card.results) == 6
    for result in card.results:
        drawn = draw(load(result.scenario, result.overrides), 400, 7, result.users)
        problem = drawn.gain, drawn.noise_power, drawn.p_max
        ours = EFFICIENCY.value(drawn.gain, controller.allocate(*problem), drawn.noise_power)
        theirs = EFFICIENCY.value(drawn.gain, fractional(*problem)[0], drawn.noise_power)
        ratio = ours.mean() / theirs.mean()
        error = np.std(ours - ratio * theirs) / theirs.mean() / np.sqrt(len(ours))
        assert 100.0 * ratio == pytest.approx(result.relative, abs=400.0 * error + 1e-3)
        assert result.relative > 97.0


def test_with_fewer_users_it_does_better_than_full_power() -> None:
    scenario = load("wide-cell", ["layout.station_antennas=8"])
    controller = MlpEnergy("wide-cell-8")
    for users in (2, 3, 6, 9):
        drawn = draw(scenario, 300, 5, users)
        values = [
            EFFICIENCY.value(drawn.gain, power, drawn.noise_power).mean()
            for power in (
                controller.allocate(drawn.gain, drawn.noise_power, drawn.p_max),
                fractional(drawn.gain, drawn.noise_power, drawn.p_max)[0],
            )
        ]
        assert values[0] > (0.8 if users == 2 else 0.95) * values[1]


def test_more_users_are_refused() -> None:
    with pytest.raises(ValueError, match="5 users: four-cells takes at most 4"):
        MlpEnergy("four-cells").allocate(np.ones((5, 5)), 1.0, 1.0)


def test_other_objectives_are_refused() -> None:
    with pytest.raises(ValueError, match="mlp-ee serves energy-efficiency alone"):
        MlpEnergy("four-cells", objective="sum-rate")
    with pytest.raises(ValueError, match="objective = sum-rate"):
        MlpEnergy("four-cells").reset(load("urban"), 0)
    with pytest.raises(InputError, match="weights of the network mlp: must be of mlp-ee"):
        MlpEnergy(str(shipped("mlp")["gaussian-ic-10"]))


def test_circuits_that_take_nothing_leave_powers_in_the_box() -> None:
    gain, noise = cells(20)
    controller = MlpEnergy("four-cells")
    controller.serve(Objective("energy-efficiency", 4.0, 0.0))
    power = controller.allocate(gain, noise, 1.0)
    assert ((power >= 0.0) & (power <= 1.0)).all()


def test_promised_rates_are_kept_where_they_can_be() -> None:
    gain, noise = cells(50)
    controller = MlpEnergy("four-cells")
    controller.serve(Objective("energy-efficiency", min_rate=0.2))
    assert (
        rate(gain, controller.allocate(gain, noise, 1.0), noise).min(1) >= 0.2 - 1e-9
    ).mean() > 0.8


def test_powers_are_cut_to_what_a_cap_counts() -> None:
    gain, noise = cells(20)
    controller = MlpEnergy("four-cells")
    shouted = controller.allocate(gain, noise, 1.0)
    controller.serve(Objective("energy-efficiency", sinr_cap=2.0))
    power = controller.allocate(gain, noise, 1.0)
    assert (power <= shouted).all()
    assert rate(gain, shouted, noise).max() > 2.0
    assert rate(gain, power, noise).max() < np.log2(3.0) + 1e-9


def test_deciding_needs_no_torch() -> None:
    program = (
        "import sys\n"
        "from slotwise.controllers import make\n"
        "print(make('mlp-ee:four-cells').allocate([[1e9]], 1.0, 1.0).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "(1,) False"
