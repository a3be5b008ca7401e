"""What a comparison found, in a few plain sentences made from its numbers.

The words are as strong as the data: a difference whose paired interval includes zero is called
unsettled, and one seed is called one seed. Controllers stand between backticks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slotwise.runs.intervals import mean_of_ratios
from slotwise.runs.report.latency_figures import lateness_cost
from slotwise.runs.report.quantities import (
    count,
    duration,
    factor,
    number,
    percent,
    quantity,
    signed_percent,
)
from slotwise.runs.report.recording import Recording, finite

__all__ = ["finding", "setting"]

_LEARNERS = 3
_PROMISERS = 3
_EQUAL = 0.0005
_RATE = "mean_sum_rate"
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def finding(recording: Recording) -> list[str]:
    """Sentences: who is best, how sure that is, what it spent, how long it took, what that cost.

    Parameters
    ----------
    recording : Recording
        A comparison or a single run.

    Returns
    -------
    list of str
        At least one; controllers between backticks.
    """
    merit = recording.merit
    rated = [c for c in recording.controllers if recording.value(c, merit.name) is not None]
    if not rated:
        return [f"No controller has {merit.article} to report."]
    ranked = sorted(rated, key=lambda c: -(recording.value(c, merit.name) or 0.0))
    sentences = _alone(recording, ranked[0]) if len(ranked) == 1 else _comparison(recording, ranked)
    other = recording.controllers[0]
    if other == ranked[0] and len(ranked) > 1:
        other = ranked[1]
    late, joules = _lateness(recording, ranked[0], other), _energy(recording, ranked[0], other)
    sentences += joules + late if merit.saves else late + joules
    return sentences + _promise(recording, ranked[0]) + _lessons(recording) + _failures(recording)


def setting(recording: Recording) -> str:
    """One line on what was run: controllers, seeds, network time, slots, timing."""
    slot = float(recording.timing["slot_s"])
    slots = int(recording.facts.get("slots") or recording.each_seed()[0].summary.get("slots") or 0)
    seeds = len(recording.each_seed())
    which = f"seed {recording.seeds[0]}" if seeds == 1 else f"{seeds} seeds"
    mode = {
        "ideal": "ideal timing (decisions take effect at once)",
        "fixed": f"every decision takes {duration(recording.timing.get('latency_s', 0.0))}",
        "measured": "decisions take the time they took on this machine",
    }.get(str(recording.timing["mode"]), "")
    if recording.slowdown != 1:
        mode += f" times {factor(recording.slowdown)}"
    controllers = len(recording.controllers)
    goal = f" · objective: {recording.merit.title}" if recording.merit.saves else ""
    rate = finite(dict(recording.scenario.get("radio") or {}).get("min_rate")) or 0.0
    goal += f" · every user promised {factor(rate)} bit/s/Hz" if rate > 0 else ""
    return (
        f"{controllers} controller{'s' * (controllers > 1)} · {which} · {duration(slots * slot)} "
        f"of network time each ({count(slots)} slots of {duration(slot)}) · {mode}{goal}"
    )


def _alone(recording: Recording, best: str) -> list[str]:
    merit = recording.merit
    rate = merit.written(recording.value(best, merit.name))
    users = recording.value(best, "mean_users")
    seeds = len(recording.of(best))
    where = f" on average over {_spoken(seeds)} seeds" if seeds > 1 else " on average"
    with_users = f", with {number(users)} users present" if users is not None else ""
    return [f"`{best}` {merit.alone} {rate}{where}{with_users}."]


def _comparison(recording: Recording, ranked: list[str]) -> list[str]:
    """Who is best, against the reference, or against the next where it is the reference."""
    best, reference, merit = ranked[0], recording.controllers[0], recording.merit
    rate = merit.written(recording.value(best, merit.name))
    rates = {recording.value(c, merit.name) for c in ranked}
    if len(rates) == 1:
        who = "Both" if len(ranked) == 2 else f"All {_spoken(len(ranked))}"
        return [f"{who} controllers {merit.same}: {rate}."]
    if len(recording.each_seed()) == 1:
        return [
            f"`{best}` {merit.most} in the one seed that ran: {rate}, "
            f"{_one_seed(recording, best, ranked)}.",
            "One seed gives no interval, so the difference may be chance.",
        ]
    sentence = (
        _reference_best(recording, ranked, rate)
        if best == reference
        else _reference_beaten(recording, best, reference, rate)
    )
    if best != reference and ranked[1] != reference:
        return [sentence, _runner_up(recording, best, ranked[1])]
    return [sentence]


def _one_seed(recording: Recording, best: str, ranked: list[str]) -> str:
    other = ranked[1] if best == recording.controllers[0] else recording.controllers[0]
    ours, theirs = (recording.value(c, recording.merit.name) or 0.0 for c in (best, other))
    return f"{percent(ours / theirs - 1)} more than `{other}`" if theirs else f"`{other}` none"


def _interval(recording: Recording, spec: str) -> tuple[float, float, float] | None:
    """Difference to the reference and its interval, as shares; None where one is missing."""
    names = ("relative", "relative_low", "relative_high")
    middle, low, high = (recording.value(spec, name) for name in names)
    if middle is None or low is None or high is None:
        return None
    return middle - 1, low - 1, high - 1


def _reference_beaten(recording: Recording, best: str, reference: str, rate: str) -> str:
    seeds, merit = _spoken(len(recording.of(best))), recording.merit
    interval = _interval(recording, best)
    if interval is None:
        return f"`{best}` {merit.most}: {rate} on average over {seeds} seeds."
    lead, low, high = interval
    bounds = f"{signed_percent(low)} to {signed_percent(high)}"
    if low > 0:
        return (
            f"`{best}` {merit.most}: {rate} on average over {seeds} seeds, {percent(lead)} "
            f"more than `{reference}` (95% interval {bounds})."
        )
    return (
        f"`{best}` had {merit.highest}, {rate} over {seeds} seeds, but its difference of "
        f"{signed_percent(lead)} from `{reference}` is not settled: the 95% interval, {bounds}, "
        "includes zero."
    )


def _reference_best(recording: Recording, ranked: list[str], rate: str) -> str:
    best, other, merit = ranked[0], ranked[1], recording.merit
    seeds = _spoken(len(recording.of(best)))
    interval = _interval(recording, other)
    start = f"{rate} on average over {seeds} seeds"
    if interval is None:
        return f"`{best}` {merit.most}: {start}; `{other}` came next."
    lead, low, high = interval
    bounds = f"{signed_percent(low)} to {signed_percent(high)}"
    if high < 0:
        return (
            f"`{best}` {merit.most}: {start}. `{other}` came next with {percent(-lead)} less "
            f"(95% interval {bounds})."
        )
    return (
        f"`{best}` had {merit.highest}, {start}, but it is not settled that `{other}` is any "
        f"worse: its difference of {signed_percent(lead)} has the 95% interval {bounds}, which "
        "includes zero."
    )


def _runner_up(recording: Recording, best: str, second: str) -> str:
    """How often the best was ahead of the second, seed by seed."""
    pairs = [
        (recording.cells[best, s].summary, recording.cells[second, s].summary)
        for s in recording.seeds
        if (best, s) in recording.cells and (second, s) in recording.cells
    ]
    merit = recording.merit
    known = [(finite(a[merit.name]) or 0.0, finite(b[merit.name]) or 0.0) for a, b in pairs]
    wins = sum(ours > theirs for ours, theirs in known)
    rate = merit.written(recording.value(second, merit.name))
    every = "both" if len(pairs) == 2 else f"all {_spoken(len(pairs))}"
    where = every if wins == len(pairs) else f"{_spoken(wins)} of the {_spoken(len(pairs))}"
    return f"It was ahead of the next, `{second}` ({rate}), in {where} seeds."


def _energy(recording: Recording, best: str, other: str) -> list[str]:
    """What the best consumed, against another where they differ, and what it gave for that."""
    joules = recording.value(best, "consumed_j")
    each = " per network" if len(recording.each_seed()) > 1 else ""
    spent = f"`{best}` spent {quantity(joules, 'J')}{each}"
    if best == other:
        rate = number(recording.value(best, "mean_sum_rate"))
        return [f"{spent} and delivered {rate} bit/s/Hz."] if recording.merit.saves else []
    saved, gained = (_difference(recording, best, other, n) for n in ("consumed_j", _RATE))
    if saved is None or abs(saved) < _EQUAL:
        return []
    sentence = f"{spent}, {_more_or_less(saved)} than `{other}`"
    if not recording.merit.saves or gained is None:
        return [f"{sentence}."]
    if abs(gained) < _EQUAL:
        return [f"{sentence}, for the same throughput."]
    return [f"{sentence}, for {_more_or_less(gained)} throughput."]


def _difference(recording: Recording, ours: str, theirs: str, name: str) -> float | None:
    """Mean over seeds of how much larger a figure is than another's, as a share of that."""
    pairs = [
        [finite(recording.cells[spec, s].summary[name]) or 0.0 for spec in (ours, theirs)]
        for s in recording.seeds
        if (ours, s) in recording.cells and (theirs, s) in recording.cells
    ]
    values, base = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    ratio = mean_of_ratios(values, base).value
    return None if ratio is None else ratio - 1.0


