"""What a network needs of packs: exponentials, logarithms, sums of many packs, turned tiles.

The C library's exponential and logarithm take one number at a time. These are arithmetic on packs
of float32 (`slotwise.controllers.kernels.packs`), without branch or table, to about 1e-7 of the
result. Bits of numbers, square roots and the order of lanes are beyond that module's operators and
are taught to Numba here; with ``NUMBA_DISABLE_JIT=1`` their plain definitions run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import lower_builtin, type_callable
from numpy.typing import NDArray

from slotwise.controllers.kernels.packs import BYTES, choose, least, spread
from slotwise.emulator.kernels.compilation import kernel

__all__ = [
    "LANES",
    "exp_of",
    "log2_1p_exp_of",
    "log2_of",
    "most",
    "narrow",
    "pairwise",
    "root_of",
    "top_of",
    "turn",
]

LANES = BYTES // 4
"""Numbers of a pack of float32."""

Array = NDArray[Any]

_FRACTION_BITS = 23
_FRACTION = (1 << _FRACTION_BITS) - 1
_ROOT_HALF = 0x3F3504F3  # bits of sqrt(1/2)
_BIAS = 127

# log2(1 + f) / f on [sqrt(1/2) - 1, sqrt(2) - 1], the minimax polynomial: to 3e-8 of it.
_L0, _L1, _L2, _L3, _L4 = 1.442695, -0.721347199, 0.48091028, -0.360716264, 0.287939095
_L5, _L6, _L7, _L8 = -0.238675675, 0.215212243, -0.20893385, 0.129264365

# log2(1 + y) / y on [0, 1], the minimax polynomial: to 3e-8 of it.
_S0, _S1, _S2, _S3, _S4 = 1.442695, -0.721340208, 0.480692957, -0.358408472, 0.275641412
_S5, _S6, _S7, _S8 = -0.197118969, 0.112856193, -0.0425670617, 0.00754918206

# 2^r on [-1/2, 1/2] in powers of r ln 2, the minimax polynomial: to 8e-8 of it.
_LN2 = 0.6931471805599453
_E0, _E1, _E2 = 1.00000007, 0.693146967 / _LN2, 0.240221197 / _LN2**2
_E3, _E4, _E5 = 0.0555071327 / _LN2**3, 0.00967554133 / _LN2**4, 0.0013276472 / _LN2**5
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4  # whole numbers times the first are exact
_EXP_RANGE = 80.0

_typing: Any = type_callable  # Numba has types for half of its functions
_lowering: Any = lower_builtin


def most(a: Array, b: Array) -> Array:
    """Greater of two packs, lane by lane; b where one is NaN."""
    return np.where(a > b, a, b)


def root_of(pack: Array) -> Array:
    """Square roots."""
    root: Array = np.sqrt(pack)
    return root


def top_of(pack: Array) -> float:
    """Greatest number of a pack."""
    top: float = pack.max()
    return top


def narrow(low: Array, high: Array) -> Array:
    """One pack of float32 of two of float64."""
    return np.concatenate([low, high]).astype(np.float32)


def pairwise(a: Array, b: Array) -> Array:
    """Sums of neighbouring lanes: those of pack a, then those of pack b.

    Fifteen of these make of sixteen packs the pack of their sums.
    """
    both = np.concatenate([a, b])
    total: Array = both[::2] + both[1::2]
    return total


def turn(source: Array, first: int, stride: int, target: Array, at: int, to: int) -> None:
    """Transpose a tile of a flat matrix into another: as many rows of as many as a pack has lanes.

    Rows begin at `first` and are `stride` apart; the target's begin at `at` and are `to` apart.
    """
    for row in range(LANES):
        for column in range(LANES):
            target[at + column * to + row] = source[first + row * stride + column]


def _exponent_of(pack: Array) -> Array:
    """Whole numbers e of x = 2^e m, m in [sqrt(1/2), sqrt(2)), for x > 0."""
    exponent: Array = (pack.view(np.int32) - _ROOT_HALF) >> _FRACTION_BITS
    return exponent.astype(np.float32)


def _mantissa_of(pack: Array) -> Array:
    """Numbers m of x = 2^e m, m in [sqrt(1/2), sqrt(2)), for x > 0."""
    bits: Array = ((pack.view(np.int32) - _ROOT_HALF) & _FRACTION) + _ROOT_HALF
    return bits.view(np.float32)


def _nearest(pack: Array) -> Array:
    """The nearest whole numbers."""
    whole: Array = np.rint(pack)
    return whole


def _two_to_the(pack: Array) -> Array:
    """Powers of two with whole exponents between -126 and 127."""
    bits: Array = (pack.astype(np.int32) + _BIAS) << _FRACTION_BITS
    return bits.view(np.float32)


@kernel(inline=True)
def log2_of(x: Array) -> Array:
    """Logarithms to base two of positive numbers that are finite and no denormal ones.

    Of zero about -127, of what is not finite anything: checked is before.
    """
    f = _mantissa_of(x) - spread(1.0, x)
    series = spread(_L7, x) + f * spread(_L8, x)
    series = spread(_L6, x) + f * series
    series = spread(_L5, x) + f * series
    series = spread(_L4, x) + f * series
    series = spread(_L3, x) + f * series
    series = spread(_L2, x) + f * series
    series = spread(_L1, x) + f * series
    series = spread(_L0, x) + f * series
    value: Array = _exponent_of(x) + f * series
    return value


@kernel(inline=True)
def exp_of(x: Array) -> Array:
    """Exponentials; those beyond exp(80) and exp(-80) are these."""
    x = least(most(x, spread(-_EXP_RANGE, x)), spread(_EXP_RANGE, x))
    whole = _nearest(x * spread(1.0 / _LN2, x))
    r = (x - whole * spread(_LN2_HIGH, x)) - whole * spread(_LN2_LOW, x)
    series = spread(_E4, x) + r * spread(_E5, x)
    series = spread(_E3, x) + r * series
    series = spread(_E2, x) + r * series
    series = spread(_E1, x) + r * series
    series = spread(_E0, x) + r * series
    value: Array = series * _two_to_the(whole)
    return value


@kernel(inline=True)
def log2_1p_exp_of(x: Array) -> Array:
    """Logarithms to base two of 1 + exp(x), exact to the last places however small exp(x) is.

    A message that is next to nothing may be heard ten million times as loud.
    """
    zero = spread(0.0, x)
    size = choose(x < zero, zero - x, x)
    y = exp_of(zero - size)
    series = spread(_S7, x) + y * spread(_S8, x)
    series = spread(_S6, x) + y * series
    series = spread(_S5, x) + y * series
    series = spread(_S4, x) + y * series
    series = spread(_S3, x) + y * series
    series = spread(_S2, x) + y * series
    series = spread(_S1, x) + y * series
    series = spread(_S0, x) + y * series
    value: Array = most(x, zero) * spread(1.0 / _LN2, x) + y * series
    return value


def _is_single(kind: Any) -> bool:
    """Whether a type of Numba is that of packs of float32."""
    of_packs = str(kind).startswith("Pack(")
    return of_packs and kind.dtype == types.float32


def _single_pack(low: Any, high: Any) -> Any:
    """Type of the pack of float32 that two packs of float64 make; None of anything else."""
    of_packs = str(low).startswith("Pack(") and low == high and low.dtype == types.float64
    return type(low)(types.float32) if of_packs else None


def _teach(symbol: Any, count: int, lower: Any) -> None:
    """Make Numba compile a function of packs of float32 that gives one."""

    def typed(_context: Any) -> Any:
        if count == 1:
            return lambda a: a if _is_single(a) else None
        return lambda a, b: a if _is_single(a) and a == b else None

    _typing(symbol)(typed)
    _lowering(symbol, *[types.Any] * count)(lower)


def _whole_numbers(lanes: int, *values: int) -> list[Any]:
    """Vectors of one whole number each."""
    vector = ir.VectorType(ir.IntType(32), lanes)
    return [ir.Constant(vector, [value] * lanes) for value in values]


def _lower_most(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    return builder.select(builder.fcmp_ordered(">", *args), *args)


def _by_intrinsic(name: str) -> Any:
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
        (pack,) = args
        kind = ir.FunctionType(pack.type, [pack.type])
        of_packs = f"{name}.v{sig.return_type.lanes}f32"
        return builder.call(builder.module.declare_intrinsic(of_packs, (), kind), [pack])

    return lower


def _lower_top(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    """By halves: a pack and itself turned by half its length, then by a quarter, and so on."""
    (pack,) = args
    lanes = sig.args[0].lanes
    places = ir.VectorType(ir.IntType(32), lanes)
    turn = lanes // 2
    while turn:
        order = ir.Constant(places, [(lane + turn) % lanes for lane in range(lanes)])
        turned = builder.shuffle_vector(pack, pack, order)
        pack = builder.select(builder.fcmp_ordered(">", pack, turned), pack, turned)
        turn //= 2
    return builder.extract_element(pack, ir.IntType(32)(0))


def _lower_narrow(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pack = context.get_value_type(sig.return_type)
    order = ir.Constant(ir.VectorType(ir.IntType(32), pack.count), list(range(pack.count)))
    return builder.fptrunc(builder.shuffle_vector(*args, order), pack)


def _lower_pairwise(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    lanes = sig.return_type.lanes
    vector = ir.VectorType(ir.IntType(32), lanes)
    even, odd = (
        builder.shuffle_vector(*args, ir.Constant(vector, list(range(start, 2 * lanes, 2))))
        for start in (0, 1)
    )
    return builder.fadd(even, odd)


def _bits(builder: Any, sig: Any, pack: Any) -> Any:
    return builder.bitcast(pack, ir.VectorType(ir.IntType(32), sig.return_type.lanes))


def _lower_exponent(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    (pack,) = args
    root, places = _whole_numbers(sig.return_type.lanes, _ROOT_HALF, _FRACTION_BITS)
    exponent = builder.ashr(builder.sub(_bits(builder, sig, pack), root), places)
    return builder.sitofp(exponent, pack.type)


def _lower_mantissa(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    (pack,) = args
    root, fraction = _whole_numbers(sig.return_type.lanes, _ROOT_HALF, _FRACTION)
    above = builder.and_(builder.sub(_bits(builder, sig, pack), root), fraction)
    return builder.bitcast(builder.add(above, root), pack.type)


def _lower_power(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    (pack,) = args
    bias, places = _whole_numbers(sig.return_type.lanes, _BIAS, _FRACTION_BITS)
    whole = builder.fptosi(pack, bias.type)
    return builder.bitcast(builder.shl(builder.add(whole, bias), places), pack.type)


def _lower_turn(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Interleave each pack with the one half the tile further, as often as halves can be made."""
    source, first, stride, target, at, to = args
    vector = ir.VectorType(ir.FloatType(), LANES)
    order = ir.VectorType(ir.IntType(32), LANES)

    def place(kind: Any, array: Any, start: Any, step: Any, row: int) -> Any:
        index = builder.add(start, builder.mul(step, ir.Constant(step.type, row)))
        data = context.make_array(kind)(context, builder, array).data
        return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

    low, high = (
        ir.Constant(order, [lane // 2 + start + LANES * (lane % 2) for lane in range(LANES)])
        for start in (0, LANES // 2)
    )
    packs = [
        builder.load(place(sig.args[0], source, first, stride, row), align=4)
        for row in range(LANES)
    ]
    for _ in range(LANES.bit_length() - 1):
        pairs = [(packs[row], packs[row + LANES // 2]) for row in range(LANES // 2)]
        packs = [builder.shuffle_vector(*pair, half) for pair in pairs for half in (low, high)]
    for row, pack in enumerate(packs):
        builder.store(pack, place(sig.args[3], target, at, to, row), align=4)
    return context.get_dummy_value()


for _symbol, _count, _lower in (
    (most, 2, _lower_most),
    (pairwise, 2, _lower_pairwise),
    (root_of, 1, _by_intrinsic("llvm.sqrt")),
    (_nearest, 1, _by_intrinsic("llvm.rint")),
    (_exponent_of, 1, _lower_exponent),
    (_mantissa_of, 1, _lower_mantissa),
    (_two_to_the, 1, _lower_power),
):
    _teach(_symbol, _count, _lower)
_typing(narrow)(lambda context: _single_pack)  # noqa: ARG005
_lowering(narrow, types.Any, types.Any)(_lower_narrow)
_typing(top_of)(lambda context: lambda pack: pack.dtype if _is_single(pack) else None)  # noqa: ARG005
_lowering(top_of, types.Any)(_lower_top)
_typing(turn)(lambda context: lambda source, first, stride, target, at, to: types.none)  # noqa: ARG005
_lowering(
    turn, types.Array, types.Integer, types.Integer, types.Array, types.Integer, types.Integer
)(_lower_turn)
