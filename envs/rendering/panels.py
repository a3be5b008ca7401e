"""Panels of the live picture: a map or a matrix, bars of the users, and the course of the sum rate.

A panel makes its artists once and then only changes them. Those that change with every frame are
listed in `moving`, in the order in which they are painted. Axes with their ticks, listed in
`still`, are painted only when `show` says that they have changed, and everything else once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from slotwise.envs.rendering.scene import Scene

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["Bars", "Matrix", "Panel", "Trend", "colours_of", "pixels", "round_up"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

INK = "#1C1C1C"
SOFT = "#5F5F5F"
FAINT = "#E4E4E4"
BLUE, VERMILLION = "#0072B2", "#D55E00"  # of Okabe and Ito, told apart with any colour vision

WIDTH_PX, HEIGHT_PX, DPI = 960, 540, 100
SMALL_PT, TEXT_PT = 8.5, 9.5
SINR_DB = (-10.0, 30.0)
"""Ends of the colours of SINR [dB]: 0.14 and 10 bit/s/Hz."""

STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_ROUND = (1.0, 2.0, 5.0, 10.0)
_DIGIT_PX, _LINE_PX = 7.5, 13.0
_GAIN_DB = (-20.0, 10.0)  # about the ratio of the largest power to the noise: fades, not distances
_OUTLINED, _APART = 60, 150


class Panel(Protocol):
    """A part of the picture that shows scenes."""

    moving: list[Artist]
    still: list[Artist]

    def show(self, scene: Scene) -> bool:
        """Change the artists; True if something else than `moving` must be painted anew."""


def pixels(figure: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Axes at a place on the paper [px]."""
    share = (
        left / WIDTH_PX,
        bottom / HEIGHT_PX,
        (right - left) / WIDTH_PX,
        (top - bottom) / HEIGHT_PX,
    )
    axes = figure.add_axes(share)
    axes.set_animated(True)
    return axes


def round_up(value: float, steps: Sequence[float] = STEPS) -> float:
    """The next round number, for the end of an axis that shall not change with every frame."""
    if not value > 0.0 or not math.isfinite(value):
        return 1.0
    decade = 10.0 ** math.floor(math.log10(value))
    return decade * next((step for step in steps if value <= step * decade * (1 + 1e-9)), 10.0)


def colours_of(sinr_db: Array) -> Array:
    """Colours of users by SINR, shape (K, 4): viridis, which is in one order for any eye."""
    from matplotlib import colormaps

    low, high = SINR_DB
    return np.asarray(colormaps["viridis"](np.clip((sinr_db - low) / (high - low), 0.0, 1.0)))


def colour_bar(figure: Figure, artist: ScalarMappable, left: float, label: str) -> None:
    """The key to an artist's colours, beside it."""
    axes = pixels(figure, left, 64, left + 12, 462)
    axes.set_animated(False)
    bar = figure.colorbar(artist, cax=axes, extend="both")
    bar.set_label(label, fontsize=TEXT_PT, labelpad=2)
    bar.outline.set_linewidth(0.6)
    axes.tick_params(labelsize=SMALL_PT, width=0.6, length=3, pad=2)


def note(axes: Axes, x: float, y: float, size: float = TEXT_PT, **settings: object) -> Artist:
    """An empty text that frames change, at a place in fractions of the axes."""
    text = axes.text(x, y, "", transform=axes.transAxes, fontsize=size, animated=True)
    text.set(**settings)
    return text


def name_users(axes: Axes, user_id: Ids, room_px: float, *, both: bool = False) -> None:
    """Tick labels with users' numbers, as many as have room."""
    digits = len(str(int(user_id[-1]))) if user_id.size else 1
    place = _thinned(user_id.size, (_DIGIT_PX * digits + 5.0) / room_px)
    axes.set_xticks(place, [str(user) for user in user_id[place]])
    if both:
        place = _thinned(user_id.size, _LINE_PX / room_px)
        axes.set_yticks(place, [str(user) for user in user_id[place]])


def _thinned(users: int, least_step: float) -> Ids:
    """Every user, or every second, fifth, tenth ..."""
    step = round(round_up(max(least_step, 1.0), _ROUND))
    return np.arange(0, users, step)


