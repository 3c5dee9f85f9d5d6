# SPDX-License-Identifier: Apache-2.0
"""Random graphs over all operators, with random foldings, lengths and stalls. One seed makes one case."""

from __future__ import annotations

import numpy as np

import gatewright.ops
from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Length, Node, Op, TensorType, least_tokens, most_tokens
from gatewright.ops._matrix import sample_fixed
from gatewright.ops.loop import Loop
from gatewright.schedule import all_nodes
from gatewright.sim.executors import Job

MAX_OUTPUT_BEATS = 4000
"""Larger values are not grown further, so that a case stays small."""


def random_type(rng: np.random.Generator) -> TensorType:
    """A random stream: a sequence of run-time length, an image, or a single token."""
    shape = rng.random()
    if shape < 0.4:
        least = int(rng.integers(1, 6))
        tokens: int | Length = Length("n", least + int(rng.integers(0, 20)), least)
    elif shape < 0.85:
        tokens = int(rng.integers(2, 9)) * int(rng.integers(2, 9))
    else:
        tokens = 1
    if rng.random() < 0.2:
        # Token numbers, which only an embedding asks for.
        return TensorType(tokens, 1, Fixed(int(rng.integers(1, 9)), 0, signed=False))
    return TensorType(tokens, int(rng.choice([1, 2, 3, 4, 6, 8, 12])), sample_fixed(rng))


def library() -> list[type[Op]]:
    """The operators of this package by name: others that happen to be loaded would change what a seed means."""
    return [kind for _, kind in sorted(Op.known.items()) if kind.__module__.startswith(gatewright.ops.__name__)]


def random_graph(rng: np.random.Generator, nodes: int | None = None) -> Graph:
    """A random legal graph of one or two inputs and about `nodes` operators (1 to 6 by default)."""
    inputs = {"x0": random_type(rng)}
    if rng.random() < 0.2:
        inputs["x1"] = TensorType(inputs["x0"].tokens, inputs["x0"].channels, sample_fixed(rng))
    wanted = nodes or int(rng.integers(1, 7))
    types = dict(inputs)
    placed: list[Node] = []
    kinds = library()
    for _ in range(40 * wanted):
        if len(placed) >= wanted and all(any(i in n.inputs for n in placed) for i in inputs):
            break
        kind = kinds[int(rng.integers(len(kinds)))]
        if kind is Loop and len(inputs) > 1:
            # The sequence guard in front of a loop takes one stream.
            continue
        arity = kind.arity or 2
        values = list(types)
        # Unread values are likelier, so that graphs grow deep and every input is used.
        unread = [v for v in values if all(v not in n.inputs for n in placed)]
        sources = tuple(str(rng.choice(unread if unread and rng.random() < 0.7 else values)) for _ in range(arity))
        node = _attempt(rng, kind, f"v{len(placed)}", sources, types)
        if node is not None:
            placed.append(node)
            types[node.name] = node.op.infer(*(types[i] for i in sources))
    return _closed(inputs, placed)


def _attempt(
    rng: np.random.Generator, kind: type[Op], name: str, sources: tuple[str, ...], types: dict[str, TensorType]
) -> Node | None:
    """A random node, or None when the operator cannot stand here or its result grows too large."""
    inputs = tuple(types[i] for i in sources)
    try:
        op = kind.sample(rng, *inputs)
        if op is None:
            return None
        result = op.infer(*inputs)
    except GraphError:
        return None
    small = most_tokens(result.tokens) * result.channels <= MAX_OUTPUT_BEATS and result.fixed.width <= 40
    return Node(name, op, sources) if small else None


def _closed(inputs: dict[str, TensorType], placed: list[Node]) -> Graph:
    """The graph of the placed nodes: unused inputs are dropped, unread results become outputs."""
    read = {i for n in placed for i in n.inputs}
    kept = {k: v for k, v in inputs.items() if k in read}
    outputs = tuple(n.name for n in placed if n.name not in read)
    return Graph(kept, tuple(placed), outputs, "fuzz")


def random_sequence(rng: np.random.Generator, kind: TensorType, tokens: int) -> Ints:
    """Random integers of a type; one sequence in four holds extreme values only."""
    shape, fixed = (tokens, kind.channels), kind.fixed
    if rng.random() < 0.25:
        return rng.choice(np.array([fixed.lo, fixed.hi], np.int64), shape)
    return rng.integers(fixed.lo, fixed.hi + 1, shape, dtype=np.int64)


def random_inputs(rng: np.random.Generator, graph: Graph, count: int) -> list[list[Ints]]:
    """Per graph input, `count` sequences; the shortest and the longest length are always among them."""
    first = next(iter(graph.inputs.values())).tokens
    least, most = least_tokens(first), most_tokens(first)
    lengths = [least, most, *(int(rng.integers(least, most + 1)) for _ in range(count - 2))][:count]
    return [[random_sequence(rng, kind, n) for n in lengths] for kind in graph.inputs.values()]


def random_job(seed: int) -> Job:
    """The fuzz case of one seed."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    while not graph.nodes:
        graph = random_graph(rng)
    foldings = {name: _any_folding(rng, where, node) for name, (where, node) in all_nodes(graph)}
    inputs = random_inputs(rng, graph, int(rng.integers(2, 6)))
    results = [graph.evaluate(*sequences) for sequences in zip(*inputs, strict=True)]
    lengths = {o: [len(r[k]) for r in results] for k, o in enumerate(graph.outputs)}
    idle, stall = rng.choice([0.0, 0.2, 0.6], 2)
    return Job(graph, foldings, inputs, lengths, float(idle), float(stall), seed + 1)


def _any_folding(rng: np.random.Generator, graph: Graph, node: Node) -> Folding:
    options = [f for f in node.op.foldings(*graph.input_types(node)) if f.simd * f.pe * f.tokens <= 64]
    return options[int(rng.integers(len(options)))]
