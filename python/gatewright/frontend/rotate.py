# SPDX-License-Identifier: Apache-2.0
"""Circular convolutions without the whole sequence in memory: a rotation of tokens moves to where nobody sees it.

Let x' be x rotated by r: `x'[t] = x[(t + r) mod n]`. A circular convolution with `left` tokens in front,
`y[t] = sum_k w[k] x[t + k d - left]`, needs the sequence's end for its first result. But
`y[t + r + left] = sum_k w[k] x'[t + k d]`: with all padding behind, the same integers come out rotated by r + left, and
only the head of x' has to be kept. Token by token operators keep a rotation, branches that meet are brought to the
same one (`Roll`), and a maximum or mean over all tokens forgets it.
"""

from __future__ import annotations

import dataclasses

from gatewright.graph import Graph, Node, least_tokens
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.global_pool import GlobalPool
from gatewright.ops.roll import Roll


def rotate_circular(graph: Graph) -> Graph:
    """pool(f(conv(x))) = pool(rotated f(conv with its padding behind)), for circular f of convolutions and
    token by token operators; a graph in which something else could see the order of tokens stays as it is."""
    if not any(_circular(n) for n in graph.nodes):
        return graph
    turned: dict[str, int] = dict.fromkeys(graph.inputs, 0)
    nodes: list[Node] = []
    taken = {*graph.inputs, *(n.name for n in graph.nodes)}
    rolled: dict[tuple[str, int], str] = {}

    def level(value: str, to: int) -> str | None:
        """The value rotated by `to`; None where a sequence may have no more than the missing part."""
        missing = to - turned[value]
        if not missing:
            return value
        if missing >= least_tokens(graph.types[value].tokens):
            return None
        if (value, to) not in rolled:
            name = f"{value}_roll"
            while name in taken:
                name += "_"
            taken.add(name)
            nodes.append(Node(name, Roll(missing), (value,), "" if value in graph.inputs else graph.node(value).origin))
            rolled[value, to] = name
        return rolled[value, to]

    for node in graph.nodes:
        to = max(turned[i] for i in node.inputs)
        found = [level(i, to) for i in node.inputs]
        op, inputs = node.op, tuple(f for f in found if f is not None)
        if len(inputs) < len(found):
            return graph
        turned[node.name] = to
        if isinstance(op, Conv1d) and _circular(node):
            left = op.padding[0]
            op = dataclasses.replace(op, padding=(0, left + op.padding[-1]))
            turned[node.name] = to + left
        elif isinstance(op, GlobalPool):
            turned[node.name] = 0
        elif to and not (op.each_token or _pointwise(node)):
            return graph
        nodes.append(dataclasses.replace(node, op=op, inputs=inputs))
    if any(turned[o] for o in graph.outputs):
        return graph
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _circular(node: Node) -> bool:
    """A convolution that keeps the number of tokens and needs the sequence's end for its first result."""
    op = node.op
    if not isinstance(op, Conv1d) or not op.circular or op.stride != (1,):
        return False
    return op.padding[0] > 0 and op.padding[0] + op.padding[-1] == (op.weight.shape[2] - 1) * op.dilation[0]


def _pointwise(node: Node) -> bool:
    """A convolution of one tap that moves and adds nothing."""
    op = node.op
    return isinstance(op, Conv1d) and op.weight.shape[2] == 1 and op.stride == (1,) and not any(op.padding)
