# SPDX-License-Identifier: Apache-2.0
"""Cycles of the datapath's blocks in closed form, for planning; `bench/secure_datapath.py` has the RTL's beside them.

Every block is a pipeline of its own, so a stream of queries moves at the pace of the slowest block: exactly so for
dense networks. Convolutions deliver rows at once; where several blocks are about as slow, their bursts do not overlap
wholly, and a network is slower than its slowest block.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from gatewright.graph import Folding
from gatewright.lower.secure.party import Wires, field_bytes, shared_out
from gatewright.secure.geometry import Geometry
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.step import Step
from gatewright.secure.steps.average_pool import WindowSum
from gatewright.secure.steps.product import Product
from gatewright.secure.steps.reveal import Reveal
from gatewright.secure.steps.x2act import X2act

BLOCK_BITS = 512
TURN = 20
"""Cycles that both ends of the link take for a word and its credit, beside the link's own latency."""


def product_cycles(g: Geometry, folding: Folding) -> int:
    """Cycles per query of a matrix unit with its window.

    Without a window the slower of `(depth / SIMD) * (outputs / PE)` per token and of its elements at `lanes` a cycle.
    With one, beats that complete no position come on top (rows and columns before a kernel is full), as nothing between
    window and matrix unit holds more than a position.
    """
    work = g.depth // folding.simd * (g.outputs // folding.pe)
    beats = values_cycles(g.inputs, folding.lanes)
    if g.window is None:
        return g.tokens * max(work, beats)
    rows, columns = g.window.padded_shape(g.tokens)
    out_rows, out_columns = g.window.out_shape(g.tokens)
    busy = (columns - out_columns) * beats + out_columns * max(work, beats)
    return (rows - out_rows) * columns * beats + out_rows * busy


def values_cycles(count: int, lanes: int) -> int:
    """Cycles of `count` elements at `lanes` a cycle: activations, sums of windows, masks, openings."""
    return ceil(count / lanes)


def block_cycles(word: int, quarters: int) -> int:
    """Cycles of one ChaCha20 block: the rounds, its words, and one to begin."""
    return 80 // quarters + BLOCK_BITS // word + 1


def random_cycles(words: int, word: int, quarters: int) -> int:
    """Cycles of `words` words of one stream for one query, in whole blocks."""
    return ceil(words * word / BLOCK_BITS) * block_cycles(word, quarters)


def message_cycles(count: int, bits: int, payload: int) -> int:
    """Words of the link that a message of `count` elements takes; one per cycle without pauses."""
    return ceil(count * field_bytes(bits) / payload)


def credit_cycles(words: int, wires: Wires, latency: int) -> int:
    """Cycles of `words` words of one message when no more than `depth` of them may be on their way.

    Args:
        latency: cycles of one direction of the link.
    """
    return max(words, ceil(words * (2 * latency + TURN) / wires.depth))


def randomness(program: Program, role: Role) -> list[int]:
    """Words per query of every stream that the party's generator makes."""
    found = []
    for step in program.steps:
        if isinstance(step, Product):
            g = step.geometry
            found.append(step.count if role is Role.SERVER else g.tokens * g.inputs)
        elif isinstance(step, X2act) and role is Role.SERVER:
            found += [step.count] * 4
    return found


def blocks(program: Program, foldings: Mapping[int, Folding]) -> dict[int, int]:
    """Cycles per query of every step that has hardware of its own, by step."""
    found = {}
    for index, step in enumerate(program.steps):
        folding = foldings.get(index, Folding())
        if isinstance(step, Product):
            found[index] = product_cycles(step.geometry, folding)
        elif isinstance(step, X2act):
            found[index] = values_cycles(step.count, folding.lanes)
        elif isinstance(step, WindowSum):
            rows, columns = step.geometry.window.padded_shape(step.geometry.tokens) if step.geometry.window else (1, 1)
            found[index] = values_cycles(rows * columns * step.channels, folding.lanes)
    return found


def interval(program: Program, foldings: Mapping[int, Folding], wires: Wires, latency: int = 0) -> dict[str, int]:
    """Cycles per query of everything that queries share, by name; the largest is the interval of a batch.

    The generators' and the link's entries are sums over the steps, as one core and one link serve all of them.

    Args:
        latency: cycles of one direction of the link.
    """
    found = {f"step {k}": v for k, v in blocks(program, foldings).items()}
    for role in Role:
        words = randomness(program, role)
        for core, share in enumerate(shared_out(words, wires.cores)):
            cycles = sum(random_cycles(words[i], program.word, wires.quarters) for i in share)
            found[f"{role.name.lower()}'s generator {core}"] = cycles
    ways = {"up": 0, "down": 0}
    for index, step in enumerate(program.steps):
        for way, (count, bits) in messages(step).items():
            size = message_cycles(count, bits, wires.payload)
            ways[way] += size
            found[f"message {way} of step {index}"] = credit_cycles(size, wires, latency)
    # Credits go back the other way: one frame for a quarter of a queue.
    credit = max(1, wires.depth // 4)
    up, down = ways["up"], ways["down"]
    return found | {"link up": up + ceil(down / credit), "link down": down + ceil(up / credit)}


def messages(step: Step) -> dict[str, tuple[int, int]]:
    """Elements per query and their bits, by direction, that a step sends."""
    if isinstance(step, Product):
        return {"up": (step.geometry.tokens * step.geometry.inputs, step.bits)}
    if isinstance(step, X2act):
        return dict.fromkeys(("up", "down"), (step.count, step.source))
    return {"down": (step.count, step.bits)} if isinstance(step, Reveal) else {}
