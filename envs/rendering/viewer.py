"""The viewer: what `render` gives, of one network or of many.

A network is looked at right after powers have come into force: by the time a step returns, its
channel has moved on. Drawing waits until somebody asks for a frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.network import Network
from slotwise.emulator.scenario import Scenario
from slotwise.envs.options import RenderMode
from slotwise.envs.rendering.picture import Picture
from slotwise.envs.rendering.scene import Scene
from slotwise.envs.rendering.window import Window

__all__ = ["Viewer"]

Frame = NDArray[np.uint8]


class Viewer:
    """Draws B networks.

    Parameters
    ----------
    scenario : Scenario
        What they live.
    networks : int
        B.
    mode : str
        ``rgb_array``, or ``human`` for a window, which shows the first network.

    Raises
    ------
    RuntimeError
        If there is no display for a window.
    """

    def __init__(self, scenario: Scenario, networks: int, mode: RenderMode) -> None:
        self._pictures = [Picture(scenario) for _ in range(networks)]
        self._scenes: list[Scene] = []
        self._window = Window(scenario.name) if mode == "human" else None

    def begin(self, network: Network, time_s: float, csi_age_s: float) -> None:
        """An episode begins: forget the last one; arguments as of `look`."""
        for picture in self._pictures:
            picture.reset()
        self.look(network, time_s, csi_age_s)
        self._show()

    def look(self, network: Network, time_s: float, csi_age_s: float) -> None:
        """Powers have just come into force.

        Parameters
        ----------
        network : Network
            State of B networks.
        time_s, csi_age_s : float
            Network time, and age of the report that was answered [s].
        """
        networks = range(len(self._pictures))
        self._scenes = [Scene.of(network, time_s, csi_age_s, b) for b in networks]

    def note(self, sum_rate: NDArray[np.float64]) -> None:
        """A step has ended with these mean sum rates, shape (B,) [bit/s/Hz]."""
        for picture, one in zip(self._pictures, sum_rate.tolist(), strict=True):
            picture.observe(one)
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
