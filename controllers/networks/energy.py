"""A learned optimiser of energy efficiency: layers that look at its closed forms, and correct.

Bits per joule have one stationary condition, whatever is divided by what: with interference I_k,
what others would pay for a watt of user k, its price, and what the watt itself costs, its bill,

    x_k = alpha_k / (price_k + bill_k) - I_k / h_kk,    price_k = sum_j alpha_j h_jk t_j,

which is water-filling over a level that prices set (A. Zappone and E. Jorswieck, Found. Trends
Commun. Inf. Theory 11(3-4), 2015, Sections 3-4). Every layer works these out, moves the logarithm
of every power towards its level by as much as a perceptron says, and shifts it by as much as that
says. Users tell those who hear them, and those whom they hear, what they think of it. Once, at the
start, they are told how well small sets do that were grown from each of them
(`slotwise.controllers.kernels.energy_sets`): which users to serve at all is what an ascent from any
one start gets wrong. Users are known by nothing but their links, so powers are permuted when users
are, and nothing depends on their number.

All is free of units: gains are in units of noise at full power, powers fractions of the largest,
and the cost of full power is in units of the circuit power of one user.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "FEATURES",
    "EnergyNetwork",
    "Links",
    "Sets",
    "Sizes",
    "efficiency",
    "powers",
    "start_features",
]

FEATURES = 12
"""Closed forms that a layer sees of a user."""

START_FEATURES = 9
"""What a user knows at the start besides what sets do."""

START_SPENT = 0.4
"""Users start at the power that costs so much of their circuit power: 0.1 W at 4 W/W and 1 W."""

FLOOR = 1e-4
"""No power is below this share of the one at which anybody would notice it, in rate or cost."""

SILENT = 1.6 * FLOOR
"""Powers below this share are answered as silence."""

LEAST, LEAST_WEIGHT, LEAST_MESSAGE = 1e-30, 1e-6, 1e-2
RANGE, RATIO_RANGE, STEP_RANGE, GAP_RANGE = 20.0, 10.0, 6.0, 4.0
SCALE, SHIFT, NEAR = 4.0, 4.0, 8.0
LEAD_SCALE, LEAD_RANGE = 5.0, 0.4


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
        Messages sent along every link in each of its two directions.
    chain : int
        Users of the largest sets whose worth users are told.
    """

    layers: int = 7
    state: int = 12
    hidden: int = 40
    channels: int = 4
    chain: int = 5

    @property
    def start_features(self) -> int:
        """What a user knows at the start."""
        return START_FEATURES + 2 * self.chain


class Links(NamedTuple):
    """A batch of problems of one size.

    Attributes
    ----------
    snr : Tensor, shape (n, K, K), float32
        Gains in units of noise at full power, positive; rows are receivers.
    cost : Tensor, shape (n, K), float32
        What full power costs, mu p_max / P_c, positive. Where users are left out whom no power can
        serve but who consume, P_c is what everyone consumes by the number of those who are left.
    weight : Tensor, shape (n, K), float32
        Weights of the rates, of mean one.
    apart : bool
        Whether everyone's bits count per joule of its own, and not all bits per joule of all.
    """

    snr: Tensor
    cost: Tensor
    weight: Tensor
    apart: bool = False


class Sets(NamedTuple):
    """How well sets do, see `slotwise.controllers.kernels.energy_sets`.

    Attributes
    ----------
    worth : Tensor, shape (n, K, chain), float32
        Efficiencies of the sets that were grown from each user.
    size, broad : Tensor, shape (n, K), float32
        Number of users of the best of them, and of the broad set, for members; else zero.
    lead : Tensor, shape (n), float32
        Logarithm of the broad set's efficiency over that of the best of the others.
    """

    worth: Tensor
    size: Tensor
    broad: Tensor
    lead: Tensor


