# SPDX-License-Identifier: Apache-2.0
"""Both parties' datapaths in simulation, and whether they computed what the software parties computed, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gatewright.errors import SimulationError
from gatewright.fixed import Ints
from gatewright.lower.secure.pair import PairDesign
from gatewright.lower.secure.party import Boundary, field_bytes
from gatewright.secure.correlated.material import Drawn
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.steps.product import Product
from gatewright.secure.steps.x2act import X2act
from gatewright.secure.words import signed
from gatewright.sim.beats import pack_fields, unpack_fields
from gatewright.sim.library import Buffer, Model

Place = tuple[Role, int]
"""A party, and a step of the program."""


@dataclass(frozen=True)
class Session:
    """What both parties begin with.

    Attributes:
        server, client: secret seeds of 32 bytes.
        first: index of the first query.
    """

    server: bytes
    client: bytes
    first: int


@dataclass(frozen=True, eq=False)
class Transcript:
    """What was seen of some queries.

    Attributes:
        outputs: [queries, tokens, channels] what the client learns, cut to the output's format.
        shares: per place [queries, tokens * channels] words of the step's result modulo its ring.
        messages: per place [queries, bytes] what the party sent.
        cycles: from the first beat of the first query to the last of its results; 0 in software.
        finished: [queries] cycle in which a query's result was complete, counted in the same way.
    """

    outputs: Ints
    shares: Mapping[Place, npt.NDArray[np.uint64]]
    messages: Mapping[Place, npt.NDArray[np.uint8]]
    cycles: int = 0
    finished: Ints | None = None


def simulate(
    design: PairDesign,
    program: Program,
    session: Session,
    x: Ints,
    drawn: Sequence[Drawn],
    *,
    idle: float = 0.0,
    stall: float = 0.0,
    seed: int = 1,
    library: Path | None = None,
    index: int = 0,
) -> Transcript:
    """Send queries through both datapaths.

    Args:
        x: [queries, tokens, channels] integers.
        drawn: the client's randomness of these queries, by step; only the dealer's corrections are taken from it.
        library, index: see `gatewright.sim.library.Model`.
        idle, stall: chance per cycle that an input pauses, or that the result is not taken (without taps only).

    Raises:
        SimulationError: a stall, a broken stream rule, or a failed assertion.
    """
    count = len(x)
    sources = [_session(session.server, session.first), _session(session.client, session.first)]
    for boundary in design.client.inputs:
        values = x if boundary.prefix == "s0" else corrections(program, boundary, drawn)
        sources.append(_source(values.reshape(count, -1), boundary))
    sinks = [Buffer.empty(count * _beats(program, b, design) + 1, -(-b.bits // 32)) for b in design.outputs]
    with Model(design, library, index, seed) as model:
        model.play(sources, sinks, idle=idle, stall=stall, seed=seed)
    shares: dict[Place, npt.NDArray[np.uint64]] = {}
    messages: dict[Place, npt.NDArray[np.uint8]] = {}
    for boundary, sink in zip(design.outputs, sinks, strict=True):
        _check_ends(boundary, sink, count)
        if boundary.prefix == "m0":
            continue
        party, kind = boundary.prefix.split("_")
        place = Role.SERVER if party == "s" else Role.CLIENT, int(kind[1:])
        if kind[0] == "p":
            shares[place] = _elements(sink, boundary, count)
        else:
            messages[place] = sink.data[:-1].view(np.uint8).reshape(count, -1)[:, : _bytes(design, place)]
    (result,) = (k for k, b in enumerate(design.outputs) if b.prefix == "m0")
    last, sink = program.steps[-1], sinks[result]
    found = signed(_elements(sink, design.outputs[result], count), last.bits).reshape(count, last.tokens, last.channels)
    found = np.clip(found, program.output.lo, program.output.hi)
    start = int(sources[2].time[0])
    finished = sink.time[:-1].reshape(count, -1)[:, -1].astype(np.int64) - start + 1
    return Transcript(found, shares, messages, int(finished[-1]), finished)


def differences(rtl: Transcript, software: Transcript) -> list[str]:
    """What is not equal between two transcripts, of all that the first one has; empty when nothing is."""
    found = []
    if not np.array_equal(rtl.outputs, software.outputs):
        found.append(f"{int(np.sum(rtl.outputs != software.outputs))} outputs")
    for name, ours, theirs in (("share", rtl.shares, software.shares), ("message", rtl.messages, software.messages)):
        for (role, step), words in ours.items():
            other = theirs[role, step].reshape(words.shape)
            if not np.array_equal(words, other):
                wrong = int(np.sum(words != other))
                found.append(f"{name} of step {step} at the {role.name.lower()}: {wrong} of {words.size} differ")
    return found


def _session(seed: bytes, first: int) -> Buffer:
    words = np.frombuffer(seed + first.to_bytes(8, "little"), "<u4").reshape(-1, 1)
    last = np.zeros(len(words), np.uint8)
    last[-1] = 1
    return Buffer(np.ascontiguousarray(words), last, np.zeros(len(words), np.uint64))


def corrections(program: Program, boundary: Boundary, drawn: Sequence[Drawn]) -> Ints:
    """[queries, ..] the dealer's words for a port of the client, in their order there.

    Args:
        drawn: see `simulate`.
    """
    index = int(boundary.prefix[1:])
    step = program.steps[index]
    if isinstance(step, Product):
        return drawn[index]["triple"]["C"].astype(np.uint64).view(np.int64)
    assert isinstance(step, X2act)
    powers = drawn[index]["powers"]
    lanes = boundary.lanes // 4
    parts = [powers[n].astype(np.uint64).reshape(len(powers["u"]), -1, lanes) for n in ("u", "uu", "s", "ss")]
    return np.stack(parts, axis=2).view(np.int64)


def _source(values: Ints, boundary: Boundary) -> Buffer:
    """[queries, elements] as sequences, one per query."""
    data = pack_fields(values, boundary.lanes, boundary.width)
    last = np.zeros((len(values), len(data) // len(values)), np.uint8)
    last[:, -1] = 1
    return Buffer(data, last.reshape(-1), np.zeros(len(data), np.uint64))


def _beats(program: Program, boundary: Boundary, design: PairDesign) -> int:
    """Beats per query of an output."""
    if boundary.prefix == "m0":
        return program.steps[-1].count // boundary.lanes
    party, kind = boundary.prefix.split("_")
    half = design.server if party == "s" else design.client
    if kind[0] == "p":
        return program.steps[int(kind[1:])].count // boundary.lanes
    (message,) = (m for m in half.sends if m.step == int(kind[1:]))
    return message.words(half.wires.payload)


def _bytes(design: PairDesign, place: Place) -> int:
    """Bytes of a party's message per query, without the filling of its final word."""
    half = design.server if place[0] is Role.SERVER else design.client
    (message,) = (m for m in half.sends if m.step == place[1])
    return message.elements * field_bytes(message.bits)


def _elements(sink: Buffer, boundary: Boundary, count: int) -> npt.NDArray[np.uint64]:
    """[queries, elements]"""
    values = unpack_fields(sink.data[:-1], boundary.lanes, boundary.width)
    return values.view(np.uint64).reshape(count, -1)


def _check_ends(boundary: Boundary, sink: Buffer, count: int) -> None:
    """Raise SimulationError unless `last` is on the final beat of every query, and nowhere else."""
    ends = np.flatnonzero(sink.last[:-1])
    per_query = (len(sink.last) - 1) // count
    expected = np.arange(1, count + 1) * per_query - 1
    if not np.array_equal(ends, expected):
        problem = f"`last` on beats {ends[:8].tolist()}.."
        raise SimulationError(f"output {boundary.prefix}", problem, f"beats {expected[:8].tolist()}..")
