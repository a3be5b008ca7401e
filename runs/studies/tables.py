"""Tables of settings: methods are rows, settings are columns, published figures stand beneath ours.

The short form says how good a method is and how its decisions compare in time; the long form has
every rate, interval and time, and the goals say what was reached and what was not.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slotwise.runs.report.quantities import MISSING, number
from slotwise.runs.studies.measurement import Row, make_methods, measure
from slotwise.runs.studies.part import Document, Grid, Result, Unit
from slotwise.runs.studies.setting import Scale, Setting

__all__ = ["Specs", "measured_unit", "show_settings", "weights_digest"]

_PUBLISHED_DRAWS = 10_000
_LEARNED = ("mlp", "graph", "unrolled")

Specs = Callable[[str], str]
"""Spec of a method's label: another one where a network was trained anew."""


def measured_unit(place: str, setting: Setting, specs: Specs, scale: Scale, seed: int) -> Unit:
    """The unit that measures one setting and is kept in a folder of this name."""
    name = ", ".join(filter(None, (setting.group, setting.label)))

    def identity() -> dict[str, Any]:
        made, _ = make_methods({label: specs(label) for label in setting.methods})
        return {
            "setting": asdict(setting),
            "seed": seed,
            "latency_samples": scale.latency_samples,
            "latency_s": scale.latency_s,
            "weights": {label: weights_digest(specs(label)) for label in made},
        }

    def compute(done: Callable[[int], None]) -> Result:
        chosen = {label: specs(label) for label in setting.methods}
        return asdict(measure(setting, chosen, scale, seed, done))

    steps = setting.samples * len(setting.methods)
    return Unit(place, name, steps, identity, compute, timed=True)


def weights_digest(spec: str) -> str | None:
    """Digest of the weights that a spec reads, None for one that reads none.

    Kept results are of these weights and no others.
    """
    name, _, text = spec.partition(":")
    if name.partition("-")[0] not in _LEARNED:
        return None
    from slotwise.controllers.cards import shipped

    first = text.split(",")[0].removeprefix("weights=")
    given = "" if "=" in first else first
    every = shipped()
    names = (given, f"{name}-{given}") if given else (name,)
    path = next((every[key] for key in names if key in every), Path(given))
    return f"{zlib.crc32(path.read_bytes()):08x}" if path.is_file() else None


def show_settings(
    settings: Sequence[Setting], results: Sequence[Result], times: str = ""
) -> Document:
    """What is written of settings that were measured.

    Parameters
    ----------
    settings : sequence of Setting
        As measured.
    results : sequence of mapping
        Their `Measurement` as JSON, in the same order.
    times : {"", "call", "decision"}
        Which time the published ones are of; both kinds then stand in short tables of their own.
    """
    rows: list[Row] = [row for result in results for row in result["rows"]]
    groups = list(dict.fromkeys(setting.group for setting in settings))
    grids = []
    for group in groups:
        inside = [setting for setting in settings if setting.group == group]
        chosen = [row for row in rows if row["group"] == group]
        relative = f"relative to {settings[0].methods[0]}, raw, and rounded where it differs [%]"
        grids.append(_pivot(", ".join(filter(None, (group, relative))), inside, chosen, _quality))
        if times:
            title = f"all draws in one call, processor time for {_PUBLISHED_DRAWS:,} [s]"
            grids.append(_pivot(title, inside, chosen, _one_call(times == "call")))
            title = "median time of one decision [ms]"
            grids.append(_pivot(title, inside, chosen, _one_decision(times == "decision")))
    goals = [goal for result in results for goal in result["goals"]]
    if goals:
        grids.append(_goal_grid(goals))
    return Document(grids, [_details(rows)], rows, _notes(settings, results))


def _pivot(
    title: str,
    settings: Sequence[Setting],
    rows: Sequence[Row],
    write: Callable[[Row], tuple[str, str]],
) -> Grid:
    """Methods by settings, each with what was published in a row beneath it."""
    labels = [setting.label for setting in settings]
    methods = list(dict.fromkeys(method for setting in settings for method in setting.methods))
    found = {(row["method"], row["setting"]): write(row) for row in rows}
    lines = []
    for method in methods:
        cells = [found.get((method, label), (MISSING, "")) for label in labels]
        if all(ours == MISSING for ours, _ in cells):
            continue
        lines.append((method, *(ours for ours, _ in cells)))
        if any(theirs for _, theirs in cells):
            lines.append(("— published", *(theirs or MISSING for _, theirs in cells)))
    return Grid(title, ("controller", *labels), lines)


