"""How kernels are compiled, and where compiled code is kept.

Compiled code lies in the user's cache directory (or in ``NUMBA_CACHE_DIR``), in a folder named
after a digest of the kernels' sources: Numba itself looks only at the file of the function that is
called, and would go on using old code of a kernel that this one calls. Where nothing can be
written, kernels are compiled in every process anew, and a notice says so once.

With ``NUMBA_DISABLE_JIT=1`` kernels run as the Python they are written in.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from platformdirs import user_cache_path

__all__ = ["CompilationNotice", "cache_directory", "is_first_use", "kernel"]

_STATES_KEPT = 24
"""Folders of compiled code that are kept, two for each state of the sources."""

_STATE = re.compile("[0-9a-f]{16}")

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_SETTINGS: Any = numba.config
_njit: Any = numba.njit  # its types know options only when they are spelled out


class CompilationNotice(UserWarning):
    """Compiled code cannot be kept, so that every process waits for the compiler."""


def kernel(
    *, reorder: bool = False, inline: bool = False
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Compile a function on first use, for the types of its arguments, and keep the code.

    A product may be contracted with a sum to one rounding, division by zero is what IEEE 754 says,
    and the interpreter's lock is released, so that threads may share a batch.

    Parameters
    ----------
    reorder : bool
        Sums may be added in another order, reciprocals shared and the sign of zero ignored. Never
        that numbers are finite: a kernel may meet infinities, and stops on them.
    inline : bool
        Put the code of a small function into its callers.

    Returns
    -------
    callable
        Decorator; the function has the same arguments and results.
    """

    def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        if _SETTINGS.DISABLE_JIT:
            return _wrapping(function)
        options = {
            "error_model": "numpy",
            "fastmath": {"contract", "reassoc", "arcp", "nsz"} if reorder else {"contract"},
            "nogil": True,
            "forceinline": inline,
        }
        directory = _directory(Path(inspect.getfile(function)).parent)
        if directory is None:
            _give_notice()
            return _njit(**options)(function)  # type: ignore[no-any-return]
        before = _SETTINGS.CACHE_DIR
        _SETTINGS.CACHE_DIR = str(directory)
        try:
            return _njit(cache=True, **options)(function)  # type: ignore[no-any-return]
        finally:
            _SETTINGS.CACHE_DIR = before

    return compiled


def _wrapping(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function as it is; integers wrap and infinities arise without a word, as compiled."""

    @functools.wraps(function)
    def interpreted(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return interpreted


def cache_directory() -> Path | None:
    """Where compiled code is kept, a folder for each state of the sources.

    None where nothing can be written, and under ``NUMBA_DISABLE_JIT=1``, where nothing is compiled.
    """
    directory = _directory(Path(__file__).parent)
    return None if directory is None else directory.parent


def is_first_use(*packages: Path) -> bool:
    """Whether kernels of some folder have never been compiled here, so that they will be now."""
    kept = [_directory(package) for package in packages]
    return any(one is not None and next(one.rglob("*.nbi"), None) is None for one in kept)


@functools.cache
def _directory(package: Path) -> Path | None:
    """Where the compiled code of a package's kernels is kept; None if nothing can be written."""
    if _SETTINGS.DISABLE_JIT:
        return None
    digest = hashlib.sha256()
    for folder in sorted({package, Path(__file__).parent}):
        for source in sorted(folder.glob("*.py")):
            digest.update(source.read_bytes())
    stated = _SETTINGS.CACHE_DIR
    base = Path(stated) if stated else user_cache_path("slotwise")
    directory = base / digest.hexdigest()[:16]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
        os.utime(directory)
    except OSError:
        return None
    if not stated:  # in a directory of ours we may tidy up
        _keep_recent(base)
    return directory


def _keep_recent(base: Path) -> None:
    """Remove folders of compiled code that are long out of use."""
    with contextlib.suppress(OSError):
        ours = (path for path in base.iterdir() if _STATE.fullmatch(path.name))
        states = sorted(ours, key=lambda path: -path.stat().st_mtime)
        for state in states[_STATES_KEPT:]:
            shutil.rmtree(state, ignore_errors=True)


@functools.cache
def _give_notice() -> None:
    warnings.warn(
        "compiled code cannot be kept: the cache directory cannot be written to, so that every "
        "process compiles anew; set NUMBA_CACHE_DIR to one that can",
        CompilationNotice,
        stacklevel=4,
    )
