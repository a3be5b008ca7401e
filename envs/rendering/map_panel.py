"""The map of the live picture: stations, users, and the links between them.

A user that transmits or is served is a disc in the colour of its SINR, bigger with more power; a
silent one is hollow. Its link, wider with more power, ends at the station that serves it or at its
receiver. With wrap-around a link may leave the map on one side; it comes back on the other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator import hexagons
from slotwise.emulator.medium import Medium
from slotwise.envs.rendering.panels import (
    HEIGHT_PX,
    INK,
    SINR_DB,
    SMALL_PT,
    SOFT,
    VERMILLION,
    WIDTH_PX,
    colour_bar,
    colours_of,
    note,
    pixels,
    round_up,
)
from slotwise.envs.rendering.scene import Scene

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

__all__ = ["Map"]

Array = NDArray[np.float64]

_BOX = (14, 44, 446, 482)
_MOST_NUMBERS = 50
_PAPER = "#F7F7F7"
_FRAME = "#B9B9B9"


class Map:
    """Stations, users and links of one network, in metres.

    Parameters
    ----------
    figure : Figure
        The paper.
    medium : Medium
        Layout, stations and direction.
    network : int
        Which of the medium's networks.
    """

    def __init__(self, figure: Figure, medium: Medium, network: int) -> None:
        self._axes = axes = pixels(figure, *_BOX)
        self._figure, self._paired = figure, medium.layout.kind == "pairs"
        axes.set(xticks=[], yticks=[], facecolor=_PAPER)
        for spine in axes.spines.values():
            spine.set(linewidth=0.8, edgecolor=_FRAME)
        places = medium.places[network]
        self._window = places.area.reshape(2, 2)
        self._outline(medium, network)
        self._make_moving(medium, network)
        self._make_scale()
        self._frame()
        _legend(figure, medium)
        self._make_key()

    def show(self, scene: Scene) -> bool:
        """Put users where they are."""
        users, sent = scene.user_id.size, scene.sends
        colour = colours_of(scene.sinr_db)
        finer = min(1.0, math.sqrt(_MOST_NUMBERS / max(users, 1)))  # where many share the map
        links, owner = _segments(scene)
        again = owner[users:]
        loud = sent[owner]
        width = finer * (0.7 + 2.8 * scene.fraction)[owner]
        self._idle.set_segments(list(links[~loud]))
        self._casing.set_segments(list(links[loud]))
        self._casing.set(linewidth=width[loud] + finer)
        self._links.set_segments(list(links[loud]))
        self._links.set(linewidth=width[loud], color=colour[owner][loud])
        self._users.set_offsets(scene.user_m)
        self._users.set_sizes(finer**2 * (26.0 + 50.0 * scene.fraction))
        edge = np.where(sent[:, None], [0.1, 0.1, 0.1, 1.0], [0.45, 0.45, 0.45, 1.0])
        fill = np.where(sent[:, None], colour, 1.0)
        self._users.set(facecolor=fill, edgecolor=edge)
        self._again.set_offsets(links[users:, 0])
        self._again.set(facecolor=fill[again], edgecolor=edge[again])
        if self._paired:
            self._ends.set_offsets(scene.other_m)
            self._ends.set(edgecolor=edge)
        self._nobody.set_visible(users == 0)
        grown = self._grow(scene)
        self._number(scene)
        return grown

    def _outline(self, medium: Medium, network: int) -> None:
        """Hexagons, or the square in which users move; with wrap-around the images as well."""
        from matplotlib.collections import PolyCollection

        layout, places = medium.layout, medium.places[network]
        if layout.kind == "hexagons":
            turn = np.deg2rad(30.0 + 60.0 * np.arange(6))
            radius_m = hexagons.CORNER * layout.half_distance_m
            cell = radius_m * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
            image = (places.station + places.tiles[1:, None, :]).reshape(-1, 2)
            for centre, fill, edge in (
                (image, "#EDEDED", "#DADADA"),
                (places.station, "#FFFFFF", "#9A9A9A"),
            ):
                outline = PolyCollection(
                    list(centre[:, None, :] + cell), facecolor=fill, edgecolor=edge, lw=0.9
                )
                self._axes.add_collection(outline, autolim=False)
            self._axes.scatter(
                image[:, 0], image[:, 1], marker="^", s=34, facecolor="#EBC3A8", edgecolor="none"
            )
        elif layout.kind != "sites":
            low, high = places.area[:2], places.area[2:]
            corners = [low, [high[0], low[1]], high, [low[0], high[1]]]
            square = PolyCollection([np.array(corners)], facecolor="#FFFFFF", edgecolor="#9A9A9A")
            self._axes.add_collection(square, autolim=False)

    def _make_moving(self, medium: Medium, network: int) -> None:
        from matplotlib.collections import LineCollection

        axes = self._axes
        self._idle = LineCollection([], colors="#B5B5B5", lw=0.7, animated=True)
        # A dark edge around each line, so that the bright end of the colours shows on white.
        self._casing = LineCollection([], colors="#3A3A3A", capstyle="round", animated=True)
        self._links = LineCollection([], capstyle="round", animated=True)
        for lines in (self._idle, self._casing, self._links):
            axes.add_collection(lines, autolim=False)
        station = medium.places[network].station[: 0 if self._paired else None]
        self._stations = axes.scatter(
            station[:, 0],
            station[:, 1],
            marker="^",
            s=80 if len(station) <= 60 else 30,
            facecolor=VERMILLION,
            edgecolor="white",
            linewidths=0.8,
            animated=True,
        )
        self._ends = axes.scatter(
            [], [], marker="s", s=16, facecolor="white", linewidths=1.0, animated=True
        )
        self._again = axes.scatter([], [], s=20, linewidths=0.7, alpha=0.45, animated=True)
        self._users = axes.scatter([], [], linewidths=0.9, animated=True)
        most = min(medium.present.shape[1], _MOST_NUMBERS)
        self._numbers = [
            axes.text(
                0,
                0,
                "",
                fontsize=8,
                color=INK,
                ha="center",
                va="center_baseline",
                animated=True,
                clip_on=True,
            )
            for _ in range(most)
        ]
        self._nobody = note(axes, 0.5, 0.94, ha="center", color=SOFT, text="no users")
        self.moving: list[Artist] = [
            self._idle,
            self._casing,
            self._links,
            self._stations,
            self._ends,
            self._again,
            self._users,
            *self._numbers,
            self._nobody,
        ]

    def _make_scale(self) -> None:
        """A bar of round length below the map."""
        from matplotlib.lines import Line2D

        self._scale = Line2D([], [], color=INK, lw=2.4, solid_capstyle="butt", animated=True)
        self._figure.add_artist(self._scale)
        self._scale_text = self._figure.text(
            0.0, 12 / HEIGHT_PX, "", fontsize=SMALL_PT, va="center", animated=True
        )
        self.still: list[Artist] = [self._axes, self._scale, self._scale_text]

    def _make_key(self) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        colours = ScalarMappable(Normalize(*SINR_DB), "viridis")
        colour_bar(self._figure, colours, 458, "SINR [dB]")

    def _number(self, scene: Scene) -> None:
        """Users' numbers, each on the side of its disc that faces away from the link."""
        users = scene.user_id.size
        shown = users if users <= len(self._numbers) else 0
        per_m = self._per_m
        away = scene.user_m - scene.other_m
        length = np.hypot(away[:, 0], away[:, 1])
        away[~(length > 0.0)] = (0.0, 1.0)
        away /= np.maximum(length, 1e-9)[:, None]
        beside = scene.user_m + away * (np.sqrt(scene.fraction) * 2.0 + 9.0)[:, None] / per_m
        for place, text in enumerate(self._numbers):
            text.set_visible(place < shown)
            if place < shown:
                text.set_position((beside[place, 0], beside[place, 1]))
                text.set_text(str(scene.user_id[place]))

    def _grow(self, scene: Scene) -> bool:
        """Show more if somebody is outside, as receivers near an edge may be."""
        ends = scene.other_m if self._paired else scene.user_m
        points = np.concatenate([scene.user_m, ends])
        if points.size == 0:
            return False
        low = np.minimum(self._window[0], points.min(axis=0))
        high = np.maximum(self._window[1], points.max(axis=0))
        if np.array_equal((low, high), self._window):
            return False
        # A little more at once, so that a walk along the edge is not a new frame every time.
        margin = 0.02 * (high - low)
        self._window = np.stack(
            [
                np.where(low < self._window[0], low - margin, low),
                np.where(high > self._window[1], high + margin, high),
            ]
        )
        self._frame()
        return True

    def _frame(self) -> None:
        """Limits that fill the box with one scale for both axes, and the bar for that scale."""
        low, high = self._window
        middle, size_px = (low + high) / 2.0, np.array([_BOX[2] - _BOX[0], _BOX[3] - _BOX[1]])
        self._per_m = float(np.min(size_px / (1.06 * np.maximum(high - low, 1e-3))))
        half_m = size_px / (2.0 * self._per_m)
        self._axes.set_xlim(middle[0] - half_m[0], middle[0] + half_m[0])
        self._axes.set_ylim(middle[1] - half_m[1], middle[1] + half_m[1])
        bar_m = round_up(45.0 / self._per_m, (1.0, 2.0, 5.0, 10.0))
        left = _BOX[0]
        right = left + bar_m * self._per_m
        self._scale.set_data([left / WIDTH_PX, right / WIDTH_PX], [12 / HEIGHT_PX] * 2)
        self._scale_text.set_x((right + 6) / WIDTH_PX)
        name = f"{bar_m / 1000:g} km" if bar_m >= 1000 else f"{bar_m:g} m"
        self._scale_text.set_text(name)


