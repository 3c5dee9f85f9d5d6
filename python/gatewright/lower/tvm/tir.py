# SPDX-License-Identifier: Apache-2.0
"""Building blocks of kernels: TIR functions, exact integer expressions, loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as T

from gatewright.fixed import Fixed
from gatewright.graph import Length, Tokens
from gatewright.lower.tvm.program import Constant, Value, affine

Expr = Any
"""A TIR expression."""
Buffer = Any


def function(
    name: str, build: Callable[..., None], inputs: Sequence[Value], constants: Sequence[Constant], output: Value
) -> Any:
    """A TIR function of buffers; see `Emitter.call`."""
    base = inputs[0].tokens
    count = tirx.Var("n", "int64") if isinstance(base, Length) else base
    with IRBuilder() as made:
        with T.prim_func(s_tir=True):
            T.func_name(name)
            T.func_attr({"tirx.noalias": True})
            buffers = [_argument(f"x{i}", base, count, v) for i, v in enumerate(inputs)]
            buffers += [T.arg(f"c{i}", T.buffer(a.shape, str(a.dtype))) for i, a in enumerate(constants)]
            buffers.append(_argument("y", base, count, output))
            build(count, *buffers)
    return made.get()


def _argument(name: str, base: Tokens, count: Expr, value: Value) -> Buffer:
    return T.arg(name, T.buffer((relative(base, count, value.tokens), *value.row), value.dtype))


def relative(base: Tokens | None, count: Expr, tokens: Tokens) -> Expr:
    """The length `tokens` when `base`, which it was derived from, is `count`."""
    if not isinstance(tokens, Length):
        return tokens
    assert isinstance(base, Length)
    offset, stride = affine(base, tokens)
    moved = count + offset if offset else count
    return tirx.floordiv(moved, stride) if stride > 1 else moved


def word(bits: int) -> str:
    """Machine integer for signed values of so many bits."""
    assert bits <= 64, bits
    return "int32" if bits <= 32 else "int64"


def lit(value: int, dtype: str) -> Expr:
    """A constant."""
    return tirx.const(value, dtype)


def shifted(value: Expr, shift: int, dtype: str) -> Expr:
    """`value * 2**-shift`, halves up, of a value that is of type `dtype` and has room for it."""
    if shift > 0:
        return (value + lit(1 << (shift - 1), dtype)) >> lit(shift, dtype)
    return value << lit(-shift, dtype) if shift else value


def saturated(value: Expr, to: Fixed, dtype: str, lanes: int = 1) -> Expr:
    """`value`, a vector of `lanes` integers of type `dtype`, clipped to a format."""

    def bound(limit: int) -> Expr:
        return lit(limit, dtype) if lanes == 1 else tirx.Broadcast(lit(limit, dtype), lanes)

    top = np.iinfo(dtype)
    if to.lo > top.min:
        value = tirx.max(value, bound(to.lo))
    if to.hi < top.max:
        value = tirx.min(value, bound(to.hi))
    return value


def pointwise(output: Buffer, element: Callable[..., Expr]) -> None:
    """`output[t, c..] = element(t, c..)`: tokens in parallel, the innermost loop left to LLVM's vectoriser."""

    def loops(*at: Expr) -> None:
        axis = len(at)
        if axis == len(output.shape):
            T.buffer_store(output, element(*at), list(at))
            return
        with (T.serial if axis else spread)(0, output.shape[axis]) as i:
            loops(*at, i)

    loops()


def spread(start: Expr, stop: Expr) -> Any:
    """A loop over both cores, unless it has one turn."""
    return T.serial(start, stop) if stop == 1 else T.parallel(start, stop)
