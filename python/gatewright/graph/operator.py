# SPDX-License-Identifier: Apache-2.0
"""What an operator says of itself: type rule, integer meaning, hardware, cost and timing."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Floats, Ints
from gatewright.graph.reference import Reference
from gatewright.graph.tensor import TensorType
from gatewright.scheduler.pipeline import Memory

if TYPE_CHECKING:
    from typing import Self

    from gatewright.frontend.call import TorchCall


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
    in_series: ClassVar[bool] = False
    """The beats of a token are those of the first input, then those of the next one."""
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
        """Channels per beat of every input, and of the output.

        Where inputs differ, those of the narrowest, which divides the others. Zeros where there is wiring only.
        """
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
