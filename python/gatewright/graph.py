# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: token streams between operators with one exact integer meaning.

A tensor is a sequence of *tokens*; a token is a vector of channels. One sequence is an int64 array
[tokens, channels]. An image is a sequence of its pixels in raster order.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError, GraphError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.scheduler.pipeline import Memory

if TYPE_CHECKING:
    from typing import Self

    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True)
class Length:
    """A number of tokens known only at run time: `(n + offset) // stride` for a symbol `n`.

    Floor division nests, so any chain of strided windows stays in this one form.

    Attributes:
        name: the symbol.
        minimum, maximum: inclusive bounds of the symbol `n` itself.
        offset, stride: the affine map from `n` to this length.
    """

    name: str
    maximum: int
    minimum: int = 1
    offset: int = 0
    stride: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.maximum:
            raise GraphError(f"length {self.name}", f"bounds {self.minimum}..{self.maximum}", "1 <= min <= max")
        if self.least < 1:
            raise GraphError(
                f"length {self.name}",
                f"{self} is {self.least} at n = {self.minimum}",
                "at least one token",
                "raise the minimum length, or pad the window",
            )

    def at(self, n: int) -> int:
        """Tokens when the symbol is `n`."""
        return (n + self.offset) // self.stride

    @property
    def least(self) -> int:
        """Fewest tokens."""
        return self.at(self.minimum)

    @property
    def most(self) -> int:
        """Most tokens."""
        return self.at(self.maximum)

    def then(self, offset: int, stride: int) -> Length:
        """The length `(self + offset) // stride`."""
        return dataclasses.replace(self, offset=self.offset + offset * self.stride, stride=self.stride * stride)

    def __str__(self) -> str:
        inner = self.name if not self.offset else f"{self.name}{self.offset:+d}"
        return inner if self.stride == 1 else f"({inner})//{self.stride}"


Tokens = int | Length


def most_tokens(tokens: Tokens) -> int:
    """Largest number of tokens."""
    return tokens if isinstance(tokens, int) else tokens.most


def least_tokens(tokens: Tokens) -> int:
    """Smallest number of tokens."""
    return tokens if isinstance(tokens, int) else tokens.least


@dataclass(frozen=True)
class TensorType:
    """Type of an edge: how many tokens, channels per token, and the format of one channel."""

    tokens: Tokens
    channels: int
    fixed: Fixed

    def __str__(self) -> str:
        return f"[{self.tokens}, {self.channels}] {self.fixed}"


@dataclass(frozen=True)
class Folding:
    """How an operator's work is spread over time; what each field means is the operator's to say.

    Attributes:
        lanes: channels per beat of the input stream of operators that do not contract channels.
        simd: input elements multiplied per cycle.
        pe: output channels computed per cycle.
        tokens: tokens that share one weight read.
        port: bits of the wide multiplier port in which two weights may share a DSP block: 27 for a DSP48E2, 25 for a
            DSP48E1, 0 for never.
        banks: sets of constants that the hardware holds, one per iteration of a `Loop`.
        ultra: deep memories go into UltraRAM.
    """

    lanes: int = 1
    simd: int = 1
    pe: int = 1
    tokens: int = 1
    port: int = 27
    banks: int = 1
    ultra: bool = False


@dataclass(frozen=True)
class Cost:
    """Resources of one operator, estimated by its analytic model."""

    lut: float = 0
    ff: float = 0
    dsp: float = 0
    bram36: float = 0
    uram288: float = 0

    def __add__(self, other: Cost) -> Cost:
        # Spelled out: the folding search adds some hundred thousand of them.
        return Cost(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram36 + other.bram36,
            self.uram288 + other.uram288,
        )


@dataclass(frozen=True, eq=False)
class Stage:
    """One pipelined step of an operator's hardware, for one sequence; the cycle model chains them.

    Attributes:
        need: [out tokens] index of the last input token that output token j waits for.
        interval: cycles between the departures of two output tokens at full speed; [out tokens] when it differs from
            token to token.
        latency: cycles from the arrival of the needed token to the departure of the output token.
        intake: cycles per input token while no output is due.
        ahead: input tokens that may be taken although outputs before them have not been started.
        memory: what inputs wait for instead, where they are kept until their sequence's last output.
    """

    need: Ints
    interval: int | Ints
    latency: int
    intake: int = 1
    ahead: int = 0
    memory: Memory | None = None


