"""Networks pre-trained on the model and fine-tuned on few real samples, beside those that were not.

Both kinds are treated alike: the same samples, Adam, steps, batches and number of starts, no
samples held back, and of several starts the one with the smallest error on the samples that it
was given. Only the learning rate and the pull to the first weights were chosen for each kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slotwise.runs.studies.density.cellular import Array
from slotwise.runs.studies.density.networks import Perceptrons, fit, read, write
from slotwise.runs.studies.density.orders import (
    EPOCH_BATCH,
    EPOCHS,
    MODEL_SAMPLES,
    Arm,
    Order,
    Recipe,
)
from slotwise.runs.studies.density.samples import CASES, Draws, log_density, lost_efficiency

__all__ = ["Pool", "curves", "transferred"]

Done = Callable[[int], None]
Result = dict[str, Any]

_JUDGED_BY = 4000  # samples of the model
_TESTS, _LOST_TESTS = 2000, 500
_FARTHEST = 3.0  # decades: a dead network's answer may be any
_ALIKE = 1e-3
_FAILED = 0.05


@dataclass(frozen=True, slots=True)
class Pool:
    """Real samples whose optimum was searched by simulation; only of case B.

    Attributes
    ----------
    draws : Draws
        With the searched optima.
    """

    draws: Draws

    def taken(self, rng: np.random.Generator, samples: int) -> Draws:
        """Some of them in random order."""
        rows = rng.permutation(len(self.draws.best))[:samples]
        return Draws(*(each[rows] for each in self.draws))


def transferred(order: Order, arm: Arm, place: Path, pool: Pool | None, done: Done) -> Result:
    """Train one kind on every number of real samples.

    Parameters
    ----------
    order : Order
        What to train.
    arm : str
        ``tuned`` or ``scratch``.
    place : Path
        Folder of pre-trained networks.
    pool : Pool, optional
        Searched samples; left out: exact ones.
    done : callable
        Told the steps done so far.

    Returns
    -------
    dict
        By size and seed of the chosen start: ``training``, ``test`` (relative MSE), ``lost``
        (share of the energy efficiency); of the first start: ``one``; by size over all starts:
        ``dead``, ``failed``. For ``tuned`` by seed: ``model`` and ``model_lost`` of the
        pre-trained network as it is.
    """
    x, y = _real(order, pool)
    test = CASES[order.case].truth(order.rng("test"), _TESTS)
    groups, seeds, starts = len(order.sizes), order.seeds, order.starts
    result: Result = {}
    if arm == "tuned":
        first, judged = pretrained(order, place)
        networks = first.taken(torch.arange(seeds * starts).repeat(groups))
        best = first.taken(_least(judged.reshape(seeds, starts)))
        answers = _answers(best, test)
        result |= {"model": _relative(answers, test.best).tolist()}
        result |= {"model_lost": _lost(order, answers, test).tolist()}
    else:
        widths = (CASES[order.case].inputs, *order.hidden, 1)
        networks = Perceptrons.drawn(groups * seeds * starts, widths, order.seed + 1)
    samples = torch.tensor(order.sizes).repeat_interleave(seeds * starts)
    rows = torch.arange(seeds).repeat_interleave(starts).repeat(groups)
    fit(networks, x[rows], y[rows], samples, getattr(order, arm), done)
    error, training = _own_errors(networks, x, y, rows, samples)
    chosen = _least(error.reshape(groups * seeds, starts))
    answers = _answers(networks, test)
    relative = _relative(answers, test.best)
    shape = (groups, seeds)
    result |= {
        "training": training[chosen].reshape(shape).tolist(),
        "test": relative[chosen].reshape(shape).tolist(),
        "one": relative.reshape(*shape, starts)[..., 0].tolist(),
        "lost": _lost(order, answers[chosen], test).reshape(shape).tolist(),
        "dead": (answers.std(axis=1) < _ALIKE).reshape(groups, -1).sum(axis=1).tolist(),
        "failed": (relative > _FAILED).reshape(groups, -1).sum(axis=1).tolist(),
    }
    return result


def curves(order: Order, place: Path, done: Done) -> Result:
    """Train both kinds for 50 epochs on the order's one number of samples.

    Returns
    -------
    dict
        For each kind, by epoch and seed: relative MSE of ``training`` and of ``validation``; the
        first epoch is before training.
    """
    (size,) = order.sizes
    x, y = _real(order, None)
    valid = CASES[order.case].truth(order.rng("validation"), _TESTS)
    told, wanted = _tensor(valid.inputs)[None], _tensor(valid.output)[None]
    epoch = math.ceil(size / EPOCH_BATCH)
    steps = EPOCHS * epoch
    result: Result = {}
    for turn, arm in enumerate(("tuned", "scratch")):
        if arm == "tuned":
            networks, _ = pretrained(order, place)
            networks = networks.taken(torch.arange(order.seeds) * order.starts)
        else:
            widths = (CASES[order.case].inputs, *order.hidden, 1)
            networks = Perceptrons.drawn(order.seeds, widths, order.seed + 1)
        found: dict[str, list[list[float]]] = {"training": [], "validation": []}

        def look(
            step: int,
            turn: int = turn,
            networks: Perceptrons = networks,
            found: dict[str, list[list[float]]] = found,
        ) -> None:
            if step % epoch == 0:
                with torch.no_grad():
                    found["training"].append(_log_errors(networks(x[:, :size]) - y[:, :size]))
                    every = told.expand(order.seeds, -1, -1)
                    found["validation"].append(_log_errors(networks(every) - wanted))
            done(turn * steps + step)

        look(0)
        arms: Recipe = getattr(order, arm)
        recipe = Recipe(steps, EPOCH_BATCH, arms.rate, arms.pull)
        fit(networks, x, y, torch.full((order.seeds,), size), recipe, look)
        result[arm] = found
    return result


def pretrained(order: Order, place: Path) -> tuple[Perceptrons, Tensor]:
    """Networks that have learned the model, kept in a file, and their error on it [seeds · starts].

    Parameters
    ----------
    order : Order
        What to train.
    place : Path
        Folder of the file.
    """
    draws = CASES[order.case].model(order.rng("model"), MODEL_SAMPLES)
    x, y = _tensor(draws.inputs)[None], _tensor(draws.output)[None]
    count = order.seeds * order.starts
    identity: Mapping[str, Any] = {
        name: value
        for name, value in order.identity().items()
        if name not in ("sizes", "tuned", "scratch")
    }
    name = f"{order.case}-{'-'.join(map(str, order.hidden))}-{order.starts}"
    path = place / f"{name.lower()}.safetensors"
    networks = read(path, identity)
    if networks is None:
        widths = (x.shape[-1], *order.hidden, 1)
        networks = Perceptrons.drawn(count, widths, order.seed)
        every = torch.full((count,), MODEL_SAMPLES)
        fit(networks, x.expand(count, -1, -1), y.expand(count, -1), every, order.pretraining)
        write(networks, path, identity)
    few = slice(_JUDGED_BY)
    error = networks(x[:, few].expand(count, -1, -1)) - y[:, few]
    return networks, error.square().mean(dim=1)


def _real(order: Order, pool: Pool | None) -> tuple[Tensor, Tensor]:
    """Every seed's samples; of fewer samples it sees the first ones."""
    largest = max(order.sizes)
    draws = []
    for number in range(order.seeds):
        rng = order.rng("truth", number)
        drawn = CASES[order.case].truth if pool is None else pool.taken
        draws.append(drawn(rng, largest))
    return (
        torch.stack([_tensor(each.inputs) for each in draws]),
        torch.stack([_tensor(each.output) for each in draws]),
    )


