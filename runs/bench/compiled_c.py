"""The C implementation that solvers are measured against, compiled on the spot.

Its source, ``tests/benchmarks/wmmse.c``, belongs to a checkout and is not installed, and a compiler
is nothing a Python package may count on: where either is missing, rows against C are skipped.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLAGS", "CompiledC", "Missing", "compile_c"]

Array = NDArray[np.float64]

FLAGS = ("-O3", "-march=native")
_SOURCE = Path(__file__).parents[2] / "tests" / "benchmarks" / "wmmse.c"
_COMPILERS = ("cc", "gcc", "clang")
_PATIENCE_S = 60.0


class Missing(Exception):
    """There is nothing to measure against, and why."""


class CompiledC:
    """WMMSE of ``tests/benchmarks/wmmse.c``.

    Parameters
    ----------
    function : foreign function
        Of the loaded library.
    compiler : str
        What compiled it.
    """

    def __init__(self, function: Callable[..., int], compiler: str) -> None:
        self._function = function
        self.compiler = compiler

    def prepared(
        self,
        gain: Array,
        noise: float,
        p_max: float,
        tolerance: float = 1e-5,
        max_iterations: int = 500,
    ) -> tuple[Callable[[], int], Array, NDArray[np.int32]]:
        """A call whose arguments have been converted, so that nothing but the call is timed.

        Parameters
        ----------
        gain : ndarray, shape (N, K, K), float64, C-contiguous
            Power gains.
        noise, p_max : float
            Noise and largest power of every user [W].
        tolerance, max_iterations
            As in `slotwise.controllers.wmmse.wmmse`.

        Returns
        -------
        call : callable
            Solves all N; returns 0.
        power : ndarray, shape (N, K), float64
            Where the powers are after the call [W].
        iterations : ndarray, shape (N,), int32
            Where the counts are.
        """
        samples, users, _ = gain.shape
        power = np.empty((samples, users))
        iterations = np.empty(samples, np.int32)
        function = self._function
        arguments = (
            ctypes.c_void_p(gain.ctypes.data),
            ctypes.c_int64(samples),
            ctypes.c_int64(users),
            ctypes.c_double(noise),
            ctypes.c_double(p_max),
            ctypes.c_double(tolerance),
            ctypes.c_int(max_iterations),
            ctypes.c_void_p(power.ctypes.data),
            ctypes.c_void_p(iterations.ctypes.data),
        )

        kept = (gain, power, iterations)  # the memory that the pointers point at

        def call() -> int:
            status = function(*arguments)
            assert kept
            return status

        return call, power, iterations


def compile_c() -> CompiledC:
    """Compile and load the C implementation.

    Raises
    ------
    Missing
        If there is no source or no compiler, or it does not compile.
    """
    if not _SOURCE.is_file():
        raise Missing("its source is in a checkout only")
    wanted = os.environ.get("CC")
    names = (wanted,) if wanted else _COMPILERS
    compiler = next(filter(None, map(shutil.which, names)), None)
    if compiler is None:
        raise Missing(f"no C compiler: looked for {', '.join(names)}")
    with tempfile.TemporaryDirectory(prefix="slotwise-bench-") as folder:
        library = Path(folder) / "wmmse.so"
        command = [compiler, *FLAGS, "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-lm"]
        try:
            done = subprocess.run(  # noqa: S603 - the user's own compiler, on our source
                command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Missing(f"{Path(compiler).name}: {type(error).__name__}") from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["it fails without a word"]
            raise Missing(f"{Path(compiler).name}: {lines[-1]}")
        loaded = ctypes.CDLL(str(library))  # stays mapped when the file is gone
    return CompiledC(loaded.wmmse, Path(compiler).name)
