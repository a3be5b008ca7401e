"""Reports and observations: who they name, when they may be read, and what they share."""

from __future__ import annotations

import numpy as np
import pytest

from slotwise.emulator.clock import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.roster import Roster
from slotwise.emulator.scenario import load, parse


def seen(emulator: Emulator, network: int = 0) -> Observation:
    """What is observed next; everyone is granted full power."""
    report = emulator.advance()
    assert report is not None
    observation = report.observation(network)
    emulator.grant(np.where(report.user_id >= 0, report.p_max_w, 0.0))
    return observation


def test_gains_are_read_before_the_network_lives_on() -> None:
    emulator = Emulator(load("gaussian-ic"), seed=1)
    report = emulator.advance()
    assert report is not None
    assert report.gain.shape == (1, 10, 10)
    emulator.grant(np.zeros(10))
    with pytest.raises(RuntimeError, match="read a report before it is answered"):
        report.observation()


@pytest.mark.parametrize("change", ["csi.delay_s=0.5e-3", "csi.error_nmse_db=-20"])
def test_gains_that_travel_or_are_estimated_are_kept(change: str) -> None:
    emulator = Emulator(load("gaussian-ic", [change]), seed=1)
    report = emulator.advance()
    assert report is not None
    gain = report.gain
    emulator.grant(np.zeros(10))
    emulator.advance()
    np.testing.assert_array_equal(report.gain, gain)


@pytest.mark.parametrize("directions", [("uplink", "downlink"), ("downlink", "uplink")])
def test_a_report_that_travels_into_another_episode_stays_as_it_was(
    directions: tuple[str, str],
) -> None:
    layouts = [
        {"kind": "hexagons", "cells": 3, "antennas": "per-user", "direction": direction}
        for direction in directions
    ]
    table = {
        "name": "turned",
        "layout": layouts[0],
        "channel": {"fading": "none", "path_loss": {"kind": "umi"}},
        "population": {"initial_users": 4},
        "csi": {"delay_s": 1.5e-3},
        "episodes": [
            {"name": "there", "duration_s": 3e-3},
            {"name": "back", "duration_s": 1e-2, "layout": layouts[1]},
        ],
    }
    emulator = Emulator(parse(table), seed=0, slots=6)
    gains = [seen(emulator).gain for _ in range(4)]
    np.testing.assert_array_equal(gains[2], gains[0])  # measured before the turn, read after it
    assert (gains[3] != gains[0]).any()


@pytest.mark.parametrize("name", ["imac", "nasir-guo", "d2d"])
def test_an_observation_is_the_report_without_empty_rows(name: str) -> None:
    emulator = Emulator(
        load(name, ["population.initial_users=6", "population.max_users=9"]), seed=3
    )
    report = emulator.advance()
    assert report is not None
    assert report.users.tolist() == [6]
    observation = report.observation()
    assert observation.gain.shape == (6, 6)
    np.testing.assert_array_equal(observation.gain, report.gain[0, :6, :6])
    assert not report.gain[0, 6:].any()
    assert not report.gain[0, :, 6:].any()
    np.testing.assert_allclose(
        observation.gain, emulator.network.medium.gain[0, :6, :6], rtol=1e-15
    )


def test_long_term_gains_are_what_fading_averages_to() -> None:
    emulator = Emulator(load("imac"), seed=2)
    observations = [seen(emulator) for _ in range(4000)]
    mean = np.mean([observation.gain for observation in observations], axis=0)
    # Independent exponentials: the mean of 4,000 is off by 1/63 of itself; five times that.
    np.testing.assert_allclose(mean, observations[0].mean_gain, rtol=5.0 / np.sqrt(4000.0))


def test_long_term_gains_are_one_array_until_somebody_comes_or_goes() -> None:
    visits = [{"join_s": 0.0}, {"join_s": 0.0, "leave_s": 2.5e-3}, {"join_s": 0.0}]
    table = {
        "name": "three",
        "layout": {"kind": "pairs"},
        "channel": {"path_loss": {"kind": "power-law"}},
        "population": {"initial_users": 0, "max_users": 3, "trace": visits},
    }
    emulator = Emulator(parse(table), seed=1)
    mean = [seen(emulator).mean_gain for _ in range(5)]
    assert mean[0] is mean[1] is mean[2]
    assert mean[3] is mean[4]
    assert [gain.shape for gain in mean[2:4]] == [(3, 3), (2, 2)]
    np.testing.assert_array_equal(mean[3], mean[0][np.ix_([0, 2], [0, 2])])
    assert not mean[0].flags.writeable


def test_long_term_gains_change_when_users_have_moved() -> None:
    emulator = Emulator(load("urban", ["mobility.update_s=2e-3"]), seed=1)
    mean = [seen(emulator).mean_gain for _ in range(4)]
    assert mean[0] is mean[1]
    assert mean[2] is mean[3]
    assert (mean[0] != mean[2]).all()


def test_a_roster_knows_its_rows() -> None:
    roster = Roster(np.array([[4, -1, 7], [1, 2, 3]]))
    assert roster.rows(0).tolist() == [0, 2]
    assert roster.rows(0) is roster.rows(0)
    values = np.arange(6.0).reshape(2, 3)
    assert roster.of(values, 0).tolist() == [0.0, 2.0]
    assert roster.of(values, 1).tolist() == [3.0, 4.0, 5.0]
    with pytest.raises(ValueError, match="read-only"):
        roster.user_id[0, 0] = 5
