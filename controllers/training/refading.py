"""What was observed, as batches are drawn of it, and fading drawn anew: few become many.

Long-term gains are known, so every observed gain over its mean is a draw of the fading, and what
was seen on one link may be seen on another: a bootstrap (B. Efron, "Bootstrap methods: another look
at the jackknife", Ann. Statist. 7(1), 1979). No law of fading is assumed, only that it is the same
on all links between users and their own receivers, and the same on all others.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Part", "Refading", "by_users", "in_places", "pools_of", "shared_antennas"]

_KEY = 6364136223846793005  # odd, and of a good multiplicative generator

Part = tuple[Tensor, Tensor | None, Tensor]
"""Observed gains [n, K, K], their means, and weights [n, K] of observations with as many users."""


class Refading:
    """Fading of observations, drawn anew from that of all.

    Parameters
    ----------
    snr, mean : Tensor, shape (n, K, K)
        Observed gains and their means.
    pools : tuple of two Tensor
        Observed gains over their means, of users' own links and of the others.
    """

    def __init__(self, snr: Tensor, mean: Tensor, pools: tuple[Tensor, Tensor]) -> None:
        self._mean, self._pools = mean, pools
        self._own, self._row, self._column = shared_antennas(snr)
        self._alone = bool((self._own.sum((1, 2)) == snr.shape[1]).all())

    def drawn(self, snr: Tensor, rows: Tensor, dice: torch.Generator) -> Tensor:
        """Gains of some observations with other fading.

        Parameters
        ----------
        snr : Tensor, shape (b, K, K), float32
            Gains of these as observed, kept where the mean is zero.
        rows : Tensor, shape (b,), int64
            Which they are.
        dice : torch.Generator
            What is drawn from.

        Returns
        -------
        Tensor, shape (b, K, K), float32
        """
        own, other = (
            pool[torch.randint(len(pool), snr.shape, generator=dice)] for pool in self._pools
        )
        factor = torch.where(self._own[rows], own, other)
        if not self._alone:  # whoever shares an antenna shares its fading
            factor = factor.gather(1, self._row[rows].unsqueeze(2).expand_as(factor))
            factor = factor.gather(2, self._column[rows].unsqueeze(1).expand_as(factor))
        mean = self._mean[rows]
        return torch.where(mean > 0.0, mean * factor, snr)


def shared_antennas(snr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Who shares an antenna: users with equal rows a receiver, with equal columns a transmitter.

    Parameters
    ----------
    snr : Tensor, shape (n, K, K), float32
        Observed gains; rows are receivers.

    Returns
    -------
    own : Tensor, shape (n, K, K), bool
        Which gains are of a link between a user and its own receiver.
    row, column : Tensor, shape (n, K), int64
        First user with the same receiver and with the same transmitter.
    """
    row, column = (_first_equal(gain.contiguous()) for gain in (snr, snr.transpose(1, 2)))
    same_row, same_column = (each.unsqueeze(2) == each.unsqueeze(1) for each in (row, column))
    return same_row | same_column, row, column


def _first_equal(gain: Tensor) -> Tensor:
    """First user with the same row, [n, K]; rows without any gain are nobody else's."""
    users = gain.shape[1]
    itself = torch.arange(users).expand(gain.shape[:2])
    # Of integers, and these wrap around: sums are the same in whatever order they are taken.
    key = torch.full((users,), _KEY).cumprod(0)
    code = (gain.view(torch.int32).long() * key).sum(2)
    first = (code.unsqueeze(2) == code.unsqueeze(1)).int().argmax(2)
    same = gain.gather(1, first.unsqueeze(2).expand_as(gain)) == gain
    return torch.where(same.all(2) & (gain > 0.0).any(2), first, itself)


def pools_of(parts: Sequence[Part]) -> tuple[Tensor, Tensor] | None:
    """Observed gains over their means, of users' own links and of the others; None without any.

    Parameters
    ----------
    parts : sequence of Part
        Everything observed.
    """
    own_ratios, other_ratios = [], []
    for snr, mean, _ in parts:
        if mean is None:
            return None
        ratio, known, own = snr / mean, mean > 0.0, shared_antennas(snr)[0]
        own_ratios.append(ratio[own & known])
        other_ratios.append(ratio[~own & known])
    own_pool, other_pool = torch.cat(own_ratios), torch.cat(other_ratios)
    if len(own_pool) == 0:
        return None
    return own_pool, other_pool if len(other_pool) else own_pool


def in_places(places: int, snr: Tensor, mean: Tensor | None, weight: Tensor) -> Part:
    """Observations with as many users as a perceptron has places.

    Who cannot be served, without a weight or a gain of its own, is absent, as in decisions.

    Parameters
    ----------
    places : int
        How many.
    snr, mean, weight : Tensor, shape (n, M, M), the same or None, (n, M)
        As of `slotwise.controllers.training.tuning.tune`.

    Raises
    ------
    ValueError
        If there are more users than places.
    """
    more = places - weight.shape[1]
    if more < 0:
        raise ValueError(f"{weight.shape[1]} users: the perceptron takes at most {places}")
    served = (weight > 0.0) & (torch.diagonal(snr, dim1=1, dim2=2) > 0.0)
    both = functional.pad(served.unsqueeze(2) & served.unsqueeze(1), (0, more, 0, more))
    snr = functional.pad(snr, (0, more, 0, more)) * both
    mean = None if mean is None else functional.pad(mean, (0, more, 0, more)) * both
    return snr, mean, _scaled(functional.pad(weight, (0, more)))


def by_users(snr: Tensor, mean: Tensor | None, weight: Tensor) -> list[Part]:
    """Observations by how many users have a weight, the others left out; as `in_places`."""
    there = weight > 0.0
    count = there.sum(1)
    parts: list[Part] = []
    for users in torch.unique(count[count > 0]).tolist():
        rows = count == users
        who = there[rows].int().argsort(dim=1, descending=True, stable=True)[:, :users]
        part = snr[rows], weight[rows].gather(1, who)
        means = None if mean is None else _among(mean[rows], who)
        parts.append((_among(part[0], who), means, _scaled(part[1])))
    return parts


def _among(matrix: Tensor, who: Tensor) -> Tensor:
    """Rows and columns of some users, [n, M, M] to [n, K, K]."""
    some = matrix.gather(1, who.unsqueeze(2).expand(-1, -1, matrix.shape[2]))
    return some.gather(2, who.unsqueeze(1).expand(-1, who.shape[1], -1))


def _scaled(weight: Tensor) -> Tensor:
    """Weights whose largest is one."""
    return weight / weight.amax(1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
