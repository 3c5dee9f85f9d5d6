# SPDX-License-Identifier: Apache-2.0
"""Where the channels of a value may change their order, or leave: up to the matrix that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Graph, Node
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.pwl import Pwl
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape

ELEMENTWISE = (Relu, Requantize, Pwl)
"""Operators that do the same to every channel and read one element each."""


@dataclass(frozen=True, eq=False)
class Route:
    """From a value to the matrix that reads it.

    Attributes:
        between: names of the operators in between, in order.
        reader: name of the matrix.
        channels: of the value.
        copies: tokens that a reshape merges into one of the matrix.
        removable: constants that may leave: channel to the value that the matrix reads.
    """

    between: tuple[str, ...]
    reader: str
    channels: int
    copies: int
    removable: Mapping[int, int]

    def reordered(self, graph: Graph, order: Ints) -> dict[str, Node]:
        """The nodes that change when the value has only the channels `order`, in that order.

        Those that are missing are removable.
        """
        found = {}
        for name in self.between:
            node = graph.node(name)
            if isinstance(node.op, Reshape):
                found[name] = replace(node, op=Reshape(node.op.channels // self.channels * len(order)))
        node = graph.node(self.reader)
        op: Any = node.op
        columns = (np.arange(self.copies)[:, None] * self.channels + order).reshape(-1)
        bias = op.bias.copy()
        for channel in set(range(self.channels)) - set(order.tolist()):
            gone = op.weight[:, np.arange(self.copies) * self.channels + channel]
            bias += gone.reshape(len(gone), -1).sum(1) * self.removable[channel]
        found[self.reader] = replace(node, op=replace(op, weight=op.weight[:, columns], bias=bias))
        return found


def route(graph: Graph, name: str, constants: Mapping[int, int]) -> Route | None:
    """The way from a value to the one matrix that reads it; None if its order matters.

    Args:
        constants: channels that have one value in every token.
    """
    channels, copies, between, values = graph.types[name].channels, 1, list[str](), dict(constants)
    while True:
        users = graph.users[name]
        if name in graph.outputs or len(users) != 1:
            return None
        node = graph.node(users[0][0])
        op: Any = node.op
        if isinstance(op, Linear | Conv1d | Conv2d):
            return _reader(op, node.name, channels, copies, between, values)
        if isinstance(op, ELEMENTWISE):
            values = {c: int(op.evaluate(np.array([[v]], np.int64))[0, 0]) for c, v in values.items()}
        elif isinstance(op, Reshape):
            if op.channels % graph.types[name].channels:
                return None
            copies *= op.channels // graph.types[name].channels
        elif isinstance(op, MaxPool):
            # What pads it is below every value; a constant stays what it is.
            pass
        else:
            return None
        between.append(node.name)
        name = node.name


def _reader(op: Any, name: str, channels: int, copies: int, between: list[str], values: dict[int, int]) -> Route | None:
    if type(op) not in (Linear, Conv1d, Conv2d) or op.groups != 1:
        return None
    if type(op) is not Linear and any(op.padding) and not op.circular:
        # Padding is zero, which only a zero is not told from.
        values = {c: v for c, v in values.items() if v == 0}
    return Route(tuple(between), name, channels, copies, values)
