# SPDX-License-Identifier: Apache-2.0
"""From the real constants of a normalisation to its integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.fixed import Fixed, Floats

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

Kept = dict[str, tuple[Floats, Any]]
"""For each real constant its value and the error of its integers."""
GAMMA_BITS = 16
"""Bits of gamma that the front end aims at: with z of at most 27 bits, one multiplier block."""


def integers(
    gamma: Floats, beta: Floats, eps: float, unit: float, fraction: int, output: Fixed, gain: float = 1.0
) -> tuple[dict[str, Any], Kept]:
    """Choose gamma's binary point and round: the attributes of a normalisation, and what became of the constants.

    Args:
        unit: what an epsilon of 1 is in the integer formula.
        fraction: bits of z behind the binary point.
        gain: what of z gamma has to make up for, in (0.5, 1].
    """
    peak = float(np.max(np.abs(gamma), initial=0.0))
    frac = GAMMA_BITS - 1 - int(np.ceil(np.log2(peak))) if peak else 0
    # A coarser gamma than this would make the output coarser than its format.
    frac = max(frac, output.frac - fraction)
    scale = np.floor(np.ldexp(gamma * gain, frac) + 0.5)
    offset = np.floor(np.ldexp(beta, frac + fraction) + 0.5)
    epsilon = int(np.floor(eps * unit + 0.5))
    kept: Kept = {
        "gamma": (gamma, np.abs(np.ldexp(scale, -frac) / gain - gamma)),
        "beta": (beta, np.abs(np.ldexp(offset, -frac - fraction) - beta)),
        "eps": (np.array(eps), np.array(abs(epsilon / unit - eps))),
    }
    attributes = {
        "gamma": scale.astype(np.int64),
        "beta": offset.astype(np.int64),
        "epsilon": epsilon,
        "shift": frac + fraction - output.frac,
        "output": output,
    }
    return attributes, kept


def weights(call: TorchCall) -> tuple[Floats, Floats]:
    """Gamma and beta of a call over the last dimension, in the order of the stream; 1 and 0 where it has none."""
    order = call.vectors()
    x = call.input()
    shape = list(call.step.args.get("normalized_shape", [x.channels]))
    if shape != [x.channels]:
        call.refuse("normalized_shape", shape, f"the last dimension, [{x.channels}]")
    gamma, beta = (call.arg(n) if n in call.step.args else None for n in ("weight", "bias"))
    scale = np.ones(x.channels) if gamma is None else np.asarray(gamma, np.float64)[order]
    offset = np.zeros(x.channels) if beta is None else np.asarray(beta, np.float64)[order]
    return scale, offset


def keep(call: TorchCall, kept: Kept) -> None:
    """Tell the call what its constants are and how far the integers are off."""
    call.constants.update({n: v for n, (v, _) in kept.items()})
    call.errors.update({n: e for n, (_, e) in kept.items()})
