"""The perceptron as a controller, against plain NumPy and against torch."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.cards import Card, read, shipped, write
from slotwise.controllers.kernels.perceptron import perceive_one
from slotwise.controllers.mlp import LOG_FLOOR, Mlp, MlpSizes
from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.drops import draw
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, load
from slotwise.runs.intervals import ratio_of_means

Array = NDArray[np.float64]

# Layers of whole panels, of pieces of one, and of both; one station for all, cells, pairs.
EVERY_SIZES = [
    MlpSizes(1, 1, 3, 1),
    MlpSizes(4, 4, 16, 2),
    MlpSizes(5, 5, 64, 1, "log", "sigmoid"),
    MlpSizes(6, 2, 70, 2, "log", "sigmoid"),
    MlpSizes(7, 3, 200, 3),
    MlpSizes(10, 10, 200, 3),
    MlpSizes(20, 20, 130, 3, "amplitude", "sigmoid"),
    MlpSizes(70, 10, 40, 1, "log", "relu6"),
    MlpSizes(6, 6, 80, 2, "log", "sigmoid", "strongest"),
]
every_size = pytest.mark.parametrize("sizes", EVERY_SIZES, ids=str)

TOLERANCE = 1e-5


def random_tensors(sizes: MlpSizes, seed: int = 0) -> dict[str, Array]:
    """Weights whose outputs fill their range."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in sizes.shapes().items():
        fan_in = shape[-1] if len(shape) > 1 else 100
        tensors[name] = rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
        if sizes.features == "log" and name == "weight0":
            tensors[name] *= 0.3
    last = sizes.layers
    tensors[f"weight{last}"] *= 2.0
    tensors[f"bias{last}"] += 2.0 if sizes.output == "relu6" else 0.0
    return {name: tensor.astype(np.float32).astype(np.float64) for name, tensor in tensors.items()}


def card_of(sizes: MlpSizes, told: dict[str, Any] | None = None) -> Card:
    fields: dict[str, Any] = {
        "sizes": told or sizes._asdict(),
        "network": "mlp",
        "name": "made-up",
        "scenario": "gaussian-ic",
        "users": sizes.users,
        "command": "none",
        "recipe": {},
        "seed": 0,
        "steps": 0,
        "samples": 0,
        "seconds": 0.0,
        "date": "2026-01-01",
        "versions": {},
    }
    return Card(**fields)


Make = Callable[..., Mlp]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(sizes: MlpSizes, rounding: str = "none", seed: int = 0, **options: Any) -> Mlp:
        path = tmp_path / "made-up.safetensors"
        write(path, card_of(sizes), random_tensors(sizes, seed), **options)
        return Mlp(str(path), rounding)

    return made


def forward(sizes: MlpSizes, tensors: dict[str, Array], snr: Array) -> Array:
    """The network as it is defined, on gains [n, N, K] in units of noise at full power."""
    if sizes.order == "strongest":
        powers = np.empty((len(snr), sizes.users))
        for n, gain in enumerate(snr):
            best = np.argsort(-np.diag(gain), kind="stable")
            placed = gain[np.ix_(best, best)][None]
            powers[n, best] = forward(sizes._replace(order="given"), tensors, placed)[0]
        return powers
    values = snr.reshape(len(snr), -1)
    values = np.log2(values.clip(LOG_FLOOR)) if sizes.features == "log" else np.sqrt(values)
    for n in range(sizes.layers + 1):
        values = values @ tensors[f"weight{n}"].T + tensors[f"bias{n}"]
        values = values if n == sizes.layers else values.clip(0.0)
    if sizes.output == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-values)))
    return np.asarray(values.clip(0.0, 6.0) / 6.0)


def cells(sizes: MlpSizes) -> NDArray[np.int64]:
    return np.arange(sizes.users) * sizes.stations // sizes.users


def problems(sizes: MlpSizes, count: int, seed: int = 1) -> tuple[Array, Array, Array, Array]:
    """Gains of users in cells, noise of their stations, power limits."""
    rng = np.random.default_rng(seed)
    station = cells(sizes)
    heard = rng.exponential(size=(count, sizes.stations, sizes.users))
    noise_power = rng.uniform(0.5, 2.0, (count, sizes.stations))
    p_max = rng.uniform(0.5, 2.0, (count, sizes.users))
    gain = np.ascontiguousarray(heard[:, station])
    return heard, gain, np.ascontiguousarray(noise_power[:, station]), p_max


