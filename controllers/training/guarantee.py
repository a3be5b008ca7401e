"""An output layer that keeps promised rates: `slotwise.controllers.least_rates` in torch.

Whatever a network answers, what leaves this layer serves everyone whose promise can be kept; where
the answer does so already, nothing is changed, and gradients pass as if there were no layer. Whose
promises are kept is decided outside of what is differentiated: it is a matter of gains alone, and
constant almost everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from slotwise.controllers.least_rates import feasible, promised

__all__ = ["guaranteed"]

_MARGIN = 1e-9  # as in `slotwise.controllers.kernels.least_rates`


def guaranteed(
    gain: Tensor, noise_power: Tensor, p_max: Tensor, power: Tensor, gamma: Tensor | float
) -> Tensor:
    """Change powers so that promises are kept, everyone's where that is feasible.

    The same as `slotwise.controllers.least_rates.guaranteed`, with which it shares the rule for
    problems that are not feasible, and differentiable almost everywhere in powers and gains.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    power : [..., K], float
        Powers to change [W]; cut to [0, `p_max`] first.
    gamma : [..., K] or scalar, float
        Promised SINRs, linear; zero: none.

    Returns
    -------
    [..., K], float
        Powers [W] in the precision of `power`. All is computed in double precision; what is asked
        of single precision is kept to its rounding, 1e-6 of a rate.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.
    """
    double = [torch.as_tensor(each, dtype=torch.float64) for each in (noise_power, p_max, gamma)]
    shapes = gain.shape[:-1], power.shape, *(each.shape for each in double)
    shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    if not power.numel():
        return power
    noise, limit, asked = (each.expand(shape) for each in double)
    every = gain.double().expand(*shape, shape[-1])
    asked = _kept(every, noise, limit, asked)
    member = asked > 0.0
    own = every.diagonal(0, -2, -1) * limit
    share = torch.where(member, asked / torch.where(own > 0.0, own, 1.0), 0.0)
    diagonal = torch.eye(shape[-1], dtype=torch.bool)
    need = (share[..., None] * every * limit[..., None, :]).masked_fill(diagonal, 0.0)
    base = share * noise

    wished = torch.minimum(power.double().clamp(min=0.0), limit)
    x = wished / torch.where(limit > 0.0, limit, 1.0)
    left = x - ((need * x[..., None, :]).sum(-1) + base)
    excess = torch.where(member, left.clamp(min=0.0), x)
    sides = torch.stack((base, excess), -1)
    least, granted = torch.linalg.solve(diagonal.double() - need, sides).unbind(-1)
    beyond = least + granted > 1.0
    room = torch.where(beyond, (1.0 - least).clamp(min=0.0), 1.0)
    most = (room / torch.where(beyond, granted, 1.0)).amin(-1, keepdim=True)
    changed = (least + most * granted).clamp(max=1.0)
    short = (left < 0.0) & member
    return torch.where(short.any(-1, keepdim=True), changed * limit, wished).to(power.dtype)


def _kept(gain: Tensor, noise_power: Tensor, p_max: Tensor, gamma: Tensor) -> Tensor:
    """SINRs to aim at: those that are kept, and 1e-9 more where that can be reached too."""
    known = gain.detach().numpy(), noise_power.detach().numpy(), p_max.detach().numpy()
    sinr = promised(*known, gamma.detach().numpy()).gamma
    aimed = sinr * (1.0 + _MARGIN)
    reached = feasible(*known, aimed).feasible
    kept = torch.from_numpy(aimed)
    if not reached.all():
        kept = torch.where(torch.from_numpy(reached)[..., None], kept, torch.from_numpy(sinr))
    return kept
