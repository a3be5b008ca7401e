"""The study `sun2018`: the network that imitates WMMSE, its tables and figures measured again.

H. Sun, X. Chen, Q. Shi, M. Hong, X. Fu and N. D. Sidiropoulos, "Learning to optimize: Training deep
neural networks for interference management", IEEE Trans. Signal Process. 66(20), 2018. Beside the
paper's network stand those that take any number of users and are trained once for everything, and
the searches that a learned controller must beat.
"""

from __future__ import annotations

from collections.abc import Sequence

from slotwise.runs.studies import published
from slotwise.runs.studies.descent import descent_part
from slotwise.runs.studies.distributions import draw_distributions
from slotwise.runs.studies.methods import CLASSICAL, NINE, OPTIMISER, SEARCHES, UNROLLED
from slotwise.runs.studies.part import Document, Part, Result, Unit
from slotwise.runs.studies.published import Comparison
from slotwise.runs.studies.setting import Goal, Published, Scale, Setting
from slotwise.runs.studies.study import Study
from slotwise.runs.studies.tables import Specs, measured_unit, show_settings

__all__ = ["sun2018"]

_TITLE = "Learning to optimize, measured again"
_WORDS = (
    "H. Sun et al., IEEE Trans. Signal Process. 66(20), 2018. Rates are relative to WMMSE from "
    "full power (500 iterations at most) on the same held-out draws, with a paired 95% interval; "
    "*rounded* is on above half of the largest power and off below. Two times are told: all draws "
    "in one call (processor time on one thread, as published), and the median of one decision at a "
    "time, methods taking turns. The published times are of one call for the network and of one "
    "draw after another for WMMSE, on another machine; the published ratios are of rounded powers."
)
_WORDS_OF = {
    "1": (
        "Table I: Gaussian interference channel",
        "Every gain is |CN(0, 1)|², 0 dB. Beyond the paper: 50 and 100 users.",
    ),
    "2": (
        "Table II: interfering multiple-access channel",
        "Uplink of N cells with K users, 100 m half the distance between stations; (N, K).",
    ),
    "3": (
        "Table III: half of the users present",
        "The network is trained for twice as many users; the rest of its input is zero.",
    ),
    "4": (
        "Table IV: other cell radii",
        "Networks of (N, K) are trained at R = 100 m and tested elsewhere; the unrolled network "
        "and the graph network are the same everywhere.",
    ),
    "5": (
        "Table V: users away from their station",
        "Networks of (N, K) are trained at r = 0 and tested with users at least r from their "
        "station; the unrolled network and the graph network are the same everywhere.",
    ),
    "20db": (
        "At 20 dB, against the certified optimum",
        "Not in the paper. Rates are relative to the optimum of branch and bound (gap 0.01 "
        "bit/s/Hz), of which WMMSE from full power misses more than anywhere else.",
    ),
}
_LINKS_GOALS = {
    10: ((97.7, 98.33), (97.0, 98.5), (101.5, 101.9), (101.2, None)),
    20: ((90.0, 92.04), (88.6, 93.0), (101.2, 101.8), (100.8, None)),
    30: ((82.0, 84.29), (83.6, 88.0), (101.1, 101.7), (100.7, None)),
    50: (None, None, (100.7, 101.5), (100.3, None)),
    100: (None, None, (100.5, 101.5), (100.0, None)),
}
_CELLS_GOALS = {(3, 12): 97.0, (3, 18): 96.0, (3, 24): 95.0, (7, 28): 93.0, (20, 80): 88.0}
_CERTIFIED_GOALS = {4: (96.7, 99.7), 8: (98.4, 99.7), 10: (98.3, 99.9), 20: (97.9, 99.3)}
_TRAINED_LINKS = (10, 20, 30)


