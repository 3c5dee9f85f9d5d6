# SPDX-License-Identifier: Apache-2.0
"""A graph of operators as a chain of blocks: cuts only where one tensor carries everything (articulation points)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatewright.errors import DataError
from gatewright.scheduler.sites import Block

INPUT = "input"
"""Name of the sample itself among a node's inputs."""


@dataclass(frozen=True)
class Node:
    """An operator: `seconds` and `bytes` as in `Block`; `inputs` names earlier nodes, or "input"."""

    name: str
    seconds: tuple[float, ...]
    bytes: float
    inputs: Sequence[str]


def series(nodes: Sequence[Node]) -> tuple[Block, ...]:
    """The finest chain: a block ends at every node whose result alone is read by what comes after it.

    Such a node lies on every path from the sample to the end, so the chain does not depend on the order in which
    the nodes are given. A block has the name of its last node and takes the time of all its nodes together.

    Args:
        nodes: in an order in which each comes after what it reads.

    Raises:
        DataError: a name is unknown, late or used twice, or a result is never read.
    """
    readers: dict[str, int] = {INPUT: -1}
    position = {INPUT: -1}
    for index, node in enumerate(nodes):
        if node.name in readers or not node.inputs:
            raise DataError(f"node {node.name}", "its name is taken, or it reads nothing", "a new name, and inputs")
        for name in node.inputs:
            if name not in readers:
                raise DataError(f"node {node.name}", f"reads {name!r}", f"{INPUT!r} or a node before it")
            readers[name] = index
        readers[node.name] = position[node.name] = index
    unread = [n.name for n in nodes[:-1] if readers[n.name] == position[n.name]]
    if unread:
        raise DataError(f"node {unread[0]}", "nobody reads its result", "one end, the last node")
    blocks, group, reach = [], list[Node](), readers[INPUT]
    for index, node in enumerate(nodes):
        group.append(node)
        # `reach` is the last reader of everything before this node.
        if reach <= index:
            seconds = tuple(map(sum, zip(*(n.seconds for n in group), strict=True)))
            blocks.append(Block(node.name, seconds, node.bytes))
            group = []
        reach = max(reach, readers[node.name])
    return tuple(blocks)
