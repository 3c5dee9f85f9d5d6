# SPDX-License-Identifier: Apache-2.0
"""A pipeline's operators as units and links, to which sequences are appended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gatewright.errors import DataError, SimulationError
from gatewright.scheduler.link import ENDLESS, Link
from gatewright.scheduler.network import Feeder, Relay, Writer, renumber
from gatewright.scheduler.pipeline import LINK, NOTHING, Operator, Pipeline
from gatewright.scheduler.trace import Span
from gatewright.scheduler.unit import Unit, Work


@dataclass(eq=False)
class Section:
    """A pipeline wired between given writers of its sources and whoever reads its values.

    Attributes:
        writers: maker of each value.
        units: the stages of each operator.
        links: links into operators, by (operator, input).
        prefix: of operators' names in spans and marks.
    """

    pipeline: Pipeline
    writers: dict[str, Writer]
    units: list[tuple[Operator, list[Unit]]] = field(default_factory=list)
    links: dict[tuple[str, int], Link] = field(default_factory=dict)
    prefix: str = ""
    _inner: list[tuple[Link, Unit]] = field(default_factory=list)
    _works: dict[int, tuple[list[tuple[Unit, Work]], dict[str, int]]] = field(default_factory=dict)

    @property
    def workers(self) -> list[Unit]:
        """All units, writers before readers."""
        return [unit for _, units in self.units for unit in units]

    def append(self, kind: int) -> dict[str, int]:
        """One more sequence of this kind; the number of tokens of every value.

        Raises:
            DataError: stages and token counts do not fit together.
        """
        if kind not in self._works:
            self._works[kind] = self._work(kind)
        works, counts = self._works[kind]
        for unit, work in works:
            unit.append(work)
        for link, writer in self._inner:
            link.queue = max(LINK, writer.burst)
        return counts

    def _work(self, kind: int) -> tuple[list[tuple[Unit, Work]], dict[str, int]]:
        works = []
        counts = {source.name: source.tokens[kind] for source in self.pipeline.sources}
        for operator, units in self.units:
            tokens = counts[operator.inputs[0]]
            for port, value in enumerate(operator.inputs):
                if counts[value] != tokens:
                    problem = f"input {port} ({value}) has another number of tokens"
                    raise DataError(f"operator {operator.name}", problem, "equally long inputs")
            # Without units, an operator is wiring or keeps nothing.
            for unit, stage in zip(units, operator.stages[kind], strict=False):
                works.append((unit, Work.of(stage, tokens, unit.name)))
                tokens = len(stage.need)
            counts[operator.name] = tokens
        return works, counts

    def spans(self, sequence: int, kind: int, iteration: int = 0) -> Iterator[Span]:
        """The latest sequence in every operator, once it has left them all."""
        works = dict(self._works[kind][0])
        for operator, units in self.units:
            if units:
                head, tail = units[0], units[-1]
                begin, end = head.taken.times[head.first[0]], tail.left.times[-1]
                first, busy = tail.left.times[tail.first[1]], max(works[unit].cycles for unit in units)
                yield Span(self.prefix + operator.name, sequence, iteration, begin, first, end, busy)

    def trim(self) -> None:
        """Forget what nothing reads any more; only between sequences whose `spans` have been asked for."""
        for unit in self.workers:
            unit.trim()
        renumber([*self.links.values(), *(link for link, _ in self._inner)])

    def peaks(self) -> dict[tuple[str, int], int]:
        """Most tokens on each link so far."""
        return {key: link.measure() for key, link in self.links.items()}

    def busy(self) -> dict[str, int]:
        """Cycles of work of each operator so far: those of its slowest stage."""
        return {operator.name: max(unit.busy for unit in units) for operator, units in self.units if units}


def wire(pipeline: Pipeline, writers: Mapping[str, Writer], unlimited: bool = False) -> Section:
    """Units and links of a pipeline whose sources are given, without any sequence yet.

    Args:
        unlimited: links between operators never fill.
    """
    section = Section(pipeline, dict(writers))
    for operator in pipeline.operators:
        section.units.append((operator, units := []))
        first = operator.stages[0]
        if not first or keeps_nothing(operator):
            writer = section.writers[operator.inputs[0]]
            section.writers[operator.name] = Relay(writer, first[0].latency) if first else writer
            continue
        units += [Unit(name=f"operator {operator.name}, stage {index}") for index in range(len(first))]
        for port, value in enumerate(operator.inputs):
            given = operator.queues[port] if port < len(operator.queues) else LINK
            link = Link(ENDLESS if unlimited else given)
            section.links[operator.name, port] = link
            section.writers[value].attach(link)
            units[0].read(link)
        for unit, reader in zip(units, units[1:], strict=False):
            link = Link(LINK)
            section._inner.append((link, unit))
            unit.attach(link)
            reader.read(link)
        section.writers[operator.name] = units[-1]
    return section


def feeders(pipeline: Pipeline) -> dict[str, Feeder]:
    """One per source."""
    return {source.name: Feeder(interval=source.interval) for source in pipeline.sources}


def keeps_nothing(operator: Operator) -> bool:
    """One stage that takes an input token as its output token leaves."""
    return len(operator.inputs) == 1 and all(
        len(stages) == 1 and getattr(stages[0], "ahead", 0) == NOTHING for stages in operator.stages
    )


def check_done(units: Iterable[Unit], links: Mapping[tuple[str, int], Link]) -> None:
    """Every expected token has left, after `run`.

    Raises:
        SimulationError: tokens remain but none can move.
    """
    for unit in units:
        if len(unit.left.times) < len(unit.need):
            full = [
                f"input {port} of {name} ({link.queue} tokens)" for (name, port), link in links.items() if link.full
            ]
            raise SimulationError(
                unit.name,
                f"deadlock: it waits for token {unit.need[len(unit.left.times)]}, and these links are full: "
                f"{', '.join(full)}",
                "a queue that holds what one branch runs ahead of the other",
                "deepen the queue of the join's inputs",
            )
