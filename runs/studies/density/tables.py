"""What the transfer figures say in numbers, and whether the goals are reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from slotwise.runs.report.quantities import MISSING, count, number
from slotwise.runs.studies.density.orders import Order
from slotwise.runs.studies.part import Document, Grid, Result

__all__ = ["Outcome", "curve_document", "quartiles", "transfer_document"]

_TUNED, _SCRATCH = "pre-trained, then real samples", "real samples alone"
_MOST_AT_300, _AIM_AT_300, _AIM_AT_10, _FEW_FACTOR = 1e-3, 3e-4, 2e-3, 3.0


class Outcome(NamedTuple):
    """Both kinds on one sort of labels.

    Attributes
    ----------
    labels : str
        ``exact`` or ``searched``.
    order : Order
        What was trained.
    tuned, scratch : mapping
        What `transferred` gave.
    """

    labels: str
    order: Order
    tuned: Result
    scratch: Result

    def median(self, arm: str, size: int, key: str = "test") -> float | None:
        """Median over seeds; None where this size was not trained."""
        if size not in self.order.sizes:
            return None
        result = self.tuned if arm == "tuned" else self.scratch
        return float(np.median(result[key][self.order.sizes.index(size)]))


def quartiles(values: Sequence[Sequence[float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Lower quartile, median, upper quartile over seeds: [3, sizes]."""
    return np.quantile(np.asarray(values, dtype=np.float64), [0.25, 0.5, 0.75], axis=1)


def transfer_document(outcomes: Sequence[Outcome]) -> Document:
    """Tables over the numbers of real samples; figures are added by whoever draws them.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Exact labels first.
    """
    grids = [_errors(each) for each in outcomes]
    grids += [_goals(outcomes[0])]
    details = [table for each in outcomes for table in _details(each)]
    rows = [row for each in outcomes for row in _rows(each)]
    return Document(grids, details, rows)


def _sizes(order: Order) -> tuple[str, ...]:
    return tuple(count(size) for size in order.sizes)


def _spread(values: Sequence[Sequence[float]], scale: float = 1.0, digits: int = 2) -> list[str]:
    return [
        f"{number(scale * middle, digits)} [{number(scale * low, digits)}, "
        f"{number(scale * high, digits)}]"
        for low, middle, high in quartiles(values).T
    ]


def _errors(outcome: Outcome) -> Grid:
    order, starts = outcome.order, outcome.order.starts
    model = [outcome.tuned["model"]] * len(order.sizes)
    lines = [
        (f"{_TUNED}, best of {starts} starts", outcome.tuned["test"]),
        (f"{_SCRATCH}, best of {starts} starts", outcome.scratch["test"]),
        (f"{_TUNED}, one start", outcome.tuned["one"]),
        (f"{_SCRATCH}, one start", outcome.scratch["one"]),
        ("the model alone: pre-trained, not adapted", model),
    ]
    title = (
        f"Relative MSE on the test set, {outcome.labels} labels: median [quartiles] of "
        f"{order.seeds} seeds"
    )
    heads = ("real samples", *_sizes(order))
    return Grid(title, heads, [(words, *_spread(values)) for words, values in lines])


def _details(outcome: Outcome) -> list[Grid]:
    order = outcome.order
    heads = ("real samples", *_sizes(order))
    both = ((_TUNED, outcome.tuned), (_SCRATCH, outcome.scratch))
    model = [outcome.tuned["model_lost"]] * len(order.sizes)
    lost = [(words, *_spread(result["lost"], 100.0)) for words, result in both]
    training = [(words, *_spread(result["training"])) for words, result in both]
    broken = [
        (f"{words}: {name}", *(count(value) for value in result[key]))
        for words, result in both
        for key, name in (("dead", "dead"), ("failed", "relative MSE above 0.05"))
    ]
    runs = order.seeds * order.starts
    return [
        Grid(
            f"Energy efficiency lost [%], {outcome.labels} labels: median [quartiles]",
            heads,
            [*lost, ("the model alone", *_spread(model, 100.0))],
        ),
        Grid(f"Relative MSE on the training set, {outcome.labels} labels", heads, training),
        Grid(
            f"Of {runs} trainings, {outcome.labels} labels; dead networks answer all alike",
            heads,
            broken,
        ),
    ]


