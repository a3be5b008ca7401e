"""The medium: who moves when, where, with which Doppler, and what a new drop changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from slotwise.emulator.clock import Emulator
from slotwise.emulator.layout import distance, fold
from slotwise.emulator.medium import Medium
from slotwise.emulator.scenario import Scenario, load, parse
from slotwise.emulator.streams import Streams


def medium_of(scenario: Scenario, rows: int, seed: int = 1) -> Medium:
    slot_s = scenario.timing.slot_s
    parts = (scenario.layout, scenario.channel, scenario.mobility)
    return Medium(*parts, rows, slot_s, Streams(seed))


def walkers(**sections: Any) -> Scenario:
    table: dict[str, Any] = {
        "name": "walkers",
        "layout": {"kind": "pairs"},
        "channel": {"path_loss": {"kind": "power-law"}},
        "mobility": {
            "kind": "direction",
            "groups": [{"speed_min_mps": 10.0, "speed_max_mps": 10.0}],
        },
    }
    return parse(table | sections)


def test_a_user_moves_from_when_it_entered() -> None:
    medium = medium_of(walkers(), 2)
    medium.enter(0, 0, 0, None, 0.0)
    medium.enter(0, 1, 1, None, 0.9)
    before = medium.motion.position.copy()
    medium.move(1.0)
    moved = np.linalg.norm(medium.motion.position - before, axis=-1)[0]
    # Straight for so short a time, unless a wall or a turn comes in between.
    assert moved[1] == pytest.approx(1.0, rel=1e-9)
    assert moved[0] <= 10.0 + 1e-9
    assert moved[0] > 2.0


def test_a_pairs_receiver_goes_with_it() -> None:
    medium = medium_of(walkers(), 3)
    for row in range(3):
        medium.enter(0, row, row, None, 0.0)
    apart = medium.station - medium.motion.position
    medium.move(5.0)
    np.testing.assert_allclose(medium.station - medium.motion.position, apart, atol=1e-9)


def test_links_of_pairs_fade_by_the_speeds_of_both_ends() -> None:
    groups = [
        {"name": "standing", "speed_min_mps": 0.0, "speed_max_mps": 0.0},
        {"name": "driving", "speed_min_mps": 20.0, "speed_max_mps": 20.0},
    ]
    channel = {"path_loss": {"kind": "power-law"}, "fading": "gauss-markov"}
    mobility = {"kind": "direction", "groups": groups, "update_s": 100.0}
    medium = medium_of(walkers(channel=channel, mobility=mobility), 8, seed=3)
    for row in range(8):
        medium.enter(0, row, row, None, 0.0)
    driving = medium.motion.speed[0] > 0
    assert 0 < driving.sum() < 8
    before = medium.fading.power.copy()
    medium.fading.advance()
    still = (medium.fading.power == before)[0]
    # A link stands still only if both its ends do.
    np.testing.assert_array_equal(still, ~driving[:, None] & ~driving[None, :])


def test_users_of_a_wrapped_cluster_come_back_on_the_other_side() -> None:
    changes = ["mobility.groups=[{speed_min_mps=30.0,speed_max_mps=30.0}]", "mobility.leg_s=3600"]
    medium = medium_of(load("urban", changes), 42, seed=2)
    for row in range(42):
        medium.enter(0, row, row, None, 0.0)
    loads = np.zeros(7)
    for second in range(1, 400):
        medium.move(10.0 * second)
        near = distance(medium.station, medium.motion.position, np.zeros((1, 2)))[0]
        assert near.min(axis=0).max() <= 100.0 * 2 / np.sqrt(3) + 1e-6  # inside some hexagon
        loads += np.bincount(near.argmin(axis=0), minlength=7)
    # On a torus every cell gets its seventh. 42 straight walks of 399 samples are far from
    # independent; with a box for an area the corner cells would get 0.7 and 1.17.
    assert loads / loads.mean() == pytest.approx(np.ones(7), abs=0.12)


def test_folding_keeps_distances_on_the_torus() -> None:
    medium = medium_of(load("urban"), 2)
    tiles = medium.places[0].tiles
    user = np.random.default_rng(4).uniform(-250, 250, size=(1, 200, 2))
    folded = fold(medium.station, user, tiles)
    np.testing.assert_allclose(
        distance(medium.station, folded, tiles), distance(medium.station, user, tiles), atol=1e-9
    )


def test_a_new_drop_moves_a_user_and_leaves_it_who_it_is() -> None:
    emulator = Emulator(load("urban", ["mobility.redrop_s=0.01"]), seed=3, slots=11)
    motion = emulator.network.medium.motion
    groups, speeds, places = motion.group.copy(), motion.speed.copy(), motion.position.copy()
    while emulator.advance() is not None:
        emulator.skip()
    assert emulator.network.medium.drop == 1
    stayed = emulator.network.user_id[0, :21] == np.arange(21)
    assert stayed.sum() > 15
    np.testing.assert_array_equal(motion.group[0, :21][stayed], groups[0, :21][stayed])
    np.testing.assert_array_equal(motion.speed[0, :21][stayed], speeds[0, :21][stayed])
    assert np.all(motion.position[0, :21][stayed] != places[0, :21][stayed])


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"layout": {"kind": "hexagons", "wrap_around": True}, "mobility": {"kind": "waypoint"}},
            "wrap_around has no edges",
        ),
        ({"layout": {"kind": "pairs", "receiver": "anywhere"}}, "mobility.kind must be still"),
    ],
)
def test_movements_that_make_no_sense_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        walkers(**sections)