@every_size
@pytest.mark.interpreted
def test_powers_are_those_of_the_network_as_defined(sizes: MlpSizes, make: Make) -> None:
    heard, gain, noise_power, p_max = problems(sizes, 6)
    first = np.searchsorted(cells(sizes), range(sizes.stations))
    snr = heard * p_max[:, None, :] / noise_power[:, first, None]
    expected = forward(sizes, random_tensors(sizes), snr)
    power = make(sizes).allocate(gain, noise_power, p_max)
    if sizes.users > 1:
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(power / p_max, expected, rtol=0, atol=TOLERANCE)


@every_size
def test_powers_are_those_of_torch(sizes: MlpSizes, make: Make) -> None:
    import torch

    from slotwise.controllers.networks.mlp import MlpNetwork

    network = MlpNetwork(sizes)
    tensors = {name: torch.from_numpy(t).float() for name, t in random_tensors(sizes).items()}
    network.load_plain_tensors(tensors)
    heard, gain, *_ = problems(sizes, 200)
    with torch.no_grad():
        amplitude = torch.from_numpy(np.sqrt(heard).reshape(len(heard), -1)).float()
        expected = network(amplitude).numpy()
    if sizes.users > 1:
        power = make(sizes).allocate(gain, 1.0, 1.0)
        np.testing.assert_allclose(power, expected, rtol=0, atol=TOLERANCE)


@every_size
def test_one_decision_is_the_same_as_in_a_batch_to_the_last_bit(
    sizes: MlpSizes, make: Make
) -> None:
    _, gain, noise_power, p_max = problems(sizes, 131)
    controller = make(sizes)
    together = controller.allocate(gain, noise_power, p_max)
    alone = [
        controller.allocate(*problem) for problem in zip(gain, noise_power, p_max, strict=True)
    ]
    np.testing.assert_array_equal(together, alone)
    part = controller.allocate(gain[7:10], noise_power[7:10], p_max[7:10])
    np.testing.assert_array_equal(together[7:10], part)