@dataclass(frozen=True, eq=False)
class Instance:
    """How an operator is spelled in RTL.

    The module has `clk`, `rst`, one slave stream per input (`s_*`, or `s0_*`, `s1_*`, .. when there
    are several), one master stream `m_*`, and, with a `memory`, the load chain `w_*` in and `x_*` out.

    Attributes:
        module: module name, equal to its file's name.
        parameters: SystemVerilog parameters.
        in_lanes: channels per beat of each input stream.
        out_lanes: channels per beat of the output stream.
        memory: what is loaded at run time (weights, biases, shifts): per store, in the order of the chain, its rows as
            [rows, words] uint32, low word first; all rows of bank 0, then those of bank 1, and so on.
        banked: the module has a bank port `b_*`: one beat per sequence says which bank of constants it uses.
        sources: SystemVerilog files that are not in the library.
    """

    module: str
    parameters: Mapping[str, int]
    in_lanes: tuple[int, ...]
    out_lanes: int
    memory: tuple[Ints, ...] = ()
    banked: bool = False
    sources: tuple[Path, ...] = ()


ROUNDINGS: Mapping[str, Callable[[Floats], Floats]] = {
    "half_even": np.rint,
    "half_up": lambda v: np.floor(v + 0.5),
    "half_away": lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5),
    "floor": np.floor,
}
"""How float models round to integers."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The float operator that a node stands for.

    Attributes:
        constants: real weights before quantization, by attribute name.
        errors: |quantized - real| of the same constants.
        relu: saturation at 0 stands for a ReLU that follows in the float model.
        rounded: the float model itself rounds and saturates the result to this format.
        rounding: how it rounds, see `ROUNDINGS`; golden rounds halves up.
    """

    constants: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    errors: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    relu: bool = False
    rounded: Fixed | None = None
    rounding: str = "half_even"

    def then(self, values: Floats) -> Floats:
        """What the float model makes of the operator's own results."""
        if self.relu:
            values = np.maximum(values, 0.0)
        if self.rounded is not None:
            form = self.rounded
            steps = ROUNDINGS[self.rounding](np.ldexp(values, form.frac))
            values = form.dequantize(np.clip(steps, form.lo, form.hi))
        return values

    def bound(
        self, form: Fixed, ideal: Floats, output: Floats, own: Floats, spread: Floats, rounds: npt.ArrayLike = True
    ) -> Floats:
        """Bound of |golden - float| of a result.

        Args:
            form: format of the result.
            ideal: the float operator's own results at the golden inputs.
            output: golden real values.
            own: what quantized constants change at the golden inputs.
            spread: how far the float operator can move when its inputs move by their errors.
            rounds: whether the exact result is rounded to `form`, per channel or for all.
        """
        if self.rounded is not None:
            # Both sides round and saturate: that moves two values apart by at most one step more than they are.
            moved = own + spread
            tie = np.minimum(np.abs(self.then(ideal) - output), form.ulp)
            return np.where(moved > 0, moved + form.ulp, tie)
        highest, lowest = form.dequantize(np.array([form.hi, form.lo]))
        # A ReLU saturates at 0 in the float model as well, and max(., 0) moves no two values further apart.
        stuck = (output >= highest) | ((output <= lowest) & (not self.relu))
        clipped = np.where(stuck, np.abs(self.then(ideal) - output), 0.0)
        return np.asarray(rounds) * form.ulp / 2 + own + clipped + spread


