"""Made-up run directories in the format of real ones, for tests of the report.

Numbers are drawn, not emulated: users come and go by a Poisson process, rates follow the users
with slow noise, latencies are log-normal. Everything that a reader of the directory can see is
consistent (counts in summaries are counts of rows), so that tests can recompute it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slotwise.emulator.objective import Aim
from slotwise.emulator.scenario import load
from slotwise.runs.learning import learned
from slotwise.runs.merits import MERIT

Array = NDArray[np.float64]

JOULES = (
    "energy_efficiency_bit_per_joule",
    "own_efficiency_bit_per_joule",
    "consumed_j",
    "mean_power_w",
)
CONTROLLERS = ("max", "wmmse", "wmmse:warm_start=true")
SITES = [
    [-310.0, 420.0, "107 Quay Street"],
    [-120.0, 180.0, "Te Ara Tāhuhu Walkway"],
    [40.0, -60.0, "210 Queen Street"],
    [260.0, 90.0, "2 High Street"],
    [-60.0, -380.0, "150 K Road"],
]


@dataclass(frozen=True)
class Plan:
    """What to make up."""

    controllers: Sequence[str] = CONTROLLERS
    seeds: Sequence[int] = (1, 2, 3)
    slots: int = 4000
    slot_s: float = 1e-3
    mode: str = "measured"
    slowdown: float = 1.0
    deadline_s: float | None = None
    latency_s: float = 0.0
    changing: bool = True
    marks: Sequence[tuple[float, str, str]] = (
        (0.0, "hour", "06:00"),
        (1.0, "hour", "07:00"),
        (2.0, "hour", "08:00"),
        (3.0, "hour", "09:00"),
    )
    stations: Sequence[Sequence[Any]] = field(default_factory=lambda: SITES)
    faults: int = 3
    users: int = 8
    objective: Aim = "sum-rate"
    min_rate: float = 0.0
    powers: Sequence[float] = (0.2, 0.15, 0.14, 0.2, 0.1, 0.18, 0.19, 0.05)
    gains: Sequence[float] = (1.0, 1.22, 1.245, 1.1, 1.3, 0.9, 1.15, 1.05)
    latencies: Sequence[float] = (6e-6, 6e-4, 2.4e-4, 2e-5, 3e-3, 4e-5, 9e-5, 1.5e-4)
    ideal: bool = True
    learners: Sequence[int] = ()
    lessons: int = 12
    lesson_s: float = 0.05

    def scenario(self) -> dict[str, Any]:
        """A resolved scenario whose timing is the plan's."""
        table: dict[str, Any] = load("auckland").model_dump(mode="json")
        table["name"] = "made-up-town"
        table["objective"] = self.objective
        table["radio"]["min_rate"] = self.min_rate
        table["timing"] |= {
            "mode": self.mode,
            "slot_s": self.slot_s,
            "slowdown": self.slowdown,
            "deadline_s": self.deadline_s,
            "latency_s": self.latency_s,
            "learning_share": 0.5,
        }
        return table


def write_comparison(directory: Path, plan: Plan | None = None) -> Path:
    """Write a comparison directory."""
    plan = plan or Plan()
    kinds = [("cells", plan)]
    if plan.ideal and plan.mode != "ideal":
        kinds.append(("cells-ideal", replace(plan, mode="ideal", faults=0)))
    cells: dict[tuple[str, int], dict[str, Any]] = {}
    for folder, own in kinds:
        for place, spec in enumerate(plan.controllers):
            slug = spec.replace(":", "-").replace("=", "-").replace(",", "-")
            for seed in plan.seeds:
                summary = write_cell(directory / folder / slug / f"seed-{seed}", own, place, seed)
                if folder == "cells":
                    cells[spec, seed] = summary
    _write_json(
        directory / "compare.json",
        {
            "scenario": plan.scenario(),
            "controllers": list(plan.controllers),
            "seeds": list(plan.seeds),
            "slots": plan.slots,
            **_made(),
            "complete": True,
        },
    )
    _write_json(directory / "summary.json", summarise(plan, cells))
    return directory


def write_run(directory: Path, plan: Plan | None = None) -> Path:
    """Write the directory of a single run: the first controller over the first seed."""
    plan = plan or Plan()
    write_cell(directory, plan, 0, plan.seeds[0])
    return directory


