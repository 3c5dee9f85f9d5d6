# SPDX-License-Identifier: Apache-2.0
"""Embedding: the row of a table for every token number, plus the row of a second table for its position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, enclosing
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, most_tokens
from gatewright.ops._lanes import SKID_LATENCY, check_lanes
from gatewright.ops._matrix import chunks, sample_fixed
from gatewright.ops._memory_cost import ULTRA_DEPTH
from gatewright.ops._window import memory_cost

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

LATENCY = 5 + SKID_LATENCY
"""Token number, row number, two steps of the memory, sum, register slice."""
BLOCK = 1 << 16
"""Entries that are packed at a time: packing takes one byte per bit, and tables are large."""
POSITION_GUARD = 4
"""Bits by which a position entry is wider than a table entry: there are few of them."""
MOST_ENTRY_BITS = 16
"""Widest position entry that the front end makes."""


@dataclass(frozen=True, eq=False)
class Embedding(Op):
    """`y[t] = sat((table[min(id, rows - 1)] << table_shift) + (positions[t] << position_shift))`.

    The input is one unsigned channel, the token number. Its format reaches every row with no bit to spare; numbers from
    `rows` on, which the format of a table that is no power of two has room for, give the last row.

    Attributes:
        table: [rows, channels] signed integers.
        positions: [most tokens, channels] signed integers; [0, channels] for none.
        table_shift, position_shift: left shift of an entry to the output's binary point, 0 and up.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.embedding.default", "gatewright.token_embedding.default")

    table: Ints
    positions: Ints
    table_shift: int
    position_shift: int
    output: Fixed

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if self.table.ndim != 2 or not len(self.table) or self.positions.shape[1:] != self.table.shape[1:]:
            raise GraphError(
                "embedding.table",
                f"{list(self.table.shape)} with positions {list(self.positions.shape)}",
                "[rows, channels] and [positions, channels]",
            )
        rows, needed = len(self.table), id_width(len(self.table))
        if x.channels != 1 or x.fixed.signed or x.fixed.frac or x.fixed.width != needed:
            raise GraphError(
                "embedding",
                f"{x.channels} channels of {x.fixed}",
                f"one of u{needed}.0 for {rows} rows",
                "narrow the input",
            )
        if len(self.positions) and len(self.positions) < most_tokens(x.tokens):
            raise GraphError("embedding.positions", f"{len(self.positions)}", f"{most_tokens(x.tokens)} and up")
        for name in ("table_shift", "position_shift"):
            if not 0 <= getattr(self, name) <= 30:
                raise GraphError(f"embedding.{name}", f"{getattr(self, name)}", "0 to 30")
        return TensorType(x.tokens, self.table.shape[1], self.output)

    def evaluate(self, *inputs: Ints) -> Ints:
        ids = inputs[0][:, 0]
        sums = self.table[np.minimum(ids, len(self.table) - 1)] << self.table_shift
        if len(self.positions):
            sums = sums + (self.positions[: len(ids)] << self.position_shift)
        return np.clip(sums, self.output.lo, self.output.hi)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Embedding | None:
        (x,) = inputs
        if x.channels != 1 or x.fixed.signed or x.fixed.frac or x.fixed.width > 8:
            return None
        least = (1 << (x.fixed.width - 1)) + 1 if x.fixed.width > 1 else 1
        rows, channels = int(rng.integers(least, (1 << x.fixed.width) + 1)), int(rng.integers(1, 9))
        positions = most_tokens(x.tokens) + int(rng.integers(0, 3)) if rng.random() < 0.7 else 0
        table, places = (
            rng.integers(-(1 << b), 1 << b, (n, channels), dtype=np.int64)
            for b, n in ((int(rng.integers(0, 12)), rows), (int(rng.integers(0, 12)), positions))
        )
        return cls(table, places, int(rng.integers(0, 4)), int(rng.integers(0, 4)), sample_fixed(rng))

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        ids = inputs[0][:, 0].astype(np.int64)
        found = reference.constants["table"][np.minimum(ids, len(self.table) - 1)]
        places = reference.constants["positions"]
        return found + places[: len(ids)] if len(places) else found

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((ids, error),) = inputs
        assert not error.any(), "token numbers are exact"
        own = reference.errors["table"][np.minimum(ids[:, 0].astype(np.int64), len(self.table) - 1)]
        if len(self.positions):
            own = own + reference.errors["positions"][: len(ids)]
        return reference.bound(self.output, self.real([ids], reference), output, own, np.zeros(()), False)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Embedding:
        call.activations(1, "indices", "a table that does not change")
        plain = call.target == "aten.embedding.default"
        call.look_up()
        table, table_shift = call.table("table", call.arg("weight" if plain else "table"), call.config.weight_bits)
        positions, position_shift = np.zeros((0, table.shape[1]), np.int64), 0
        call.constants["positions"] = call.errors["positions"] = positions.astype(np.float64)
        if not plain:
            most = most_tokens(call.input().tokens)
            bits = min(call.config.weight_bits + POSITION_GUARD, MOST_ENTRY_BITS)
            positions, position_shift = call.table("positions", call.arg("positions")[:most], bits)
        return cls(table, positions, table_shift, position_shift, call.output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        channels = self.table.shape[1]
        yield from (Folding(lanes=1, pe=d) for d in range(1, channels + 1) if channels % d == 0)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        lanes, width = folding.pe, self.output.width
        beats = self.table.shape[1] // lanes
        sizes = list(zip(self.widths(), (len(self.table), len(self.positions)), strict=True))
        # Sum, saturation and register slice of a channel; a load chain and counters per table.
        entries = sum(w for w, rows in sizes if rows)
        lane = Cost(lut=1.65 * width, ff=3 * width + entries)
        total = Cost(lut=10, ff=30)
        for _ in range(lanes):
            total += lane
        for w, rows in sizes:
            if rows:
                total += _memory(lanes * w, rows * beats, folding.ultra) + Cost(lut=45, ff=90 + max(0, lanes * w - 32))
        return total

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        beats = self.table.shape[1] // folding.pe
        return [Stage(np.arange(tokens), beats, LATENCY + beats - 1)]

    def widths(self) -> tuple[int, int]:
        """Signed bits of a table entry and of a position entry."""
        table, positions = (
            enclosing(min(int(v.min(initial=0)), -1), int(v.max(initial=0)), 0).width
            for v in (self.table, self.positions)
        )
        return table, positions

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return 1, folding.pe

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,), lanes = inputs, folding.pe
        check_lanes(lanes, self.table.shape[1])
        table, positions = self.widths()
        parameters = {
            "Lanes": lanes,
            "Beats": self.table.shape[1] // lanes,
            "Rows": len(self.table),
            "Positions": len(self.positions),
            "InWidth": x.fixed.width,
            "TableWidth": table,
            "TableShift": self.table_shift,
            "PositionWidth": positions,
            "PositionShift": self.position_shift,
            "OutWidth": self.output.width,
            "OutSigned": int(self.output.signed),
            "Ultra": int(folding.ultra),
        }
        memory = [packed(self.table.reshape(-1, lanes), table)]
        if len(self.positions):
            memory.append(packed(self.positions.reshape(-1, lanes), positions))
        return Instance("embedding", parameters, (1,), lanes, tuple(memory))


def _memory(width: int, depth: int, ultra: bool) -> Cost:
    """Deep tables in UltraRAM of 4096 x 72 bits if there is any, others as `memory_cost` has it; without registers."""
    if ultra and depth >= ULTRA_DEPTH:
        return Cost(uram288=ceil(width / 72) * ceil(depth / 4096))
    found = memory_cost(width, depth)
    return Cost(bram36=found.bram36) if found.bram36 else Cost(lut=found.lut)


def id_width(rows: int) -> int:
    """Bits of a token number for a table of `rows`."""
    return max(1, (rows - 1).bit_length())


def packed(rows: Ints, width: int) -> Ints:
    """`chunks` of a large table, a block at a time."""
    step = max(1, BLOCK // rows.shape[1])
    return np.concatenate([chunks(rows[i : i + step], width) for i in range(0, len(rows), step)])
