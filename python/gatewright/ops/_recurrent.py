# SPDX-License-Identifier: Apache-2.0
"""What LSTM and GRU are over the reals, and how far a fixed-point run can be from that.

    LSTM (Hochreiter and Schmidhuber 1997; gates i, g, f, o here):  c' = f c + i g,  h = o tanh(c')
    GRU (Cho et al. 2014, reset after the product as in PyTorch; gates r, z, n):  h' = n + z (h - n),
        n = tanh(u + r v)

with u what the input contributes to a gate and v = W h + b; g = tanh(u + v), all other gates sigmoid(u + v).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gatewright.fixed import Fixed, Floats, Ints, from_integers
from gatewright.ops._functions import sigmoid

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall
    from gatewright.ops.recurrent import Recurrent


class Cell(str, Enum):
    """Kinds of recurrent layers."""

    LSTM = "lstm"
    GRU = "gru"

    @property
    def gates(self) -> int:
        """Vectors of preactivations per step."""
        return 4 if self is Cell.LSTM else 3


class Shifts(NamedTuple):
    """Bits between the binary points of a cell; the aligning ones are to the left, the others to the right."""

    state_align: int
    act_align: int
    state: int
    argument: int
    output: int


class Forms(NamedTuple):
    """Formats of a layer: its input u, and what `Recurrent` names; `activation` is that of gates and tanh."""

    input: Fixed
    gate: Fixed
    argument: Fixed
    state: Fixed
    output: Fixed
    activation: Fixed

    @classmethod
    def chosen(cls, call: TorchCall) -> Forms:
        """What calibration says, or what the call states: a layer trained in integers keeps its formats."""
        x = call.input().fixed
        if stated := call.arg("formats"):
            found = cls(*from_integers(stated))
            if found.input != x:
                call.refuse("input", x, f"{found.input}, with which the layer was trained")
            return found
        bits = call.config.activation_bits
        # One bit more than the widest result of a gate needs: tanh has a sign.
        act = Fixed(min(bits + 1, 16), min(bits, 15))
        output, state = call.inner("", bits), call.inner("state", min(2 * bits, 16))
        # Beyond this a gate and tanh are within half a step of their limits.
        gate = call.inner("gate", bits, limit=(act.frac + 1) * np.log(2))
        argument = call.inner("argument", bits, limit=(act.frac + 2) * np.log(2) / 2)
        return cls(x, gate, argument, state, output, act)


@dataclass(frozen=True, eq=False)
class Trace:
    """A run over the reals, [tokens, ..] each.

    Attributes:
        hidden: h.
        gate: arguments of the gates that see u + v alone.
        state: c, or h.
        argument: arguments of the tanh at the end, c or u + r v.
    """

    hidden: Floats
    gate: Floats
    state: Floats
    argument: Floats


def run(cell: Cell, u: Floats, weight: Floats, bias: Floats) -> Trace:
    """The recurrence on one sequence, from h = 0.

    Args:
        u: [tokens, gates * hidden], gate after gate.
        weight, bias: [gates * hidden, hidden] and [gates * hidden].
    """
    size = weight.shape[1]
    h = state = np.zeros(size)
    rows: list[tuple[Floats, ...]] = []
    for x in np.asarray(u, np.float64):
        v = weight @ h + bias
        if cell is Cell.LSTM:
            gate = x + v
            i, g, f, o = gate.reshape(4, size)
            argument = state = sigmoid(f) * state + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(state)
        else:
            gate = x[: 2 * size] + v[: 2 * size]
            r, z = sigmoid(gate).reshape(2, size)
            argument = x[2 * size :] + r * v[2 * size :]
            n = np.tanh(argument)
            h = state = n + z * (h - n)
        rows.append((h, gate, state, argument))
    return Trace(*(np.stack(part) for part in zip(*rows, strict=True)))


@dataclass(frozen=True, eq=False)
class Near:
    """A golden real value and how far the float model's may be from it."""

    value: Floats
    error: Floats

    def __add__(self, other: Near) -> Near:
        return Near(self.value + other.value, self.error + other.error)

    def __mul__(self, other: Near) -> Near:
        a, b = np.abs(self.value), np.abs(other.value)
        return Near(self.value * other.value, a * other.error + b * self.error + self.error * other.error)

    def __getitem__(self, part: slice) -> Near:
        return Near(self.value[part], self.error[part])

    def to(self, golden: Floats) -> Near:
        """The same float value, seen from what golden made of this one: rounded, saturated or looked up."""
        return Near(golden, self.error + np.abs(golden - self.value))

    def through(self, function: str, golden: Floats) -> Near:
        """A rising function of it, for which golden found `golden`: both ends of the interval say how far."""
        f = sigmoid if function == "sigmoid" else np.tanh
        ends = f(self.value - self.error), f(self.value + self.error)
        return Near(golden, np.maximum(np.abs(ends[0] - golden), np.abs(ends[1] - golden)))


def bound(
    op: Recurrent, u: Near, v: Near, state: Near, out: Ints, new: Ints, inner: dict[str, Ints]
) -> tuple[Near, Near]:
    """Bounds of hidden vector and state of one step of `op`; the last three are what `Recurrent.step` gives."""
    real = {n: op.activation.dequantize(inner[n]) for n in inner if n not in ("v", "gate", "last")}
    last, size = op.argument.dequantize(inner["last"]), op.hidden
    to_state, to_out = op.state.dequantize(new), op.output.dequantize(out)
    seen = slice(None) if op.cell is Cell.LSTM else slice(2 * size)
    whole = (u[seen] + v[seen]).to(op.gate.dequantize(inner["gate"]))
    part = [whole[k : k + size] for k in range(0, len(whole.value), size)]
    if op.cell is Cell.LSTM:
        i, f, o = (part[k].through("sigmoid", real[n]) for k, n in ((0, "i"), (2, "f"), (3, "o")))
        g = part[1].through("tanh", real["g"])
        state = (f * state + i * g).to(to_state)
        h = (o * state.to(last).through("tanh", real["t"])).to(to_out)
    else:
        r, z = (part[k].through("sigmoid", real[n]) for k, n in enumerate("rz"))
        rest = slice(2 * size, None)
        n = (u[rest] + r * v[rest]).to(last).through("tanh", real["n"])
        # n + z (h - n): an error of z counts with the distance, those of h and n as in the mean that it is.
        gap = np.abs(state.value - n.value) + state.error + n.error
        mean = np.abs(1 - z.value) * n.error + np.abs(z.value) * state.error + z.error * gap
        state = Near(n.value + z.value * (state.value - n.value), mean).to(to_state)
        h = state.to(to_out)
    # The float model's hidden units lie between -1 and 1.
    return Near(to_out, np.minimum(h.error, 1 + np.abs(to_out))), state
