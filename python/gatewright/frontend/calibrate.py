# SPDX-License-Identifier: Apache-2.0
"""Number formats from data: what every value of the float program is like, and the binary point for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.errors import CalibrationError, UnsupportedError
from gatewright.fixed import Fixed, Floats
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.layout import Shape
from gatewright.frontend.program import Array, Program, Step, runner
from gatewright.progress import track

SAMPLE = 100_000
"""Values kept per tensor for the least-squares choice."""

FINER = 5
"""Binary points that the least-squares choice tries beyond the one that never saturates."""

RELU = "aten.relu.default"
FAKE_QUANTIZE = (
    "aten.fake_quantize_per_tensor_affine.default",
    "aten.fake_quantize_per_tensor_affine.tensor_qparams",
)


@dataclass(frozen=True, eq=False)
class Stats:
    """Least, greatest and sampled values of a tensor."""

    low: float
    high: float
    sample: Floats


def items(data: Any, shape: Shape, place: str = "calibration") -> list[Array]:
    """The items of a data set, each with a batch dimension of one.

    Args:
        data: an array or tensor [N, ...], or a list of items [...] that may differ in length.
        shape: torch shape of one item, [1, ...]; None is the run-time length.

    Raises:
        CalibrationError: empty, not finite or of the wrong shape.
    """
    found = [np.asarray(_numpy(item))[None] for item in _numpy(data)]
    wanted = f"[{', '.join('n' if s is None else str(s) for s in shape[1:])}] per item"
    if not found:
        raise CalibrationError(place, "no items", f"at least one of shape {wanted}")
    for k, item in enumerate(found):
        fits = item.ndim == len(shape) and all(s in (None, n) for s, n in zip(shape, item.shape, strict=True))
        if not fits or item.size == 0:
            raise CalibrationError(f"{place} item {k}", f"shape {list(item.shape[1:])}", wanted)
        if not np.all(np.isfinite(item)):
            raise CalibrationError(
                f"{place} item {k}",
                f"{np.sum(~np.isfinite(item))} values are NaN or infinite",
                "finite values",
            )
    return found


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


def choose(stats: Stats, bits: int, method: str) -> Fixed:
    """Format of `bits` for values like `stats`: signed when one of them is negative."""
    return _place(stats.sample, stats.low, stats.high, bits, stats.low < 0, method)


def choose_weight(values: Floats, bits: int, method: str) -> Fixed:
    """Signed format of `bits` for one channel, or tensor, of weights."""
    return _place(values.reshape(-1), float(values.min()), float(values.max()), bits, True, method)


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


@dataclass(frozen=True)
class Wanted:
    """The format that a value should be produced in.

    Attributes:
        relu: the format is that of the ReLU which alone reads the value.
        rounded: the format is that of the fake-quantize which alone reads it.
    """

    fixed: Fixed
    relu: bool = False
    rounded: Fixed | None = None


def wanted(
    program: Program, stats: Mapping[str, Stats], config: QuantConfig, keeps: Callable[[Step], bool]
) -> dict[str, Wanted]:
    """The format of every tensor, from its data and from what alone reads it.

    A value that only a ReLU reads takes the ReLU's unsigned format, so that saturation at 0 is the ReLU; one
    that only a fake-quantize reads takes that format. Operators that keep their input's format, such as max
    pooling and reshapes, pass the wish on.

    Args:
        keeps: true for steps that commute with saturation and whose result has the format of their input.
    """
    readers = program.readers
    bits = _bits(program, config, keeps)
    found: dict[str, Wanted] = {}
    for name, step in reversed([(program.input, None), *((s.name, s) for s in program.steps)]):
        if name not in stats:
            continue
        own = choose(stats[name], bits[name], config.at(step.path if step else "input").method)
        found[name] = Wanted(own)
        if step is not None and step.target in FAKE_QUANTIZE:
            form = fake_quantized(step)
            found[name] = Wanted(form, rounded=form)
            continue
        after = readers[name]
        if len(after) != 1 or name == program.output or after[0].name not in found:
            continue
        (reader,) = after
        goal = found[reader.name]
        if step is not None and step.target == RELU and goal.fixed.signed:
            continue
        if reader.target in FAKE_QUANTIZE:
            found[name] = Wanted(goal.fixed, goal.relu, goal.fixed)
        elif reader.target == RELU and not goal.fixed.signed:
            found[name] = Wanted(goal.fixed, True, goal.rounded)
        elif keeps(reader):
            found[name] = goal
    return found


def _bits(program: Program, config: QuantConfig, keeps: Callable[[Step], bool]) -> dict[str, int]:
    """Activation width of every value; a ReLU or format-keeping step inherits an override of its source."""
    readers = program.readers
    stated = {program.input: config.bits_of("input")}
    for step in program.steps:
        own = config.bits_of(step.path) if step.path else None
        source = step.reads[0] if step.reads else None
        if own is None and source and (step.target == RELU or keeps(step)) and len(readers[source]) == 1:
            own = stated.get(source)
        stated[step.name] = own
    return {name: config.activation_bits if b is None else b for name, b in stated.items()}
