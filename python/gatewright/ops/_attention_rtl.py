# SPDX-License-Identifier: Apache-2.0
"""How top-k attention is folded, timed and spelled in RTL (`rtl/attention/`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Instance, Stage, TensorType, most_tokens
from gatewright.ops import _softmax as softmax
from gatewright.ops._matrix import chunks
from gatewright.ops._selector import LEVELS
from gatewright.scheduler.pipeline import Memory

if TYPE_CHECKING:
    from gatewright.ops.top_k_attention import TopKAttention

MOST_KEYS = 16
"""Most keys per cycle that `foldings` proposes; the sorter's comparators grow with their number times k."""
AHEAD = 2
"""Longest sequences that the token slots of a proposed folding hold: one is at work while the next one comes in."""
LATENCY = 26
"""Cycles from a sequence's final key to its first result, without the steps that depend on its length."""
RELEASE = 6
"""Cycles from free slots to the final result of their sequence, without normalisation."""
PIPELINE = 3
"""Chosen keys on their way from the sorter to the softmax's buffers."""
SEQUENCES = 16
"""Most complete sequences in `attention_memory`."""


@dataclass(frozen=True)
class Shape:
    """The folded unit.

    Attributes:
        heads, dim: heads, channels of each.
        keys: looked at per cycle.
        engines: heads at a time.
        lanes: channels normalised per cycle and engine.
        top: keys that are chosen.
        most: tokens of the longest sequence.
        blocks: of `keys` token slots, 2 and up.
    """

    heads: int
    dim: int
    keys: int
    engines: int
    lanes: int
    top: int
    most: int
    blocks: int

    @staticmethod
    def of(op: TopKAttention, folding: Folding, x: TensorType) -> Shape:
        """The unit of a folding. Raises GraphError, naming what does not divide."""
        most, dim, keys = most_tokens(x.tokens), x.channels // op.heads, folding.simd
        if keys < 1 or keys & (keys - 1):
            raise GraphError("simd", f"{keys} keys per cycle", "a power of two")
        for name, value, whole in (("pe", folding.pe, op.heads), ("lanes", folding.lanes, dim)):
            if whole % value:
                raise GraphError(name, f"{value} does not divide {whole}", "a divisor")
        if folding.tokens < 1:
            raise GraphError("tokens", f"{folding.tokens}", "1 or more longest sequences")
        blocks = max(2, ceil(folding.tokens * most / keys))
        return Shape(op.heads, dim, keys, folding.pe, folding.lanes, min(op.top, most), most, blocks)

    @property
    def groups(self) -> int:
        """Beats per token."""
        return self.heads // self.engines

    def blocks_of(self, tokens: int) -> int:
        """Blocks that a sequence fills."""
        return -(-tokens // self.keys)

    def cycles(self, seen: Ints) -> Ints:
        """Cycles per head of a query that sees so many keys."""
        return np.maximum(np.maximum(-(-seen // self.keys), np.minimum(seen, self.top)), self.dim // self.lanes)


def foldings(op: TopKAttention, x: TensorType) -> Iterator[Folding]:
    """Keys per cycle and heads at a time; as few lanes as do not slow down the longest sequence."""
    most, dim = most_tokens(x.tokens), x.channels // op.heads
    keys = [1 << i for i in range(MOST_KEYS.bit_length()) if 1 << i < 2 * most]
    engines = [e for e in range(1, op.heads + 1) if op.heads % e == 0]
    for pe, simd in sorted(((e, k) for e in engines for k in keys), key=lambda f: (f[0] * f[1], f[0])):
        slowest = max(ceil(most / simd), min(op.top, most))
        lanes = next(n for n in range(1, dim + 1) if dim % n == 0 and dim // n <= max(slowest, 1))
        yield Folding(lanes, simd, pe, AHEAD)


def stages(op: TopKAttention, folding: Folding, tokens: int, x: TensorType) -> list[Stage]:
    """Timing: every query waits for the final key; then one query after another, head by head."""
    shape = Shape.of(op, folding, x)
    departed, first = _departures(shape, np.arange(1, tokens + 1) if op.causal else np.full(tokens, tokens))
    interval = np.diff(departed, prepend=departed[0] - first)
    latency = LATENCY + (shape.dim - 1).bit_length() + int(departed[0])
    memory = Memory(shape.blocks, shape.keys, SEQUENCES, RELEASE + shape.dim // shape.lanes)
    return [Stage(np.full(tokens, tokens - 1), interval, latency, shape.groups, memory=memory)]


def _departures(shape: Shape, seen: Ints) -> tuple[Ints, int]:
    """[queries] when each result leaves, from the start of select; cycles to the first one from the sequence before.

    Select, choice, weights and normalisation of one head each work on a query of their own. The cycles of query s in
    them are its blocks, its chosen keys (twice) and `dim / lanes`; each step holds its result until the next takes it:

        select[s] = max(select[s-1], chosen[s-2]) + blocks
        chosen[s] = max(select[s], chosen[s-1], weights[s-2-p]) + keys      p: that fit the score's pipeline
        weights[s] = max(chosen[s], weights[s-1], normal[s-1] - keys) + keys
        normal[s] = max(weights[s], normal[s-1]) + dim / lanes

    Args:
        seen: [queries] keys that each sees.
    """
    steady = shape.groups * shape.cycles(seen)
    blocks, chosen = -(-seen // shape.keys), np.minimum(seen, shape.top)
    norm = shape.dim // shape.lanes
    if len(set(seen.tolist())) == 1:
        # All heads alike: the slowest step sets the pace.
        head = int(steady[0]) // shape.groups
        departed = int(blocks[0] + 2 * chosen[0]) + norm + int(steady[0]) - head
        return departed + np.arange(len(seen)) * int(steady[0]), int(steady[0])
    select = choice = before = normal = 0
    weights, found = [0] * (2 + PIPELINE), []
    # A second and a third sequence behind it give the period.
    for b, k in list(zip(blocks.tolist(), chosen.tolist(), strict=True)) * 3:
        for _ in range(shape.groups):
            select = max(select, before) + b
            before, choice = choice, max(select, choice, weights[-2 - PIPELINE // k]) + k
            weights.append(max(choice, weights[-1], normal - k) + k)
            normal = max(weights[-1], normal) + norm
        found.append(normal)
    count = len(seen)
    period = found[2 * count] - found[count]
    return np.asarray(found[:count]), max(1, period - (found[count - 1] - found[0]))


def limit_width(x: Fixed) -> int:
    """Bits of a threshold: it may exceed every |x| by one."""
    return max(2, x.width + (not x.signed))


def spell(folding: Folding, ops: Sequence[TopKAttention], inputs: Sequence[tuple[TensorType, ...]]) -> Instance:
    """The module that all `ops` share, and its constants, one row per operator.

    Raises:
        GraphError: the folding does not divide them, or they need different modules.
    """
    first, (q, k, v) = ops[0], inputs[0]
    shape = Shape.of(first, folding, q)
    for n, (one, types) in enumerate(zip(ops, inputs, strict=True)):
        for name in ("heads", "top", "bits", "causal"):
            _same(f"top_k_attention.{name}", n, getattr(one, name), getattr(first, name))
        for name, mine, theirs in zip("qkv", types, inputs[0], strict=True):
            _same(
                name,
                n,
                (mine.tokens, mine.channels, *_kind(mine.fixed)),
                (theirs.tokens, theirs.channels, *_kind(theirs.fixed)),
            )
        _same("top_k_attention.output", n, _kind(one.output), _kind(first.output))
    octave_shift, shift = min(o.scale_shift for o in ops), min(o.shift for o in ops)
    widths = {
        "ScaleWidth": max(softmax.SCALE_BITS, *(o.scale.bit_length() for o in ops)),
        "OctaveShiftBits": (max(o.scale_shift for o in ops) - octave_shift).bit_length(),
        "ShiftBits": (max(o.shift for o in ops) - shift).bit_length(),
        "QueryLimitWidth": limit_width(q.fixed),
        "KeyLimitWidth": limit_width(k.fixed),
    }
    rows = [_row(o, widths, octave_shift, shift) for o in ops]
    parameters = {
        "Heads": shape.heads,
        "Engines": shape.engines,
        "Dim": shape.dim,
        "Keys": shape.keys,
        "Top": shape.top,
        "Bits": first.bits,
        "Causal": int(first.causal),
        "MaxTokens": shape.most,
        "Blocks": shape.blocks,
        "NormLanes": shape.lanes,
        "QueryWidth": q.fixed.width,
        "QuerySigned": int(q.fixed.signed),
        "KeyWidth": k.fixed.width,
        "KeySigned": int(k.fixed.signed),
        "ValueWidth": v.fixed.width,
        "ValueSigned": int(v.fixed.signed),
        "OctaveShiftMin": octave_shift,
        "ShiftMin": shift,
        "OutWidth": first.output.width,
        "OutSigned": int(first.output.signed),
        "Ultra": int(folding.ultra),
        "Banks": len(ops),
    }
    lanes = shape.engines * shape.dim
    memory = chunks(np.array(rows, np.int64), 1)
    return Instance("top_k_attention", parameters | widths, (lanes,) * 3, lanes, (memory,), banked=True)


def _kind(form: Fixed) -> tuple[int, bool]:
    return form.width, form.signed


def _same(place: str, iteration: int, found: object, wanted: object) -> None:
    if found != wanted:
        raise GraphError(place, f"{found} in iteration {iteration}, {wanted} in iteration 0", "equal ones")


def _row(op: TopKAttention, widths: dict[str, int], octave_shift: int, shift: int) -> list[int]:
    """Bits of one row of constants, low bits first: thresholds of keys, of queries, scale, shifts."""
    bits: list[int] = []

    def put(value: int, width: int) -> None:
        bits.extend(value >> i & 1 for i in range(width))

    for limits, width in ((op.k_thresholds, widths["KeyLimitWidth"]), (op.q_thresholds, widths["QueryLimitWidth"])):
        for limit in limits:
            put(limit, width)
        if not LEVELS[op.bits]:
            put(0, 1)
    put(op.scale, widths["ScaleWidth"])
    # A field without bits keeps one, as the module does.
    put(op.scale_shift - octave_shift, max(1, widths["OctaveShiftBits"]))
    put(op.shift - shift, max(1, widths["ShiftBits"]))
    return bits
