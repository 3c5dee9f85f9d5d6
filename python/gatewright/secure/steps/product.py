# SPDX-License-Identifier: Apache-2.0
"""Matrix products and convolutions with the server's weights: one message, from the client to the server."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Node
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.secure.correlated import product as triple
from gatewright.secure.correlated.correlation import Correlation
from gatewright.secure.geometry import Geometry
from gatewright.secure.legality import MOST
from gatewright.secure.multiply import Operand
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.side import Side
from gatewright.secure.step import Exchange, Prepared, Step
from gatewright.secure.words import Words, pack, packed_size, reduced, to_words, unpack


@dataclass(frozen=True)
class Product(Step):
    """`z = x * W + bias` with a one-sided matrix triple (Beaver, CRYPTO 1991), A * B = C0 + C1.

    D = W - B is sent once per model. F = x1 - A goes to the server, which knows W: z0 = (x0 + F) * W + C0 + bias. The
    client has z1 = A * D + C1 before the query, as it does not depend on x. z0 + z1 = (x - A) W + A (D + B) + bias.

    Attributes:
        geometry: which inputs an output sums.
    """

    geometry: Geometry

    def fits(self, *sources: Step) -> bool:
        if len(sources) != 1 or not self.geometry.fits(sources[0].tokens, sources[0].channels, MOST):
            return False
        return (self.geometry.positions, self.geometry.outputs) == (self.tokens, self.channels)

    def needs(self) -> tuple[int, ...]:
        return (self.bits,)

    def correlations(self) -> dict[str, Correlation]:
        return {"triple": triple.Product(self.geometry, self.bits, self.word)}

    def exchanges(self) -> tuple[Exchange, ...]:
        return (Exchange(packed_size(self.geometry.tokens * self.geometry.inputs, self.bits), 0),)

    def per_model(self) -> int:
        return packed_size(int(np.prod(self.geometry.weight_shape)), self.bits)

    def set_up(self, side: Side) -> None:
        if side.server:
            weight = side.secret["weight"]
            side.send(pack(to_words(weight, self.word) - side.fixed("triple")["B"], self.bits))
            side.kept["W"] = Operand.of(weight, self.bits, self.word)
            side.kept["bias"] = to_words(side.secret["bias"], self.word)
        else:
            payload = side.receive(self.per_model())
            masked = unpack(payload, self.geometry.weight_shape, self.bits, self.word)
            side.kept["D"] = Operand.of(masked, self.bits, self.word)

    def prepare(self, side: Side, *shares: Words | None) -> Prepared:
        drawn = side.random("triple")
        if side.server:
            return Prepared(None, {"addend": drawn["C"] + side.kept["bias"]})
        return Prepared(side.kept["D"].apply(self.geometry, drawn["A"]) + drawn["C"], {"A": drawn["A"]})

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        (x,) = shares
        if side.server:
            masked = unpack(side.receive(packed_size(x.size, self.bits)), x.shape, self.bits, self.word)
            product: Words = side.kept["W"].apply(self.geometry, reduced(x + masked, self.bits))
            return product + prepared.data["addend"]
        side.send(pack(x - prepared.data["A"], self.bits))
        assert prepared.result is not None
        return prepared.result


@lowers(Linear)
def lower_linear(builder: Builder, node: Node, op: Linear) -> int:
    """One token, one vector."""
    (kind,) = builder.types(node)
    assert isinstance(kind.tokens, int)
    geometry = Geometry(kind.tokens, kind.channels, len(op.weight), op.groups)
    weight = op.weight.reshape(op.groups, -1, op.weight.shape[1]).transpose(0, 2, 1)
    return _lower(builder, node, op, geometry, weight)


@lowers(Conv1d, Conv2d)
def lower_convolution(builder: Builder, node: Node, op: Conv1d | Conv2d) -> int:
    """A window in front of the product."""
    (kind,) = builder.types(node)
    assert isinstance(kind.tokens, int)
    geometry = Geometry(kind.tokens, kind.channels, len(op.weight), op.groups, op.window())
    apart = op.weight.reshape(op.groups, -1, op.inner, geometry.taps).transpose(0, 3, 2, 1)
    return _lower(builder, node, op, geometry, apart.reshape(geometry.weight_shape))


def _lower(builder: Builder, node: Node, op: Linear | Conv1d | Conv2d, geometry: Geometry, weight: Ints) -> int:
    # One shift for all channels: shifts of single channels would tell how large their weights are.
    shift = int(op.shift.max())
    left = shift - op.shift
    secret = {
        "weight": weight << left.reshape(geometry.groups, 1, -1),
        "bias": op.bias << left,
    }
    index = builder.add(Product, builder.inputs(node), builder.shape(node), None, secret, geometry=geometry)
    return builder.requantized(index, shift, op.output, relu=True)
