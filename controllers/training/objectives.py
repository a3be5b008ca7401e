"""What networks are trained to: imitate a solver's powers, or raise the rate itself.

Supervised losses compare with labels, and are at best as good as the solver that made those.
Unsupervised losses are the quantity that power control is for, through the same radio arithmetic
that evaluates it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from slotwise.emulator.radio import sum_rate

__all__ = ["activity_loss", "imitation_loss", "rate_loss"]

_ON = 0.5


def imitation_loss(fraction: Tensor, label: Tensor) -> Tensor:
    r"""Mean square error of powers, the loss of Sun et al., IEEE Trans. Signal Process. 66(20).

    .. math:: \frac{1}{nK} \sum_{n,k} (x_{nk} - \hat x_{nk})^2

    Parameters
    ----------
    fraction, label : [n, K], float32
        The network's and the solver's powers, as fractions of the largest.

    Returns
    -------
    [], float32
    """
    return functional.mse_loss(fraction, label)


def activity_loss(logit: Tensor, label: Tensor) -> Tensor:
    """Mean cross entropy of who transmits at all.

    Solutions of the sum rate are on or off nearly everywhere. Where the mean square error of a
    saturated output has no gradient left, cross entropy has.

    Parameters
    ----------
    logit : [n, K], float32
        What the sigmoid of is the power.
    label : [n, K], float32
        The solver's powers as fractions of the largest; on is above half.

    Returns
    -------
    [], float32
    """
    return functional.binary_cross_entropy_with_logits(logit, (label > _ON).to(logit.dtype))


def rate_loss(
    snr: Tensor,
    fraction: Tensor,
    weight: Tensor | None = None,
    reference: Tensor | None = None,
) -> Tensor:
    r"""Minus the mean weighted sum rate, each network's divided by a rate to compare it with.

    .. math:: -\frac{1}{n} \sum_n R_n / \hat R_n

    Parameters
    ----------
    snr : [n, K, K], float32
        Gains in units of noise at full power, rows are receivers.
    fraction : [n, K], float32
        Powers as fractions of the largest.
    weight : [n, K], float32, optional
        Weights of the rates; left out: 1.
    reference : [n] or [], float32, optional
        What a network's rate is divided by, so that strong channels do not outweigh weak ones, a
        solver's rate for example; no gradient flows through it. Left out: 1.

    Returns
    -------
    [], float32
        [bit/s/Hz], or [1] with a reference.
    """
    rate = sum_rate(snr, fraction, 1.0, weight)
    if reference is not None:
        rate = rate / reference.detach().clamp_min(torch.finfo(rate.dtype).tiny)
    return -rate.mean()