def sun2018(scale: Scale, seed: int, specs: Specs, extra: Sequence[Part] = ()) -> Study:
    """The study, not yet run.

    Parameters
    ----------
    scale : Scale
        Draws and times.
    seed : int
        Fixes the draws.
    specs : callable
        Spec of a method's label.
    extra : sequence of Part
        Parts that train networks of their own: Table VI and Fig. 6.
    """

    def measured(name: str, settings: Sequence[Setting]) -> tuple[Unit, ...]:
        return tuple(measured_unit(name, each, specs, scale, seed) for each in settings)

    def part(
        name: str, title: str, words: str, settings: Sequence[Setting], times: str = ""
    ) -> Part:
        return Part(
            name,
            title,
            words,
            measured(f"table-{name}", settings),
            lambda results: show_settings(settings, results, times),
        )

    links, cells = _links(scale), _cells(scale)
    parts = [
        descent_part(seed),
        part("1", *_WORDS_OF["1"], links, "call"),
        part("2", *_WORDS_OF["2"], cells, "call"),
        part("3", *_WORDS_OF["3"], _half(scale), "call"),
        part("4", *_WORDS_OF["4"], _radii(scale)),
        part("5", *_WORDS_OF["5"], _inner(scale)),
        part("20db", *_WORDS_OF["20db"], _certified(scale)),
        *extra,
    ]
    one, two = parts[1].units, parts[2].units
    parts += [
        _figure_7(
            (one[0], two[2]), ((links[0], "mlp:gaussian-ic-10"), (cells[2], "mlp:imac-3x24"))
        ),
        _figure_8(one[:3], links[:3]),
    ]
    return Study("sun2018", _TITLE, _WORDS, scale.name, seed, tuple(parts))


def _links(scale: Scale) -> list[Setting]:
    """Table I, and on to 100 users."""
    settings = []
    for users, (paper, rate, full, tiny) in _LINKS_GOALS.items():
        names = _mlp_names(users)
        goals = [
            Goal("unrolled", "raw", *full),
            Goal("unrolled-tiny", "raw", *tiny),
            Goal(NINE, "raw", 102.0),
        ]
        if paper is not None and rate is not None:
            goals = [Goal(names[0], "rounded", *paper), Goal(names[1], "raw", *rate), *goals]
        if users == 10:
            goals.append(Goal(NINE, "raw", 99.9, 99.97, "optimum"))
        if users == 100:
            goals.append(Goal("unrolled-tiny", "speed", 4.0))
        settings.append(
            Setting(
                label=f"K = {users}",
                scenario="gaussian-ic",
                users=users,
                samples=scale.large_samples if users >= 100 else scale.samples,
                methods=(*CLASSICAL, *(("optimum",) if users == 10 else ()), *names, *OPTIMISER),
                published=_published(published.GAUSSIAN.get(users), names),
                goals=tuple(goals),
            )
        )
    return settings


def _mlp_names(users: int) -> tuple[str, ...]:
    """The paper's network and the better recipe, where they are trained for so many users."""
    if users not in _TRAINED_LINKS:
        return ()
    return f"mlp:gaussian-ic-{users}", f"mlp:gaussian-ic-{users}-rate"


def _published(line: Comparison | None, names: Sequence[str]) -> dict[str, Published]:
    """A line of Table I, II or III, by label; the first name is the paper's network."""
    if line is None or not names:
        return {}
    return {
        "wmmse": Published(line.wmmse, 1.0, f"{line.wmmse_s:g} s, in C {line.wmmse_c_s:g} s"),
        names[0]: Published(line.network, line.relative, f"{line.network_s:g} s"),
    }


def _cell_setting(
    cells: tuple[int, int],
    scale: Scale,
    overrides: Sequence[str] = (),
    line: dict[str, Published] | None = None,
    **names: str,
) -> Setting:
    """One network of Tables II, IV and V."""
    stations, users = cells
    return Setting(
        scenario="imac",
        users=users,
        samples=scale.samples,
        methods=(*CLASSICAL, f"mlp:imac-{stations}x{users}", *OPTIMISER),
        overrides=(f"layout.cells={stations}", *overrides),
        published=line or {},
        goals=_cell_goals(cells, zero_shot=bool(overrides)),
        **names,
    )


