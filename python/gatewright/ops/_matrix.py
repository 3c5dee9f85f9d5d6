# SPDX-License-Identifier: Apache-2.0
"""What linear and the convolutions share: the matrix unit's arithmetic, foldings, memory image and cost.

`y[o] = sat((sum_i w[o, i] * x[i] + bias[o] + 2**(shift[o] - 1)) >> shift[o])`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import FormatError, GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Ints, accumulator, enclosing, product_range, requantize
from gatewright.graph import Cost, Folding, Stage
from gatewright.ops import _codebook

Bits = npt.NDArray[np.uint8]

DSP_BITS = 9
"""Bits of both operands together from which on synthesis takes a DSP block for a product."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """One matrix unit: integers and formats, without the shape of the stream around it.

    Attributes:
        weight: [groups, out per group, in per group] integers in stream order.
        bias: [groups * out per group] integers at the accumulator's binary point.
        shift: [groups * out per group] right shift from the accumulator to `output`.
        weight_width: bits of a weight, signed.
        x, output: formats of the input and output channels.
        codebook, coded: how weights are stored, see `Linear`.
    """

    weight: Ints
    bias: Ints
    shift: Ints
    weight_width: int
    x: Fixed
    output: Fixed
    codebook: Ints | None = None
    coded: bool = False

    def __post_init__(self) -> None:
        form = Fixed(self.weight_width, 0)
        if not form.contains(self.weight):
            span = f"[{self.weight.min()}, {self.weight.max()}]"
            raise GraphError("weight", f"values {span}", f"{self.weight_width}-bit signed")
        if self.codebook is not None and not form.contains(self.codebook):
            span = f"[{self.codebook.min()}, {self.codebook.max()}]"
            raise GraphError("codebook", f"values {span}", f"{self.weight_width}-bit signed")
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
        length = self.codebook.shape[1] if self.codebook is not None and self.coded else 1
        pes = [d for d in range(length, self.outs + 1, length) if self.outs % d == 0]
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
        if self.codebook is not None and self.coded and folding.pe % self.codebook.shape[1]:
            raise GraphError("pe", f"{folding.pe} beside codebook entries of {self.codebook.shape[1]}", "a multiple")
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

    @property
    def fabric(self) -> bool:
        """True when products that would each take a DSP block of their own are made of look-up tables, see `matrix.sv`.

        Two weights share a block from four bits on; below, a product is a choice among a few multiples of the input.
        """
        wide = self.x.width + (not self.x.signed)
        return 2 <= self.weight_width <= 3 and wide + self.weight_width >= DSP_BITS

    def check_codebook(self) -> None:
        """Raise GraphError unless all weights come from the codebook, if there is one."""
        if self.codebook is not None:
            assert self.codes.size

    @cached_property
    def codes(self) -> Ints:
        """[groups, outs / d, ins] index of every vector of weights in the codebook."""
        assert self.codebook is not None
        return _codebook.indices(self.weight, self.codebook)

    @cached_property
    def _codings(self) -> dict[Folding, bool]:
        return {}

    def coding(self, folding: Folding) -> bool:
        """True when indices are stored: asked for, or cheaper by the cost model."""
        if self.codebook is None or folding.pe % self.codebook.shape[1]:
            return False
        if folding not in self._codings:
            bits = (self._row(folding, coded=False), self._row(folding, coded=True))
            pays = self.coded or _codebook.pays(*bits, self.depth(folding), self.look_up(folding), folding)
            self._codings[folding] = pays
        return self._codings[folding]

    def depth(self, folding: Folding) -> int:
        """Rows of the weight store, per bank."""
        return self.groups * (self.outs // folding.pe) * (self.ins // folding.simd)

    def row_bits(self, folding: Folding) -> int:
        """Bits of a row of the weight store."""
        return self._row(folding, self.coding(folding))

    def _row(self, folding: Folding, coded: bool) -> int:
        count = folding.pe * folding.simd
        if coded:
            assert self.codebook is not None
            return count // self.codebook.shape[1] * _codebook.index_bits(len(self.codebook))
        return count // 2 * (2 * self.weight_width + 1) if self.pairs(folding) else count * self.weight_width

    def look_up(self, folding: Folding) -> Cost:
        """Resources of the codebook."""
        assert self.codebook is not None
        (entries, length), inputs = self.codebook.shape, folding.tokens * folding.simd * self.x.width
        bits, pairs = _codebook.index_bits(entries), self.pairs(folding)
        return _codebook.look_up_cost(
            folding.simd, folding.pe, self.weight_width, length, bits, pairs, inputs, folding.banks
        )

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

        Product, adder tree, accumulator, two steps of rescaling, register slice; a codebook is a step more. A replayed
        vector takes two more cycles to turn round and then all its passes.
        """
        interval = self.interval(folding)
        words, folds = self.ins // folding.simd, self.outs // folding.pe
        latency = 3 + self.levels(folding) + (0 if self.plain else 2) + self.coding(folding)
        if folds > 1:
            latency += 1 + words * folds + (self.groups - 1) * words * folds
        if folding.tokens == 1:
            return [Stage(need, interval, latency)]
        count, group = len(need), folding.tokens
        index = np.arange(count)
        ends = np.minimum(index // group * group + group - 1, count - 1)
        starts = np.where(index % group == 0, interval, 0)
        return [Stage(need[ends], starts, latency), Stage(index, folds, folds)]


def bits(rows: Ints, width: int) -> Bits:
    """[rows, fields] integers modulo 2**width, 1 to 62 bits each, as [rows, fields * width] bits, low ones first."""
    return ((rows[..., None] >> np.arange(width)) & 1).reshape(len(rows), -1).astype(np.uint8)


def words(rows: Bits) -> Ints:
    """[rows, bits], low ones first, as [rows, ceil(bits / 32)] integers below 2**32."""
    packed = np.packbits(np.pad(rows, ((0, 0), (0, -rows.shape[1] % 32))), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.int64)


def chunks(rows: Ints, width: int) -> Ints:
    """[rows, fields] of `width` bits as [rows, words] of 32, field 0 lowest; see `bits` and `words`."""
    return words(bits(rows, width))


def sample_fixed(rng: np.random.Generator, frac: int | None = None) -> Fixed:
    """A random format of 1 to 16 bits."""
    return Fixed(int(rng.integers(1, 17)), int(rng.integers(-2, 6)) if frac is None else frac, bool(rng.random() < 0.6))
