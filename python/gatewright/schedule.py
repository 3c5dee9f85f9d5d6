# SPDX-License-Identifier: Apache-2.0
"""Graph to scheduler and back: which foldings there are, what they cost, how long a batch takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from gatewright.boards import Board
from gatewright.errors import BudgetError
from gatewright.graph import Folding, Graph, Node, Stage, Tokens
from gatewright.ops.loop import Loop
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.folding import Choice, Options, Plan, cheapest, search
from gatewright.scheduler.pipeline import Operator, Pipeline, Source

USABLE = 0.8
"""Share of a board's budget that a plan may fill: beyond it, place and route seldom closes timing."""

SETTLING = 4
"""Sequences after which the high-water marks no longer rise."""

Link = tuple[str, int]
"""An input port of a node."""


def tokens_at(tokens: Tokens, n: int) -> int:
    """Number of tokens of an edge when the run-time symbol is `n`."""
    return tokens if isinstance(tokens, int) else tokens.at(n)


def longest(graph: Graph) -> int:
    """Largest value of the run-time symbol, or the number of tokens of the input."""
    return max(k.tokens if isinstance(k.tokens, int) else k.tokens.maximum for k in graph.inputs.values())


def node_stages(graph: Graph, node: Node, folding: Folding, n: int) -> list[Stage]:
    """Timing of one node for one sequence whose run-time symbol is `n`."""
    types = graph.input_types(node)
    return node.op.stages(folding, tokens_at(types[0].tokens, n), *types)


def cycles_per_sequence(stages: Sequence[Stage], tokens: int) -> float:
    """Cycles that the slowest stage needs in steady state for a sequence of `tokens` input tokens."""
    slowest = 0
    for stage in stages:
        slowest = max(slowest, int(np.broadcast_to(stage.interval, len(stage.need)).sum()), stage.intake * tokens)
        tokens = len(stage.need)
    return float(slowest)


def node_cycles(graph: Graph, node: Node, folding: Folding, n: int) -> float:
    """Cycles per sequence of one node in steady state."""
    tokens = tokens_at(graph.input_types(node)[0].tokens, n)
    return cycles_per_sequence(node_stages(graph, node, folding, n), tokens)


def bottleneck(graph: Graph, foldings: Mapping[str, Folding], n: int) -> float:
    """Cycles per sequence of the slowest operator."""
    found = []
    for node in graph.nodes:
        found.append(node_cycles(graph, node, foldings[node.name], n))
        if isinstance(node.op, Loop):
            found.append(len(node.op.bodies) * bottleneck(node.op.bodies[0], inside(foldings, node.name), n))
    return max(found)


def all_nodes(graph: Graph) -> Iterator[tuple[str, tuple[Graph, Node]]]:
    """Every node with the graph that it stands in; those inside a loop (of its first body) as `{loop}.{node}`."""
    for node in graph.nodes:
        yield node.name, (graph, node)
        if isinstance(node.op, Loop):
            yield from ((f"{node.name}.{name}", found) for name, found in all_nodes(node.op.bodies[0]))


def iterations(graph: Graph, name: str) -> int:
    """How often a sequence passes through the node that `all_nodes` calls `name`."""
    op = graph.node(name.split(".")[0]).op
    return len(op.bodies) if "." in name and isinstance(op, Loop) else 1


def inside(foldings: Mapping[str, Folding], loop: str) -> dict[str, Folding]:
    """Foldings of the nodes inside a loop, by their own names."""
    prefix = f"{loop}."
    return {k.removeprefix(prefix): f for k, f in foldings.items() if k.startswith(prefix)}


def options(
    graph: Graph, symbol: int | None = None, most: int = 1 << 14, hardware: Folding | None = None
) -> list[Options]:
    """Every operator with all its legal foldings of at most `most` multipliers.

    Args:
        symbol: value of the run-time length that cycles are counted for; its maximum by default.
        hardware: whose `port`, `banks` and `ultra` all foldings take.
    """
    n, hardware = symbol or longest(graph), hardware or Folding()
    found = []
    for node in graph.nodes:
        found.append(Options(node.name, tuple(_choices(graph, node, n, most, hardware))))
        if isinstance(node.op, Loop):
            body, banks = node.op.bodies[0], len(node.op.bodies)
            found += [_repeated(o, node) for o in options(body, n, most, replace(hardware, banks=banks))]
    return found


