"""Bitmaps in tiers of 64, and the few machine instructions that Python has no word for.

A bitmap over `ticks` positions (a power of two, 64 to 2^18) is laid out from word `at`: ticks/64 words of one bit a
position, then ceil(ticks/4096) words of one bit for each non-zero word, then one word over those.
Words are uint64 and stay apart from int64 arithmetic: a mix of the two would silently turn into floats.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from engine.kernels.compiled import step

ALL_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE = np.uint64(1)
ZERO = np.uint64(0)


@intrinsic
def trailing_zeros(typingctx, word):
    """Position of the lowest set bit of a non-zero uint64, as int64."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@intrinsic
def prefetch(typingctx, array, index):
    """Ask for the cache line of array[index] (to be written). The index must be in range; nothing is read."""

    def codegen(context, builder, signature, args):
        data = make_array(signature.args[0])(context, builder, args[0]).data
        pointer = builder.bitcast(builder.gep(data, [args[1]]), cgutils.voidptr_t)
        i32 = ir.IntType(32)
        fnty = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, fnty, "llvm.prefetch.p0")
        builder.call(function, [pointer, i32(1), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@intrinsic
def move_rows(typingctx, array, to, start, count):
    """array[to : to + count] = array[start : start + count], right for ranges that overlap."""

    def codegen(context, builder, signature, args):
        data = make_array(signature.args[0])(context, builder, args[0]).data
        itemsize = context.get_abi_sizeof(data.type.pointee)
        target, source = builder.gep(data, [args[1]]), builder.gep(data, [args[2]])
        cgutils.raw_memmove(builder, target, source, args[3], itemsize)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, types.int64), codegen


@step
def bitmap_words(ticks):
    """Words that a bitmap over `ticks` positions takes."""
    return (ticks >> 6) + ((ticks + 4095) >> 12) + 1


@step
def set_bit(bits, at, ticks, position):
    word = position >> 6
    before = bits[at + word]
    bits[at + word] = before | (ONE << np.uint64(position & 63))
    if before == ZERO:
        tier1 = at + (ticks >> 6)
        before = bits[tier1 + (word >> 6)]
        bits[tier1 + (word >> 6)] = before | (ONE << np.uint64(word & 63))
        if before == ZERO:
            bits[tier1 + ((ticks + 4095) >> 12)] |= ONE << np.uint64(word >> 6)


@step
def clear_bit(bits, at, ticks, position):
    word = position >> 6
    after = bits[at + word] & ~(ONE << np.uint64(position & 63))
    bits[at + word] = after
    if after == ZERO:
        tier1 = at + (ticks >> 6)
        after = bits[tier1 + (word >> 6)] & ~(ONE << np.uint64(word & 63))
        bits[tier1 + (word >> 6)] = after
        if after == ZERO:
            bits[tier1 + ((ticks + 4095) >> 12)] &= ~(ONE << np.uint64(word >> 6))


@step
def next_bit(bits, at, ticks, position):
    """Lowest set position >= `position` (0 <= position < ticks), or -1."""
    word = position >> 6
    found = bits[at + word] & (ALL_ONES << np.uint64(position & 63))
    if found != ZERO:
        return (word << 6) + trailing_zeros(found)
    word += 1
    if word >= ticks >> 6:
        return -1
    tier1 = at + (ticks >> 6)
    group = word >> 6
    found = bits[tier1 + group] & (ALL_ONES << np.uint64(word & 63))
    if found == ZERO:
        group += 1
        if group >= (ticks + 4095) >> 12:
            return -1
        found = bits[tier1 + ((ticks + 4095) >> 12)] & (ALL_ONES << np.uint64(group))
        if found == ZERO:
            return -1
        group = trailing_zeros(found)
        found = bits[tier1 + group]
    word = (group << 6) + trailing_zeros(found)
    return (word << 6) + trailing_zeros(bits[at + word])
