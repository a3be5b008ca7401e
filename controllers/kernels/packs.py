"""Packs: eight or sixteen numbers, added and multiplied as one.

Numba vectorises a loop over lanes only where it can prove that no array overlaps another, and never
keeps a running sum of such a loop in registers. A pack is that sum: a vector of LLVM as a type of
Numba, so that a kernel is written once as for single numbers and works on many. Where a processor's
registers are shorter, LLVM takes several for a pack.

`take` and `put` move packs from and to flat arrays; between them stand `+ - * /`, comparisons,
`least`, `choose`, `count_of` and `bits_of`. With ``NUMBA_DISABLE_JIT=1`` a pack is a NumPy array,
for which the same operators do the same.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.extending import lower_builtin, register_model, type_callable
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = [
    "BYTES",
    "bits_of",
    "choose",
    "count_of",
    "each",
    "first_of",
    "least",
    "product_of",
    "put",
    "room_for",
    "spread",
    "sum_of",
    "take",
]

BYTES = 64
"""Bytes of a pack: a register of 512 bits, eight numbers in float64 and sixteen in float32."""

Array = NDArray[Any]
Mask = NDArray[np.bool_]

_typing: Any = type_callable  # Numba has types for half of its functions
_lowering: Any = lower_builtin


@kernel(inline=True)
def room_for(count: int, one: float) -> Array:
    """Zeros, of the type of `one`, that begin at a multiple of a pack's bytes.

    A pack that lies across two lines of the cache takes twice as long to read.
    """
    spare = np.full(count + BYTES // 4, one - one)
    skipped = -spare.ctypes.data % BYTES // spare.itemsize
    return spare[skipped : skipped + count]


def take(array: Array, at: int) -> Array:
    """Pack of the numbers of a contiguous array from index `at`."""
    return array[at : at + BYTES // array.itemsize].copy()


def put(array: Array, at: int, pack: Array) -> None:
    """Write a pack to a contiguous array from index `at`."""
    array[at : at + len(pack)] = pack


def each(array: Array, at: int) -> Array:
    """Pack of one number of a contiguous array, the one at index `at`, in every lane."""
    return np.full(BYTES // array.itemsize, array[at], dtype=array.dtype)


def spread(value: float, like: Array) -> Array:
    """Pack of one number in every lane, of the type of another pack."""
    return np.full_like(like, value)


def least(a: Array, b: Array) -> Array:
    """Lesser of two packs, lane by lane; b where one is NaN."""
    return np.where(a < b, a, b)


def choose(mask: Mask, a: Array, b: Array) -> Array:
    """Pack a where the mask holds, else b."""
    return np.where(mask, a, b)


def count_of(mask: Mask) -> int:
    """Number of lanes in which a mask holds."""
    return int(mask.sum())


def bits_of(mask: Mask) -> int:
    """Number whose bits are one for the lanes in which a mask holds, the first lane's lowest."""
    return sum(1 << lane for lane in range(len(mask)) if mask[lane])


def first_of(bits: int) -> int:
    """Place of the lowest bit that is one; there must be one."""
    return (bits & -bits).bit_length() - 1


def product_of(pack: Array) -> float:
    """Product of the numbers of a pack."""
    product: float = pack.prod()
    return product


def sum_of(pack: Array) -> float:
    """Sum of the numbers of a pack."""
    total: float = pack.sum()
    return total


class _Pack(types.Type):
    """Numba's type of a pack of numbers, or of truth values beside numbers, of one dtype."""

    def __init__(self, dtype: Any, *, mask: bool = False) -> None:
        self.dtype = dtype
        self.mask = mask
        self.lanes = 8 * BYTES // dtype.bitwidth
        super().__init__(name=f"{'Mask' if mask else 'Pack'}({dtype})")


@register_model(_Pack)
class _PackModel(models.PrimitiveModel):
    """How a pack lies in memory: as a vector."""

    def __init__(self, dmm: Any, fe_type: _Pack) -> None:
        single = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        vector = ir.VectorType(ir.IntType(1) if fe_type.mask else single, fe_type.lanes)
        super().__init__(dmm, fe_type, vector)  # type: ignore[no-untyped-call]


def _same(a: Any, b: Any) -> Any:
    """Type of what two packs of numbers of one type make; None of anything else."""
    return a if isinstance(a, _Pack) and not a.mask and a == b else None


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Pointer to an element of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def _splat(context: Any, builder: Any, number: Any, pack: Any) -> Any:
    """One number in every lane."""
    unset = ir.Constant(context.get_value_type(pack), ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), pack.lanes), [0] * pack.lanes)
    single = builder.insert_element(unset, number, ir.IntType(32)(0))
    return builder.shuffle_vector(single, unset, first)


