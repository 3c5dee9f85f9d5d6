# SPDX-License-Identifier: Apache-2.0
"""torch.nn.Module -> calibrated fixed-point graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import gatewright.ops
from gatewright.errors import CalibrationError, GraphError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import calibrate, layout
from gatewright.frontend.call import TorchCall, Value
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.fold import simplify
from gatewright.frontend.imported import Imported
from gatewright.frontend.layout import View
from gatewright.frontend.program import Program, Step
from gatewright.frontend.rearrange import MOVES, moved
from gatewright.frontend.trace import tensors, trace
from gatewright.graph import Graph, Length, Node, Op, Reference, TensorType, Tokens

if TYPE_CHECKING:
    import torch

assert gatewright.ops  # imported so that every operator is known


def import_model(
    model: torch.nn.Module,
    example: Any,
    calibration: Any,
    *,
    config: QuantConfig | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    name: str = "model",
) -> Imported:
    """The fixed-point graph of a trained model.

    The model must be in evaluation mode, with one tensor in and one tensor out: a vector [N, F], an image
    [N, C, H, W], or a sequence [N, C, L] or [N, L, C]. A graph works on one item at a time: every item of a
    batch is one sequence of tokens.

    Args:
        example: a batch; only the shape of its first item matters.
        calibration: data that formats are chosen for: [N, ...], or a list of items of different lengths.
        config: widths and methods.
        dynamic: name and (minimum, maximum) of a sequence length that is known only at run time.
        name: of the graph.

    Raises:
        UnsupportedError: a layer, attribute or shape has no exact lowering; names it.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape.
        FormatError: a weight is NaN or infinite.
    """
    config = config or QuantConfig()
    item = _first(example)
    program = trace(model, item, {})
    if dynamic:
        program = _with_length(model, item, program, dynamic)
    program = simplify(program)
    paths = {"input"} | {n for n, _ in model.named_modules()}
    config.check_paths(paths)
    stats = calibrate.observe(program, calibrate.items(calibration, program.shape))
    view = _input_view(program)
    length = Length(*_length(dynamic)) if dynamic else None
    return _Builder(program, stats, config, view, length, name).build()


def _first(example: Any) -> torch.Tensor:
    import torch

    found = torch.as_tensor(np.asarray(example.detach().cpu() if hasattr(example, "detach") else example))
    if found.ndim < 2 or found.shape[0] == 0:
        raise CalibrationError("example", f"shape {list(found.shape)}", "a batch [N, ...] with N >= 1")
    return found[:1].float()


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
    if item.ndim != 3:
        raise UnsupportedError(
            "dynamic",
            f"{symbol} for an input of shape {list(item.shape)}",
            "a sequence [N, C, L] or [N, L, C]",
        )
    dim = 2 if channels_first(program) else 1
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
        case (1, int(channels), int(height), int(width)):
            return layout.image(channels, height, width)
    raise UnsupportedError("input", f"shape {list(shape)}", "[N, F], [N, C, H, W], [N, C, L] or [N, L, C]")


class _Builder:
    """Walks the program once and collects the nodes."""

    def __init__(
        self,
        program: Program,
        stats: Mapping[str, calibrate.Stats],
        config: QuantConfig,
        view: View,
        length: Length | None,
        name: str,
    ) -> None:
        self.program, self.config, self.name = program, config, name
        self.operators = {t: cls for cls in Op.known.values() for t in cls.torch}
        self.wanted = calibrate.wanted(program, stats, config, self.keeps_format)
        self.nodes: list[Node] = []
        self.references: dict[str, Reference] = {}
        self.shared: dict[tuple[Any, ...], tuple[str, TensorType]] = {}
        tokens: Tokens = length if length is not None else layout.size(view.tokens) or 1
        kind = TensorType(tokens, layout.size(view.channels) or 1, self.wanted[program.input].fixed)
        self.inputs = {program.input: kind}
        self.values = {program.input: Value(program.input, kind, view, rounded=self.wanted[program.input].rounded)}

    def keeps_format(self, step: Step) -> bool:
        """True for moves and for operators that have no format of their own, except ReLU, which narrows."""
        if step.target in MOVES:
            return "pad" not in step.target
        cls = self.operators.get(step.target)
        fields = [] if cls is None else [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        return cls is not None and "output" not in fields and step.target != calibrate.RELU

    def build(self) -> Imported:
        """The graph, after the passes, with codecs and references."""
        for step in tensors(self.program):
            read = [self.values[r] for r in step.reads if r in self.values]
            if step.target in MOVES:
                self.values[step.name] = moved(step, read[0])
            else:
                self.values[step.name] = self.lower(step, read)
        result = self.values[self.program.output]
        if result.view.dims and result.view.dims[0] or result.pad:
            raise UnsupportedError("output", f"shape {list(result.view.shape)}", "a batch dimension first, no padding")
        if result.stream in self.inputs:
            raise UnsupportedError("model", "no operator between input and output", "at least one layer")
        raw = self.live(result.stream)
        after = self.wanted[self.program.input]
        references = {n.name: self.references[n.name] for n in raw.nodes}
        references[self.program.input] = Reference(relu=after.relu, rounded=after.rounded)
        return Imported(raw, self.values[self.program.input].view, result.view, references, self.program)

    def live(self, output: str) -> Graph:
        """The graph of the nodes that the output needs."""
        needed = {output}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        nodes = tuple(n for n in self.nodes if n.name in needed)
        return Graph(self.inputs, nodes, (output,), self.name)

    def lower(self, step: Step, read: Sequence[Value]) -> Value:
        """Emit the operator of one call."""
        cls = self.operators.get(step.target)
        if cls is None:
            known = sorted({t.split(".")[1] for t in (*self.operators, *MOVES)})
            raise UnsupportedError(
                step.place,
                f"{step.target} is not supported",
                ", ".join(known),
                "replace this layer, or add an operator in gatewright/ops",
            )
        wanted = self.wanted[step.name]
        if step.target in calibrate.FAKE_QUANTIZE and read[0].rounded == wanted.fixed:
            return read[0]
        call = TorchCall(
            step,
            read,
            wanted.fixed,
            self.config.at(step.path),
            lambda op, *values: self.prepare(step, op, values),
        )
        try:
            op = cls.from_torch(call)
            call.check()
            reference = Reference(call.constants, call.errors)
            rounded = None
            if call.took_output:
                reference = dataclasses.replace(reference, relu=wanted.relu, rounded=wanted.rounded)
                rounded = wanted.rounded
            elif self.keeps_format(step) or not read[0].type.fixed.signed:
                # Nothing changes the values of an input that is already rounded.
                rounded = call.values[0].rounded
            stream, kind = self.append(step.name, step, op, call.values, reference)
        except GraphError as error:
            raise UnsupportedError(step.place, f"{error.place}: {error.problem}", error.allowed, error.hint) from error
        return Value(stream, kind, call.view(kind), rounded=rounded)

    def prepare(self, step: Step, op: Op, values: Sequence[Value]) -> tuple[str, TensorType]:
        """Append a node that arranges an input of `step`; an equal one is shared."""
        key = (op, tuple(v.stream for v in values))
        if key not in self.shared:
            self.shared[key] = self.append(f"{step.name}_{op.name()}", step, op, values, Reference())
        return self.shared[key]

    def append(
        self, base: str, step: Step, op: Op, values: Sequence[Value], reference: Reference
    ) -> tuple[str, TensorType]:
        """Append a node named `base`, or `base` and a number."""
        kind = op.infer(*(v.type for v in values))
        taken = {n.name for n in self.nodes} | set(self.inputs) | {s.name for s in self.program.steps}
        taken -= {step.name} - {n.name for n in self.nodes}
        name, count = base, 0
        while name in taken:
            name, count = f"{base}_{count + 1}", count + 1
        self.nodes.append(Node(name, op, tuple(v.stream for v in values), step.path))
        self.references[name] = reference
        return name, kind