class Matrix:
    """Links without places: what every receiver hears of every transmitter, as colours.

    Parameters
    ----------
    figure : Figure
        The paper.
    full_db : float
        The largest power over the noise [dB].
    """

    def __init__(self, figure: Figure, full_db: float) -> None:
        from matplotlib import colormaps
        from matplotlib.collections import PolyCollection

        self._axes = axes = pixels(figure, 52, 72, 444, 464)
        self._ids: Ids | None = None
        self._image = axes.imshow(
            np.full((1, 1), np.nan),
            cmap=colormaps["cividis"].with_extremes(bad="white"),
            vmin=full_db + _GAIN_DB[0],
            vmax=full_db + _GAIN_DB[1],
            interpolation="nearest",
            animated=True,
        )
        self._own = PolyCollection([], facecolor="none", edgecolor=VERMILLION, animated=True)
        axes.add_collection(self._own, autolim=False)
        self._nobody = note(axes, 0.5, 0.5, ha="center", color=SOFT, text="no users")
        axes.set_xlabel("from transmitter of user", fontsize=TEXT_PT, labelpad=3)
        axes.set_ylabel("at receiver of user", fontsize=TEXT_PT, labelpad=3)
        axes.tick_params(labelsize=SMALL_PT, length=0, pad=3)
        for spine in axes.spines.values():
            spine.set(linewidth=0.8, edgecolor=SOFT, animated=True)
        colour_bar(figure, self._image, 456, "received power over noise [dB]")
        figure.text(
            52 / WIDTH_PX,
            474 / HEIGHT_PX,
            "outlined: wanted, others: interference, white: silent",
            fontsize=SMALL_PT,
            color=SOFT,
        )
        # The frame comes after the image, which would hide half of it.
        self.moving: list[Artist] = [
            self._image,
            *axes.spines.values(),
            self._own,
            self._nobody,
        ]
        self.still: list[Artist] = [axes]

    def show(self, scene: Scene) -> bool:
        """Colour the cells; white where the transmitter is silent."""
        users = scene.user_id.size
        level = (
            np.where(scene.sends, scene.received_db, np.nan) if users else np.full((1, 1), np.nan)
        )
        self._image.set_data(np.ma.masked_invalid(level))
        if self._ids is not None and np.array_equal(self._ids, scene.user_id):
            return False
        self._ids, axes = scene.user_id, self._axes
        size = max(users, 1)
        self._image.set_extent((-0.5, size - 0.5, size - 0.5, -0.5))
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        at = np.arange(users)[:, None, None]
        self._own.set_verts(
            list(at + np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]))
        )
        self._own.set_linewidth(1.6 if users <= _OUTLINED // 2 else 0.8)
        self._nobody.set_visible(users == 0)
        name_users(axes, scene.user_id, 392 / size, both=True)
        return True


class Bars:
    """One bar for each user: powers above, rates below, over the same numbers.

    Parameters
    ----------
    figure : Figure
        The paper.
    p_max_dbm : float
        Largest power [dBm].
    coloured : bool
        Whether rates wear the colours of SINR.
    """

    def __init__(self, figure: Figure, p_max_dbm: float, *, coloured: bool) -> None:
        from matplotlib.collections import PolyCollection

        self._coloured = coloured
        self._power_axes = pixels(figure, 572, 380, 946, 462)
        self._rate_axes = pixels(figure, 572, 226, 946, 334)
        watts = 10.0 ** ((p_max_dbm - 30.0) / 10.0)
        full = f"{watts:.3g} W" if watts >= 0.1 else f"{1e3 * watts:.3g} mW"
        title_of(self._power_axes, f"power now [% of {full}]")
        title_of(self._rate_axes, "rate now [bit/s/Hz]")
        self._power_axes.set_ylim(0.0, 104.0)
        self._power_axes.set_yticks([0, 50, 100])
        self._power_axes.tick_params(labelbottom=False)
        self._rate_axes.set_xlabel("user", fontsize=TEXT_PT, labelpad=1)
        self._power = PolyCollection([], facecolor=BLUE, edgecolor="none", animated=True)
        self._rate = PolyCollection([], facecolor=BLUE, edgecolor="none", animated=True)
        self._power_axes.add_collection(self._power, autolim=False)
        self._rate_axes.add_collection(self._rate, autolim=False)
        (self._silent,) = self._power_axes.plot(
            [], [], "o", mfc="white", mec=SOFT, mew=0.9, ms=4, clip_on=False, animated=True
        )
        self._silent_note = note(self._power_axes, 1.0, 1.09, SMALL_PT, ha="right", color=SOFT)
        self._ids: Ids | None = None
        self._most = 0.0
        self._rate_top = 0.0
        self.moving: list[Artist] = [self._power, self._silent, self._silent_note, self._rate]
        self.still: list[Artist] = [self._power_axes, self._rate_axes]

    def forget(self) -> None:
        """Forget the largest rate so far."""
        self._most = 0.0

    def show(self, scene: Scene) -> bool:
        """Raise the bars; the axis of rates grows to the largest so far and never shrinks."""
        users = scene.user_id.size
        silent = np.flatnonzero(~scene.sends)
        self._power.set_verts(_bars(100.0 * scene.fraction, np.where(scene.sends, 1.5, 0.0)))
        self._rate.set_verts(_bars(scene.rate))
        if self._coloured:
            self._rate.set(
                facecolor=colours_of(scene.sinr_db),
                edgecolor=SOFT,
                linewidth=0.5 * (users <= _APART),
            )
        self._silent.set_data(silent, np.zeros(silent.size))
        self._silent.set_markersize(4.0 if users <= 50 else 2.5)
        self._silent_note.set(text=f"○ silent: {silent.size}" if silent.size else "")
        self._most = max(self._most, float(scene.rate.max(initial=0.0)))
        top, ids = round_up(self._most), self._ids
        same = ids is not None and np.array_equal(ids, scene.user_id)
        if same and top == self._rate_top:
            return False
        self._ids, self._rate_top = scene.user_id, top
        span = max(users, 8)
        middle = (users - 1) / 2.0
        for axes in (self._power_axes, self._rate_axes):
            axes.set_xlim(middle - span / 2.0 - 0.1, middle + span / 2.0 + 0.1)
            name_users(axes, scene.user_id, 374 / (span + 0.2))
        self._rate_axes.set_ylim(0.0, top)
        return True


class Trend:
    """The course of the sum rate over the last steps, with its mean.

    Parameters
    ----------
    figure : Figure
        The paper.
    steps : int
        How many are remembered.
    step : str
        What a step is called.
    """

    def __init__(self, figure: Figure, steps: int, step: str) -> None:
        self._axes = axes = pixels(figure, 572, 52, 946, 166)
        title_of(axes, f"sum rate, last {steps} {step} [bit/s/Hz]")
        axes.set_xlim(-steps, 0.02 * steps)
        ago = [-steps, -3 * steps // 4, -steps // 2, -steps // 4, 0]
        axes.set_xticks(ago, [*(str(-step) for step in ago[:-1]), "now"])
        axes.set_xlabel(f"{step} ago", fontsize=TEXT_PT, labelpad=1)
        axes.tick_params(axis="x", pad=5)  # away from the zero of the other axis
        (self._line,) = axes.plot([], [], color=BLUE, lw=1.6, animated=True)
        (self._last,) = axes.plot([], [], "o", color=BLUE, ms=4.5, animated=True)
        (self._mean,) = axes.plot([], [], color=VERMILLION, lw=1.2, ls=(0, (5, 2)), animated=True)
        self._note = note(axes, 1.0, 1.07, SMALL_PT, ha="right", color=VERMILLION)
        self._top = 0.0
        self.moving: list[Artist] = [self._mean, self._line, self._last, self._note]
        self.still: list[Artist] = [axes]

    def show(self, history: Sequence[float]) -> bool:
        """Draw the line; True if the axis has changed.

        Parameters
        ----------
        history : sequence of float
            Sum rates, the newest last [bit/s/Hz].
        """
        rates = np.array(history, dtype=np.float64)
        ago = np.arange(1.0 - rates.size, 1.0)
        self._line.set_data(ago, rates)
        self._last.set_data(ago[-1:], rates[-1:])
        mean = float(rates.mean()) if rates.size else 0.0
        self._mean.set_data(ago[[0, -1]] if rates.size else [], [mean, mean] if rates.size else [])
        self._note.set(text=f"– – mean {mean:.2f}" if rates.size else "")
        top = round_up(float(rates.max(initial=0.0)) * 1.02)
        if top == self._top:
            return False
        self._top = top
        self._axes.set_ylim(0.0, top)
        return True


def title_of(axes: Axes, text: str) -> None:
    """What a chart shows, above it, where it is read before the axis."""
    axes.set_title(text, loc="left", fontsize=TEXT_PT, pad=5)
    axes.tick_params(labelsize=SMALL_PT, width=0.6, length=3, pad=2)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=True, axis="y", color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.locator_params(axis="y", nbins=4)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.7)


def _bars(height: Array, least: Array | float = 0.0) -> list[Array]:
    """Corners of bars about 0, 1, 2, ..., each of shape (4, 2)."""
    at, top = np.arange(height.size), np.maximum(height, least)
    half = 0.38 if height.size <= _APART else 0.5  # gaps of less than a pixel would flicker
    x = at[:, None] + half * np.array([-1.0, -1.0, 1.0, 1.0])
    y = top[:, None] * np.array([0.0, 1.0, 1.0, 0.0])
    return list(np.stack([x, y], axis=-1))
