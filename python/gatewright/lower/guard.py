# SPDX-License-Identifier: Apache-2.0
"""The sequence guard in front of a design with a loop: whole sequences only, their lengths, tags, and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatewright.errors import FoldingError
from gatewright.graph import most_tokens
from gatewright.lower.writer import Stream, Writer, pins
from gatewright.ops.loop import Loop

if TYPE_CHECKING:
    from gatewright.lower.rtl import Port

TAG_BITS = 6
"""Bits of a sequence's tag: more sequences than that are never under way."""
CAUSE_BITS = 2
"""Bits of the cause of an error, see `sequence_guard`."""
PARTS = ("data", "valid", "ready")


def place(writer: Writer, inputs: Sequence[Port], loops: Sequence[Loop]) -> tuple[dict[str, Stream], list[str]]:
    """Instantiate the guard; returns the guarded input stream and a stream of lengths for each loop.

    Raises:
        FoldingError: the graph has more than one input.
    """
    if len(inputs) != 1:
        raise FoldingError("loop", f"a graph with {len(inputs)} inputs", "one input in front of a loop")
    (port,) = inputs
    most = most_tokens(port.kind.tokens)
    guarded = writer.declare(Stream("guarded", port.lanes, port.kind.fixed.width))
    lengths = writer.declare(Stream("lengths", 1, most.bit_length()))
    tags = writer.declare(Stream("tags", 1, TAG_BITS))
    writer.lines += ["  assign lengths_last = 1'b0;", "  assign tags_last = 1'b1;"]
    writer.instance(
        "sequence_guard",
        "guard",
        {
            "Width": port.bits,
            "Beats": port.kind.channels // port.lanes,
            "MaxTokens": most,
            "Depth": 2 * most,
            "TagBits": TAG_BITS,
            # Tags also wait with sequences that are before or behind the loop.
            "Sequences": 2 * max(loop.sequences for loop in loops),
        },
        pins("s", port.prefix)
        | {"s_keep": f"{port.prefix}_keep", "s_tag": f"{port.prefix}_tag"}
        | pins("m", guarded.name)
        | pins("n", lengths.name, PARTS)
        | pins("t", tags.name, PARTS)
        | pins("e", "e", PARTS),
    )
    # No value can have a name that starts with a digit, so that these forks and FIFOs stand apart from those of values.
    branches = [b.name for b in writer.fork(lengths, "0lengths", len(loops))]
    writer.lines += [f"  wire logic unused_{b}_last = {b}_last;" for b in branches]
    return {port.value: guarded}, branches


def pair(writer: Writer, outputs: Sequence[Port]) -> None:
    """Give every result its tag: results leave in the order in which their sequences were admitted."""
    first = outputs[0].prefix
    writer.lines += [
        f"  assign {first}_tag = tags_data;",
        f"  assign tags_ready = {first}_valid && {first}_ready && {first}_last;",
        "  wire logic unused_tag = tags_valid && tags_last;",
    ]


def ports() -> list[str]:
    """Port declarations beside the streams."""
    return [
        "    input  wire logic s0_keep@  ///< 0: a beat without data, which only ends a sequence",
        f"    input  wire logic [{TAG_BITS - 1}:0] s0_tag@  ///< of the sequence, on every beat",
        f"    output      logic [{TAG_BITS - 1}:0] m0_tag@  ///< of the sequence that the result belongs to",
        f"    output      logic [{CAUSE_BITS + TAG_BITS - 1}:0] e_data@  ///< malformed sequence: {{cause, tag}}",
        "    output      logic e_valid",
        "    input  wire logic e_ready",
    ]
