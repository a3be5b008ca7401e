"""Weights that come with the package, held to what their cards say of them."""

from __future__ import annotations

import numpy as np
import pytest

from slotwise.controllers import make
from slotwise.controllers.cards import read
from slotwise.emulator.clock import Emulator
from slotwise.emulator.drops import draw
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import load


@pytest.mark.parametrize("spec", ["graph", "unrolled", "unrolled-late", "unrolled-tiny"])
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


def test_the_policy_that_comes_with_the_package_is_as_good_as_its_card_says() -> None:
    """In networks of another seed, to four standard errors of the ratio."""
    card = read("nasir-guo", "rl").card
    (result,) = card.results
    scenario = load("nasir-guo")
    assert (result.scenario, result.users) == (scenario.name, scenario.population.capacity)
    carried = {}
    for spec in ("rl:nasir-guo", "wmmse", "ascent"):
        controller = make(spec)
        controller.reset(scenario, 0)
        emulator = Emulator(scenario, 7, networks=200, slots=1)
        report = emulator.advance()
        assert report is not None
        emulator.grant(controller.allocate(report.gain, report.noise_w, report.p_max_w))
        assert emulator.advance() is None
        carried[spec] = emulator.network.carried
    ours, theirs = carried["rl:nasir-guo"], carried["wmmse"]
    ratio = ours.mean() / theirs.mean()
    error = np.std(ours - ratio * theirs) / theirs.mean() / np.sqrt(len(ours))
    assert 100 * ratio == pytest.approx(result.relative, abs=400 * error)
    assert 100 * error < 1.0
    assert ours.mean() > carried["ascent"].mean()
