# SPDX-License-Identifier: Apache-2.0
"""Matrices with many zeros become sparse operators where the cost model says that this pays; results stay equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Any

import numpy as np

from gatewright.boards import Board
from gatewright.graph import Folding, Graph, Node, Op, TensorType, most_tokens
from gatewright.ops._matrix_cost import matrix_cost
from gatewright.ops._memory_cost import weigh
from gatewright.ops._sparse import REACHES, Sparse
from gatewright.ops._sparse_cost import sparse_cost
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.ops.sparse_conv2d import SparseConv2d
from gatewright.ops.sparse_linear import SparseLinear
from gatewright.schedule.model import MOST, fabric

DENSEST = 0.7
"""Share of weights that are not zero up to which sparse operators are considered."""
BLOCKS = (1, 2, 4)
ALIKE = 1.3
"""Outputs share places only where that keeps at most so many times more weights."""
SPARSE: dict[type[Op], type[Op]] = {Linear: SparseLinear, Conv2d: SparseConv2d}

Curve = list[tuple[float, float]]
"""(cycles per token, cost in look-up tables) of foldings, fewest cycles first; each cheaper than those before it."""


def with_sparse(graph: Graph, board: Board, pace: float | None = None) -> Graph:
    """The graph with sparse operators where they pay on a board. What it computes stays equal bit for bit.

    Args:
        pace: cycles per sequence that are fast enough; by default, and inside a `Loop`, they have to pay at every speed
            on average.
    """
    hardware = fabric(board)
    nodes = tuple(_node(graph, n, hardware, pace) for n in graph.nodes)
    same = all(a is b for a, b in zip(nodes, graph.nodes, strict=True))
    return graph if same else replace(graph, nodes=nodes)


def _node(graph: Graph, node: Node, hardware: Folding, pace: float | None) -> Node:
    if isinstance(node.op, Loop):
        return _loop(node, node.op, replace(hardware, banks=len(node.op.bodies)))
    (op,) = chosen([node.op], [graph.input_types(node)], hardware, per_token(graph, node, pace))
    return node if op is node.op else replace(node, op=op)


def _loop(node: Node, loop: Loop, hardware: Folding) -> Node:
    """The iterations share hardware: all of them become sparse, or none."""
    bodies, changed = [list(body.nodes) for body in loop.bodies], False
    for at in range(len(bodies[0])):
        places = [nodes[at] for nodes in bodies]
        types = [body.input_types(n) for body, n in zip(loop.bodies, places, strict=True)]
        ops = chosen([n.op for n in places], types, hardware)
        for nodes, op in zip(bodies, ops, strict=True):
            changed |= op is not nodes[at].op
            nodes[at] = replace(nodes[at], op=op)
    made = (replace(body, nodes=tuple(nodes)) for body, nodes in zip(loop.bodies, bodies, strict=True))
    return replace(node, op=replace(loop, bodies=tuple(made))) if changed else node


def chosen(
    ops: Sequence[Op], inputs: Sequence[tuple[TensorType, ...]], hardware: Folding, pace: float | None = None
) -> list[Op]:
    """The operators of all iterations as sparse ones if that pays, at this pace per token; else as they are."""
    first: Any = ops[0]
    if type(first) not in SPARSE or first.groups != 1 or any(o.coded for o in ops):  # type: ignore[attr-defined]
        return list(ops)
    weights = [o.weight for o in ops]  # type: ignore[attr-defined]
    if max(np.count_nonzero(w) / w.size for w in weights) > DENSEST:
        return list(ops)
    found = best(ops, inputs[0][0], hardware, pace)
    if found is None:
        return list(ops)
    return [sparse(o, found, [w for k, w in enumerate(weights) if k != at]) for at, o in enumerate(ops)]


def sparse(op: Op, how: dict[str, Any], others: Sequence[Any] = ()) -> Op:
    """A dense operator as the sparse one that computes the same.

    Args:
        how: `block`, `reach` and `shared` of it.
        others: weights of the other iterations of a loop.
    """
    kept = {f.name: getattr(op, f.name) for f in fields(op)}  # type: ignore[arg-type]
    # Many zeros make a codebook short, but indices say where weights are and not what.
    kept["codebook"] = None
    made: Any = SPARSE[type(op)]
    return made(**kept, **how, others=tuple(others))


def best(ops: Sequence[Op], x: TensorType, hardware: Folding, pace: float | None = None) -> dict[str, Any] | None:
    """The way to find operands that saves most at equal cycles; None if none saves anything.

    Saving is the logarithm of cost at this pace; without one, its mean at the cycles of all dense foldings on the curve
    of cycles against cost.
    """
    first: Any = ops[0]
    dense = first.matrix(x.fixed)
    wanted = curve(
        (dense.interval(f) / f.tokens, weigh(matrix_cost(dense, f)))
        for f in (_on(f, hardware) for f in dense.foldings())
        if f.simd * f.pe * f.tokens <= MOST
    )
    wanted = at_pace(wanted, pace)
    found, least = None, 0.0
    for how in ways(ops):
        unit = _unit(sparse(first, how, [o.weight for o in ops[1:]]), x)  # type: ignore[attr-defined]
        options = (_on(f, hardware) for f in unit.foldings() if f.simd * f.pe <= MOST)
        saved = saving(curve((_cycles(unit, f), weigh(sparse_cost(unit, f))) for f in options), wanted)
        if saved < least:
            found, least = how, saved
    return found


def ways(ops: Sequence[Op]) -> Iterator[dict[str, Any]]:
    """Values of `block`, `reach` and `shared` that may pay."""
    weights = [o.weight for o in ops]  # type: ignore[attr-defined]
    outs, terms = weights[0].shape[0], weights[0][0].size
    count = sum(np.count_nonzero(w) for w in weights)
    for block, reach, shared in product(BLOCKS, REACHES, (False, True)):
        if outs % block or terms % reach or (shared and reach == 1):
            continue
        grouped = (np.any(w.reshape(outs // block, block, -1), axis=1) for w in weights)
        if block * sum(np.count_nonzero(g) for g in grouped) <= ALIKE * count:
            yield {"block": block, "reach": reach, "shared": shared}


def curve(points: Iterator[tuple[float, float]]) -> Curve:
    """Those that no other one beats in both."""
    found: Curve = []
    for cycles, cost in sorted(points):
        if not found or cost < found[-1][1]:
            found.append((cycles, cost))
    return found


def per_token(graph: Graph, node: Node, pace: float | None) -> float | None:
    """Cycles per token of a node's result at a pace per sequence."""
    return None if pace is None else pace / most_tokens(graph.types[node.name].tokens)


def at_pace(whole: Curve, cycles: float | None) -> Curve:
    """Of a curve, the cheapest point that is fast enough, at the pace that is asked for; all of it where none is."""
    enough = [] if cycles is None else [c for t, c in whole if t <= cycles]
    return [(float(cycles), enough[-1])] if enough and cycles is not None else whole


def saving(ours: Curve, wanted: Curve) -> float:
    """Mean of log(our cheapest cost / cost) over those of `wanted` with which ours can keep up."""
    ratios = []
    for cycles, cost in wanted:
        fast = [c for t, c in ours if t <= cycles]
        if fast:
            ratios.append(np.log(fast[-1] / cost))
    return float(np.mean(ratios)) if ratios else 0.0


def _on(folding: Folding, hardware: Folding) -> Folding:
    return replace(folding, port=hardware.port, banks=hardware.banks, ultra=hardware.ultra)


def _unit(op: Any, x: TensorType) -> Sparse:
    unit: Sparse = op.sparse(x.fixed, op.inner) if isinstance(op, SparseConv2d) else op.sparse(x.fixed)
    return unit


def _cycles(unit: Sparse, folding: Folding) -> float:
    return float(max(unit.depth(folding), unit.words(folding)))
