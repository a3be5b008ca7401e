"""Reports of complex channels: they move as the fading does, and err as much as is stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import j0

from slotwise.emulator.clock import Emulator
from slotwise.emulator.fading import make_fading
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, load
from slotwise.emulator.sections import Channel

Array = NDArray[Any]

CHANNELS = ("none", "gauss-markov", "sinusoids")
SLOT_S, DOPPLER_HZ = 1e-3, 100.0


def links(*overrides: str, users: int = 20, fading: str = "gauss-markov") -> Any:
    """Pairs without distances, whose channels are reported."""
    return load(
        "gaussian-ic",
        [
            f"channel.fading={fading}",
            f"channel.doppler_hz={DOPPLER_HZ}",
            f"population.initial_users={users}",
            "csi.reports=channel",
            *overrides,
        ],
    )


def life(scenario: Any, slots: int, seed: int = 1) -> list[tuple[Observation, Array]]:
    """Observations with the true gains at the time of each report's reading."""
    emulator = Emulator(scenario, seed=seed, slots=slots)
    seen = []
    while (report := emulator.advance()) is not None:
        seen.append((report.observation(), emulator.network.medium.gain[0].copy()))
        emulator.grant(report.observation().p_max)
    return seen


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("factor_db", [None, 4.0])
def test_the_power_of_the_field_is_the_fading_power(kind: str, factor_db: float | None) -> None:
    channel = Channel(fading=kind, doppler_hz=30.0, rician_k_db=factor_db)  # type: ignore[arg-type]
    generators = [np.random.default_rng(network) for network in range(2)]
    fading = make_fading(channel, SLOT_S, (2, 3, 4), generators)
    for slot in range(3):
        fading.renew(1, slot, np.random.default_rng(9), own_station=True)
        np.testing.assert_allclose(np.abs(fading.field) ** 2, fading.power, rtol=1e-6)
        fading.advance()


@pytest.mark.parametrize("kind", ["iid", "replay"])
def test_powers_without_channels_are_refused(kind: str) -> None:
    path = "channel.replay_path=x.npy"
    with pytest.raises(InputError, match=rf"channel\.fading = {kind}.*needs none, gauss-markov or"):
        load("gaussian-ic", [f"channel.fading={kind}", path, "csi.reports=channel"])
    with pytest.raises(InputError, match="quantisation_bits = 4: gains are quantised"):
        links("csi.quantisation_bits=4")
    rng = np.random.default_rng(1)
    with pytest.raises(RuntimeError, match="powers, not complex channels"):
        assert make_fading(Channel(), SLOT_S, (1, 2, 2), [rng]).field is not None


@pytest.mark.parametrize(("kind", "power"), [("gauss-markov", True), ("sinusoids", False)])
def test_reported_channels_decorrelate_as_the_fading_says(kind: str, power: bool) -> None:
    # Gauss-Markov: J0(2 pi f T)^n after n slots; sums of sinusoids: J0(2 pi f n T).
    seen = np.array([o.channel for o, _ in life(links(users=30, fading=kind), 300)])
    for lag in (1, 2, 5):
        product = (seen[lag:] * seen[:-lag].conj()).mean()
        turns = DOPPLER_HZ * SLOT_S
        expected = j0(2 * np.pi * turns) ** lag if power else j0(2 * np.pi * turns * lag)
        assert product.real == pytest.approx(expected, abs=0.03)
        assert product.imag == pytest.approx(0.0, abs=0.03)


def test_the_error_of_reported_channels_has_the_stated_power() -> None:
    # Between reports of one standing channel only errors differ: E|a - b|^2 = 2 nu m.
    still = links("csi.error_nmse_db=-7", "channel.doppler_hz=0")
    seen = np.array([o.channel for o, _ in life(still, 60)])
    change = np.abs(seen[1::2] - seen[::2]) ** 2
    assert change.mean() == pytest.approx(2 * 10**-0.7, rel=0.03)
    # Complex Gaussian errors: powers are exponential, as large as their spread.
    assert change.std() == pytest.approx(change.mean(), rel=0.05)


def test_exact_channels_at_once_and_late_are_the_true_ones() -> None:
    for observation, true in life(links(), 5):
        assert observation.channel is not None
        np.testing.assert_allclose(observation.gain, true, rtol=1e-12)
        np.testing.assert_allclose(np.abs(observation.channel) ** 2, observation.gain, rtol=1e-6)
    late = life(links("csi.delay_s=2e-3"), 8)
    now = life(links(), 8)
    for (stale, _), (fresh, _) in zip(late, now, strict=False):
        assert stale.time_s == pytest.approx(stale.measured_s + 2e-3)
        np.testing.assert_array_equal(stale.channel, fresh.channel)


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
@pytest.mark.parametrize("antennas", ["per-user", "shared"])
def test_rows_of_a_reported_channel_are_receivers(direction: str, antennas: str) -> None:
    scenario = load(
        "nasir-guo",
        [
            f"layout.direction={direction}",
            f"layout.antennas={antennas}",
            "csi.reports=channel",
            "csi.error_nmse_db=-10",
        ],
    )
    for observation, _ in life(scenario, 3):
        assert observation.channel is not None
        np.testing.assert_allclose(np.abs(observation.channel) ** 2, observation.gain, rtol=1e-12)


def test_reported_gains_are_those_of_before() -> None:
    # What is reported moves nothing else: the same life, and errors from the same numbers.
    overrides = ("csi.error_nmse_db=-7", "csi.delay_s=1e-3")
    gains = life(links(*overrides, "csi.reports=gain"), 30)
    channels = life(links(*overrides), 30)
    for (told, true), (complex_told, complex_true) in zip(gains, channels, strict=True):
        assert told.channel is None
        np.testing.assert_array_equal(true, complex_true)
        assert not np.array_equal(told.gain, complex_told.gain)
