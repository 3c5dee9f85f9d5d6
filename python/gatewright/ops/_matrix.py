# SPDX-License-Identifier: Apache-2.0
"""What linear and the convolutions share: the matrix unit's arithmetic, foldings, memory image and cost.

`y[o] = sat((sum_i w[o, i] * x[i] + bias[o] + 2**(shift[o] - 1)) >> shift[o])`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

from gatewright.errors import FormatError, GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Ints, accumulator, enclosing, product_range, requantize
from gatewright.graph import Folding, Stage


@dataclass(frozen=True, eq=False)
class Matrix:
    """One matrix unit: integers and formats, without the shape of the stream around it.

    Attributes:
        weight: [groups, out per group, in per group] integers in stream order.
        bias: [groups * out per group] integers at the accumulator's binary point.
        shift: [groups * out per group] right shift from the accumulator to `output`.
        weight_width: bits of a weight, signed.
        x, output: formats of the input and output channels.
    """

    weight: Ints
    bias: Ints
    shift: Ints
    weight_width: int
    x: Fixed
    output: Fixed

    def __post_init__(self) -> None:
        form = Fixed(self.weight_width, 0)
        if not form.contains(self.weight):
            span = f"[{self.weight.min()}, {self.weight.max()}]"
            raise GraphError("weight", f"values {span}", f"{self.weight_width}-bit signed")
        for name in ("bias", "shift"):
            if getattr(self, name).shape != (self.groups * self.outs,):
                raise GraphError(name, f"shape {getattr(self, name).shape}", f"[{self.groups * self.outs}]")
        try:
            fits = self.total_width <= MAX_WIDTH
        except FormatError:
            fits = False
        if not fits:
            raise GraphError(
                "accumulator",
                f"{self.ins} products of {self.x} and {self.weight_width}-bit weights, with bias and shift",
                f"sums of at most {MAX_WIDTH} bits",
                "use narrower weights or activations",
            )

    @property
    def groups(self) -> int:
        """Independent groups of channels."""
        return self.weight.shape[0]

    @property
    def outs(self) -> int:
        """Output channels per group."""
        return self.weight.shape[1]

    @property
    def ins(self) -> int:
        """Products per output channel."""
        return self.weight.shape[2]

    @property
    def accumulator(self) -> Fixed:
        """Format of the plain sum of products, exact for any weights of the width."""
        return accumulator(self.x, Fixed(self.weight_width, 0), self.ins)

    @cached_property
    def offset(self) -> Ints:
        """Bias plus the half that rounding adds: one constant per output channel."""
        half = np.where(self.shift > 0, np.int64(1) << np.maximum(self.shift - 1, 0), 0)
        return self.bias + half

    @property
    def offset_width(self) -> int:
        """Bits that hold any offset; at least the accumulator's, so that biases can be reloaded."""
        lo, hi = int(min(self.offset.min(), -1)), int(self.offset.max())
        return max(enclosing(lo, hi, 0).width, self.accumulator.width)

    @property
    def shift_min(self) -> int:
        """Shift that every channel shares."""
        return int(self.shift.min())

    @property
    def shift_bits(self) -> int:
        """Bits of the per-channel extra shift."""
        return int(self.shift.max() - self.shift.min()).bit_length()

    @property
    def total_width(self) -> int:
        """Bits of sum plus offset, before the right shift."""
        return max(self.accumulator.width, self.offset_width) + 1 + max(0, -self.shift_min)

    @property
    def plain(self) -> bool:
        """True when the accumulator itself is the output: no bias, shift or saturation."""
        return (
            not self.bias.any()
            and not self.shift.any()
            and self.output.signed
            and self.output.width == self.accumulator.width
        )

    def evaluate(self, x: Ints) -> Ints:
        """[tokens, groups, in per group] -> [tokens, groups * out per group]."""
        # Integer matrix products bypass BLAS; float64 is exact while every partial sum is below 2**53.
        peak = self.ins * int(np.abs(x).max(initial=0)) * int(np.abs(self.weight).max(initial=0))
        kind = np.float64 if peak < 1 << 53 else np.int64
        sums = np.matmul(x.transpose(1, 0, 2).astype(kind), self.weight.transpose(0, 2, 1).astype(kind))
        flat = sums.transpose(1, 0, 2).reshape(len(x), -1).astype(np.int64) + self.bias
        return requantize(flat, self.shift, self.output)

    def foldings(self, lanes: int = 1, tokens: bool = True) -> Iterator[Folding]:
        """Legal (simd, pe, tokens), fewest multipliers first."""
        simds = [d for d in range(1, self.ins + 1) if self.ins % d == 0]
        pes = [d for d in range(1, self.outs + 1) if self.outs % d == 0]
        options = [Folding(lanes, s, p) for s in simds for p in pes]
        if tokens and self.groups == 1:
            options += [
                Folding(lanes, f.simd, f.pe, t)
                for f in options
                for t in (2, 4, 8)
                if t <= min(self.ins // f.simd, self.outs // f.pe)
            ]
        yield from sorted(options, key=lambda f: (f.simd * f.pe * f.tokens, f.tokens, f.pe))

    def check(self, folding: Folding) -> None:
        """Raise GraphError unless `folding` divides this matrix and its streams keep up."""
        if self.ins % folding.simd:
            raise GraphError("simd", f"{folding.simd} does not divide {self.ins} inputs", "a divisor")
        if self.outs % folding.pe:
            raise GraphError("pe", f"{folding.pe} does not divide {self.outs} outputs", "a divisor")
        most = 1 if self.groups > 1 else min(self.ins // folding.simd, self.outs // folding.pe)
        if folding.tokens > max(1, most):
            raise GraphError("tokens", f"{folding.tokens}", f"1 to min(IN/SIMD, OUT/PE) = {max(1, most)}")

    def interval(self, folding: Folding) -> int:
        """Cycles per group of `folding.tokens` tokens."""
        return self.groups * (self.ins // folding.simd) * (self.outs // folding.pe)

    def pairs(self, folding: Folding) -> bool:
        """True when two weights of neighbouring outputs share one DSP multiplier, see `Folding.port`."""
        lo, hi = product_range(self.x, Fixed(self.weight_width, 0))
        field = folding.port - self.weight_width - 1
        fits = field > self.weight_width and hi - lo < 1 << max(field, 0)
        worth = self.weight_width >= 4 and self.x.width >= 4 and self.x.width + (not self.x.signed) <= 18
        return folding.pe % 2 == 0 and fits and worth

    @staticmethod
    def sample(rng: np.random.Generator, x: Fixed, shape: tuple[int, ...], terms: int) -> dict[str, Any]:
        """Random weight (of `shape`, outputs first), bias, shift, weight_width and output for `terms` products.

        The shift brings sums near the output's range, so that most values neither vanish nor saturate.
        """
        width = int(rng.integers(1, 17))
        weight = rng.integers(-(1 << (width - 1)), 1 << (width - 1), shape, dtype=np.int64)
        if rng.random() < 0.2:
            weight[...] = -(1 << (width - 1))
        acc = accumulator(x, Fixed(width, 0), terms)
        bias = rng.integers(acc.lo // 2, acc.hi // 2 + 1, shape[0], dtype=np.int64)
        if rng.random() < 0.2 and acc.width <= 40:
            return {
                "weight": weight,
                "bias": np.zeros_like(bias),
                "shift": np.zeros_like(bias),
                "weight_width": width,
                "output": Fixed(acc.width, 0),
            }
        output = sample_fixed(rng)
        spread = rng.integers(0, int(rng.integers(1, 5)), shape[0], dtype=np.int64)
        shift = spread + int(rng.integers(-1, 3)) + max(0, acc.width - output.width - int(np.log2(terms)) // 2 - 1)
        return {"weight": weight, "bias": bias, "shift": shift, "weight_width": width, "output": output}

    def chain(self, folding: Folding) -> int:
        """Products that are summed before the fields of a pair are separated, see `matrix.sv`."""
        if not self.pairs(folding):
            return folding.simd
        lo, hi = product_range(self.x, Fixed(self.weight_width, 0))
        return min(folding.simd, ((1 << (folding.port - self.weight_width - 1)) - 1) // (hi - lo))

    def levels(self, folding: Folding) -> int:
        """Registered levels of the adder tree."""
        return (self.chain(folding) - 1).bit_length()

    def stages(self, folding: Folding, need: Ints) -> list[Stage]:
        """Timing when output token j needs the whole of input token need[j].

        Product, adder tree, accumulator, two steps of rescaling, register slice; a replayed vector takes two
        more cycles to turn round and then all its passes.
        """
        interval = self.interval(folding)
        words, folds = self.ins // folding.simd, self.outs // folding.pe
        latency = 3 + self.levels(folding) + (0 if self.plain else 2)
        if folds > 1:
            latency += 1 + words * folds + (self.groups - 1) * words * folds
        if folding.tokens == 1:
            return [Stage(need, interval, latency)]
        count, group = len(need), folding.tokens
        index = np.arange(count)
        ends = np.minimum(index // group * group + group - 1, count - 1)
        starts = np.where(index % group == 0, interval, 0)
        return [Stage(need[ends], starts, latency), Stage(index, folds, folds)]

    def rows(self, folding: Folding) -> Ints:
        """[rows, words] of the weight store: each row holds PE * SIMD weights, element `p * SIMD + s`.

        When pairs share a multiplier, outputs 2q (low) and 2q+1 (high) are stored as `{high - (low < 0), low}`, so
        that the packed operand is wiring: the borrow of a negative low half is paid here and not in fabric.
        """
        g, o, i = self.weight.shape
        pe, simd = folding.pe, folding.simd
        rows = self.weight.reshape(g, o // pe, pe, i // simd, simd).transpose(0, 1, 3, 2, 4)
        rows = rows.reshape(-1, pe, simd)
        width = self.weight_width
        if not self.pairs(folding):
            return chunks(rows.reshape(len(rows), -1), width)
        low, high = rows[:, 0::2], rows[:, 1::2]
        high = (high - (low < 0)) & ((1 << (width + 1)) - 1)
        packed = low & ((1 << width) - 1) | high << width
        return chunks(packed.reshape(len(rows), -1), 2 * width + 1)


def spell(folding: Folding, banks: Sequence[Matrix]) -> tuple[dict[str, int], tuple[Ints, ...]]:
    """SystemVerilog parameters of `linear` for matrices that share one unit, and the rows of its stores.

    Raises:
        GraphError: the folding does not divide them, or they need different units.
    """
    first = banks[0]
    first.check(folding)
    for k, one in enumerate(banks[1:], 1):
        for name in ("weight.shape", "weight_width", "x.width", "x.signed", "output.width", "output.signed"):
            ours, theirs = (attrgetter(name)(m) for m in (first, one))
            if ours != theirs:
                raise GraphError(f"matrix.{name}", f"{theirs} in iteration {k}, {ours} in iteration 0", "equal ones")
    plain = all(m.plain for m in banks)
    offset_width = max(m.offset_width for m in banks)
    shift_min = min(m.shift_min for m in banks)
    shift_bits = (max(int(m.shift.max()) for m in banks) - shift_min).bit_length()
    parameters = {
        "In": first.ins,
        "Out": first.outs,
        "Groups": first.groups,
        "Simd": folding.simd,
        "Pe": folding.pe,
        "Tokens": folding.tokens,
        "InWidth": first.x.width,
        "InSigned": int(first.x.signed),
        "WeightWidth": first.weight_width,
        "Pair": int(first.pairs(folding)),
        "Port": folding.port if first.pairs(folding) else 27,
        "AccWidth": first.accumulator.width,
        "Plain": int(plain),
        "OffsetWidth": offset_width,
        "ShiftMin": shift_min,
        "ShiftBits": shift_bits,
        "OutWidth": first.output.width,
        "OutSigned": int(first.output.signed),
        "Banks": len(banks),
        "Ultra": int(folding.ultra),
    }
    weights = np.concatenate([m.rows(folding) for m in banks])
    if plain:
        return parameters, (weights,)
    fields = [m.offset & ((1 << offset_width) - 1) | (m.shift - shift_min) << offset_width for m in banks]
    return parameters, (weights, chunks(np.concatenate(fields).reshape(-1, folding.pe), offset_width + shift_bits))


def chunks(rows: Ints, width: int) -> Ints:
    """Bit-pack each row of `width`-bit fields, field 0 lowest, into whole uint32 words.

    Args:
        rows: [rows, fields] integers, taken modulo 2**width.
        width: bits of a field, 1 to 62.

    Returns:
        [rows, ceil(fields * width / 32)] integers below 2**32.
    """
    bits = (rows[..., None] >> np.arange(width)) & 1
    bits = bits.reshape(len(rows), -1).astype(np.uint8)
    pad = -bits.shape[1] % 32
    packed = np.packbits(np.pad(bits, ((0, 0), (0, pad))), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.int64)


def sample_fixed(rng: np.random.Generator, frac: int | None = None) -> Fixed:
    """A random format of 1 to 16 bits."""
    return Fixed(int(rng.integers(1, 17)), int(rng.integers(-2, 6)) if frac is None else frac, bool(rng.random() < 0.6))
