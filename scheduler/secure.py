# SPDX-License-Identifier: Apache-2.0
"""Two parties compute a network in turns and messages: what a query costs, and when everything happens.

A block is a row of stages. In a stage both parties work on what they have; then each may send the other one message,
and the next stage of a party waits for its own work and for what the other sent. That is the performance model of
PASNet (arXiv 2306.15513: compute, plus a base time and bytes over bandwidth per message), with two additions: work that
waits for no data of the query (masks; products of a mask) is told apart, and both directions of the link carry at once.
`latency` adds everything up; `schedule` lets work and messages of all blocks and of several queries overlap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gatewright.errors import DataError
from gatewright.scheduler.overlap import Overlap, Task, overlap
from gatewright.scheduler.sites import Link

PARTIES = ("server", "client")
UP, DOWN = "up", "down"
"""Directions of the link: from the client to the server, and back."""
END = "end"
"""A task without work behind everything of a query, and its unit."""


@dataclass(frozen=True)
class Stage:
    """Work of both parties, then at most one message each way.

    Attributes:
        server, client: cycles that need what came before.
        up, down: bytes from the client to the server, and back; 0: no message.
        server_ahead, client_ahead: cycles before that work which need nothing of the query.
    """

    server: int = 0
    client: int = 0
    up: int = 0
    down: int = 0
    server_ahead: int = 0
    client_ahead: int = 0


@dataclass(frozen=True)
class Block:
    """A step of a network.

    Attributes:
        name: unique.
        kind: for tables, e.g. "relu".
        stages: at least one.
        needs: share of its input without which it can give nothing: 0 element by element, 1 for a dense layer, in
            between for windows. Counts where a query is cut into pieces.
        inputs: names of blocks that it reads; None: the block before.
    """

    name: str
    kind: str
    stages: tuple[Stage, ...]
    needs: float = 1.0
    inputs: tuple[str, ...] | None = None

    @property
    def rounds(self) -> int:
        """Stages that end with a message."""
        return sum(bool(s.up or s.down) for s in self.stages)

    @property
    def up(self) -> int:
        """Bytes from the client to the server."""
        return sum(s.up for s in self.stages)

    @property
    def down(self) -> int:
        """Bytes from the server to the client."""
        return sum(s.down for s in self.stages)

    def cycles(self, party: str) -> int:
        """Of all work of "server" or "client"."""
        return sum(getattr(s, party) + getattr(s, f"{party}_ahead") for s in self.stages)


@dataclass(frozen=True)
class Machine:
    """What the parties run on.

    Attributes:
        clock: of both datapaths, in hertz.
        link: bandwidth of each direction, and the delay until a message arrives.
        per_message: seconds that a message keeps its direction busy beside its bytes.
        shared: one datapath per party that all blocks take turns on; else every block has its own.
    """

    clock: float
    link: Link
    per_message: float = 0.0
    shared: bool = False

    def __post_init__(self) -> None:
        link = self.link.bandwidth > 0 and 0 <= self.link.delay < math.inf
        if not (self.clock > 0 and link and 0 <= self.per_message < math.inf):
            raise DataError("machine", f"{self}", "positive clock and bandwidth, delays of 0 s or more")

    def sending(self, size: float) -> float:
        """Seconds for which a message of `size` bytes keeps its direction busy."""
        return self.per_message + size / self.link.bandwidth if size else 0.0


def check(blocks: Sequence[Block]) -> None:
    """Raise DataError unless names are unique, known before they are read, and all figures possible."""
    seen: set[str] = set()
    for block in blocks:
        if block.name in seen or not block.stages or not 0 <= block.needs <= 1:
            problem = f"name taken, {len(block.stages)} stages, or needs = {block.needs}"
            raise DataError(f"block {block.name}", problem, "a new name, one stage or more, needs from 0 to 1")
        wrong = [n for n in block.inputs or () if n not in seen]
        if wrong:
            raise DataError(f"block {block.name}", f"reads {wrong[0]!r}", f"a block before it: {', '.join(seen)}")
        if any(v < 0 for s in block.stages for v in asdict(s).values()):
            raise DataError(f"block {block.name}", "negative cycles or bytes", "0 or more")
        seen.add(block.name)


def latency(block: Block, machine: Machine) -> float:
    """Seconds of a block alone, nothing overlapped but the parties and the two directions with each other."""
    total = 0.0
    for stage in block.stages:
        work = max(stage.server + stage.server_ahead, stage.client + stage.client_ahead) / machine.clock
        message = max(stage.up, stage.down)
        total += work + (machine.sending(message) + machine.link.delay if message else 0.0)
    return total


def serial(blocks: Sequence[Block], machine: Machine, queries: int = 1) -> float:
    """Seconds of queries one after the other, block after block: `latency` added up."""
    return queries * sum(latency(block, machine) for block in blocks)


def load(blocks: Sequence[Block], machine: Machine) -> dict[str, float]:
    """Seconds per query for which each unit is busy; the greatest limits how many queries per second are possible."""
    check(blocks)
    found: dict[str, float] = {}
    for task in tasks(blocks, machine):
        if task.unit != END:
            found[task.unit] = found.get(task.unit, 0.0) + task.seconds
    return found


def schedule(
    blocks: Sequence[Block],
    machine: Machine,
    queries: int = 1,
    *,
    in_flight: int | None = None,
    pieces: int = 1,
    policy: str = "best",
) -> Overlap:
    """When each part of some queries is computed and sent, all of them being there at time 0.

    Args:
        in_flight: a query enters when that many before it, less one, are done; None: no limit.
        pieces: of every query's work and messages; a piece goes on as soon as `Block.needs` lets it.
        policy: of `overlap`.

    Raises:
        DataError: blocks that do not fit together, counts below 1, or no such policy.
    """
    check(blocks)
    if min(queries, pieces, in_flight or 1) < 1:
        raise DataError("schedule", f"queries {queries}, pieces {pieces}, in_flight {in_flight}", "1 or more")
    found: list[Task] = []
    one = tasks(blocks, machine, pieces)
    for query in range(queries):
        start = len(found)
        # The last task of a query is its end.
        gate = ((start - (in_flight - 1) * len(one) - 1, 0.0),) if in_flight and query >= in_flight else ()
        for task in one:
            after = tuple((i + start, lag) for i, lag in task.after)
            found.append(replace(task, after=after + gate, query=query))
    return overlap(found, policy)


@dataclass
class _Done:
    """Tasks behind which each party has each piece of a block's result: [pieces] lists of (task, lag)."""

    server: list[list[tuple[int, float]]]
    client: list[list[tuple[int, float]]]


