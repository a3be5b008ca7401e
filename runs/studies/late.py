"""The study `late`: what late and wrong reports cost, and what knowing so is worth.

Frozen draws, where everything but the age of a report is fixed, and lives in the moving downlink of
Y. S. Nasir and D. Guo ("Multi-agent deep reinforcement learning for dynamic power allocation in
wireless networks", IEEE J. Sel. Areas Commun. 37(10), 2019), whose reports are a slot late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from slotwise.controllers.base import Controller
from slotwise.controllers.late import UnrolledLate
from slotwise.controllers.posterior import Belief
from slotwise.controllers.registry import make
from slotwise.controllers.sampled import SampledSearch
from slotwise.runs.studies.late_document import frozen_document, living_document
from slotwise.runs.studies.late_draws import Case, rates, report, true_gains
from slotwise.runs.studies.part import Part, Result, Unit
from slotwise.runs.studies.setting import Scale
from slotwise.runs.studies.study import Study
from slotwise.runs.studies.tables import weights_digest

__all__ = ["CASES", "late"]

Array = NDArray[np.float64]
Done = Callable[[int], None]

GROUPS = 5
"""Seeds of every case: intervals are over these."""

_SLOT_LATE = float(j0(2.0 * np.pi * 10.0 * 20e-3))  # 10 Hz, 20 ms: 0.64
CASES = (
    Case("iid 10 dB, K = 10, ρ = .64", 10, _SLOT_LATE, 10.0),
    Case("iid 10 dB, K = 20, ρ = .64", 20, _SLOT_LATE, 10.0),
    Case("iid 10 dB, K = 20, ρ = .64, e = .1", 20, _SLOT_LATE, 10.0, 0.1),
    Case("iid 10 dB, K = 10, ρ = .9, e = .1", 10, 0.9, 10.0, 0.1),
    Case("iid 20 dB, K = 10, ρ = .64", 10, _SLOT_LATE, 20.0),
    Case("iid 0 dB, K = 10, ρ = .64", 10, _SLOT_LATE, 0.0),
    Case("iid 0 dB, K = 10, ρ = .99", 10, 0.99, 0.0),
    Case("urban, K = 21, ρ = .64", 21, _SLOT_LATE, scenario="urban"),
    Case("urban, K = 21, ρ = .9, e = .1", 21, 0.9, error=0.1, scenario="urban"),
    Case("d2d, K = 20, ρ = .64", 20, _SLOT_LATE, scenario="d2d"),
    Case("iid 0 dB, K = 10, ρ = .99, e = .1, Kalman", 10, 0.99, 0.0, 0.1, reports=8),
)

STALE, EXPECTED, LATE = "wmmse", "wmmse:csi=conditional-mean", "unrolled-late"
SAMPLED = "beam:csi=sampled"
TRUE = "wmmse on the true gains"


class _Lives(NamedTuple):
    """Lives that are compared: which scenario, how it is reported, and who decides."""

    name: str
    title: str
    words: str
    overrides: tuple[str, ...]
    reports: tuple[str, ...]
    controllers: tuple[str, ...]


_CAP = (
    "The scenario counts SINR up to 30 dB only, which nobody knows who decides: whoever serves "
    "more users at lower SINR gains by it."
)
_LIVES = (
    _Lives(
        "2",
        "Living: the moving downlink, a slot late",
        "`nasir-guo` with `csi.delay_s=20e-3`: 20 users in 10 cells, slots of 20 ms, 10 Hz of "
        f"Doppler. {_CAP}",
        (),
        ("csi.delay_s=20e-3",),
        (
            STALE,
            EXPECTED,
            "beam",
            "beam:csi=conditional-mean",
            "unrolled",
            "unrolled:csi=conditional-mean",
            LATE,
            "unrolled-late:doppler=estimated",
            SAMPLED,
        ),
    ),
    _Lives(
        "3",
        "Living: slow fading, noisy reports of channels",
        "The same with `channel.doppler_hz=1.6` (a correlation of .99 from slot to slot), "
        f"`csi.reports=channel` and `csi.error_nmse_db=-10`. {_CAP}",
        ("channel.doppler_hz=1.6",),
        ("csi.delay_s=20e-3", "csi.reports=channel", "csi.error_nmse_db=-10"),
        (
            STALE,
            EXPECTED,
            "wmmse:csi=kalman",
            "unrolled:csi=conditional-mean",
            "unrolled:csi=kalman",
            LATE,
            "unrolled-late:filter=kalman",
            "unrolled-late:filter=kalman,doppler=estimated",
            "beam:csi=kalman-sampled",
        ),
    ),
    _Lives(
        "4",
        "Living: a slot late, all of the rate counted",
        "As the first lives, without the cap (`radio.sinr_cap_db=none`).",
        ("radio.sinr_cap_db=none",),
        ("csi.delay_s=20e-3",),
        (
            STALE,
            EXPECTED,
            "beam:csi=conditional-mean",
            "unrolled:csi=conditional-mean",
            LATE,
            "unrolled-late:doppler=estimated",
            SAMPLED,
        ),
    ),
)

_DRAWS = {"minutes": 40, "paper": 200}  # of every group
_SLOTS = {"minutes": 150, "paper": 1000}
_TRUE_DRAWS = 64
_CERTAIN_DRAWS = 8  # of which WMMSE is told
_CEILING_DRAWS = 200
_WORDS = (
    "Rates are means of the true sum rate, relative to WMMSE from full power that takes reports "
    "for the truth (`wmmse`); ± is half a 95% interval over the seeds, each with networks of its "
    "own that everybody decides for. ρ is the correlation of a link between report and decision, "
    "e the power of the estimation error over that of the channel. Everybody is told "
    "the same."
)


def late(scale: Scale, seed: int, weights: str = LATE) -> Study:
    """The study, not yet run.

    Parameters
    ----------
    scale : Scale
        Its name says how many draws and slots.
    seed : int
        Fixes them.
    weights : str
        Of the learned optimiser for late reports: a name or a path.

    Raises
    ------
    InputError
        If there are no such weights.
    """
    UnrolledLate(weights)  # what is missing is missed now
    draws, slots = _DRAWS[scale.name], _SLOTS[scale.name]
    frozen = Part(
        "1",
        "Frozen draws",
        f"{GROUPS} seeds of {draws} networks each; every answer is scored on {_TRUE_DRAWS} draws "
        f"of what the gains may be. `{SAMPLED}` compares sets on {_CEILING_DRAWS} further draws: "
        "what a search finds with the same information where powers are on or off; in d2d they are "
        "in between. In the cases urban and d2d, mean gains are "
        "those of the scenarios; users of one station are received by one antenna, in reports and "
        "in what may be true. In the last case a Kalman filter has had eight reports; "
        "conditional means and known parts are the filter's, and `wmmse`, `beam` and `unrolled` "
        "take the newest report.",
        tuple(
            _frozen_unit(case, number, draws, seed, weights) for number, case in enumerate(CASES)
        ),
        lambda results: frozen_document(CASES, results),
    )
    living = (
        Part(
            lives.name,
            lives.title,
            f"{lives.words} {GROUPS} seeds of {slots} slots. Decision times are this machine's, "
            "one thread, what is made of the reports included; a p99 of milliseconds is other work "
            "on it.",
            tuple(_living_unit(lives, slots, seed + group, weights) for group in range(GROUPS)),
            living_document,
        )
        for lives in _LIVES
    )
    title = "Late and wrong reports: what they cost, and what knowing so is worth"
    return Study("late", title, _WORDS, scale.name, seed, (frozen, *living))


def _frozen_unit(case: Case, number: int, draws: int, seed: int, weights: str) -> Unit:
    def identity() -> Mapping[str, Any]:
        return {
            "case": asdict(case),
            "number": number,
            "draws": draws,
            "groups": GROUPS,
            "seed": seed,
            "weights": {spec: weights_digest(spec) for spec in (f"{LATE}:{weights}", "unrolled")},
        }

    def compute(done: Done) -> Result:
        return _frozen(case, number, draws, seed, weights, done)

    return Unit("table-1", case.label.replace("ρ", "rho"), GROUPS, identity, compute)


def _frozen(
    case: Case, number: int, draws: int, seed: int, weights: str, done: Done
) -> dict[str, Any]:
    """Mean rates of every controller in every group."""
    means: dict[str, list[float]] = {}
    network = UnrolledLate(weights)
    for group in range(GROUPS):
        told = report(case, draws, seed, GROUPS * number + group)
        answers = _answers(told.gain, told.belief, network, seed)
        rng = np.random.default_rng([seed, number, group])
        total = np.zeros((len(answers), draws))
        certain = np.zeros(draws)
        for count in range(_TRUE_DRAWS):
            gain = true_gains(told.belief, rng)
            total += rates(gain, np.array(list(answers.values()))) / _TRUE_DRAWS
            if count < _CERTAIN_DRAWS:
                best = make(STALE).allocate(gain, 1.0, 1.0)
                certain += rates(gain, best[None])[0] / _CERTAIN_DRAWS
        for label, rate in zip((*answers, TRUE), (*total, certain), strict=True):
            means.setdefault(label, []).append(float(rate.mean()))
        done(group + 1)
    return {"means": means}


def _answers(gain: Array, belief: Belief, network: UnrolledLate, seed: int) -> dict[str, Array]:
    """Powers of every controller, as fractions of the largest."""
    plain: dict[str, Controller] = {name: make(name) for name in ("wmmse", "beam", "unrolled")}
    answers = {}
    for name, controller in plain.items():
        answers[name] = controller.allocate(gain, 1.0, 1.0)
        expected = controller.allocate(belief.expected, 1.0, 1.0)
        answers[f"{name}:csi=conditional-mean"] = expected
    answers[LATE] = network.allocate_late(*belief[:2], 1.0, 1.0)
    search = SampledSearch(_CEILING_DRAWS, width=16, depth=0, patience=1, floor=1e-4)
    one = np.ones(gain.shape[-1])
    assert belief.receiver is not None
    each = map(Belief, belief.known, belief.unknown, belief.receiver)
    answers[SAMPLED] = np.array([search.power(part, one, one, one, seed) for part in each])
    return answers


def _living_unit(lives: _Lives, slots: int, seed: int, weights: str) -> Unit:
    specs = {}
    for label in lives.controllers:
        name, _, options = label.partition(":")
        given = f"weights={weights}" if name == LATE else ""
        specs[label] = f"{name}:{','.join(filter(None, (given, options)))}".rstrip(":")

    def identity() -> Mapping[str, Any]:
        return {
            "slots": slots,
            "seed": seed,
            "overrides": [*lives.overrides, *lives.reports],
            "controllers": list(lives.controllers),
            "weights": {spec: weights_digest(spec) for spec in (f"{LATE}:{weights}", "unrolled")},
        }

    def compute(done: Done) -> Result:
        return _live(lives, specs, slots, seed, done)

    folder, steps = f"table-{lives.name}", len(specs) + 1
    return Unit(folder, f"seed {seed}", steps, identity, compute, timed=True)


def _live(
    lives: _Lives, specs: Mapping[str, str], slots: int, seed: int, done: Done
) -> dict[str, Any]:
    """Rates and decision times of every controller in one life each."""
    from slotwise.emulator.scenario import load
    from slotwise.runs.quiet import single_threaded
    from slotwise.runs.simulation import simulate

    true = load("nasir-guo", lives.overrides)
    reported = load("nasir-guo", [*lives.overrides, *lives.reports])
    seated = {label: (reported, spec) for label, spec in specs.items()} | {TRUE: (true, STALE)}
    result = {}
    with single_threaded():
        for count, (label, (scenario, spec)) in enumerate(seated.items(), 1):
            summary = simulate(scenario, spec, slots=slots, seed=seed).summary
            kept = ("mean_sum_rate", "latency_p50_s", "latency_p99_s", "faults")
            result[label] = {name: summary[name] for name in kept}
            done(count)
    return {"seed": seed, "lives": result}
