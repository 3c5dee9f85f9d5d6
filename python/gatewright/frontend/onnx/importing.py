# SPDX-License-Identifier: Apache-2.0
"""ONNX model -> float program -> calibrated fixed-point graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewright.errors import CalibrationError, DataError, UnsupportedError
from gatewright.frontend import calibrate, ids
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.fold import simplify
from gatewright.frontend.imported import Imported
from gatewright.frontend.onnx.dynamic import merged
from gatewright.frontend.onnx.model import INTEGERS, REALS, Input, Model, load
from gatewright.frontend.onnx.patterns import rewrite
from gatewright.frontend.onnx.recorder import Options, Recorder
from gatewright.frontend.onnx.walk import walk
from gatewright.frontend.program import Program
from gatewright.frontend.torch_export import Observed
from gatewright.frontend.trained import TrainedWeights
from gatewright.graph import Length

INPUT = "x"
"""Name of the input in a program: an ONNX name need not be an identifier."""


@dataclasses.dataclass(frozen=True, eq=False)
class ObservedOnnx(Observed):
    """`Observed` of an ONNX model.

    Attributes:
        trained: per module path the bits of the quantizer that its weights come from.
        recalibrate: such weights may be rounded to other formats.
    """

    trained: Mapping[str, int] = dataclasses.field(default_factory=dict)
    recalibrate: bool = False

    def quantized(self, config: QuantConfig | None = None, name: str = "model") -> Imported:
        """As `Observed.quantized`; weights that a quantizer made are taken as they are, in its width.

        Raises:
            UnsupportedError: such weights are on no power-of-two grid any more.
        """
        weights = TrainedWeights({} if self.recalibrate else self.trained)
        return weights.checked(super().quantized(weights.configured(config or QuantConfig()), name))


def import_onnx(
    model: Any,
    calibration: Any,
    *,
    config: QuantConfig | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    output: str | None = None,
    constants: Mapping[str, Any] | None = None,
    recalibrate: bool = False,
    name: str = "model",
) -> Imported:
    """The fixed-point graph of an ONNX or QONNX model: `observe_onnx` and `ObservedOnnx.quantized` in one.

    Args:
        model, calibration, dynamic, output, constants, recalibrate: see `observe_onnx`.
        config: widths and methods; module paths are the nodes' names, `/layer/Conv` as `layer.Conv`.
        name: of the graph.

    Raises:
        UnsupportedError: nodes have no exact lowering; names all of them, each with attribute, value and what is
            supported.
        DataError, CalibrationError, MissingExtraError: see `observe_onnx`.
    """
    observed = observe_onnx(
        model, calibration, dynamic=dynamic, output=output, constants=constants, recalibrate=recalibrate
    )
    return observed.quantized(config, name)


def observe_onnx(
    model: Any,
    calibration: Any,
    *,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    output: str | None = None,
    constants: Mapping[str, Any] | None = None,
    recalibrate: bool = False,
) -> ObservedOnnx:
    """Read an ONNX model and run it on calibration data.

    Formats that QuantizeLinear, DequantizeLinear, Quant or BipolarQuant state are taken exactly where the scale is a
    power of two and the zero point is 0.

    Args:
        model: path of a file, or an `onnx.ModelProto`.
        calibration: data that formats are chosen for: [N, ...], or a list of items of different lengths. None where
            the model itself states every format.
        dynamic: name and (minimum, maximum) of a sequence length that is known only at run time.
        output: tensor or node where the design ends, for models that end in something for the host, such as Softmax.
        constants: values of further inputs, which then are constants.
        recalibrate: choose formats anew where a quantizer's cannot be taken; else they are refused.

    Raises:
        UnsupportedError: nodes have no exact lowering; names all of them.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape; or there are none, and the
            model does not state its input's shape or some format.
        DataError: the file is missing or no ONNX model, or has no such input or output.
        MissingExtraError: the extra `onnx` is not installed.
    """
    whole, entry = opened(model, output, constants)
    item = blank(entry, dynamic) if calibration is None else sample_of(entry, calibration)
    options = Options(recalibrate)
    program, recorder = _recorded(whole, item, options)
    length = None
    if dynamic:
        if len(dynamic) != 1:
            raise UnsupportedError("dynamic", f"{len(dynamic)} lengths", "one run-time length")
        ((symbol, (low, high)),) = dynamic.items()
        length = Length(symbol, high, low)
        program = _stretched(whole, item, entry, options, length)
    program = simplify(program)
    if entry.integers:
        program = dataclasses.replace(program, ids=ids.count(program))
    seen = item if calibration is None else calibration
    stats = calibrate.observe(program, calibrate.items(seen, program.shape, ids=program.ids, length=length))
    if calibration is None:
        stats = calibrate.Unseen(stats)
    paths = frozenset(n.name for n in whole.nodes)
    return ObservedOnnx(program, stats, paths, length, dict(recorder.trained), recalibrate)


def opened(model: Any, output: str | None, constants: Mapping[str, Any] | None) -> tuple[Model, Input]:
    """The part of a model that is to be imported, and its input; arguments as in `observe_onnx`."""
    whole = load(model).with_constants(constants or {})
    if output is not None:
        whole = whole.until(output)
    whole = rewrite(whole)
    return whole, _entry(whole)


def recording(model: Model, item: Any, options: Options) -> Recorder:
    """A recorder that has seen no node yet, for one sample [1, ...]."""
    import torch

    array = np.asarray(item)
    sample = torch.from_numpy(array.astype(np.int64 if array.dtype.kind in "iu" else np.float32))
    return Recorder(model, sample, INPUT, options)


def _recorded(model: Model, item: Any, options: Options) -> tuple[Program, Recorder]:
    recorder = recording(model, item, options)
    walk(recorder)
    return recorder.program(model.outputs[0]), recorder


def _stretched(model: Model, item: Any, entry: Input, options: Options, length: Length) -> Program:
    """The program with the run-time length left open: what two lengths have in common."""
    rank = np.ndim(item)
    dims = [k for k in range(1, rank) if entry.shape[k] is None] if entry.shape else []
    if rank not in (2, 3) or len(dims) != 1:
        shown = [n if n is not None else "?" for n in entry.shape]
        raise UnsupportedError(
            "dynamic", f"{length.name} for an input of shape {shown}", "a sequence with one open dimension"
        )
    (dim,) = dims
    programs = []
    for count in (max(length.minimum, 2), max(length.maximum, 3)):
        index = np.arange(count) % np.shape(item)[dim]
        programs.append(_recorded(model, np.take(item, index, axis=dim), options)[0])
    return merged(*programs)


def _entry(model: Model) -> Input:
    """The input."""
    if len(model.outputs) != 1:
        raise UnsupportedError(
            "model", f"outputs {', '.join(model.outputs)}", "one tensor out", f"pass output={model.outputs[0]!r}"
        )
    used = [i for i in model.inputs if i.name in model.readers]
    if len(used) != 1:
        names = ", ".join(i.name for i in used)
        raise UnsupportedError(
            "model", f"inputs {names or 'none'}", "one tensor in", "fix the others with constants={name: value}"
        )
    if used[0].kind not in (*REALS, *INTEGERS):
        raise UnsupportedError(f"input {used[0].name}", f"type {used[0].kind}", ", ".join((*REALS, *INTEGERS)))
    return used[0]


def blank(entry: Input, dynamic: Mapping[str, tuple[int, int]] | None) -> Any:
    """Zeros of the shape that the model states; only their shape matters.

    Raises:
        CalibrationError: it does not state one.
    """
    longest = max((high for _, high in (dynamic or {}).values()), default=None)
    shape = [longest if n is None else n for n in entry.shape[1:]]
    sizes = [n for n in shape if n is not None]
    if not sizes or len(sizes) < len(shape):
        stated = ", ".join("?" if n is None else str(n) for n in shape) or "?"
        raise CalibrationError(
            "calibration",
            f"not given, and the model states only [N, {stated}] as the shape of its input {entry.name}",
            "inputs [N, ...] that show range and shape",
            "give calibration data, or state the shape in the file",
        )
    return np.zeros((1, *sizes), np.int64 if entry.integers else np.float32)


def sample_of(entry: Input, calibration: Any) -> Any:
    """The first item with its batch dimension; only its shape matters."""
    data = calibration.detach().cpu().numpy() if hasattr(calibration, "detach") else calibration
    if len(data) == 0:
        raise CalibrationError("calibration", "no items", "at least one")
    first = data[0]
    item = np.asarray(first.detach().cpu().numpy() if hasattr(first, "detach") else first)[None]
    stated = entry.shape
    fits = len(stated) == item.ndim and all(s in (None, n) for s, n in zip(stated[1:], item.shape[1:], strict=True))
    if stated and not fits:
        shown = ", ".join("?" if s is None else str(s) for s in stated[1:])
        raise CalibrationError("calibration item 0", f"shape {list(item.shape[1:])}", f"[{shown}], as the model states")
    if entry.integers and item.dtype.kind not in "iu":
        raise DataError("calibration item 0", f"dtype {item.dtype}", "integers, as the model states")
    return item