def _segments(scene: Scene) -> tuple[Array, NDArray[np.int64]]:
    """Links as lines, shape (n, 2, 2), and whose they are; a wrapped one comes in two parts."""
    every = np.stack([scene.user_m, scene.other_m], axis=1)
    wrapped = np.flatnonzero(np.any(scene.shift_m != 0.0, axis=-1))
    again = every[wrapped] - scene.shift_m[wrapped][:, None, :]
    owner = np.concatenate([np.arange(len(every)), wrapped])
    return np.concatenate([every, again]), owner


def _legend(figure: Figure, medium: Medium) -> None:
    """What the marks mean, below the map."""
    from matplotlib.lines import Line2D

    def mark(marker: str, fill: str, edge: str, size: float) -> Line2D:
        return Line2D([], [], ls="none", marker=marker, mfc=fill, mec=edge, ms=size, mew=0.9)

    user, silent = mark("o", "#35B779", INK, 7), mark("o", "white", SOFT, 6)
    link = Line2D([], [], color=SOFT, lw=2.6)
    if medium.layout.kind == "pairs":
        end = mark("s", "white", INK, 4.5)
        marks = {"sends": user, "silent": silent, "receives": end, "width: power": link}
    else:
        station = mark("^", VERMILLION, "white", 9)
        served = "served" if medium.downlink else "sends"
        words = "station sends" if medium.downlink else "station receives"
        marks = {words: station, f"user {served}": user, "silent": silent, "width: power": link}
    if medium.places[0].tiles.shape[0] > 1:
        figure.text(
            _BOX[2] / WIDTH_PX,
            12 / HEIGHT_PX,
            "faint: the same again, wrapped around",
            fontsize=SMALL_PT,
            color=SOFT,
            ha="right",
            va="center",
        )
    figure.legend(
        list(marks.values()),
        list(marks),
        loc="center left",
        bbox_to_anchor=((_BOX[0] - 3) / WIDTH_PX, 32 / HEIGHT_PX),
        ncols=len(marks),
        fontsize=SMALL_PT,
        frameon=False,
        handlelength=1.1,
        handletextpad=0.4,
        columnspacing=1.0,
        borderaxespad=0.0,
        borderpad=0.0,
    )
