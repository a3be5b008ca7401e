"""One slot of fading, compiled: the steps that `slotwise.emulator.fading` describes.

A process is the state of B networks in arrays. Random numbers come from lanes of the network's own
(`slotwise.emulator.kernels.normals`), so that what a network draws does not depend on how many
there are. Scatter is kept in float32: its 24 bits are far finer than any channel is known, and it
is what a step has to read and write. The fading power that comes of it is float64. Links are
counted through: that of station s and user row m is number s M + m.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba.extending
import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.normals import LANES, fill_exponential, fill_normal

__all__ = [
    "GaussMarkov",
    "Rayleigh",
    "Rice",
    "Sinusoids",
    "field_of",
    "parts_of",
    "step",
    "step_networks",
    "sum_paths",
]

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Lanes = NDArray[np.uint32]

_overload: Any = numba.extending.overload

CHUNK = 4096
"""Most random numbers in hand at a time: they stay in the first-level cache."""


class Rayleigh(NamedTuple):
    """A new Rayleigh channel every slot.

    Attributes
    ----------
    lanes : [B, 4, LANES], uint32
        Random state of each network.
    fresh : [CHUNK], float32
        Room for random numbers.
    """

    lanes: Lanes
    fresh: Single


class Rice(NamedTuple):
    """A new Rician channel every slot.

    Attributes
    ----------
    lanes, fresh
        As of `Rayleigh`.
    direct : float
        Amplitude of the direct path.
    deviation : float
        Standard deviation of the real and of the imaginary part of the scatter.
    """

    lanes: Lanes
    fresh: Single
    direct: float
    deviation: float


class GaussMarkov(NamedTuple):
    """First-order Gauss-Markov scatter.

    Attributes
    ----------
    lanes, fresh
        As of `Rayleigh`.
    direct : float
        Amplitude of the direct path.
    keep, spread : [B, S * M], float32
        Correlation rho from slot to slot and deviation of the innovation of each link.
    scatter : [B, 2, S * M], float32
        Real and imaginary parts.
    """

    lanes: Lanes
    fresh: Single
    direct: float
    keep: Single
    spread: Single
    scatter: Single


class Sinusoids(NamedTuple):
    """Sums of N paths.

    Attributes
    ----------
    direct : float
        Amplitude of the direct path.
    phasor, turn : [B, N, 2, S * M], float64
        Real and imaginary part of each path now, and of the factor that a slot gives it.
    """

    direct: float
    phasor: Array
    turn: Array


# Two things let the compiler take as many links at once as a register holds. Every loop writes one
# array, so that it can tell what is written from what is read; and an index that is a sum is
# unsigned, because a signed one might be negative, which would mean counting from the end.


@kernel()
def _step_rayleigh(process: Rayleigh, b: int, first: int, links: int, power: Array) -> None:
    """Draw powers anew: exponential, which is |CN(0, 1)| squared."""
    fresh, at = process.fresh, np.uintp(first)
    fill_exponential(process.lanes[b], fresh[: _in_full(links)])
    for m in range(np.uintp(links)):
        power[b, at + m] = fresh[m]


@kernel()
def _step_rice(process: Rice, b: int, first: int, links: int, power: Array) -> None:
    """Draw powers anew: |direct + CN(0, 2 deviation²)|²."""
    direct, deviation, fresh = process.direct, process.deviation, process.fresh
    at, imaginary = np.uintp(first), np.uintp(links)
    fill_normal(process.lanes[b], fresh[: _in_full(2 * links)])
    for m in range(np.uintp(links)):
        x = direct + deviation * fresh[m]
        y = deviation * fresh[imaginary + m]
        power[b, at + m] = x * x + y * y


@kernel()
def _step_gauss_markov(process: GaussMarkov, b: int, first: int, links: int, power: Array) -> None:
    """Move the scatter on, s' = rho s + sqrt(1 - rho²) e, and take its power."""
    keep, spread, scatter, fresh = process.keep, process.spread, process.scatter, process.fresh
    direct, at = process.direct, np.uintp(first)
    fill_normal(process.lanes[b], fresh[: _in_full(2 * links)])
    for part in range(2):
        innovation = np.uintp(part * links)
        for m in range(np.uintp(links)):
            scatter[b, part, at + m] = (
                keep[b, at + m] * scatter[b, part, at + m]
                + spread[b, at + m] * fresh[innovation + m]
            )
    for m in range(np.uintp(links)):
        x = direct + np.float64(scatter[b, 0, at + m])
        y = np.float64(scatter[b, 1, at + m])
        power[b, at + m] = x * x + y * y


@kernel()
def _step_sinusoids(process: Sinusoids, b: int, first: int, links: int, power: Array) -> None:
    """Turn every path by its own angle, and take the power of their sum."""
    phasor, turn, at = process.phasor, process.turn, np.uintp(first)
    turned = np.empty(links)
    for n in range(phasor.shape[1]):
        for m in range(np.uintp(links)):
            turned[m] = (
                turn[b, n, 0, at + m] * phasor[b, n, 0, at + m]
                - turn[b, n, 1, at + m] * phasor[b, n, 1, at + m]
            )
        for m in range(np.uintp(links)):
            phasor[b, n, 1, at + m] = (
                turn[b, n, 0, at + m] * phasor[b, n, 1, at + m]
                + turn[b, n, 1, at + m] * phasor[b, n, 0, at + m]
            )
        for m in range(np.uintp(links)):
            phasor[b, n, 0, at + m] = turned[m]
    sum_paths(process, b, first, links, power)