def _more_or_less(share: float) -> str:
    return f"{percent(abs(share))} {'more' if share > 0 else 'less'}"


def _promise(recording: Recording, best: str) -> list[str]:
    """How often a promised rate could not be kept, and how often it was broken though it could."""
    kept = recording.promise(best)
    if not kept:
        return []
    slots, lost = kept["slots"], kept["infeasible"]
    promise = f"The promise of {factor(kept['min_rate'])} bit/s/Hz to every user"
    if lost == slots:
        return [f"{promise} could not be kept in any slot, whatever the powers."]
    start = (
        f"{promise} could not be kept in {percent(lost / slots)} of the slots, whatever the "
        "powers; in the others"
        if lost
        else f"{promise} could be kept in every slot;"
    )
    shown = recording.controllers
    if len(shown) > _PROMISERS:
        shown = tuple(c for c in shown if c in (best, shown[0]))
    told = [f"`{c}` broke it in {_broken(recording.promise(c))}" for c in shown]
    words = [told[0], *(each.replace(" broke it", "") for each in told[1:])]
    return [f"{start} {_listed(words)}."]


def _broken(kept: Mapping[str, Any]) -> str:
    feasible = kept["slots"] - kept["infeasible"]
    return percent(kept["broken"] / feasible) if kept["broken"] else "none"


