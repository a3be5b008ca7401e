"""A perceptron that imitates a solver: all gains in, all powers out.

This is the network of Sun, Chen, Shi, Hong, Fu and Sidiropoulos, IEEE Trans. Signal Process.
66(20), 2018, Section V: three hidden layers of 200 rectified units from the amplitudes of all
gains to the powers of all users. It knows nothing of what users are, so it is made for one number
of them, and permuting them is a new problem to it, unless it seats them by their own gains.

Gains are in units of noise at full power, powers are fractions of the largest.
"""

from __future__ import annotations

import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from slotwise.controllers.mlp import LOG_FLOOR, MlpSizes

__all__ = ["MlpNetwork"]

_FIRST_BIAS = 0.1


class MlpNetwork(nn.Module):
    """Perceptron from the gains at N receivers to the powers of K users.

    Parameters
    ----------
    sizes : MlpSizes
        How large.
    seed : int
        Of the first weights: normal, cut at two deviations, over sqrt(inputs); biases 0.1.

    Attributes
    ----------
    mean, scale : Tensor, shape (N K,)
        What inputs are standardised by: zero and one unless `standardise` is called.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, sizes: MlpSizes, seed: int = 0) -> None:
        super().__init__()
        self.sizes = sizes
        inputs = sizes.stations * sizes.users
        widths = [inputs, *[sizes.hidden] * sizes.layers, sizes.users]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.linear = nn.ModuleList(
                nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(widths)
            )
            for layer in self._layers():
                _start(layer)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))

    def features(self, amplitude: Tensor) -> Tensor:
        """Inputs of the first layer from the amplitudes of all gains, [n, N K] to [n, N K]."""
        if self.sizes.features == "amplitude":
            published = self.sizes.output == "relu6"
            return amplitude if published else (amplitude - self.mean) / self.scale
        # One new tensor and no more: memory that is touched for the first time costs as much as
        # the logarithm.
        log = amplitude.clamp_min(math.sqrt(LOG_FLOOR)).log2_()
        return log.mul_(2.0 / self.scale).sub_(self.mean / self.scale)

    def standardise(self, amplitude: Tensor) -> None:
        """Take mean and deviation of each input from a sample of amplitudes, [n, N K]."""
        seen = self._placed(amplitude)[0]
        if self.sizes.features == "log":
            seen = 2.0 * torch.log2(seen.clamp_min(math.sqrt(LOG_FLOOR)))
        self.mean.copy_(seen.mean(0))
        self.scale.copy_(seen.std(0).clamp_min(1e-3))

    def lift(self, amplitude: Tensor) -> None:
        """Raise the biases of outputs that are off for half of a sample, [n, N K], or more.

        What is off for every input has no gradient and stays off. Of first weights, some outputs
        nearly are, where inputs are all positive and range over decades; their median becomes one.
        """
        *_, last = self._layers()
        with torch.no_grad():
            median = self.logits(amplitude).median(0).values
            last.bias.add_(torch.where(median < 0.0, 1.0 - median, 0.0))

    def logits(self, amplitude: Tensor) -> Tensor:
        """What the last layer gives, before it is bent into a power.

        Parameters
        ----------
        amplitude : [n, N K], float32
            Square roots of the gains: row after row of receivers. No gradient reaches it.

        Returns
        -------
        [n, K], float32
        """
        placed, place = self._placed(amplitude)
        values = self.features(placed)
        *hidden, last = self._layers()
        for layer in hidden:
            values = functional.relu_(layer(values))
        logits: Tensor = last(values)
        return logits if place is None else torch.zeros_like(logits).scatter(1, place, logits)

    def forward(self, amplitude: Tensor) -> Tensor:
        """Powers as fractions of the largest, [n, N K] to [n, K]; see `logits`."""
        logits = self.logits(amplitude)
        if self.sizes.output == "sigmoid":
            return torch.sigmoid(logits)
        return functional.relu6(logits) / 6.0

    def plain_tensors(self) -> dict[str, Tensor]:
        """Weights and biases alone, standardisation folded into the first layer.

        Returns
        -------
        dict of str to Tensor
            ``weight0`` [out, in], ``bias0`` [out] and so on, float32.
        """
        tensors = {}
        for number, layer in enumerate(self._layers()):
            weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
            if number == 0:
                weight = weight / self.scale
                bias = bias - weight @ self.mean.double()
            tensors[f"weight{number}"] = weight.float().contiguous()
            tensors[f"bias{number}"] = bias.float().contiguous()
        return tensors

    def load_plain_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take what `plain_tensors` gave; inputs are standardised no more."""
        with torch.no_grad():
            for number, layer in enumerate(self._layers()):
                layer.weight.copy_(tensors[f"weight{number}"])
                layer.bias.copy_(tensors[f"bias{number}"])
            self.mean.zero_()
            self.scale.fill_(1.0)

    def _placed(self, amplitude: Tensor) -> tuple[Tensor, Tensor | None]:
        """Amplitudes in the order of places, and the user in each place; None: users' own order."""
        users = self.sizes.users
        if self.sizes.order == "given":
            return amplitude, None
        gain = amplitude.view(-1, users, users)
        own = torch.diagonal(gain, dim1=1, dim2=2)
        user = torch.argsort(own, dim=1, descending=True, stable=True)
        rows = gain.gather(1, user.unsqueeze(2).expand_as(gain))
        return rows.gather(2, user.unsqueeze(1).expand_as(gain)).flatten(1), user

    def _layers(self) -> list[nn.Linear]:
        return cast("list[nn.Linear]", list(self.linear))


def _start(layer: nn.Linear) -> None:
    """First weights of a layer, as in the published code."""
    deviation = 1.0 / math.sqrt(layer.in_features)
    nn.init.trunc_normal_(layer.weight, 0.0, deviation, -2.0 * deviation, 2.0 * deviation)
    nn.init.constant_(layer.bias, _FIRST_BIAS)
