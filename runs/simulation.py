"""One life: a controller sits in the seat of one emulated network."""

from __future__ import annotations

import functools
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from slotwise.controllers import Controller, make
from slotwise.emulator.clock import Emulator
from slotwise.emulator.lessons import OUTCOMES, Lesson
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.emulator.trace import COLUMNS
from slotwise.runs.directory import read_run
from slotwise.runs.life import Life
from slotwise.runs.summary import summarise
from slotwise.runs.watchdog import Abandoned, time_limit

__all__ = ["ABANDONED", "command_line", "rehearse", "simulate", "versions"]

_REHEARSAL_S = 60.0  # most that a first decision takes, compiling included

ABANDONED = "abandoned"
"""How the fault of a decision begins that had to be ended from outside."""


def simulate(
    scenario: Scenario,
    controller: str | Controller,
    *,
    slots: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    replay: Life | Path | None = None,
) -> Life:
    """Let a controller decide in one emulated network.

    Parameters
    ----------
    scenario : Scenario
        The network.
    controller : str or Controller
        A spec such as ``"wmmse:warm_start=true"``, or a controller.
    slots : int
        How long.
    seed : int
        Fixes everything but measured time.
    progress : callable, optional
        Called now and then with the number of slots begun.
    replay : Life or Path, optional
        A recorded life, or its directory, whose decision times are charged instead of this
        machine's, so that a measured life is repeated exactly.

    Returns
    -------
    Life

    Raises
    ------
    InputError
        If the controller is unknown, or the replayed life is not of this scenario, controller
        and seed, or shorter.
    """
    if slots < 1:
        raise InputError(f"slots = {slots}: must be at least 1")
    if seed < 0:
        raise InputError(f"seed = {seed}: must be a non-negative integer")
    seat = make(controller, seed=seed) if isinstance(controller, str) else controller
    if replay is not None and seat.lasting:
        raise InputError(f"replay: {seat.name} goes on from what it has learned: leave out resume")
    began = time.perf_counter()
    emulator = Emulator(scenario, seed, slots=slots, record=True)
    if isinstance(controller, str):
        rehearse(controller, scenario, seed)
    seat.reset(scenario, seed)
    label = controller if isinstance(controller, str) else controller.name
    info = _info(scenario, label, seed, slots, emulator)
    recorded = None if replay is None else _recorded_times(replay, info)
    try:
        _live(emulator, seat, progress, recorded)
    finally:
        seat.leave()
    journal = emulator.journal
    summary = summarise(journal.traces[0], journal.tally, scenario)
    summary["seconds"] = time.perf_counter() - began
    tables = {name: journal.traces[0].table(name) for name in COLUMNS}
    return Life(info | {"users_seen": len(tables["users"]["user_id"])}, summary, tables)


def rehearse(controller: str, scenario: Scenario, seed: int) -> None:
    """Decide once where it does not count: what is compiled on first use is compiled now.

    Whatever goes wrong will go wrong again when it counts.

    Parameters
    ----------
    controller : str
        Spec of who decides.
    scenario : Scenario
        The network, which is thrown away.
    seed : int
        Fixes it.
    """
    understudy = make(controller, seed=seed)
    understudy.rehearsing = True
    report = Emulator(scenario, seed, slots=1).advance()
    if report is not None and report.users[0]:
        understudy.reset(scenario, seed)
        with time_limit(_REHEARSAL_S) as limited:
            _decide(understudy, report.observation(), limited, _REHEARSAL_S)


def versions() -> dict[str, str]:
    """Versions of slotwise and of what its numbers depend on."""
    return dict(_versions())


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    """The same, looked up once."""
    packages = ("slotwise", "numpy", "numba", "scipy", "simpy", "torch")
    found = {package: metadata.version(package) for package in packages}
    found |= {"python": platform.python_version(), "machine": platform.machine()}
    return tuple(found.items())


def command_line() -> str:
    """The command as it was typed; empty where Python code asked."""
    program = Path(sys.argv[0]).name
    return shlex.join([program, *sys.argv[1:]]) if program.startswith("slotwise") else ""


