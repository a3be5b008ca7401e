"""A learned optimiser that is unrolled: each layer iterates like WMMSE and corrects like a network.

WMMSE unrolled on the graph of interference (Yang et al., "Knowledge-driven deep learning paradigms
for wireless network optimization in 6G", IEEE Network 38(2), 2024) keeps messages along links and
weights that know nothing of the number of users. This network keeps both, and hands every layer the
closed forms that an optimiser would look at: interference, the price of one's own interference, and
WMMSE's own next step. What is learned is how far to trust them. Once, at the start, users may also
be told how well small sets with them in it do (`chains`), because at high signal-to-noise ratios
the best powers are such a set; in big networks, where no small set is the answer, they are not.
Users are known by nothing but their links, so powers are permuted when users are.

Where gains are late or wrong, the network is told what is not known of them as well (`late`): it
answers typical gains, and every layer sees how far the true ones may be from them.

All gains are in units of noise at full power, so powers are fractions of the largest.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from slotwise.controllers.kernels.unrolled_late import LATE_FEATURES, SILENT, TYPICAL

__all__ = [
    "LATE_FEATURES",
    "SILENT",
    "TYPICAL",
    "Sizes",
    "UnrolledLayer",
    "UnrolledNetwork",
    "audible",
    "chains",
    "start_features",
    "typical",
]

FEATURES = 8
"""Closed forms that a layer sees of a user."""

START_LOGIT = 2.0
"""Users start at sigmoid(2) = 0.88 of full power."""

LEAST = 1e-6
"""Added to gains and weights before their logarithm is taken."""

LEAST_PRICE, LEAST_STEP = 1e-4, 1e-8
LEAST_HEARD, LEAST_FELT = 0.1, 1e-3
LOG_RANGE, STEP_RANGE, GAP_RANGE, LOGIT_RANGE = 24.0, 8.0, 8.0, 10.0


class Sizes(NamedTuple):
    """How large a network is.

    Attributes
    ----------
    layers : int
        Iterations, each with weights of its own.
    state : int
        Numbers that a user remembers from layer to layer.
    hidden : int
        Units of a layer's perceptron.
    channels : int
        Messages sent along every link in each of its two directions; zero: none.
    chain : int
        Users of the largest sets whose rates users may be told, see `chains`; zero: none.
    late : int
        `LATE_FEATURES` where the network is told what is not known of its gains; zero: it is not.
    """

    layers: int = 8
    state: int = 16
    hidden: int = 48
    channels: int = 6
    chain: int = 5
    late: int = 0

    @property
    def start_features(self) -> int:
        """What the first layer sees of a user once."""
        return 2 + max(0, 2 * self.chain - 1)


class UnrolledLayer(nn.Module):
    """Weights of one layer: what users send, and how they change.

    Parameters
    ----------
    sizes : Sizes
        Of the network.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        seen = FEATURES + sizes.late + sizes.state
        if sizes.channels:
            self.message = nn.Linear(seen, 2 * sizes.channels)
        self.inner = nn.Linear(seen + 2 * sizes.channels, sizes.hidden)
        self.outer = nn.Linear(sizes.hidden, sizes.state + 1)
        nn.init.zeros_(self.outer.bias)
        with torch.no_grad():  # a fresh layer changes little, as a step of an optimiser does
            self.outer.weight.mul_(0.3)


