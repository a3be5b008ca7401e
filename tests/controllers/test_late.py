"""The network that is told what is unknown: compiled against torch, and its living decisions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from slotwise.controllers.cards import Card, write
from slotwise.controllers.kernels import unrolled_late
from slotwise.controllers.kernels.unrolled_layers import Shape
from slotwise.controllers.late import UnrolledLate
from slotwise.controllers.networks import unrolled as networks
from slotwise.controllers.networks.unrolled import Sizes, UnrolledNetwork, chains, typical
from slotwise.controllers.posterior import Tracker, from_gain
from slotwise.controllers.unrolled import Unrolled, shapes_of
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, load

Array = NDArray[np.float64]
Observe = Callable[..., Observation]
Build = Callable[..., UnrolledLate]

SMALL = Sizes(layers=2, state=4, hidden=8, channels=2, chain=2, late=2)
ODD = Sizes(layers=2, state=5, hidden=10, channels=3, chain=3, late=2)
BARE = Sizes(layers=3, state=4, hidden=16, channels=0, chain=0, late=2)
FULL = Sizes(late=2)
CLOSE = 2e-5
MEAN = 5.0


def network_of(sizes: Sizes) -> UnrolledNetwork:
    """A network whose powers are all over their range."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = UnrolledNetwork(sizes)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.6)
            layers: list[Any] = list(network.layers)
            for layer in layers:
                layer.outer.weight[-1].mul_(3.0)
            known, unknown = (torch.from_numpy(part).float() for part in draw(12, 20)[:2])
            weight = torch.ones(20, 12)
            mean = network(typical(known, unknown), weight, doubt=unknown)[-1].mean()
            layers[-1].outer.bias[-1] -= mean / 4.0
    return network


def written(directory: Path, sizes: Sizes) -> Path:
    """Weights of `network_of` as a file."""
    fields: dict[str, Any] = {
        "network": "unrolled",
        "name": "made-up",
        "sizes": sizes._asdict(),
        "scenario": "randomised",
        "users": None,
        "command": "none",
        "recipe": {},
        "seed": 0,
        "steps": 0,
        "samples": 0,
        "seconds": 0.0,
        "date": "2000-01-01",
        "versions": {},
    }
    path = directory / f"{'-'.join(map(str, sizes))}.safetensors"
    tensors = {name: t.numpy() for name, t in network_of(sizes).plain_tensors().items()}
    write(path, Card(**fields), tensors)
    return path


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def built(sizes: Sizes = SMALL, **options: Any) -> UnrolledLate:
        return UnrolledLate(str(written(tmp_path, sizes)), **options)

    return built


def draw(users: int, samples: int, seed: int = 0) -> tuple[Array, Array, Array, Array, Array]:
    """Known and unknown parts, noise, power limits and weights that differ from user to user."""
    rng = np.random.default_rng(seed)
    mean = MEAN * 10.0 ** rng.normal(0.0, 0.7, (samples, users, users))
    share = rng.random((samples, users, users)) * (rng.random((samples, users, users)) < 0.8)
    return (
        (1.0 - share) * mean * rng.exponential(size=mean.shape),
        share * mean,
        rng.uniform(0.1, 2.0, (samples, users)),
        rng.uniform(0.5, 3.0, (samples, users)),
        rng.uniform(0.2, 2.0, (samples, users)),
    )


def by_torch(
    network: UnrolledNetwork, known: Array, unknown: Array, noise: Array, full: Array, weight: Array
) -> Array:
    """Powers as fractions of the largest."""
    scale = full[:, None, :] / noise[:, :, None]
    doubt = torch.from_numpy(unknown * scale).float()
    snr = typical(torch.from_numpy(known * scale).float(), doubt)
    worth = torch.from_numpy(weight / weight.max(-1, keepdims=True)).float()
    chain = network.sizes.chain
    with torch.no_grad():
        sets = chains(snr, worth, chain) if chain else None
        logit = network(snr, worth, sets, doubt=doubt)[-1]
        fraction: Array = networks.audible(logit).double().numpy()
    return fraction


