"""What the perceptron for bits per joule learns from, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slotwise.controllers.cards import architecture_of, read
from slotwise.controllers.energy_mlp import WIDTHS, EnergyMlpSizes
from slotwise.controllers.networks.energy_mlp import EnergyMlpNetwork
from slotwise.controllers.training import energy_mlp
from slotwise.controllers.training.draws import Part, of_scenario
from slotwise.controllers.training.energy_mlp import RECIPE, Options, Samples, collect, task
from slotwise.controllers.training.loop import fit
from slotwise.controllers.training.subjects import Wish, subject
from slotwise.emulator.objective import Objective
from slotwise.emulator.scenario import InputError, load
from slotwise.runs.order import Order
from slotwise.runs.training import train

CELLS = load("four-cells")
EFFICIENCY = Objective("energy-efficiency")
SHORT = replace(RECIPE, steps=60, batch=200, warmup=10, validate_every=30)


def samples(count: int, part: Part = Part.TRAINING, objective: Objective = EFFICIENCY) -> Samples:
    return collect(of_scenario(CELLS, 4), objective, (0, part), count, labels=True)


def test_a_small_set_is_the_beginning_of_a_large_one() -> None:
    small, large = samples(700), samples(1500)
    for one, other in zip(small, large, strict=True):
        assert torch.equal(one, other[:700])
    assert not torch.equal(small.snr, samples(700, Part.VALIDATION).snr)


def test_largest_powers_are_the_same_for_all_users_and_even_in_decibels() -> None:
    limit = samples(3000).limit.double().numpy() / 4.0  # [W]: a unit is P_c / mu
    assert np.ptp(limit, axis=1).max() == 0.0
    level = np.sort(10.0 * np.log10(limit[:, 0]))
    np.testing.assert_allclose(level, np.linspace(-30.0, 20.0, 3000), atol=1.5)


def test_labels_in_units_are_worth_what_they_are_in_watts() -> None:
    """Neither the amplifier nor the circuits are in the samples any more."""
    costly = Objective("energy-efficiency", 2.0, 5.0)
    drawn = samples(50, objective=costly)
    unit, power = 2.5, drawn.label.double()
    gain, watt = drawn.snr.double() / unit, power * unit
    in_units = Objective("energy-efficiency", 1.0, 1.0).value(drawn.snr.double(), power, 1.0)
    torch.testing.assert_close(costly.value(gain, watt, 1.0) * 5.0, in_units)
    for factor in (0.7, 1.3):  # and no power alone can be changed for the better
        for user in range(4):
            other = power.clone()
            other[:, user] = torch.minimum(other[:, user] * factor, drawn.limit[:, user].double())
            value = Objective("energy-efficiency", 1.0, 1.0).value(drawn.snr.double(), other, 1.0)
            assert (value <= in_units * (1.0 + 1e-5)).all()


def test_the_network_has_the_published_widths_and_first_receives_everyone_alike() -> None:
    network = EnergyMlpNetwork(EnergyMlpSizes(10))
    tensors = network.plain_tensors()
    widths = [len(tensors[f"bias{number}"]) for number in range(len(WIDTHS) + 1)]
    assert widths == [18, 18, 16, 16, 14, 14, 12, 12, 10, 10]
    own = torch.tensor([[1e6] * 9 + [1e2]])
    power = network(torch.zeros(1, 131), own, torch.full((1, 10), 1e6))
    torch.testing.assert_close(power * own, torch.full((1, 10), 10.0), rtol=0.2, atol=0.0)


@pytest.mark.parametrize("objective", ["unsupervised", "supervised", "both"])
def test_it_learns(objective: energy_mlp.Learned) -> None:
    learned = task(CELLS, 4, SHORT, Options(objective, 2000, validation=300))
    before = learned.validate()["relative"]
    outcome = fit(learned, SHORT)
    assert outcome.best > max(before, 0.8)
    assert outcome.best < 1.0 + 1e-4  # of the best of fractional's starts
    assert outcome.skipped == 0


def test_a_batch_is_a_function_of_its_number() -> None:
    one, other = (task(CELLS, 4, SHORT, Options(samples=1000, validation=100)) for _ in range(2))
    for step in (0, 3, 7, 2):
        assert torch.equal(one.batch(step).inputs, other.batch(step).inputs)
    epoch = torch.cat([one.batch(step).inputs for step in range(5)])
    assert len(torch.unique(epoch, dim=0)) == 1000


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(), "scenario: the network mlp-ee needs one"),
        (Wish(scenario=CELLS, samples=100), "samples = 100: must be at least batch = 2000"),
        (Wish(scenario=CELLS, size={"hidden": "3"}), "size: the network mlp-ee is as large as"),
        (Wish(scenario=CELLS, pretrain="reptile"), "pretrain = reptile"),
        (Wish(scenario=CELLS, objective="x"), "objective = x: must be one of unsupervised"),
        (Wish(scenario=CELLS, epochs=-1.0), "epochs = -1.0"),
    ],
)
def test_what_cannot_be_learned_is_refused(wish: Wish, said: str) -> None:
    with pytest.raises(InputError, match=said):
        subject("mlp-ee", wish)


def test_circuits_that_take_nothing_are_refused() -> None:
    with pytest.raises(InputError, match=r"radio.circuit_power_w = 0\.0"):
        samples(10, objective=Objective("energy-efficiency", 4.0, 0.0))


def test_epochs_and_steps_are_two_ways_to_say_how_long() -> None:
    asked: dict[str, Any] = {"scenario": CELLS, "samples": 10_000}
    assert subject("mlp-ee", Wish(**asked, epochs=4.0)).recipe.steps == 20
    assert subject("mlp-ee", Wish(**asked, steps=30)).recipe.steps == 30
    assert subject("mlp-ee", Wish(**asked)).samples == 10_000


def test_a_network_is_named_by_the_longest_architecture_that_fits() -> None:
    for name, kind in {
        "mlp-ee-wide-cell-8": "mlp-ee",
        "mlp-ee": "mlp-ee",
        "mlp-eel": "mlp",
        "mlp-gaussian-ic-10": "mlp",
        "unrolled-late": "unrolled",
    }.items():
        assert architecture_of(name) == kind


def test_a_trained_file_says_what_it_is_worth_at_every_largest_power(tmp_path: Path) -> None:
    out = tmp_path / "mlp-ee-mine.safetensors"
    asked = Order(network="mlp-ee", scenario="four-cells", samples=2000, steps=20)
    trained = train(asked, out, test_samples=200)
    card = read(out, "mlp-ee").card
    assert card.name == "mine"
    assert card.users == 4
    levels = [result.overrides[-1] for result in card.results]
    assert levels == [f"radio.p_max_dbm={level}" for level in (0, 10, 20, 30, 40, 50)]
    assert all(80.0 < result.relative <= 100.01 for result in card.results)
    assert all(result.relative_rounded is None for result in card.results)
    assert trained["name"] == "mine"
