"""What learning costs decisions: decided beside a process that learns, and beside none.

A second process gives lessons whenever it is told to, and this one decides. Blocks with and without
lessons take turns, so that whatever else the machine does meets both alike, and medians of
neighbouring blocks are compared. Besides, lives are lived whose decisions and lessons take the time
that they took, with lessons on a core of their own and on the one that decides.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.registry import make
from slotwise.emulator.clock import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import load
from slotwise.runs.intervals import mean_of_ratios
from slotwise.runs.learning import learned as learned_in
from slotwise.runs.quiet import single_threaded
from slotwise.runs.report.quantities import MISSING, count, duration, number
from slotwise.runs.simulation import simulate
from slotwise.runs.studies.online import draws
from slotwise.runs.studies.online.arms import Arm, learned, network
from slotwise.runs.studies.online.frozen_samples import ADAPTIVE, UNROLLED
from slotwise.runs.studies.online.scale import OnlineScale
from slotwise.runs.studies.part import Document, Grid, Part, Result, Unit
from slotwise.runs.studies.tables import weights_digest

__all__ = ["beside_lessons", "latency_part", "ratio_of"]

Array = NDArray[np.float64]

_BASES = {"perceptron": ADAPTIVE, "unrolled": UNROLLED}
_PLACE = "table-latency"
_OBSERVED = 200
_SETTLE_S = 0.02
_START_S = 120.0
_MEASURED = ('timing.mode="measured"', "timing.slot_s=0.02")
_LIFE_SLOTS = 1500
_EVERY = 100


def beside_lessons(spec: str, pairs: int, block_s: float, seed: int) -> dict[str, list[float]]:
    """Median decision times of blocks, beside a process that learns and beside none.

    Parameters
    ----------
    spec : str
        The trained network that decides, and that is learned in the other process.
    pairs : int
        Blocks of each kind.
    block_s : float
        How long each lasts [s].
    seed : int
        Fixes reports and lessons.

    Returns
    -------
    dict of str to list of float
        ``learning`` and ``alone``, blocks in order [s]; ``lessons``, how many were finished.
    """
    seat = make(f"finetuned:base={spec}")
    scenario = load("gaussian-ic")
    seat.reset(scenario, seed)
    reports = _reports(seed)
    found: dict[str, list[float]] = {"learning": [], "alone": []}
    with single_threaded(), _second_process(spec, seed) as (wanted, lessons):
        _block(seat, reports, block_s)
        for _ in range(pairs):
            for kind in ("learning", "alone"):
                (wanted.set if kind == "learning" else wanted.clear)()
                time.sleep(_SETTLE_S)
                found[kind].append(_block(seat, reports, block_s))
        found["lessons"] = [float(lessons())]
    return found


def _reports(seed: int) -> list[Observation]:
    emulator = Emulator(load("gaussian-ic"), seed, slots=_OBSERVED)
    reports = []
    while (report := emulator.advance()) is not None:
        reports.append(report.observation())
        emulator.grant(reports[-1].p_max)
    return reports


def _block(seat: Any, reports: Sequence[Observation], block_s: float) -> float:
    """Median time of a decision over a block [s]."""
    taken = []
    end = time.perf_counter() + block_s
    at = 0
    while (before := time.perf_counter()) < end:
        seat.decide(reports[at % len(reports)])
        taken.append(time.perf_counter() - before)
        at += 1
    return float(np.median(taken))


@contextmanager
def _second_process(spec: str, seed: int) -> Iterator[tuple[Event, Callable[[], int]]]:
    """A process that learns while an event is set."""
    context = multiprocessing.get_context("spawn")
    wanted, ready = context.Event(), context.Event()
    lessons: Any = context.Value("q", 0)
    learner = context.Process(
        target=_learn_when_wanted, args=(spec, seed, wanted, ready, lessons), daemon=True
    )
    learner.start()
    try:
        if not ready.wait(_START_S):
            raise RuntimeError("the process that learns did not start")
        yield wanted, lambda: int(lessons.value)
    finally:
        learner.kill()
        learner.join()


def _learn_when_wanted(spec: str, seed: int, wanted: Event, ready: Event, lessons: Any) -> None:
    """Give short lessons, one after another, as long as they are wanted."""
    import torch

    torch.set_num_threads(1)
    base, owner = network(spec), os.getppid()
    seen = draws.pairs("fixed", _OBSERVED, 1, seed).seen
    arm = Arm("", spec)

    def teach() -> None:
        # Short, so that it stops soon after it is told to.
        learned(arm, base, base.tensors, seen, (seed,), {"steps": 2, "fresh": 1})

    teach()
    ready.set()
    while os.getppid() == owner:
        if wanted.wait(1.0):
            teach()
            lessons.value += 1


def latency_part(scale: OnlineScale, seed: int) -> Part:
    """The tables of decision times.

    Parameters
    ----------
    scale : OnlineScale
        Blocks.
    seed : int
        Fixes reports and lessons; times are this machine's.
    """
    units = []
    for name, spec in _BASES.items():
        same = {"spec": spec, "weights": weights_digest(spec), "seed": seed}
        blocks = {**same, "blocks": scale.blocks, "block_s": scale.block_s}
        units.append(Unit(_PLACE, name, 0, _told(blocks), _blocks(spec, scale, seed), timed=True))
        for place in ("background", "inline"):
            life = {**same, "learning": place, "slots": _LIFE_SLOTS, "steps": scale.steps}
            units.append(
                Unit(
                    _PLACE,
                    f"{name} {place}",
                    _LIFE_SLOTS,
                    _told(life),
                    _life(spec, place, scale, seed),
                    timed=True,
                )
            )
    words = (
        f"Ten users. First: {scale.blocks} pairs of blocks of {scale.block_s:g} s, in one of which "
        "a second process gives lessons without a pause; each block's median decision, the ratio "
        "of neighbours, and half of a 95% interval over pairs. Then: lives of "
        f"{_LIFE_SLOTS:,} slots of 20 ms whose decisions and lessons (every {_EVERY} reports) take "
        "the time that they took on this machine. *Answer* is the network's time from a report to "
        "its powers in force."
    )
    return Part("latency", "Decision times while learning", words, tuple(units), _document)


def _told(values: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    return lambda: values


def _blocks(spec: str, scale: OnlineScale, seed: int) -> Callable[..., Result]:
    return lambda _: beside_lessons(spec, scale.blocks, scale.block_s, seed)


def _life(spec: str, place: str, scale: OnlineScale, seed: int) -> Callable[..., Result]:
    def compute(done: Callable[[int], None]) -> Result:
        scenario = load("gaussian-ic", [*_MEASURED, f'timing.learning="{place}"'])
        steps = f",steps={scale.steps}" if scale.steps else ""
        seat = f"finetuned:base={spec},every={_EVERY},guard=false{steps}"
        with single_threaded():
            life = simulate(scenario, seat, slots=_LIFE_SLOTS, seed=seed, progress=done)
        slot_s = scenario.timing.slot_s
        tables = life.tables["lessons"], life.tables["decisions"]
        found = learned_in([tables], _LIFE_SLOTS * slot_s, slot_s)
        return {"learning": None if found is None else dict(found)}

    return compute


def ratio_of(result: Result) -> tuple[float, float, float]:
    """Decision time beside a process that learns over that beside none, and its interval."""
    found = mean_of_ratios(np.array(result["learning"]), np.array(result["alone"]))
    value, low, high = (float(each) if each is not None else float("nan") for each in found)
    return value, low, high


def _document(results: Sequence[Result]) -> Document:
    rows: list[dict[str, Any]] = []
    blocks, lives = [], []
    for turn, name in enumerate(_BASES):
        beside, *lived = results[3 * turn : 3 * turn + 3]
        value, low, high = ratio_of(beside)
        middle = [float(np.median(beside[kind])) for kind in ("alone", "learning")]
        share = float(np.median(np.array(beside["learning"]) / np.array(beside["alone"])))
        half = number((high - low) / 2, 2)
        blocks.append((name, *map(duration, middle), f"{value:.3f} ± {half}", f"{share:.3f}"))
        rows.append(
            {"who": name, "alone_s": middle[0], "learning_s": middle[1], "ratio": value}
            | {"low": low, "high": high, "median_ratio": share, "pairs": len(beside["alone"])}
        )
        for place, result in zip(("background", "inline"), lived, strict=True):
            found = result["learning"] or {}
            names = ("latency_alone_p50_s", "latency_p50_s", "answer_alone_p50_s", "answer_p50_s")
            times = [duration(found.get(key)) for key in names]
            share_ = number(found.get("clock_s_per_s"))
            lives.append((f"{name}, {place}", count(found.get("lessons")), share_, *times))
            rows.append({"who": f"{name}, {place}", **found})
    heads = ("decides", "alone p50", "beside lessons p50", "mean ratio", "median ratio")
    life_heads = (
        "lives, learning",
        "lessons",
        "learning s/s",
        "decision p50 alone",
        "while learning",
        "answer p50 alone",
        "while learning",
    )
    missing = [] if lives else [MISSING]
    return Document(
        [
            Grid("A second process learns", heads, blocks),
            Grid("On the network's clock", life_heads, lives),
        ],
        (),
        rows,
        missing,
    )
