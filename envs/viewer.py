"""The viewer: what `render` gives, of one network or of many.

A network is looked at right after powers have come into force: by the time a step returns, its
channel has moved on. Drawing waits until somebody asks for a frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.envs.options import RenderMode
from slotwise.envs.picture import Picture
from slotwise.envs.scene import Scene
from slotwise.envs.seat import Seat
from slotwise.envs.window import Window

__all__ = ["Viewer"]

Frame = NDArray[np.uint8]


class Viewer:
    """Draws the networks of a seat.

    Parameters
    ----------
    seat : Seat
        Whose networks.
    mode : str
        ``rgb_array``, or ``human`` for a window, which shows the first network.

    Raises
    ------
    RuntimeError
        If there is no display for a window.
    """

    def __init__(self, seat: Seat, mode: RenderMode) -> None:
        self._seat = seat
        self._pictures = [Picture(seat.options.scenario) for _ in range(seat.networks)]
        self._scenes: list[Scene] = []
        self._window = Window(seat.options.scenario.name) if mode == "human" else None

    def begin(self) -> None:
        """An episode begins: forget the last one."""
        for picture in self._pictures:
            picture.reset()
        self.look()
        self._show()

    def look(self) -> None:
        """Powers have just come into force."""
        seat = self._seat
        self._scenes = [
            Scene.of(seat.emulator.network, seat.time_s, seat.csi_age_s, b)
            for b in range(seat.networks)
        ]

    def note(self) -> None:
        """A step has ended: its sum rates are known."""
        for picture, sum_rate in zip(self._pictures, self._seat.sum_rate.tolist(), strict=True):
            picture.observe(sum_rate)
        self._show()

    def frames(self) -> list[Frame]:
        """Pictures of all networks, each of shape (540, 960, 3)."""
        return [
            picture.draw(scene) for picture, scene in zip(self._pictures, self._scenes, strict=True)
        ]

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()

    def _show(self) -> None:
        if self._window is not None and self._window.due:
            self._window.show(self._pictures[0].draw(self._scenes[0]))