def _own_errors(
    networks: Perceptrons, x: Tensor, y: Tensor, rows: Tensor, samples: Tensor
) -> tuple[Tensor, Array]:
    """Mean square and relative MSE of every network on the samples that it has seen."""
    square, relative = torch.empty(len(rows)), np.empty(len(rows))
    for size in sorted(set(samples.tolist())):
        those = torch.nonzero(samples == size)[:, 0]
        seen = rows[those]
        error = networks.taken(those)(x[seen, :size]) - y[seen, :size]
        square[those] = error.square().mean(dim=1)
        relative[those.numpy()] = _log_errors(error)
    return square, relative


def _log_errors(error: Tensor) -> list[float]:
    """Relative MSE of errors in the outputs' unit."""
    decades = log_density(error.double().numpy()) - log_density(np.zeros(1))
    found: list[float] = _relative(decades, np.zeros(1)).tolist()
    return found


def _least(errors: Tensor) -> Tensor:
    """Of each row the place of the smallest error, counted through all rows."""
    return errors.argmin(dim=1) + errors.shape[1] * torch.arange(len(errors))


def _answers(networks: Perceptrons, draws: Draws) -> Array:
    """Decimal logarithms of densities [n, m]."""
    told = _tensor(draws.inputs)[None].expand(len(networks), -1, -1)
    return log_density(networks(told).double().numpy())


def _relative(answered: Array, best: Array) -> Array:
    """Relative mean square error of densities, E[(λ̂/λ − 1)²]."""
    decades = np.clip(answered - best, -_FARTHEST, _FARTHEST)
    found: Array = np.mean((10.0**decades - 1.0) ** 2, axis=-1)
    return found


def _lost(order: Order, answers: Array, test: Draws) -> Array:
    few = slice(_LOST_TESTS)
    case = CASES[order.case]
    return lost_efficiency(case, test.power_w[few], answers[:, few], test.best[few])


def _tensor(values: Array | Sequence[float]) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)
