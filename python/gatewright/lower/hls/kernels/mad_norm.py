# SPDX-License-Identifier: Apache-2.0
"""Normalisation by the mean absolute deviation."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.lower.hls.kernels._softmax import FORMAT, chords
from gatewright.ops import _softmax
from gatewright.ops.mad_norm import MadNorm, levels


def spell(op: MadNorm, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle: a token's sum, its deviation, its result."""
    size, level = op.widths(x), levels(x.channels)
    shape = {"channels": x.channels, "levels": level, **{n: FORMAT[n] for n in ("exp_bits", "reciprocal_step")}}
    widths = {
        "total": size["deviation"] + _softmax.EXP_BITS,
        "scaled": wide("mad_norm", size["scaled"], max(size["deviation"] - level, 1)),
        "z": size["z"],
        "wide": wide("mad_norm", size["sum"], op.shift),
    }
    tables = {"gamma": op.gamma, "beta": op.beta, "epsilon": op.epsilon, "shift": op.shift}
    tables |= {n: v for n, v in chords().items() if n.startswith("reciprocal")}
    return Kernel("mad_norm", shape, (folding.lanes,), folding.lanes, widths, {n: table(v) for n, v in tables.items()})
