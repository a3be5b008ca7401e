"""The compiled unrolled network against torch, and what its controller makes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, broadcast, full_power_snr
from slotwise.controllers.cards import Card, write
from slotwise.controllers.kernels import unrolled_layers
from slotwise.controllers.neighbours import REST_SHARE, graph_of, strongest
from slotwise.controllers.networks import unrolled as networks
from slotwise.controllers.networks.unrolled import Sizes, UnrolledNetwork, chains
from slotwise.controllers.training.randomised import draw_networks
from slotwise.controllers.unrolled import START_SPREAD, Unrolled, shapes_of
from slotwise.emulator.observation import Observation
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError

Array = NDArray[np.float64]
Observe = Callable[..., Observation]

FULL, TINY = Sizes(), Sizes(6, 4, 16, 0, 0)
ODD = Sizes(layers=2, state=5, hidden=10, channels=3, chain=3)
WIDE = Sizes(layers=2, state=3, hidden=7, channels=9, chain=1)
SMALL = Sizes(layers=2, state=4, hidden=8, channels=2, chain=2)
CLOSE = 1e-5


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
            snr, weight = draw_networks(0, 0, 240, users=12)
            mean = network(snr, weight)[-1].mean()
            layers[-1].outer.bias[-1] -= mean / 4.0
    return network


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Unrolled]:
    def built(sizes: Sizes = SMALL, **options: Any) -> Unrolled:
        return Unrolled(str(written(tmp_path, sizes)), **options)

    return built


def written(directory: Path, sizes: Sizes, told: dict[str, Any] | None = None) -> Path:
    """Weights of `network_of` as a file."""
    fields: dict[str, Any] = {
        "network": "unrolled",
        "name": "made-up",
        "sizes": told or sizes._asdict(),
        "scenario": "randomised",
        "users": None,
        "command": "none",
        "recipe": {},
        "seed": 0,
        "steps": 0,
        "samples": 0,
        "seconds": 0.0,
        "date": "2026-01-01",
        "versions": {},
    }
    tensors = {name: t.detach().numpy() for name, t in network_of(sizes).state_dict().items()}
    path = directory / "made-up.safetensors"
    write(path, Card(**fields), tensors)
    return path


def draw(users: int, samples: int = 6, seed: int = 0) -> Problem:
    """Networks from noise-limited to crowded; noise, limits and weights differ."""
    rng = np.random.default_rng((seed, users))
    shape = samples, users
    level = 10.0 ** rng.uniform(-1.5, 2.5, size=(samples, 1, 1))
    return Problem(
        rng.exponential(size=(*shape, users)) * level,
        rng.uniform(0.1, 2.0, size=shape),
        rng.uniform(0.5, 3.0, size=shape),
        rng.uniform(0.1, 4.0, size=shape),
    )


def by_torch(
    network: UnrolledNetwork, problem: Problem, logits: Array | None = None, told: bool = True
) -> Array:
    """Powers as fractions of the largest."""
    snr = torch.from_numpy(full_power_snr(problem))
    weight = torch.from_numpy(problem.weight / problem.weight.max(-1, keepdims=True))
    chain = network.sizes.chain
    sets = chains(snr, weight, chain).float() if chain and told else None
    start = None if logits is None else torch.from_numpy(logits).float().expand(weight.shape)
    with torch.no_grad():
        last = network(snr.float(), weight.float(), sets, start)[-1]
    return torch.sigmoid(last).double().numpy()


def rates(problem: Problem, power: Array) -> Array:
    values: Array = sum_rate(problem.gain, power, problem.noise_power, problem.weight)
    return values


@pytest.mark.parametrize("sizes", [FULL, TINY, ODD, WIDE], ids=str)
@pytest.mark.parametrize("users", [2, 3, 7, 16, 33, 70])
def test_compiled_powers_are_those_of_torch(
    sizes: Sizes, users: int, build: Callable[..., Unrolled]
) -> None:
    problem = draw(users)
    for weighted in (True, False):
        given = problem if weighted else problem._replace(weight=np.ones((6, users)))
        power = build(sizes).allocate(*given)
        fraction = power / problem.p_max
        assert fraction.std() > 0.02
        np.testing.assert_allclose(fraction, by_torch(network_of(sizes), given), atol=CLOSE, rtol=0)


def test_at_any_level_it_is_as_near_to_double_precision_as_torch_is(
    build: Callable[..., Unrolled],
) -> None:
    controller = build(FULL)
    network = network_of(FULL)
    exact = UnrolledNetwork(FULL).double()
    exact.load_state_dict(network.state_dict())
    ours, theirs = [], []
    for step in range(12):
        snr, weight = draw_networks(1, step, 200, users=10)
        sets = chains(snr.double(), weight.double(), FULL.chain)
        with torch.no_grad():
            single = torch.sigmoid(network(snr, weight, chains(snr, weight, FULL.chain))[-1])
            double = torch.sigmoid(exact(snr.double(), weight.double(), sets)[-1]).numpy()
        power = controller.allocate(snr.double().numpy(), 1.0, 1.0, weight.double().numpy())
        ours.append(np.abs(power - double).ravel())
        theirs.append(np.abs(single.double().numpy() - double).ravel())
    for share in (50, 99):
        limit = 3.0 * np.percentile(np.concatenate(theirs), share) + 1e-6
        assert np.percentile(np.concatenate(ours), share) < limit
    assert max(error.max() for error in ours) < 1e-3


@pytest.mark.parametrize("sizes", [FULL, TINY, WIDE], ids=str)
@pytest.mark.parametrize(("users", "count"), [(2, 1), (7, 3), (40, 16)])
def test_among_neighbours_it_is_torch_without_the_other_links(
    sizes: Sizes, users: int, count: int, build: Callable[..., Unrolled]
) -> None:
    problem = draw(users, samples=1)
    one = Problem(*(array[0] for array in problem))
    near, rest = strongest(one.gain, count, one.p_max)
    snr = full_power_snr(problem)[0]
    background = 1.0 + REST_SHARE * rest / one.noise_power
    own = np.arange(users)
    kept = np.zeros_like(snr)
    kept[own[:, None], near] = snr[own[:, None], near]
    kept[own, own] = snr[own, own]
    one_each = np.ones((1, users))
    masked = Problem((kept / background[:, None])[None], one_each, one_each, problem.weight)
    expected = by_torch(network_of(sizes), masked, told=False)
    power = build(sizes, sparse=count).allocate(*problem)
    np.testing.assert_allclose(power / problem.p_max, expected, atol=CLOSE, rtol=0)


@pytest.mark.parametrize("sparse", [0, 4])
def test_the_best_of_several_starts_is_kept(sparse: int, build: Callable[..., Unrolled]) -> None:
    problem = draw(5, samples=20)
    controller = build(ODD, starts=4, sparse=sparse)
    controller.reset(None, 7)
    power = controller.allocate(*problem)
    logits = np.random.default_rng(7).standard_normal((3, 5), dtype=np.float32)
    starts = [None, *(START_SPREAD * logits.astype(np.float64))]
    every = [by_torch(network_of(ODD), problem, s, told=not sparse) for s in starts]
    every += [(fraction > 0.5).astype(np.float64) for fraction in every]
    best = np.max([rates(problem, problem.p_max * fraction) for fraction in every], axis=0)
    np.testing.assert_allclose(rates(problem, power), best, rtol=1e-5)
    assert not controller.equivariant


@pytest.mark.parametrize("sparse", [0, 3])
def test_users_that_no_power_can_serve_are_as_if_absent(
    sparse: int, build: Callable[..., Unrolled]
) -> None:
    gain, noise_power, p_max, weight = draw(20)
    idle = [1, 6, 17]
    weight[:, idle[0]] = 0.0
    p_max[:, idle[1]] = 0.0
    gain[:, idle[2], idle[2]] = 0.0
    there = np.setdiff1d(np.arange(20), idle)
    controller = build(SMALL)
    power = controller.allocate(gain, noise_power, p_max, weight)
    rows = (row[:, there] for row in (noise_power, p_max, weight))
    alone = controller.allocate(gain[:, there][:, :, there], *rows)
    assert (power[:, idle] == 0.0).all()
    np.testing.assert_allclose(power[:, there], alone, atol=CLOSE, rtol=0)
    among = build(SMALL, sparse=sparse).allocate(gain, noise_power, p_max, weight)
    assert (among[:, idle] == 0.0).all()


@pytest.mark.parametrize("options", [{}, {"sparse": 2}, {"starts": 2}])
def test_nobody_one_and_none_served_are_decided(
    options: dict[str, int], build: Callable[..., Unrolled]
) -> None:
    controller = build(SMALL, **options)
    assert controller.allocate(np.empty((3, 0, 0)), 1.0, 1.0).shape == (3, 0)
    assert controller.allocate(np.empty((0, 4, 4)), 1.0, 1.0).shape == (0, 4)
    assert controller.allocate(np.array([[1e-9]]), 1e-13, 0.2) == [0.2]
    np.testing.assert_array_equal(controller.allocate(np.zeros((3, 3)), 1.0, 1.0), np.zeros(3))
    only = controller.allocate(np.ones((2, 2)), 1.0, 0.7, np.array([0.0, 1.0]))
    np.testing.assert_array_equal(only, [0.0, 0.7])


def test_powers_are_permuted_when_users_are(build: Callable[..., Unrolled]) -> None:
    problem = draw(19)
    order = np.random.default_rng(1).permutation(19)
    mixed = problem.gain[:, order][:, :, order], *(row[:, order] for row in problem[1:])
    controller = build(FULL)
    assert controller.equivariant
    power = controller.allocate(*problem)
    np.testing.assert_allclose(controller.allocate(*mixed), power[:, order], atol=3 * CLOSE)


def test_one_decision_is_as_in_a_batch(build: Callable[..., Unrolled]) -> None:
    problem = draw(18)
    controller = build(FULL)
    batch = controller.allocate(*problem)
    single = [controller.allocate(*one) for one in zip(*problem, strict=True)]
    np.testing.assert_array_equal(batch, single)
    frozen = [array[0].copy() for array in problem]
    for array in frozen:
        array.flags.writeable = False
    np.testing.assert_array_equal(controller.allocate(*frozen), batch[0])


@pytest.mark.parametrize("sparse", [0, 11])
def test_what_searches_on_is_never_worse(sparse: int, build: Callable[..., Unrolled]) -> None:
    problem = draw(12, samples=10)
    plain = rates(problem, build(SMALL, sparse=sparse).allocate(*problem))
    every: list[dict[str, Any]] = [{"flip": True}, {"polish": 20}, {"rounding": "better"}]
    for options in every:
        better = rates(problem, build(SMALL, sparse=sparse, **options).allocate(*problem))
        assert (better >= plain * (1 - 1e-9)).all()
        assert better.mean() > plain.mean()
    half = build(SMALL, sparse=sparse, rounding="half").allocate(*problem)
    assert ((half == 0.0) | (half == problem.p_max)).all()


def test_decisions_keep_their_neighbours_while_the_long_term_gains_do(
    build: Callable[..., Unrolled], observe: Observe
) -> None:
    gain = draw(9, samples=1).gain[0]
    seen = observe(gain)
    controller = build(SMALL, sparse=3)
    one = controller.decide(seen)
    expected = graph_of(broadcast(gain, 1.0, 1.0), strongest(gain, 3))
    assert controller._neighbours is not None
    np.testing.assert_array_equal(controller._neighbours.graph(seen).near, expected.near)
    np.testing.assert_array_equal(one, controller.allocate(gain, 1.0, 1.0))


@pytest.mark.parametrize("users", [2, 20])
@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("place", ["gain", "noise_power", "p_max", "weight"])
def test_what_is_out_of_range_is_named(
    users: int, wrong: float, place: str, build: Callable[..., Unrolled]
) -> None:
    problem = draw(users, samples=2)
    array = getattr(problem, place)
    array[(1, 0, 1) if place == "gain" else (1, 1)] = wrong
    at = r"\[1, 0, 1\]" if place == "gain" else r"\[1, 1\]"
    with pytest.raises(ValueError, match=f"{place}{at} = {wrong}"):
        build(SMALL).allocate(*problem)
    with pytest.raises(ValueError, match=place):
        build(SMALL).allocate(*(part[1] for part in problem))


def test_gains_beyond_single_precision_are_refused(build: Callable[..., Unrolled]) -> None:
    with pytest.raises(ValueError, match=r"must be below 3\.4e38"):
        build(SMALL).allocate(np.full((3, 3), 1e30), 1e-12, 1.0)
    power = build(FULL).allocate(np.full((3, 3), 1e30), 1.0, 1.0)
    assert np.isfinite(power).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": 0}, "starts = 0: must be at least 1"),
        ({"polish": -1}, "polish = -1: must be non-negative"),
        ({"sparse": -1}, "sparse = -1: must be non-negative"),
        ({"rounding": "up"}, "rounding = up"),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, Any], message: str, build: Callable[..., Unrolled]
) -> None:
    with pytest.raises(ValueError, match=message):
        build(SMALL, **options)


def test_sizes_that_are_not_those_of_the_tensors_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL, told={**SMALL._asdict(), "hidden": 9})
    with pytest.raises(InputError, match=r"tensor layers\.0\.inner\.bias"):
        Unrolled(str(path))
    path = written(tmp_path, SMALL, told={**SMALL._asdict(), "hidden": "many"})
    with pytest.raises(InputError, match="hidden = many"):
        Unrolled(str(path))


@pytest.mark.parametrize("sizes", [FULL, TINY, ODD], ids=str)
def test_shapes_are_those_of_the_torch_network(sizes: Sizes) -> None:
    expected = {name: tuple(t.shape) for name, t in UnrolledNetwork(sizes).state_dict().items()}
    assert shapes_of(unrolled_layers.Shape(*sizes)) == expected


def test_numbers_are_those_of_the_torch_network() -> None:
    assert unrolled_layers.FEATURES == networks.FEATURES
    assert unrolled_layers.START_LOGIT == networks.START_LOGIT
    assert unrolled_layers.Shape._fields == Sizes._fields


def test_deciding_imports_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np\n"
        "from slotwise.controllers.unrolled import Unrolled\n"
        f"Unrolled({str(written(tmp_path, SMALL))!r}).allocate(np.eye(3), 1.0, 1.0)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
