"""The compiled slot: its integrals are those of the radio arithmetic, whoever is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.emulator import radio
from slotwise.emulator.clock import Emulator
from slotwise.emulator.kernels.slot import (
    CARRIED,
    CONSUMED,
    DELIVERED,
    OWN_EFFICIENCY,
    POWER,
    RADIATED,
    TIME,
    WORTH,
    Air,
    Ledger,
    Terms,
    integrate,
)
from slotwise.emulator.medium import user_gains
from slotwise.emulator.scenario import parse

Array = NDArray[np.float64]


class Book:
    """B networks of S antennas and M rows in arrays, drawn at random."""

    def __init__(
        self,
        seed: int,
        networks: int = 3,
        antennas: int = 4,
        rows: int = 7,
        *,
        downlink: bool = False,
        cap: float = np.inf,
        appraise: bool = False,
    ) -> None:
        rng = np.random.default_rng(seed)
        shape = (networks, rows)
        user_id = np.where(rng.random(shape) < 0.7, np.arange(rows), -1)
        present = user_id >= 0
        power = np.where(present & (rng.random(shape) < 0.7), rng.random(shape), 0.0)
        mean = rng.exponential(size=(networks, antennas, rows)) * present[:, None, :]
        users = np.stack([power, rng.random(shape), np.zeros(shape)])
        self.ledger = Ledger(user_id, users, np.zeros((5, networks)))
        antenna = rng.integers(antennas, size=shape)
        self.air = Air(mean, rng.exponential(size=mean.shape), antenna)
        self.terms = Terms(0.3, cap, 2.5, 0.1, downlink, own_antenna=False, appraise=appraise)

    def rates(self) -> Array:
        """Rates by the reference."""
        air, terms = self.air, self.terms
        gain = user_gains(air.mean * air.fading, air.antenna, terms.downlink)
        cap = None if np.isinf(terms.sinr_cap) else terms.sinr_cap
        return radio.rate(gain, self.ledger.users[POWER], terms.noise_w, sinr_cap=cap)

    def integrate(self, now_s: float, first: int = 0, last: int = 3) -> None:
        """Carry the integrals forward by the kernel."""
        values = self.terms.values(), self.air.values(), self.ledger.values()
        integrate(first, last, now_s, *values)


@pytest.mark.interpreted
@pytest.mark.parametrize("downlink", [False, True])
@pytest.mark.parametrize("cap", [np.inf, 2.0])
def test_integrals_are_those_of_the_radio_arithmetic(downlink: bool, cap: float) -> None:
    book = Book(1, downlink=downlink, cap=cap)
    before, rates = book.ledger.users[DELIVERED].copy(), book.rates()
    assert rates.max() > 0
    book.integrate(0.25)
    np.testing.assert_allclose(
        book.ledger.users[DELIVERED] - before, 0.25 * rates, rtol=1e-12, atol=1e-15
    )
    np.testing.assert_allclose(book.ledger.totals[CARRIED], 0.25 * rates.sum(axis=1), rtol=1e-12)
    radiated = book.ledger.users[POWER].sum(axis=1)
    np.testing.assert_allclose(book.ledger.totals[RADIATED], 0.25 * radiated, rtol=1e-12)
    consumed = radio.consumed_power(book.ledger.users[POWER], book.ledger.user_id >= 0, 2.5, 0.1)
    np.testing.assert_allclose(book.ledger.totals[CONSUMED], 0.25 * consumed, rtol=1e-12)
    assert (book.ledger.totals[TIME] == 0.25).all()
    own = radio.own_energy_efficiency(rates, book.ledger.users[POWER], 2.5, 0.1).sum(axis=1)
    np.testing.assert_allclose(book.ledger.totals[OWN_EFFICIENCY], 0.25 * own, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    networks=st.integers(1, 4),
    antennas=st.integers(1, 9),
    rows=st.integers(1, 40),
    downlink=st.booleans(),
)
def test_any_network_is_integrated_like_the_reference(
    seed: int, networks: int, antennas: int, rows: int, downlink: bool
) -> None:
    book = Book(seed, networks, antennas, rows, downlink=downlink)
    before, rates = book.ledger.users[DELIVERED].copy(), book.rates()
    book.integrate(1.0, 0, networks)
    np.testing.assert_allclose(book.ledger.users[DELIVERED], before + rates, rtol=1e-12)


@pytest.mark.interpreted
@pytest.mark.parametrize("downlink", [False, True])
@pytest.mark.parametrize("cap", [np.inf, 2.0])
def test_a_user_is_worth_what_the_sum_rate_loses_without_it(downlink: bool, cap: float) -> None:
    book = Book(3, downlink=downlink, cap=cap, appraise=True)
    total = book.rates().sum(axis=1)
    expected = np.zeros_like(book.ledger.users[POWER])
    for b, k in np.argwhere(book.ledger.users[POWER] > 0):
        kept = book.ledger.users[POWER, b, k]
        book.ledger.users[POWER, b, k] = 0.0
        expected[b, k] = total[b] - book.rates()[b].sum()
        book.ledger.users[POWER, b, k] = kept
    assert (expected > 0).any()
    assert (expected < 0).any()
    book.integrate(0.5)
    np.testing.assert_allclose(book.ledger.users[WORTH], 0.5 * expected, rtol=1e-9, atol=1e-12)


def test_a_strong_signal_loses_no_interference() -> None:
    # 160 dB above what disturbs it: all received minus one's own would leave nothing.
    ledger = Ledger(
        np.zeros((1, 2), np.int64),
        np.array([[[1.0, 1.0]], [[0.0, 0.0]], [[0.0, 0.0]]]),
        np.zeros((4, 1)),
    )
    mean = np.array([[[1e16, 1.0], [0.0, 1.0]]])
    air = Air(mean, np.ones_like(mean), np.array([[0, 1]]))
    for downlink in (False, True):
        ledger.totals[TIME, :], ledger.users[DELIVERED, :] = 0.0, 0.0
        terms = Terms(1.0, np.inf, 1.0, 0.0, downlink, own_antenna=True)
        integrate(0, 1, 1.0, terms.values(), air.values(), ledger.values())
        disturbed = 1.0 if not downlink else 0.0
        exact = np.log2(1.0 + 1e16 / (1.0 + disturbed))
        assert ledger.users[DELIVERED, 0, 0] == pytest.approx(exact, rel=1e-14)


def test_only_the_networks_asked_for_move_on() -> None:
    book = Book(2)
    before = book.ledger.users[DELIVERED].copy()
    book.integrate(1.0, 1, 2)
    assert book.ledger.totals[TIME].tolist() == [0.0, 1.0, 0.0]
    assert (book.ledger.users[DELIVERED] != before).any(axis=1).tolist() == [False, True, False]
    book.integrate(1.0, 1, 2)  # no time has passed
    assert book.ledger.totals[CARRIED, 1] == pytest.approx(book.rates()[1].sum())


def lived(**sections: Any) -> Emulator:
    """Networks of a few links, everyone at full power for three slots and a half."""
    table: dict[str, Any] = {
        "name": "small",
        "layout": {"kind": "links"},
        "population": {"initial_users": 3, "max_users": 5},
    }
    emulator = Emulator(parse(table | sections), seed=4, networks=2, slots=4)
    for _ in range(4):
        report = emulator.advance()
        assert report is not None
        emulator.grant(np.where(report.user_id >= 0, report.p_max_w, 0.0))
    return emulator


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", ["none", "iid", "gauss-markov", "sinusoids"])
@pytest.mark.parametrize("rician_k_db", [None, 3.0])
def test_a_slot_is_the_integral_and_then_the_fading(kind: str, rician_k_db: float | None) -> None:
    channel = {"fading": kind, "doppler_hz": 30.0, "rician_k_db": rician_k_db}
    emulator = lived(channel=channel)
    network = emulator.network
    fused, apart = network.medium.fading, lived(channel=channel).network.medium.fading
    assert (fused.power == apart.power).all()
    rates, before = network.rates(), network.delivered.copy()
    end_s = emulator.now_s + 1e-3
    network.end_slot(end_s)
    np.testing.assert_allclose(network.delivered - before, 1e-3 * rates, rtol=1e-9)
    if kind != "none":
        # Rows 3 and 4 are empty: their links need not fade, and do not.
        changed = (fused.power != apart.power).all(axis=0)
        assert changed[:3, :3].all()
        assert not changed[3:, 3:].any()