@pytest.mark.parametrize("present", [2, 5, 9])
def test_users_who_are_not_there_are_inputs_of_zero(present: int, make: Make) -> None:
    sizes = MlpSizes(10, 10, 50, 2)
    gain = np.random.default_rng(2).exponential(size=(4, present, present))
    padded = np.zeros((4, 10, 10))
    padded[:, :present, :present] = gain
    expected = forward(sizes, random_tensors(sizes), padded)[:, :present]
    power = make(sizes).allocate(gain, 1.0, 1.0)
    np.testing.assert_allclose(power, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("missing", ["weight", "p_max", "gain"])
def test_users_who_cannot_be_served_count_as_absent(missing: str, make: Make) -> None:
    sizes = MlpSizes(6, 6, 40, 2)
    controller = make(sizes)
    rng = np.random.default_rng(3)
    gain, p_max, weight = rng.exponential(size=(6, 6)), np.ones(6), np.ones(6)
    if missing == "weight":
        weight[2] = 0.0
    elif missing == "p_max":
        p_max[2] = 0.0
    else:
        gain[2, 2] = 0.0
    power = controller.allocate(gain, 1.0, p_max, weight)
    without = gain.copy()
    without[2], without[:, 2] = 0.0, 0.0
    expected = forward(sizes, random_tensors(sizes), without[None])[0]
    expected[2] = 0.0
    np.testing.assert_allclose(power, expected, rtol=0, atol=TOLERANCE)


def test_who_is_alone_transmits_at_full_power(make: Make) -> None:
    controller = make(MlpSizes(6, 6, 40, 2))
    gain = np.random.default_rng(4).exponential(size=(6, 6))
    alone = controller.allocate(gain, 1.0, 2.0, np.array([0.0, 0, 0, 1, 0, 0]))
    np.testing.assert_array_equal(alone, [0, 0, 0, 2, 0, 0])
    np.testing.assert_array_equal(controller.allocate(gain[:1, :1], 1.0, 0.5), [0.5])


def test_users_of_cells_come_in_any_order_and_cells_may_lack_some(make: Make) -> None:
    sizes = MlpSizes(12, 3, 60, 2)
    heard, gain, *_ = problems(sizes, 1)
    controller = make(sizes)
    # The first user of each cell stays in place, so that the cells keep their order.
    order = np.array([0, 4, 8, 1, 9, 5, 2, 10, 3, 6])
    power = controller.allocate(gain[0][order][:, order], 1.0, 1.0)
    kept = np.zeros((1, 3, 12))
    # In a cell, users keep the order they come in: 6 follows 5, and 7 and 11 are missing.
    for place, user in zip(
        [0, 1, 2, 3, 4, 5, 6, 8, 9, 10], [0, 1, 2, 3, 4, 5, 6, 8, 9, 10], strict=True
    ):
        kept[0, :, place] = heard[0, :, user]
    expected = forward(sizes, random_tensors(sizes), kept)[0, order]
    np.testing.assert_allclose(power, expected, rtol=0, atol=TOLERANCE)


def test_what_does_not_fit_is_refused_with_what_does(make: Make) -> None:
    pairs, shared = make(MlpSizes(4, 4, 8, 1)), make(MlpSizes(4, 2, 8, 1))
    with pytest.raises(ValueError, match=r"5 users: .*made-up.safetensors takes at most 4"):
        pairs.allocate(np.ones((5, 5)), 1.0, 1.0)
    with pytest.raises(ValueError, match="users of more than 2 stations"):
        shared.allocate(np.random.default_rng(0).exponential(size=(3, 3)), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"more users in a cell than .* has room for, 2"):
        shared.allocate(np.ones((7, 3, 3)), 1.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": np.full((3, 3), -1.0)}, r"gain\[0, 0\] = -1.0"),
        ({"gain": np.full((3, 3), np.nan)}, r"gain\[0, 0\] = nan"),
        ({"noise_power": 0.0}, "noise_power"),
        ({"p_max": np.array([1.0, -1.0, 1.0])}, r"p_max\[1\] = -1.0"),
        ({"weight": np.array([1.0, np.inf, 1.0])}, r"weight\[1\] = inf"),
        ({"weight": np.ones(2)}, "weight has shape"),
        ({"gain": np.ones((2, 3))}, "gain has shape"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(
    change: dict[str, Any], message: str, make: Make
) -> None:
    problem: dict[str, Any] = {
        "gain": np.ones((3, 3)),
        "noise_power": np.ones(3),
        "p_max": np.ones(3),
        "weight": np.ones(3),
    }
    with pytest.raises(ValueError, match=message):
        make(MlpSizes(4, 4, 8, 1)).allocate(**problem | change)


def test_the_strongest_first_makes_powers_follow_their_users(make: Make) -> None:
    controller = make(MlpSizes(6, 6, 80, 2, "log", "sigmoid", "strongest"))
    rng = np.random.default_rng(3)
    gain, noise_power, p_max = rng.exponential(size=(5, 5)), rng.uniform(1, 2, 5), np.ones(5)
    gain[4], gain[:, 4] = gain[3], gain[:, 3]  # equals keep their order
    gain[3, 3] = gain[4, 4] = 0.0
    power = controller.allocate(gain, noise_power, p_max)
    assert controller.equivariant
    for _ in range(4):
        new = rng.permutation(5)
        moved = controller.allocate(gain[np.ix_(new, new)], noise_power[new], p_max)
        np.testing.assert_array_equal(moved, power[new])


def test_rounding_at_half_and_the_better_of_the_two(make: Make) -> None:
    sizes = MlpSizes(8, 8, 60, 2)
    _, gain, noise_power, p_max = problems(sizes, 300)
    raw, half, better = (
        make(sizes, rounding).allocate(gain, noise_power, p_max)
        for rounding in ("none", "half", "better")
    )
    np.testing.assert_array_equal(half, np.where(raw > 0.5 * p_max, p_max, 0.0))
    rates = [sum_rate(gain, power, noise_power) for power in (raw, half, better)]
    np.testing.assert_allclose(rates[2], np.maximum(rates[0], rates[1]), rtol=1e-12)
    assert 0 < (rates[0] > rates[1]).sum() < 300


def test_rounding_is_one_of_three(make: Make) -> None:
    with pytest.raises(ValueError, match="rounding = up: must be one of none, half, better"):
        make(MlpSizes(2, 2, 4, 1), "up")


def test_weights_of_half_precision_decide_as_their_single_copies(make: Make) -> None:
    sizes = MlpSizes(5, 5, 30, 2)
    controller = make(sizes, half=True)
    gain = np.random.default_rng(5).exponential(size=(9, 5, 5))
    rough = {k: t.astype(np.float16).astype(np.float64) for k, t in random_tensors(sizes).items()}
    np.testing.assert_allclose(
        controller.allocate(gain, 1.0, 1.0), forward(sizes, rough, gain), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("features", ["amplitude", "log"])
@pytest.mark.parametrize("level", [1e-300, 1e-30, 1e30, 1e300])
def test_gains_of_any_size_give_powers_in_the_box(features: str, level: float, make: Make) -> None:
    output = "sigmoid" if features == "log" else "relu6"
    controller = make(MlpSizes(4, 4, 40, 3, features, output))
    gain = level * np.random.default_rng(6).exponential(size=(40, 4, 4))
    for noise_power in (1e-13, 1.0):
        power = controller.allocate(gain, noise_power, 1.0)
        assert ((power >= 0.0) & (power <= 1.0)).all()


def test_arrays_that_may_not_be_written_are_decided_without_compiling_anew(make: Make) -> None:
    controller = make(MlpSizes(4, 4, 8, 1))
    gain, rows = np.random.default_rng(7).exponential(size=(4, 4)), np.ones(4)
    expected = controller.allocate(gain, rows, rows, rows)
    for arrays in itertools.product((gain, _closed(gain)), (rows, _closed(rows))):
        power = controller.allocate(arrays[0], arrays[1], arrays[1], arrays[1])
        np.testing.assert_array_equal(power, expected)
    kinds = {signature[:4] for signature in getattr(perceive_one, "signatures", [])}
    assert len(kinds) <= 1


def _closed(array: Array) -> Array:
    """A copy that may not be written to."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 5}, r"tensor bias0 has shape \(4,\): must be \(5,\)"),
        ({"layers": 2}, r"tensor bias1 has shape \(2,\): must be \(4,\)"),
        ({"users": 0}, "users = 0: must be an integer"),
        ({"users": True}, "users = True: must be an integer"),
        ({"stations": 3}, "stations = 3: must be at most users = 2"),
        ({"output": "tanh"}, "output = tanh: unknown"),
        ({"order": "weakest"}, "order = weakest: must be given or strongest"),
        ({"order": "strongest", "stations": 1}, "order = strongest: only where every user"),
        ({"width": 5}, "unexpected keyword argument 'width'"),
    ],
)
def test_cards_that_do_not_fit_their_tensors_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    sizes = MlpSizes(2, 2, 4, 1)
    card = card_of(sizes, sizes._asdict() | changes)
    path = tmp_path / "odd.safetensors"
    write(path, card, random_tensors(sizes))
    with pytest.raises(InputError, match=message) as refused:
        Mlp(str(path))
    assert "\n" not in str(refused.value)


def test_missing_and_needless_tensors_are_refused(tmp_path: Path) -> None:
    sizes = MlpSizes(2, 2, 4, 1)
    tensors = random_tensors(sizes)
    path = tmp_path / "odd.safetensors"
    write(path, card_of(sizes), tensors | {"extra": np.ones(3)})
    with pytest.raises(InputError, match=r"tensor extra has shape \(3,\): must be nothing"):
        Mlp(str(path))
    del tensors["bias1"]
    write(path, card_of(sizes), tensors)
    with pytest.raises(InputError, match=r"tensor bias1 has shape nothing: must be \(2,\)"):
        Mlp(str(path))


def test_deciding_imports_no_torch(make: Make, tmp_path: Path) -> None:
    make(MlpSizes(3, 3, 4, 1))
    program = (
        "import sys, numpy as np\n"
        "from slotwise.controllers.mlp import Mlp\n"
        f"mlp = Mlp({str(tmp_path / 'made-up.safetensors')!r})\n"
        "print(mlp.allocate(np.ones((3, 3)), 1.0, 1.0).shape, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "(3,) False"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, number)
        for name, path in shipped("mlp").items()
        for number in range(len(read(path, "mlp").card.results))
    ],
)
def test_weights_that_come_along_are_as_good_as_their_card_says(name: str, number: int) -> None:
    result = read(name, "mlp").card.results[number]
    scenario = load(result.scenario, result.overrides)
    drawn = draw(scenario, 500, seed=1, links=result.users)
    best = wmmse(drawn.gain, drawn.noise_power, drawn.p_max, drawn.weight)[0]
    rates = [
        sum_rate(drawn.gain, power, drawn.noise_power)
        for power in (
            best,
            Mlp(name).allocate(drawn.gain, drawn.noise_power, drawn.p_max),
            Mlp(name, "half").allocate(drawn.gain, drawn.noise_power, drawn.p_max),
        )
    ]
    for given, claimed in ((rates[1], result.relative), (rates[2], result.relative_rounded)):
        interval = ratio_of_means(given, rates[0])
        assert interval.value is not None
        assert interval.high is not None
        # Four standard errors, and the card's own.
        assert 100 * interval.value == pytest.approx(
            claimed, abs=200 * (interval.high - interval.value) + (result.high - result.low)
        )
