"""Progress for people: a bar with the time left on standard error, gone when the work is done.

A bar is born with the work, stays unseen for the first second so that short work does not flicker,
and is never drawn where nobody looks: into a file, a pipe, or a program's log. Work in other
processes is followed through a board, a small memory-mapped file of one counter for each task:
the worker writes its own counter, whoever draws reads them all, and nobody waits for anybody.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

__all__ = ["Board", "Stopped", "beyond", "note", "progress_bar"]

_UNSEEN_S = 1.0
_COUNTER_BYTES = 8
_REDRAWS_PER_S = 5


def note(text: str) -> None:
    """Say one line to the person on standard error, never on standard output."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def progress_bar(
    label: str,
    total: int | None,
    *,
    shown: bool = True,
    poll: Callable[[], int] | None = None,
    words: Callable[[], str] | None = None,
    threadless: bool = False,
) -> Iterator[Callable[[int], None]]:
    """Draw a bar with the time left on standard error while the work lasts.

    Parameters
    ----------
    label : str
        What is being done.
    total : int or None
        Steps of the whole work; None where nobody can tell, and the bar only moves.
    shown : bool
        False draws nothing. Nothing is drawn either where standard error is not a terminal.
    poll : callable, optional
        Steps done so far, asked for at each redrawing; without it the caller reports.
    words : callable, optional
        What else there is to say, asked for at each redrawing.
    threadless : bool
        Redraw only while the caller reports, and never from a thread of the bar's own, which would
        take the interpreter away from whatever is being measured.

    Yields
    ------
    callable
        Takes the number of steps done so far.
    """
    if not shown or not sys.stderr.isatty():
        yield _ignore
        return
    bar, task = _bar(label, total, poll, words, threadless)
    drawn = time.monotonic()

    def report(done: int) -> None:
        nonlocal drawn
        bar.update(task, completed=done)
        if threadless and time.monotonic() - drawn > 1 / _REDRAWS_PER_S:
            bar.refresh()
            drawn = time.monotonic()

    with bar:
        yield report


def beyond(done: Callable[[int], None], base: int) -> Callable[[int], None]:
    """Report steps of a part as steps of the whole, of which ``base`` came before the part."""
    return lambda steps: done(base + steps)


def _ignore(done: int) -> None:
    """Nobody looks."""


if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def _bar(
    label: str,
    total: int | None,
    poll: Callable[[], int] | None,
    words: Callable[[], str] | None,
    threadless: bool,
) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    class Bar(Progress):
        """Asks for the state of the work when it is drawn, and waits before it shows itself."""

        def get_renderables(self) -> Iterable[RenderableType]:
            for task in self.tasks:
                if poll is not None:
                    self.update(task.id, completed=poll())
                if words is not None:
                    self.update(task.id, words=words())
                if (task.elapsed or 0.0) >= _UNSEEN_S:
                    yield self.make_tasks_table([task])

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        *([] if words is None else [TextColumn("{task.fields[words]}", markup=False)]),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=not threadless,
        refresh_per_second=_REDRAWS_PER_S,
    )
    return bar, bar.add_task(label, total=total, words="")


class Stopped(Exception):
    """The work was called off while this task was at it."""


class Board:
    """Counters that several processes write, each its own, and one reads; and a word to stop.

    Parameters
    ----------
    tasks : int
        Number of counters, all zero at first.

    Attributes
    ----------
    path : str
        What a worker needs to find the board; it is deleted when the board is closed.
    """

    def __init__(self, tasks: int) -> None:
        descriptor, self.path = tempfile.mkstemp(prefix="slotwise-progress-")
        try:
            os.truncate(descriptor, (tasks + 1) * _COUNTER_BYTES)
            self._memory = mmap(descriptor, 0)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.close()
        Path(self.path).unlink(missing_ok=True)

    def total(self) -> int:
        """Sum of the counters."""
        return sum(memoryview(self._memory).cast("q")[1:])

    def stop(self) -> None:
        """Call the work off: whoever reports next is stopped."""
        memoryview(self._memory).cast("q")[0] = 1

    @staticmethod
    def writer(path: str, task: int) -> Callable[[int], None]:
        """What a worker calls with the steps of its task done so far.

        It raises `Stopped` when the work has been called off, and ends the process when the one
        that owns the board has gone.
        """
        owner = os.getppid()
        with Path(path).open("r+b") as file:
            memory = mmap(file.fileno(), 0)
        counters = memoryview(memory).cast("q")

        def write(done: int) -> None:
            if os.getppid() != owner:
                Path(path).unlink(missing_ok=True)
                os._exit(1)
            if counters[0]:
                raise Stopped
            counters[1 + task] = done

        return write