def summarise(plan: Plan, cells: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, Any]:
    """The summary of a comparison from those of its cells."""
    from scipy.stats import t

    reference = plan.controllers[0]
    controllers = {}
    for spec in plan.controllers:
        own = [cells[spec, seed] for seed in plan.seeds]
        rates = np.array([cell["mean_sum_rate"] for cell in own])
        merit = MERIT[plan.objective]
        ours = np.array([cell[merit] for cell in own])
        base = np.array([cells[reference, seed][merit] for seed in plan.seeds])
        ratios = ours / base if base.all() else np.full(len(base), np.nan)
        half = None
        if len(ratios) > 1:
            error = float(ratios.std(ddof=1)) / len(ratios) ** 0.5
            half = float(t.ppf(0.975, len(ratios) - 1)) * error
        middle = float(ratios.mean())
        controllers[spec] = {
            "merit": float(ours.mean()),
            "mean_sum_rate": float(rates.mean()),
            "mean_sum_rate_std": None if half is None else float(rates.std(ddof=1)),
            "relative": middle,
            "relative_low": None if half is None else middle - half,
            "relative_high": None if half is None else middle + half,
            **{
                name: float(np.mean([cell[name] for cell in own]))
                for name in ("user_rate_p5", "jain_fairness", *JOULES)
            },
            **{
                name: float(np.median([cell[name] for cell in own]))
                for name in ("latency_p50_s", "latency_p99_s")
            },
            **{
                name: sum(cell[name] for cell in own)
                for name in ("reports", "missed_deadlines", "decisions", "faults", "fallbacks")
            },
            "promise": _pooled_promise(own),
            "learning": _pooled_learning(own),
        }
    first = [cells[reference, seed] for seed in plan.seeds]
    names = ("joins", "leaves", "blocked", "handovers")
    return {
        "scenario": "made-up-town",
        "objective": plan.objective,
        "slots": plan.slots,
        "seeds": list(plan.seeds),
        "reference": reference,
        "controllers": controllers,
        "network": {name: sum(cell[name] for cell in first) for name in names},
    }