def tasks(blocks: Sequence[Block], machine: Machine, pieces: int = 1) -> list[Task]:
    """One query as tasks on units; the last one is its end."""
    found: list[Task] = []
    none: list[list[tuple[int, float]]] = [[] for _ in range(pieces)]
    done, previous = {"": _Done(none, none)}, ""
    for block in blocks:
        names = (previous,) if block.inputs is None else block.inputs or ("",)
        inputs = _Done(*(_needed([getattr(done[n], party) for n in names], block.needs, pieces) for party in PARTIES))
        for number, stage in enumerate(block.stages):
            inputs = _stage(found, block, number, stage, inputs, machine, pieces)
        done[block.name], previous = inputs, block.name
    last = {i: lag for d in done.values() for side in (d.server, d.client) for p in side for i, lag in p}
    found.append(Task(END, END, 0.0, tuple(last.items())))
    return found


def _needed(
    inputs: Sequence[list[list[tuple[int, float]]]], needs: float, pieces: int
) -> list[list[tuple[int, float]]]:
    """Per piece of a result what must be there: a share `needs` of the input, and the rest evenly with the result."""
    found = []
    for piece in range(pieces):
        last = min(pieces, math.ceil(pieces * needs + (piece + 1) * (1 - needs) - 1e-9))
        found.append([task for one in inputs for earlier in one[:last] for task in earlier])
    return found


def _stage(
    found: list[Task], block: Block, number: int, stage: Stage, inputs: _Done, machine: Machine, pieces: int
) -> _Done:
    """Append a stage's tasks; what the next stage waits for at each party."""
    name = f"{block.name}.{number}"
    ready = _Done([], [])
    for piece in range(pieces):
        sent: dict[str, list[tuple[int, float]]] = {}
        for party, direction in zip(PARTIES, (DOWN, UP), strict=True):
            unit = party if machine.shared else f"{party}.{block.name}"
            wait = list(getattr(inputs, party)[piece])
            early = getattr(stage, f"{party}_ahead") / machine.clock / pieces
            work = getattr(stage, party) / machine.clock / pieces
            if early:
                found.append(Task(f"{name}.ahead", unit, early))
                wait.append((len(found) - 1, 0.0))
            if work:
                found.append(Task(name, unit, work, tuple(wait)))
                wait = [(len(found) - 1, 0.0)]
            size = getattr(stage, direction)
            if size:
                seconds = machine.sending(size / pieces)
                found.append(Task(name, direction, seconds, tuple(wait)))
                sent[direction] = [(len(found) - 1, machine.link.delay)]
            getattr(ready, party).append(wait)
        ready.server[piece] = ready.server[piece] + sent.get(UP, [])
        ready.client[piece] = ready.client[piece] + sent.get(DOWN, [])
    return ready


def as_json(blocks: Sequence[Block], machine: Machine) -> dict[str, Any]:
    """Plain dictionaries and lists."""
    return {"blocks": [asdict(b) for b in blocks], "machine": asdict(machine)}


def from_json(data: Mapping[str, Any]) -> tuple[tuple[Block, ...], Machine]:
    """Inverse of `as_json`.

    Raises:
        DataError: a key is missing or unknown, or a block is wrong.
    """
    try:
        blocks = []
        for one in data["blocks"]:
            inputs = None if one.get("inputs") is None else tuple(one["inputs"])
            blocks.append(Block(**{**one, "stages": tuple(Stage(**s) for s in one["stages"]), "inputs": inputs}))
        machine = Machine(**{**data["machine"], "link": Link(**data["machine"]["link"])})
    except (KeyError, TypeError) as error:
        raise DataError("blocks", f"bad or missing key: {error}", "the form that as_json writes") from None
    check(blocks)
    return tuple(blocks), machine