class Op(ABC):
    """An operator: a frozen dataclass with a type rule, one integer meaning, and its lowerings.

    A subclass is found by its class name, in lower case with underscores, which is also the name of its files
    (`ops/<name>.py`, `rtl/nn/<name>.sv`, `hls/<name>.hpp`, `tests/rtl/<name>/`).
    """

    torch: ClassVar[tuple[str, ...]] = ()
    """ATen overloads that `from_torch` understands, e.g. "aten.relu.default"."""

    known: ClassVar[dict[str, type[Op]]] = {}
    arity: ClassVar[int | None] = 1
    """Number of inputs; None for two or more."""
    free_points: ClassVar[bool] = False
    """In a `Loop`, binary points of inputs and output may differ between iterations."""
    each_token: ClassVar[bool] = False
    """Output token t depends on token t of every input and on nothing else, not even on t."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not getattr(cls, "__abstractmethods__", None) and not cls.__name__.startswith("_"):
            Op.known[cls.name()] = cls

    @classmethod
    def name(cls) -> str:
        """Operator name: `MaxPool` -> `max_pool`."""
        text = cls.__name__
        return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(text))

    @abstractmethod
    def infer(self, *inputs: TensorType) -> TensorType:
        """Output type. Raises GraphError, naming the attribute, when the inputs do not fit."""

    @abstractmethod
    def evaluate(self, *inputs: Ints) -> Ints:
        """The exact integer meaning on one sequence: [tokens, channels] arrays in and out."""

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        """The float operator on real streams, without `reference.then`."""
        raise NotImplementedError(self.name())

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        """Bound of |golden - float| per output element, for one sequence.

        Running error analysis: what rounding, saturation and quantized constants can do at the golden inputs,
        plus the inputs' errors carried through the float operator.

        Args:
            inputs: (golden real values, bound of their error), one pair per input.
            output: golden real values of the output.
            reference: the float operator.
        """
        raise NotImplementedError(self.name())

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        """Every legal folding, cheapest first."""
        raise NotImplementedError(self.name())

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        """Analytic resource estimate."""
        raise NotImplementedError(self.name())

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        """Timing of one sequence of `tokens` input tokens, for the cycle model."""
        raise NotImplementedError(self.name())

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        """Channels per beat of every input, and of the output; zeros for an operator that is wiring only."""
        return folding.lanes, folding.lanes

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance | None:
        """RTL spelling; None when the operator is wiring only."""
        raise NotImplementedError(self.name())

    @classmethod
    def rtl_banked(
        cls, folding: Folding, ops: Sequence[Self], inputs: Sequence[tuple[TensorType, ...]]
    ) -> Instance | None:
        """One piece of hardware for the same operator of every iteration of a `Loop`.

        Here: operators without constants that are spelled alike. Those with constants put them into banks.

        Args:
            ops: the operator of each iteration.
            inputs: its input types in each iteration.

        Raises:
            GraphError: the iterations need different hardware; names the parameter.
        """
        found = [op.rtl(folding, *types) for op, types in zip(ops, inputs, strict=True)]
        first = found[0]
        for k, one in enumerate(found[1:], 1):
            if first is None or one is None:
                continue
            for key, value in first.parameters.items():
                if one.parameters[key] != value:
                    problem = f"{one.parameters[key]} in iteration {k}, {value} in iteration 0"
                    raise GraphError(
                        f"{cls.name()}.{key}", problem, "equal hardware in every iteration", "tie the formats"
                    )
        if first is not None and first.memory and len(found) > 1:
            raise GraphError(cls.name(), "constants that differ between iterations", "an operator with banks")
        return first

    @classmethod
    def from_torch(cls, call: TorchCall) -> Op:
        """The operator for one traced ATen call. Refuse through `call.refuse`, never guess."""
        raise NotImplementedError(cls.name())

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Op | None:
        """A random legal operator on these inputs, for fuzzing; None when there is none."""
        return None

    def describe(self) -> str:
        """Attributes on one line; arrays by shape. Those without a value, or without `repr`, are left out."""
        parts = []
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if value is None or not item.repr:
                continue
            if isinstance(value, np.ndarray):
                value = f"int{list(value.shape)}"
            elif isinstance(value, tuple) and len(value) > 6:
                value = f"({value[0]}, .., {value[-1]})"
            parts.append(f"{item.name}={value}")
        return f"{self.name()}({', '.join(parts)})"


@dataclass(frozen=True, eq=False)
class Node:
    """One operator applied to named values; the node's name is the name of its result.

    Attributes:
        origin: module path in the source model, for messages.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    origin: str = ""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: typed inputs, nodes in topological order, named outputs.

    Construction checks the legality table, so an illegal graph cannot exist.
    """

    inputs: Mapping[str, TensorType]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    name: str = "graph"

    def __post_init__(self) -> None:
        check(self)

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of every value."""
        found = dict(self.inputs)
        for node in self.nodes:
            try:
                found[node.name] = node.op.infer(*(found[i] for i in node.inputs))
            except GraphError as error:
                if error.place.startswith("node "):
                    raise
                origin = f" (from {node.origin})" if node.origin else ""
                raise GraphError(
                    f"node {node.name}{origin}", f"{error.place}: {error.problem}", error.allowed, error.hint
                ) from None
        return found

    def node(self, name: str) -> Node:
        """The node called `name`."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {n.name: n for n in self.nodes}

    @cached_property
    def users(self) -> dict[str, list[tuple[str, int]]]:
        """For every value, the (node, input port) pairs that read it, in node order."""
        found: dict[str, list[tuple[str, int]]] = {v: [] for v in self.types}
        for node in self.nodes:
            for port, value in enumerate(node.inputs):
                found[value].append((node.name, port))
        return found

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        """Types of a node's inputs."""
        return tuple(self.types[i] for i in node.inputs)

    def trace(self, inputs: Mapping[str, Ints]) -> dict[str, Ints]:
        """Golden integers of every value for one sequence.

        Args:
            inputs: one [tokens, channels] integer array per graph input.

        Raises:
            DataError: shape, length or range does not match the input's type.
        """
        values: dict[str, Ints] = {}
        for name, kind in self.inputs.items():
            values[name] = checked_sequence(name, kind, inputs[name])
        for node in self.nodes:
            result = node.op.evaluate(*(values[i] for i in node.inputs))
            fixed = self.types[node.name].fixed
            assert result.dtype == np.int64 and fixed.contains(result), node.name
            values[node.name] = result
        return values

    def evaluate(self, *sequences: Ints) -> tuple[Ints, ...]:
        """Golden integers of the outputs for one sequence per input, in input order."""
        values = self.trace(dict(zip(self.inputs, sequences, strict=True)))
        return tuple(values[o] for o in self.outputs)

    def __str__(self) -> str:
        lines = [f"graph {self.name}"]
        lines += [f"  {name:<16} {kind}" for name, kind in self.inputs.items()]
        for node in self.nodes:
            origin = f"   # {node.origin}" if node.origin else ""
            call = f"{node.op.describe()} <- {', '.join(node.inputs)}"
            lines.append(f"  {node.name:<16} {self.types[node.name]!s:<24} = {call}{origin}")
        lines.append(f"  return {', '.join(self.outputs)}")
        return "\n".join(lines)


