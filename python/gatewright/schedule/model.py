# SPDX-License-Identifier: Apache-2.0
"""A graph as a folding problem: operators with their legal foldings, cycles per length, costs, edges, loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from gatewright.boards import Board
from gatewright.errors import GraphError
from gatewright.graph import Folding, Graph, Node, Stage
from gatewright.ops.loop import Loop
from gatewright.schedule.nodes import cycles_per_sequence, longest, node_stages, tokens_at
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.problem import Choice, Options, Problem, Repeat

USABLE = 0.8
"""Share of a board's budget that a plan may fill: beyond it, place and route seldom closes timing."""
MOST = 1 << 14
"""Multipliers of the largest folding that is considered."""
DISTINCT = 8
"""Distinct lengths that cycles are counted for; more are condensed, which takes a second of every folding's stages."""

Given = Mapping[str, Folding]


def fabric(board: Board) -> Folding:
    """What foldings for a board have in common."""
    return Folding(port=board.budget.dsp.pair_port or 0, ultra=board.budget.amounts().get("uram288", 0) > 0)


def budget(board: Board) -> dict[str, float]:
    """Usable amount of each resource."""
    return {k: v * USABLE for k, v in board.budget.amounts().items()}


def model(
    graph: Graph,
    board: Board,
    lengths: Lengths | None = None,
    given: Given | None = None,
    bandwidth: float | None = None,
) -> Problem:
    """The problem of folding a graph for a board.

    Args:
        lengths: of the sequences that will come, in values of the run-time symbol; by default all have the longest.
        given: foldings that are chosen already, by the names of `all_nodes`.
        bandwidth: bytes per cycle that may be exchanged with memory outside; unlimited by default.
    """
    seen = (lengths or Lengths((longest(graph),), (1.0,))).condensed(DISTINCT)
    operators, repeats = _flat(graph, seen, fabric(board), given or {}, "", {})
    limits = budget(board) | ({} if bandwidth is None else {"bandwidth": bandwidth})
    return Problem(tuple(operators), limits, seen, tuple(repeats))


def _flat(
    graph: Graph, lengths: Lengths, hardware: Folding, given: Given, prefix: str, known: Mapping[str, tuple[str, ...]]
) -> tuple[list[Options], list[Repeat]]:
    """Operators in the order of the graph, those inside a loop behind it.

    Args:
        known: names that stand for values from outside: none for those that come from outside the design.
    """
    reads = dict.fromkeys(graph.inputs, ()) | dict(known)
    operators: list[Options] = []
    repeats: list[Repeat] = []
    for node in graph.nodes:
        name = prefix + node.name
        sources = tuple(dict.fromkeys(s for value in node.inputs for s in reads[value]))
        operators.append(_options(graph, node, lengths, hardware, given, name, sources, not prefix))
        reads[node.name] = (name,)
        if isinstance(node.op, Loop):
            body, times = node.op.bodies[0], len(node.op.bodies)
            (entry,), (end,) = body.inputs, body.outputs
            banked = replace(hardware, banks=times)
            inner, nested = _flat(body, lengths, banked, given, f"{name}.", {entry: (name,)})
            if nested:
                raise GraphError(f"loop {name}", "a loop inside it", "one level of loops")
            operators += [_grouped(o, node.op) for o in inner]
            repeats.append(Repeat(tuple(o.name for o in inner), times, name, f"{name}.{end}"))
            reads[node.name] = (f"{name}.{end}",)
    return operators, repeats


def _grouped(inner: Options, loop: Loop) -> Options:
    """An operator inside a loop: groups no larger than the loop allows."""
    group = max(loop.group, min(c.key.tokens for c in inner.choices))
    return replace(inner, choices=tuple(c for c in inner.choices if c.key.tokens <= group))


def _options(
    graph: Graph,
    node: Node,
    lengths: Lengths,
    hardware: Folding,
    given: Given,
    name: str,
    sources: tuple[str, ...],
    outer: bool,
) -> Options:
    legal = [given[name]] if name in given else _legal(graph, node, hardware)
    types = graph.input_types(node)
    counts = [tokens_at(types[0].tokens, n) for n in lengths.values]
    traffic = _traffic(graph, node, lengths) if outer else 0.0
    choices, wait = [], None
    for folding in legal:
        kinds = [node_stages(graph, node, folding, n) for n in lengths.values]
        cycles = tuple(cycles_per_sequence(stages, n) for stages, n in zip(kinds, counts, strict=True))
        cost = asdict(node.op.cost(folding, *types))
        if traffic:
            cost["bandwidth"] = traffic / max(1.0, lengths.expectation(cycles))
        timing = [response(stages, n) for stages, n in zip(kinds, counts, strict=True)]
        if isinstance(node.op, Loop):
            # The loop's own stage sums up its body, which is here for itself. What remains is `sequence_guard`: it
            # lets a sequence in when all of it has come.
            timing = [(0.0, float(n), float(n)) for n in counts]
        delay, span = tuple(t[1] for t in timing), tuple(t[2] for t in timing)
        wait = wait or tuple(t[0] for t in timing)
        choices.append(Choice(folding, cycles, cost, delay, span, *node.op.ports(folding, *types)))
    out = graph.types[node.name]
    elements = tuple(float(tokens_at(out.tokens, n) * out.channels) for n in lengths.values)
    return Options(name, tuple(choices), sources, wait or (), elements)


def _legal(graph: Graph, node: Node, hardware: Folding) -> Iterator[Folding]:
    for folding in node.op.foldings(*graph.input_types(node)):
        if folding.simd * folding.pe * folding.tokens <= MOST:
            yield replace(folding, port=hardware.port, banks=hardware.banks, ultra=hardware.ultra)


def _traffic(graph: Graph, node: Node, lengths: Lengths) -> float:
    """Expected bytes per sequence that a node takes from outside, for itself and others, or sends there."""
    outside = [v for v in graph.inputs if graph.users[v][0][0] == node.name]
    outside += [v for v in graph.outputs if v == node.name]
    total = 0.0
    for value in outside:
        kind = graph.types[value]
        size = kind.channels * kind.fixed.width / 8
        total += size * lengths.expectation([tokens_at(kind.tokens, n) for n in lengths.values])
    return total


def response(stages: Sequence[Stage], tokens: int) -> tuple[float, float, float]:
    """How an operator answers a sequence of `tokens`, see `scheduler.measure`.

    Returns:
        share of the input that its first result needs; cycles from there to that result; cycles from the first to
        the last result at full speed.
    """
    needed, delay, span = 0, 0.0, 0.0
    counts = [tokens, *(len(s.need) for s in stages)]
    for stage, before in zip(reversed(stages), reversed(counts[:-1]), strict=True):
        steps = np.broadcast_to(np.asarray(stage.interval), (len(stage.need),))
        delay += float(np.broadcast_to(np.asarray(stage.latency), (len(stage.need),))[needed])
        needed = int(stage.need[needed])
        span = max(span, float(steps[1:].sum()), float(stage.intake * (before - 1 - needed)))
    return (needed / (tokens - 1) if tokens > 1 else 0.0), delay, span
