"""The live picture of a network: where everybody is, who sends how loud, and what comes of it.

On the left the network, a map or, where links have no places, a matrix of what every receiver
hears; on the right the users' powers and rates now and the course of the sum rate. It is what
``render_mode="rgb_array"`` returns and ``render_mode="human"`` shows. Nothing of pyplot's global
state is touched. Paper with labels, and axes, are kept as pixels and painted again only when they
change, so that a frame costs what moves in it.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.network import Network, noise_power_w
from slotwise.emulator.radio import from_dbm, to_db
from slotwise.emulator.scenario import Scenario
from slotwise.envs.rendering.map_panel import Map
from slotwise.envs.rendering.panels import (
    DPI,
    HEIGHT_PX,
    INK,
    SOFT,
    WIDTH_PX,
    Bars,
    Matrix,
    Panel,
    Trend,
)
from slotwise.envs.rendering.scene import Scene

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["Picture"]

_STEPS = 100
_TILES = {"time": 470, "users": 556, "sum rate [bit/s/Hz]": 650, "CSI age": 766, "last change": 842}
_MOST_LETTERS = (40, 72)


class Picture:
    """Draws frames of one network.

    Parameters
    ----------
    scenario : Scenario
        What is lived.

    Notes
    -----
    What is drawn is what is in force when `frame` is called. Under ``fading = "iid"`` a decision
    lasts as long as the channel it was made for: whoever calls `frame` when the next report has
    come sees old powers on a new channel. `Scene.of` right after the decision, and `draw` later,
    show both together.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._history: deque[float] = deque(maxlen=_STEPS)
        self._figure: Figure | None = None
        self._built_for: tuple[object, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Forget the history."""
        self._history.clear()
        self._last: Scene | None = None
        self._change = ""
        if self._figure is not None:
            self._bars.forget()

    def observe(self, sum_rate: float) -> None:
        """Remember one more step.

        Parameters
        ----------
        sum_rate : float
            Mean sum rate over the step [bit/s/Hz].
        """
        self._history.append(float(sum_rate))

    def frame(
        self, network: Network, now_s: float, csi_age_s: float = 0.0, b: int = 0
    ) -> NDArray[np.uint8]:
        """Draw a network as it is.

        Parameters
        ----------
        network : Network
            State of B networks.
        now_s : float
            Network time [s].
        csi_age_s : float
            Age of the newest report [s].
        b : int
            Which of the B.

        Returns
        -------
        ndarray, shape (540, 960, 3), uint8
            Red, green and blue.
        """
        return self.draw(Scene.of(network, now_s, csi_age_s, b))

    def draw(self, scene: Scene) -> NDArray[np.uint8]:
        """Draw a network as it was.

        Parameters
        ----------
        scene : Scene
            What `Scene.of` saw.

        Returns
        -------
        ndarray, shape (540, 960, 3), uint8
            Red, green and blue.
        """
        stale = self._prepare(scene)
        self._note_change(scene)
        for panel in self._panels:
            stale |= panel.show(scene)
        stale |= self._trend.show(self._history)
        self._write(scene)
        canvas = self._canvas
        renderer = canvas.get_renderer()
        if stale:
            canvas.restore_region(self._paper)
            with _look():
                for artist in self._still:
                    artist.draw(renderer)
            self._axes = canvas.copy_from_bbox(canvas.figure.bbox)
        canvas.restore_region(self._axes)
        for artist in self._moving:
            artist.draw(renderer)
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _prepare(self, scene: Scene) -> bool:
        """Take new paper if this is another place than before; an episode may bring one."""
        layout, station = scene.medium.layout, scene.medium.places[scene.network].station
        # Poisson points lie elsewhere in every life.
        wanted = (layout, station.tobytes() if layout.kind not in ("links", "pairs") else b"")
        if self._built_for == wanted:
            return False
        with _look():
            self._build(scene)
            self._canvas.draw()
        self._paper = self._canvas.copy_from_bbox(self._canvas.figure.bbox)
        self._built_for = wanted
        return True

    def _build(self, scene: Scene) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        radio = self._scenario.radio
        size = (WIDTH_PX / DPI, HEIGHT_PX / DPI)
        self._figure = figure = Figure(figsize=size, dpi=DPI, facecolor="white")
        self._canvas: Any = FigureCanvasAgg(figure)
        placed = scene.medium.layout.kind != "links"
        place: Panel
        if placed:
            place = Map(figure, scene.medium, scene.network)
        else:
            full = float(from_dbm(radio.p_max_dbm)) / noise_power_w(radio)
            place = Matrix(figure, float(to_db(np.array(full))))
        self._bars = Bars(figure, radio.p_max_dbm, coloured=placed)
        csi, slot_s = self._scenario.csi, self._scenario.timing.slot_s
        single = csi.period_s is None or round(csi.period_s / slot_s) == 1
        self._trend = Trend(figure, _STEPS, "slots" if single else "steps")
        self._panels: tuple[Panel, ...] = (place, self._bars)
        self._tiles = self._make_title(figure)
        self._moving: list[Artist] = [
            *(artist for panel in self._panels for artist in panel.moving),
            *self._trend.moving,
            *self._tiles.values(),
        ]
        self._still: list[Artist] = [
            *(artist for panel in self._panels for artist in panel.still),
            *self._trend.still,
        ]

    def _make_title(self, figure: Figure) -> dict[str, Text]:
        """Name of the scenario, and beside it numbers under what they are called."""

        def write(x: float, y: float, text: str, **look: Any) -> Text:
            return figure.text(x / WIDTH_PX, y / HEIGHT_PX, text, parse_math=False, **look)

        name, description = (
            _shortened(text, most)
            for text, most in zip(
                (self._scenario.name, self._scenario.description), _MOST_LETTERS, strict=True
            )
        )
        write(14, 515, name, fontsize=13, fontweight="bold")
        write(14, 497, description, fontsize=8, color=SOFT)
        tiles = {}
        for label, x in _TILES.items():
            write(x, 520, label, fontsize=8, color=SOFT)
            tiles[label] = write(x, 500, "", fontsize=11, fontweight="bold", animated=True)
        tiles["last change"].set(fontsize=8.5, fontweight="normal")
        return tiles

    def _write(self, scene: Scene) -> None:
        users, now_s = scene.user_id.size, scene.now_s
        of = " of " if scene.capacity < 1000 else "/"
        total = self._history[-1] if self._history else float(scene.rate.sum())
        values = (
            _duration(now_s),
            f"{users}" if users == scene.capacity else f"{users}{of}{scene.capacity}",
            f"{total:.2f}" if total < 1000 else f"{total:.5g}",
            _duration(scene.csi_age_s),
            self._change or "none yet",
        )
        for text, value in zip(self._tiles.values(), values, strict=True):
            text.set_text(value)

    def _note_change(self, scene: Scene) -> None:
        """Who has come, gone or been handed over since the last frame."""
        last, self._last = self._last, scene
        if last is None:
            return
        _, before, now = np.intersect1d(last.user_id, scene.user_id, return_indices=True)
        moved = last.serving[before] != scene.serving[now]
        for users, what in (
            (np.setdiff1d(scene.user_id, last.user_id), " joined"),
            (np.setdiff1d(last.user_id, scene.user_id), " left"),
            (scene.user_id[now][moved], ": handover"),
        ):
            if users.size:
                who = f"user {users[0]}" if users.size == 1 else f"{users.size} users"
                self._change = who + what
                return


@contextmanager
def _look() -> Iterator[None]:
    """Build and paint inside this: the same whatever matplotlib was set to before and after."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to fail.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(
            {"text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}
        )
        yield


def _shortened(text: str, most: int) -> str:
    """One line that ends with an ellipsis where it is cut."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _duration(time_s: float) -> str:
    """Of fixed precision for its size, so that a running clock does not change its width."""
    if time_s < 1.0:
        return f"{1e3 * time_s:.1f} ms"
    return f"{time_s:.3f} s" if time_s < 100 else f"{time_s:.1f} s"
