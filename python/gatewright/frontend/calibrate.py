# SPDX-License-Identifier: Apache-2.0
"""Number formats from data: what every value of the float program is like, and the binary point for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.errors import CalibrationError, UnsupportedError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.frontend.layout import Shape
from gatewright.frontend.program import Array, Program, Step, runner
from gatewright.graph import Length
from gatewright.progress import track

SAMPLE = 100_000
"""Values kept per tensor for the least-squares choice."""

FINER = 5
"""Binary points that the least-squares choice tries beyond the one that never saturates."""


@dataclass(frozen=True, eq=False)
class Stats:
    """Least, greatest and sampled values of a tensor."""

    low: float
    high: float
    sample: Floats


class Unseen(dict[str, Stats]):
    """Statistics of a model that has seen no data: which tensors it has, but nothing about their values."""

    def __getitem__(self, name: str) -> Stats:
        raise unseen(f"value {name}")


def unseen(place: str) -> CalibrationError:
    """The error of a value whose format depends on data that are not there."""
    return CalibrationError(
        place,
        "the model states no format for it, and there are no calibration data to choose one by",
        "a quantizer with a power-of-two scale behind every layer and the input",
        "give inputs [N, ...]: compile(.., calibration=x), or --calibration x.npy",
    )


def items(
    data: Any, shape: Shape, place: str = "calibration", ids: int | None = None, length: Length | None = None
) -> list[Array]:
    """The items of a data set, each with a batch dimension of one.

    Args:
        data: an array or tensor [N, ...], or a list of items [...] that may differ in length.
        shape: torch shape of one item, [1, ...]; None is the run-time length.
        ids: for items of integers, how many different ones there are.
        length: bounds of the run-time length.

    Raises:
        CalibrationError: empty, not finite, out of range or of the wrong shape.
    """
    found = [np.asarray(_numpy(item))[None] for item in _numpy(data)]
    wanted = f"[{', '.join('n' if s is None else str(s) for s in shape[1:])}] per item"
    if not found:
        raise CalibrationError(place, "no items", f"at least one of shape {wanted}")
    for k, item in enumerate(found):
        fits = item.ndim == len(shape) and all(s in (None, n) for s, n in zip(shape, item.shape, strict=True))
        if not fits or item.size == 0:
            raise CalibrationError(f"{place} item {k}", f"shape {list(item.shape[1:])}", wanted)
        for size, want in zip(item.shape, shape, strict=True):
            if want is None and length is not None and not length.minimum <= size <= length.maximum:
                raise CalibrationError(
                    f"{place} item {k}", f"{length.name} = {size}", f"{length.minimum} to {length.maximum}"
                )
        _check_values(item, f"{place} item {k}", ids)
    return found


def _check_values(item: Array, place: str, ids: int | None) -> None:
    if ids is None:
        if not np.all(np.isfinite(item)):
            raise CalibrationError(place, f"{np.sum(~np.isfinite(item))} values are NaN or infinite", "finite values")
        return
    if not np.issubdtype(item.dtype, np.integer):
        raise CalibrationError(place, f"dtype {item.dtype}", f"integers from 0 to {ids - 1}")
    if item.min() < 0 or item.max() >= ids:
        wrong = item[(item < 0) | (item >= ids)]
        raise CalibrationError(place, f"id {wrong[0]}", f"integers from 0 to {ids - 1}")


def _numpy(data: Any) -> Any:
    return data.detach().cpu().numpy() if hasattr(data, "detach") else data


def observe(program: Program, data: Sequence[Array]) -> dict[str, Stats]:
    """Run the items and describe every tensor; the sample takes equally many values of each item."""
    run = runner(program, wide=False)
    share = -(-SAMPLE // len(data))
    draw = np.random.default_rng(0)
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    parts: dict[str, list[Floats]] = {}
    for item in track(data, "calibration"):
        for name, value in run(item).items():
            flat = value.reshape(-1)
            low[name] = min(low.get(name, np.inf), float(flat.min()))
            high[name] = max(high.get(name, -np.inf), float(flat.max()))
            kept = flat if flat.size <= share else draw.choice(flat, share, replace=False)
            parts.setdefault(name, []).append(kept.astype(np.float64))
    found = {n: Stats(low[n], high[n], np.concatenate(parts[n])) for n in low}
    for step in program.steps:
        if step.name in found and not np.isfinite([found[step.name].low, found[step.name].high]).all():
            raise CalibrationError(
                step.place,
                "the result is NaN or infinite on the calibration data",
                "a model that is finite on its data",
            )
    return found


def choose(stats: Stats, bits: int, method: str, signed: bool | None = None) -> Fixed:
    """Format of `bits` for values like `stats`: signed when one of them is negative, unless it is given."""
    return _place(stats.sample, stats.low, stats.high, bits, stats.low < 0 if signed is None else signed, method)


def choose_weight(values: Floats, bits: int, method: str) -> Fixed:
    """Signed format of `bits` for one channel, or tensor, of weights."""
    return Fixed(bits, int(weight_fracs(values.reshape(1, -1), bits, method)[0]))


def weight_fracs(rows: Floats, bits: int, method: str) -> Ints:
    """For each row of [channels, weights] the binary point that `choose` would find for a signed format of `bits`.

    A row of zeros gets 0.
    """
    form = Fixed(bits, 0)
    low, high = rows.min(axis=1), rows.max(axis=1)
    ends, top = np.stack([low, high], axis=1), max(form.hi, 1)
    peak = np.maximum(np.abs(low), np.abs(high))
    frac = np.where(peak > 0, bits + 2 - np.frexp(peak)[1], 0).astype(np.int64)
    while True:
        scaled = np.floor(np.ldexp(ends, frac[:, None]) + 0.5)
        # As in `widest_frac`, a one-bit format counts as if it reached 1.
        large = ((scaled[:, 0] < form.lo) | (scaled[:, 1] > top)) & (peak > 0)
        if not large.any():
            break
        frac = frac - large
    if method == "range":
        return frac
    errors = np.stack([_errors(rows, frac + finer, form) for finer in range(FINER)])
    return np.asarray(frac + np.argmin(errors, axis=0), np.int64)


def _errors(rows: Floats, frac: Ints, form: Fixed) -> Floats:
    """Mean squared error of each row, rounded and saturated at its own binary point."""
    scaled = np.clip(np.floor(np.ldexp(rows, frac[:, None]) + 0.5), form.lo, form.hi)
    return np.asarray(np.mean((np.ldexp(scaled, -frac[:, None]) - rows) ** 2, axis=1))


def _place(sample: Floats, low: float, high: float, bits: int, signed: bool, method: str) -> Fixed:
    frac = widest_frac(low, high, bits, signed)
    if method == "range":
        return Fixed(bits, frac, signed)
    options = [Fixed(bits, f, signed) for f in range(frac, frac + FINER)]
    errors = [float(np.mean((f.dequantize(f.quantize(sample)) - sample) ** 2)) for f in options]
    return options[int(np.argmin(errors))]


def widest_frac(low: float, high: float, bits: int, signed: bool) -> int:
    """Largest frac at which neither bound saturates; 0 when both are 0."""
    peak = max(abs(low), abs(high))
    if peak == 0:
        return 0
    probe = Fixed(bits, 0, signed)
    # The peak's exponent is within one bit of the answer.
    for frac in range(bits + 1 - int(np.floor(np.log2(peak))), -2000, -1):
        scaled = np.floor(np.ldexp([low, high], frac) + 0.5)
        # A one-bit signed format has no positive value: there only the negative side counts.
        top = probe.hi if probe.hi > 0 else 1
        if scaled[0] >= probe.lo and scaled[1] <= top:
            return frac
    raise AssertionError(f"no binary point for [{low}, {high}]")


def fake_quantized(step: Step) -> Fixed:
    """Format of a fake-quantize call.

    Raises:
        UnsupportedError: the scale is no power of two, or the range is not that of a fixed-point format.
    """
    low, high = step.args["quant_min"], step.args["quant_max"]
    scale, zero = (float(np.asarray(step.args[a]).reshape(-1)[0]) for a in ("scale", "zero_point"))
    if zero != 0:
        raise UnsupportedError(step.place, f"zero_point = {zero:.0f}", "zero_point = 0")
    mantissa, exponent = np.frexp(scale)
    if mantissa != 0.5:
        raise UnsupportedError(
            step.place, f"scale = {scale}", "a power of two", "train with scales rounded to powers of two"
        )
    found = Fixed((int(high) - int(low)).bit_length(), 1 - int(exponent), low < 0)
    if (found.lo, found.hi) != (low, high):
        raise UnsupportedError(
            step.place,
            f"quant_min = {low}, quant_max = {high}",
            "0 to 2**bits - 1, or -2**(bits - 1) to 2**(bits - 1) - 1",
        )
    return found
