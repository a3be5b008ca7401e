"""Sets of users that are grown for bits per joule: what they are worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.kernels.energy_sets import BROAD_SNR, BROAD_SPENT, SPENT, grow_sets

Array = NDArray[np.float64]


def grown(snr: Array, cost: Array, weight: Array, chain: int, *, apart: bool) -> tuple[Array, ...]:
    samples, users = cost.shape
    told = np.empty((samples, users, chain)), np.empty((samples, users))
    more = np.empty((samples, users)), np.empty(samples)
    grow_sets(snr, cost, weight, apart, *told, *more)
    return *told, *more


def drawn(samples: int, users: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    level = 10.0 ** rng.uniform(0.0, 7.0, (samples, users, 1))
    snr = rng.exponential(size=(samples, users, users)) * level
    return snr, np.repeat(10.0 ** rng.uniform(-2.0, 2.0, (samples, 1)), users, 1)


def worth_of(snr: Array, cost: Array, level: Array, members: tuple[int, ...]) -> float:
    """Bits per joule of a set, from the definition."""
    x = np.zeros(len(cost))
    x[list(members)] = level[list(members)]
    own = np.diagonal(snr) * x
    interference = 1.0 + snr @ x - own
    return float(np.log1p(own / interference).sum() / (1.0 + cost * x).sum())


def test_pairs_are_the_best_that_begin_with_a_user() -> None:
    snr, cost = drawn(20, 5, 1)
    worth = grown(snr, cost, np.ones_like(cost), 2, apart=False)[0]
    for n, k in itertools.product(range(20), range(5)):
        alone = np.minimum(1.0, SPENT * 5 / cost[n])
        assert worth[n, k, 0] == pytest.approx(worth_of(snr[n], cost[n], alone, (k,)))
        level = np.minimum(1.0, SPENT * 5 / 2 / cost[n])
        pairs = [worth_of(snr[n], cost[n], level, (k, j)) for j in range(5) if j != k]
        assert worth[n, k, 1] == pytest.approx(max(pairs))


def test_the_broad_set_leads_by_what_its_members_make_of_a_joule() -> None:
    snr, cost = drawn(30, 6, 2)
    worth, _, broad, lead = grown(snr, cost, np.ones_like(cost), 3, apart=False)
    for n in range(30):
        members = tuple(np.flatnonzero(broad[n]).tolist())
        held = np.minimum(BROAD_SPENT * 6 / len(members) / cost[n], BROAD_SNR / np.diagonal(snr[n]))
        value = worth_of(snr[n], cost[n], np.minimum(1.0, held), members)
        assert lead[n] == pytest.approx(np.log(value / worth[n].max()))
