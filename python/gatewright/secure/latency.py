# SPDX-License-Identifier: Apache-2.0
"""A program as the scheduler's blocks: bytes and rounds are the program's own, cycles come from a datapath."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod

from gatewright.errors import DataError
from gatewright.scheduler.secure import Block, Stage
from gatewright.secure.program import Program
from gatewright.secure.step import Step
from gatewright.secure.steps.average_pool import WindowSum
from gatewright.secure.steps.concat import Join
from gatewright.secure.steps.input import Input
from gatewright.secure.steps.max_pool import MaxPool
from gatewright.secure.steps.product import Product
from gatewright.secure.steps.reshape import Reshape

Cycles = Callable[[Step], Sequence[Stage]]
"""Work of a step for one query: one stage before each of its messages and one behind the last, without bytes."""


@dataclass(frozen=True)
class Datapath:
    """Cycles of both parties' hardware: so much per cycle, full at all times, latencies of pipelines not counted.

    Attributes:
        lanes: elements that are masked, opened, combined, truncated or compared bit by bit, or random words made.
        products: products of words that a matrix unit adds up.
    """

    lanes: int = 8
    products: int = 64

    def __post_init__(self) -> None:
        if min(self.lanes, self.products) < 1:
            raise DataError("datapath", f"{self}", "one lane and one product per cycle or more")

    def __call__(self, step: Step) -> tuple[Stage, ...]:
        """See `Cycles`."""
        return self._work(step)

    @singledispatchmethod
    def _work(self, step: Step) -> tuple[Stage, ...]:
        """Element by element: masks ahead, then one pass before each message and one at the end."""
        each = self._passes(step.count)
        rounds = len(step.exchanges())
        random = each if step.correlations() else 0
        return (Stage(each, each, 0, 0, random, random), *(Stage(each, each) for _ in range(rounds)))

    @_work.register(Input)
    @_work.register(Reshape)
    @_work.register(Join)
    def _free(self, step: Step) -> tuple[Stage, ...]:
        return (Stage(),)

    @_work.register(WindowSum)
    def _sums(self, step: WindowSum) -> tuple[Stage, ...]:
        each = self._passes(step.geometry.tokens * step.geometry.inputs)
        return (Stage(each, each),)

    @_work.register(MaxPool)
    def _tournament(self, step: MaxPool) -> tuple[Stage, ...]:
        found: list[Stage] = []
        for level in step.levels():
            each = self._passes(level.count)
            rounds = len(level.exchanges())
            found += [Stage(each, each, 0, 0, each, each), *(Stage(each, each) for _ in range(rounds - 1))]
        last = self._passes(step.count)
        return (*found, Stage(last, last))

    @_work.register(Product)
    def _matrix(self, step: Product) -> tuple[Stage, ...]:
        g = step.geometry
        masks = self._passes(g.tokens * g.inputs)
        sums = self._passes(step.count)
        work = -(-g.positions * g.depth * g.outputs // self.products)
        # The client's product is that of its mask, known before the query.
        return Stage(client=masks, client_ahead=masks), Stage(server=work, server_ahead=sums, client_ahead=work + sums)

    def _passes(self, elements: int) -> int:
        return -(-elements // self.lanes)


def blocks(program: Program, cycles: Cycles | None = None, batch: int = 1) -> tuple[Block, ...]:
    """The steps of a program for `scheduler.secure`.

    Args:
        cycles: of the datapath, `Datapath()` by default.
        batch: queries that go through together: the same rounds, so many times the bytes and cycles.

    Raises:
        DataError: cycles for another number of rounds than a step has, or an empty batch.
    """
    if batch < 1:
        raise DataError("batch", f"{batch}", "1 or more")
    cycles = cycles or Datapath()
    names = [f"{i}.{type(step).__name__.lower()}" for i, step in enumerate(program.steps)]
    return tuple(
        Block(name, type(step).__name__.lower(), _stages(step, name, cycles, batch), needs(step),
              tuple(names[i] for i in step.inputs))
        for name, step in zip(names, program.steps, strict=True)
    )  # fmt: skip


def _stages(step: Step, name: str, cycles: Cycles, batch: int) -> tuple[Stage, ...]:
    work, exchanges = tuple(cycles(step)), step.exchanges()
    if len(work) != len(exchanges) + 1:
        raise DataError(name, f"{len(work)} stages of cycles", f"{len(exchanges) + 1}, one more than rounds")
    stages = [replace(w, up=e.up, down=e.down) for w, e in zip(work, exchanges, strict=False)] + [work[-1]]
    return tuple(Stage(**{k: batch * v for k, v in vars(s).items()}) for s in stages)


def needs(step: Step) -> float:
    """Share of the input that the first output reads: see `scheduler.secure.Block.needs`."""
    geometry = getattr(step, "geometry", None)
    if geometry is None:
        return 0.0
    return float(geometry.index()[0].max() + 1) / geometry.tokens