def _live(
    emulator: Emulator,
    seat: Controller,
    progress: Callable[[int], None] | None,
    recorded: _Recorded | None,
) -> None:
    """Hand reports to the seat until the last slot has ended."""
    timing = emulator.scenario.timing
    lessons = _Learning(emulator, seat, None if recorded is None else recorded.lessons)
    limit_s = timing.abandon_s if timing.mode == "measured" and recorded is None else None
    every = max(1, (emulator.slots or 1) // 200)
    inline = seat.learns and timing.learning == "inline"
    with time_limit(limit_s) as limited:
        while (report := emulator.advance()) is not None:
            if progress is not None and report.slot % every == 0:
                progress(report.slot)
            observation = report.observation()
            if observation.user_id.size == 0:
                emulator.skip()
                continue
            started = time.perf_counter()
            charged_s, cause = (None, "") if recorded is None else next(recorded.decisions)
            power: Any = None
            if not cause.startswith(ABANDONED):  # asked again, it might not end again
                power, cause = _decide(seat, observation, limited, timing.abandon_s)
            if inline:  # on the core that decides
                lessons.watch(observation)
            elapsed_s = time.perf_counter() - started if charged_s is None else charged_s
            if cause:
                emulator.fail(cause, elapsed_s)
            else:
                emulator.grant(power, elapsed_s)
            if seat.learns:
                lessons.go_on(None if inline else observation)


class _Recorded(NamedTuple):
    """Times that are charged instead of this machine's."""

    decisions: Iterator[tuple[float, str]]
    lessons: Iterator[float]


class _Learning:
    """Gives a seat time to learn, and charges it."""

    def __init__(
        self, emulator: Emulator, seat: Controller, recorded: Iterator[float] | None
    ) -> None:
        self._emulator, self._seat, self._recorded = emulator, seat, recorded
        self._spent_s = 0.0  # since the last lesson: observations are kept at its expense
        self._able = True

    def watch(self, observation: Observation) -> None:
        """Let the seat keep an observation; one that cannot is not asked again."""
        if self._able:
            try:
                self._seat.watch(observation)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise anything
                self._give_up(error)

    def go_on(self, observation: Observation | None) -> None:
        """Let the seat keep an observation, unless it has, and learn."""
        emulator, seat = self._emulator, self._seat
        started = time.perf_counter()
        if observation is not None:
            self.watch(observation)
        if not self._able:
            return
        try:
            lesson = None if emulator.learning else _lesson(seat.learn())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a controller may raise anything
            self._give_up(error)
            return
        self._spent_s += time.perf_counter() - started
        if lesson is not None:
            elapsed_s = self._spent_s if self._recorded is None else next(self._recorded)
            self._spent_s = 0.0
            emulator.learn(lesson, elapsed_s, self._deploy)

    def _deploy(self) -> bool | None:
        try:
            return self._seat.deploy()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a controller may raise anything
            self._give_up(error)
            return False

    def _give_up(self, error: BaseException) -> None:
        """Count one fault; who could not learn once decides on with what it knows."""
        self._able = False
        self._emulator.journal.tally.faults += 1
        cause = f"learning: {_cause(error)}"
        self._emulator.journal.note(self._emulator.now_s, "fault", cause=cause)


def _lesson(answer: Any) -> Lesson | None:
    """What a seat says it has learned, in the types that a trace keeps."""
    if answer is None:
        return None
    if not isinstance(answer, Lesson):
        raise TypeError(f"learn() answered with a {type(answer).__name__}, not with a Lesson")
    if answer.outcome not in OUTCOMES:
        raise ValueError(f"outcome = {answer.outcome!r}: must be one of {', '.join(OUTCOMES)}")
    gain, low, high = (float(value) for value in (answer.gain, answer.low, answer.high))
    samples, judged = int(answer.samples), int(answer.judged)
    return Lesson(answer.outcome, samples, gain, low, high, judged, str(answer.cause))


def _decide(
    seat: Controller,
    observation: Observation,
    limited: Callable[[], AbstractContextManager[None]],
    limit_s: float,
) -> tuple[Any, str]:
    """Powers, or the cause of a failure: whatever a controller does, the network goes on."""
    try:
        with limited():
            return seat.decide(observation), ""
    except Abandoned:
        return None, f"{ABANDONED} after {limit_s:g} s"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a controller may raise anything
        return None, _cause(error)


def _cause(error: BaseException) -> str:
    """What a controller raised, in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _info(
    scenario: Scenario, controller: str, seed: int, slots: int, emulator: Emulator
) -> dict[str, Any]:
    places = emulator.network.medium.places[0]
    return {
        "scenario": scenario.model_dump(mode="json"),
        "controller": controller,
        "seed": seed,
        "slots": slots,
        "versions": versions(),
        "command": command_line(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "attribution": list(scenario.attribution),
        "stations": [
            [float(x), float(y), name]
            for (x, y), name in zip(places.station, places.name, strict=True)
            if np.isfinite(x)
        ],
    }


def _recorded_times(replay: Life | Path, info: Mapping[str, Any]) -> _Recorded:
    """Times and faults of a recorded life, if it is one of the same network."""
    if isinstance(replay, Path):
        replay = read_run(replay)
    for field_name in ("scenario", "controller", "seed"):
        if replay.info[field_name] != info[field_name]:
            what = "" if field_name == "scenario" else f" = {replay.info[field_name]!r}"
            raise InputError(
                f"replay: the recorded run has another {field_name}{what}; it must be the same"
            )
    if replay.info["slots"] < info["slots"]:
        raise InputError(
            f"replay: the recorded run has {replay.info['slots']} slots; slots = {info['slots']} "
            "must not be more"
        )
    lessons: Iterable[Any] = replay.tables["lessons"]["elapsed_s"]
    return _Recorded(_times_and_faults(replay), _in_order(map(float, lessons)))


def _in_order(times: Iterable[float]) -> Iterator[float]:
    yield from times
    raise InputError("replay: the recorded run has fewer lessons; its controller learned otherwise")


def _times_and_faults(replay: Life) -> Iterator[tuple[float, str]]:
    decisions = replay.tables["decisions"]
    times: Iterable[Any] = decisions["elapsed_s"]
    faults: Iterable[Any] = decisions["fault"]
    yield from ((float(time_s), str(fault)) for time_s, fault in zip(times, faults, strict=True))
    raise InputError(
        "replay: the recorded run has fewer decisions; its controller decided otherwise"
    )
