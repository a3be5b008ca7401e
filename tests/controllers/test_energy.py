"""The learned optimiser of energy efficiency as a controller."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from slotwise.controllers.cards import read, shipped, write
from slotwise.controllers.energy import UnrolledEnergy, shapes_of, sizes_of
from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels import energy_layers, energy_pass
from slotwise.controllers.kernels.energy_sets import grow_sets
from slotwise.controllers.networks import energy as torch_network
from slotwise.controllers.networks.energy import EnergyNetwork, Links, Sets, Sizes
from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.radio import rate
from slotwise.emulator.scenario import InputError

Array = NDArray[np.float64]

AIMS: tuple[Aim, ...] = ("energy-efficiency", "weighted-energy-efficiency")
every_aim = pytest.mark.parametrize("aim", AIMS)


def network() -> EnergyNetwork:
    """The network whose weights come with the package, in torch."""
    found = read("unrolled-ee", "unrolled-ee")
    built = EnergyNetwork(Sizes(**sizes_of(found.card)._asdict()))
    built.load_plain_tensors({name: torch.from_numpy(t) for name, t in found.tensors.items()})
    return built


def problems(users: int, samples: int, seed: int = 0, zeros: float = 0.0) -> tuple[Array, ...]:
    """Gains, noise, largest powers and weights over many decades; some are zero."""
    rng = np.random.default_rng((seed, users))
    gain = 10.0 ** rng.uniform(-4, 4, (samples, 1, 1)) * rng.exponential(
        size=(samples, users, users)
    )
    gain[:, range(users), range(users)] *= 10.0 ** rng.uniform(0, 3, (samples, 1))
    noise_power = rng.uniform(0.5, 2.0, (samples, users))
    p_max = 10.0 ** rng.uniform(-2, 1.5, (samples, 1)) * rng.uniform(0.3, 1.0, (samples, users))
    weight = rng.uniform(0.2, 2.0, (samples, users))
    for values in (gain, p_max, weight):
        values[rng.random(values.shape) < zeros] = 0.0
    return gain, noise_power, p_max, weight


def by_torch(
    net: EnergyNetwork, objective: Objective, problem: tuple[Array, ...]
) -> tuple[Array, Array]:
    """Powers of one problem, and the shares of the largest below which users are silent."""
    gain, noise_power, p_max, weight = problem
    power, silent = np.zeros(len(weight)), np.zeros(len(weight))
    on = np.flatnonzero(weight * p_max * gain.diagonal() > 0.0)
    apart = objective.aim == "weighted-energy-efficiency"
    circuit = objective.circuit_power_w * (1.0 if apart else len(weight) / max(len(on), 1))
    snr = gain[np.ix_(on, on)] * p_max[on] / noise_power[on, None]
    numbers = (
        np.clip(snr, energy_pass.LEAST_SNR, energy_pass.MOST_SNR),
        objective.amplifier_inefficiency * p_max[on] / circuit,
        weight[on] / weight[on].mean(),
    )
    one = [torch.from_numpy(values[None].astype(np.float32)) for values in numbers]
    links = Links(one[0], one[1], one[2], apart)
    rows = torch.empty(2, 1, len(on))
    told = Sets(torch.empty(1, len(on), 5), rows[0], rows[1], torch.empty(1))
    arrays = [part.numpy() for part in (*one, *told)]
    snrs, costs, weights, worth, size, broad, lead = arrays
    grow_sets(snrs, costs, weights, apart, worth, size, broad, lead)
    with torch.no_grad():
        at = net(links, told)[-1]
    floor = torch_network.SILENT / torch_network.FLOOR * torch_network.floor_of(links)[0]
    power[on] = torch_network.powers(links, at)[0].double().numpy() * p_max[on]
    silent[on] = floor.double().numpy() * p_max[on]
    return power, silent


def test_the_kernels_numbers_are_the_torch_networks() -> None:
    for name in ("FEATURES", "START_FEATURES", "START_SPENT", "FLOOR", "SILENT"):
        assert getattr(energy_layers, name) == getattr(torch_network, name)


@every_aim
@pytest.mark.parametrize("zeros", [0.0, 0.15])
def test_powers_are_those_of_the_network_in_torch(aim: Aim, zeros: float) -> None:
    net, controller = network(), UnrolledEnergy(objective=aim)
    objective = controller.objective
    off: list[float] = []
    lost: list[float] = []
    for users in (2, 3, 5, 8, 16, 17):
        arrays = problems(users, 8, zeros=zeros)
        power = controller.allocate(*arrays)
        for n, one in enumerate(zip(*arrays, strict=True)):
            if (one[3] * one[2] * one[0].diagonal() > 0.0).sum() < 2:
                continue
            expected, silent = by_torch(net, objective, one)
            # Where much cancels, rounding shows: in a power, hardly in what powers are worth.
            clear = np.abs(expected / np.maximum(silent, 1e-300) - 1.0) > 1e-2
            clear &= (expected > 0.0) | (power[n] < 1.01 * silent)
            np.testing.assert_allclose(power[n][clear], expected[clear], rtol=2e-2, atol=0)
            off.extend(
                np.abs(power[n][clear] - expected[clear]) / np.maximum(expected[clear], 1e-9)
            )
            gain, noise_power, _, weight = one
            worth, aimed = (
                objective.value(gain, p, noise_power, weight) for p in (power[n], expected)
            )
            lost.append(abs(float(worth / aimed) - 1.0))
    assert np.quantile(off, 0.99) < 3e-4
    assert np.quantile(lost, 0.98) < 1e-5
    assert max(lost) < 1e-3


@every_aim
def test_who_alone_can_be_served_gets_the_best_power_though_others_consume(aim: Aim) -> None:
    for gain_db in (-20.0, 0.0, 15.0, 40.0):
        gain = np.diag([10.0 ** (gain_db / 10.0), 0.0, 1.0])
        weight = np.array([1.0, 1.0, 0.0])
        controller = UnrolledEnergy(objective=aim)
        power = controller.allocate(gain, 0.5, 2.0, weight)

        def loss(p: float, gain: Array = gain, served: UnrolledEnergy = controller) -> float:
            return -float(served.objective.value(gain, np.array([p, 0.0, 0.0]), 0.5))

        best = minimize_scalar(loss, bounds=(0.0, 2.0), method="bounded", options={"xatol": 1e-9})
        assert power[0] == pytest.approx(best.x, rel=1e-4)
        assert (power[1:] == 0.0).all()


@every_aim
def test_more_starts_and_steps_are_never_worse(aim: Aim) -> None:
    gain, noise_power, p_max, weight = arrays = problems(6, 40, seed=3)
    worth = []
    for starts, polish in ((1, 0), (4, 0), (4, 20)):
        controller = UnrolledEnergy(objective=aim, starts=starts, polish=polish)
        controller.reset(None, 1)
        power = controller.allocate(*arrays)
        assert ((power >= 0.0) & (power <= p_max)).all()
        worth.append(controller.objective.value(gain, power, noise_power, weight))
    assert (worth[1] >= worth[0]).all()
    assert (worth[2] >= worth[1]).all()
    assert (worth[1] > worth[0]).any()
    assert (worth[2] > worth[1]).any()


def test_several_starts_depend_on_the_seed_and_several_steps_on_nothing_else() -> None:
    arrays = problems(6, 30, seed=5)
    powers = []
    for seed in (1, 1, 2):
        controller = UnrolledEnergy(starts=3)
        controller.reset(None, seed)
        powers.append(controller.allocate(*arrays))
    np.testing.assert_array_equal(powers[0], powers[1])
    assert (powers[0] != powers[2]).any()


@every_aim
def test_it_comes_close_to_fractional_programming(aim: Aim) -> None:
    gain, noise_power, _, weight = arrays = problems(5, 100, seed=7)
    controller = UnrolledEnergy(objective=aim)
    objective = controller.objective
    solved, _ = fractional(*arrays, objective=objective)
    ratio = objective.value(gain, controller.allocate(*arrays), noise_power, weight)
    ratio = ratio / objective.value(gain, solved, noise_power, weight)
    assert ratio.mean() > 0.93


@every_aim
def test_free_circuits_and_extreme_gains_do_no_harm(aim: Aim) -> None:
    gain, noise_power, p_max, weight = problems(6, 20, seed=9)
    for circuit_w in (0.0, 1e-300, 1e300):
        controller = UnrolledEnergy(objective=aim)
        controller.serve(Objective(aim, 1.0, circuit_w))
        for factor in (1e-200, 1.0, 1e200):
            power = controller.allocate(factor * gain, noise_power, p_max, weight)
            assert ((power >= 0.0) & (power <= p_max)).all()


def test_promised_rates_are_kept() -> None:
    gain, noise_power, p_max, weight = problems(4, 30, seed=11)
    gain[:, range(4), range(4)] *= 1e4
    controller = UnrolledEnergy()
    controller.serve(Objective("energy-efficiency", min_rate=0.5))
    power = controller.allocate(gain, noise_power, p_max, weight)
    kept = (rate(gain, power, noise_power) >= 0.5 * (1.0 - 1e-9)).all(-1)
    assert kept.mean() > 0.9
    one = [controller.allocate(*each) for each in zip(gain, noise_power, p_max, weight)]  # noqa: B905
    np.testing.assert_allclose(power, one, rtol=1e-9)


def test_values_out_of_range_are_named() -> None:
    controller = UnrolledEnergy()
    gain, noise_power, p_max, weight = (values[0] for values in problems(3, 1))
    for name, wrong in (("gain", -gain), ("noise_power", 0.0 * p_max), ("weight", -weight)):
        given = {"gain": gain, "noise_power": noise_power, "p_max": p_max, "weight": weight}
        with pytest.raises(ValueError, match=name):
            controller.allocate(**{**given, name: wrong})
    with pytest.raises(ValueError, match="starts = 0"):
        UnrolledEnergy(starts=0)
    with pytest.raises(ValueError, match="polish = -1"):
        UnrolledEnergy(polish=-1)
    with pytest.raises(ValueError, match="objective = sum-rate: unrolled-ee serves energy"):
        UnrolledEnergy(objective="sum-rate")


def test_powers_are_cut_to_what_a_cap_counts() -> None:
    gain, noise_power, p_max, weight = problems(4, 20)
    controller, objective = UnrolledEnergy(), Objective("energy-efficiency", sinr_cap=2.0)
    shouted = controller.allocate(gain, noise_power, p_max, weight)
    controller.serve(objective)
    power = controller.allocate(gain, noise_power, p_max, weight)
    assert (power <= shouted).all()
    assert (power < shouted).any()
    before, after = (objective.value(gain, p, noise_power, weight) for p in (shouted, power))
    assert (after >= before * (1.0 - 1e-12)).all()
    np.testing.assert_allclose(
        controller.allocate(gain[3], noise_power[3], p_max[3], weight[3]), power[3]
    )


def test_weights_are_known_by_name_and_of_this_network_alone(tmp_path: Path) -> None:
    assert "unrolled-ee" in shipped("unrolled-ee")
    assert "unrolled-ee" not in shipped("unrolled")
    found = read("unrolled-ee", "unrolled-ee")
    expected = shapes_of(sizes_of(found.card))
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == expected
    path = tmp_path / "mine.safetensors"
    for sizes in ({"layers": 0}, {"chain": 4}, {"channels": True}):
        card = found.card.model_copy(update={"sizes": {**found.card.sizes, **sizes}})
        write(path, card, found.tensors)
        with pytest.raises(InputError, match="weights = "):
            UnrolledEnergy(str(path))
    with pytest.raises(InputError, match="weights = unrolled"):
        UnrolledEnergy("unrolled")


def test_other_weights_decide_otherwise_and_leave_the_first_alone() -> None:
    arrays = problems(4, 10)
    first = UnrolledEnergy()
    before = first.allocate(*arrays)
    other = first.with_weights({name: 0.5 * tensor for name, tensor in first.tensors.items()})
    assert (other.allocate(*arrays) != before).any()
    np.testing.assert_array_equal(first.allocate(*arrays), before)


def test_deciding_needs_no_torch_and_no_compiler() -> None:
    code = (
        "import sys, numpy as np\n"
        "from slotwise.controllers.energy import UnrolledEnergy\n"
        "gain = np.array([[9.0, 1.0, 0.2], [0.3, 5.0, 0.1], [2.0, 0.1, 30.0]])\n"
        "print(*UnrolledEnergy(objective='AIM').allocate(gain, np.ones(3), np.ones(3)))\n"
        "assert 'torch' not in sys.modules\n"
    ).replace("AIM", AIMS[1])
    gain = np.array([[9.0, 1.0, 0.2], [0.3, 5.0, 0.1], [2.0, 0.1, 30.0]])
    compiled = UnrolledEnergy(objective=AIMS[1]).allocate(gain, 1.0, 1.0)
    plain = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose([float(p) for p in said.stdout.split()], compiled, rtol=1e-3)
