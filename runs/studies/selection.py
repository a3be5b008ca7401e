"""Fig. 6: batch size and learning rate by validation, with 30 users.

The paper's network is trained from the same first weights on the same samples, once for each batch
size and once for each learning rate, and is validated after the same numbers of samples. What is
drawn is what the paper draws, the mean square error of the powers on validation draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slotwise.emulator.scenario import load
from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import looks
from slotwise.runs.report.quantities import number
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit
from slotwise.runs.studies.setting import Scale

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slotwise.controllers.training.mlp import MlpTask

__all__ = ["selection_part"]

_USERS = 30
_BATCHES = (100, 1000, 10_000)
_RATES = (1e-2, 1e-3, 1e-4)
_BATCH, _RATE = 1000, 1e-3  # what the paper chose
_VALIDATION = 2000
_VALIDATIONS = 20
_TRAINING = {"minutes": (50_000, 300_000), "paper": (200_000, 10_000_000)}
"""Samples to learn from, and how many are seen until the end, by scale."""


def selection_part(scale: Scale, seed: int) -> Part:
    """The figure: a training for each curve."""
    samples, seen = _TRAINING[scale.name]
    pairs = list(dict.fromkeys([(b, _RATE) for b in _BATCHES] + [(_BATCH, r) for r in _RATES]))
    units = tuple(_unit(batch, rate, samples, seen, seed) for batch, rate in pairs)
    words = (
        f"The paper's network for {_USERS} users, trained on {samples:,} samples until it has seen "
        f"{seen:,}, without reducing the learning rate. As published, without numbers: larger "
        "batches learn more slowly, smaller ones unsteadily; a larger learning rate ends at a "
        "larger error, a smaller one learns more slowly. The paper chose batches of 1,000 and a "
        "learning rate of 0.001."
    )
    return Part("fig6", "Fig. 6: batch size and learning rate", words, units, _document)


def _unit(batch: int, rate: float, samples: int, seen: int, seed: int) -> Unit:
    identity = {"batch": batch, "rate": rate, "samples": samples, "seen": seen, "seed": seed}
    steps = max(1, seen // batch)
    name = f"batch {batch}, learning rate {rate:g}"
    return Unit(
        "figure-6",
        name,
        steps,
        lambda: identity,
        lambda done: _train(batch, rate, samples, steps, seed, done),
        timed=True,
    )


def _train(
    batch: int, rate: float, samples: int, steps: int, seed: int, done: Callable[[int], None]
) -> dict[str, Any]:
    from slotwise.controllers.training.loop import fit
    from slotwise.controllers.training.mlp import Options, recipe_for, task

    recipe = recipe_for(
        "supervised",
        steps,
        batch=batch,
        learning_rate=rate,
        schedule="constant",
        validate_every=max(1, steps // _VALIDATIONS),
    )
    options = Options("supervised", samples, seed, validation=_VALIDATION)
    learned = task(load("gaussian-ic"), _USERS, recipe, options)
    outcome = fit(_Scored(learned), recipe, progress=lambda step, _: done(step))
    return {
        "batch": batch,
        "learning_rate": rate,
        "seconds": outcome.seconds,
        "curve": [(entry["step"] * batch, -entry["closeness"]) for entry in outcome.history],
        "relative_rounded": max(entry["relative_rounded"] for entry in outcome.history),
    }


class _Scored:
    """A task that is validated by its mean square error first, as in the paper."""

    def __init__(self, task: MlpTask) -> None:
        from slotwise.controllers.training.draws import Part as Purpose
        from slotwise.controllers.training.draws import collect, form_of, of_scenario

        self._task = task
        draw = of_scenario(load("gaussian-ic"), _USERS)
        self._checked = collect(draw, form_of(draw), 0, Purpose.VALIDATION, _VALIDATION)
        self.identity: Mapping[str, Any] = {**task.identity, "validated by": "mean square error"}

    @property
    def network(self) -> nn.Module:
        return self._task.network

    def loss(self, step: int) -> Tensor:
        return self._task.loss(step)

    def validate(self) -> dict[str, float]:
        """The error with its sign turned, because higher is better, and the rates."""
        import torch

        amplitude, fraction = map(torch.from_numpy, self._checked)
        with torch.no_grad():
            error = (self._task.network(amplitude) - fraction).square().mean()
        return {"closeness": -float(error), **self._task.validate()}


def _document(results: Sequence[Result]) -> Document:
    heads = (
        "batch",
        "learning rate",
        "least error",
        "last error",
        "rounded, of WMMSE [%]",
        "training [s]",
    )
    rows = [
        {
            "batch": result["batch"],
            "learning_rate": result["learning_rate"],
            "least_error": min(error for _, error in result["curve"]),
            "last_error": result["curve"][-1][1],
            "relative_rounded": result["relative_rounded"],
            "seconds": result["seconds"],
        }
        for result in results
    ]
    cells = [
        (
            f"{row['batch']:,}",
            f"{row['learning_rate']:g}",
            number(row["least_error"]),
            number(row["last_error"]),
            f"{100 * row['relative_rounded']:.2f}",
            number(row["seconds"]),
        )
        for row in rows
    ]
    return Document([Grid("", heads, cells)], rows=rows, drawings=lambda: _draw(results))


def _draw(results: Sequence[Result]) -> list[Drawing]:
    by_batch = {f"batch {r['batch']:,}": r for r in results if r["learning_rate"] == _RATE}
    by_rate = {f"learning rate {r['learning_rate']:g}": r for r in results if r["batch"] == _BATCH}
    words = {"figure-6a": ("batch size", by_batch), "figure-6b": ("learning rate", by_rate)}
    return [_panel(name, what, curves) for name, (what, curves) in words.items()]


def _panel(name: str, what: str, curves: Mapping[str, Result]) -> Drawing:
    chosen = looks(sorted(curves))
    figure = sheet(2.6, list(chosen))
    axes = figure.add_subplot()
    for label, look in chosen.items():
        seen, error = zip(*curves[label]["curve"], strict=True)
        axes.plot(seen, error, color=look.colour, linestyle=look.linestyle)
    axes.set_xlabel("samples seen")
    axes.set_ylabel("mean square error")
    keys(figure, chosen)
    caption = f"Mean square error of the powers on validation draws while training, by {what}."
    label = f"Line chart of the validation error over samples seen, by {what}."
    return finish(figure, name, f"Validation error by {what}", caption, label)
