# SPDX-License-Identifier: Apache-2.0
"""What the layers of a secure network cost: our programs on an assumed machine, and the figures in PASNet's code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.compress.search import CHOICES, Table, freeze, latencies, supernet
from gatewright.compress.sites import Site, sites
from gatewright.examples._base import accuracy
from gatewright.examples._secure import formats
from gatewright.frontend import Imported, import_model
from gatewright.scheduler.secure import PARTIES, Block, Machine, latency, schedule, serial
from gatewright.scheduler.sites import Link
from gatewright.secure.latency import Datapath, blocks
from gatewright.secure.program import Program, compile_program

Array = npt.NDArray[Any]

MACHINE = Machine(clock=200e6, link=Link(bandwidth=1e9, delay=1e-4))
DATAPATH = Datapath(lanes=8, products=64)
BATCH = 32


@dataclass(frozen=True, eq=False)
class Compiled:
    """A network as two parties run it."""

    imported: Imported

    @classmethod
    def of(cls, model: Any, seen: Array, last: str) -> Compiled:
        """Formats from training images; `last` is the layer that gives the scores."""
        return cls(import_model(model, seen, seen, config=formats(last)))

    @cached_property
    def program(self) -> Program:
        """Its public steps."""
        return compile_program(self.imported.graph)[0]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """For one query."""
        return blocks(self.program, DATAPATH)

    @property
    def seconds(self) -> float:
        """One query alone, block after block."""
        return serial(self.blocks, MACHINE)

    @property
    def batched(self) -> float:
        """Seconds per query of a batch that goes through together."""
        return serial(blocks(self.program, DATAPATH, BATCH), MACHINE) / BATCH

    def accuracy(self, x: Array, y: Array) -> float:
        """Of golden, in fixed point."""
        return accuracy(self.imported.run(x), y)


def pasnet(site: Site, choice: str) -> float:
    """Seconds by the table in PASNet's released code (arXiv 2306.15513; its 0.01 is a scale of the loss).

    Per element it reads: ReLU 1360 ns and 0.4 ms, X2act 3 ns and 0.2 ms, maximum 3/4 of ReLU, average 1 ns.
    """
    relu = 1360e-9 * site.elements + 0.4e-3
    known = {
        "relu": relu,
        "x2act": 3e-9 * site.elements + 0.2e-3,
        "max_pool": 0.75 * relu,
        "average_pool": 1e-9 * site.elements,
    }
    return known[choice]


def cheapest(found: Sequence[Site]) -> dict[str, str]:
    """X2act and averages everywhere."""
    return {s.path: CHOICES[s.kind][1] for s in found}


def ours(teacher: Any, seen: Array, last: str) -> tuple[Table, dict[str, Compiled]]:
    """Seconds of each choice: what a program with one comparison takes longer than that with none.

    The choice without a comparison has the time of its own block. A sum over sites is not quite the program's time: a
    ReLU in front of a maximum moves behind it, so that both together cost less.
    """
    found = sites(teacher, seen)
    base = supernet(teacher, seen, c=10.0, start="dapa").eval()

    def compiled(choices: Mapping[str, str]) -> Compiled:
        return Compiled.of(freeze(base, choices), seen, last)

    plain = compiled(cheapest(found))
    squares = iter([latency(b, MACHINE) for b in plain.blocks if b.kind == "x2act"])
    means = iter([latency(b, MACHINE) for b in plain.blocks if b.kind == "windowsum"])
    own = {s.path: next(squares) if s.kind == "relu" else next(means) for s in found}
    single = {s.path: compiled(cheapest(found) | {s.path: CHOICES[s.kind][0]}) for s in found}

    def model(site: Site, choice: str) -> float:
        extra = single[site.path].seconds - plain.seconds
        return own[site.path] + (extra if choice == CHOICES[site.kind][0] else 0.0)

    return latencies(found, model), {"": plain, **single}


def share(table: Table) -> Table:
    """Latencies as shares of the network that compares everywhere."""
    whole = sum(max(row.values()) for row in table.values())
    return {path: {c: v / whole for c, v in row.items()} for path, row in table.items()}


def total(table: Table, choices: Mapping[str, str]) -> float:
    """Sum over sites."""
    return sum(table[path][choice] for path, choice in choices.items())


def block_rows(networks: Mapping[str, Compiled]) -> list[dict[str, object]]:
    """Every block with messages or windows of some networks; equal ones once."""
    seen, rows = set[tuple[object, ...]](), list[dict[str, object]]()
    for compiled in networks.values():
        for step, block in zip(compiled.program.steps, compiled.blocks, strict=True):
            if not (block.rounds or block.kind == "windowsum"):
                continue
            key = (block.kind, step.count, block.rounds)
            if key in seen:
                continue
            seen.add(key)
            rows.append(_row(step.count, block))
    return sorted(rows, key=lambda r: (str(r["block"]), -int(str(r["elements"]))))


def _row(count: int, block: Block) -> dict[str, object]:
    ahead = [sum(getattr(s, f"{p}_ahead") for s in block.stages) for p in PARTIES]
    return {
        "block": block.kind,
        "elements": count,
        "rounds": block.rounds,
        "bytes up": block.up,
        "bytes down": block.down,
        "bytes per element": f"{(block.up + block.down) / count:.2f}",
        "cycles server": block.cycles("server"),
        "of these ahead": ahead[0],
        "cycles client": block.cycles("client"),
        "ahead": ahead[1],
        "ms alone": f"{latency(block, MACHINE) * 1e3:.3f}",
        "ns per element without delays": f"{undelayed(block) * 1e9 / count:.1f}",
    }


def undelayed(block: Block) -> float:
    """Seconds of a block on a link without delay."""
    return latency(block, MACHINE) - block.rounds * MACHINE.link.delay


def overlap_rows(networks: Mapping[str, Compiled]) -> list[dict[str, object]]:
    """Milliseconds per query: one by one, overlapped, and how far that may be from the best schedule."""
    rows: list[dict[str, object]] = []
    for name, compiled in networks.items():
        row: dict[str, object] = {
            "network": name,
            "rounds": compiled.program.rounds,
            "bytes up": compiled.program.up,
            "bytes down": compiled.program.down,
            "one by one": f"{compiled.seconds * 1e3:.3f}",
        }
        for queries, pieces in ((1, 1), (1, 4), (2, 1), (8, 1), (32, 1)):
            found = schedule(compiled.blocks, MACHINE, queries, pieces=pieces)
            each, least = (1e3 * v / queries for v in (found.seconds, found.bound))
            title = f"{queries} at once" if queries > 1 else f"overlapped, {pieces} piece{'s' * (pieces > 1)}"
            row[title] = f"{each:.3f} (>= {least:.3f})"
        rows.append(row)
    return rows


def relative(values: Sequence[float]) -> str:
    """Mean and range in percent."""
    found = 100 * np.asarray(values)
    return f"{found.mean():.2f} % ({found.min():.1f} to {found.max():.1f})"
