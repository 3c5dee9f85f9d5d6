# SPDX-License-Identifier: Apache-2.0
"""FIFO depths: what joins need so as not to deadlock, and what bursts need so as not to stall the bottleneck.

**Joins.** When a value forks and both branches meet again, the join cannot take token t of the early branch before
the late branch delivers its token t. Until then the fork has sent the early branch everything that the late branch
needed, so the early branch must hold `#{u : need_early[u] <= need_late[t]} - t` tokens, where `need[t]` is the last
token of the forked value that token t depends on. With less, the fork stops, the late branch starves, and the
design deadlocks. The sequence's final token is different: once it has left the fork nobody starves, so of the tokens
that need it the early branch holds one only, however many follow it (those of a rotation, or of padding behind).
In a U-Net this *lag* is what a skip connection holds: the rows of its image that the deeper levels need before their
first row comes back. Exactly, where a token is a beat, its `stream_fifo` may be two tokens shorter: one waits in the
output register, and the fork gives the newest one to the late branch first (`tests/lower/test_skips.py`).

**Bursts.** A pooling or strided operator delivers a row at once and then nothing for a while. A FIFO behind it that
holds the burst keeps both neighbours busy; its depth is the high-water mark of the cycle model. The same marks keep
the pace at joins: with every link as deep as the simulated schedule fills it, that schedule is still possible, and a
token that comes earlier never delays another one (max-plus). Where lengths vary, only the longest was simulated: there
the early branch also holds what the FIFOs of the late one can hold back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from math import ceil

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding, Graph, Node, most_tokens
from gatewright.schedule import Link, high_water
from gatewright.scheduler.pipeline import LINK


@dataclass(frozen=True)
class Depth:
    """Depth of a FIFO, and why.

    Attributes:
        tokens, channels: the same depth in both units.
    """

    tokens: int
    channels: int
    reason: str


BURST_SLACK = 4
"""Tokens beyond the cycle model's high-water mark, which is a little optimistic about groups of tokens."""
JOIN_SLACK = 2
"""Tokens of the late branch that sit in replay banks and held beats before the first result appears."""


def depths(graph: Graph, foldings: Mapping[str, Folding]) -> dict[Link, Depth]:
    """FIFOs in front of input ports of nodes; links that need none are left out."""
    found: dict[Link, Depth] = {}
    for (name, port), peak in high_water(graph, foldings).items():
        if peak > LINK:
            reason = f"high-water mark of {peak} at full pace by the cycle model, and {BURST_SLACK} to spare"
            found[name, port] = _depth(graph, name, port, peak + BURST_SLACK, reason)
    bursts = dict(found)
    varies = any(not isinstance(kind.tokens, int) for kind in graph.types.values())
    for (name, port), (lag, fork) in join_lags(graph, foldings).items():
        others = [value for i, value in enumerate(graph.node(name).inputs) if i != port]
        held = max(_held(graph, fork, value, bursts) for value in others) if varies else 0
        least = lag + JOIN_SLACK + held
        if (name, port) not in found or found[name, port].tokens < least:
            reason = f"runs up to {lag} tokens ahead of {'the other input' if len(others) == 1 else 'another input'}"
            reason += f" after the fork of {fork}"
            reason += f", whose own FIFOs hold {held}" if held else ""
            found[name, port] = _depth(graph, name, port, least, reason)
    return found


def _depth(graph: Graph, name: str, port: int, tokens: int, reason: str) -> Depth:
    kind = graph.types[graph.node(name).inputs[port]]
    return Depth(tokens, tokens * kind.channels, f"{tokens} tokens: input {port} of {name}: {reason}")


def _held(graph: Graph, fork: str, value: str, bursts: Mapping[Link, Depth]) -> int:
    """Tokens of `value` that the FIFOs between `fork` and `value` can hold back.

    The early branch holds as many more: else a full skip stops the fork while the late branch still has room.
    """
    total, seen, front = 0, {fork}, [value]
    while front:
        name = front.pop()
        if name in seen or name in graph.inputs:
            continue
        seen.add(name)
        for port, source in enumerate(graph.node(name).inputs):
            if (name, port) in bursts:
                scale = most_tokens(graph.types[value].tokens) / most_tokens(graph.types[source].tokens)
                total += ceil(bursts[name, port].tokens * scale)
            front.append(source)
    return total


def _dependence(graph: Graph, foldings: Mapping[str, Folding], fork: str) -> dict[str, Ints]:
    """Per value reachable from `fork`: [tokens] the last token of `fork` that each token depends on."""
    found = {fork: np.arange(most_tokens(graph.types[fork].tokens))}
    for node in graph.nodes:
        sources = [found[i] for i in node.inputs if i in found]
        if not sources or node.name == fork:
            continue
        tokens = min(len(need) for need in sources)
        need = np.max([n[:tokens] for n in sources], axis=0)
        for stage in node.op.stages(foldings[node.name], tokens, *graph.input_types(node)):
            need = need[stage.need]
        found[node.name] = need
    return found


def _dominators(graph: Graph, fork: str) -> dict[str, frozenset[str]]:
    """Per value reachable from `fork`: the values that every path to it goes through, itself and `fork` included."""
    found = {fork: frozenset({fork})}
    for node in graph.nodes:
        sources = [found[i] for i in node.inputs if i in found]
        if sources and node.name != fork:
            found[node.name] = frozenset.intersection(*sources) | {node.name}
    return found


def _lags(node: Node, reach: Mapping[str, Ints], final: int) -> dict[int, int]:
    """Per input port of a join, how many tokens it runs ahead of the latest other one.

    Args:
        final: index of the last token of the forked value.
    """
    found: dict[int, int] = {}
    for early, late in permutations(range(len(node.inputs)), 2):
        need_early, need_late = reach[node.inputs[early]], reach[node.inputs[late]]
        arrived = np.searchsorted(need_early, need_late, side="right")
        before = np.searchsorted(need_early, final, side="left") + 1
        arrived = np.where(need_late == final, np.minimum(arrived, before), arrived)
        found[early] = max(found.get(early, 1), int(np.max(arrived - np.arange(len(need_late)))))
    return found


def join_lags(graph: Graph, foldings: Mapping[str, Folding]) -> dict[Link, tuple[int, str]]:
    """(tokens, forked value) per input of a join whose inputs have a common ancestor; the worst ancestor counts.

    An ancestor behind which the paths meet again in one value does not count: that value is where they part.
    """
    found: dict[Link, tuple[int, str]] = {}
    for fork in (value for value, users in graph.users.items() if len(users) > 1):
        reach, through = _dependence(graph, foldings, fork), _dominators(graph, fork)
        for node in graph.nodes:
            if len(node.inputs) < 2 or any(i not in reach for i in node.inputs):
                continue
            if frozenset.intersection(*(through[i] for i in node.inputs)) != {fork}:
                continue
            for port, lag in _lags(node, reach, len(reach[fork]) - 1).items():
                if (node.name, port) not in found or found[node.name, port][0] < lag:
                    found[node.name, port] = (lag, fork)
    return found
