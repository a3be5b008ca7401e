"""Networks of every kind, drawn afresh for every step: what makes one optimiser fit them all.

A network that was trained on one statistic of channels is good there and nowhere else. Here every
batch is of another kind: independent fading at one signal-to-noise ratio or at any, pairs in the
plane, users that share receivers, with or without line of sight, shadowing, weights, and limits of
their own. What is drawn is no scenario: no scenario's numbers are in here.

All is in units of noise at full power, so a user's largest power scales a column of gains and its
receiver's noise a row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Means", "Networks", "draw_means", "draw_networks"]

_SIZES = (4, 6, 8, 10, 15, 20, 30, 50, 80)
_SIZE_SHARES = (0.06, 0.06, 0.08, 0.2, 0.1, 0.2, 0.15, 0.1, 0.05)
_LEAST, _MOST = 1e-9, 1e10


class Networks(NamedTuple):
    """A batch of networks of one size.

    Attributes
    ----------
    snr : Tensor, shape (n, K, K), float32
        Gains in units of noise at full power; rows are receivers.
    weight : Tensor, shape (n, K), float32
        Weights of the rates, the largest of each network one.
    """

    snr: Tensor
    weight: Tensor


class Means(NamedTuple):
    """A batch of networks of one size, before any fading.

    Attributes
    ----------
    mean : Tensor, shape (n, K, K), float32
        Long-term mean gains in units of noise at full power; rows are receivers.
    weight : Tensor, shape (n, K), float32
        As in `Networks`.
    cell : int
        Users that share a receiver, one after the other; one: nobody does.
    """

    mean: Tensor
    weight: Tensor
    cell: int


class _Dice:
    """Random numbers of one step."""

    def __init__(self, seed: int, step: int) -> None:
        self.rng = np.random.default_rng((seed, step))
        self._torch = torch.Generator().manual_seed(int(self.rng.integers(2**62)))

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._torch) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._torch)

    def exponential(self, *shape: int) -> Tensor:
        return torch.empty(shape).exponential_(generator=self._torch)

    def sometimes(self, share: float, *shape: int) -> Tensor:
        return (torch.rand(*shape, generator=self._torch) < share).float()


class _Unfaded(_Dice):
    """The same, but every fade is at its mean."""

    def exponential(self, *shape: int) -> Tensor:
        return torch.ones(shape)


def draw_networks(seed: int, step: int, nodes: int, users: int | None = None) -> Networks:
    """Draw the networks of one step of training.

    Parameters
    ----------
    seed, step : int
        Fix the draw.
    nodes : int
        Users in all networks together, about.
    users : int, optional
        Users in each; left out: drawn.

    Returns
    -------
    Networks
    """
    return Networks(*_drawn(_Dice(seed, step), nodes, users)[:2])


def draw_means(seed: int, step: int, nodes: int, users: int | None = None) -> Means:
    """Draw networks of the same kinds as `draw_networks`, but their long-term mean gains.

    Parameters
    ----------
    seed, step, nodes, users
        As in `draw_networks`. The networks of a seed and a step are others than there.

    Returns
    -------
    Means
    """
    return Means(*_drawn(_Unfaded(seed, step), nodes, users))


def _drawn(dice: _Dice, nodes: int, users: int | None) -> tuple[Tensor, Tensor, int]:
    """Gains, weights, and users of one receiver."""
    cell = 1
    if users is None:
        users = int(dice.rng.choice(_SIZES, p=_SIZE_SHARES))
    count = max(8, nodes // users)
    kind = dice.rng.random()
    if kind < 0.25:
        snr = dice.exponential(count, users, users)
    elif kind < 0.5:
        level = dice.uniform(-10.0, 30.0, count, 1, 1)
        snr = dice.exponential(count, users, users) * 10 ** (level / 10)
    elif kind < 0.6:
        snr = _uneven(dice, count, users)
    elif kind < 0.8:
        snr = _in_the_plane(dice, count, users, 1)
    else:
        cell = _cell_users(dice, users)
        snr = _in_the_plane(dice, count, users, cell)
    if dice.rng.random() < 0.15:
        snr = snr * 10 ** dice.uniform(-2.0, 0.0, count, 1, users)
    weight = torch.ones(count, users)
    if dice.rng.random() < 0.25:
        decades = dice.uniform(0.0, 1.5, count, 1)
        weight = 10 ** (-decades * dice.uniform(0.0, 1.0, count, users))
        weight = weight / weight.amax(1, keepdim=True)
    return snr.clamp(_LEAST, _MOST), weight, cell


def _uneven(dice: _Dice, count: int, users: int) -> Tensor:
    """Independent fading around means that differ from link to link."""
    spread = dice.uniform(0.0, 10.0, count, 1, 1)
    own = torch.eye(users) * dice.uniform(-5.0, 25.0, count, 1, 1)
    level = dice.uniform(-10.0, 30.0, count, 1, 1)
    mean = level + own + spread * dice.normal(count, users, users)
    return dice.exponential(count, users, users) * 10 ** (mean / 10)


def _cell_users(dice: _Dice, users: int) -> int:
    """How many users share a receiver: a divisor of all, at least two where there is one."""
    divisors = [m for m in range(2, min(users // 2, 12) + 1) if users % m == 0]
    return int(dice.rng.choice(divisors)) if divisors else 1


def _in_the_plane(dice: _Dice, count: int, users: int, cell: int) -> Tensor:
    """Receivers anywhere in a square, their users around them, path loss, shadowing, fading.

    Parameters
    ----------
    cell : int
        Users of one receiver; one for pairs.
    """
    receivers = users // cell
    spacing = 10 ** dice.uniform(1.3, 2.9, count, 1, 1)  # metres, from one receiver to the next
    reach = spacing * 10 ** dice.uniform(-0.9 if cell == 1 else -0.35, 0.0, count, 1, 1)
    lattice = dice.rng.random() < 0.5 and cell > 1
    if lattice:
        side = math.ceil(math.sqrt(receivers))
        at = torch.arange(receivers)
        place = torch.stack([at % side, at // side], -1).float()
        place[:, 0] += 0.5 * (place[:, 1] % 2)
        place = place * spacing
    else:
        place = dice.uniform(0.0, 1.0, count, receivers, 2) * spacing * math.sqrt(receivers)
    station = place.repeat_interleave(cell, dim=1)
    inner = dice.uniform(0.0, 0.98, count, 1, 1) * dice.sometimes(0.3, count, 1, 1)
    share = inner**2 + (1 - inner**2) * dice.uniform(0.01, 1.0, count, users, 1)
    angle = dice.uniform(0.0, 2 * math.pi, count, users, 1)
    user = station + reach * share.sqrt() * torch.cat([angle.cos(), angle.sin()], -1)
    distance = torch.cdist(place, user).clamp_min(1.0)
    exponent = dice.uniform(2.0, 4.2, count, 1, 1)
    edge = dice.uniform(-10.0, 30.0, count, 1, 1)  # SNR at the reach [dB]
    edge = edge + 40.0 * dice.uniform(0.0, 1.0, count, 1, 1) * dice.sometimes(0.3, count, 1, 1)
    shadow = dice.uniform(0.0, 10.0, count, 1, 1) * dice.normal(count, receivers, users)
    mean = 10 ** ((edge + shadow) / 10) * (reach / distance) ** exponent
    sight = dice.uniform(0.0, 0.9, count, 1, 1) * dice.sometimes(0.5, count, 1, 1)
    fading = dice.exponential(count, receivers, users) * (1 - sight) + sight
    return (mean * fading).repeat_interleave(cell, dim=1)