def _listed(words: list[str]) -> str:
    """Words with commas and an "and"."""
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), words[-1]])


def _lateness(recording: Recording, best: str, other: str) -> list[str]:
    """How long decisions took, and what that cost."""
    sentences = _latency(recording, best, other)
    cost = lateness_cost(recording, best)
    if cost is not None and abs(cost) >= _EQUAL:
        verb, lost = "cost" if cost > 0 else "happened to gain", recording.merit.lost
        sentences.append(
            f"Deciding late {verb} `{best}` {percent(abs(cost))}{lost} against ideal timing."
        )
    return sentences


def _latency(recording: Recording, best: str, other: str) -> list[str]:
    decisions = recording.value(best, "decisions") or 0.0
    median, late = (recording.value(best, f"latency_{p}_s") for p in ("p50", "p99"))
    if decisions <= 0 or median is None:
        return [f"`{best}` took no decision." if decisions <= 0 else "No latency was recorded."]
    theirs = recording.value(other, "latency_p50_s") if other != best else None
    beside = f" (`{other}`: {duration(theirs)})" if theirs is not None else ""
    sentence = f"`{best}` decided in {duration(median)} at the median{beside}"
    if late is not None:
        sentence += f" and {duration(late)} at the 99th percentile"
    deadline = duration(float(recording.timing["deadline_s"]))
    if recording.timing["mode"] == "ideal":
        elapsed = recording.pooled(best, "decisions", "elapsed_s")
        over = float(np.mean(elapsed > recording.timing["deadline_s"])) if len(elapsed) else 0.0
        return [
            f"{sentence}; timing was ideal, so that cost nothing here, though "
            f"{'all' if over == 1 else percent(over)} took longer than {deadline}."
            if over
            else f"{sentence}, all within {deadline}; timing was ideal."
        ]
    if recording.slowdown != 1:
        sentence += f", charged to the network times {factor(recording.slowdown)}"
    missed = recording.missed(best)
    if missed is None:
        return [f"{sentence}."]
    share = percent(missed[0] / missed[1]) if missed[0] else "none"
    return [f"{sentence}; {share} missed the deadline of {deadline}."]


