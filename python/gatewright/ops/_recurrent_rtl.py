# SPDX-License-Identifier: Apache-2.0
"""How `recurrent.sv` is spelled, what it costs and how long a step takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewright.fixed import Fixed, Ints
from gatewright.graph import Cost, Folding
from gatewright.ops import _piecewise_rtl
from gatewright.ops._matrix_cost import matrix_cost
from gatewright.ops._matrix_rtl import spell
from gatewright.ops._memory_cost import memory
from gatewright.ops._recurrent import Cell

if TYPE_CHECKING:
    from gatewright.ops.recurrent import Recurrent

TABLE = {"Segments": "Segments", "SlopeWidth": "Slope", "OffsetWidth": "Offset", "SumWidth": "Line", "Shift": "Right"}
"""What the parameters of `piecewise` are called behind the name of a table."""


def parameters(op: Recurrent, x: Fixed, folding: Folding) -> tuple[dict[str, int], tuple[Ints, ...]]:
    """Parameters of the module, and the rows of its memories in the order of the load chain."""
    matrix = op.unit(folding.pe)
    unit, rows = spell(folding, [matrix])
    kept = ("WeightWidth", "Pair", "Port", "AccWidth", "Plain", "OffsetWidth", "ShiftMin", "ShiftBits", "Ultra")
    gates, tanh = op.tables
    tables: dict[str, int] = {}
    memories: list[Ints] = []
    for name, found, form in (("Gate", gates, op.gate), ("Tanh", [tanh], op.argument)):
        values, lines = _piecewise_rtl.spell(found, [form] * len(found), [op.activation] * len(found))
        tables |= {name + short: values[key] for key, short in TABLE.items()}
        memories.append(lines)
    shifts = op.shifts
    return {
        "Gru": int(op.cell is Cell.GRU),
        "Hidden": op.hidden,
        "Simd": folding.simd,
        "Pe": folding.pe,
        "Final": int(op.final),
        **{name: unit[name] for name in kept},
        "InWidth": x.width,
        "InSigned": int(x.signed),
        "SumWidth": op.product.width,
        "GateWidth": op.gate.width,
        "GateShift": op.gate_shift,
        **tables,
        "ActWidth": op.activation.width,
        "ActFrac": op.activation.frac,
        "StateWidth": op.state.width,
        "StateAlign": shifts.state_align,
        "ActAlign": shifts.act_align,
        "StateShift": shifts.state,
        "ArgumentShift": shifts.argument,
        "OutShift": shifts.output,
        "ArgumentWidth": op.argument.width,
        "OutWidth": op.output.width,
    }, (*rows, *memories)


def cost(op: Recurrent, x: Fixed, folding: Folding) -> Cost:
    """Matrix unit, tokens in two banks, both tables, products and state of the cell."""
    lanes, act, state, v = folding.pe, op.activation.width, op.state.width, op.product.width
    gates, tanh = op.tables
    total = matrix_cost(op.unit(lanes), folding)
    total += memory(lanes * x.width, 2 * op.cell.gates * op.hidden // lanes)
    total += _piecewise_rtl.pipeline_cost(lanes, gates[0], op.gate, op.activation, len(gates))
    total += _piecewise_rtl.pipeline_cost(lanes, tanh, op.argument, op.activation)
    total += memory(lanes * state, op.hidden // lanes)
    wide = act + max(act, state)
    user = act + (x.width + v if op.cell is Cell.GRU else 0)
    steps = len(gates) + _piecewise_rtl.latency(gates)
    lane = Cost(lut=3 * wide + 2 * max(x.width, v) + 4 * act, ff=3 * wide + 2 * v + steps * user, dsp=2)
    for _ in range(lanes):
        total += lane
    back = 4 * lanes * op.output.width
    return total + Cost(lut=back + 40, ff=back + 60)


def latency(op: Recurrent) -> int:
    """Cycles from the last of a block's preactivations to its hidden units."""
    gates, tanh = op.tables
    own = 6 if op.cell is Cell.LSTM else 8
    return own + _piecewise_rtl.latency(gates) + _piecewise_rtl.latency([tanh])


def step(op: Recurrent, folding: Folding) -> tuple[int, int]:
    """Cycles between two steps, and from a token's arrival to the departure of its hidden vector."""
    simd, pe = folding.simd, folding.pe
    matrix = op.unit(pe)
    passes = matrix.interval(folding)
    # Replay turned round, product, adder tree, accumulator, two steps of rescaling, register slice.
    through = 4 + 2 * (not matrix.plain) + matrix.levels(folding) + passes + latency(op)
    # The register slice of the way back, then beats become words.
    change = 0 if pe == simd else pe // simd if pe > simd else 1
    return through + change, through + 2
