# SPDX-License-Identifier: Apache-2.0
"""Float program and formats -> integer graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gatewright.errors import GraphError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import calibrate, layout
from gatewright.frontend.call import TorchCall, Value
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.formats import FAKE_QUANTIZE, Formats
from gatewright.frontend.imported import Imported
from gatewright.frontend.layout import View
from gatewright.frontend.program import Program, Step
from gatewright.frontend.rearrange import MOVES, moved
from gatewright.frontend.structure import short
from gatewright.frontend.trace import tensors
from gatewright.graph import Graph, Length, Node, Op, Reference, TensorType, Tokens
from gatewright.ops._codebook import tied
from gatewright.ops.requantize import Requantize


def operators() -> dict[str, type[Op]]:
    """Operators by the ATen overloads that they lower."""
    return {t: cls for cls in Op.known.values() for t in cls.torch}


class Builder:
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
        self.program, self.stats, self.name = program, stats, name
        self.operators = operators()
        self.formats = Formats(program, stats, config, self.operators)
        self.formats.check()
        self.wanted = self.formats.wanted
        self.nodes: list[Node] = []
        self.references: dict[str, Reference] = {}
        self.shared: dict[tuple[Any, ...], tuple[str, TensorType]] = {}
        tokens: Tokens = length if length is not None else layout.size(view.tokens) or 1
        kind = TensorType(tokens, layout.size(view.channels) or 1, self.wanted[program.input].fixed)
        self.inputs = {program.input: kind}
        self.values = {program.input: Value(program.input, kind, view, rounded=self.wanted[program.input].rounded)}

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
        self.tie_weights()
        raw = self.live(result.stream)
        after = self.wanted[self.program.input]
        references = {n.name: self.references[n.name] for n in raw.nodes}
        references[self.program.input] = Reference(relu=after.relu, rounded=after.rounded, rounding=after.rounding)
        entry, ids = self.values[self.program.input].view, self.program.ids
        return Imported(raw, entry, result.view, references, self.program, ids)

    def tie_weights(self) -> None:
        """Weights of corresponding calls get the width of the widest: the narrowest choice depends on the data."""
        index = {n.name: k for k, n in enumerate(self.nodes)}
        for names in self.formats.ties.siblings:
            found = [index[n] for n in names if n in index and hasattr(self.nodes[index[n]].op, "weight_width")]
            widths = [self.nodes[k].op.weight_width for k in found]  # type: ignore[attr-defined]
            for k in found:
                op: Any = dataclasses.replace(self.nodes[k].op, weight_width=max(widths))  # type: ignore[type-var]
                self.nodes[k] = dataclasses.replace(self.nodes[k], op=op)
            self.tie_codebooks([k for k in found if hasattr(self.nodes[k].op, "codebook")])

    def tie_codebooks(self, siblings: Sequence[int]) -> None:
        """Codebooks of corresponding calls get equal shapes; none is left where one has none."""
        ops: list[Any] = [self.nodes[k].op for k in siblings]
        for k, op, codebook in zip(siblings, ops, tied([op.codebook for op in ops]), strict=True):
            self.nodes[k] = dataclasses.replace(self.nodes[k], op=dataclasses.replace(op, codebook=codebook))

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
            known = sorted({short(t) for t in (*self.operators, *MOVES)})
            raise UnsupportedError(
                step.place,
                f"{step.target} is not supported",
                ", ".join(known),
                "replace this layer, or add an operator in gatewright/ops",
            )
        wanted = self.wanted[step.name]
        if step.target in FAKE_QUANTIZE and read[0].rounded == wanted.fixed:
            return read[0]
        call = TorchCall(
            step,
            self.narrowed(step, read),
            wanted.fixed,
            self.formats.at(step),
            lambda op, *values: self.prepare(step, op, values),
            self.stats,
        )
        try:
            op = cls.from_torch(call)
            call.check()
            reference = Reference(call.constants, call.errors)
            rounded = None
            if call.took_output:
                reference = dataclasses.replace(
                    reference, relu=wanted.relu, rounded=wanted.rounded, rounding=wanted.rounding
                )
                rounded = wanted.rounded
            elif self.formats.keeps(step) or not read[0].type.fixed.signed:
                # Nothing changes the values of an input that is already rounded.
                rounded = call.values[0].rounded
            stream, kind = self.append(step.name, step, op, call.values, reference)
        except GraphError as error:
            raise UnsupportedError(step.place, f"{error.place}: {error.problem}", error.allowed, error.hint) from error
        found = Value(stream, kind, call.view(kind), rounded=rounded)
        if kind.fixed != wanted.fixed and step.name in self.formats.carried:
            # The operator has no format of its own, but what goes round has.
            found = self.requantized(step, found, wanted.fixed)
        return found

    def narrowed(self, step: Step, read: Sequence[Value]) -> list[Value]:
        """The values as a matrix operator reads them: rounded to `operand_bits` where they are wider."""
        if not read or (form := self.formats.operand(step, read[0].type.fixed.width)) is None:
            return list(read)
        return [self.requantized(step, read[0], form), *read[1:]]

    def requantized(self, step: Step, value: Value, to: Fixed) -> Value:
        """The value in another format; in the float model that changes nothing."""
        stream, kind = self.prepare(step, Requantize(value.type.fixed.frac - to.frac, to), [value])
        return dataclasses.replace(value, stream=stream, type=kind, rounded=None)

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
