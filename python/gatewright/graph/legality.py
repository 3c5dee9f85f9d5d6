# SPDX-License-Identifier: Apache-2.0
"""What a legal graph is, one rule per line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gatewright.errors import GraphError

if TYPE_CHECKING:
    from gatewright.graph.network import Graph

Rule = tuple[str, Callable[["Graph"], str | None]]
"""What must hold, and a predicate that returns the offending place or None."""


def _first(found: Iterator[str]) -> str | None:
    return next(found, None)


LEGALITY: tuple[Rule, ...] = (
    ("a graph has at least one input and one output", lambda g: None if g.inputs and g.outputs else g.name),
    (
        "names are unique",
        lambda g: _first(
            n.name for i, n in enumerate(g.nodes) if n.name in g.inputs or any(m.name == n.name for m in g.nodes[:i])
        ),
    ),
    (
        "names are Verilog identifiers",
        lambda g: _first(v for v in [*g.inputs, *(n.name for n in g.nodes)] if not v.isidentifier() or not v.isascii()),
    ),
    (
        "a node reads only values defined before it",
        lambda g: _first(
            n.name
            for k, n in enumerate(g.nodes)
            for i in n.inputs
            if i not in g.inputs and all(m.name != i for m in g.nodes[:k])
        ),
    ),
    (
        "a node has as many inputs as its operator takes",
        lambda g: _first(
            n.name for n in g.nodes if (len(n.inputs) < 2 if n.op.arity is None else len(n.inputs) != n.op.arity)
        ),
    ),
    ("an output is a node", lambda g: _first(o for o in g.outputs if all(o != n.name for n in g.nodes))),
    ("every type rule holds and every format is at most 62 bits", lambda g: None if g.types else g.name),
    (
        "every value is read or is an output",
        lambda g: _first(v for v in g.types if not g.users[v] and v not in g.outputs),
    ),
    ("an output is read by nobody else", lambda g: _first(o for o in g.outputs if g.users[o])),
)


def check(graph: Graph) -> None:
    """Check the legality table.

    Raises:
        GraphError: naming the first offender and the rule.
    """
    for rule, offender in LEGALITY:
        place = offender(graph)
        if place is not None:
            raise GraphError(f"graph {graph.name}, {place}", "illegal graph", rule)