@pytest.mark.parametrize("sizes", [SMALL, ODD, BARE, FULL], ids=str)
@pytest.mark.parametrize("users", [2, 3, 10, 16, 17, 40])
def test_compiled_powers_are_those_of_torch(sizes: Sizes, users: int, build: Build) -> None:
    problem = draw(users, 6)
    for weighted in (True, False):
        given = problem if weighted else (*problem[:4], np.ones((6, users)))
        fraction = build(sizes).allocate_late(*given) / problem[3]
        assert fraction.std() > 0.02
        np.testing.assert_allclose(
            fraction, by_torch(network_of(sizes), *given), atol=CLOSE, rtol=0
        )


def test_what_is_unknown_matters(build: Build) -> None:
    known, unknown, *rows = draw(8, 20)
    controller = build()
    told = controller.allocate_late(known, unknown, *rows)
    total = known + networks.TYPICAL * unknown
    untold = controller.allocate_late(total, np.zeros_like(total), *rows)
    assert np.abs(told - untold).mean() > 1e-3


def test_where_all_is_known_it_is_the_plain_network_without_those_weights(
    build: Build, tmp_path: Path
) -> None:
    controller = build(SMALL)
    tensors = dict(controller.tensors)
    for name, tensor in tensors.items():
        if "message.weight" in name or "inner.weight" in name:
            tensors[name] = np.delete(tensor, [8, 9], axis=1)
    plain = SMALL._replace(late=0)
    card = controller.card.model_copy(update={"sizes": plain._asdict()})
    write(tmp_path / "plain.safetensors", card, tensors)
    known, _, *rows = draw(9, 10)
    expected = Unrolled(str(tmp_path / "plain.safetensors")).allocate(known, *rows)
    expected[expected < unrolled_late.SILENT * rows[1]] = 0.0
    np.testing.assert_allclose(controller.allocate(known, *rows), expected, atol=CLOSE)


def test_users_that_no_power_can_serve_are_as_if_absent(build: Build) -> None:
    known, unknown, noise, full, weight = draw(20, 5)
    idle = [1, 6, 17]
    weight[:, idle[0]] = 0.0
    full[:, idle[1]] = 0.0
    known[:, idle[2], idle[2]] = unknown[:, idle[2], idle[2]] = 0.0
    there = np.setdiff1d(np.arange(20), idle)
    controller = build(SMALL)
    power = controller.allocate_late(known, unknown, noise, full, weight)
    parts = (part[:, there][:, :, there] for part in (known, unknown))
    alone = controller.allocate_late(*parts, *(row[:, there] for row in (noise, full, weight)))
    assert (power[:, idle] == 0.0).all()
    np.testing.assert_allclose(power[:, there], alone, atol=CLOSE, rtol=0)


def test_nobody_and_one_are_decided(build: Build) -> None:
    controller = build(SMALL)
    for shape in ((3, 0, 0), (0, 4, 4)):
        none = np.empty(shape)
        assert controller.allocate_late(none, none, 1.0, 1.0).shape == shape[:2]
    one = np.array([[1e-9]])
    assert controller.allocate_late(0.0 * one, one, 1e-13, 0.2) == [0.2]


def test_powers_are_permuted_when_users_are(build: Build) -> None:
    known, unknown, *rows = draw(11, 4)
    order = np.random.default_rng(1).permutation(11)
    controller = build(FULL)
    mixed = (part[:, order][:, :, order] for part in (known, unknown))
    power = controller.allocate_late(known, unknown, *rows)
    permuted = controller.allocate_late(*mixed, *(row[:, order] for row in rows))
    np.testing.assert_allclose(permuted, power[:, order], atol=3 * CLOSE)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("place", ["known", "unknown"])
