"""A window for frames: what ``render_mode="human"`` shows.

This is the one place that uses pyplot, because an interactive window needs its event loop.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Window"]

_DPI = 100


class Window:
    """Shows frames through matplotlib's interactive backend.

    Parameters
    ----------
    title : str
        Title of the window.
    frames_per_s : float
        Most frames in a second; what comes faster is left out.

    Raises
    ------
    RuntimeError
        If there is no display, or matplotlib's backend opens no windows.
    """

    def __init__(self, title: str = "slotwise", frames_per_s: float = 20.0) -> None:
        from matplotlib import pyplot as plt
        from matplotlib.backends.registry import BackendFilter, backend_registry

        registry: Any = backend_registry  # its methods carry no types
        windowed = set(registry.list_builtin(BackendFilter.INTERACTIVE))
        try:
            figure = plt.figure(figsize=(9.6, 5.4), dpi=_DPI)
        except (ImportError, RuntimeError) as error:
            raise RuntimeError(_refusal(str(error))) from None
        backend = str(plt.get_backend())
        opens = type(figure.canvas).required_interactive_framework is not None
        if not opens and backend.lower() not in windowed:
            plt.close(figure)
            raise RuntimeError(_refusal(f"matplotlib's backend {backend} opens no windows"))
        plt.ion()
        self._figure, self._number = figure, figure.number
        self._axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self._axes.set_axis_off()
        self._image = self._axes.imshow(np.full((540, 960, 3), 255, np.uint8), aspect="equal")
        if figure.canvas.manager is not None:
            figure.canvas.manager.set_window_title(title)
        figure.show()
        self._interval_s = 1.0 / frames_per_s
        self._shown_s = -np.inf

    @property
    def due(self) -> bool:
        """Whether a frame would be shown now: the window is open and the last one is old enough."""
        from matplotlib import pyplot as plt

        old = time.perf_counter() - self._shown_s >= self._interval_s
        return old and plt.fignum_exists(self._number)

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Show a frame, unless one was shown just now or the window has been closed.

        Parameters
        ----------
        frame : ndarray, shape (H, W, 3), uint8
            Red, green and blue.
        """
        if not self.due:
            return
        self._image.set_data(frame)
        self._figure.canvas.draw()
        self._figure.canvas.flush_events()
        self._shown_s = time.perf_counter()

    def close(self) -> None:
        """Close the window, if it is still open."""
        from matplotlib import pyplot as plt

        plt.close(self._number)


def _refusal(cause: str) -> str:
    cause = " ".join(cause.split())
    return (
        f"render_mode='human' needs a display: {cause}; render_mode=\"rgb_array\" works without one"
    )
