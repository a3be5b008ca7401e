"""Fine-tuning: a few steps on a few observations, cheap enough to be made while a network lives.

What is learned from is what was observed, and nothing else. The loss is the sum rate that powers
have in it, relative to WMMSE's, so no labels are needed. Observations are few, but where long-term
gains are known their fading is drawn anew for every batch, see
`slotwise.controllers.training.refading`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from slotwise.controllers.kernels.unrolled_sets import set_rates
from slotwise.controllers.networks.graph import GraphNetwork
from slotwise.controllers.networks.mlp import MlpNetwork
from slotwise.controllers.networks.unrolled import UnrolledNetwork
from slotwise.controllers.training.refading import Refading, by_users, in_places, pools_of
from slotwise.controllers.training.reference import solved
from slotwise.emulator.radio import sum_rate

__all__ = ["TUNING", "Kind", "TuneObjective", "Tuning", "tune", "tuning_for", "validated"]

Kind = Literal["mlp", "graph", "unrolled"]
TuneObjective = Literal["unsupervised", "supervised", "both"]

_IMITATION = 0.1
"""What imitation counts beside the rate where both are learned from."""

_EARLIER = 0.1  # as in the training of the unrolled network
_LOGIT_PENALTY = 1e-4
_LOG_SCALE = 5.0  # logarithms to base two of gains become numbers near one
_WARMUP = 20
_FLOOR = 0.01
_CLIP = 1.0
_REFERENCE_ITERATIONS = 30


class Tuning(NamedTuple):
    """How weights are fine-tuned.

    Attributes
    ----------
    objective : str
        ``unsupervised``: the sum rate relative to WMMSE's; ``supervised``: WMMSE's powers, by cross
        entropy; ``both``: the one and a tenth of the other.
    steps : int
        Steps of Adam. The step size grows over the first 20 and falls along half a cosine.
    batch : int
        Observations of a step, counted in users of all of them together but for ``mlp``.
    rate : float
        Largest step size, at most 1.
    pull : float
        Added to the loss for every squared difference from the weights that one is pulled to, both
        as of the network's ``plain_tensors``.
    layers : int
        Change the last so many layers alone, at most as many as the network has; 0: all.
    refade : bool
        Draw the fading anew, where long-term gains are known.
    permute : float
        Share of a batch whose users are renumbered at random. Only a perceptron that takes users in
        the order in which they are given can tell.
    imitate : float
        Share of the steps, the first, that learn WMMSE's powers whatever the objective: from random
        weights the sum rate alone leads to full power for everyone, and stays there.
    """

    objective: TuneObjective = "unsupervised"
    steps: int = 300
    batch: int = 128
    rate: float = 1e-3
    pull: float = 0.0
    layers: int = 0
    refade: bool = True
    permute: float = 0.0
    imitate: float = 0.0


TUNING: Mapping[Kind, Tuning] = {
    "mlp": Tuning(),
    "graph": Tuning(steps=60, batch=640),
    "unrolled": Tuning(steps=60, batch=640),
}
"""What is recommended for each architecture."""


def tuning_for(kind: str, **changes: Any) -> Tuning:
    """What is recommended for an architecture, with changes.

    Raises
    ------
    ValueError
        If there is no such architecture, or a field is unknown or out of its range.
    """
    for known in get_args(Kind):
        if kind == known:
            tuning = TUNING[known]._replace(**changes)
            _check(tuning)
            return tuning
    raise ValueError(f"kind = {kind}: must be one of {', '.join(get_args(Kind))}")


def validated(network: nn.Module, tuning: Tuning) -> Tuning:
    """How a network is fine-tuned, if it can be so.

    Parameters
    ----------
    network : torch.nn.Module
        As in `tune`.
    tuning : Tuning
        How.

    Raises
    ------
    ValueError
        If a field is out of its range, or ``layers`` more than the network has.
    """
    _check(tuning)
    most = len(_layers(network))
    if tuning.layers > most:
        raise ValueError(
            f"layers = {tuning.layers}: must be at most {most}, as many as the network has"
        )
    return tuning


def tune(
    network: nn.Module,
    kind: str,
    snr: Tensor,
    mean: Tensor | None,
    weight: Tensor,
    tuning: Tuning,
    seed: Sequence[int],
    anchor: Mapping[str, Tensor] | None = None,
) -> None:
    """Fine-tune a network in place.

    Parameters
    ----------
    network : torch.nn.Module
        An `MlpNetwork` with a receiver for each user, a `GraphNetwork` or an `UnrolledNetwork`.
    kind : str
        Which of them: ``mlp``, ``graph`` or ``unrolled``.
    snr : Tensor, shape (n, M, M), float32
        Observed gains in units of noise at full power; rows are receivers. Zero to and from users
        who are absent.
    mean : Tensor, shape (n, M, M), float32, or None
        The same in the long term, without fading; None where nobody knows.
    weight : Tensor, shape (n, M), float32
        Weights of the rates, zero of users who are absent.
    tuning : Tuning
        How.
    seed : sequence of int
        Of what is drawn. The same seed and observations give the same weights.
    anchor : mapping of str to Tensor, optional
        Weights, as of the network's ``plain_tensors``, that ``tuning.pull`` pulls to; left out:
        those that the network has.

    Raises
    ------
    ValueError
        If the architecture is unknown, a field of `tuning` is out of its range, ``layers`` more
        than the network has, or there are more users than a perceptron takes.
    """
    tuning_for(kind)
    validated(network, tuning)
    if len(snr) == 0 or tuning.steps == 0:
        return
    lesson = _Lesson(network, snr, mean, weight, tuning, seed)
    learned = _last_layers(network, tuning.layers)
    home = _home(network, anchor, tuning.layers) if tuning.pull else []
    optimiser = torch.optim.Adam(learned, tuning.rate, fused=True)
    network.train()
    for step in range(tuning.steps):
        optimiser.param_groups[0]["lr"] = tuning.rate * _share(step, tuning.steps)
        loss = lesson.loss(step)
        if home:
            loss = loss + tuning.pull * _distance(network, home, tuning.layers)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(learned, _CLIP)
        if math.isfinite(float(norm)):
            optimiser.step()
    network.eval()


def _check(tuning: Tuning) -> None:
    """Refuse values out of range."""
    if tuning.objective not in get_args(TuneObjective):
        allowed = ", ".join(get_args(TuneObjective))
        raise ValueError(f"objective = {tuning.objective}: must be one of {allowed}")
    for name, least in (("steps", 0), ("batch", 1), ("layers", 0), ("pull", 0)):
        value = getattr(tuning, name)
        if not least <= value < math.inf:
            raise ValueError(f"{name} = {value}: must be at least {least}, and finite")
    if not 0 < tuning.rate <= 1:
        raise ValueError(f"rate = {tuning.rate}: must be positive and at most 1")
    for name in ("permute", "imitate"):
        if not 0 <= getattr(tuning, name) <= 1:
            raise ValueError(f"{name} = {getattr(tuning, name)}: must be between 0 and 1")


def _share(step: int, steps: int) -> float:
    """Step size as a share of the largest."""
    fallen = _FLOOR + (1.0 - _FLOOR) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
    return fallen * min(1.0, (step + 1) / _WARMUP)


def _layers(network: nn.Module) -> list[nn.Module]:
    """Layers from the first to the last."""
    stack: Any = network.linear if isinstance(network, MlpNetwork) else network.layers
    return list(stack)


def _last_layers(network: nn.Module, layers: int) -> list[nn.Parameter]:
    """Weights of the last so many layers, or all."""
    if layers == 0:
        return list(network.parameters())
    return [weight for layer in _layers(network)[-layers:] for weight in layer.parameters()]


def _plain_weights(network: nn.Module, layers: int) -> list[Tensor]:
    """The same in units of ``plain_tensors``, however the first layer's inputs are scaled."""
    weights: list[Tensor] = list(_last_layers(network, layers))
    if isinstance(network, MlpNetwork) and layers in (0, len(network.linear)):
        weights[0] = weights[0] / network.scale  # its mean is zero, see _prepare
    return weights