def _teach(symbol: Any, kinds: tuple[Any, ...], kind: Any, lower: Any) -> None:
    """Make Numba compile a function or an operator: what it gives for which types, and how."""
    _typing(symbol)(lambda context: kind)  # noqa: ARG005
    _lowering(symbol, *kinds)(lower)


def _lower_take(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pack = sig.return_type
    place = _place(context, builder, sig.args[0], *args)
    vector = context.get_value_type(pack).as_pointer()
    return builder.load(builder.bitcast(place, vector), align=pack.dtype.bitwidth // 8)


def _lower_put(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pack = sig.args[2]
    place = _place(context, builder, sig.args[0], *args[:2])
    vector = context.get_value_type(pack).as_pointer()
    builder.store(args[2], builder.bitcast(place, vector), align=pack.dtype.bitwidth // 8)
    return context.get_dummy_value()


def _lower_each(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    number = builder.load(_place(context, builder, sig.args[0], *args))
    return _splat(context, builder, number, sig.return_type)


def _lower_spread(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    number = context.cast(builder, args[0], sig.args[0], sig.return_type.dtype)
    return _splat(context, builder, number, sig.return_type)


def _lower_least(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    return builder.select(builder.fcmp_ordered("<", *args), *args)


def _lower_choose(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    return builder.select(*args)


def _folding(name: str) -> Any:
    """By halves: a pack and itself turned by half its length, then by a quarter, and so on."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
        (pack,) = args
        lanes = sig.args[0].lanes
        turn = lanes // 2
        while turn:
            order = [(lane + turn) % lanes for lane in range(lanes)]
            turned = ir.Constant(ir.VectorType(ir.IntType(32), lanes), order)
            pack = getattr(builder, name)(pack, builder.shuffle_vector(pack, pack, turned))
            turn //= 2
        return builder.extract_element(pack, ir.IntType(32)(0))

    return lower


def _lower_count(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    bits = builder.ctpop(builder.bitcast(args[0], ir.IntType(sig.args[0].lanes)))
    return builder.zext(bits, ir.IntType(64))


def _lower_bits(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    bits = builder.bitcast(args[0], ir.IntType(sig.args[0].lanes))
    return builder.zext(bits, ir.IntType(64))


def _lower_first(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    return builder.cttz(args[0], ir.IntType(1)(1))


def _arithmetic(name: str) -> Any:
    return lambda context, builder, sig, args: getattr(builder, name)(*args)  # noqa: ARG005


def _comparison(sign: str) -> Any:
    return lambda context, builder, sig, args: builder.fcmp_ordered(sign, *args)  # noqa: ARG005


_teach(take, (types.Array, types.Integer), lambda array, at: _Pack(array.dtype), _lower_take)  # noqa: ARG005
_teach(each, (types.Array, types.Integer), lambda array, at: _Pack(array.dtype), _lower_each)  # noqa: ARG005
_teach(put, (types.Array, types.Integer, _Pack), lambda array, at, pack: types.none, _lower_put)  # noqa: ARG005
_teach(spread, (types.Number, _Pack), lambda value, like: like, _lower_spread)  # noqa: ARG005
_teach(least, (_Pack, _Pack), _same, _lower_least)
_teach(
    choose,
    (_Pack, _Pack, _Pack),
    lambda mask, a, b: _same(a, b) if mask.mask else None,
    _lower_choose,
)
_teach(product_of, (_Pack,), lambda pack: pack.dtype, _folding("fmul"))
_teach(sum_of, (_Pack,), lambda pack: pack.dtype, _folding("fadd"))
_teach(bits_of, (_Pack,), lambda mask: types.int64 if mask.mask else None, _lower_bits)
_teach(
    first_of,
    (types.int64,),
    lambda bits: types.int64 if bits == types.int64 else None,
    _lower_first,
)
_teach(count_of, (_Pack,), lambda mask: types.int64 if mask.mask else None, _lower_count)
for _symbol, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _teach(_symbol, (_Pack, _Pack), _same, _arithmetic(_name))
for _symbol, _sign in ((operator.lt, "<"), (operator.gt, ">"), (operator.ge, ">=")):
    _teach(
        _symbol,
        (_Pack, _Pack),
        lambda a, b: _Pack(a.dtype, mask=True) if _same(a, b) else None,
        _comparison(_sign),
    )
_teach(
    operator.or_, (_Pack, _Pack), lambda a, b: a if a == b and a.mask else None, _arithmetic("or_")
)
