# SPDX-License-Identifier: Apache-2.0
"""Matrix products and convolutions with the server's weights.

Client: F = x1 - A leaves; A also goes through the matrix unit with D = W - B, and the dealer's C1 is added.
Server: x0 + F goes through it with W, and C0 of its generator is added, and the bias.
"""

from __future__ import annotations

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding
from gatewright.lower.secure.party import LOAD, Party
from gatewright.lower.secure.place import Constants, as_fields, places
from gatewright.lower.writer import Stream, pins
from gatewright.ops._matrix import chunks
from gatewright.secure.geometry import Geometry
from gatewright.secure.steps.product import Product
from gatewright.secure.words import signed_bits

MASK, ADDEND = 0, 1
"""Kinds of random words: the client's mask A, the server's share C0 of the product."""


@places(Product)
def place_product(
    party: Party, index: int, step: Product, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """The half of a product that belongs to the party."""
    g, bits, writer = step.geometry, step.bits, party.writer
    inputs = g.tokens * g.inputs
    writer.lines.append(f"  // step {index}: {g.tokens} x {g.inputs} to {g.positions} x {g.outputs} modulo 2**{bits}")
    if party.server:
        operand = party.receive(index, inputs, bits, folding.lanes)
        if source is not None:
            own = writer.change_lanes(source, folding.lanes, f"w{index}")
            both = writer.declare(Stream(f"b{index}", folding.lanes, bits))
            party.add(party.waiting(own, f"own{index}"), operand, both, f"unmask{index}")
            operand = both
        addend = party.random(index, ADDEND, step.count, bits, folding.pe)
        weight, bias = as_fields(constants["weight"]), as_fields(constants["bias"])
        width = signed_bits(int(weight.min(initial=0)), int(weight.max(initial=0)))
    else:
        assert source is not None
        own = writer.change_lanes(source, folding.lanes, f"w{index}")
        mask = party.random(index, MASK, inputs, bits, folding.lanes)
        out, operand = writer.fork(mask, f"mask{index}", 2)
        masked = writer.declare(Stream(f"f{index}", folding.lanes, bits))
        party.add(own, out, masked, f"mask{index}", subtract=True)
        party.send(masked, index, inputs)
        # The mask of an element must not be stuck here before the element has left for the server.
        operand = party.waiting(operand, f"mask{index}")
        addend = party.port(f"c{index}", folding.pe, bits, "the dealer's share of mask times mask")
        weight, bias, width = as_fields(constants["masked"]), None, bits
    return _matrix(party, index, step, folding, operand, addend, (weight, bias, width))


def _matrix(
    party: Party,
    index: int,
    step: Product,
    folding: Folding,
    operand: Stream,
    addend: Stream,
    constants: tuple[Ints, Ints | None, int],
) -> Stream:
    """The matrix unit, with its window if there is one."""
    writer, g, bits = party.writer, step.geometry, step.bits
    weight, bias, width = constants
    if g.window is not None:
        operand = _patches(party, index, g, operand)
    operand = writer.change_lanes(operand, folding.simd, f"v{index}")
    out = writer.declare(Stream(f"n{index}", folding.pe, bits))
    rows = [chunks(weight_rows(weight, g, folding), width)]
    if bias is not None:
        rows.append(chunks(bias.reshape(-1, folding.pe), bits))
    parameters = {
        "In": g.depth,
        "Out": g.outputs // g.groups,
        "Groups": g.groups,
        "Simd": folding.simd,
        "Pe": folding.pe,
        "Width": bits,
        "WeightWidth": width,
        "Bias": int(bias is not None),
        "Load": LOAD,
        "Ultra": int(folding.ultra),
    }
    connections = pins("s", operand.name) | pins("a", addend.name) | pins("m", out.name)
    writer.instance("modular_linear", f"product{index}", parameters, connections | party.link(f"n{index}", *rows))
    return out


def _patches(party: Party, index: int, g: Geometry, operand: Stream) -> Stream:
    """Every position's inputs in one beat, in the order (chunk, tap, lane)."""
    assert g.window is not None
    lanes = operand.lanes
    out = party.writer.declare(Stream(f"e{index}", lanes * g.taps, operand.width))
    shape = {"DataWidth": operand.width, "Lanes": lanes, "Chunks": g.inputs // lanes}
    parameters = shape | g.window.parameters() | {"Circular": int(g.window.circular), "MaxTokens": g.tokens}
    party.writer.instance("patches", f"patches{index}", parameters, pins("s", operand.name) | pins("m", out.name))
    return out


def weight_rows(weight: Ints, g: Geometry, folding: Folding) -> Ints:
    """[groups, depth, outputs / groups] to [rows, PE * SIMD] of the weight store, element `p * SIMD + s`.

    Depth counts taps, then channels; a matrix unit sees chunks of `lanes` channels, each with all taps.
    """
    groups, _, outs = weight.shape
    apart = weight.reshape(groups, g.taps, -1, folding.lanes if g.window else 1, outs)
    order = apart.transpose(0, 4, 2, 1, 3).reshape(groups, outs // folding.pe, folding.pe, -1, folding.simd)
    return np.ascontiguousarray(order.transpose(0, 1, 3, 2, 4)).reshape(-1, folding.pe * folding.simd)