class EnergyLayer(nn.Module):
    """Weights of one layer: what users send, and how they change.

    Parameters
    ----------
    sizes : Sizes
        Of the network.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        seen = FEATURES + sizes.state
        self.message = nn.Linear(seen, 2 * sizes.channels)
        self.inner = nn.Linear(seen + 2 * sizes.channels, sizes.hidden)
        self.outer = nn.Linear(sizes.hidden, sizes.state + 2)
        nn.init.zeros_(self.outer.bias)
        with torch.no_grad():  # a fresh layer changes little, as a step of an optimiser does
            self.outer.weight.mul_(0.2)


class EnergyNetwork(nn.Module):
    """Learned optimiser of energy efficiency, one for any number of users.

    Parameters
    ----------
    sizes : Sizes
        How large.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.start = nn.Linear(sizes.start_features, sizes.state + 1)
        self.layers = nn.ModuleList(EnergyLayer(sizes) for _ in range(sizes.layers))
        nn.init.zeros_(self.start.bias)
        with torch.no_grad():
            self.start.weight[-1].mul_(0.2)

    def forward(
        self,
        links: Links,
        sets: Sets | None = None,
        start: Tensor | None = None,
    ) -> list[Tensor]:
        """Powers of every layer.

        Parameters
        ----------
        links : Links
            The problems, of at least one user.
        sets : Sets, optional
            How sets do; left out: nobody is told.
        start : Tensor, shape (n, K), float32, optional
            Logarithms of powers to start from; left out: those of `START_SPENT`, shifted by what
            users know.

        Returns
        -------
        list of Tensor, shape (n, K), float32
            Logarithms of the powers after each layer, as fractions of the largest.
        """
        own = torch.diagonal(links.snr, dim1=1, dim2=2)
        cross = links.snr - torch.diag_embed(own)
        floor = floor_of(links)
        least = floor.log()
        first = self.start(start_features(links, sets, self.sizes.chain))
        state = first[..., :-1]
        at = (START_SPENT / links.cost).clamp_max(1.0).log() + SHIFT * first[..., -1]
        at = at if start is None else start
        at = torch.maximum(at.clamp_max(0.0), least)
        powers = []
        for layer in cast("list[EnergyLayer]", list(self.layers)):
            look = _Look(links, own, cross, floor, at)
            seen = torch.cat([look.features, state], -1)
            seen = torch.cat([seen, look.messages(layer, seen)], -1)
            change = layer.outer(functional.relu(layer.inner(seen)))
            state = functional.layer_norm(state + change[..., 2:], (self.sizes.state,))
            gate = torch.sigmoid(change[..., 0] + 1.0)
            step = (look.level - at).clamp(-STEP_RANGE, STEP_RANGE)
            at = at + gate * step + SHIFT * change[..., 1]
            at = torch.maximum(at.clamp_max(0.0), least)
            powers.append(at)
        return powers

    def plain_tensors(self) -> dict[str, Tensor]:
        """Weights and biases by name, as a weights file holds them.

        Returns
        -------
        dict of str to Tensor
            ``start.weight`` [state + 1, features], ``layers.0.message.weight`` [2 channels, …],
            ``layers.0.inner.weight``, ``layers.0.outer.weight`` and so on, each with its ``bias``,
            float32.
        """
        return {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}

    def load_plain_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take what `plain_tensors` gave."""
        self.load_state_dict(tensors)


class _Look:
    """What an optimiser would look at, at these powers."""

    def __init__(self, links: Links, own: Tensor, cross: Tensor, floor: Tensor, at: Tensor) -> None:
        cost, weight = links.cost, links.weight
        power = at.exp()
        interference = torch.bmm(cross, power.unsqueeze(-1)).squeeze(-1) + 1.0
        signal = own * power
        rate = torch.log1p(signal / interference)
        spent = 1.0 + cost * power
        if links.apart:
            alpha = weight / spent
            bill = alpha * cost * rate / spent
        else:
            alpha = weight
            bill = cost * ((weight * rate).sum(1, keepdim=True) / spent.sum(1, keepdim=True))
        # What a unit of interference costs each receiver, summed over those who hear a user.
        harm = alpha * signal / (interference * (interference + signal))
        price = torch.bmm(cross.transpose(1, 2), harm.unsqueeze(-1)).squeeze(-1)
        paid = price + bill
        level = torch.minimum(
            torch.maximum(alpha / (paid + LEAST) - interference / own, floor), torch.ones_like(at)
        )
        self.level = level.log()
        self._power, self._cross, self._interference = power, cross, interference
        self._harm, self._paid = harm, paid
        log_own, log_alpha, log_bill = own.log(), _log(alpha), _log(bill)
        log_interference = interference.log()
        sign = torch.full_like(at, SCALE if links.apart else -SCALE)
        logs = [
            log_alpha + log_own - log_interference - _log(paid),
            log_interference,
            rate,
            log_bill - log_alpha,
            (_log(price) - log_bill).clamp(-RATIO_RANGE, RATIO_RANGE),
            (self.level - at).clamp(-RATIO_RANGE, RATIO_RANGE),
            at,
            cost.log(),
            log_own,
            3.0 * (weight + LEAST_WEIGHT).log(),
            (_log(rate) + log_alpha - log_bill - at).clamp(-RATIO_RANGE, RATIO_RANGE),
            sign,
        ]
        self.features = torch.stack(logs, -1).clamp(-RANGE, RANGE) / SCALE

    def messages(self, layer: EnergyLayer, seen: Tensor) -> Tensor:
        """Logarithms of what users hear from those they hear, and feel from who hears them."""
        heard, felt = functional.softplus(layer.message(seen)).chunk(2, -1)
        heard = torch.bmm(self._cross, heard * self._power.unsqueeze(-1))
        felt = torch.bmm(self._cross.transpose(1, 2), felt * self._harm.unsqueeze(-1))
        heard = heard / self._interference.unsqueeze(-1)
        felt = felt / (self._paid.unsqueeze(-1) + LEAST)
        return (torch.cat([heard, felt], -1) + LEAST_MESSAGE).log() / 3.0


def floor_of(links: Links) -> Tensor:
    """Least power of each user, [n, K]: `FLOOR` of the one that anybody would notice."""
    noticed = torch.minimum(1.0 / links.snr.amax(1), 1.0 / links.cost)
    return FLOOR * noticed.clamp_max(1.0)


def powers(links: Links, at: Tensor) -> Tensor:
    """Powers that a network means: who is hardly to be noticed is silent.

    Parameters
    ----------
    links : Links
        The problems.
    at : Tensor, shape (n, K), float32
        From `EnergyNetwork.forward`.

    Returns
    -------
    Tensor, shape (n, K), float32
        Fractions of the largest.
    """
    power = at.exp()
    return power.masked_fill(power < (SILENT / FLOOR) * floor_of(links), 0.0)


def efficiency(links: Links, at: Tensor) -> Tensor:
    """Energy efficiency of powers [nat per circuit joule], [n].

    Parameters
    ----------
    links : Links
        The problems.
    at : Tensor, shape (n, K), float32
        From `EnergyNetwork.forward`.
    """
    power = at.exp()
    own = torch.diagonal(links.snr, dim1=1, dim2=2)
    cross = links.snr - torch.diag_embed(own)
    interference = torch.bmm(cross, power.unsqueeze(-1)).squeeze(-1) + 1.0
    rate = links.weight * torch.log1p(own * power / interference)
    spent = 1.0 + links.cost * power
    return (rate / spent).sum(1) if links.apart else rate.sum(1) / spent.sum(1)


def start_features(links: Links, sets: Sets | None, chain: int) -> Tensor:
    """What a user knows at the start: gain, cost and weight, and how well sets do.

    Parameters
    ----------
    links, sets
        As of `EnergyNetwork.forward`.
    chain : int
        Of the network's `Sizes`.

    Returns
    -------
    Tensor, shape (n, K, START_FEATURES + 2 chain), float32
        Logarithms of gain, cost and weight; what is to be raised; whether one is in the best set,
        and whether that is as large as sets get, whether one is in the broad set, by how much that
        is better (a logarithm), and whether one is in the better of the two; by how much the sets
        of one, two, … users that were grown from this user are worse than the best (a logarithm),
        and exponentials of that.
    """
    own = torch.diagonal(links.snr, dim1=1, dim2=2)
    sign = torch.full_like(own, 1.0 if links.apart else -1.0)
    if sets is None:
        gaps = own.new_full((*own.shape, chain), -GAP_RANGE)
        member = whole = broad = lead = chosen = torch.zeros_like(own)
    else:
        worth, size = sets.worth, sets.size
        gaps = (worth + LEAST).log() - (worth.amax((1, 2), keepdim=True) + LEAST).log()
        gaps = gaps.clamp(-GAP_RANGE, 0.0)
        member = (size > 0.0).to(own)
        whole = (size.amax(1, keepdim=True) >= chain).to(own).expand_as(own)
        broad = (sets.broad > 0.0).to(own)
        lead = sets.lead.unsqueeze(1).expand_as(own)
        chosen = torch.where(lead > 0.0, broad, member)
        lead = LEAD_SCALE * lead.clamp(-LEAD_RANGE, LEAD_RANGE)
    logs = [own.log() / SCALE, links.cost.log() / SCALE, (links.weight + LEAST_WEIGHT).log()]
    known = torch.stack([*logs, sign, member, whole, broad, lead, chosen], -1)
    return torch.cat([known, gaps, (NEAR * gaps).exp()], -1)


def _log(values: Tensor) -> Tensor:
    return (values + LEAST).log()
