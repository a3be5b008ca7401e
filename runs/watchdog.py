"""A watchdog: ends a decision that does not end by itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

__all__ = ["Abandoned", "time_limit"]


class Abandoned(BaseException):
    """A decision was ended from outside. No ``except Exception`` of a controller catches it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Prepare a limit on wall-clock time and yield a context manager that applies it.

    Parameters
    ----------
    seconds : float or None
        After how long `Abandoned` is raised inside the block [s]; None never raises.

    Notes
    -----
    It rests on the interval timer of POSIX, which only the main thread can use; elsewhere there
    is no limit. Code that never returns to the interpreter is ended when it does.
    """
    usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if seconds is None or not usable:
        yield nullcontext
        return

    fired = False

    def abandon(_number: int, _frame: FrameType | None) -> None:
        nonlocal fired
        fired = True
        raise Abandoned

    @contextmanager
    def limited() -> Iterator[None]:
        nonlocal fired
        fired = False
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        if fired:  # and the block went on as if nothing had happened
            raise Abandoned

    before = signal.signal(signal.SIGALRM, abandon)
    try:
        yield limited
    finally:
        signal.signal(signal.SIGALRM, before)
