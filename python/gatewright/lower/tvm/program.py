# SPDX-License-Identifier: Apache-2.0
"""A graph as a list of kernel calls: what both the Relax module and the C program without a runtime are made of."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import GraphError, MissingExtraError, NotExpressibleError
from gatewright.fixed import Fixed
from gatewright.graph import Graph, Length, Node, Op, TensorType, Tokens
from gatewright.lower.tvm.processor import Processor
from gatewright.ops.loop import Loop

Constant = npt.NDArray[Any]


def require() -> None:
    """Check that TVM can be imported.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("tvm") is None:
        raise MissingExtraError("tvm", "not installed", hint="pip install 'gatewright[tvm]'")


def storage(fixed: Fixed) -> str:
    """Narrowest machine integer that holds a format."""
    for bits in (8, 16):
        if fixed.width <= bits:
            return f"{'int' if fixed.signed else 'uint'}{bits}"
    return "int32" if fixed.width + (not fixed.signed) <= 32 else "int64"


@dataclass(frozen=True, eq=False)
class Value:
    """An array in memory, [tokens, *row].

    Attributes:
        name: unique in the program.
        fixed: what range its integers have; None where they are not values of the graph.
    """

    name: str
    tokens: Tokens
    row: tuple[int, ...]
    dtype: str
    fixed: Fixed | None = None

    @property
    def form(self) -> Fixed:
        """The format of a value of the graph."""
        assert self.fixed is not None, self.name
        return self.fixed


@dataclass(frozen=True, eq=False)
class Step:
    """A call of a kernel.

    Attributes:
        function: a TIR function of the inputs' buffers, then the constants', then the output's.
        inputs: names of values.
        constants: names of constants.
        output: name of the value that it writes.
    """

    function: Any
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Program:
    """Kernel calls in order.

    Attributes:
        graph: what is computed.
        processor: what it is for.
        values: every array by name, inputs first.
        inputs, outputs: names, in the graph's order.
        base: the run-time length of an input, which all others follow from; None when all lengths are fixed.
    """

    graph: Graph
    processor: Processor
    steps: tuple[Step, ...]
    values: Mapping[str, Value]
    constants: Mapping[str, Constant]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    base: Length | None


@dataclass(eq=False)
class Emitter:
    """Collects kernel calls; what operators are spelled with.

    Attributes:
        processor: what the kernels will run on.
    """

    processor: Processor
    steps: list[Step] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)

    def input(self, name: str, kind: TensorType) -> Value:
        """A value that comes from outside."""
        return self._value(name, kind.tokens, (kind.channels,), storage(kind.fixed), kind.fixed)

    def call(
        self,
        name: str,
        build: Callable[..., None],
        inputs: Sequence[Value],
        constants: Sequence[Constant],
        tokens: Tokens,
        row: Sequence[int],
        dtype: str,
        fixed: Fixed | None = None,
    ) -> Value:
        """Emit a kernel whose body `build(count, *inputs, *constants, output)` writes on TIR buffers.

        Args:
            name: of the function; equal functions are compiled once.
            build: emits the body; `count` is the token count of the first input.
            tokens, row, dtype, fixed: of the result.
        """
        from gatewright.lower.tvm.tir import function

        result = self._value(f"v{len(self.values)}", tokens, tuple(row), dtype, fixed)
        made = function(name, build, inputs, constants, result)
        names = []
        for array in constants:
            names.append(f"c{len(self.constants)}")
            self.constants[names[-1]] = np.ascontiguousarray(array)
        self.steps.append(Step(made, tuple(v.name for v in inputs), tuple(names), result.name))
        return result

    def result(
        self,
        name: str,
        build: Callable[..., None],
        inputs: Sequence[Value],
        constants: Sequence[Constant],
        kind: TensorType,
    ) -> Value:
        """Emit the kernel that writes a value of the graph."""
        return self.call(name, build, inputs, constants, kind.tokens, (kind.channels,), storage(kind.fixed), kind.fixed)

    def graph(self, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
        """Emit all nodes of a graph."""
        found = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph.nodes:
            found[node.name] = self._node(graph, node, [found[i] for i in node.inputs])
        return [found[o] for o in graph.outputs]

    def _node(self, graph: Graph, node: Node, inputs: Sequence[Value]) -> Value:
        if isinstance(node.op, Loop):
            (x,) = inputs
            for body in node.op.bodies:
                (x,) = self.graph(body, [x])
            return x
        try:
            return spelling(node.op)(self, node.op, graph.types[node.name], *inputs)
        except NotExpressibleError as error:
            place = f"node {node.name}" + (f" (from {node.origin})" if node.origin else "")
            raise NotExpressibleError(f"{place}: {error.place}", error.problem, error.allowed, error.hint) from None

    def _value(self, name: str, tokens: Tokens, row: tuple[int, ...], dtype: str, fixed: Fixed | None) -> Value:
        self.values[name] = Value(name, tokens, row, dtype, fixed)
        return self.values[name]


def spelling(op: Op) -> Callable[..., Value]:
    """What emits an operator: `kernels/<name>.py`, or its own method `tvm(emit, output, *inputs)`.

    Raises:
        NotExpressibleError: nobody has written one.
    """
    own: Any = getattr(type(op), "tvm", None)
    if own is not None:
        return lambda emit, op, output, *inputs: own(op, emit, output, *inputs)
    name = f"{__package__}.kernels.{op.name()}"
    if importlib.util.find_spec(name) is None:
        raise NotExpressibleError(
            f"operator {op.name()}",
            "no TVM kernel",
            "the library's operators, and those with a method tvm(emit, output, *inputs) -> Value",
            "write one",
        )
    found: Callable[..., Value] = importlib.import_module(name).spell
    return found


def program(graph: Graph, processor: Processor) -> Program:
    """The kernel calls of a graph for a processor.

    Raises:
        MissingExtraError: TVM is not installed.
        NotExpressibleError: an operator has no kernel; names the node.
        GraphError: lengths of inputs that do not follow from one of them.
    """
    require()
    emit = Emitter(processor)
    # Names of the graph could be words of C, or collide with those made here.
    inputs = [emit.input(f"x{k}", kind) for k, kind in enumerate(graph.inputs.values())]
    outputs = emit.graph(graph, inputs)
    return Program(
        graph,
        processor,
        tuple(emit.steps),
        emit.values,
        emit.constants,
        tuple(v.name for v in inputs),
        tuple(v.name for v in outputs),
        _base(graph),
    )


def _base(graph: Graph) -> Length | None:
    """The input length that all others follow from."""
    lengths = [k.tokens for k in graph.inputs.values() if isinstance(k.tokens, Length)]
    if not lengths:
        return None
    base = min(lengths, key=lambda t: t.stride)
    for other in lengths:
        if other.name != base.name or other.stride % base.stride or (other.offset - base.offset) % base.stride:
            raise GraphError(f"graph {graph.name}", f"inputs of {base} and {other} tokens", "one run-time length")
    return base


def affine(base: Length, tokens: Length) -> tuple[int, int]:
    """(o, k) of `tokens = (base + o) // k` for a length derived from `base`.

    `((n + a) // s + o) // k = (n + a + o s) // (s k)`.
    """
    return (tokens.offset - base.offset) // base.stride, tokens.stride // base.stride
