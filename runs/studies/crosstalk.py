"""Table VI: a network for measured gains, trained on draws that have their statistics.

The paper measured crosstalk of telephone lines, took mean and variance of the direct and of the
cross coefficients from a part of the measurements, trained on normal draws with these, and tested
on the rest. Its measurements are not public; the recipe is for any gains. Coefficients that are
spread over many orders of magnitude, as those of radio are, are far from normal, so a second
network learns from draws whose levels in dB have the measured mean and variance, and of which as
many are zero.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.drops import Drops
from slotwise.emulator.measured import read_gains
from slotwise.emulator.scenario import InputError
from slotwise.runs.frozen import Frozen
from slotwise.runs.progress import beyond
from slotwise.runs.report.quantities import number
from slotwise.runs.simulation import versions
from slotwise.runs.studies.measurement import make_methods, measure_on
from slotwise.runs.studies.methods import CLASSICAL, OPTIMISER
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit
from slotwise.runs.studies.published import MEASURED_LINES
from slotwise.runs.studies.setting import Scale, Setting
from slotwise.runs.studies.tables import show_settings, weights_digest

if TYPE_CHECKING:
    from slotwise.controllers.training.mlp import Objective

__all__ = [
    "Levels",
    "Measured",
    "Normal",
    "crosstalk_part",
    "draws_like",
    "fit_levels",
    "fit_normal",
]

Array = NDArray[np.float64]

_TRAINING_SAMPLES = 50_000  # as in the paper
_VALIDATION_SHARE = 5000 / 6955  # as in the paper
_EPOCHS = {"minutes": 20, "paper": 100}
_BATCH = 1000
_VALIDATION = 2000
_VALIDATIONS = 20
_NORMAL, _LEVELS = "mlp, normal draws", "mlp, levels in dB"


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured gains and what they are decided with.

    Attributes
    ----------
    path : Path
        File of gains, as `slotwise evaluate --gains` takes it.
    noise_power, p_max : float
        Of every user [W].
    """

    path: Path
    noise_power: float = 1.0
    p_max: float = 1.0


class Normal(NamedTuple):
    """Mean and standard deviation of coefficients, the square roots of gains."""

    mean: float
    deviation: float


class Levels(NamedTuple):
    """Mean and deviation of levels [dB], and the share of gains that are zero."""

    mean_db: float
    deviation_db: float
    zero: float


def fit_normal(gain: Array) -> Normal:
    """The paper's statistics of gains of one kind, direct or cross."""
    amplitude = np.sqrt(gain)
    return Normal(float(amplitude.mean()), float(amplitude.std()))


def fit_levels(gain: Array) -> Levels:
    """Statistics of levels; what was not heard is counted apart."""
    heard = gain[gain > 0]
    if not heard.size:
        return Levels(0.0, 0.0, 1.0)
    level = 10.0 * np.log10(heard)
    return Levels(float(level.mean()), float(level.std()), float(np.mean(gain <= 0)))


def draws_like(
    direct: Normal | Levels, cross: Normal | Levels, users: int, measured: Measured
) -> Callable[[int, int], Drops]:
    """Networks whose gains are independent and have these statistics, by seed and number."""
    own = np.eye(users, dtype=np.bool_)

    def draw(seed: int, samples: int) -> Drops:
        rng = np.random.default_rng(seed)
        shape = (samples, users, users)
        gain = np.where(own, _drawn(direct, shape, rng), _drawn(cross, shape, rng))
        every = np.ones(users)
        return Drops(gain, measured.noise_power * every, measured.p_max * every, every, None)

    return draw


