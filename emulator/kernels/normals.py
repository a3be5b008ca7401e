"""Reproducible random numbers, drawn many at a time inside a kernel.

A network has one state: `LANES` generators side by side, so that one instruction advances as many
of them as a register holds. Each is xoshiro128++ (Blackman and Vigna, "Scrambled linear
pseudorandom number generators", ACM Trans. Math. Softw. 47(4), 2021), 128 bits of state with a
period of 2^128 - 1, all zero excepted. Lanes start at random places of that one cycle: that any two
of n stretches of L numbers overlap has probability below n^2 L / 2^128 (Vigna, Inf. Process. Lett.
158, 2020), which for a million networks of sixteen lanes and 2^40 numbers each is 10^-12.

What a call yields depends on the state and on how many numbers are asked for, on nothing else. The
bits drawn are the same on every processor; the last place of a normal may differ where a processor
has no fused multiply-add.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.memory import aligned_zeros

__all__ = ["LANES", "empty_lanes", "fill_exponential", "fill_normal", "seed_lanes"]

LANES = 16
"""Generators side by side: one 512-bit register of 32-bit words.

More hide the latency of the generator better (64 are a sixth faster), but a call uses up numbers
by the `2 * LANES`, and small networks need few: ten users 200 for a slot.
"""

# Arithmetic of 32-bit words wraps. Numba computes in 64 bits what is not cast back at once, and 64
# bits fill a register with half as many lanes; hence the casts at every operation.
_Word = np.uint32
_Int = np.int32
_Float = np.float32

_ROOT_HALF = _Int(0x3F3504F3)  # bits of sqrt(1/2)
_FRACTION_BITS = _Int(23)
_LN_2 = _Float(0.6931471805599453)
_EIGHTH_TURN = _Float(np.pi / 4.0 / 2.0**23)
_ONE = _Float(1.0)
_HALF = _Float(0.5)
_TWO = _Float(2.0)

# Polynomials of Cephes (Moshier, 1989) for single precision: log(1 + f) on sqrt(1/2) .. sqrt(2)
# past its second term, sin(x)/x and cos(x) on an eighth of a turn past their first terms.
_L3, _L4, _L5 = _Float(3.3333331174e-1), _Float(-2.4999993993e-1), _Float(2.0000714765e-1)
_L6, _L7, _L8 = _Float(-1.6668057665e-1), _Float(1.4249322787e-1), _Float(-1.2420140846e-1)
_L9, _L10, _L11 = _Float(1.1676998740e-1), _Float(-1.1514610310e-1), _Float(7.0376836292e-2)
_S3, _S5, _S7 = _Float(-1.6666654611e-1), _Float(8.3321608736e-3), _Float(-1.9515295891e-4)
_C4, _C6, _C8 = _Float(4.166664568e-2), _Float(-1.388731625e-3), _Float(2.443315711e-5)


def empty_lanes(networks: int) -> NDArray[np.uint32]:
    """Room for the states of networks, every row of lanes within one line of the cache.

    Across two lines, what one step stores reaches the next step's load late, which costs half the
    speed or more (and nothing else: any state may lie anywhere).

    Parameters
    ----------
    networks : int
        Number B of networks.

    Returns
    -------
    ndarray, shape (B, 4, LANES), uint32
        Zeros, to be overwritten by `seed_lanes`, starting at a multiple of 64 bytes.
    """
    return aligned_zeros((networks, 4, LANES), np.uint32)


def seed_lanes(sequence: np.random.SeedSequence) -> NDArray[np.uint32]:
    """State of a network's generators at the start of its life.

    Parameters
    ----------
    sequence : SeedSequence
        The network's own; sequences spawned from one seed give unrelated states.

    Returns
    -------
    ndarray, shape (4, LANES), uint32
        No lane is all zero, the one state that xoshiro128++ never leaves.
    """
    state: NDArray[np.uint32] = empty_lanes(1)[0]
    state[...] = sequence.generate_state(4 * LANES, np.uint32).reshape(4, LANES)
    state[0, ~state.any(axis=0)] = 1
    return state


@kernel(inline=True)
def _turned(word: np.uint32, places: int) -> np.uint32:
    """A word whose bits are moved left by so many places, round the end."""
    return _Word(_Word(word << _Word(places)) | _Word(word >> _Word(32 - places)))


@kernel(inline=True)
def _scrambled(a: np.uint32, d: np.uint32) -> np.uint32:
    """The number that a state (a, b, c, d) yields: the ++ of xoshiro128++."""
    return _Word(_turned(_Word(a + d), 7) + a)


@kernel(inline=True)
def _stepped(
    a: np.uint32, b: np.uint32, c: np.uint32, d: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """The state after (a, b, c, d)."""
    c_a = _Word(c ^ a)
    d_b = _Word(d ^ b)
    return (
        _Word(a ^ d_b),
        _Word(b ^ c_a),
        _Word(c_a ^ _Word(b << _Word(9))),
        _turned(d_b, 11),
    )


@kernel(inline=True)
def _minus_log(word: np.uint32) -> np.float32:
    """-log(u) of the uniform number u = (word // 2 + 1/2) / 2^31, in (0, 1].

    The 31 bits reach into the tail, where u is small and its logarithm long: the largest value is
    22, that of a normal 6.6 standard deviations. Near one, u has the 24 bits of a float32.
    """
    scaled = _Float(_Float(_Int(word >> _Word(1))) + _HALF)
    bits = scaled.view(np.int32)
    # Measured from sqrt(1/2), the exponent's bits change where 1 + f wraps from sqrt(2).
    exponent = _Int(_Int(bits - _ROOT_HALF) >> _FRACTION_BITS)
    mantissa = _Int(bits - _Int(exponent << _FRACTION_BITS)).view(np.float32)
    f = _Float(mantissa - _ONE)
    p = _L7 + f * (_L8 + f * (_L9 + f * (_L10 + f * _L11)))
    p = _L3 + f * (_L4 + f * (_L5 + f * (_L6 + f * p)))
    return _Float(_Float(_Int(31) - exponent) * _LN_2 - (f + f * f * (f * p - _HALF)))


@kernel(inline=True)
def _on_circle(word: np.uint32) -> tuple[np.float32, np.float32]:
    """A point of the unit circle, uniform: cosine and sine of an angle never computed.

    Upper bits are an angle within an eighth of a turn of zero; two lower ones, which have no part
    in it, turn the point into the other three quarters: one is the sign of the cosine, and one
    exchanges cosine and sine (which changes sign with the angle).
    """
    x = _Float(_Float(_Int(_Int(word) >> _Int(8))) * _EIGHTH_TURN)
    z = _Float(x * x)
    sine = _Float(x + x * z * (_S3 + z * (_S5 + z * _S7)))
    cosine = _Float(_ONE - _HALF * z + z * z * (_C4 + z * (_C6 + z * _C8)))
    sign = _Int(_Int(word) << _Int(31))
    exchange = _Int(_Int(_Int(word) << _Int(30)) >> _Int(31))
    sine_bits = sine.view(np.int32)
    cosine_bits = _Int(cosine.view(np.int32) ^ sign)
    # Exclusive or with their difference, where the mask is all ones, makes one the other.
    difference = _Int(_Int(sine_bits ^ cosine_bits) & exchange)
    return (
        _Int(cosine_bits ^ difference).view(np.float32),
        _Int(sine_bits ^ difference).view(np.float32),
    )


@kernel(inline=True)
def _normal_pairs(
    state: NDArray[np.uint32], first: NDArray[np.float32], second: NDArray[np.float32]
) -> None:
    """Two normals of every lane, by Box and Muller (Ann. Math. Stat. 29(2), 1958).

    sqrt(-2 log u) is the radius of a pair of normals, and its direction is uniform.
    """
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    for lane in range(LANES):
        a, b, c, d = s0[lane], s1[lane], s2[lane], s3[lane]
        radius = np.sqrt(_Float(_TWO * _minus_log(_scrambled(a, d))))
        a, b, c, d = _stepped(a, b, c, d)
        x, y = _on_circle(_scrambled(a, d))
        a, b, c, d = _stepped(a, b, c, d)
        s0[lane], s1[lane], s2[lane], s3[lane] = a, b, c, d
        first[lane] = radius * x
        second[lane] = radius * y


@kernel(inline=True)
def _exponentials(state: NDArray[np.uint32], out: NDArray[np.float32]) -> None:
    """One exponential of every lane, by inversion: -log u."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    for lane in range(LANES):
        a, b, c, d = s0[lane], s1[lane], s2[lane], s3[lane]
        out[lane] = _minus_log(_scrambled(a, d))
        a, b, c, d = _stepped(a, b, c, d)
        s0[lane], s1[lane], s2[lane], s3[lane] = a, b, c, d


@kernel()
def fill_normal(state: NDArray[np.uint32], out: NDArray[np.float32]) -> None:
    """Fill an array with independent normals of mean zero and variance one.

    Parameters
    ----------
    state : ndarray, shape (4, LANES), uint32
        Of `seed_lanes`, C-contiguous; advances.
    out : ndarray, shape (n,), float32
        C-contiguous. Where n is no multiple of ``2 * LANES``, the numbers left over are thrown
        away.
    """
    whole = out.size - out.size % (2 * LANES)
    for n in range(0, whole, 2 * LANES):
        _normal_pairs(state, out[n : n + LANES], out[n + LANES : n + 2 * LANES])
    if whole < out.size:
        spare = np.empty(2 * LANES, np.float32)
        _normal_pairs(state, spare[:LANES], spare[LANES:])
        out[whole:] = spare[: out.size - whole]


@kernel()
def fill_exponential(state: NDArray[np.uint32], out: NDArray[np.float32]) -> None:
    """Fill an array with independent exponentials of mean one.

    |h|^2 of a complex normal h of variance one is such a number, at a third of the price.

    Parameters
    ----------
    state : ndarray, shape (4, LANES), uint32
        Of `seed_lanes`, C-contiguous; advances.
    out : ndarray, shape (n,), float32
        C-contiguous. Where n is no multiple of `LANES`, the numbers left over are thrown away.
    """
    whole = out.size - out.size % LANES
    for n in range(0, whole, LANES):
        _exponentials(state, out[n : n + LANES])
    if whole < out.size:
        spare = np.empty(LANES, np.float32)
        _exponentials(state, spare)
        out[whole:] = spare[: out.size - whole]
