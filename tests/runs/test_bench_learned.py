"""Rows of the benchmark about learned controllers, with networks that have learned nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slotwise.controllers import cards
from slotwise.controllers.graph import GraphSizes
from slotwise.controllers.mlp import MlpSizes
from slotwise.controllers.networks.graph import GraphNetwork
from slotwise.controllers.networks.mlp import MlpNetwork
from slotwise.controllers.networks.unrolled import Sizes
from slotwise.runs.bench import learned, onnx
from slotwise.runs.bench.measuring import measure
from slotwise.runs.bench.setting import Setting, rayleigh

HURRY = Setting(seconds=0.01)
CARD: dict[str, Any] = {
    "scenario": "randomised",
    "command": "",
    "recipe": {},
    "seed": 0,
    "steps": 0,
    "samples": 0,
    "seconds": 0.0,
    "date": "2026-01-01",
    "versions": {},
}


def card_of(network: Any, sizes: Any, users: int | None = None) -> cards.Card:
    return cards.Card(network=network, name="test", sizes=sizes._asdict(), users=users, **CARD)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships a perceptron for four users and a graph network."""
    for name, card, network in (
        ("mlp-gaussian-ic-10", card_of("mlp", MlpSizes(4, 4, 8, 2), 4), MlpNetwork),
        ("graph", card_of("graph", GraphSizes(2, 4, 8, 4)), GraphNetwork),
    ):
        sizes: Any = {"mlp": MlpSizes, "graph": GraphSizes}[card.network](**card.sizes)
        tensors = {key: t.numpy() for key, t in network(sizes).plain_tensors().items()}
        cards.write(tmp_path / f"{name}.safetensors", card, tensors)
    monkeypatch.setattr(cards, "_SHIPPED", tmp_path)
    monkeypatch.setattr(learned, "_DRAWS", {4: 2, 5: 1})
    monkeypatch.setattr(learned, "_BATCHES", {4: 3})
    return tmp_path


def test_every_network_stands_beside_its_peers(shipped: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = measure(HURRY, ["learned"])
    what = [row.what for row in found.rows]
    assert [one.what for one in found.skipped] == [
        "mlp:gaussian-ic-20", "mlp:gaussian-ic-30", "unrolled", "unrolled-tiny",
    ]  # fmt: skip
    for users, networks in ((4, ["mlp:gaussian-ic-10", "graph"]), (5, ["graph"])):
        one = f"one decision, K = {users}"
        for spec in ("wmmse", "beam", *networks):
            assert f"{one}: {spec}" in what
        for spec in networks:
            for peer in ("ONNX Runtime", "torch", "WMMSE"):
                assert f"{one}, {spec}: {peer}" in what
    assert not any("mlp" in line for line in what if "K = 5" in line)
    assert [line for line in what if line.startswith("batch")] == [
        "batch of 3, K = 4, mlp:gaussian-ic-10: torch",
        "batch of 3, K = 4, graph: torch",
    ]
    assert all(row.measured > 0.0 for row in found.rows)


def test_without_onnx_runtime_its_rows_are_left_out_with_a_word(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda _: None)
    found = measure(HURRY, ["learned"])
    assert ("ONNX Runtime", onnx.MISSING) in [(one.what, one.why) for one in found.skipped]
    assert found.rows
    assert not any("ONNX" in row.what for row in found.rows)


def test_goals_of_the_tiny_network_are_a_quarter_of_the_time_of_wmmse() -> None:
    assert learned._FASTER == {
        ("unrolled-tiny", 50): (None, 4.0),
        ("unrolled-tiny", 100): (4.0, None),
    }


@pytest.mark.parametrize(
    "card",
    [
        card_of("mlp", MlpSizes(6, 6, 8, 2), 6),
        card_of("graph", GraphSizes(2, 4, 8, 4)),
        card_of("unrolled", Sizes(layers=2, state=4, hidden=8, channels=2)),
        card_of("unrolled", Sizes(layers=1, state=4, hidden=8, channels=0)),
    ],
    ids=["mlp", "graph", "unrolled", "unrolled without messages"],
)
def test_onnx_runtime_answers_as_torch_does(card: cards.Card) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    network = learned._as_torch(card)
    inputs = [learned._inputs(card, one[None]) for one in rayleigh(3, 6, snr_db=5.0)]
    for call, given in zip(onnx.prepared(network, inputs), inputs, strict=True):
        with torch.no_grad():
            expected = network(*given).numpy()
        np.testing.assert_allclose(call(), expected, rtol=0, atol=1e-5)
    assert torch.equal(torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
