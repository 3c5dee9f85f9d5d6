# SPDX-License-Identifier: Apache-2.0
"""Recurrence of an LSTM or GRU layer over the tokens of a sequence, in integers only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, most_tokens
from gatewright.ops import _recurrent, _recurrent_rtl
from gatewright.ops._functions import Kind
from gatewright.ops._matrix import Matrix
from gatewright.ops._piecewise import Table
from gatewright.ops._recurrent import Cell, Forms, Near, Shifts
from gatewright.ops.pwl import Pwl

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True, eq=False)
class Recurrent(Op):
    """`h[t] = cell(x[t], W h[t-1] + b)` with h[-1] = 0; the input's part of the preactivations is a `linear` before.

    `v = requantize(W h + b, shift)` has the input's binary point and never saturates. Then, with `a = requantize(x + v,
    gate_shift)` to `gate`, q the rounding to the format named, and gates in the order of the input's channels:

    LSTM i, g, f, o: `c = q_state(sigmoid(f) c + sigmoid(i) candidate(g))`,
    `h = q_output(sigmoid(o) tanh(q_argument(c)))`.
    GRU r, z, n: `n = tanh(q_argument(x + sigmoid(r) v))`, `s = q_state(n + sigmoid(z) (s - n))`, `h = q_output(s)`.

    Products and sums inside q are exact. The state (c or s) is kept at its own width; of h only `output` goes round.

    Attributes:
        cell: LSTM or GRU.
        weight: [gates * hidden, hidden] integers, gate after gate.
        bias: [gates * hidden] integers at the accumulator's binary point.
        shift: [gates * hidden] right shift from the accumulator to the input's binary point.
        weight_width: bits of a weight.
        gate, gate_shift: format of a gate's argument, and right shift to it from the input's binary point.
        argument: format of what the last tanh is taken of.
        state: format of the state.
        output: format of the hidden vector, signed.
        sigmoid, candidate, tanh: tables, all with one output format, of `gate`, `gate` (LSTM only) and `argument`.
        final: only the last token's hidden vector is put out.
    """

    torch: ClassVar[tuple[str, ...]] = ("gatewright.lstm", "gatewright.gru")
    codebook: ClassVar[None] = None
    """Weights are stored themselves."""

    cell: Cell
    weight: Ints
    bias: Ints
    shift: Ints
    weight_width: int
    gate: Fixed
    gate_shift: int
    argument: Fixed
    state: Fixed
    output: Fixed
    sigmoid: Pwl = field(repr=False)
    candidate: Pwl | None = field(repr=False)
    tanh: Pwl = field(repr=False)
    final: bool = False

    def __post_init__(self) -> None:
        # A saved graph holds the plain string.
        object.__setattr__(self, "cell", Cell(self.cell))

    @property
    def hidden(self) -> int:
        """Units."""
        return self.weight.shape[1]

    @property
    def activation(self) -> Fixed:
        """Format of gates and of tanh."""
        return self.sigmoid.output

    @property
    def tables(self) -> tuple[list[Table], Table]:
        """Tables of the gates, one per bank, and of the last tanh."""
        gates = [self.sigmoid.table] + ([self.candidate.table] if self.candidate is not None else [])
        return gates, self.tanh.table

    @cached_property
    def product(self) -> Fixed:
        """Format of v, wide enough for any hidden vector."""
        peak = np.abs(self.weight).sum(axis=1) * -self.output.lo + np.abs(self.bias)
        most = max(int(p) >> s if s >= 0 else int(p) << -s for p, s in zip(peak, self.shift.tolist(), strict=True))
        return Fixed((most + 1).bit_length() + 1, self.gate.frac + self.gate_shift)

    @cached_property
    def shifts(self) -> Shifts:
        """Between gates, state, argument and output; u and v are finer than a gate's argument by `gate_shift`."""
        act, state, mixed = self.activation.frac, self.state.frac, self.product.frac + self.activation.frac
        finest = max(act, state)
        lstm = self.cell is Cell.LSTM
        return Shifts(
            finest - state,
            finest - act,
            act + finest - state,
            (state if lstm else mixed) - self.argument.frac,
            (2 * act if lstm else state) - self.output.frac,
        )

    def matrix(self, x: Fixed) -> Matrix:
        """The matrix unit of v in the order of `weight`; the input's format does not matter."""
        return self.unit(self.hidden)

    def unit(self, lanes: int) -> Matrix:
        """The matrix unit of v when a beat has `lanes` units: all gates of a block before the next block."""
        gates, size = self.cell.gates, self.hidden
        order = np.arange(gates * size).reshape(gates, size // lanes, lanes).transpose(1, 0, 2).reshape(-1)
        return Matrix(
            self.weight[order][None], self.bias[order], self.shift[order], self.weight_width, self.output, self.product
        )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        rows = self.cell.gates * self.hidden
        if self.weight.shape != (rows, self.hidden) or x.channels != rows:
            problem = f"{list(self.weight.shape)} on {x.channels} channels"
            raise GraphError("recurrent.weight", problem, f"[{rows}, {self.hidden}] on {rows} channels")
        if x.fixed.frac != self.product.frac:
            problem = f"{self.gate_shift} from {x.fixed} to {self.gate}"
            raise GraphError("recurrent.gate_shift", problem, f"{x.fixed.frac - self.gate.frac}")
        for name in ("gate", "argument", "state", "output", "activation"):
            if not getattr(self, name).signed:
                raise GraphError(f"recurrent.{name}", f"{getattr(self, name)}", "a signed format")
        if (self.candidate is None) == (self.cell is Cell.LSTM):
            raise GraphError("recurrent.candidate", f"{self.candidate}", "a table for an LSTM, None for a GRU")
        for name, form in (("sigmoid", self.gate), ("candidate", self.gate), ("tanh", self.argument)):
            table = getattr(self, name)
            if table is None:
                continue
            if table.output != self.activation:
                raise GraphError(f"recurrent.{name}", f"results in {table.output}", f"{self.activation}")
            table.infer(TensorType(1, 1, form))
        self.unit(1)
        if self.width(x.fixed) > MAX_WIDTH:
            raise GraphError("recurrent", f"sums of {self.width(x.fixed)} bits", f"at most {MAX_WIDTH}")
        return TensorType(1 if self.final else x.tokens, self.hidden, self.output)

    def width(self, x: Fixed) -> int:
        """Bits of the widest sum of the cell, signed."""
        act, state, align = self.activation, self.state.width, self.shifts
        wide = max(state + align.state_align, act.width + align.act_align) + 1
        mix = max(x.width + 1 + act.frac, self.product.width + act.width) + 1
        return max(2 * act.width, mix, act.width + max(wide, act.frac + align.act_align) + 2)

    def evaluate(self, *inputs: Ints) -> Ints:
        (x,) = inputs
        h = state = np.zeros(self.hidden, np.int64)
        found = []
        for u in x:
            h, state = self.step(u, h, state)[:2]
            found.append(h)
        return np.stack(found[-1:] if self.final else found)

    def step(self, u: Ints, h: Ints, state: Ints) -> tuple[Ints, Ints, dict[str, Ints]]:
        """One step: hidden vector, state, and everything in between by name; of many sequences if need be.

        Args:
            u: [.., gates * hidden] a token.
            h, state: [.., hidden] of the step before.
        """
        v = requantize(h @ self.weight.T + self.bias, self.shift, self.product)
        to, act, size = self.shifts, self.activation.frac, self.hidden
        argument = requantize(u + v, self.gate_shift, self.gate)
        if self.candidate is not None:
            i, g, f, o = np.split(argument, 4, axis=-1)
            i, f, o = (self.sigmoid.evaluate(a) for a in (i, f, o))
            g = self.candidate.evaluate(g)
            new = requantize((f * state << to.state_align) + (i * g << to.act_align), to.state, self.state)
            last = requantize(new, to.argument, self.argument)
            t = self.tanh.evaluate(last)
            out = requantize(o * t, to.output, self.output)
            return out, new, {"v": v, "gate": argument, "i": i, "g": g, "f": f, "o": o, "last": last, "t": t}
        argument = argument[..., : 2 * size]
        r, z = np.split(self.sigmoid.evaluate(argument), 2, axis=-1)
        last = requantize((u[..., 2 * size :] << act) + r * v[..., 2 * size :], to.argument, self.argument)
        n = self.tanh.evaluate(last)
        gap = (state << to.state_align) - (n << to.act_align)
        new = requantize((n << (to.act_align + act)) + z * gap, to.state, self.state)
        out = requantize(new, to.output, self.output)
        return out, new, {"v": v, "gate": argument, "r": r, "z": z, "last": last, "n": n}

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Recurrent | None:
        (x,) = inputs
        cells = [c for c in Cell if x.channels % c.gates == 0]
        if not cells:
            return None
        cell = cells[int(rng.integers(len(cells)))]
        size = x.channels // cell.gates
        gate, argument = (Fixed(int(rng.integers(3, 8)), int(rng.integers(0, 4))) for _ in range(2))
        act = int(rng.integers(2, 10))
        output, state = (
            Fixed(w, w - 1 - int(rng.integers(0, 3))) for w in (int(rng.integers(2, 9)), int(rng.integers(3, 17)))
        )
        unit = Matrix.sample(rng, output, (x.channels, size), size)
        tables = tables_of(cell, gate, argument, Fixed(act + 1, act), int(rng.integers(1, 9)))
        rows = unit["weight"], unit["bias"], unit["shift"], unit["weight_width"]
        offset, final = x.fixed.frac - gate.frac, bool(rng.random() < 0.3)
        return cls(cell, *rows, gate, offset, argument, state, output, *tables, final)

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        weight, bias = reference.constants["weight"], reference.constants["bias"]
        found = _recurrent.run(self.cell, inputs[0], weight, bias).hidden
        return found[-1:] if self.final else found

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        """Running error analysis step by step, from the golden run: golden's own roundings are known exactly, and a
        table's error is the distance of both ends of its argument's interval. The part of the last hidden vector
        enters through |W|, so the bound grows by the largest row sum of |W| times the gates' slopes per step where
        that exceeds one, although the true error rarely does. It never exceeds the distance to -1 and 1.
        """
        ((value, error),) = inputs
        weight, bias = reference.constants["weight"], reference.constants["bias"]
        of_weight, of_bias = reference.errors["weight"], reference.errors["bias"]
        integers = np.rint(np.ldexp(value, self.product.frac)).astype(np.int64)
        h = state = np.zeros(self.hidden, np.int64)
        near, kept = (Near(np.zeros(self.hidden), np.zeros(self.hidden)) for _ in range(2))
        found = []
        for k, u in enumerate(integers):
            v = Near(weight @ near.value + bias, np.abs(weight) @ near.error + of_weight @ np.abs(near.value) + of_bias)
            h, state, inner = self.step(u, h, state)
            seen = Near(value[k], np.broadcast_to(error, value.shape)[k])
            near, kept = _recurrent.bound(self, seen, v.to(self.product.dequantize(inner["v"])), kept, h, state, inner)
            found.append(near.error)
        return np.stack(found[-1:] if self.final else found)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Recurrent:
        call.activations(1, "hx", "a first state of zeros")
        cell, final = Cell(call.target.split(".")[1]), call.arg("final")
        call.steps(final)
        x, gate, argument, state, output, act = Forms.chosen(call)
        weight, bias = call.arg("weight"), call.arg("bias")
        found = call.weights(weight, bias, output, Fixed(16, x.frac))
        tables = tables_of(cell, gate, argument, act)
        return cls(cell, *found, gate, x.frac - gate.frac, argument, state, output, *tables, final)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        size = self.hidden
        divisors = [d for d in range(1, size + 1) if size % d == 0]
        options = [Folding(1, s, p) for s in divisors for p in divisors if s % p == 0 or p % s == 0]
        yield from sorted(options, key=lambda f: (f.simd * f.pe, f.pe))

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        return _recurrent_rtl.cost(self, inputs[0].fixed, folding)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        interval, latency = _recurrent_rtl.step(self, folding)
        beats = inputs[0].channels // folding.pe
        one = Stage(np.arange(tokens), interval, latency, beats)
        if not self.final:
            return [one]
        out = self.hidden // folding.pe
        return [one, Stage(np.array([tokens - 1]), out, 0, out, most_tokens(inputs[0].tokens))]

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return folding.pe, folding.pe

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        if folding.simd % folding.pe and folding.pe % folding.simd:
            raise GraphError("simd", f"{folding.simd} beside {folding.pe} units", "one divides the other")
        values, memory = _recurrent_rtl.parameters(self, inputs[0].fixed, folding)
        return Instance("recurrent", values, (folding.pe,), folding.pe, memory)


def tables_of(
    cell: Cell, gate: Fixed, argument: Fixed, act: Fixed, segments: int | None = None
) -> tuple[Pwl, Pwl | None, Pwl]:
    """Tables `sigmoid`, `candidate` and `tanh` with adaptive knots; `segments` as in `Pwl.of`."""

    def fitted(kind: Kind, x: Fixed) -> Pwl:
        most = min(segments, 1 << x.width) if segments else None
        return Pwl.of(kind, x, act, most)

    candidate = fitted(Kind.TANH, gate) if cell is Cell.LSTM else None
    return fitted(Kind.SIGMOID, gate), candidate, fitted(Kind.TANH, argument)