def test_what_is_out_of_range_is_refused(wrong: float, place: str, build: Build) -> None:
    known, unknown, *rows = draw(5, 2)
    (known if place == "known" else unknown)[1, 0, 2] = wrong
    with pytest.raises(ValueError, match=r"gain\[1, 0, 2\] = "):
        build(SMALL).allocate_late(known, unknown, *rows)
    with pytest.raises(ValueError, match=r"unknown has shape \(2, 5\): must be"):
        build(SMALL).allocate_late(known, unknown[..., 0], *rows)


def test_huge_gains_do_no_harm(build: Build) -> None:
    huge = np.full((3, 3), 1e30)
    power = build(FULL).allocate_late(huge, huge, 1.0, 1.0)
    assert np.isfinite(power).all()
    assert ((power >= 0) & (power <= 1)).all()


def test_a_decision_is_made_for_what_is_believed(build: Build, observe: Observe) -> None:
    scenario = load("nasir-guo", ["csi.delay_s=20e-3", "csi.error_nmse_db=-10"])
    gain = draw(7, 1)[0][0]
    seen = replace(observe(gain), time_s=20e-3)
    controller = build(ODD)
    rho = 0.642511  # J0(2 pi 10 Hz 20 ms)
    belief = from_gain(seen.gain, seen.mean_gain, (rho, rho**2), error=0.1)
    controller.reset(scenario, 0)
    expected = controller.allocate_late(*belief[:2], 1.0, 1.0)
    np.testing.assert_allclose(controller.decide(seen), expected, atol=1e-4)
    controller.reset(None, 0)
    np.testing.assert_array_equal(controller.decide(seen), controller.allocate(gain, 1.0, 1.0))


def test_its_filter_is_the_trackers(build: Build, observe: Observe) -> None:
    scenario = load("nasir-guo", ["csi.reports=channel", "csi.error_nmse_db=-5"])
    rng = np.random.default_rng(0)
    controller, tracker = build(SMALL, filter="kalman"), Tracker("kalman")
    controller.reset(scenario, 0)
    tracker.reset(scenario)
    for slot in range(4):
        channel = rng.standard_normal((5, 5)) + 1j * rng.standard_normal((5, 5))
        seen = replace(observe(np.abs(channel) ** 2), slot=slot, channel=channel)
        expected = controller.allocate_late(*tracker.belief(seen)[:2], 1.0, 1.0)
        np.testing.assert_array_equal(controller.decide(seen), expected)
    with pytest.raises(InputError, match="a Kalman filter needs channel"):
        controller.reset(load("nasir-guo"), 0)


def test_other_weights_are_another_controller(build: Build) -> None:
    controller = build(SMALL)
    tensors = {name: 0.5 * tensor for name, tensor in controller.tensors.items()}
    other = controller.with_weights(tensors)
    known, unknown, *rows = draw(6, 3)
    before = controller.allocate_late(known, unknown, *rows)
    assert not np.array_equal(other.allocate_late(known, unknown, *rows), before)
    np.testing.assert_array_equal(controller.allocate_late(known, unknown, *rows), before)


def test_weights_of_a_network_that_is_told_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weights = unrolled: late = 0: must be 2"):
        UnrolledLate("unrolled")
    path = str(written(tmp_path, SMALL))
    with pytest.raises(InputError, match="of unrolled-late, which is told what is unknown"):
        Unrolled(path)
    with pytest.raises(ValueError, match="filter = best: must be one of single, kalman"):
        UnrolledLate(path, filter="best")


@pytest.mark.parametrize("sizes", [SMALL, BARE, FULL], ids=str)
def test_shapes_are_those_of_the_torch_network(sizes: Sizes) -> None:
    expected = {name: tuple(t.shape) for name, t in UnrolledNetwork(sizes).state_dict().items()}
    assert shapes_of(Shape(*sizes)) == expected


def test_deciding_imports_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np\n"
        "from slotwise.controllers.late import UnrolledLate\n"
        f"UnrolledLate({str(written(tmp_path, SMALL))!r}).allocate(np.eye(3), 1.0, 1.0)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
