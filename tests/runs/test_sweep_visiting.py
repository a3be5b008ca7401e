"""The order in which cells are lived, and what their beginning says of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.runs.sweeps.pace import duration, spell
from slotwise.runs.sweeps.visiting import Cost, cost, in_fair_order


@given(st.lists(st.floats(0.0, 1e6), max_size=70))
def test_every_network_is_visited_once(sizes: list[float]) -> None:
    assert sorted(in_fair_order(sizes).tolist()) == list(range(len(sizes)))


@pytest.mark.parametrize("beginning", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("networks", [33, 64, 100, 200])
def test_any_beginning_has_one_of_every_stratum_of_sizes(beginning: int, networks: int) -> None:
    sizes = np.random.default_rng(0).permutation(networks)
    met = sizes[in_fair_order(sizes)][:beginning]
    assert sorted(met) == [stratum * networks // beginning for stratum in range(beginning)]


def test_a_systematic_sample_foretells_the_whole() -> None:
    """Costs that rise with the size, of which every eighth is known."""
    rng = np.random.default_rng(1)
    whole = np.arange(800) / 100 + rng.uniform(0.0, 0.5, 800)
    told = cost(whole[4::8], 700)
    assert told.low < 700 * whole.mean() < told.high
    assert (told.high - told.low) / told.seconds < 0.1


def test_cells_that_cost_the_same_leave_no_doubt_and_one_cell_leaves_all() -> None:
    assert cost([2.0, 2.0, 2.0], 10) == Cost(20.0, 20.0, 20.0)
    assert cost([2.0], 10) == Cost(20.0, 0.0, 60.0)
    with pytest.raises(ValueError, match="at least one"):
        cost([], 10)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.44, "0.4 s"),
        (42.0, "42 s"),
        (720.0, "12 min"),
        (9000.0, "2.5 h"),
        (260000.0, "3.01 days"),
    ],
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_workers_share_the_work() -> None:
    assert spell(Cost(1440.0, 1200.0, 1800.0), 2) == "12 min (10 min to 15 min) on 2 workers"
