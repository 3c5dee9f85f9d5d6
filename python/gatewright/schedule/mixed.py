# SPDX-License-Identifier: Apache-2.0
"""Matrices whose output channels need different widths become several narrower ones; results stay equal bit for bit.

    y = P [W_a x + b_a; W_b x + b_b; ..]

Channels are sorted by width and cut into parts. Each part is a matrix unit with weights of its own width, `concat` puts
the results together, and the permutation P is undone in the columns of the matrix that reads them. Channels without
weights are constants: they leave, and their values times the next matrix's columns join its bias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import numpy as np

from gatewright.boards import Board
from gatewright.fixed import Ints, enclosing
from gatewright.graph import Folding, Graph, Node, TensorType
from gatewright.ops._memory_cost import weigh
from gatewright.ops.concat import Concat
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.schedule.model import MOST, fabric
from gatewright.schedule.rename import Route, route
from gatewright.schedule.sparse import Curve, at_pace, curve, per_token

MATRICES = (Linear, Conv1d, Conv2d)
CUTS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (4,), (6,), (2, 4), (3, 6), (4, 6))
"""Widths up to which channels may be parted from wider ones."""
GRANULES = (1, 2, 4, 8, 16)
"""Channels of a part are a multiple of one of these, so that it can be folded: parts take in narrower channels."""
WORTH = -0.05
"""Mean logarithm of the costs' quotient from which on a matrix is split."""
SLOW = 1.0
"""Logarithm that counts where the parts cannot be as fast as the whole."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The channels of a matrix with the common powers of two taken out of their weights.

    Attributes:
        weight, bias, shift: as of `Linear`.
        widths: [out] bits that each channel's weights need; 0 where all are zero.
    """

    weight: Ints
    bias: Ints
    shift: Ints
    widths: Ints


def with_mixed(graph: Graph, board: Board, pace: float | None = None) -> Graph:
    """The graph with matrices split by width where that pays on a board. Layers inside a `Loop` stay as they are.

    Args:
        pace: cycles per sequence that are fast enough; by default a split has to pay at every speed on average.
    """
    hardware = fabric(board)
    for name in [n.name for n in graph.nodes]:
        # Splitting one matrix changes the columns of the next.
        graph = _split(graph, graph.node(name), hardware, pace)
    return graph


def narrowed(op: Any) -> Rows:
    """What each channel needs.

    `(2**k W x + c) >> s = (W x + (c >> k)) >> (s - k)` for c = bias + half and 0 <= k <= s, as floors nest.
    """
    flat = op.weight.reshape(len(op.weight), -1)
    gcds = np.gcd.reduce(np.abs(flat), axis=1)
    twos = np.array([(int(g) & -int(g)).bit_length() - 1 if g else 0 for g in gcds])
    k = np.clip(np.minimum(twos, op.shift), 0, None)
    half = _half(op.shift)
    shift = op.shift - k
    bias = ((op.bias + half) >> k) - _half(shift)
    weight = op.weight >> k.reshape(-1, *[1] * (op.weight.ndim - 1))
    rows = weight.reshape(len(weight), -1)
    signed = [enclosing(min(int(r.min()), -1), max(int(r.max()), 0), 0).width if r.any() else 0 for r in rows]
    return Rows(weight, bias, shift, np.array(signed))


def _half(shift: Ints) -> Ints:
    return np.asarray(np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0), np.int64)


def _split(graph: Graph, node: Node, hardware: Folding, pace: float | None) -> Graph:
    """The graph with this matrix split, if that pays."""
    op: Any = node.op
    if type(op) not in MATRICES or op.groups != 1 or op.coded:
        return graph
    rows = narrowed(op)
    if rows.widths.min() == rows.widths.max():
        return graph
    way = route(graph, node.name, _constants(op, rows))
    if way is None:
        return graph
    kind = graph.input_types(node)[0]
    whole = _whole(graph, node, kind, hardware, pace)
    gain = _Gain(graph, way, hardware, pace)
    best, least, known = None, WORTH, dict[tuple[tuple[int, ...], int], Curve]()
    for parts in partitions(rows.widths, way.removable):
        ops, sizes = [_part(op, rows, p) for p in parts], [len(p) for p in parts]
        for o in ops:
            # Biases and shifts hardly change what a part costs.
            if (o.weight.shape, o.weight_width) not in known:
                known[o.weight.shape, o.weight_width] = _curve(o, kind, hardware)
        curves = [known[o.weight.shape, o.weight_width] for o in ops]
        saved = _saving(curves, sizes, op.output.width, whole) + gain.of(sum(sizes))
        if saved < least:
            best, least = parts, saved
    return graph if best is None else _applied(graph, node, rows, best, way)


def _constants(op: Any, rows: Rows) -> dict[int, int]:
    """Results of channels without weights."""
    value = np.clip((rows.bias + _half(rows.shift)) >> np.maximum(rows.shift, 0), op.output.lo, op.output.hi)
    return {int(c): int(value[c]) for c in np.flatnonzero((rows.widths == 0) & (rows.shift >= 0))}