def _quality(row: Row) -> tuple[str, str]:
    published = row["published_relative"]
    ours = dict.fromkeys((_relative(row, "raw"), _relative(row, "rounded")))
    return "\n".join(ours), "" if published is None else f"{100 * published:.2f}"


def _one_call(published: bool) -> Callable[[Row], tuple[str, str]]:
    """Time of a batch, as for as many draws as the papers have, and perhaps the published one."""
    return lambda row: (
        number(row["seconds_batch"] / row["samples"] * _PUBLISHED_DRAWS),
        (row["published_time"] or "") if published else "",
    )


def _one_decision(published: bool) -> Callable[[Row], tuple[str, str]]:
    return lambda row: (
        number(1e3 * row["latency_p50_s"]),
        (row["published_time"] or "") if published else "",
    )


def _relative(row: Mapping[str, Any], kind: str) -> str:
    """A ratio in percent, give or take half its interval."""
    value, high = row[f"relative_{kind}"], row[f"relative_{kind}_high"]
    if value is None:
        return MISSING
    if high is None or high == value:
        return f"{100 * value:.2f}"
    return f"{100 * value:.2f} ± {100 * (high - value):.2f}"


def _details(rows: Sequence[Row]) -> Grid:
    heads = (
        "network",
        "controller",
        "sum rate ± std. error [bit/s/Hz]",
        "published",
        "raw [%]",
        "rounded [%]",
        "better of both [%]",
        "published [%]",
        "draws",
        "all in one call [s]",
        "published time",
        "one decision, p50 / p99 [ms]",
        "times as fast as the reference",
    )
    return Grid("All columns", heads, [_detail(row) for row in rows])


def _detail(row: Row) -> tuple[str, ...]:
    error, published = row["std_error"], row["published_relative"]
    return (
        ", ".join(filter(None, (row["group"], row["setting"]))),
        f"`{row['method']}`",
        number(row["mean_sum_rate"], 5) + ("" if error is None else f" ± {number(error, 2)}"),
        number(row["published_sum_rate"], 5),
        _relative(row, "raw"),
        _relative(row, "rounded"),
        _relative(row, "better"),
        MISSING if published is None else f"{100 * published:.2f}",
        f"{row['samples']:,}",
        number(row["seconds_batch"]),
        row["published_time"] or MISSING,
        f"{number(1e3 * row['latency_p50_s'])} / {number(1e3 * row['latency_p99_s'])}",
        number(row["speed"]),
    )


def _goal_grid(goals: Sequence[Mapping[str, Any]]) -> Grid:
    heads = ("goal", "controller", "figure", "at least", "aim", "measured", "")
    return Grid("Goals", heads, [_goal(goal) for goal in goals])


def _goal(goal: Mapping[str, Any]) -> tuple[str, ...]:
    times = goal["quantity"] == "speed"
    figure = "times as fast as" if times else f"{goal['quantity']} [%], of"
    measured, high = goal["measured"], goal["high"]
    shown = number(measured) if times else MISSING if measured is None else f"{measured:.2f}"
    if measured is not None and high is not None:
        shown += f" ± {high - measured:.2f}"
    verdict = {True: "reached", False: "missed", None: "not measured"}[goal["reached"]]
    if measured is not None and goal["aim"] is not None and measured >= goal["aim"]:
        verdict = "aim reached"
    return (
        ", ".join(filter(None, (goal["group"], goal["setting"]))),
        f"`{goal['method']}`",
        f"{figure} `{goal['against']}`",
        f"{goal['least']:g}",
        MISSING if goal["aim"] is None else f"{goal['aim']:g}",
        shown,
        verdict,
    )


def _notes(settings: Sequence[Setting], results: Sequence[Result]) -> list[str]:
    """Who did not take part, each reason once, and what certificates say."""
    notes: dict[str, list[str]] = {}
    for setting, result in zip(settings, results, strict=True):
        where = ", ".join(filter(None, (setting.group, setting.label)))
        for label, why in result["left_out"].items():
            notes.setdefault(f"Left out: `{label}`: {why}", []).append(where)
        for row in result["rows"]:
            if row["open"] is not None:
                notes[
                    f"{where}: `{row['method']}` left {row['open']} of {row['samples']:,} draws "
                    f"open; its largest gap is {number(row['largest_gap'])} bit/s/Hz."
                ] = []
    return [f"{text} ({'; '.join(places)})." if places else text for text, places in notes.items()]
