# SPDX-License-Identifier: Apache-2.0
"""Operators applied to named values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Ints
from gatewright.graph.legality import check
from gatewright.graph.operator import Op
from gatewright.graph.tensor import TensorType, checked_sequence


@dataclass(frozen=True, eq=False)
class Node:
    """One operator applied to named values; the node's name is the name of its result.

    Attributes:
        origin: module path in the source model, for messages.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    origin: str = ""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: typed inputs, nodes in topological order, named outputs.

    Construction checks the legality table, so an illegal graph cannot exist.
    """

    inputs: Mapping[str, TensorType]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    name: str = "graph"

    def __post_init__(self) -> None:
        check(self)

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of every value."""
        found = dict(self.inputs)
        for node in self.nodes:
            try:
                found[node.name] = node.op.infer(*(found[i] for i in node.inputs))
            except GraphError as error:
                if error.place.startswith("node "):
                    raise
                origin = f" (from {node.origin})" if node.origin else ""
                raise GraphError(
                    f"node {node.name}{origin}", f"{error.place}: {error.problem}", error.allowed, error.hint
                ) from None
        return found

    def node(self, name: str) -> Node:
        """The node called `name`."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {n.name: n for n in self.nodes}

    @cached_property
    def users(self) -> dict[str, list[tuple[str, int]]]:
        """For every value, the (node, input port) pairs that read it, in node order."""
        found: dict[str, list[tuple[str, int]]] = {v: [] for v in self.types}
        for node in self.nodes:
            for port, value in enumerate(node.inputs):
                found[value].append((node.name, port))
        return found

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        """Types of a node's inputs."""
        return tuple(self.types[i] for i in node.inputs)

    def trace(self, inputs: Mapping[str, Ints]) -> dict[str, Ints]:
        """Golden integers of every value for one sequence.

        Args:
            inputs: one [tokens, channels] integer array per graph input.

        Raises:
            DataError: shape, length or range does not match the input's type.
        """
        values: dict[str, Ints] = {}
        for name, kind in self.inputs.items():
            values[name] = checked_sequence(name, kind, inputs[name])
        for node in self.nodes:
            result = node.op.evaluate(*(values[i] for i in node.inputs))
            fixed = self.types[node.name].fixed
            assert result.dtype == np.int64 and fixed.contains(result), node.name
            values[node.name] = result
        return values

    def evaluate(self, *sequences: Ints) -> tuple[Ints, ...]:
        """Golden integers of the outputs for one sequence per input, in input order."""
        values = self.trace(dict(zip(self.inputs, sequences, strict=True)))
        return tuple(values[o] for o in self.outputs)

    def __str__(self) -> str:
        lines = [f"graph {self.name}"]
        lines += [f"  {name:<16} {kind}" for name, kind in self.inputs.items()]
        for node in self.nodes:
            origin = f"   # {node.origin}" if node.origin else ""
            call = f"{node.op.describe()} <- {', '.join(node.inputs)}"
            lines.append(f"  {node.name:<16} {self.types[node.name]!s:<24} = {call}{origin}")
        lines.append(f"  return {', '.join(self.outputs)}")
        return "\n".join(lines)
