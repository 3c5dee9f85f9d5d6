# SPDX-License-Identifier: Apache-2.0
"""How operators are spelled: every module of `operators/` registers its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gatewright.errors import NotExpressibleError
from gatewright.graph import Graph, Op, TensorType, Tokens, most_tokens
from gatewright.lower.qonnx.values import TOKENS, Form, Value
from gatewright.lower.qonnx.writer import Writer


@dataclass(frozen=True)
class Call:
    """One node of our graph.

    Attributes:
        op: the operator, of the registered class.
        inputs: its values.
        kind: type of the result.
        tokens: tokens of the result in this model.
        length: the run-time length that this model is made for; None for the most.
    """

    writer: Writer
    op: Any
    inputs: Sequence[Value]
    kind: TensorType
    tokens: int
    length: int | None = None

    def result(self, name: str, form: Form = TOKENS) -> Value:
        """The value of the node, made in a form."""
        return Value(self.writer, self.kind, self.tokens, form, name)


Spelling = Callable[[Call], Value]

_KNOWN: dict[type[Op], Spelling] = {}


def spells(*kinds: type[Op]) -> Callable[[Spelling], Spelling]:
    """Register the spelling of operators."""

    def add(function: Spelling) -> Spelling:
        _KNOWN.update(dict.fromkeys(kinds, function))
        return function

    return add


@cache
def spellings() -> dict[type[Op], Spelling]:
    """Spellings by operator."""
    from gatewright.lower.qonnx import operators

    for module in pkgutil.iter_modules(operators.__path__):
        importlib.import_module(f"{operators.__name__}.{module.name}")
    return dict(_KNOWN)


def written(w: Writer, graph: Graph, inputs: Mapping[str, Value], length: int | None, prefix: str = "") -> list[Value]:
    """Write every node of a graph; returns its outputs.

    Raises:
        NotExpressibleError: an operator has no exact spelling; names the node.
    """
    known, values = spellings(), dict(inputs)
    for node in graph.nodes:
        w.place = prefix + node.name
        if type(node.op) not in known:
            allowed = ", ".join(sorted(k.name() for k in known))
            raise NotExpressibleError(f"qonnx, {w.place}", f"{node.op.name()} has no exact spelling", allowed)
        kind = graph.types[node.name]
        call = Call(w, node.op, [values[i] for i in node.inputs], kind, count(kind.tokens, length), length)
        values[node.name] = known[type(node.op)](call)
    return [values[o] for o in graph.outputs]


def count(tokens: Tokens, length: int | None) -> int:
    """Tokens of an edge when the run-time length is `length`; the most for None."""
    if isinstance(tokens, int):
        return tokens
    return most_tokens(tokens) if length is None else tokens.at(length)
