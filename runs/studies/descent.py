"""Fig. 3: what a network can learn of gradient descent, and what it cannot.

Descent on (x² − z)² ends at +√z or −√z, depending on where it starts. A network that sees z alone
is shown both answers for the same question and learns their mean, zero; one that also sees the
start learns the algorithm. The moral for power control: an algorithm to imitate starts always from
the same place, as WMMSE does here from full power.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.progress import beyond
from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import look
from slotwise.runs.report.quantities import number
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["descend", "descent_part"]

Array = NDArray[np.float64]

_RATE = 0.01
_STEPS = 3000  # as in the paper
_HIDDEN = 64
_TRAINING_STEPS = 2000
_BATCH = 500
_SAMPLES = 20_000
_SHOWN = 400
_SEEN = {"z": "z alone", "start": "z and the start"}
_CLOSE = 0.1


def descend(start: Array, z: Array, steps: int = _STEPS) -> Array:
    """Where gradient descent on (x² − z)² ends (eq. 4 and the iteration below it).

    Parameters
    ----------
    start, z : [n], float64
        First x and the number whose root is wanted.
    steps : int
        Iterations, of step size 0.01.

    Returns
    -------
    [n], float64
        The last x.
    """
    x = np.array(start, dtype=np.float64)
    for _ in range(steps):
        x -= 2.0 * _RATE * x * (x * x - z)
    return x


def descent_part(seed: int) -> Part:
    """The figure: two networks, trained anew in seconds."""
    identity = {
        "seed": seed,
        "rate": _RATE,
        "steps": _STEPS,
        "hidden": _HIDDEN,
        "training_steps": _TRAINING_STEPS,
        "batch": _BATCH,
        "samples": _SAMPLES,
    }
    total = _TRAINING_STEPS * len(_SEEN)
    unit = Unit("figure-3", "descent", total, lambda: identity, lambda done: _learn(seed, done))
    words = (
        f"Gradient descent on (x² − z)² with step size {_RATE:g}, {_STEPS:,} iterations, z uniform "
        f"in [0, 1], start uniform in [−1, 1]. Two networks of two hidden layers of {_HIDDEN} "
        "learn where it ends. As published: from z alone the network learns to answer zero, from z "
        "and the start it learns the algorithm."
    )
    return Part("fig3", "Fig. 3: what can be learned of an algorithm", words, (unit,), _document)


def _learn(seed: int, done: Callable[[int], None]) -> dict[str, Any]:
    """Train both networks; errors on fresh problems, and points to draw."""
    rng = np.random.default_rng(seed)
    start, z = rng.uniform(-1.0, 1.0, 2 * _SAMPLES), rng.uniform(0.0, 1.0, 2 * _SAMPLES)
    end = descend(start, z)
    inputs = {"z": z[:, None], "start": np.stack([z, start], axis=1)}
    result: dict[str, Any] = {"problem": z[-_SHOWN:].tolist(), "end": end[-_SHOWN:].tolist()}
    for turn, (name, seen) in enumerate(inputs.items()):
        learned = _fitted(seen, end, seed, beyond(done, turn * _TRAINING_STEPS))
        error = learned - end[_SAMPLES:]
        result[name] = {
            "rms_error": float(np.sqrt(np.mean(error**2))),
            "close": float(np.mean(np.abs(error) < _CLOSE)),
            "mean_size": float(np.mean(np.abs(learned))),
            "learned": learned[-_SHOWN:].tolist(),
        }
    result["rms"] = float(np.sqrt(np.mean(end[_SAMPLES:] ** 2)))
    return result


def _fitted(seen: Array, end: Array, seed: int, done: Callable[[int], None]) -> Array:
    """Train on the first half; what the network answers on the second."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(seen.shape[1], _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, 1),
        )
    x = torch.tensor(seen, dtype=torch.float32)
    y = torch.tensor(end[:, None], dtype=torch.float32)
    _train(network, x[:_SAMPLES], y[:_SAMPLES], np.random.default_rng((seed, 1)), done)
    with torch.no_grad():
        return np.asarray(network(x[_SAMPLES:])[:, 0], dtype=np.float64)


def _train(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    rng: np.random.Generator,
    done: Callable[[int], None],
) -> None:
    import torch

    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _TRAINING_STEPS)
    for step in range(_TRAINING_STEPS):
        rows = torch.from_numpy(rng.integers(0, len(x), _BATCH))
        optimiser.zero_grad()
        loss = (network(x[rows]) - y[rows]).square().mean()
        loss.backward()
        optimiser.step()
        schedule.step()
        done(step + 1)


def _document(results: Sequence[Result]) -> Document:
    result = results[0]
    heads = (
        "the network sees",
        "root mean square error",
        "of the answers' own",
        f"within {_CLOSE:g} [%]",
        "mean size of its answer",
    )
    rows = [
        {"seen": words, **{key: result[name][key] for key in ("rms_error", "close", "mean_size")}}
        for name, words in _SEEN.items()
    ]
    cells = [
        (
            row["seen"],
            number(row["rms_error"]),
            number(result["rms"]),
            number(100 * row["close"]),
            number(row["mean_size"]),
        )
        for row in rows
    ]
    return Document([Grid("", heads, cells)], rows=rows, drawings=lambda: [_draw(result)])


def _draw(result: Result) -> Drawing:
    looks = {"gradient descent": look(0), "network": look(1)}
    figure = sheet(2.6, list(looks))
    for place, (name, words) in enumerate(_SEEN.items(), 1):
        axes = figure.add_subplot(1, len(_SEEN), place)
        for style, points in zip(
            looks.values(), (result["end"], result[name]["learned"]), strict=True
        ):
            axes.plot(
                result["problem"],
                points,
                linestyle="none",
                marker=style.marker,
                markersize=2.2,
                color=style.colour,
            )
        axes.set_xlabel("z")
        axes.set_ylim(-1.1, 1.1)
        axes.set_title(f"sees {words}", fontsize=10)
        if place == 1:
            axes.set_ylabel("last x")
    keys(figure, looks, markers=True)
    caption = (
        "Where gradient descent ends, and what a network has learned of it: on the left from z "
        "alone, on the right from z and the start."
    )
    label = "Two scatter charts of the last x over z, of gradient descent and of a network."
    return finish(figure, "figure-3", "Learning gradient descent", caption, label)
