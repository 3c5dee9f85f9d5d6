# SPDX-License-Identifier: Apache-2.0
"""Graph to program: which steps an operator becomes, and how many bits every ring has.

Rings are planned from the output backwards: revealing a value takes its own bits; a truncation takes as many more as
it drops; a product takes its result's; activations need to know the sign and start anew from their input's own range.
Where a result cannot have the bits that a reader needs, `Extend` widens it. Nothing here depends on secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gatewright.errors import RingError
from gatewright.fixed import Fixed
from gatewright.graph import Graph, Node, Op, TensorType
from gatewright.secure.program import Program, Secrets
from gatewright.secure.step import Secret, Step
from gatewright.secure.words import signed_bits, word_type

Span = tuple[int, int]
"""Least and greatest integer that a value can be, saturation not counted."""
Lowering = Callable[["Builder", Node, Any], int]
LOWERINGS: dict[type[Op], Lowering] = {}
S = TypeVar("S", bound=Step)


def lowers(*operators: type[Op]) -> Callable[[Lowering], Lowering]:
    """Register how operators become steps: a function of builder, node and operator; it gives the last step's index."""

    def register(function: Lowering) -> Lowering:
        for operator in operators:
            LOWERINGS[operator] = function
        return function

    return register


@dataclass(frozen=True)
class Planned:
    """A step with what planning knows about it.

    Attributes:
        step: its ring is not decided yet.
        span: of its result; None for a sum before truncation, which is known modulo its ring only.
        secret: the server's integers.
        origin: node that it comes from.
    """

    step: Step
    span: Span | None
    secret: Secret
    origin: str


@dataclass
class Builder:
    """Steps so far.

    Attributes:
        graph: what is planned.
        word, margin, ride_along: see `compile_program`.
        values: index of the step that computes a value of the graph.
    """

    graph: Graph
    word: int
    margin: int
    ride_along: bool
    planned: list[Planned] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)
    origin: str = ""

    def add(
        self,
        kind: type[S],
        inputs: tuple[int, ...],
        shape: tuple[int, int],
        span: Span | None,
        secret: Secret | None = None,
        **fields: Any,
    ) -> int:
        """Append a step of `shape` (tokens, channels); its index."""
        step = kind(inputs, *shape, fields.pop("bits", 1), self.word, **fields)
        self.planned.append(Planned(step, span, secret or {}, self.origin))
        return len(self.planned) - 1

    def inputs(self, node: Node) -> tuple[int, ...]:
        """Steps that a node reads."""
        return tuple(self.values[name] for name in node.inputs)

    def types(self, node: Node) -> tuple[TensorType, ...]:
        """Types that a node reads."""
        return self.graph.input_types(node)

    def shape(self, node: Node) -> tuple[int, int]:
        """(tokens, channels) of a node's result."""
        found = self.graph.types[node.name]
        assert isinstance(found.tokens, int)
        return found.tokens, found.channels

    def span(self, index: int) -> Span:
        """Range of a step's result."""
        found = self.planned[index].span
        assert found is not None
        return found

    def widened(self, form: Fixed, deep: bool = False) -> Span:
        """Range of what golden saturates to `form`.

        Args:
            deep: saturation at 0 is a ReLU, below which calibration has seen nothing: one bit more, and signed.
        """
        low = -((form.hi + 1) << 1) if deep else form.lo
        # A truncation may end one unit further out.
        slack = int(self.margin == 0)
        return (low << self.margin) - slack, ((form.hi + 1) << self.margin) - 1 + slack

    def requantized(self, index: int, shift: int, form: Fixed, relu: bool, signed: bool = True) -> int:
        """Shift a step's result to the format `form`.

        Args:
            relu: saturation at 0 is a ReLU, if `form` is unsigned.
            signed: the result can be negative although `form` is unsigned.
        """
        from gatewright.secure.steps.relu import Relu
        from gatewright.secure.steps.shift_left import ShiftLeft
        from gatewright.secure.steps.truncate import Truncate

        rectify = relu and not form.signed
        shape = self.planned[index].step.tokens, self.planned[index].step.channels
        plain = form if form.signed or not signed else replace(form, width=form.width + 1, signed=True)
        span = self.widened(form, deep=True) if rectify else self.widened(plain)
        if shift > 0:
            index = self.add(Truncate, (index,), shape, span, shift=shift)
        else:
            index = self.add(ShiftLeft, (index,), shape, span, left=-shift)
        if not rectify:
            return index
        return self.add(Relu, (index,), shape, (0, span[1]), compare=signed_bits(*span))


