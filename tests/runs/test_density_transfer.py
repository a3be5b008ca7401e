"""The density study's networks: trained side by side, kept, and what is written of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from slotwise.runs.studies.density import transfer
from slotwise.runs.studies.density import zappone2019 as study
from slotwise.runs.studies.density.networks import Perceptrons, fit, read, write
from slotwise.runs.studies.density.orders import Order, Recipe
from slotwise.runs.studies.density.samples import B
from slotwise.runs.studies.density.transfer import Pool, curves, transferred

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny = replace(
        study.AMOUNTS["minutes"],
        seeds=2,
        starts={"B": 2, "C": 1},
        sizes=(10, 300, 3000),
        searched_sizes=(10,),
        steps={"B": 10, "C": 10},
        pretraining_steps={"B": 10, "C": 10},
        drops=1,
        checks=2,
        searches=2,
    )
    monkeypatch.setitem(study.AMOUNTS, "minutes", tiny)
    monkeypatch.setattr(study, "_CURVE_SIZES", (64,))
    monkeypatch.setattr(transfer, "MODEL_SAMPLES", 2000)
    monkeypatch.chdir(tmp_path)


def order(steps: int = 300) -> Order:
    recipe = Recipe(steps)
    return Order("B", (8, 8, 2), 2, 3, (10, 200), recipe, recipe, Recipe(steps, 128), 5)


def test_each_network_answers_as_if_it_were_alone() -> None:
    many = Perceptrons.drawn(3, (2, 4, 1), seed=0)
    x = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))
    for number in range(3):
        layers = [nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)]
        for layer, place in ((layers[0], 0), (layers[2], 1)):
            assert isinstance(layer, nn.Linear)
            layer.weight.data = many.weights[place][number].T
            layer.bias.data = many.biases[place][number, 0]
        alone = nn.Sequential(*layers)(x[number])[:, 0]
        torch.testing.assert_close(many(x)[number], alone)


def test_a_network_s_training_does_not_depend_on_its_neighbours() -> None:
    x = torch.linspace(-1, 1, 40)[None, :, None].expand(3, -1, -1)
    y = torch.stack([x[0, :, 0], x[0, :, 0].abs(), torch.zeros(40)])
    samples = torch.tensor([40, 7, 12])
    together = Perceptrons.drawn(3, (1, 6, 1), seed=2)
    alone = together.taken(torch.tensor([1]))
    fit(together, x, y, samples, Recipe(50, 16))
    fit(alone, x[1:2], y[1:2], samples[1:2], Recipe(50, 16))
    torch.testing.assert_close(together(x)[1], alone(x[:1])[0], rtol=1e-4, atol=1e-5)


def test_no_network_sees_more_samples_than_it_may() -> None:
    x = torch.linspace(-1, 1, 40)[None, :, None]
    seen = torch.zeros(1, 40)
    changed = seen.clone()
    changed[:, 7:] = 100.0
    results = []
    for y in (seen, changed):
        network = Perceptrons.drawn(1, (1, 6, 1), seed=2)
        fit(network, x, y, torch.tensor([7]), Recipe(20, 16))
        results.append(network(x))
    torch.testing.assert_close(*results, rtol=0.0, atol=0.0)


def test_a_strong_pull_keeps_the_first_weights() -> None:
    x, y = torch.linspace(-1, 1, 40)[None, :, None], torch.ones(1, 40)
    moved = []
    for pull in (0.0, 10.0):
        network = Perceptrons.drawn(1, (1, 6, 1), seed=3)
        first = network.taken(torch.tensor([0]))
        fit(network, x, y, torch.tensor([40]), Recipe(200, 16, pull=pull))
        moved.append(float((network.weights[0] - first.weights[0]).abs().max()))
    assert moved[1] < moved[0] / 5


def test_networks_are_read_back_unless_they_are_others_or_damaged(tmp_path: Path) -> None:
    networks, path = Perceptrons.drawn(2, (1, 3, 1), seed=0), tmp_path / "w" / "n.safetensors"
    write(networks, path, {"a": 1})
    kept = read(path, {"a": 1})
    assert kept is not None
    torch.testing.assert_close(kept.parameters(), networks.parameters())
    assert read(path, {"a": 2}) is None
    path.write_bytes(path.read_bytes()[:40])
    assert read(path, {"a": 1}) is None
    assert read(tmp_path / "none.safetensors", {"a": 1}) is None


def test_pre_training_helps_where_real_samples_are_few(tmp_path: Path) -> None:
    tuned = transferred(order(), "tuned", tmp_path, None, lambda _: None)
    scratch = transferred(order(), "scratch", tmp_path, None, lambda _: None)
    assert np.median(tuned["test"][0]) < np.median(scratch["test"][0])
    assert np.shape(tuned["test"]) == np.shape(tuned["lost"]) == (2, 2)
    assert min(tuned["lost"][1]) < min(tuned["model_lost"])
    again = transferred(order(), "tuned", tmp_path, None, lambda _: None)
    assert again == tuned  # the networks that were kept give the same


def test_searched_samples_are_drawn_from_the_pool() -> None:
    level = np.linspace(-10.0, 60.0, 5)
    pool = Pool(B.searched(level, np.arange(5.0)))
    taken = pool.taken(np.random.default_rng(0), 3)
    assert len(set(taken.best)) == 3
    place = taken.best.astype(int)
    np.testing.assert_allclose(taken.power_w[:, 0], 10.0 ** ((level[place] - 30.0) / 10.0))


def test_curves_begin_before_training_and_end_lower(tmp_path: Path) -> None:
    result = curves(replace(order(), sizes=(200,)), tmp_path, lambda _: None)
    for arm in ("tuned", "scratch"):
        assert len(result[arm]["training"]) == len(result[arm]["validation"]) == 51
        assert np.median(result[arm]["training"][-1]) < np.median(result[arm]["training"][0])


def test_figure_6_is_measured_printed_and_kept(slotwise: Command, tmp_path: Path) -> None:
    arguments = ("study", "zappone2019-transfer", "--tables", "fig6")
    code, out, err = slotwise(*arguments)
    assert (code, err) == (0, "")
    assert "pre-trained, then real samples, best of 2 starts" in out
    assert "aim: 300 pre-trained beat 3,000 without" in out
    place = tmp_path / "zappone2019-transfer-minutes"
    assert (place / "figure-6-searched.png").exists()
    units = {path.name: path.stat().st_mtime_ns for path in (place / "units").rglob("*.json")}
    assert "searched.json" in units
    assert slotwise(*arguments)[0] == 0
    assert units == {p.name: p.stat().st_mtime_ns for p in (place / "units").rglob("*.json")}


def test_optima_and_curves_are_written_as_json(slotwise: Command) -> None:
    code, out, _ = slotwise(
        "study", "zappone2019-transfer", "--tables", "optima,fig7", "--seed", "3", "--json"
    )
    found = json.loads(out)
    assert code == 0
    assert found["seed"] == 3
    assert len(found["parts"]["optima"]["rows"]) == 8
    assert {row["of"] for row in found["parts"]["fig7"]["rows"]} == {"x = 64"}


def test_an_unknown_figure_is_refused(slotwise: Command, tmp_path: Path) -> None:
    code, _, err = slotwise("study", "zappone2019-transfer", "--tables", "fig3")
    assert code == 2
    assert "--tables fig3: there are optima, fig4, fig5, fig6, fig7, fig8, fig9" in err
    assert not any(tmp_path.iterdir())
