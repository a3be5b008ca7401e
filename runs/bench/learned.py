"""Rows about learned controllers: one decision and a batch, against ONNX Runtime and torch.

Beside them stand WMMSE and beam search, for a network that takes longer than either and decides no
better is of no use. The peers are given what they compute with: single precision, already in units
of noise, already in tensors. Controllers start from gains, and what they make of them is timed.

Networks of the peers have first weights, for time does not depend on what was learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers import cards
from slotwise.controllers.base import Controller
from slotwise.controllers.registry import make
from slotwise.emulator.scenario import InputError
from slotwise.runs.bench import onnx
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting, rayleigh
from slotwise.runs.bench.timing import Times, interleaved

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["learned"]

Array = NDArray[np.float64]

_GROUP = "learned"
_SEARCHES = ("wmmse", "beam")
# Spec: network, and name of its weights. A perceptron is of as many users as it was trained for.
_NETWORKS = {
    "mlp:gaussian-ic-10": ("mlp", "gaussian-ic-10"),
    "mlp:gaussian-ic-20": ("mlp", "gaussian-ic-20"),
    "mlp:gaussian-ic-30": ("mlp", "gaussian-ic-30"),
    "graph": ("graph", "graph"),
    "unrolled": ("unrolled", "unrolled"),
    "unrolled-tiny": ("unrolled", "unrolled-tiny"),
}
_DRAWS = {10: 60, 20: 40, 30: 30, 50: 20, 100: 8}  # K: of one round
_BATCHES = {10: 400, 50: 40, 100: 10}  # K: samples
# What is to be how many times faster than WMMSE: goal and aim.
_FASTER = {("unrolled-tiny", 50): (None, 4.0), ("unrolled-tiny", 100): (4.0, None)}


def learned(setting: Setting) -> Iterator[Row | Skipped]:
    """One decision at a time, then batches."""
    networks = {}
    for spec, (network, weights) in _NETWORKS.items():
        try:
            networks[spec] = cards.read(weights, network).card
        except InputError as error:
            yield Skipped(_GROUP, spec, str(error))
    if not onnx.is_installed():
        yield Skipped(_GROUP, "ONNX Runtime", onnx.MISSING)
    for users, draws in _DRAWS.items():
        yield from _decisions(setting, users, draws, _of_size(networks, users))
    for users, samples in _BATCHES.items():
        yield from _batches(setting, users, samples, _of_size(networks, users))


def _of_size(networks: Mapping[str, cards.Card], users: int) -> dict[str, cards.Card]:
    """Networks that are made for so many users."""
    return {spec: card for spec, card in networks.items() if card.users in (None, users)}


def _decisions(
    setting: Setting, users: int, draws: int, networks: Mapping[str, cards.Card]
) -> Iterator[Row]:
    """Rows about one decision; of many, because one and the same would be learned by heart."""
    gains = list(rayleigh(draws, users, seed=setting.seed))
    noise, p_max = np.ones(users), np.ones(users)
    doings: dict[str, Callable[[], object]] = {}
    for spec in (*_SEARCHES, *networks):
        doings[spec] = _deciding(make(spec), gains, noise, p_max)
    for spec, card in networks.items():
        network = _as_torch(card)
        inputs = [_inputs(card, one[None]) for one in gains]
        doings[f"{spec}: torch"] = _answering(network, inputs)
        if onnx.is_installed():
            doings[f"{spec}: ONNX Runtime"] = _calling(onnx.prepared(network, inputs))
    taken = interleaved(doings, setting.seconds)
    times = Times({name: each / draws for name, each in taken.seconds.items()})
    what = f"one decision, K = {users}"
    for spec in (*_SEARCHES, *networks):
        yield Row(_GROUP, f"{what}: {spec}", times.median(spec) * 1e6, "µs")
        if spec not in networks:
            continue
        for peer in (f"{spec}: ONNX Runtime", f"{spec}: torch"):
            if peer in times.seconds:
                yield _ratio(f"{what}, {peer}", times, peer, spec)
        goal, aim = _FASTER.get((spec, users), (None, None))
        yield _ratio(f"{what}, {spec}: WMMSE", times, "wmmse", spec, goal, aim)


def _batches(
    setting: Setting, users: int, samples: int, networks: Mapping[str, cards.Card]
) -> Iterator[Row]:
    """Rows about many decisions at once."""
    gain = rayleigh(samples, users, seed=setting.seed)
    one = np.ones(users)
    doings: dict[str, Callable[[], object]] = {}
    for spec, card in networks.items():
        doings[spec] = _deciding(make(spec), [gain], one, one)
        doings[f"{spec}: torch"] = _answering(_as_torch(card), [_inputs(card, gain)])
    if not doings:
        return
    times = interleaved(doings, setting.seconds)
    for spec in networks:
        peer = f"{spec}: torch"
        yield _ratio(f"batch of {samples}, K = {users}, {peer}", times, peer, spec)


def _ratio(
    what: str,
    times: Times,
    slow: str,
    fast: str,
    goal: float | None = None,
    aim: float | None = None,
) -> Row:
    median, low, high = times.ratio(slow, fast)
    behind = {name: times.median(name) for name in (slow, fast)}
    return Row(_GROUP, what, median, "×", low, high, goal, aim, times_s=behind)


def _deciding(
    controller: Controller, gains: list[Array], noise: Array, p_max: Array
) -> Callable[[], object]:
    return lambda: [controller.allocate(gain, noise, p_max) for gain in gains]


def _answering(network: nn.Module, inputs: list[tuple[Tensor, ...]]) -> Callable[[], object]:
    """Calls of torch without gradients."""
    import torch

    def answer() -> object:
        with torch.inference_mode():
            return [network(*each) for each in inputs]

    return answer


def _calling(calls: list[Callable[[], Any]]) -> Callable[[], object]:
    return lambda: [call() for call in calls]


def _as_torch(card: cards.Card) -> nn.Module:
    """A network of the sizes of a card, with first weights, that answers with powers alone."""
    import torch

    sizes: Any = card.sizes
    if card.network == "mlp":
        from slotwise.controllers.mlp import MlpSizes
        from slotwise.controllers.networks.mlp import MlpNetwork

        return MlpNetwork(MlpSizes(**sizes)).eval()
    if card.network == "graph":
        from slotwise.controllers.graph import GraphSizes
        from slotwise.controllers.networks.graph import GraphNetwork

        return GraphNetwork(GraphSizes(**sizes)).eval()
    from slotwise.controllers.networks.unrolled import Sizes, UnrolledNetwork

    class Last(torch.nn.Module):
        """Powers of the last layer."""

        def __init__(self) -> None:
            super().__init__()
            self.network = UnrolledNetwork(Sizes(**sizes))

        def forward(self, *inputs: Tensor) -> Tensor:
            return torch.sigmoid(self.network(*inputs)[-1])

    return Last().eval()


def _inputs(card: cards.Card, gain: Array) -> tuple[Tensor, ...]:
    """What a network is called with, for gains [n, K, K] in units of noise."""
    import torch

    snr = torch.from_numpy(gain.astype(np.float32))
    if card.network == "mlp":
        return (snr.sqrt().flatten(1),)
    weight = torch.ones(snr.shape[:2])
    if card.network == "graph":
        return snr, weight
    chain = int(card.sizes.get("chain", 0))
    if chain == 0:
        return snr, weight
    # Rates of sets, for which any numbers do: the peers are given them.
    return snr, weight, snr[:, :, :1].expand(-1, -1, chain).contiguous()
