"""What this machine can do at most: arithmetic, memory, random numbers.

No solver can be faster than its multiplications at the peak rate, or than its gains can be read
from where they lie (the roofline of Williams, Waterman and Patterson, Commun. ACM 52(4), 2009).
All of one core.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.normals import fill_exponential, fill_normal, seed_lanes
from slotwise.runs.bench.row import Row
from slotwise.runs.bench.timing import Times, interleaved

__all__ = ["Limits", "measure_limits"]

_CHAINS = 256  # independent sums: enough to hide the latency of every unit there is
_STEPS = 20_000
_READ_BYTES = {"16 KiB": 2**14, "512 KiB": 2**19, "8 MiB": 2**23, "256 MiB": 2**28}
_READ_AT_ONCE = 2**23
_NORMALS = 2**16


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one core.

    Attributes
    ----------
    single_flops, double_flops : float
        Peak of fused multiply-adds in float32 and float64, each two operations [1/s].
    read_bytes_per_s : dict of str to float
        Reading an array of a size over and over [B/s].
    normal_s, exponential_s : float
        One random number of the project's own [s].
    numpy_normal_s : float
        One float32 normal of NumPy [s].
    """

    single_flops: float
    double_flops: float
    read_bytes_per_s: dict[str, float]
    normal_s: float
    exponential_s: float
    numpy_normal_s: float

    def to_dict(self) -> dict[str, Any]:
        """The limits as a program reads them."""
        return asdict(self)

    def rows(self) -> list[Row]:
        """The limits as rows of the table."""
        rows = [
            Row("limits", "fused multiply-adds, float32", self.single_flops / 1e9, "GFLOP/s"),
            Row("limits", "fused multiply-adds, float64", self.double_flops / 1e9, "GFLOP/s"),
        ]
        rows += [
            Row("limits", f"reading {size} over and over", rate / 1e9, "GB/s")
            for size, rate in self.read_bytes_per_s.items()
        ]
        return [
            *rows,
            Row("limits", "one normal, float32", self.normal_s * 1e9, "ns"),
            Row("limits", "one exponential, float32", self.exponential_s * 1e9, "ns"),
            Row("limits", "one normal of NumPy, float32", self.numpy_normal_s * 1e9, "ns"),
        ]


@kernel(reorder=True)
def _multiply_add(chain: NDArray[Any], factor: Any, term: Any, steps: int) -> Any:
    """Chains x <- factor x + term side by side: nothing but fused multiply-adds in registers."""
    x = chain.copy()
    for _ in range(steps):
        for i in range(_CHAINS):
            x[i] = x[i] * factor + term
    return x.sum()


@kernel(reorder=True)
def _read(array: NDArray[np.float64], times: int) -> float:
    total = 0.0
    for _ in range(times):
        for i in range(array.size):
            total += array[i]
    return total


def measure_limits(seconds: float) -> Limits:
    """Measure what one core can do.

    Parameters
    ----------
    seconds : float
        About how long it may take [s].
    """
    arithmetic = _arithmetic(seconds / 3.0)
    operations = 2.0 * _CHAINS * _STEPS
    random = _random(seconds / 3.0)
    return Limits(
        single_flops=operations / arithmetic.median("single"),
        double_flops=operations / arithmetic.median("double"),
        read_bytes_per_s=_reading(seconds / 3.0),
        normal_s=random.median("normal") / _NORMALS,
        exponential_s=random.median("exponential") / _NORMALS,
        numpy_normal_s=random.median("numpy") / _NORMALS,
    )


def _arithmetic(seconds: float) -> Times:
    single, double = np.ones(_CHAINS, np.float32), np.ones(_CHAINS)
    factor, term = np.float32(0.75), np.float32(0.25)  # of which one is the fixed point
    return interleaved(
        {
            "single": lambda: _multiply_add(single, factor, term, _STEPS),
            "double": lambda: _multiply_add(double, 0.75, 0.25, _STEPS),
        },
        seconds,
    )


def _reading(seconds: float) -> dict[str, float]:
    arrays = {size: np.ones(count // 8) for size, count in _READ_BYTES.items()}
    times = {size: max(1, _READ_AT_ONCE // array.nbytes) for size, array in arrays.items()}
    measured = interleaved(
        {size: partial(_read, array, times[size]) for size, array in arrays.items()}, seconds
    )
    return {
        size: times[size] * array.nbytes / measured.median(size) for size, array in arrays.items()
    }


def _random(seconds: float) -> Times:
    state = seed_lanes(np.random.SeedSequence(0))
    rng = np.random.default_rng(0)
    out = np.empty(_NORMALS, np.float32)
    return interleaved(
        {
            "normal": lambda: fill_normal(state, out),
            "exponential": lambda: fill_exponential(state, out),
            "numpy": lambda: rng.standard_normal(dtype=np.float32, out=out),
        },
        seconds,
    )
