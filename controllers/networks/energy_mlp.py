"""The published perceptron for bits per joule: ten narrow layers from all gains to all powers.

Layers of 18, 18, 16, 16, 14, 14, 12, 12, 10 and 10 units, the last for the powers of ten users, as
in A. Zappone, M. Di Renzo, M. Debbah, T. T. Lam and X. Qian, "Model-aided wireless artificial
intelligence: embedding expert knowledge in deep neural networks for wireless system optimization",
IEEE Veh. Technol. Mag. 14(3), 2019, Fig. 3; another number of users has another last layer. Units
are leaky, so that none is dead for good. Inputs are those of
`slotwise.controllers.kernels.energy_inputs`; an output y says how strongly its user should be
received, as a power of two, and the power bends smoothly into the largest:

    p = P b / (P + b),   b = 2^y 10 / g
"""

from __future__ import annotations

import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from slotwise.controllers.energy_mlp import (
    FARTHEST,
    LARGEST_OUTPUT,
    SLOPE,
    WIDTHS,
    EnergyMlpSizes,
)
from slotwise.controllers.kernels.energy_inputs import RECEIVED

__all__ = ["EnergyMlpNetwork"]

_GAIN = math.sqrt(2.0 / (1.0 + SLOPE**2))
_LAST = 0.05
_BENT = 4.0
"""Outputs are so many times what the last layer gives: they range over twenty powers of two."""


class EnergyMlpNetwork(nn.Module):
    """Perceptron from what is seen of K users to their powers, place by place.

    Parameters
    ----------
    sizes : EnergyMlpSizes
        How many users.
    seed : int
        Of the first weights: orthogonal, such that leaky units pass on the variance; the last
        layer's are small, so that first everyone is received alike.

    Attributes
    ----------
    mean, scale : Tensor, shape (inputs,)
        What inputs are standardised by: zero and one unless `standardise` is called.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, sizes: EnergyMlpSizes, seed: int = 0) -> None:
        super().__init__()
        self.sizes = sizes
        widths = [sizes.inputs, *WIDTHS, sizes.users]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.linear = nn.ModuleList(
                nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(widths)
            )
            *hidden, last = self._layers()
            for layer in hidden:
                nn.init.orthogonal_(layer.weight, _GAIN)
                nn.init.zeros_(layer.bias)
            nn.init.normal_(last.weight, 0.0, _LAST)
            nn.init.zeros_(last.bias)
        self.register_buffer("mean", torch.zeros(sizes.inputs))
        self.register_buffer("scale", torch.ones(sizes.inputs))

    def standardise(self, inputs: Tensor) -> None:
        """Take mean and deviation of each input from a sample, [n, inputs]."""
        self.mean.copy_(inputs.mean(0))
        self.scale.copy_(inputs.std(0).clamp_min(1e-3))

    def outputs(self, inputs: Tensor) -> Tensor:
        """How strongly users should be received, [n, inputs] to [n, K], in powers of two."""
        values = ((inputs - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST)
        *hidden, last = self._layers()
        for layer in hidden:
            values = functional.leaky_relu(layer(values), SLOPE)
        wanted: Tensor = last(values) * _BENT
        return wanted

    def forward(self, inputs: Tensor, own: Tensor, limit: Tensor) -> Tensor:
        """Powers in units, see `slotwise.controllers.kernels.energy_inputs`.

        Parameters
        ----------
        inputs : [n, inputs], float32
            What is seen.
        own, limit : [n, K], float32
            Own gains and largest powers in units, place by place.

        Returns
        -------
        [n, K], float32
            Place by place.
        """
        wanted = self.outputs(inputs).clamp(-LARGEST_OUTPUT, LARGEST_OUTPUT)
        aimed = torch.exp2(wanted) * (RECEIVED / own)
        return limit * (aimed / (limit + aimed))

    def plain_tensors(self) -> dict[str, Tensor]:
        """What the compiled network takes.

        Returns
        -------
        dict of str to Tensor
            ``mean`` and ``scale`` of the inputs, ``weight0`` [out, in], ``bias0`` [out] and so on.
        """
        tensors = {"mean": self.mean.clone(), "scale": self.scale.clone()}
        for number, layer in enumerate(self._layers()):
            bent = _BENT if number == len(WIDTHS) else 1.0
            tensors[f"weight{number}"] = (layer.weight.detach() * bent).contiguous()
            tensors[f"bias{number}"] = (layer.bias.detach() * bent).contiguous()
        return tensors

    def _layers(self) -> list[nn.Linear]:
        return cast("list[nn.Linear]", list(self.linear))
