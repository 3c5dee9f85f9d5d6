# SPDX-License-Identifier: Apache-2.0
"""torch.nn.Module -> calibrated fixed-point graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import gatewright.ops
from gatewright.errors import CalibrationError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import calibrate, ids, layout
from gatewright.frontend.build import Builder, operators
from gatewright.frontend.call import Value
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.fold import simplify
from gatewright.frontend.imported import Imported
from gatewright.frontend.layout import View
from gatewright.frontend.program import Program
from gatewright.frontend.rearrange import MOVES, moved
from gatewright.frontend.structure import short
from gatewright.frontend.trace import tensors, trace
from gatewright.graph import Length, TensorType

if TYPE_CHECKING:
    import torch

assert gatewright.ops  # imported so that every operator is known


@dataclass(frozen=True, eq=False)
class Observed:
    """A traced model with the statistics of its calibration data: number formats are still open.

    Attributes:
        program: the float model.
        stats: of every tensor.
        paths: of its modules.
        length: of the input, where it is known only at run time.
    """

    program: Program
    stats: Mapping[str, calibrate.Stats]
    paths: frozenset[str]
    length: Length | None

    def quantized(self, config: QuantConfig | None = None, name: str = "model") -> Imported:
        """The fixed-point graph with the formats of `config`.

        Raises:
            UnsupportedError: a layer, attribute or shape has no exact lowering; names it.
            CalibrationError: an override matches nothing, or tied layers differ.
        """
        config = config or QuantConfig()
        known = operators()
        names = {short(t) for t in (*known, *MOVES)} | {cls.name() for cls in known.values()}
        config.check(self.paths | {"input"}, names)
        return Builder(self.program, self.stats, config, _input_view(self.program), self.length, name).build()


def import_model(
    model: torch.nn.Module,
    example: Any,
    calibration: Any,
    *,
    config: QuantConfig | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    name: str = "model",
) -> Imported:
    """The fixed-point graph of a trained model: `observe` and `Observed.quantized` in one.

    Args:
        model, example, calibration, dynamic: see `observe`.
        config: widths and methods.
        name: of the graph.

    Raises:
        UnsupportedError: a layer, attribute or shape has no exact lowering; names it.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape, or an override matches
            nothing.
        FormatError: a weight is NaN or infinite.
    """
    return observe(model, example, calibration, dynamic=dynamic).quantized(config, name)


def observe(
    model: torch.nn.Module, example: Any, calibration: Any, *, dynamic: Mapping[str, tuple[int, int]] | None = None
) -> Observed:
    """Trace a model and run it on calibration data.

    The model must be in evaluation mode, with one tensor in and one tensor out: a vector [N, F], an image
    [N, C, H, W], a sequence [N, C, L] or [N, L, C], or token ids [N, L], which are integers. A graph works on one
    item at a time: every item of a batch is one sequence of tokens.

    Args:
        example: a batch; only the shape of its first item matters, and whether it holds integers.
        calibration: data that formats are chosen for: [N, ...], or a list of items of different lengths.
        dynamic: name and (minimum, maximum) of a sequence length that is known only at run time.

    Raises:
        UnsupportedError: the model cannot be traced, or its input or attention is of another kind.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape.
        FormatError: a weight is NaN or infinite.
    """
    program = _program(model, _first(example), dynamic)
    length = Length(*_length(dynamic)) if dynamic else None
    data = calibrate.items(calibration, program.shape, ids=program.ids, length=length)
    stats = calibrate.observe(program, data)
    return Observed(program, stats, frozenset(n for n, _ in model.named_modules()), length)


def _program(model: torch.nn.Module, item: torch.Tensor, dynamic: Mapping[str, tuple[int, int]] | None) -> Program:
    """The simplified float program; integers are token ids where the model takes them, else real numbers."""
    if item.is_floating_point() or item.ndim != 2:
        return _traced(model, item.float(), dynamic)
    try:
        program = _traced(model, item.long(), dynamic)
        return dataclasses.replace(program, ids=ids.count(program))
    except UnsupportedError as error:
        try:
            return _traced(model, item.float(), dynamic)
        except UnsupportedError:
            raise error from None


def _traced(model: torch.nn.Module, item: torch.Tensor, dynamic: Mapping[str, tuple[int, int]] | None) -> Program:
    program = trace(model, item, {})
    if dynamic:
        program = _with_length(model, item, program, dynamic)
    return simplify(program)


def _first(example: Any) -> torch.Tensor:
    import torch

    found = torch.as_tensor(np.asarray(example.detach().cpu() if hasattr(example, "detach") else example))
    if found.ndim < 2 or found.shape[0] == 0:
        raise CalibrationError("example", f"shape {list(found.shape)}", "a batch [N, ...] with N >= 1")
    return found[:1]


def _length(dynamic: Mapping[str, tuple[int, int]]) -> tuple[str, int, int]:
    if len(dynamic) != 1:
        raise UnsupportedError("dynamic", f"{len(dynamic)} lengths", "one run-time length")
    ((symbol, (low, high)),) = dynamic.items()
    return symbol, high, low


def _with_length(
    model: torch.nn.Module, item: torch.Tensor, program: Program, dynamic: Mapping[str, tuple[int, int]]
) -> Program:
    """The program with the token dimension of its input left open."""
    symbol, high, low = _length(dynamic)
    if item.ndim != 3 and (item.ndim != 2 or item.is_floating_point()):
        raise UnsupportedError(
            "dynamic",
            f"{symbol} for an input of shape {list(item.shape)}",
            "a sequence [N, C, L] or [N, L, C], or token ids [N, L]",
        )
    dim = 2 if item.ndim == 3 and channels_first(program) else 1
    # A size of 1 would be taken for a constant.
    if item.shape[dim] < 2:
        item = item.repeat_interleave(max(2, low), dim)
    found = trace(model, item, {dim: (max(2, low), high)})
    if found.shape[dim] is not None:
        raise UnsupportedError(
            "dynamic",
            f"{symbol}: the model works only at length {found.shape[dim]}",
            "layers that take any length",
            "remove views and constants of a fixed length",
        )
    return found


def channels_first(program: Program) -> bool:
    """Whether a three-dimensional input is [N, C, L], as the first layer that tells the two apart has it.

    Tokens come first when no layer tells them apart; either reading is then right.
    """
    where = {program.input: (0, 1, 2)}
    for step in tensors(program):
        order = next((where[r] for r in step.reads if r in where), None)
        if order is None:
            continue
        if "1d" in step.target or step.target == "aten.batch_norm.default":
            return order[1] == 1
        if "linear" in step.target or "matmul" in step.target:
            return order[2] == 1
        if len(step.shape or ()) != 3:
            continue
        if step.target in ("aten.transpose.int", "aten.permute.default"):
            probe = View(tuple((layout.Axis(str(o), None),) for o in order), (), ())
            moved_view = moved(step, Value("", _ANY, probe)).view
            order = tuple(int(d[0].label) for d in moved_view.dims)  # type: ignore[assignment]
        where[step.name] = order
    return False


_ANY = TensorType(1, 1, Fixed(1, 0))


def _input_view(program: Program) -> View:
    shape = program.shape
    if program.ids is not None:
        return layout.scalars(shape[1])
    match shape:
        case (1, int(features)):
            return layout.vector(features)
        case (1, a, b):
            if a is None or b is None:
                first = b is None
            else:
                first = channels_first(program)
            channels, length = (a, b) if first else (b, a)
            assert channels is not None
            return layout.sequence(channels, length, first)
        case (1, int(a), int(b), int(c)) if channels_last(program):
            return layout.permute(layout.image(c, a, b), (0, 2, 3, 1))
        case (1, int(channels), int(height), int(width)):
            return layout.image(channels, height, width)
    raise UnsupportedError("input", f"shape {list(shape)}", "[N, F], [N, C, H, W], [N, C, L] or [N, L, C]")


def channels_last(program: Program) -> bool:
    """Whether all that a four-dimensional input goes through first is a move of its last dimension to the channels."""
    readers = program.readers[program.input]
    return bool(readers) and all(
        step.target == "aten.permute.default" and [d % 4 for d in step.args["dims"]] == [0, 3, 1, 2] for step in readers
    )
