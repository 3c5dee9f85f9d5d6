# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops import _rsqrt
from gatewright.ops.layer_norm import FRACTION, LayerNorm


def spell(op: LayerNorm, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle, a token's moments first."""
    size = op.widths(x)
    most_places = _rsqrt.FRACTION + (size["variance"] >> 1) - FRACTION
    chords = {
        "root_index": _rsqrt.INDEX,
        "root_tail": _rsqrt.TAIL,
        "root_guard": _rsqrt.GUARD,
        "root_fraction": _rsqrt.FRACTION,
        "root_bits": _rsqrt.FRACTION + 1,
    }
    shape = {"channels": x.channels, "centred": int(op.centred), "fraction": FRACTION, **chords}
    widths = {
        "variance": size["variance"],
        "scaled": wide("layer_norm", size["scaled"], most_places),
        "z": size["z"],
        "wide": wide("layer_norm", size["sum"], op.shift),
    }
    left, fall = _rsqrt.nodes()
    tables = {
        "gamma": op.gamma,
        "beta": op.beta,
        "epsilon": op.epsilon,
        "shift": op.shift,
        "left": left,
        "fall": fall,
    }
    return Kernel(
        "layer_norm", shape, (folding.lanes,), folding.lanes, widths, {n: table(v) for n, v in tables.items()}
    )
