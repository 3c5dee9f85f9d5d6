# SPDX-License-Identifier: Apache-2.0
"""Recurrence of LSTM and GRU."""

from __future__ import annotations

from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, Table, table, wide
from gatewright.ops._recurrent import Cell
from gatewright.ops.pwl import Pwl
from gatewright.ops.recurrent import Recurrent


def spell(op: Recurrent, folding: Folding, x: TensorType) -> Kernel:
    """SIMD hidden channels per cycle; PE units per beat of both streams."""
    unit, to = op.unit(op.hidden), op.shifts
    tables: dict[str, Table] = {}
    widths: dict[str, int] = {}
    given = (("sigmoid", op.sigmoid, op.gate), ("candidate", op.candidate or op.sigmoid, op.gate))
    for name, found, form in (*given, ("tanh", op.tanh, op.argument)):
        lines, widths[f"{name}_line"] = _lines(found, form)
        widths[f"{name}_segments"] = found.table.segments
        tables |= {f"{name}_{part}": values for part, values in lines.items()}
    shifts = (op.gate_shift, to.state, to.argument, to.output)
    cell = wide("recurrent", op.width(x.fixed), shifts)
    widths |= {
        "accumulator": unit.accumulator.width,
        "sum": wide("recurrent", max(unit.accumulator.width, unit.offset_width) + 1, op.shift),
        "product": op.product.width,
        "gate": op.gate.width,
        "argument": op.argument.width,
        "act": op.activation.width,
        "state": op.state.width,
        "wide": cell,
    }
    places = table([*shifts, to.state_align, to.act_align, op.activation.frac])
    shape = {"hidden": op.hidden, "simd": folding.simd, "gru": int(op.cell is Cell.GRU), "final": int(op.final)}
    constants = {"weight": table(op.weight), "bias": table(op.bias), "shift": table(op.shift)}
    return Kernel("recurrent", shape, (folding.pe,), folding.pe, widths, {**constants, **tables, "places": places})


def _lines(op: Pwl, form: Fixed) -> tuple[dict[str, Table], int]:
    """Tables of a function as `pwl` reads them, and bits of a line with half."""
    beyond = form.hi + 1
    found = {
        # One knot fewer than segments, and an array of none is not legal C++.
        "knots": table([*op.knots, beyond], beyond),
        "slopes": table(op.slopes, 0),
        "offsets": table(op.offsets, 0),
        "shift": table(op.shift),
    }
    return found, wide("pwl", op.table.widths(form)[2] + 1, op.shift)
