r"""The policy network: users of an interference network send each other messages, then decide.

Each user :math:`k` begins with what it knows of itself, :math:`x_k = (2 c_{kk}, w_k)`, its own gain
and its weight, and T times hears all others,

.. math::

    m_k = \sum_{j \ne k} \mathrm{relu}(A_t h_k + B_t h_j + 2 c_{kj} u_t + 2 c_{jk} v_t), \qquad
    h_k \leftarrow h_k + U_t\, \mathrm{relu}(V_t [h_k, m_k / 4]),

where :math:`c_{kj}` is the coded gain from transmitter j to the receiver of k. A last pair of
layers makes logits of its power levels from :math:`[h_k, x_k]`. Whoever is numbered how does not
matter, any number of users will do, and rows of nobody are not heard.

Graph networks of this kind are those of Shen et al., IEEE J. Sel. Areas Commun. 39(1), 2021.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from slotwise.envs.kernels.messages import pass_back, pass_on

__all__ = ["PolicyNetwork", "PolicySizes", "messages"]

_SCALE = 2.0  # of codes, which lie in [-1, 1]
_HEARD = 0.25  # of a sum over all others
_FEATURES = 2
_CALM = 0.5  # of first changes, so that six layers begin close to none
_UNDECIDED = 0.1  # of first logits, so that every level is tried


class PolicySizes(NamedTuple):
    """What the network needs to be built again.

    Attributes
    ----------
    layers : int
        T, how often messages are sent.
    width : int
        Numbers that stand for a user, and of a message.
    hidden : int
        Width of the layer that makes a change of what was heard.
    levels : int
        L, power levels.
    """

    layers: int = 6
    width: int = 32
    hidden: int = 32
    levels: int = 10


class _Messages(torch.autograd.Function):
    """`pass_on` with its derivative."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Tensor:
        kept = [tensor.contiguous() for tensor in given]
        ctx.save_for_backward(*kept)
        heard = torch.empty_like(kept[0])
        listener, speaker, code, edge, mask = (tensor.detach().numpy() for tensor in kept)
        pass_on(listener, speaker, code, edge, mask, heard.numpy())
        return heard

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors
        listener, speaker, _, edge, _ = kept
        by = [torch.zeros_like(tensor) for tensor in (listener, speaker, edge)]
        known = [tensor.detach().numpy() for tensor in (*kept, slopes[0].contiguous())]
        pass_back(*known, *(tensor.numpy() for tensor in by))
        return by[0], by[1], None, by[2], None


def messages(listener: Tensor, speaker: Tensor, code: Tensor, edge: Tensor, mask: Tensor) -> Tensor:
    """What every user hears of all others that are there.

    Compiled for processors; on another device in plain torch, which is the same sum.

    Parameters
    ----------
    listener, speaker : [n, M, D], float32
        Terms of who hears and of who is heard.
    code : [n, M, M], float32
        Gains, no derivative is taken by them.
    edge : [2, D], float32
        What gains from and to the speaker are multiplied by.
    mask : [n, M], float32
        Zero for nobody.

    Returns
    -------
    [n, M, D], float32
    """
    if listener.device.type == "cpu":
        heard: Tensor = _Messages.apply(  # type: ignore[no-untyped-call]
            listener, speaker, code, edge, mask
        )
        return heard
    message = listener.unsqueeze(2) + speaker.unsqueeze(1) + code.unsqueeze(-1) * edge[0]
    message = message + code.transpose(1, 2).unsqueeze(-1) * edge[1]
    others = mask.unsqueeze(1) * (1.0 - torch.eye(code.shape[1], device=code.device))
    return (functional.relu(message) * others.unsqueeze(-1)).sum(2)