def partitions(widths: Ints, removable: Mapping[int, int] | set[int]) -> Iterator[list[Ints]]:
    """Ways to cut the channels, widest first; channels that are in no part are `removable` ones."""
    order = np.argsort(-widths, kind="stable")
    spare = [c for c in order if int(c) in removable]
    needed = np.array([c for c in order if int(c) not in removable], np.int64)
    seen = set()
    for cuts in CUTS:
        for granule in GRANULES:
            ends, filler = _ends(widths[needed], cuts, granule, len(spare))
            if (key := (*ends, filler)) in seen or not ends:
                continue
            seen.add(key)
            every = np.concatenate([needed, np.array(spare[:filler], np.int64)])
            # Within a part the order stays that of the model.
            yield [np.sort(every[a:b]) for a, b in zip((0, *ends), ends, strict=False)]


def _ends(widths: Ints, cuts: tuple[int, ...], granule: int, spare: int) -> tuple[list[int], int]:
    """Where parts of channels sorted by width end, and how many spare channels fill the last one."""
    total, ends = len(widths), list[int]()
    filler = min(spare, -total % granule) if total else min(spare, granule)
    for cut in sorted(cuts, reverse=True):
        wide = int(np.count_nonzero(widths > cut))
        end = -(-wide // granule) * granule
        if (ends[-1] if ends else 0) < end < total + filler:
            ends.append(end)
    return ([*ends, total + filler] if total + filler else []), filler


def _part(op: Any, rows: Rows, part: Ints) -> Any:
    """The operator of some channels."""
    return replace(
        op,
        weight=rows.weight[part],
        bias=rows.bias[part],
        shift=rows.shift[part],
        weight_width=max(1, int(rows.widths[part].max())),
        codebook=None,
    )


def _curve(op: Any, kind: TensorType, hardware: Folding) -> Curve:
    """Cycles per token against cost of a matrix."""
    found = []
    for f in op.foldings(kind):
        if f.simd * f.pe * f.tokens > MOST:
            continue
        at = replace(f, port=hardware.port, ultra=hardware.ultra)
        unit = op.matrix(kind.fixed)
        found.append((unit.interval(f) / f.tokens, weigh(op.cost(at, kind))))
    return curve(iter(found))


def _whole(graph: Graph, node: Node, kind: TensorType, hardware: Folding, pace: float | None) -> Curve:
    """What a matrix costs as it is, at the pace that is asked for."""
    return at_pace(_curve(node.op, kind, hardware), per_token(graph, node, pace))


class _Gain:
    """What the matrix behind saves when channels leave."""

    def __init__(self, graph: Graph, way: Route, hardware: Folding, pace: float | None) -> None:
        self.node, self.way, self.hardware = graph.node(way.reader), way, hardware
        self.kind = graph.input_types(self.node)[0]
        self.known: dict[int, float] = {way.channels: 0.0}
        self.whole = _whole(graph, self.node, self.kind, hardware, pace) if way.removable else []

    def of(self, channels: int) -> float:
        """Mean logarithm of its costs' quotient when so many are left."""
        if channels not in self.known:
            op: Any = self.node.op
            count = channels * self.way.copies
            fewer = replace(op, weight=op.weight[:, :count], codebook=None)
            made = _curve(fewer, replace(self.kind, channels=count), self.hardware)
            self.known[channels] = _saving([made], [channels], 0, self.whole)
        return self.known[channels]


def _saving(parts: Sequence[Curve], sizes: Sequence[int], width: int, whole: Curve) -> float:
    """Mean of log(cost of the parts / cost of the whole) at the whole's cycles."""
    ratios = []
    for cycles, cost in whole:
        each = [[c for t, c in one if t <= cycles] for one in parts]
        join = _joined(sizes, width, cycles)
        fits = join is not None and all(each)
        ratios.append(np.log((sum(c[-1] for c in each) + (join or 0.0)) / cost) if fits else SLOW)
    return float(np.mean(ratios))


def _joined(sizes: Sequence[int], width: int, cycles: float) -> float | None:
    """Cost of putting the parts together at a pace; None if they have no common lanes that are enough."""
    total, cost = sizes[0], 0.0
    for size in sizes[1:]:
        common = gcd(total, size)
        total += size
        lanes = [d for d in range(1, common + 1) if common % d == 0 and total / d <= cycles]
        if not lanes:
            return None
        cost += 2 * lanes[0] * width * 1.5 + 18
    return cost


def _applied(graph: Graph, node: Node, rows: Rows, parts: Sequence[Ints], way: Route) -> Graph:
    """The graph with the parts in place of the node, and its readers for the new order of channels."""
    made: list[Node] = []
    taken = {*graph.types}

    def add(base: str, op: Any, inputs: tuple[str, ...]) -> str:
        name, count = base, 0
        while name in taken:
            name, count = f"{base}_{count + 1}", count + 1
        taken.add(name)
        made.append(Node(name, op, inputs, node.origin))
        return name

    ops = [_part(node.op, rows, p) for p in parts]
    if len(ops) == 1:
        made = [replace(node, op=ops[0])]
    else:
        names = [add(f"{node.name}_w{op.weight_width}", op, node.inputs) for op in ops]
        joined = names[0]
        for k, name in enumerate(names[1:], 2):
            if k < len(names):
                joined = add(f"{node.name}_joined", Concat(), (joined, name))
            else:
                # The last one has the name of the whole.
                made.append(Node(node.name, Concat(), (joined, name), node.origin))
    order = np.concatenate(parts)
    readers = way.reordered(graph, order)
    nodes = [m for n in graph.nodes for m in (made if n is node else [readers.get(n.name, n)])]
    return replace(graph, nodes=tuple(nodes))