def _cell_goals(cells: tuple[int, int], zero_shot: bool) -> tuple[Goal, ...]:
    if zero_shot:
        return (Goal("unrolled", "better", 100.0), Goal("unrolled", "raw", 100.0, 100.5))
    stations, users = cells
    aim = 100 * published.IMAC[cells].relative
    return (Goal(f"mlp:imac-{stations}x{users}", "rounded", _CELLS_GOALS[cells], round(aim, 2)),)


def _cells(scale: Scale) -> list[Setting]:
    """Table II."""
    return [
        _cell_setting(
            cells,
            scale,
            line=_published(line, (f"mlp:imac-{cells[0]}x{cells[1]}",)),
            label=f"({cells[0]}, {cells[1]})",
        )
        for cells, line in published.IMAC.items()
    ]


def _half(scale: Scale) -> list[Setting]:
    """Table III."""
    return [
        Setting(
            label=f"{users // 2} of {users}",
            scenario="gaussian-ic",
            users=users // 2,
            samples=scale.samples,
            methods=(*CLASSICAL, *_mlp_names(users), *OPTIMISER),
            published=_published(line, _mlp_names(users)),
            goals=(Goal("unrolled", "raw", 100.8),),
        )
        for users, line in published.HALF.items()
    ]


def _radii(scale: Scale) -> list[Setting]:
    """Table IV."""
    return [
        _cell_setting(
            cells,
            scale,
            (f"layout.half_distance_m={radius}",),
            {f"mlp:imac-{cells[0]}x{cells[1]}": Published(relative=relative)},
            label=f"R = {radius} m",
            group=f"({cells[0]}, {cells[1]})",
        )
        for cells, line in published.IMAC_RADIUS.items()
        for radius, relative in line.items()
    ]


def _inner(scale: Scale) -> list[Setting]:
    """Table V."""
    return [
        _cell_setting(
            cells,
            scale,
            (f"layout.inner_radius_m={inner}",),
            {f"mlp:imac-{cells[0]}x{cells[1]}": Published(relative=relative)},
            label=f"r = {inner} m",
            group=f"({cells[0]}, {cells[1]})",
        )
        for cells, line in published.IMAC_INNER.items()
        for inner, relative in line.items()
    ]


def _certified(scale: Scale) -> list[Setting]:
    """20 dB, where the optimum is certified first."""
    return [
        Setting(
            label=f"K = {users}",
            scenario="gaussian-ic",
            users=users,
            samples=max(1, scale.certified_samples // (4 if users == 20 else 1)),
            methods=("optimum", *SEARCHES, "greedy", *UNROLLED[:-1], "unrolled:starts=9", NINE),
            overrides=("radio.noise_dbm=10",),
            goals=(
                Goal("unrolled", "raw", one_pass, 99.0),
                Goal("unrolled:starts=9", "raw", nine),
            ),
        )
        for users, (one_pass, nine) in _CERTIFIED_GOALS.items()
    ]


def _figure_7(units: tuple[Unit, ...], chosen: Sequence[tuple[Setting, str]]) -> Part:
    def document(results: Sequence[Result]) -> Document:
        return draw_distributions(
            "figure-7",
            chosen,
            results,
            ("wmmse", "", "unrolled", "random", "max"),
        )

    words = (
        "Distribution of the sum rate over the draws of Tables I and II; the network is rounded."
    )
    return Part("fig7", "Fig. 7: distribution of the sum rate", words, units, document)


def _figure_8(units: tuple[Unit, ...], settings: Sequence[Setting]) -> Part:
    def document(results: Sequence[Result]) -> Document:
        chosen = [(setting, f"mlp:gaussian-ic-{setting.users}") for setting in settings]
        return draw_distributions("figure-8", chosen, results, ("wmmse", "", "unrolled"))

    words = "The sum rate over the draws of Table I; the paper's network is rounded."
    return Part("fig8", "Fig. 8: the network against WMMSE", words, units, document)