class _Linear(nn.Module):
    """Weights and biases of one linear layer, or of a stack of them, drawn as torch does."""

    def __init__(
        self, inputs: int, outputs: int, source: torch.Generator, stacked: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        weight, bias = torch.empty(*stacked, outputs, inputs), torch.empty(*stacked, outputs)
        self.weight = nn.Parameter(weight.uniform_(-bound, bound, generator=source))
        self.bias = nn.Parameter(bias.uniform_(-bound, bound, generator=source))

    def forward(self, values: Tensor) -> Tensor:
        return functional.linear(values, self.weight, self.bias)

    def unstacked(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of each layer of a stack."""
        return list(zip(self.weight.unbind(), self.bias.unbind(), strict=True))


class PolicyNetwork(nn.Module):
    """From coded gains to logits of power levels, for networks of any size.

    Parameters
    ----------
    sizes : PolicySizes, optional
        Sizes.
    seed : int, optional
        Of first weights; left out: torch's own generator draws it.

    Attributes
    ----------
    sizes : PolicySizes
        Sizes.
    """

    def __init__(self, sizes: PolicySizes | None = None, seed: int | None = None) -> None:
        super().__init__()
        self.sizes = sizes = PolicySizes() if sizes is None else sizes
        source = torch.Generator()
        source.manual_seed(int(torch.randint(2**62, ())) if seed is None else seed)
        width, stack = sizes.width, (sizes.layers,)
        self.embed = _Linear(_FEATURES, width, source)
        self.pair = _Linear(width, 2 * width, source, stack)
        self.edge = nn.Parameter(torch.randn(sizes.layers, 2, width, generator=source))
        self.hidden = _Linear(2 * width, sizes.hidden, source, stack)
        self.update = _Linear(sizes.hidden, width, source, stack)
        self.head = _Linear(width + _FEATURES, width, source)
        self.logit = _Linear(width, sizes.levels, source)
        with torch.no_grad():
            self.update.weight.mul_(_CALM)
            self.logit.weight.mul_(_UNDECIDED)
            self.logit.bias.zero_()

    def forward(self, gain_code: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        """Logits of power levels.

        Parameters
        ----------
        gain_code : [n, M, M], float32
            Gains [k, j] from transmitter j to the receiver of k, as a `GainScale` codes them.
        mask : [n, M], float32
            1 where a row holds a user, 0 where it holds nobody.
        weight : [n, M], float32
            Weights of the rates, as shares of the largest.

        Returns
        -------
        [n, M, L], float32
            Of rows of nobody they mean nothing.
        """
        hidden, features = self.hidden_states(gain_code, mask, weight)
        return self.decided(torch.cat([hidden, features], -1))

    def hidden_states(
        self, gain_code: Tensor, mask: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What stands for each user after all messages [n, M, width], and its features [n, M, 2].

        Parameters are those of `forward`.
        """
        code = _SCALE * gain_code
        features = torch.stack([torch.diagonal(code, dim1=1, dim2=2), weight], -1)
        state = functional.relu(self.embed(features))
        layers = zip(
            self.pair.unstacked(),
            self.edge.unbind(),
            self.hidden.unstacked(),
            self.update.unstacked(),
            strict=True,
        )
        for pair, edge, hidden, update in layers:
            listener, speaker = functional.linear(state, *pair).chunk(2, -1)
            heard = _HEARD * messages(listener, speaker, code, edge, mask)
            inner = functional.relu(functional.linear(torch.cat([state, heard], -1), *hidden))
            state = state + functional.linear(inner, *update)
        return state, features

    def decided(self, known: Tensor) -> Tensor:
        """Logits [n, M, L] from hidden states and features side by side, [n, M, width + 2]."""
        logits: Tensor = self.logit(functional.relu(self.head(known)))
        return logits

    def plain_tensors(self) -> dict[str, Tensor]:
        """Copies of all weights by name, for a file, or a decision without torch.

        Returns
        -------
        dict of str to Tensor
            With T layers of width D: ``embed.weight`` [D, 2], ``pair.weight`` [T, 2 D, D], of who
            hears and of who is heard, ``edge`` [T, 2, D], of gains from and to the speaker,
            ``hidden.weight`` [T, hidden, 2 D], ``update.weight`` [T, D, hidden], ``head.weight``
            [D, D + 2], ``logit.weight`` [L, D]; and for all but ``edge`` a ``.bias`` each.
        """
        return {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}

    def load_plain_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take what `plain_tensors` gave.

        Raises
        ------
        ValueError
            If a tensor is missing, unknown, or of another shape.
        """
        try:
            self.load_state_dict(tensors)
        except RuntimeError as error:
            raise ValueError(" ".join(str(error).split())) from None
