"""Combining: the laws of what several antennas make of fading, and how it lives with its users."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import j0
from scipy.stats import expon, gamma, ks_2samp, kstest

from slotwise.emulator.clock import Emulator
from slotwise.emulator.combining import Combined, draw_combined
from slotwise.emulator.drops import draw
from slotwise.emulator.kernels.combining import combine
from slotwise.emulator.layout import distance, drop_users, homes, place_stations
from slotwise.emulator.network import noise_power_w
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.emulator.sections import Channel

Array = NDArray[np.float64]

KINDS = ("iid", "gauss-markov", "sinusoids")


def combined_in_words(channel: NDArray[np.complex128], serving: NDArray[np.int64]) -> Array:
    """``|w^H f_j|²`` with w = f_k / ||f_k||; channels of one network, shape (S, A, M)."""
    rows = serving.size
    power = np.empty((rows, rows))
    for k in range(rows):
        heard = channel[serving[k]]
        weight = heard[:, k] / np.linalg.norm(heard[:, k])
        for j in range(rows):
            power[k, j] = abs(np.vdot(weight, heard[:, j])) ** 2
    return power


def channel(kind: str, **fields: Any) -> Channel:
    return Channel.model_validate({"fading": kind, **fields})


def rngs(networks: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, network]) for network in range(networks)]


def fading_of(kind: str, networks: int, rows: int, antennas: int, **fields: Any) -> Combined:
    """One station that serves everyone."""
    serving = np.zeros((networks, rows), np.int64)
    shape = networks, 1, rows
    return Combined(channel(kind, **fields), 1e-3, shape, antennas, serving, rngs(networks))


def steps(fading: Combined, slots: int) -> Array:
    seen = []
    for _ in range(slots):
        seen.append(fading.power.copy())
        fading.advance()
    return np.array(seen)


# --- the arithmetic --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [np.float32, np.float64])
def test_the_kernel_is_a_projection_on_ones_own_channel(size: type) -> None:
    rng = np.random.default_rng(1)
    parts: NDArray[Any] = rng.standard_normal((3, 2, 4 * 5, 7)).astype(size)
    serving = rng.integers(0, 4, (3, 7))
    power = np.empty((3, 7, 7))
    combine(parts, serving, 5, power)
    vectors = (parts[:, 0].astype(np.float64) + 1j * parts[:, 1]).reshape(3, 4, 5, 7)
    for b in range(3):
        np.testing.assert_allclose(power[b], combined_in_words(vectors[b], serving[b]), rtol=1e-9)


def test_one_antenna_combines_to_the_power_of_a_shared_one() -> None:
    rng = np.random.default_rng(2)
    parts, serving = rng.standard_normal((1, 2, 3, 6)), rng.integers(0, 3, (1, 6))
    power = np.empty((1, 6, 6))
    combine(parts, serving, 1, power)
    shared = np.square(parts).sum(axis=1)[0]
    np.testing.assert_allclose(power[0], shared[serving[0]], rtol=1e-12)


def test_users_of_a_station_hear_each_other_through_the_same_angle() -> None:
    # |f_k^H f_j|² = power[k, j] ||f_k||², the same both ways; at most ||f_k||² ||f_j||² (Cauchy).
    power = draw_combined(channel("iid"), np.zeros((20, 6), np.int64), 1, 4, rngs(1)[0])
    norm = np.diagonal(power, axis1=1, axis2=2)
    product = power * norm[:, :, None]
    np.testing.assert_allclose(product, product.swapaxes(1, 2), rtol=1e-9)
    assert np.all(power <= norm[:, None, :] * (1 + 1e-9))


# --- laws ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["draw", "process"])
def test_own_power_is_gamma_and_the_others_exponential(kind: str, source: str) -> None:
    # ||f||² of A Rayleigh antennas is Gamma(A); the projection of an independent f_j is Exp(1).
    antennas = 6
    if source == "draw":
        serving = np.zeros((3000, 3), np.int64)
        described = channel(kind, sinusoids=64)
        power = draw_combined(described, serving, 1, antennas, np.random.default_rng(3))
    else:
        fading = fading_of(kind, 3000, 3, antennas, doppler_hz=30.0, sinusoids=64)
        fading.advance()
        power = fading.power
    own = np.diagonal(power, axis1=1, axis2=2)
    assert kstest(own[:, 0], gamma(antennas).cdf).pvalue > 1e-4
    assert kstest(power[:, 0, 1], expon.cdf).pvalue > 1e-4
    assert kstest(power[:, 2, 0], expon.cdf).pvalue > 1e-4


@pytest.mark.parametrize("antennas", [2, 8, 50])
def test_the_mean_is_that_of_the_law(antennas: int) -> None:
    serving = np.tile(np.array([0, 0, 1, 1]), (4000, 1))
    power = draw_combined(channel("iid"), serving, 2, antennas, np.random.default_rng(4))
    mean = fading_of("iid", 1, 4, antennas).mean
    np.testing.assert_array_equal(np.diag(mean), antennas)
    np.testing.assert_array_equal(mean[~np.eye(4, dtype=bool)], 1.0)
    error = np.where(np.eye(4, dtype=bool), math.sqrt(antennas), 1.0) / math.sqrt(4000)
    assert np.all(np.abs(power.mean(axis=0) - mean) < 4.5 * error)


def test_few_paths_keep_the_mean_of_many() -> None:
    fading = fading_of("sinusoids", 4000, 3, 4, sinusoids=4)
    error = np.where(np.eye(3, dtype=bool), 2.0, 1.5) / math.sqrt(4000)
    assert np.all(np.abs(fading.power.mean(axis=0) - fading.mean) < 4.5 * error)


# --- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gauss-markov", "sinusoids"])
def test_own_power_forgets_as_that_of_its_antennas(kind: str) -> None:
    # The sum of A independent |h|²: covariance A rho², where rho is that of one antenna's field.
    antennas, paths = 4, 16
    fading = fading_of(kind, 2000, 5, antennas, doppler_hz=60.0, sinusoids=paths)
    seen = np.diagonal(steps(fading, 4), axis1=2, axis2=3) - antennas
    rho = float(j0(2.0 * math.pi * 60.0 * 1e-3))
    for lag in range(4):
        field = rho**lag if kind == "gauss-markov" else float(j0(2.0 * math.pi * 0.06 * lag))
        spread = 1.0 if kind == "gauss-markov" else 1.0 - 1.0 / paths
        found = float(np.mean(seen[0] * seen[lag]))
        assert found == pytest.approx(antennas * spread * field**2, abs=0.3)


def test_iid_antennas_have_no_memory() -> None:
    first, second = steps(fading_of("iid", 4000, 3, 4), 2)
    mean = fading_of("iid", 1, 3, 4).mean
    product = np.mean((first - mean) * (second - mean), axis=0)
    variance = np.where(np.eye(3, dtype=bool), 4.0, 1.0)
    assert np.all(np.abs(product) < 4.5 * variance / math.sqrt(4000))


def test_stating_a_doppler_gives_iid_antennas_no_memory() -> None:
    fading = fading_of("iid", 1, 3, 4)
    fading.set_doppler(0, slice(None), 0.0)
    first, second = steps(fading, 2)
    assert np.all(first != second)


@pytest.mark.parametrize("kind", ["gauss-markov", "sinusoids"])
def test_users_who_stand_still_are_combined_alike_in_every_slot(kind: str) -> None:
    fading = fading_of(kind, 1, 4, 3)
    seen = steps(fading, 5)
    assert np.all(seen == seen[0])
    fading.set_doppler(0, np.array([2]), 50.0)
    seen = steps(fading, 3)
    moved = np.any(seen[1:] != seen[0], axis=(0, 1))  # networks are one
    # Row 2 is heard by weights that follow it, column 2 moves itself; the rest stands still.
    np.testing.assert_array_equal(moved, _cross(4, 2))


def _cross(rows: int, at: int) -> NDArray[np.bool_]:
    cross = np.zeros((rows, rows), bool)
    cross[at] = cross[:, at] = True
    return cross


def test_powers_alone_have_no_phases_to_report() -> None:
    with pytest.raises(RuntimeError, match="powers, not complex channels"):
        _ = fading_of("gauss-markov", 1, 2, 2).field


# --- frozen drops ----------------------------------------------------------------------------


def oracle(scenario: Scenario, samples: int, seed: int) -> Array:
    """Gains of frozen networks from complex vectors at every station, one sample at a time."""
    rng = np.random.default_rng(seed)
    plan, users = scenario.layout, scenario.population.initial_users
    law: Any = scenario.channel.path_loss
    gain = np.empty((samples, users, users))
    for n in range(samples):
        places = place_stations(plan, rng, users)
        home = homes(plan, places, users)
        user = drop_users(plan, places, home, rng)
        length = distance(places.station, user, places.tiles)
        mean = 10.0 ** (law.gain_db / 10.0) / (1.0 + (length / law.reference_m) ** law.exponent)
        shape = (len(mean), plan.station_antennas, users)  # type: ignore[union-attr]
        normal = rng.standard_normal((2, *shape)) / math.sqrt(2.0)
        field = np.sqrt(mean)[:, None, :] * (normal[0] + 1j * normal[1])
        gain[n] = combined_in_words(field, home)
    return gain


@pytest.mark.parametrize(("name", "antennas"), [("four-cells", 4), ("wide-cell", 8)])
def test_drops_have_the_law_of_vectors_drawn_in_full(name: str, antennas: int) -> None:
    scenario = load(name, [f"layout.station_antennas={antennas}", "population.initial_users=4"])
    drawn, wanted = np.log(draw(scenario, 2000, seed=1).gain), np.log(oracle(scenario, 1500, 2))
    for k, j in [(0, 0), (3, 3), (0, 1), (2, 1), (3, 0)]:
        assert ks_2samp(drawn[:, k, j], wanted[:, k, j]).pvalue > 1e-4
    # Not only each gain, but how they go together: the strongest of the others for a user.
    others = np.arange(1, 4)
    one, other = (values[:, 0, others].max(axis=1) for values in (drawn, wanted))
    assert ks_2samp(one, other).pvalue > 1e-4


def test_users_of_the_wide_cell_fill_its_disc_evenly() -> None:
    scenario = load("wide-cell", ["population.initial_users=50"])
    plan, rng = scenario.layout, np.random.default_rng(5)
    places = place_stations(plan, rng, 50)
    user = drop_users(plan, places, np.zeros((200, 50), np.int64), rng)
    square = (np.hypot(user[..., 0], user[..., 1]).ravel() ** 2 - 35.0**2) / (500.0**2 - 35.0**2)
    assert kstest(square, "uniform").pvalue > 1e-4


def test_each_of_the_four_cells_has_one_user_in_its_square() -> None:
    plan, rng = load("four-cells").layout, np.random.default_rng(6)
    places = place_stations(plan, rng, 4)
    assert sorted(map(tuple, places.station.tolist())) == [
        (-500, -500),
        (-500, 500),
        (500, -500),
        (500, 500),
    ]
    home = np.broadcast_to(homes(plan, places, 4), (5000, 4))
    offset = drop_users(plan, places, home, rng) - places.station
    assert np.all(np.abs(offset) <= 500.0)
    assert kstest(offset[:, 1, 0] / 1000.0 + 0.5, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", ["four-cells", "wide-cell"])
def test_the_radio_is_that_of_180_khz_at_3_db(name: str) -> None:
    scenario = load(name)
    assert noise_power_w(scenario.radio) == pytest.approx(180e3 * 10.0**-20.4 * 10.0**0.3)
    law: Any = scenario.channel.path_loss
    assert 10.0 ** (law.gain_db / 10.0) == pytest.approx(2.0 * 10.0**-8.4, rel=1e-12)
    assert scenario.objective == "energy-efficiency"


def test_draws_do_not_depend_on_how_many_are_drawn_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving = np.zeros((9, 3), np.int64)
    whole = draw_combined(channel("iid"), serving, 1, 4, np.random.default_rng(7))
    monkeypatch.setattr("slotwise.emulator.combining._BLOCK", 50)
    parted = draw_combined(channel("iid"), serving, 1, 4, np.random.default_rng(7))
    np.testing.assert_array_equal(whole, parted)


# --- the living network ----------------------------------------------------------------------

CROWD = [
    "layout.kind=grid",
    "layout.rows=2",
    "layout.spacing_m=2",
    "layout.hysteresis_db=0",
    "layout.station_antennas=3",
    "mobility.update_s=0.002",
    'mobility.groups=[{name="cars",speed_min_mps=20,speed_max_mps=40}]',
    "population.initial_users=4",
    "population.max_users=6",
    "population.arrivals_per_s=60",
    'population.lifetime={kind="exponential",mean_s=0.1}',
    "channel.min_distance_m=0",
]


def lived(overrides: list[str], seed: int = 1, networks: int = 1, slots: int = 200) -> list[Array]:
    """Gains of every slot."""
    emulator = Emulator(load("wide-cell", overrides), seed, networks=networks, slots=slots)
    gains = []
    while (report := emulator.advance()) is not None:
        gains.append(report.gain.copy())
        emulator.grant(np.where(report.user_id >= 0, 0.01, 0.0))
    return gains


@pytest.mark.parametrize("kind", KINDS)
def test_every_slot_hears_what_is_combined_of_the_antennas(kind: str) -> None:
    emulator = Emulator(load("wide-cell", [*CROWD, f"channel.fading={kind}"]), 1, slots=200)
    medium, tally = emulator.network.medium, emulator.journal.tally
    assert isinstance(medium.fading, Combined)
    while (report := emulator.advance()) is not None:
        field = medium.fading.inner.field[0].reshape(4, 3, 6)
        length = distance(medium.station, medium.motion.position, np.zeros((1, 2)))[0]
        law = 1.0 + (length / 35.0) ** 4.5
        serving, here = medium.serving[0], report.user_id[0] >= 0
        wanted = 2.0 * 10.0**-8.4 * combined_in_words(field, serving) / law[serving]
        wanted[~here] = wanted[:, ~here] = 0.0
        np.testing.assert_allclose(report.gain[0], wanted, rtol=1e-6)
        emulator.grant(np.where(report.user_id >= 0, 0.01, 0.0))
    assert tally.handovers > 4
    assert tally.joins > 6
    assert tally.leaves > 3


def test_the_long_term_gain_is_the_mean_over_fading() -> None:
    changes = ["channel.fading=iid", "mobility.kind=still", "layout.station_antennas=8"]
    emulator = Emulator(load("wide-cell", changes), 2)
    report = emulator.advance()
    assert report is not None
    told = report.observation().mean_gain
    ratio = np.zeros((10, 10))
    for _ in range(1000):
        emulator.network.medium.fading.advance()
        ratio += emulator.network.medium.gain[0] / told / 1000
    spread = np.where(np.eye(10, dtype=bool), 1.0 / math.sqrt(8), 1.0)
    assert np.all(np.abs(ratio - 1.0) < 5.0 * spread / math.sqrt(1000))
    np.testing.assert_allclose(np.diag(told), 8.0 * told[(np.arange(10) + 1) % 10, np.arange(10)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_life_and_a_network_lives_it_alone_and_among_many(kind: str) -> None:
    overrides = [*CROWD, f"channel.fading={kind}"]
    alone, again = lived(overrides), lived(overrides)
    among = lived(overrides, networks=3)
    np.testing.assert_array_equal(np.array(alone), np.array(again))
    np.testing.assert_array_equal(np.array(alone)[:, 0], np.array(among)[:, 0])
    assert not np.array_equal(np.array(among)[:, 0], np.array(among)[:, 1])
    assert not np.array_equal(np.array(alone), np.array(lived(overrides, seed=2)))


@pytest.mark.parametrize("kind", ["gauss-markov", "sinusoids"])
def test_a_new_user_forgets_and_disturbs_nobody(kind: str) -> None:
    fading = fading_of(kind, 1, 5, 4, doppler_hz=5.0)
    before = fading.power[0].copy()
    fading.renew(0, 3, np.random.default_rng(9), True)
    np.testing.assert_array_equal(fading.power[0] != before, _cross(5, 3))


def test_a_handover_changes_what_is_combined_at_once() -> None:
    serving = np.zeros((1, 3), np.int64)
    fading = Combined(channel("gauss-markov"), 1e-3, (1, 2, 3), 4, serving, rngs(1))
    before = fading.power[0].copy()
    serving[0, 1] = 1
    fading.recombine(slice(0, 1))
    changed = (fading.power[0] != before).any(axis=1)
    assert changed.tolist() == [False, True, False]
    field = fading.inner.field[0].reshape(2, 4, 3)
    np.testing.assert_allclose(fading.power[0], combined_in_words(field, serving[0]), rtol=1e-9)


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("layout.direction=downlink", r"layout: station_antennas = 50 .* direction = downlink"),
        ("layout.antennas=per-user", r"station_antennas = 50 .* antennas = per-user must be"),
        ("layout.station_antennas=0", r"layout\.station_antennas = 0: must be greater"),
        ("layout.station_antennas=1001", r"layout\.station_antennas = 1001: must be less"),
        ("layout.inner_radius_m=500", r"inner_radius_m = 500.0 must be below radius_m = 500.0"),
        ('channel.fading="none"', r"station_antennas = 50: each fades .* channel\.fading = none"),
        ("channel.rician_k_db=3", r"channel\.rician_k_db = 3.0 must be left out"),
        ("csi.reports=channel", r"csi\.reports = channel must be gain"),
        (
            "episodes=[{name='open',duration_s=1,channel={fading='gauss-markov',rician_k_db=3}}]",
            r"episode open: layout\.station_antennas = 50: a direct path",
        ),
    ],
)
def test_antennas_that_cannot_be_combined_are_refused(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load("wide-cell", [override])
    assert "\n" not in str(caught.value)


def test_one_antenna_allows_whatever_it_did() -> None:
    for override in ("layout.direction=downlink", 'channel.fading="none"', "channel.rician_k_db=3"):
        load("wide-cell", ["layout.station_antennas=1", override])
