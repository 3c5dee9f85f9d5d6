# SPDX-License-Identifier: Apache-2.0
"""How `piecewise.sv` is spelled: parameters, rows of its memory, latency, resources."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Cost
from gatewright.ops._matrix import chunks
from gatewright.ops._piecewise import Table
from gatewright.ops._window import memory_cost


def levels(tables: Sequence[Table]) -> int:
    """Depth of the binary search: log2 of the hardware's segments."""
    return (max(t.segments for t in tables) - 1).bit_length()


def latency(tables: Sequence[Table]) -> int:
    """Cycles through `piecewise`: two levels of the search per step, line, sum."""
    return (levels(tables) + 1) // 2 + 2


def spell(tables: Sequence[Table], inputs: Sequence[Fixed], outputs: Sequence[Fixed]) -> tuple[dict[str, int], Ints]:
    """Parameters of `piecewise` but its lanes, for one table per bank, and the rows of its memory, bank-major.

    Binary points may differ between banks; a table with a smaller shift is scaled to the largest one.

    Raises:
        GraphError: the banks need different hardware; names the attribute.
    """
    for name, forms in (("x", inputs), ("output", outputs)):
        for k, form in enumerate(forms):
            if (form.width, form.signed) != (forms[0].width, forms[0].signed):
                raise GraphError(f"table.{name}", f"{form} in iteration {k}, {forms[0]} in iteration 0", "equal widths")
    x, output = inputs[0], outputs[0]
    segments = 1 << levels(tables)
    shift = max(t.shift for t in tables)
    banks = [t.at_shift(shift) for t in tables]
    widths = [max(w) for w in zip(*(t.widths(x) for t in banks), strict=True)]
    fields = [np.concatenate([b.rows(segments, x)[k] for b in banks]) for k in range(3)]
    parameters = {
        "Banks": len(banks),
        "Segments": segments,
        "InWidth": x.width,
        "InSigned": int(x.signed),
        "SlopeWidth": widths[0],
        "OffsetWidth": widths[1],
        "SumWidth": widths[2],
        "Shift": shift,
        "OutWidth": output.width,
        "OutSigned": int(output.signed),
    }
    return parameters, pack(fields, (x.width, widths[0], widths[1]))


def pack(fields: Sequence[Ints], widths: Sequence[int]) -> Ints:
    """[rows, words] of rows that hold one integer of each width, the first one lowest.

    Args:
        fields: [rows] integers, taken modulo 2**width, or [rows, n] for n of them side by side.
    """
    parts = [(np.reshape(f, (len(f), -1))[:, :, None] >> np.arange(w)) & 1 for f, w in zip(fields, widths, strict=True)]
    return chunks(np.concatenate([p.reshape(len(p), -1) for p in parts], axis=1), 1)


def pipeline_cost(lanes: int, table: Table, x: Fixed, output: Fixed, banks: int = 1) -> Cost:
    """Resources of `piecewise` for `banks` tables like this one, with its load chain."""
    depth, wide = levels([table]), x.width + (not x.signed)
    slope, offset, _ = table.widths(x)
    line = slope + offset
    steps = (depth + 1) // 2
    lines = memory_cost(line, banks << depth)
    # Per lane: memory of lines, a comparison per level with the knots' memory, saturation.
    lut = lines.lut + depth * wide + 2.5 * output.width
    if banks > 1:
        # The first levels' knots are no longer constants in registers, and each level is addressed by its bank.
        lut += sum(ceil(wide / 14) * 8 * ceil((banks << k) / 32) for k in range(depth))
    ff = (steps + 1) * wide + line + sum(min(2 * s + 2, depth) for s in range(steps))
    lane = Cost(lut=lut, ff=ff, dsp=1, bram36=lines.bram36)
    total = Cost(lut=55, ff=105 + max(0, line + x.width - 32))
    for _ in range(lanes):
        total += lane
    return total
