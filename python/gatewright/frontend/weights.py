# SPDX-License-Identifier: Apache-2.0
"""Binary points of weights and biases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gatewright.errors import UnsupportedError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, accumulator, enclosing, on_grid
from gatewright.frontend.calibrate import choose_weight, weight_fracs
from gatewright.frontend.config import QuantConfig
from gatewright.ops import _codebook

GUARD = 2
"""Bits by which a bias should be finer than the result, where the width leaves room."""


def matrix(
    weight: Floats, bias: Floats, x: Fixed, output: Fixed, config: QuantConfig, place: str
) -> tuple[Ints, Ints, Ints, int]:
    """Integers of `y = W x + b`.

    Weights that lie on a power-of-two grid within the width, each channel on its own or all together, are taken
    exactly. Weights from a codebook have one binary point, see `QuantConfig.codebook`. The bias is rounded at the
    accumulator's binary point.

    Returns:
        weight and bias integers, right shift per output channel, narrowest signed width of the weights.

    Raises:
        UnsupportedError: a bias exceeds the accumulator.
    """
    outs = len(weight)
    flat = weight.reshape(outs, -1)
    sums = accumulator(x, Fixed(config.weight_bits, 0), flat.shape[1])
    rows = flat if config.per_channel and not _one_point(flat, config) else flat.reshape(1, -1)
    frac = np.broadcast_to(_fracs(rows, bias.reshape(len(rows), -1), x, output, sums, config), (outs,))
    form = Fixed(config.weight_bits, 0)
    integers = form.quantize(np.ldexp(flat, frac[:, None]))
    offsets = np.floor(np.ldexp(bias, x.frac + frac) + 0.5)
    if np.any(np.abs(offsets) >= 2.0 ** (MAX_WIDTH - 3)):
        worst = float(np.max(np.abs(bias)))
        raise UnsupportedError(
            place,
            f"bias = {worst:g}, beyond a {MAX_WIDTH}-bit accumulator",
            "biases of the order of the results",
            "rescale the layer",
        )
    width = enclosing(min(int(integers.min()), -1), int(integers.max()), 0).width
    shift = x.frac + frac - output.frac
    return integers.reshape(weight.shape), offsets.astype(np.int64), shift.astype(np.int64), width


def _one_point(weight: Floats, config: QuantConfig) -> bool:
    """Whether few vectors of weights differ: then equal weights are to be equal integers in every channel."""
    if config.codebook == "never" or _codebook.find(weight[None], config.weight_bits) is None:
        return False
    if any(on_grid(row, config.weight_bits) is None for row in weight):
        return True
    # Channels that were trained on grids of their own have the narrowest weights as they are.
    return config.codebook == "always" and on_grid(weight, config.weight_bits) is not None


def _fracs(weight: Floats, bias: Floats, x: Fixed, output: Fixed, sums: Fixed, config: QuantConfig) -> Ints:
    """Binary point of each row of weights."""
    # Beyond this shift no weight could move the result: that precision would only widen the hardware.
    finest = sums.width + output.frac - x.frac
    frac = np.minimum(weight_fracs(weight, config.weight_bits, config.method), finest)
    for row in np.flatnonzero(_maybe_on_grid(weight, config.weight_bits)):
        exact = on_grid(weight[row], config.weight_bits)
        if exact is not None:
            frac[row] = _exact_frac(weight[row], bias[row], exact.frac, x, output, config.weight_bits)
    some = weight.any(axis=1)
    # Channels without weights share the finest binary point of the others; alone, the bias decides.
    frac[~some] = frac[some].max() if some.any() else output.frac - x.frac + config.weight_bits
    return frac


def _maybe_on_grid(weight: Floats, bits: int) -> npt.NDArray[np.bool_]:
    """False for rows that are on no grid that `bits` can reach: a row on a grid is on every finer one."""
    peak = np.abs(weight).max(axis=1)
    scaled = np.ldexp(weight, (bits + 1 - np.frexp(peak)[1])[:, None])
    return np.asarray((scaled == np.rint(scaled)).all(axis=1))


def _exact_frac(weight: Floats, bias: Floats, frac: int, x: Fixed, output: Fixed, bits: int) -> int:
    """Binary point of a row of weights that lie on the grid of `frac`."""
    room = 0
    while room < bits and _fits(weight, frac + room + 1, bits):
        room += 1
    if _whole(bias, x.frac + frac):
        return frac
    # The bias is off the grid: a finer binary point keeps the weights exact and rounds the bias less.
    return max(frac, min(frac + room, output.frac + GUARD - x.frac))


def _fits(values: Floats, frac: int, bits: int) -> bool:
    form, scaled = Fixed(bits, frac), np.ldexp(values, frac)
    return bool(scaled.min() >= form.lo and scaled.max() <= form.hi)


def _whole(values: Floats, frac: int) -> bool:
    scaled = np.ldexp(values, frac)
    return bool(np.all(scaled == np.rint(scaled)))


def polynomial(
    square: Floats, slope: Floats, constant: Floats, x: Fixed, bits: int, method: str
) -> tuple[Ints, Ints, Ints, int]:
    """Integers of `a x**2 + b x + c` and the binary point of `a`.

    Those of `b` and `c` are x.frac and 2 x.frac bits finer.
    """
    if square.any():
        exact = on_grid(square, bits)
        frac = exact.frac if exact is not None else choose_weight(square, bits, method).frac
        while (
            exact is not None
            and not (_whole(slope, frac + x.frac) and _whole(constant, frac + 2 * x.frac))
            and _fits(square, frac + 1, bits)
        ):
            frac += 1
    elif slope.any():
        frac = choose_weight(slope, bits, method).frac - x.frac
    else:
        frac = bits - 2 * x.frac
    fracs = (frac, frac + x.frac, frac + 2 * x.frac)
    a, b, c = (np.floor(np.ldexp(v, f) + 0.5) for v, f in zip((square, slope, constant), fracs, strict=True))
    a = np.clip(a, Fixed(bits, 0).lo, Fixed(bits, 0).hi)
    return a.astype(np.int64), b.astype(np.int64), c.astype(np.int64), frac