class UnrolledNetwork(nn.Module):
    """Learned optimiser of the weighted sum rate, one for any number of users.

    Parameters
    ----------
    sizes : Sizes
        How large.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.start = nn.Linear(sizes.start_features, sizes.state)
        self.layers = nn.ModuleList(UnrolledLayer(sizes) for _ in range(sizes.layers))

    def forward(
        self,
        snr: Tensor,
        weight: Tensor,
        sets: Tensor | None = None,
        start: Tensor | None = None,
        doubt: Tensor | None = None,
    ) -> list[Tensor]:
        """Powers of every layer.

        Parameters
        ----------
        snr : Tensor, shape (n, K, K), float32
            Gains in units of noise at full power; rows are receivers. At least one user. Late ones
            are `typical`.
        weight : Tensor, shape (n, K), float32
            Weights of the rates, the largest of each network one.
        sets : Tensor, shape (n, K, chain), float32, optional
            From `chains`; left out: nobody is told.
        start : Tensor, shape (n, K), float32, optional
            Logits to start from; left out: `START_LOGIT`.
        doubt : Tensor, shape (n, K, K), float32, optional
            Mean of what is not known of the gains, in the same units; read where `Sizes.late` is
            not zero. Left out: everything is known.

        Returns
        -------
        list of Tensor, shape (n, K), float32
            Logits after each layer: their sigmoid is the power as a fraction of the largest.
        """
        own = torch.diagonal(snr, dim1=1, dim2=2)
        cross = snr - torch.diag_embed(own)
        logit = torch.full_like(own, START_LOGIT) if start is None else start
        state = self.start(start_features(own, weight, sets, self.sizes.chain))
        logits = []
        unknown = _Doubt(snr, doubt) if self.sizes.late else None
        for layer in cast("list[UnrolledLayer]", list(self.layers)):
            seen, interference = self._closed_forms(own, cross, weight, logit)
            if unknown is not None:
                seen = torch.cat([seen, unknown.features(logit, interference)], -1)
            seen = torch.cat([seen, state], -1)
            if self.sizes.channels:
                seen = torch.cat([seen, _messages(layer, seen, cross, interference)], -1)
            change = layer.outer(functional.relu(layer.inner(seen)))
            state = functional.layer_norm(state + change[..., :-1], (self.sizes.state,))
            logit = LOGIT_RANGE * torch.tanh((logit + 4.0 * change[..., -1]) / LOGIT_RANGE)
            logits.append(logit)
        return logits

    def plain_tensors(self) -> dict[str, Tensor]:
        """Weights and biases by name, as a weights file holds them.

        Returns
        -------
        dict of str to Tensor
            ``start.weight`` [state, features], ``layers.0.message.weight`` [2 channels, …],
            ``layers.0.inner.weight``, ``layers.0.outer.weight`` and so on, each with its ``bias``,
            float32.
        """
        return {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}

    def load_plain_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take what `plain_tensors` gave."""
        self.load_state_dict(tensors)

    @staticmethod
    def _closed_forms(
        own: Tensor, cross: Tensor, weight: Tensor, logit: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What an optimiser would look at, [n, K, FEATURES], and interference plus noise."""
        power = torch.sigmoid(logit).unsqueeze(-1)
        interference = torch.bmm(cross, power).squeeze(-1) + 1.0
        signal = own * power.squeeze(-1)
        total = interference + signal
        # What a unit of interference costs each receiver, summed over those who hear a user.
        harm = weight * signal / (interference * total)
        price = torch.bmm(cross.transpose(1, 2), harm.unsqueeze(-1)).squeeze(-1)
        log_own, log_weight = (own + LEAST).log(), (weight + LEAST).log()
        log_interference, log_total = interference.log(), total.log()
        log_price = (price + LEAST_PRICE).log()
        step = log_weight + log_own + 0.5 * functional.logsigmoid(logit) - log_interference
        step = step - (own * harm + price + LEAST_STEP).log()  # of WMMSE's next amplitude
        logs = [
            log_own,
            log_interference,
            log_total - log_interference,
            (interference + own).log() - log_interference,
            log_price,
            log_weight + log_own - log_total - log_price,
            step.clamp(-STEP_RANGE, STEP_RANGE),
        ]
        seen = torch.stack(logs, -1).clamp(-LOG_RANGE, LOG_RANGE) / 3.0
        return torch.cat([seen, logit.unsqueeze(-1) / 4.0], -1), interference


class _Doubt:
    """What is not known of the gains, as layers see it."""

    def __init__(self, snr: Tensor, doubt: Tensor | None) -> None:
        doubt = torch.zeros_like(snr) if doubt is None else doubt
        known = (snr - TYPICAL * doubt).clamp_min(0.0)
        # Of a gain |sqrt(known) + sqrt(doubt) e|², where e is CN(0, 1).
        variance = doubt * (2.0 * known + doubt)
        own = torch.diagonal(variance, dim1=1, dim2=2)
        self._cross = variance - torch.diag_embed(own)
        self._own = own / (torch.diagonal(snr, dim1=1, dim2=2) + LEAST).square()

    def features(self, logit: Tensor, interference: Tensor) -> Tensor:
        """Squared coefficients of variation of what a user hears and of its own gain [n, K, 2]."""
        power = torch.sigmoid(logit).unsqueeze(-1)
        variance = torch.bmm(self._cross, power.square()).squeeze(-1)
        return torch.stack([variance / interference.square(), self._own], -1)


def typical(known: Tensor, doubt: Tensor) -> Tensor:
    r"""Gains that a network with `late` features is to answer.

    Late or wrong information leaves a gain :math:`|\sqrt A + \sqrt V e|^2`,
    :math:`e \sim \mathcal{CN}(0, 1)`: its mean is A + V, but rates grow with its logarithm, whose
    mean is that of a smaller gain: of :math:`e^{-\gamma} V = 0.56 V` where nothing is known.

    Parameters
    ----------
    known, doubt : Tensor
        Known parts A and means of unknown parts V, of one shape.

    Returns
    -------
    Tensor
        A + `TYPICAL` V.
    """
    return known + TYPICAL * doubt


def audible(logit: Tensor) -> Tensor:
    """Powers of a network with `late` features: who is hardly to be heard is silent.

    Logits are bounded, and a ten-thousandth of the largest power is heard at high signal-to-noise
    ratios. Gradients are those of the sigmoid, taken at these powers.

    Parameters
    ----------
    logit : Tensor
        From `UnrolledNetwork.forward`.

    Returns
    -------
    Tensor
        Fractions of the largest powers, zero or at least `SILENT`.
    """
    power = torch.sigmoid(logit)
    return power - torch.where(power < SILENT, power, 0.0).detach()


def _messages(layer: UnrolledLayer, seen: Tensor, cross: Tensor, interference: Tensor) -> Tensor:
    """Logarithms of what users hear from those they hear, and feel from those who hear them."""
    heard, felt = functional.softplus(layer.message(seen)).chunk(2, -1)
    heard = torch.bmm(cross, heard)
    felt = torch.bmm(cross.transpose(1, 2), felt / interference.unsqueeze(-1))
    return torch.cat([(heard + LEAST_HEARD).log(), (felt + LEAST_FELT).log()], -1) / 3.0


def start_features(own: Tensor, weight: Tensor, sets: Tensor | None, chain: int) -> Tensor:
    """What a user knows at the start: its gain, its weight, and how well small sets with it do.

    Parameters
    ----------
    own, weight : Tensor, shape (n, K), float32
        Direct gains in units of noise at full power, and weights of the rates.
    sets : Tensor, shape (n, K, chain), float32, or None
        From `chains`; None: as if every set were hopeless.
    chain : int
        Of the network's `Sizes`.

    Returns
    -------
    Tensor, shape (n, K, 1 + 2 chain), float32; without a chain (n, K, 2)
        Logarithms of gain and weight; by how much the best sets of up to one, two, … users that
        were grown from this user stay below the best grown from any [nat], and for two and more
        users exponentials of that.
    """
    logs = [(own + LEAST).log().unsqueeze(-1) / 4.0, (weight + LEAST).log().unsqueeze(-1)]
    if chain == 0:
        return torch.cat(logs, -1)
    if sets is None:
        gaps = own.new_full((*own.shape, chain), -GAP_RANGE)
    else:
        gaps = (sets - sets[..., -1:].amax(-2, keepdim=True)).clamp_min(-GAP_RANGE)
    return torch.cat([*logs, gaps / 3.0, (5.0 * gaps[..., 1:]).exp()], -1)


def chains(snr: Tensor, weight: Tensor, chain: int) -> Tensor:
    """Weighted sum rates of sets that start with one user and grow by the best next one.

    Parameters
    ----------
    snr, weight : Tensor
        As of `UnrolledNetwork.forward`.
    chain : int
        Users of the largest set, at least one.

    Returns
    -------
    Tensor, shape (n, K, chain), float32
        Best of the sets of up to 1, 2, …, `chain` users that start with user k, everyone in them
        at full power [nat/s/Hz].
    """
    own = torch.diagonal(snr, dim1=1, dim2=2)
    count, users = own.shape
    batch = torch.arange(count).unsqueeze(-1)
    member = torch.arange(users).expand(count, users)
    taken = torch.eye(users, dtype=torch.bool).expand(count, users, users)
    back = snr.transpose(1, 2)  # entries of those who are taken are never used
    received = back  # [n, k, l]: what l would receive of the set of k
    interference = torch.ones_like(own)  # at the newest member, [n, k]
    members: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    values = [weight * torch.log1p(own)]
    for _ in range(chain - 1):
        members.append(
            (weight[batch, member], own[batch, member], interference, snr[batch, member])
        )
        value = weight.unsqueeze(1) * torch.log1p(own.unsqueeze(1) / (1.0 + received))
        for its_weight, its_own, its_interference, its_row in members:
            sinr = its_own.unsqueeze(-1) / (its_interference.unsqueeze(-1) + its_row)
            value = value + its_weight.unsqueeze(-1) * torch.log1p(sinr)
        best, member = value.masked_fill(taken, 0.0).max(-1)
        values.append(torch.maximum(best, values[-1]))
        pick = member.unsqueeze(-1)
        interference = 1.0 + received.gather(-1, pick).squeeze(-1)
        members = [(a, g, i + row.gather(-1, pick).squeeze(-1), row) for a, g, i, row in members]
        received = received + back[batch, member]
        taken = taken | functional.one_hot(member, users).bool()
    return torch.stack(values, -1)
