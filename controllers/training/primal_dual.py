"""Average constraints: every user's mean rate is at least a promised one, learned with its price.

Where users have identities, a network may promise each a rate on average over fading instead of in
every slot. To maximise E[sum_k r_k] under E[r_k] >= r_min is to find a saddle point of

    E[sum_k r_k] + sum_k price_k (E[r_k] - r_min),   price_k >= 0,

rising in the weights of the network, and falling in the prices by projected subgradient steps of
the same batches (M. Eisen, C. Zhang, L. Chamon, D. Lee, and A. Ribeiro, IEEE Trans. Signal Process.
67(10), 2019, Algorithm 1; their ergodic variables are the mean rates themselves here, because the
utility is linear in them). Its duality gap is nearly zero for networks that express much
(Theorem 1), although the problem is far from convex.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Prices"]

_TOLERANCE = 0.005
"""Relative lack of a mean rate, on validation draws, that still counts as kept."""


class Prices(nn.Module):
    """What it costs not to keep each user's promise: dual variables, in place of constraints.

    As part of a network they stand in its checkpoints, so that a training that is resumed goes on
    with the same prices; optimisers leave them alone.

    Parameters
    ----------
    users : int
        Users K.
    min_rate : float
        Mean rate that each is promised, positive [bit/s/Hz].
    step : float
        Change of a price for each bit/s/Hz that its user lacks, or has beyond the promise.

    Attributes
    ----------
    price : Tensor, shape (K,)
        Non-negative; at first zero.
    """

    price: Tensor

    def __init__(self, users: int, min_rate: float, step: float) -> None:
        super().__init__()
        self.min_rate, self.step = min_rate, step
        self.register_buffer("price", torch.zeros(users))

    def forward(self, rate: Tensor) -> Tensor:
        """The Lagrangian of a batch of rates, [n, K] to [], which the network is to raise."""
        price = self.price.clone()  # prices change before gradients are asked for
        mean = rate.mean(0)
        return (mean + price * (mean - self.min_rate)).sum()

    def renew(self, rate: Tensor, share: float = 1.0) -> None:
        """Make a subgradient step, over rates [n, K] of a batch; `share` of `step` is its length.

        Rates that are not finite change nothing.
        """
        mean = rate.detach().mean(0)
        if bool(mean.isfinite().all()):
            self.price.sub_(share * self.step * (mean - self.min_rate)).clamp_(min=0.0)

    def merit(self, mean_rate: Tensor, value: float) -> float:
        """By what validations are compared: `value` where promises are kept, else what lacks.

        Parameters
        ----------
        mean_rate : [K], float
            Mean rates of the validation draws [bit/s/Hz].
        value : float
            What is to be large, non-negative.

        Returns
        -------
        float
            `value`, or minus the largest relative lack, which is less: promises come first.
        """
        least = float(mean_rate.min())
        if least >= (1.0 - _TOLERANCE) * self.min_rate or math.isnan(least):
            return value
        return least / self.min_rate - 1.0