def _repeated(inner: Options, loop: Node) -> Options:
    """An operator inside a loop: its cycles times the iterations, and groups no larger than the loop allows."""
    assert isinstance(loop.op, Loop)
    times = len(loop.op.bodies)
    group = max(loop.op.group, min(c.key.tokens for c in inner.choices))
    choices = tuple(replace(c, cycles=c.cycles * times) for c in inner.choices if c.key.tokens <= group)
    return Options(f"{loop.name}.{inner.name}", choices)


def _choices(graph: Graph, node: Node, n: int, most: int, hardware: Folding) -> Iterator[Choice]:
    types = graph.input_types(node)
    for folding in node.op.foldings(*types):
        if folding.simd * folding.pe * folding.tokens <= most:
            folding = replace(folding, port=hardware.port, banks=hardware.banks, ultra=hardware.ultra)
            cycles = node_cycles(graph, node, folding, n)
            yield Choice(folding, cycles, asdict(node.op.cost(folding, *types)))


def fabric(board: Board) -> Folding:
    """What foldings for a board have in common."""
    return Folding(port=board.budget.dsp.pair_port or 0, ultra=board.budget.amounts().get("uram288", 0) > 0)


def plan(graph: Graph, board: Board, target: float | None = None, symbol: int | None = None) -> Plan:
    """Foldings for a board.

    Args:
        target: cycles per sequence that are fast enough; then the least hardware that keeps up. Without it, the
            fastest plan that fits.
        symbol: see `options`.

    Raises:
        BudgetError: nothing fits, or nothing is fast enough; names the resource or operator and the shortfall.
    """
    budget = {k: v * USABLE for k, v in board.budget.amounts().items()}
    found = options(graph, symbol, hardware=fabric(board))
    chosen = search(found, budget) if target is None else cheapest(found, target, budget)
    over = {k: (v, budget[k]) for k, v in chosen.total.items() if v > budget[k]}
    if over:
        text = "; ".join(f"{k}: {need:.0f} needed, {have:.0f} usable" for k, (need, have) in over.items())
        raise BudgetError(
            f"board {board.name}",
            text,
            f"{USABLE:.0%} of the board",
            "allow more cycles per sequence, or choose a larger board",
        )
    return chosen


def _unhurried(graph: Graph, foldings: Mapping[str, Folding], n: int) -> Pipeline:
    """The operators alone, one kind of sequence, fed at the pace of the slowest operator."""
    pace = bottleneck(graph, foldings, n)
    sources = []
    for name, kind in graph.inputs.items():
        tokens = tokens_at(kind.tokens, n)
        sources.append(Source(name, (tokens,), max(1, int(pace // tokens)), round(pace)))
    operators = (
        Operator(node.name, node.inputs, (tuple(node_stages(graph, node, foldings[node.name], n)),))
        for node in graph.nodes
    )
    return Pipeline(tuple(sources), tuple(operators), graph.outputs)


def high_water(graph: Graph, foldings: Mapping[str, Folding]) -> dict[Link, int]:
    """Most tokens that wait on each link when nothing throttles and input arrives at the bottleneck's pace.

    FIFOs of these depths smooth the bursts of strided operators: the design then runs at its bottleneck's pace.
    """
    model = _unhurried(graph, foldings, longest(graph))
    peaks = simulate(model, [0] * SETTLING, unlimited=True).peaks
    # A graph input can wait outside, unless several operators read it.
    waits = {name for name in graph.inputs if len(graph.users[name]) == 1}
    return {(name, port): peak for (name, port), peak in peaks.items() if graph.node(name).inputs[port] not in waits}