def _goals(outcome: Outcome) -> Grid:
    """What should be reached on exact labels."""

    def tuned(size: int) -> float | None:
        return outcome.median("tuned", size)

    lines: list[tuple[str, str, bool | None]] = []
    for size, most, words in (
        (300, _MOST_AT_300, "goal"),
        (300, _AIM_AT_300, "aim"),
        (10, _AIM_AT_10, "aim"),
    ):
        found = tuned(size)
        lines.append(
            (
                f"{words}: pre-trained, {size} samples, at most {number(most, 1)}",
                number(found, 2),
                None if found is None else found <= most,
            )
        )
    for key, words in (
        ("test", f"best of {outcome.order.starts} starts each"),
        ("one", "one start each"),
    ):
        lines += _comparisons(outcome, key, words)
    lines += _model_lines(outcome)
    cells = [
        (words, found, MISSING if reached is None else ("yes" if reached else "no"))
        for words, found, reached in lines
    ]
    return Grid("Goals, exact labels, medians", ("what", "found", "reached"), cells)


def _comparisons(outcome: Outcome, key: str, words: str) -> list[tuple[str, str, bool | None]]:
    sizes = outcome.order.sizes
    factor = {
        size: (outcome.median("scratch", size, key) or 0.0)
        / (outcome.median("tuned", size, key) or np.inf)
        for size in sizes
    }
    few = [size for size in sizes if size <= 30]
    text = ", ".join(f"{number(value, 2)}" for value in factor.values())
    lines: list[tuple[str, str, bool | None]] = [
        (
            f"goal: better than real samples alone at every size ({words})",
            f"times {text}",
            all(value > 1.0 for value in factor.values()),
        ),
        (
            f"goal: at least 3 times at 30 or fewer ({words})",
            f"times {', '.join(number(factor[size], 2) for size in few)}",
            all(factor[size] >= _FEW_FACTOR for size in few) if few else None,
        ),
    ]
    mine, other = outcome.median("tuned", 300, key), outcome.median("scratch", 3000, key)
    if mine is not None and other is not None:
        line = f"aim: 300 pre-trained beat 3,000 without ({words})"
        lines.append((line, f"{number(mine, 2)} against {number(other, 2)}", mine < other))
    return lines


def _model_lines(outcome: Outcome) -> list[tuple[str, str, bool | None]]:
    model = float(np.median(outcome.tuned["model"]))
    lines: list[tuple[str, str, bool | None]] = []
    for arm, words in (("tuned", _TUNED), ("scratch", _SCRATCH)):
        medians = {size: outcome.median(arm, size) or 0.0 for size in outcome.order.sizes}
        not_so = [count(size) for size, value in medians.items() if value >= model]
        found = f"not at {', '.join(not_so)}" if not_so else "everywhere"
        lines.append((f"goal: the model alone is worse than {words}", found, not not_so))
    return lines


def _rows(outcome: Outcome) -> list[Mapping[str, Any]]:
    order = outcome.order
    rows: list[Mapping[str, Any]] = [
        {
            "labels": outcome.labels,
            "kind": arm,
            "samples": size,
            "seed": seed,
            **{
                name: result[key][place][seed]
                for name, key in (
                    ("training_relative_mse", "training"),
                    ("test_relative_mse", "test"),
                    ("one_start_relative_mse", "one"),
                    ("efficiency_lost", "lost"),
                )
            },
        }
        for arm, result in (("tuned", outcome.tuned), ("scratch", outcome.scratch))
        for place, size in enumerate(order.sizes)
        for seed in range(order.seeds)
    ]
    rows += [
        {
            "labels": outcome.labels,
            "kind": "model",
            "samples": 0,
            "seed": seed,
            "test_relative_mse": outcome.tuned["model"][seed],
            "efficiency_lost": outcome.tuned["model_lost"][seed],
        }
        for seed in range(order.seeds)
    ]
    return rows


def curve_document(labels: Sequence[str], results: Sequence[Result]) -> Document:
    """Medians after 1, 10 and 50 epochs.

    Parameters
    ----------
    labels : sequence of str
        Of each result: its number of samples or architecture.
    results : sequence of mapping
        What `curves` gave.
    """
    epochs = (1, 10, 50)
    heads = ("", *(f"{part}, {epoch}" for part in ("training", "validation") for epoch in epochs))
    cells, rows = [], []
    for label, result in zip(labels, results, strict=True):
        for arm, words in (("tuned", _TUNED), ("scratch", _SCRATCH)):
            middle = {
                part: np.median(result[arm][part], axis=1) for part in ("training", "validation")
            }
            found = [middle[part][epoch] for part in middle for epoch in epochs]
            cells.append((f"{label}: {words}", *(number(float(value), 2) for value in found)))
            rows += [
                {
                    "of": label,
                    "kind": arm,
                    "epoch": epoch,
                    "training_relative_mse": float(middle["training"][epoch]),
                    "validation_relative_mse": float(middle["validation"][epoch]),
                }
                for epoch in range(len(middle["training"]))
            ]
    title = "Relative MSE after so many epochs, median over seeds"
    return Document([Grid(title, heads, cells)], rows=rows)