def _lessons(recording: Recording) -> list[str]:
    """What each of the first who learned tried, what became of it, and what it took."""
    sentences = []
    learners = recording.learners
    for spec in learners[:_LEARNERS]:
        row = recording.learning(spec)
        names = ("lessons", "deployed", "rolled_back", "unfinished")
        tried, deployed, back, open_ = (int(row.get(name) or 0) for name in names)
        seeds = len(recording.of(spec))
        where = f" over {_spoken(seeds)} seeds" if seeds > 1 else ""
        done = f"deployed {count(deployed) if deployed else 'none'}"
        done += f" and took {count(back)} back" if back else ""
        done += f" ({count(open_)} unfinished)" if open_ else ""
        lessons = f"{count(tried)} lesson{'s' * (tried != 1)}"
        sentences.append(f"`{spec}` tried {lessons}{where}, {done}; {_spent(recording, row)}.")
    if len(learners) > _LEARNERS:
        sentences.append(f"{len(learners) - _LEARNERS} more learned.")
    return sentences


def _spent(recording: Recording, row: Mapping[str, Any]) -> str:
    """Core time that learning took of the network's, or of this machine's where it was free."""
    timing = recording.timing
    if timing["mode"] == "ideal":
        machine = finite(row.get("machine_s_per_s"))
        return f"learning took {number(machine, 2)} s of this machine per second and cost nothing"
    share = float(timing["learning_share"]) if timing["learning"] == "background" else 1.0
    core = (finite(row.get("clock_s_per_s")) or 0.0) * share
    where = "of a second core" if timing["learning"] == "background" else "of the deciding core"
    return f"learning took {number(core, 2)} s {where} per second"


def _failures(recording: Recording) -> list[str]:
    learning = {c: _given_up(recording, c) for c in recording.controllers}
    counts = {c: (recording.value(c, "faults") or 0.0) - learning[c] for c in recording.controllers}
    sentences = []
    for text, each in (
        ("Decisions failed and the fallback stood in", counts),
        ("Learning failed and was given up", learning),
    ):
        failed = [f"`{c}` {count(n)} time{'s' * (n != 1)}" for c, n in each.items() if n > 0]
        sentences += [f"{text}: {', '.join(failed)}."] if failed else []
    return sentences


def _given_up(recording: Recording, controller: str) -> int:
    """Faults of learning, which are no faults of decisions."""
    if not recording.value(controller, "faults"):
        return 0
    return sum(
        event.kind == "fault" and event.cause.startswith("learning: ")
        for cell in recording.of(controller)
        for event in cell.events
    )


def _spoken(n: int) -> str:
    return _WORDS[n] if n < len(_WORDS) else str(n)
