"""Many small perceptrons of one shape, trained side by side.

Every network has its own first weights and its own samples. A layer of all of them is one batched
product, so that hundreds of networks of a few hundred weights take little longer than one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from slotwise.controllers.atomic import write_whole
from slotwise.runs.studies.density.orders import Recipe

__all__ = ["Perceptrons", "fit", "read", "write"]

_FINAL = 1e-3
_WARM = 0.05


class Perceptrons:
    """Networks with ReLU between their layers and one number as output.

    Parameters
    ----------
    weights, biases : sequence of Tensor
        Of each layer, [n, inputs, outputs] and [n, 1, outputs].
    """

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> None:
        self.weights, self.biases = list(weights), list(biases)

    @classmethod
    def drawn(cls, count: int, widths: Sequence[int], seed: int) -> Self:
        """First weights: He's, with biases from 0 to 1, so that few networks are born dead.

        Parameters
        ----------
        count : int
            Networks.
        widths : sequence of int
            Inputs, neurons of each hidden layer, outputs.
        seed : int
            Of the weights.
        """
        random = torch.Generator().manual_seed(seed)
        weights, biases = [], []
        last = len(widths) - 2
        for layer, (width, after) in enumerate(pairwise(widths)):
            scale = math.sqrt((1.0 if layer == last else 2.0) / width)
            weights.append(scale * torch.randn(count, width, after, generator=random))
            bias = torch.rand(count, 1, after, generator=random)
            biases.append(torch.zeros_like(bias) if layer == last else bias)
        return cls(weights, biases)

    def __len__(self) -> int:
        return len(self.weights[0])

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs [n, samples] of inputs [n, samples, inputs]."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if layer < last:
                x = torch.relu(x)
        return x[..., 0]

    def parameters(self) -> list[Tensor]:
        """Weights, then biases."""
        return [*self.weights, *self.biases]

    def taken(self, rows: Tensor) -> Perceptrons:
        """Copies of some of the networks."""
        return Perceptrons([w[rows] for w in self.weights], [b[rows] for b in self.biases])


def fit(
    networks: Perceptrons,
    x: Tensor,
    y: Tensor,
    samples: Tensor,
    recipe: Recipe,
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """Train all networks by the mean square error of their outputs, in place.

    Parameters
    ----------
    networks : Perceptrons
        n networks.
    x : [n, m, inputs], float32
        Inputs of each network's samples.
    y : [n, m], float32
        Wanted outputs.
    samples : [n], int64
        How many of the m samples each network may see: the first ones, in turns.
    recipe : Recipe
        Steps, batch and learning rate.
    done : callable
        Told the steps done so far, after each.
    """
    parameters = networks.parameters()
    for parameter in parameters:
        parameter.requires_grad_(True)
    first = [parameter.detach().clone() for parameter in parameters]
    adam = torch.optim.Adam(parameters, recipe.rate, fused=True)
    rows, places = torch.arange(len(networks))[:, None], torch.arange(recipe.batch)
    for step in range(recipe.steps):
        adam.param_groups[0]["lr"] = recipe.rate * _share(step / recipe.steps, recipe.steps)
        batch = (step * recipe.batch + places)[None] % samples[:, None]
        adam.zero_grad()
        error = networks(x[rows, batch]) - y[rows, batch]
        loss = error.square().mean(dim=1).sum()  # of independent networks: gradients do not mix
        if recipe.pull:
            for parameter, start in zip(parameters, first, strict=True):
                loss = loss + recipe.pull * (parameter - start).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        done(step + 1)
    for parameter in parameters:
        parameter.requires_grad_(False)


def _share(progress: float, steps: int) -> float:
    """Learning rate as a share of the largest."""
    rise = min(1.0, (progress + 1.0 / steps) / _WARM)
    return rise * (_FINAL + (1.0 - _FINAL) * 0.5 * (1.0 + math.cos(math.pi * progress)))


def write(networks: Perceptrons, path: Path, identity: Mapping[str, Any]) -> None:
    """Keep networks and what they depend on in a file, whole or not at all.

    Parameters
    ----------
    networks : Perceptrons
        What to keep.
    path : Path
        A .safetensors file; its folder is made.
    identity : mapping
        As JSON.
    """
    tensors = {f"weight.{n}": each.contiguous() for n, each in enumerate(networks.weights)}
    tensors |= {f"bias.{n}": each.contiguous() for n, each in enumerate(networks.biases)}
    write_whole(path, save(tensors, {"identity": json.dumps(identity, sort_keys=True)}))


def read(path: Path, identity: Mapping[str, Any]) -> Perceptrons | None:
    """Networks of a file; None if there are none, damaged ones, or those of another identity."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            if file.metadata().get("identity") != json.dumps(identity, sort_keys=True):
                return None
            layers = range(len(list(file.keys())) // 2)
            weights = [file.get_tensor(f"weight.{layer}") for layer in layers]
            return Perceptrons(weights, [file.get_tensor(f"bias.{layer}") for layer in layers])
    except (SafetensorError, OSError):
        return None
