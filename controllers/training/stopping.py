"""Ctrl-C held back until the step under way is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interrupts_held"]


@contextmanager
def interrupts_held(held: bool = True) -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C back, so that whoever works can stop where nothing is half done.

    A second Ctrl-C does what it did before. Outside the main thread, and where Ctrl-C is ignored
    or not Python's, nothing is held.

    Parameters
    ----------
    held : bool
        False holds nothing.

    Yields
    ------
    callable
        Tells whether Ctrl-C has been pressed.
    """
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not (held and main and callable(before)):
        yield lambda: False
        return
    previous, pressed = before, 0

    def hold(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        if pressed > 1:
            previous(number, frame)

    signal.signal(signal.SIGINT, hold)
    try:
        yield lambda: pressed > 0
    finally:
        signal.signal(signal.SIGINT, before)