@kernel()
def sum_paths(process: Sinusoids, b: int, first: int, links: int, power: Array) -> None:
    """Power of the sum of the paths of some links, as they are now.

    Parameters
    ----------
    process : Sinusoids
    b : int
        Network.
    first, links : int
        The first link, counted through the rows of antennas, and how many.
    power : [B, S * M], float64
        Fading power, written to.
    """
    phasor, at = process.phasor, np.uintp(first)
    field = np.zeros((2, links))
    for n in range(phasor.shape[1]):
        for part in range(2):
            for m in range(np.uintp(links)):
                field[part, m] += phasor[b, n, part, at + m]
    for m in range(np.uintp(links)):
        h = process.direct + field[0, m]
        power[b, at + m] = h * h + field[1, m] * field[1, m]


@kernel()
def _in_full(numbers: int) -> int:
    """So many random numbers that no generator's are left over."""
    return (numbers + 2 * LANES - 1) // (2 * LANES) * (2 * LANES)


# A process reaches a kernel in half the time without its name; which it is shows in the number of
# its values.
_KINDS: dict[int, tuple[Any, Any]] = {
    len(kind._fields): (kind, step)
    for kind, step in (
        (Rayleigh, _step_rayleigh),
        (Rice, _step_rice),
        (GaussMarkov, _step_gauss_markov),
        (Sinusoids, _step_sinusoids),
    )
}

assert len(_KINDS) == 4  # or two of them would be taken for each other


def field_of(
    process: tuple[Any, ...] | None, shape: tuple[int, int, int]
) -> NDArray[np.complex128]:
    """Complex channels of all links as they are now; their squared magnitudes are the powers.

    Parameters
    ----------
    process : tuple or None
        Values of a process.
    shape : (B, S, M)
        Networks, stations, user rows.

    Returns
    -------
    [B, S, M], complex128
        A new array.

    Raises
    ------
    RuntimeError
        If the process draws powers and not channels, or there is none.
    """
    parts = parts_of(process, shape).astype(np.float64)
    direct = 0.0 if process is None else float(_KINDS[len(process)][0](*process).direct)
    field: NDArray[np.complex128] = direct + parts[:, 0] + 1j * parts[:, 1]
    return field


def parts_of(process: tuple[Any, ...] | None, shape: tuple[int, ...]) -> NDArray[Any]:
    """Real and imaginary parts of what scatters, without the direct path, as they are now.

    Parameters
    ----------
    process, shape
        As of `field_of`.

    Returns
    -------
    [B, 2, S, M], float32 or float64
        A view of the process where it keeps them.

    Raises
    ------
    RuntimeError
        If the process draws powers and not channels, or there is none.
    """
    networks, stations, rows = shape
    match None if process is None else _KINDS[len(process)][0](*process):
        case GaussMarkov(scatter=scatter):
            parts: NDArray[Any] = scatter
        case Sinusoids(phasor=phasor):
            parts = phasor.sum(axis=1)
        case _:
            raise RuntimeError("this fading draws powers, not complex channels")
    return parts.reshape(networks, 2, stations, rows)


def _step(process: tuple[Any, ...], b: int, first: int, links: int, power: Array) -> None:
    """Move some links of one network on by a slot, as the kind of its process says."""
    kind, of_kind = _KINDS[len(process)]
    of_kind(kind(*process), b, first, links, power)


def _compiled_step(process: Any, b: Any, first: Any, links: Any, power: Any) -> Any:  # noqa: ARG001
    """Choose the step when a kernel that calls it is compiled."""
    kind, of_kind = _KINDS[process.count]
    return lambda process, b, first, links, power: of_kind(kind(*process), b, first, links, power)


_overload(_step, strict=False)(_compiled_step)


@kernel()
def step(
    process: tuple[Any, ...], b: int, stations: int, rows: int, columns: int, power: Array
) -> None:
    """Move the links of one network on by a slot.

    Parameters
    ----------
    process : tuple
        Values of a process, whose state is written to.
    b : int
        Network.
    stations, rows : int
        Links between so many stations and user rows are moved on.
    columns : int
        M, user rows there are.
    power : [B, S * M], float64
        Fading power, written to.
    """
    # Where every row is in use, the links of all stations are one long row.
    lines, length = (1, stations * columns) if rows == columns else (stations, rows)
    for line in range(lines):
        for first in range(0, length, CHUNK // 2):
            links = min(CHUNK // 2, length - first)
            _step(process, b, line * columns + first, links, power)


@kernel()
def step_networks(process: tuple[Any, ...], power: Array) -> None:
    """Move all links of all networks on by a slot.

    Parameters
    ----------
    process : tuple
        Values of a process, whose state is written to.
    power : [B, S, M], float64
        Fading power, written to.
    """
    networks, stations, columns = power.shape
    flat = power.reshape(networks, stations * columns)
    for b in range(networks):
        step(process, b, stations, columns, columns, flat)
