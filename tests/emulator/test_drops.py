"""Frozen drops: shapes, laws, and the means that the papers print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.emulator.clock import Emulator
from slotwise.emulator.drops import Drops, draw
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, builtin, load

Array = NDArray[np.float64]


def wmmse_rates(drops: Drops) -> Array:
    power = make("wmmse").allocate(drops.gain, drops.noise_power, drops.p_max)
    rates = sum_rate(drops.gain, power, drops.noise_power, sinr_cap=drops.sinr_cap)
    return np.asarray(rates)


def test_every_builtin_scenario_can_be_drawn() -> None:
    for name in builtin():
        if name == "auckland":  # needs the data of an extra
            continue
        drops = draw(load(name), samples=3, seed=1, links=4)
        assert drops.gain.shape == (3, 4, 4)
        assert np.all(np.isfinite(drops.gain))
        assert np.all(drops.gain > 0)
        assert drops.p_max.shape == drops.noise_power.shape == drops.weight.shape == (4,)


def test_the_gaussian_channel_has_unit_mean_exponential_gains() -> None:
    gain = draw(load("gaussian-ic"), samples=20_000, seed=2, links=3).gain
    # 180,000 draws of Exp(1): the mean's standard error is 1 / sqrt(180,000) = 0.0024.
    assert gain.mean() == pytest.approx(1.0, abs=4 * 0.0024)
    assert np.mean(gain > 1.0) == pytest.approx(np.exp(-1.0), abs=4 * 0.0012)


def test_the_seed_fixes_the_draws() -> None:
    first, again, other = (draw(load("imac"), 5, seed=seed).gain for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_users_of_a_cell_share_their_receivers_gains() -> None:
    gain = draw(load("imac"), samples=4, seed=1).gain  # 12 users, four to a cell
    for cell in range(3):
        rows = gain[:, 4 * cell : 4 * cell + 4]
        np.testing.assert_array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))
    assert not np.array_equal(gain[:, 0], gain[:, 4])


def test_users_of_a_downlink_cell_share_their_transmitters_gains() -> None:
    scenario = load("imac", ["layout.direction=downlink"])
    gain = draw(scenario, samples=4, seed=1).gain
    np.testing.assert_array_equal(gain[:, :, 0], gain[:, :, 3])
    assert not np.array_equal(gain[:, :, 0], gain[:, :, 4])


def test_antennas_of_ones_own_fade_on_their_own_over_the_same_path() -> None:
    path = ["layout.antennas=per-user", "layout.direction=downlink"]
    still = draw(load("imac", [*path, 'channel.fading="none"']), samples=2, seed=1).gain
    np.testing.assert_array_equal(still[:, :, 0], still[:, :, 3])
    faded = draw(load("imac", path), samples=2, seed=1).gain
    assert not np.any(faded[:, :, 0] == faded[:, :, 3])


# Sun et al., IEEE Trans. Signal Process. 66(20), 2018, Table II: mean sum rate of WMMSE in
# bit/s/Hz, and how much one draw spreads.
@pytest.mark.parametrize(
    ("cells", "users", "published", "spread", "samples"),
    [(3, 12, 18.028, 5.3, 4000), (3, 24, 22.648, 5.3, 2000), (7, 28, 35.453, 7.4, 1000)],
)
def test_wmmse_on_imac_reaches_the_published_means(
    cells: int, users: int, published: float, spread: float, samples: int
) -> None:
    scenario = load("imac", [f"layout.cells={cells}"])
    rates = wmmse_rates(draw(scenario, samples, seed=8, links=users))
    # The paper's own mean is over 10,000 draws.
    error = spread * np.sqrt(1 / samples + 1 / 10_000)
    assert rates.mean() == pytest.approx(published, abs=4 * error)
    assert rates.std() == pytest.approx(spread, rel=0.1)


def test_the_true_hexagon_is_another_cell_than_the_published_disc() -> None:
    rates = wmmse_rates(draw(load("imac", ["layout.cell_shape=hexagon"]), 2000, seed=8))
    assert rates.mean() - 18.028 > 6 * rates.std() / np.sqrt(2000)


def test_wmmse_on_device_pairs_reaches_the_published_mean() -> None:
    # Y. Shen et al., IEEE J. Sel. Areas Commun. 39(1), 2021: WMMSE 200.2 bit/s/Hz, 50 pairs.
    rates = wmmse_rates(draw(load("d2d"), 500, seed=3))
    assert rates.mean() == pytest.approx(200.2, abs=4 * rates.std() / np.sqrt(500))


@pytest.mark.parametrize("name", ["imac", "d2d", "nasir-guo", "urban", "four-cells", "wide-cell"])
def test_a_drop_and_the_first_slot_of_a_life_have_the_same_law(name: str) -> None:
    scenario = load(name)
    drops = draw(scenario, 600, seed=1)
    report = Emulator(scenario, seed=2, networks=150, slots=1).advance()
    assert report is not None
    users = scenario.population.initial_users
    drawn, lived = (np.log(gain[:, :users, :users]) for gain in (drops.gain, report.gain))
    own = np.arange(users)
    for pick in (np.s_[:, own, own], np.s_[:, own, own - 1]):
        # Means of each network's log gains, 150 against 600.
        one, other = drawn[pick].mean(axis=1), lived[pick].mean(axis=1)
        error = np.sqrt(one.var() / 600 + other.var() / 150)
        assert one.mean() == pytest.approx(other.mean(), abs=4 * error)
        assert one.std() == pytest.approx(other.std(), rel=0.25)


def test_a_replayed_measurement_is_taken_once(tmp_path: Path) -> None:
    gains = np.random.default_rng(1).exponential(size=(3, 2, 2))
    np.save(tmp_path / "gains.npy", gains)
    replay = ["channel.fading=replay", f"channel.replay_path={tmp_path / 'gains.npy'}"]
    drops = draw(load("gaussian-ic", replay), 2, links=2)
    np.testing.assert_array_equal(drops.gain, gains[:2])
    np.testing.assert_array_equal(draw(load("gaussian-ic", replay), links=2).gain, gains)
    with pytest.raises(
        InputError, match=r"samples = 4: .* measured 3 slots, and each can be taken"
    ):
        draw(load("gaussian-ic", replay), 4, links=2)
    with pytest.raises(InputError, match=r"links = 3: .* has measured 2 links"):
        draw(load("gaussian-ic", replay), 5, links=3)


@pytest.mark.parametrize(
    ("samples", "links", "message"),
    [(0, 3, "samples = 0"), (3, 0, "links = 0"), (3, 1001, "links = 1001: must be between 1")],
)
def test_nothing_to_draw_is_refused(samples: int, links: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(load("imac"), samples, links=links)