def _home(network: nn.Module, anchor: Mapping[str, Tensor] | None, layers: int) -> list[Tensor]:
    """What the weights are pulled to."""
    twin: Any = copy.deepcopy(network)
    if anchor is not None:
        twin.load_plain_tensors(anchor)
    return [weight.detach() for weight in _plain_weights(twin, layers)]


def _distance(network: nn.Module, home: Sequence[Tensor], layers: int) -> Tensor:
    """Squared differences of the weights from what they are pulled to, their sum."""
    pairs = zip(_plain_weights(network, layers), home, strict=True)
    return torch.stack([(now - before).square().sum() for now, before in pairs]).sum()


def _prepare(network: Any) -> None:
    """Let the first layer of a perceptron see numbers near one: steps are of one size for all."""
    network.load_plain_tensors(network.plain_tensors())
    if isinstance(network, MlpNetwork) and network.sizes.features == "log":
        first: Any = network.linear[0]
        with torch.no_grad():
            first.weight.mul_(_LOG_SCALE)
        network.scale.fill_(_LOG_SCALE)


class _Group(NamedTuple):
    """Observations of as many users: those present, or all places of a perceptron."""

    snr: Tensor
    weight: Tensor
    fading: Refading | None


class _Lesson:
    """Batches of observations, and what a network loses in them."""

    def __init__(
        self,
        network: nn.Module,
        snr: Tensor,
        mean: Tensor | None,
        weight: Tensor,
        tuning: Tuning,
        seed: Sequence[int],
    ) -> None:
        self._network, self._tuning = network, tuning
        state = np.random.SeedSequence(tuple(seed)).generate_state(1, np.uint64)
        self._dice = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
        _prepare(network)
        self._placed = isinstance(network, MlpNetwork)
        if isinstance(network, MlpNetwork):
            places = network.sizes.users
            if network.sizes.stations != places:
                raise ValueError(
                    f"stations = {network.sizes.stations}: a perceptron that is fine-tuned has a "
                    f"receiver for each of its {places} users"
                )
            parts = [in_places(places, snr, mean, weight)]
        else:
            parts = by_users(snr, mean, weight)
        pools = pools_of(parts) if tuning.refade else None
        self._groups = [
            _Group(s, w, None if m is None or pools is None else Refading(s, m, pools))
            for s, m, w in parts
        ]
        self._sizes = torch.tensor([float(len(group.weight)) for group in self._groups])

    def loss(self, step: int) -> Tensor:
        """Loss of a batch, a scalar."""
        snr, weight = self._batch()
        tuning = self._tuning
        label, reference = solved(snr, weight, _REFERENCE_ITERATIONS)
        logits, fractions = self._answers(snr, weight)
        if step < tuning.imitate * tuning.steps or tuning.objective == "supervised":
            return self._imitation(logits, fractions[-1], label)
        rates = [(sum_rate(snr, each, 1.0, weight) / reference).mean() for each in fractions]
        depth = len(rates)
        loss: Tensor = -rates[-1]
        for at, rate in enumerate(rates[:-1]):
            loss = loss - _EARLIER * rate * (at + 1) / depth
        if self._placed:
            loss = loss + _LOGIT_PENALTY * logits.square().mean()
        if tuning.objective == "both":
            loss = loss + _IMITATION * self._imitation(logits, fractions[-1], label)
        return loss

    def _batch(self) -> tuple[Tensor, Tensor]:
        """Gains [b, K, K] and weights [b, K]."""
        dice = self._dice
        which = int(torch.multinomial(self._sizes, 1, generator=dice))
        group, size = self._groups[which], self._tuning.batch
        users = group.weight.shape[1]
        if not self._placed:
            size = max(1, size // users)
        rows = torch.randint(len(group.weight), (size,), generator=dice)
        snr, weight = group.snr[rows], group.weight[rows]
        if group.fading is not None:
            snr = group.fading.drawn(snr, rows, dice)
        if self._placed and self._tuning.permute:
            moved = torch.rand(size, 1, generator=dice) < self._tuning.permute
            order = torch.rand(size, users, generator=dice).argsort(1)
            order = torch.where(moved, order, torch.arange(users))
            snr = snr.gather(1, order.unsqueeze(2).expand_as(snr))
            snr = snr.gather(2, order.unsqueeze(1).expand_as(snr))
            weight = weight.gather(1, order)
        return snr, weight

    def _answers(self, snr: Tensor, weight: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [b, K] of the last layer, and powers [b, K] of all layers that have any."""
        network = self._network
        if isinstance(network, MlpNetwork):
            logit = network.logits(snr.sqrt().flatten(1))
            if network.sizes.output == "sigmoid":
                return logit, [torch.sigmoid(logit)]
            # Clipped powers have no gradient; that of a sigmoid says where to.
            soft = torch.sigmoid(0.5 * (logit - 3.0))
            return logit, [functional.relu6(logit) / 6.0 + soft - soft.detach()]
        if isinstance(network, GraphNetwork):
            logit = network.logits(snr, weight)
            return logit, [torch.sigmoid(logit)]
        assert isinstance(network, UnrolledNetwork)
        chain = network.sizes.chain
        sets = torch.from_numpy(set_rates(snr.numpy(), weight.numpy(), chain)) if chain else None
        logits = network(snr, weight, sets)
        return logits[-1], [torch.sigmoid(logit) for logit in logits]

    def _imitation(self, logits: Tensor, fraction: Tensor, label: Tensor) -> Tensor:
        network = self._network
        if isinstance(network, MlpNetwork) and network.sizes.output == "relu6":
            return functional.mse_loss(fraction, label)
        return functional.binary_cross_entropy_with_logits(logits, label)