def _pooled_promise(own: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Counts added up."""
    each = [cell["promise"] for cell in own]
    if each[0] is None:
        return None
    names = ("slots", "infeasible", "broken", "user_slots", "short")
    return {**each[0], **{name: sum(one[name] for one in each) for name in names}}


def _pooled_learning(own: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Counts added up; of everything else, the first seed's."""
    each = [cell["learning"] for cell in own]
    if each[0] is None:
        return None
    names = ("lessons", "deployed", "rejected", "rolled_back", "unfinished")
    return {**each[0], **{name: sum(one[name] for one in each) for name in names}}


def write_cell(directory: Path, plan: Plan, place: int, seed: int) -> dict[str, Any]:
    """Write one cell and return its summary."""
    directory.mkdir(parents=True, exist_ok=True)
    common = np.random.default_rng(seed)  # the same users and channel for every controller
    own = np.random.default_rng([seed, place, plan.mode == "ideal"])
    join, leave = _stays(plan, common)
    time = np.arange(plan.slots) * plan.slot_s
    ends = time + plan.slot_s
    active = (join[:, None] <= ends).astype(int) - (leave[:, None] <= ends)
    present = active.sum(axis=0) if len(join) else np.zeros(plan.slots, dtype=int)

    elapsed = plan.latencies[place] * np.exp(0.35 * own.standard_normal(plan.slots))
    charged = {
        "ideal": np.zeros(plan.slots),
        "fixed": np.full(plan.slots, plan.latency_s),
        "measured": elapsed * plan.slowdown,
    }[plan.mode]
    missed = charged > (plan.deadline_s or plan.slot_s)
    slow = _slow_noise(plan.slots, common)
    rate = plan.gains[place] * 2.1 * np.log2(1 + present) * np.exp(0.12 * slow)
    rate *= np.exp(0.15 * common.standard_normal(plan.slots)) * (1 - 0.25 * missed)
    rate *= 1 - 0.5 * np.minimum(charged / plan.slot_s, 1)
    faulty = sorted(int(i) for i in own.choice(plan.slots, plan.faults, replace=False)) * (
        place == 1
    )

    events = _events(plan, (join, leave), time[missed], time[faulty])
    users = len(join)
    stay = plan.gains[place] * common.gamma(2.0, 0.35, users)
    spots = np.array([[s[0], s[1]] for s in plan.stations]).reshape(-1, 2)
    station = common.integers(0, max(len(spots), 1), users)
    spread = common.normal(0, 40, (users, 2))
    where = spots[station] + spread if len(spots) else np.full((users, 2), np.nan)
    gone = leave < ends[-1]

    slots = _joules(plan, place, rate, present) | _kept(plan, place, present, common)
    slots = {"sum_rate": rate, "active": present} | slots
    _write(directory / "slots.parquet", slot=np.arange(plan.slots), time_s=time, **slots)
    _write(directory / "events.parquet", **{
        name: list(column) if events else []
        for name, column in zip(
            ("time_s", "kind", "user_id", "cause"), zip(*events, strict=True), strict=True
        )
    })  # fmt: skip
    _write(directory / "users.parquet", user_id=np.arange(users), join_s=join,
           leave_s=np.minimum(leave, ends[-1]), x_m=where[:, 0], y_m=where[:, 1],
           station=station, rate=stay, left=gone)  # fmt: skip
    _write(directory / "decisions.parquet", slot=np.arange(plan.slots), start_s=time,
           elapsed_s=elapsed, latency_s=charged, users=present, missed=missed,
           fault=["NaN" if i in faulty else "" for i in range(plan.slots)])  # fmt: skip

    lessons = _lessons(plan, own) if place in plan.learners else None
    if lessons is not None:
        _write(directory / "lessons.parquet", **lessons)
    decisions = {"slot": np.arange(plan.slots), "start_s": time, "elapsed_s": elapsed,
                 "latency_s": charged}  # fmt: skip
    span_s = plan.slots * plan.slot_s
    summary = _summary(plan, slots, stay, elapsed) | {
        "learning": lessons and learned([(lessons, decisions)], span_s, plan.slot_s),
        "mean_users": float(present.mean()),
        "missed_deadlines": int(missed.sum()),
        "faults": len(faulty),
        "fallbacks": len(faulty),
        "joins": users,
        "leaves": int(gone.sum()),
    }
    _write_json(directory / "summary.json", summary)
    _write_json(
        directory / "run.json",
        {
            "scenario": plan.scenario(),
            "controller": plan.controllers[place],
            "seed": seed,
            "slots": plan.slots,
            **_made(),
            "stations": list(plan.stations),
            "users_seen": users,
        },
    )
    return summary


def _joules(plan: Plan, place: int, rate: Array, present: Array) -> dict[str, Array]:
    """What users radiate and consume, each the same as the others, and make of it."""
    radio = plan.scenario()["radio"]
    radiated = plan.powers[place] * (1 + 0.2 * np.sin(np.arange(plan.slots) / 50))
    own = radio["amplifier_inefficiency"] * radiated + radio["circuit_power_w"]
    return {
        "power_w": radiated * present,
        "energy_j": own * present * plan.slot_s,
        "own_efficiency": rate / own,
    }


def _kept(
    plan: Plan, place: int, present: Array, common: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """A promise that some slots cannot keep to anybody, and that controllers break now and then."""
    draw = common.random(plan.slots) if plan.min_rate > 0 else np.ones(plan.slots)
    infeasible = draw < 0.1
    broken = (draw >= 0.1) & (draw < 0.1 + 0.05 * place)
    short = np.where(infeasible, present, np.minimum(present, broken))
    return {"short": short.astype(int), "infeasible": infeasible}


def _lessons(plan: Plan, rng: np.random.Generator) -> dict[str, Any]:
    """Lessons that are worth less and less, and now and then are taken back."""
    start = np.linspace(0, plan.slots * plan.slot_s, plan.lessons, endpoint=False) + plan.slot_s
    gain = 0.08 * np.exp(-3 * np.linspace(0, 1, plan.lessons))
    gain += 0.02 * rng.standard_normal(plan.lessons)
    half = 0.01 + 0.02 * rng.random(plan.lessons)
    outcome = np.where(gain > half, "deployed", "rejected").astype(object)
    outcome[plan.lessons // 2 :: 7] = "rolled back"
    latency = np.full(plan.lessons, 0.0 if plan.mode == "ideal" else plan.lesson_s)
    if start[-1] + latency[-1] > plan.slots * plan.slot_s:
        outcome = np.append(outcome[:-1], "unfinished")
    return {
        "slot": (start / plan.slot_s).astype(int),
        "start_s": start,
        "elapsed_s": np.full(plan.lessons, 0.5 * plan.lesson_s),
        "latency_s": latency,
        "outcome": [str(word) for word in outcome],
        "samples": np.full(plan.lessons, 200),
        "gain": gain,
        "low": gain - half,
        "high": gain + half,
        "judged": np.full(plan.lessons, 40),
        "cause": ["every 300 decisions"] * plan.lessons,
    }


def _events(
    plan: Plan,
    stays: tuple[Array, Array],
    missed_s: NDArray[np.floating[Any]],
    faulty_s: NDArray[np.floating[Any]],
) -> list[tuple[float, str, int, str]]:
    """What happened, in order of time."""
    join, leave = stays
    end = plan.slots * plan.slot_s
    events = [(float(t), "join", u, "") for u, t in enumerate(join)]
    events += [(float(t), "leave", u, "") for u, t in enumerate(leave) if t < end]
    events += [(t, kind, -1, cause) for t, kind, cause in plan.marks if t < end]
    events += [(float(t), "missed", -1, "") for t in missed_s]
    events += [(float(t), "fault", -1, "power of user 3 is NaN") for t in faulty_s]
    events += [(float(t), "fallback", -1, "fault: hold") for t in faulty_s]
    events += [(0.5 * end, "blocked", -1, "")] * plan.changing
    return sorted(events)


def _summary(
    plan: Plan, slots: Mapping[str, NDArray[Any]], stay: Array, elapsed: Array
) -> dict[str, Any]:
    """Figures of merit of a cell that do not depend on what went wrong."""
    users, rate, consumed_j = len(stay), slots["sum_rate"], float(slots["energy_j"].sum())
    bandwidth_hz = plan.scenario()["radio"]["bandwidth_hz"]
    bits = float(rate.sum()) * plan.slot_s * bandwidth_hz
    feasible = ~slots["infeasible"]
    promise = {
        "min_rate": plan.min_rate,
        "slots": plan.slots,
        "infeasible": int(slots["infeasible"].sum()),
        "broken": int((feasible & (slots["short"] > 0)).sum()),
        "user_slots": int(slots["active"].sum()),
        "short": int(slots["short"].sum()),
    }
    charged = elapsed * (plan.slowdown if plan.mode == "measured" else 1)
    p50, p99 = np.quantile(charged, [0.5, 0.99])
    return {
        "mean_sum_rate": float(rate.mean()),
        "user_rate_p5": float(np.quantile(stay, 0.05)) if users else np.nan,
        "user_rate_p50": float(np.quantile(stay, 0.5)) if users else np.nan,
        "jain_fairness": float(stay.sum() ** 2 / (users * (stay**2).sum())) if users else np.nan,
        "energy_efficiency_bit_per_joule": bits / consumed_j if consumed_j else np.nan,
        "own_efficiency_bit_per_joule": float(slots["own_efficiency"].mean()) * bandwidth_hz,
        "consumed_j": consumed_j,
        "mean_power_w": float(slots["power_w"].mean()),
        "promise": promise if plan.min_rate > 0 else None,
        "latency_p50_s": float(p50),
        "latency_p99_s": float(p99),
        "reports": plan.slots,
        "decisions": plan.slots,
        "blocked": int(plan.changing),
        "handovers": 0,
        "slots": plan.slots,
        "seconds": 1.0,
    }


def _stays(plan: Plan, rng: np.random.Generator) -> tuple[Array, Array]:
    """When users join and leave: some from the start, others by a Poisson process [s]."""
    span = plan.slots * plan.slot_s
    if not plan.changing:
        return np.zeros(plan.users), np.full(plan.users, np.inf)
    arrivals = np.sort(rng.uniform(0, span, rng.poisson(40)))
    join = np.concatenate([np.zeros(plan.users), arrivals])
    return join, join + rng.exponential(0.25 * span, len(join))


def _slow_noise(slots: int, rng: np.random.Generator) -> Array:
    """Noise of unit deviation that changes over a hundredth of the run."""
    width = max(1, slots // 100)
    noise = np.convolve(rng.standard_normal(slots + width), np.ones(width) / width**0.5, "same")
    return np.asarray(noise[:slots], dtype=np.float64)


def _made() -> dict[str, Any]:
    return {
        "versions": {"slotwise": "0.1.0", "python": "3.11.9", "numpy": "2.4.6"},
        "created": "2025-01-31T12:00:00+00:00",
        "command": "slotwise compare town.toml -c max -c wmmse -c wmmse:warm_start=true --seeds 3",
        "attribution": ["Pedestrian counts: made up for a test, CC BY 4.0."],
    }


def _write(path: Path, **columns: Any) -> None:
    pq.write_table(pa.table(columns), path)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(_finite(value)), "utf-8")


def _finite(value: Any) -> Any:
    """NaN as null, since JSON has none."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
