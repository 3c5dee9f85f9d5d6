# SPDX-License-Identifier: Apache-2.0
"""FIFO depths in front of operators with two inputs, from the token dependences of the two paths.

When a value forks and both branches meet again, the join cannot take token t of the early branch before the late
branch delivers its token t. Until then the fork has sent the early branch everything that the late branch needed,
so the early branch must hold `#{u : need_early[u] <= need_late[t]} - t` tokens, where `need[t]` is the last token
of the forked value that token t depends on. With less, the fork stops, the late branch starves, and the design
deadlocks. On top comes what is in flight in the late branch's pipeline, so that the early one does not throttle it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding, Graph, Node, most_tokens


@dataclass(frozen=True)
class Depth:
    """Depth of a FIFO in channels, and why."""

    channels: int
    reason: str


SLACK_TOKENS = 4
"""Tokens that sit in registers, replay banks and held beats of the late branch."""


def _dependence(graph: Graph, foldings: Mapping[str, Folding], fork: str) -> dict[str, tuple[Ints, int]]:
    """Per value reachable from `fork`: need[t] in tokens of `fork`, and the path's latency in cycles."""
    count = most_tokens(graph.types[fork].tokens)
    found: dict[str, tuple[Ints, int]] = {fork: (np.arange(count), 0)}
    for node in graph.nodes:
        sources = [found[i] for i in node.inputs if i in found]
        if not sources or node.name == fork:
            continue
        tokens = min(len(need) for need, _ in sources)
        need = np.max([n[:tokens] for n, _ in sources], axis=0)
        latency = max(cycles for _, cycles in sources)
        for stage in node.op.stages(foldings[node.name], tokens, *graph.input_types(node)):
            need = need[stage.need]
            latency += stage.latency
        found[node.name] = (need, latency)
    return found


def _pair(graph: Graph, foldings: Mapping[str, Folding], node: Node, fork: str,
          reach: Mapping[str, tuple[Ints, int]]) -> dict[int, Depth]:
    """Depths for the two inputs of `node` because of the fork of `fork`."""
    depths: dict[int, Depth] = {}
    needs = [reach[i] for i in node.inputs]
    for early, late in ((0, 1), (1, 0)):
        need_early, need_late = needs[early][0], needs[late][0]
        arrived = np.searchsorted(need_early, need_late, side="right")
        lag = int(np.max(arrived - np.arange(len(need_late))))
        cycles = max(0, needs[late][1] - needs[early][1])
        kind = graph.types[node.inputs[early]]
        beats = kind.channels // max(1, foldings[node.name].lanes)
        flight = -(-cycles // max(1, beats))
        tokens = max(1, lag) + min(flight, SLACK_TOKENS * 4) + SLACK_TOKENS
        tokens = min(tokens, most_tokens(kind.tokens) + SLACK_TOKENS)
        reason = (f"{tokens} tokens: input {early} of {node.name} runs up to {lag} tokens ahead of input {late} "
                  f"after the fork of {fork}, {cycles} cycles deeper")
        depths[early] = Depth(tokens * kind.channels, reason)
    return depths


def join_depths(graph: Graph, foldings: Mapping[str, Folding]) -> dict[tuple[str, int], Depth]:
    """FIFOs in front of joins whose inputs have a common ancestor, deepest requirement of all ancestors."""
    found: dict[tuple[str, int], Depth] = {}
    forks = [value for value, users in graph.users.items() if len(users) > 1]
    for fork in forks:
        reach = _dependence(graph, foldings, fork)
        for node in graph.nodes:
            if len(node.inputs) < 2 or any(i not in reach for i in node.inputs):
                continue
            for port, depth in _pair(graph, foldings, node, fork, reach).items():
                key = (node.name, port)
                if key not in found or found[key].channels < depth.channels:
                    found[key] = depth
    return found