def checked_sequence(name: str, kind: TensorType, data: Any) -> Ints:
    """`data` as int64 [tokens, channels] if it is a legal sequence of type `kind`.

    Raises:
        DataError: naming the input, what it has and what is allowed.
    """
    array = np.asarray(data)
    place = f"input {name}"
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(place, f"dtype {array.dtype}", "integers", "quantise with Design.quantize")
    if array.ndim != 2 or array.shape[1] != kind.channels:
        raise DataError(place, f"shape {array.shape}", f"[tokens, {kind.channels}]")
    least, most = least_tokens(kind.tokens), most_tokens(kind.tokens)
    if not least <= len(array) <= most:
        raise DataError(place, f"{len(array)} tokens", f"{least} to {most} tokens")
    array = array.astype(np.int64)
    if not kind.fixed.contains(array):
        span = f"[{array.min()}, {array.max()}]"
        raise DataError(place, f"values {span}", f"[{kind.fixed.lo}, {kind.fixed.hi}] ({kind.fixed})")
    return array


# The legality table: (rule, predicate that returns the offending place or None).
Rule = tuple[str, Callable[[Graph], str | None]]


def _first(found: Iterator[str]) -> str | None:
    return next(found, None)


LEGALITY: tuple[Rule, ...] = (
    ("a graph has at least one input and one output", lambda g: None if g.inputs and g.outputs else g.name),
    (
        "names are unique",
        lambda g: _first(
            n.name for i, n in enumerate(g.nodes) if n.name in g.inputs or any(m.name == n.name for m in g.nodes[:i])
        ),
    ),
    (
        "names are Verilog identifiers",
        lambda g: _first(v for v in [*g.inputs, *(n.name for n in g.nodes)] if not v.isidentifier() or not v.isascii()),
    ),
    (
        "a node reads only values defined before it",
        lambda g: _first(
            n.name
            for k, n in enumerate(g.nodes)
            for i in n.inputs
            if i not in g.inputs and all(m.name != i for m in g.nodes[:k])
        ),
    ),
    (
        "a node has as many inputs as its operator takes",
        lambda g: _first(
            n.name for n in g.nodes if (len(n.inputs) < 2 if n.op.arity is None else len(n.inputs) != n.op.arity)
        ),
    ),
    ("an output is a node", lambda g: _first(o for o in g.outputs if all(o != n.name for n in g.nodes))),
    ("every type rule holds and every format is at most 62 bits", lambda g: None if g.types else g.name),
    (
        "every value is read or is an output",
        lambda g: _first(v for v in g.types if not g.users[v] and v not in g.outputs),
    ),
    ("an output is read by nobody else", lambda g: _first(o for o in g.outputs if g.users[o])),
)


