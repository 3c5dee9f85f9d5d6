# SPDX-License-Identifier: Apache-2.0
"""A design as the scheduler sees it: a directed graph of operators, each a chain of timed stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError

Ints = npt.NDArray[np.int64]


class StageLike(Protocol):
    """What the cycle model reads of a stage; `gatewright.graph.Stage` has it too."""

    @property
    def need(self) -> Ints: ...
    @property
    def interval(self) -> int | Ints: ...
    @property
    def latency(self) -> int: ...


@dataclass(frozen=True)
class Memory:
    """Where the inputs of whole sequences stay until the sequence's last output lets them go.

    Attributes:
        blocks: of the memory; a sequence begins with a block of its own.
        size: tokens of a block.
        sequences: most complete sequences in the memory.
        release: cycles from a sequence's blocks being free to the departure of its last output.
    """

    blocks: int
    size: int
    sequences: int
    release: int


@dataclass(frozen=True, eq=False)
class Stage:
    """One pipelined step for one kind of sequence.

    Attributes:
        need: [out tokens] index of the last input token that output token j waits for; never falling.
        interval: cycles between the departures of two output tokens at full speed; [out tokens] if it varies.
        latency: cycles from the arrival of the needed token's final beat to the departure of the output
            token's final beat.
        intake: cycles between two input tokens taken when no output is due, i.e. beats per input token.
        ahead: input tokens that may be taken although outputs before them have not been started; `NOTHING` for the
            only stage of an operator of one input that passes beats on and keeps no token: it is then a delay of
            `latency`, and must not be slower than what writes to it.
        memory: what inputs wait for instead, where they are kept: a free block.
    """

    need: Ints
    interval: int | Ints
    latency: int
    intake: int = 1
    ahead: int = 0
    memory: Memory | None = None


@dataclass(frozen=True)
class Source:
    """A stream into the design.

    Attributes:
        name: the value it carries.
        tokens: tokens of a sequence of each kind.
        interval: cycles per token, i.e. beats per token.
        period: sequence k does not begin before cycle k * period.
    """

    name: str
    tokens: tuple[int, ...]
    interval: int = 1
    period: int = 0


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator and the links into it.

    Attributes:
        name: the value it makes.
        inputs: values it reads, token by token side by side.
        stages: per kind of sequence, the same number of stages; none for an operator that is wiring.
        queues: tokens that fit on the link of each input; `LINK` where not given.
    """

    name: str
    inputs: tuple[str, ...]
    stages: tuple[tuple[StageLike, ...], ...]
    queues: tuple[int, ...] = ()


NOTHING = -1
"""`Stage.ahead` of an operator that keeps no token."""

LINK = 2
"""Tokens that a link without a FIFO holds: register slice and the reader's own first register."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A design: sources, operators in topological order, and the values that leave it.

    A *kind* of sequence is its index into `Source.tokens` and `Operator.stages`: as a rule, one length.
    """

    sources: tuple[Source, ...]
    operators: tuple[Operator, ...]
    outputs: tuple[str, ...]
    _known: set[str] = field(init=False, repr=False, default_factory=set)

    def __post_init__(self) -> None:
        kinds = len(self.sources[0].tokens) if self.sources else 0
        for source in self.sources:
            self._name(source.name, len(source.tokens), kinds)
        for one in self.operators:
            for value in one.inputs:
                if value not in self._known:
                    raise DataError(f"operator {one.name}", f"reads {value}", ", ".join(sorted(self._known)))
            self._name(one.name, len(one.stages), kinds)
            counts = {len(s) for s in one.stages}
            joins_by_wire = len(one.inputs) != 1 and counts == {0}
            if len(counts) > 1 or not one.inputs or joins_by_wire:
                problem = f"{sorted(counts)} stages for its kinds, {len(one.inputs)} inputs"
                raise DataError(f"operator {one.name}", problem, "equally many stages; at least one to join inputs")
        for value in self.outputs:
            if value not in self._known:
                raise DataError("outputs", f"{value} is not made", ", ".join(sorted(self._known)))

    def _name(self, name: str, kinds: int, wanted: int) -> None:
        if name in self._known:
            raise DataError(f"value {name}", "is made twice", "one maker per value")
        if kinds != wanted or not kinds:
            raise DataError(f"value {name}", f"{kinds} kinds of sequence", f"{wanted or 'one or more'}")
        self._known.add(name)

    @property
    def kinds(self) -> int:
        """Number of kinds of sequence."""
        return len(self.sources[0].tokens)


def as_json(pipeline: Pipeline) -> dict[str, Any]:
    """Plain dictionaries and lists, for a file."""

    def stage(one: StageLike) -> dict[str, Any]:
        extra = {k: getattr(one, k) for k in ("intake", "ahead") if hasattr(one, k)}
        if (memory := getattr(one, "memory", None)) is not None:
            extra["memory"] = asdict(memory)
        need, interval = np.asarray(one.need).tolist(), np.asarray(one.interval).tolist()
        return {"need": need, "interval": interval, "latency": one.latency, **extra}

    return {
        "sources": [
            {"name": s.name, "tokens": list(s.tokens), "interval": s.interval, "period": s.period}
            for s in pipeline.sources
        ],
        "operators": [
            {
                "name": o.name,
                "inputs": list(o.inputs),
                "queues": list(o.queues),
                "stages": [[stage(s) for s in kind] for kind in o.stages],
            }
            for o in pipeline.operators
        ],
        "outputs": list(pipeline.outputs),
    }


def from_json(data: Mapping[str, Any]) -> Pipeline:
    """Inverse of `as_json`.

    Raises:
        DataError: a key is missing or unknown, or the pipeline is not consistent.
    """

    def stages(kinds: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[tuple[Stage, ...], ...]:
        return tuple(tuple(Stage(np.asarray(s["need"], np.int64), **_rest(s)) for s in kind) for kind in kinds)

    def _rest(one: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {k: int(one[k]) for k in ("latency", "intake", "ahead") if k in one}
        paces = one["interval"]
        found["interval"] = np.asarray(paces, np.int64) if isinstance(paces, list) else int(paces)
        return found | ({"memory": Memory(**one["memory"])} if "memory" in one else {})

    try:
        sources = tuple(
            Source(s["name"], tuple(s["tokens"]), s.get("interval", 1), s.get("period", 0)) for s in data["sources"]
        )
        operators = tuple(
            Operator(o["name"], tuple(o["inputs"]), stages(o["stages"]), tuple(o.get("queues", ())))
            for o in data["operators"]
        )
        return Pipeline(sources, operators, tuple(data["outputs"]))
    except (KeyError, TypeError) as error:
        raise DataError("pipeline", f"bad or missing key: {error}", "the form that as_json writes") from None
