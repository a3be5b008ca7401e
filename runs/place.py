"""Places on disk: whether results can go there, and what to say when they cannot.

A place is checked before the work, so that an hour of it is not spent for a typing error, and held
while the work lasts. What the system refuses is the user's to mend, and is said of the place that
the user named.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slotwise.emulator.scenario import InputError
from slotwise.runs.directory import is_run

__all__ = ["alone", "check_run_place", "check_writable", "refusal", "writing"]

_REFUSALS = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ENAMETOOLONG,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
    }
)


def refusal(error: OSError, place: Path) -> InputError | None:
    """What to say of a full disk, a missing permission and their like; None for a fault of ours."""
    if error.errno not in _REFUSALS:
        return None
    return InputError(f"cannot write {place}: {os.strerror(error.errno)}")


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Say of the place, in one line, what the system refuses.

    Raises
    ------
    InputError
        Instead of the system's error.
    """
    try:
        yield
    except OSError as error:
        known = refusal(error, place)
        if known is None:
            raise
        raise known from error


def check_writable(directory: Path) -> None:
    """Refuse a directory that cannot be made or written; nothing is left of the attempt.

    Raises
    ------
    InputError
        With the system's reason.
    """
    nearest = directory
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, not a directory; choose another --out")
    try:
        Path(tempfile.mkdtemp(prefix=".slotwise-", dir=nearest)).rmdir()
    except OSError as error:
        raise InputError(f"cannot write {directory}: {error.strerror}") from None


def check_run_place(directory: Path) -> None:
    """Refuse to put a single run where something else is.

    Raises
    ------
    InputError
        If the place cannot be written, or holds anything but a run.
    """
    check_writable(directory)
    if directory.is_dir() and not is_run(directory) and any(directory.iterdir()):
        what = "a comparison" if (directory / "compare.json").is_file() else "something else"
        raise InputError(f"{directory} holds {what}, not a run; choose another --out")


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold a directory against a second process, and sweep it.

    The system lets go when this process ends, however it ends.

    Raises
    ------
    InputError
        If another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{directory} is in use by another slotwise; wait for it") from None
        except OSError:  # a file system without locks
            pass
        _sweep(directory)
        yield
    finally:
        os.close(descriptor)


def _sweep(directory: Path) -> None:
    """Remove what a killed process left half-done; nobody else is here."""
    for pattern in (".*.partial-*", ".slotwise-*"):
        for path in directory.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