def check(graph: Graph) -> None:
    """Check the legality table.

    Raises:
        GraphError: naming the first offender and the rule.
    """
    for rule, offender in LEGALITY:
        place = offender(graph)
        if place is not None:
            raise GraphError(f"graph {graph.name}, {place}", "illegal graph", rule)


Pass = Callable[[Graph], Graph]


def apply(graph: Graph, *passes: Pass) -> Graph:
    """Run passes in order; each result is checked by construction."""
    for one in passes:
        graph = one(graph)
    return graph


def bypass(graph: Graph, name: str) -> Graph:
    """Remove the one-input node `name`; its readers read its input instead."""
    source = graph.node(name).inputs[0]

    def swap(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(source if v == name else v for v in values)

    nodes = tuple(dataclasses.replace(n, inputs=swap(n.inputs)) for n in graph.nodes if n.name != name)
    return dataclasses.replace(graph, nodes=nodes, outputs=swap(graph.outputs))


def _encode(value: Any, arrays: dict[str, Ints], key: str) -> Any:
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"array": key}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: _encode(getattr(value, f.name), arrays, f"{key}.{f.name}") for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, "fields": inner}
    if isinstance(value, tuple):
        return {"tuple": [_encode(v, arrays, f"{key}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, Mapping):
        return {"map": {k: _encode(v, arrays, f"{key}.{k}") for k, v in value.items()}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{key}: {type(value).__name__} cannot be saved")


def _decode(value: Any, arrays: Mapping[str, Ints]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "tuple" in value:
        return tuple(_decode(v, arrays) for v in value["tuple"])
    if "map" in value:
        return {k: _decode(v, arrays) for k, v in value["map"].items()}
    plain = {"Fixed": Fixed, "Length": Length, "TensorType": TensorType, "Node": Node, "Graph": Graph}
    by_class = {c.__name__: c for c in Op.known.values()}
    kind = plain.get(value["type"]) or by_class[value["type"]]
    return kind(**{k: _decode(v, arrays) for k, v in value["fields"].items()})


def to_dict(graph: Graph) -> tuple[dict[str, Any], dict[str, Ints]]:
    """JSON-ready structure and the integer arrays it refers to."""
    arrays: dict[str, Ints] = {}
    inputs = {k: _encode(v, arrays, k) for k, v in graph.inputs.items()}
    nodes = [
        {"name": n.name, "inputs": list(n.inputs), "origin": n.origin, "op": _encode(n.op, arrays, n.name)}
        for n in graph.nodes
    ]
    return {"name": graph.name, "inputs": inputs, "nodes": nodes, "outputs": list(graph.outputs)}, arrays


def from_dict(data: Mapping[str, Any], arrays: Mapping[str, Ints]) -> Graph:
    """Inverse of `to_dict`; the operators' modules must have been imported."""
    nodes = tuple(Node(n["name"], _decode(n["op"], arrays), tuple(n["inputs"]), n["origin"]) for n in data["nodes"])
    inputs = {k: _decode(v, arrays) for k, v in data["inputs"].items()}
    return Graph(inputs, nodes, tuple(data["outputs"]), data["name"])
