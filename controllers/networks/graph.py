"""The wireless channel graph convolution network: plain message passing between users.

Y. Shen, Y. Shi, J. Zhang and K. B. Letaief, "Graph Neural Networks for Scalable Radio Resource
Management", IEEE J. Sel. Areas Commun. 39(1), 2021. Users are nodes and links between them are
edges. In each layer a user hears a message from every other, made of what is known of the sender
and of both links between the two, keeps the largest of each of its numbers, and makes its new power
of that. It knows nothing of rates, interference or prices: this is what a network has to beat that
does.

Gains are in units of noise at full power, so powers are fractions of the largest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slotwise.controllers.graph import FLOOR, GraphSizes

__all__ = ["GraphNetwork"]

_NODE = 3
"""Numbers of a user: direct gain, weight, power."""

_EDGE = 2
"""Numbers of a pair: what the one hears of the other, and the other of the one."""


class GraphLayer(nn.Module):
    """Weights of one layer: a perceptron for messages and one for the new power.

    Parameters
    ----------
    sizes : GraphSizes
        Widths.
    """

    def __init__(self, sizes: GraphSizes) -> None:
        super().__init__()
        self.edge = nn.Linear(_NODE + _EDGE, sizes.hidden)
        self.message = nn.Linear(sizes.hidden, sizes.message)
        self.inner = nn.Linear(_NODE + sizes.message, sizes.update)
        self.outer = nn.Linear(sizes.update, 1)

    def forward(self, node: Tensor, edge: Tensor) -> Tensor:
        """Logits of the new powers.

        Parameters
        ----------
        node : Tensor, shape (n, K, 3)
            Direct gain, weight and power of each user.
        edge : Tensor, shape (n, K, K, 2)
            Gain to user k from user j, and back.

        Returns
        -------
        Tensor, shape (n, K)
        """
        # A sum of two products is the product with both side by side, and K x K senders are K.
        of_sender, of_edge = self.edge.weight[:, :_NODE], self.edge.weight[:, _NODE:]
        sent = functional.linear(node, of_sender, self.edge.bias).unsqueeze(1)
        hidden = functional.relu(sent + functional.linear(edge, of_edge))
        messages = functional.relu(self.message(hidden))
        users = node.shape[1]
        own = torch.eye(users, dtype=torch.bool, device=node.device).unsqueeze(-1)
        # No message is below zero, so zero is what is heard by a user that is alone.
        heard = messages.masked_fill(own, 0.0).amax(2)
        inner = functional.relu(self.inner(torch.cat([node, heard], dim=-1)))
        logit: Tensor = self.outer(inner).squeeze(-1)
        return logit


class GraphNetwork(nn.Module):
    """Message passing, the same for any number of users.

    Parameters
    ----------
    sizes : GraphSizes
        Layers and widths.
    seed : int
        Of the first weights.

    Attributes
    ----------
    mean, scale : Tensor, shape (2,)
        What logarithms of gains are standardised by, direct gains and others: zero and one unless
        `standardise` is called.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, sizes: GraphSizes, seed: int = 0) -> None:
        super().__init__()
        self.sizes = sizes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleList(
                GraphLayer(sizes) for _ in range(1 if sizes.shared else sizes.layers)
            )
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("scale", torch.ones(2))

    def standardise(self, direct: Tensor, other: Tensor) -> None:
        """Take mean and deviation of the logarithms from samples of gains in units of noise."""
        logs = [torch.log2(gains.flatten() + FLOOR) for gains in (direct, other)]
        self.mean.copy_(torch.stack([log.mean() for log in logs]))
        self.scale.copy_(torch.stack([log.std().clamp_min(1e-3) for log in logs]))

    def logits(self, snr: Tensor, weight: Tensor) -> Tensor:
        """Powers before they are bent into (0, 1); arguments and shape as of `forward`."""
        logs = torch.log2(snr + FLOOR)
        direct = (torch.diagonal(logs, dim1=1, dim2=2) - self.mean[0]) / self.scale[0]
        other = (logs - self.mean[1]) / self.scale[1]
        edge = torch.stack([other, other.transpose(1, 2)], dim=-1)
        power, logit = torch.ones_like(direct), direct
        for turn in range(self.sizes.layers):
            layer = self.layers[turn % len(self.layers)]
            logit = layer(torch.stack([direct, weight, power], dim=-1), edge)
            power = torch.sigmoid(logit)
        return logit

    def forward(self, snr: Tensor, weight: Tensor) -> Tensor:
        """Powers as fractions of the largest.

        Parameters
        ----------
        snr : Tensor, shape (n, K, K)
            Gains in units of noise at full power; rows are receivers.
        weight : Tensor, shape (n, K)
            Weights of the rates, the largest of each network one.

        Returns
        -------
        Tensor, shape (n, K)
            In (0, 1).
        """
        return torch.sigmoid(self.logits(snr, weight))

    def plain_tensors(self) -> dict[str, Tensor]:
        """Weights and biases alone, standardisation folded into them, layer by layer.

        Returns
        -------
        dict of str to Tensor
            With L layers, or one that all share: ``edge`` [L, hidden, 5], of the sender's direct
            gain, weight and power, and of what is heard of it and it hears; ``message``
            [L, message, hidden]; ``inner`` [L, update, 3 + message]; ``outer`` [L, 1, update]; each
            with its ``_bias``. float32; gains are logarithms to base two.
        """
        stacks: dict[str, list[Tensor]] = {}
        mean, scale = self.mean.double(), self.scale.double()
        # Which of the two pairs of numbers a column is standardised by, if any.
        columns = {"edge": {0: 0, 3: 1, 4: 1}, "inner": {0: 0}}
        for layer in self.layers:
            for name, linear in layer.named_children():
                assert isinstance(linear, nn.Linear)
                weight, bias = linear.weight.detach().double(), linear.bias.detach().double()
                for column, kind in columns.get(name, {}).items():
                    weight[:, column] /= scale[kind]
                    bias = bias - weight[:, column] * mean[kind]
                stacks.setdefault(name, []).append(weight.float())
                stacks.setdefault(f"{name}_bias", []).append(bias.float())
        return {name: torch.stack(tensors) for name, tensors in stacks.items()}

    def load_plain_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take what `plain_tensors` gave; logarithms are standardised no more."""
        with torch.no_grad():
            for number, layer in enumerate(self.layers):
                for name, linear in layer.named_children():
                    assert isinstance(linear, nn.Linear)
                    linear.weight.copy_(tensors[name][number])
                    linear.bias.copy_(tensors[f"{name}_bias"][number])
            self.mean.zero_()
            self.scale.fill_(1.0)
