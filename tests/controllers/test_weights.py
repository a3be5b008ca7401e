"""Weights that come with the package, held to what their cards say of them."""

from __future__ import annotations

import numpy as np
import pytest

from slotwise.controllers import make
from slotwise.controllers.cards import read
from slotwise.emulator.drops import draw
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import load


@pytest.mark.parametrize("spec", ["graph", "unrolled", "unrolled-tiny"])
def test_networks_of_any_size_are_as_good_as_their_cards_say(spec: str) -> None:
    """On draws of another seed, to four standard errors of the ratio."""
    card = read(spec, spec.partition("-")[0]).card
    assert [result.users for result in card.results] == [10, 20, 30, 50, 100]
    controller, wmmse = make(spec), make("wmmse")
    for result in card.results:
        drops = draw(load(result.scenario, result.overrides), 500, 7, result.users)
        problem = drops.gain, drops.noise_power, drops.p_max
        ours, theirs = (
            sum_rate(drops.gain, each.allocate(*problem), drops.noise_power)
            for each in (controller, wmmse)
        )
        ratio = ours.mean() / theirs.mean()
        error = np.std(ours - ratio * theirs) / theirs.mean() / np.sqrt(len(ours))
        assert 100 * ratio == pytest.approx(result.relative, abs=400 * error)
        assert 100 * error < 0.5