def _drawn(like: Normal | Levels, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if isinstance(like, Normal):
        return rng.normal(like.mean, like.deviation, shape) ** 2
    level = rng.normal(like.mean_db, like.deviation_db, shape)
    return np.where(rng.random(shape) < like.zero, 0.0, 10.0 ** (level / 10.0))


def crosstalk_part(measured: Measured, scale: Scale, seed: int, out: Path) -> Part:
    """The table on gains of one's own.

    Parameters
    ----------
    measured : Measured
        The gains.
    scale : Scale
        Draws, times and training.
    seed : int
        Of first weights and draws.
    out : Path
        The study's directory, where the trained networks are kept.

    Raises
    ------
    InputError
        If the file is unusable or too short to be divided.
    """
    gain, border = _divided(measured)
    chosen = border + np.unique(
        np.linspace(0, len(gain) - border - 1, min(scale.samples, len(gain) - border)).astype(int)
    )
    setting = Setting(
        label=measured.path.stem,
        scenario=str(measured.path),
        users=gain.shape[-1],
        samples=len(chosen),
        methods=(*CLASSICAL, _NORMAL, _LEVELS, *OPTIMISER),
    )
    steps = _EPOCHS[scale.name] * _TRAINING_SAMPLES // _BATCH
    others = {label: label for label in (*CLASSICAL, *OPTIMISER)}

    def identity() -> dict[str, Any]:
        return {
            "setting": asdict(setting),
            "gains": f"{zlib.crc32(gain.tobytes()):08x}",
            "noise_power": measured.noise_power,
            "p_max": measured.p_max,
            "seed": seed,
            "steps": steps,
            "latency_samples": scale.latency_samples,
            "latency_s": scale.latency_s,
            "weights": {label: weights_digest(label) for label in make_methods(others)[0]},
        }

    def compute(done: Callable[[int], None]) -> dict[str, Any]:
        kinds = _fits(gain[:border])
        specs = dict(others)
        for turn, (label, (direct, cross)) in enumerate(kinds.items()):
            learning = _Learning(
                draws_like(direct, cross, setting.users, measured),
                "supervised" if label == _NORMAL else "both",
                f"measured-{type(direct).__name__.lower()}",
                measured.path.name,
                {**_told(direct, cross), "seed": seed},
            )
            path = learning.train(out / "weights", seed, steps, beyond(done, turn * steps))
            specs[label] = f"mlp:{path}"
        test = Frozen.of(gain[chosen], measured.noise_power, measured.p_max)
        result = asdict(measure_on(iter([test]), setting, specs, scale))
        return {**result, "fits": {label: _told(*fit) for label, fit in kinds.items()}}

    unit = Unit("table-6", setting.label, 2 * steps, identity, compute, timed=True)
    words = _introduction(measured, len(gain), border, setting)
    return Part(
        "6", "Table VI: measured gains", words, (unit,), lambda found: _document(setting, found)
    )


def _told(direct: Normal | Levels, cross: Normal | Levels) -> dict[str, Any]:
    return {"direct": direct._asdict(), "cross": cross._asdict()}


def _divided(measured: Measured) -> tuple[Array, int]:
    """Measured gains, and how many of the first ones statistics are fitted to."""
    gain = read_gains(measured.path, 20.0)
    border = round(_VALIDATION_SHARE * len(gain))
    if not 0 < border < len(gain) or gain.shape[-1] < 2:
        raise InputError(
            f"{measured.path}: shape {gain.shape}: at least two draws of two users are needed"
        )
    return gain, border


def _introduction(measured: Measured, draws: int, border: int, setting: Setting) -> str:
    return (
        f"{draws:,} measured draws of {setting.users} users; statistics from the first "
        f"{border:,}, {_TRAINING_SAMPLES:,} draws to train on that have them, tested on "
        f"{setting.samples:,} of the rest; noise {measured.noise_power:g} W, largest power "
        f"{measured.p_max:g} W. *Normal draws* is the paper's recipe; *levels in dB* has the "
        "measured mean and variance of levels and learns the sum rate."
    )


@dataclass(frozen=True, slots=True)
class _Learning:
    """One perceptron to train on draws that are no scenario's."""

    draw: Callable[[int, int], Drops]
    objective: Objective
    name: str
    gains: str
    source: Mapping[str, Any]

    def train(self, folder: Path, seed: int, steps: int, done: Callable[[int], None]) -> Path:
        """Train and write the weights; a training that was stopped goes on."""
        from slotwise.controllers.cards import Card, write
        from slotwise.controllers.training.loop import fit
        from slotwise.controllers.training.mlp import MlpTask, Options, recipe_for

        options = Options(self.objective, _TRAINING_SAMPLES, seed, validation=_VALIDATION)
        every = max(1, steps // _VALIDATIONS)
        recipe = recipe_for(self.objective, steps, batch=_BATCH, validate_every=every)
        task = MlpTask(self.draw, recipe, options, self.source)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / f"{self.name}.checkpoint.safetensors"
        outcome = fit(task, recipe, checkpoint=checkpoint, progress=lambda step, _: done(step))
        card = Card(
            network="mlp",
            name=self.name,
            sizes=task.network.sizes._asdict(),
            scenario=self.gains,
            users=task.network.sizes.users,
            command=f"slotwise study sun2018 --tables 6 --gains {self.gains}",
            recipe={**asdict(recipe), **options._asdict(), **self.source},
            seed=seed,
            steps=outcome.steps,
            samples=_TRAINING_SAMPLES,
            seconds=outcome.seconds,
            date=datetime.now(UTC).date().isoformat(),
            versions=versions(),
        )
        path = folder / f"{self.name}.safetensors"
        tensors = task.network.plain_tensors()
        write(path, card, {name: tensor.numpy() for name, tensor in tensors.items()})
        checkpoint.unlink()
        return path


def _fits(gain: Array) -> dict[str, tuple[Normal | Levels, Normal | Levels]]:
    """Statistics of direct and cross gains, by the label of who learns from them."""
    own = np.eye(gain.shape[-1], dtype=np.bool_)
    direct, cross = gain[:, own], gain[:, ~own]
    return {
        _NORMAL: (fit_normal(direct), fit_normal(cross)),
        _LEVELS: (fit_levels(direct), fit_levels(cross)),
    }


def _document(setting: Setting, results: Sequence[Result]) -> Document:
    shown = show_settings([setting], results, times="decision")
    heads = (
        "lines",
        "network [bit/s/Hz]",
        "WMMSE [bit/s/Hz]",
        "ratio [%]",
        "network [s]",
        "WMMSE in C [s]",
    )
    lines = [
        (label, *map(number, line[:2]), f"{100 * line[2]:.2f}", *map(number, line[3:]))
        for label, line in MEASURED_LINES.items()
    ]
    published = Grid("Published, on telephone lines of 28 users, 1,955 draws", heads, lines)
    fits = [
        f"{label}: {kind} {', '.join(f'{name} {number(value)}' for name, value in like.items())}."
        for label, each in results[0]["fits"].items()
        for kind, like in each.items()
    ]
    return Document([*shown.grids, published], shown.details, shown.rows, [*shown.notes, *fits])