def plan(graph: Graph, word: int, margin: int, ride_along: bool) -> tuple[Program, Secrets]:
    """See `compile_program`."""
    import gatewright.secure.steps  # noqa: F401  lowerings register themselves
    from gatewright.secure.steps.input import Input
    from gatewright.secure.steps.reveal import Reveal

    word_type(word)
    _check(graph)
    builder = Builder(graph, word, margin, ride_along)
    ((name, kind),) = graph.inputs.items()
    assert isinstance(kind.tokens, int)
    builder.origin = f"input {name}"
    span = (kind.fixed.lo, kind.fixed.hi)
    builder.values[name] = builder.add(Input, (), (kind.tokens, kind.channels), span)
    for node in graph.nodes:
        builder.origin = f"node {node.name}" + (f" (from {node.origin})" if node.origin else "")
        lowering = LOWERINGS.get(type(node.op))
        if lowering is None:
            known = ", ".join(sorted(o.name() for o in LOWERINGS))
            raise RingError(builder.origin, f"{node.op.name()} has no two-party protocol", known)
        builder.values[node.name] = lowering(builder, node, node.op)
    last = builder.values[graph.outputs[0]]
    span = builder.span(last)
    builder.add(Reveal, (last,), builder.shape(graph.node(graph.outputs[0])), span, bits=signed_bits(*span))
    planned = with_rings(_used(builder.planned), word)
    output = graph.types[graph.outputs[0]].fixed
    program = Program(graph.name, word, kind.fixed, output, tuple(p.step for p in planned))
    return program, Secrets(tuple(p.secret for p in planned))


def _check(graph: Graph) -> None:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        problem = f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
        raise RingError(f"graph {graph.name}", problem, "one of each")
    for name, kind in graph.types.items():
        if not isinstance(kind.tokens, int):
            raise RingError(f"value {name}", f"{kind.tokens} tokens, known at run time only", "a fixed number")


def _used(planned: list[Planned]) -> list[Planned]:
    """Without steps that nothing reads."""
    alive = {len(planned) - 1}
    for k in reversed(range(len(planned))):
        if k in alive:
            alive.update(planned[k].step.inputs)
    order = {old: new for new, old in enumerate(sorted(alive))}
    return [_renamed(planned[old], order) for old in order]


def _renamed(one: Planned, order: Mapping[int, int]) -> Planned:
    return replace(one, step=replace(one.step, inputs=tuple(order[i] for i in one.step.inputs)))


def with_rings(planned: list[Planned], word: int) -> list[Planned]:
    """The steps with all rings decided, and `Extend` where a result has too few bits for a reader.

    Raises:
        RingError: a value does not fit the word.
    """
    while True:
        decided, short = _needs(planned, word)
        if short is None:
            return decided
        planned = _extended(planned, short, decided)


def _needs(planned: list[Planned], word: int) -> tuple[list[Planned], int | None]:
    """Steps with the rings that their readers need; and the last step that cannot provide its own."""
    need = [1] * len(planned)
    need[-1] = planned[-1].step.bits
    decided = list(planned)
    for k in reversed(range(len(planned))):
        one = planned[k]
        if need[k] > word:
            raise RingError(
                one.origin,
                f"{type(one.step).__name__} on {need[k]} bits",
                f"words of {word} bits",
                "compile for 64-bit words" if word < 64 else "use narrower formats, or less margin",
            )
        decided[k] = replace(one, step=one.step.at(need[k]))
        if need[k] > one.step.most():
            return decided, k
        for i, bits in zip(one.step.inputs, decided[k].step.needs(), strict=True):
            need[i] = max(need[i], bits)
    return decided, None


def _extended(planned: list[Planned], short: int, decided: list[Planned]) -> list[Planned]:
    """With `Extend` behind step `short`, for those readers that need more than it can give."""
    from gatewright.secure.steps.extend import Extend

    one = planned[short]
    most = one.step.most()
    own = signed_bits(*one.span) if one.span else word_type(one.step.word).itemsize * 8
    if own + 1 > most:
        raise RingError(
            one.origin,
            f"{own} bits and one for widening the ring, of which {type(one.step).__name__} leaves {most}",
            f"words of {one.step.word} bits",
            "compile for 64-bit words" if one.step.word < 64 else "use narrower formats, or less margin",
        )
    order = {k: k + (k > short) for k in range(len(planned))}
    moved = [_renamed(p, order) for p in planned]
    extend = Extend((short,), one.step.tokens, one.step.channels, 1, one.step.word, own + 1)
    for k in range(short + 1, len(moved)):
        needs = decided[k].step.needs()
        inputs = tuple(
            short + 1 if i == short and bits > most else i for i, bits in zip(moved[k].step.inputs, needs, strict=True)
        )
        moved[k] = replace(moved[k], step=replace(moved[k].step, inputs=inputs))
    return [*moved[: short + 1], Planned(extend, one.span, {}, one.origin), *moved[short + 1 :]]
