# SPDX-License-Identifier: Apache-2.0
"""The traced network at float level: a list of ATen calls with their constants, and how to run it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.frontend.layout import Shape

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Ref:
    """The value of an earlier step, or of the input."""

    name: str


@dataclass(frozen=True, eq=False)
class Step:
    """One ATen call.

    Attributes:
        name: name of its result.
        target: overload, e.g. "aten.relu.default".
        function: the callable; takes `args` as keywords and returns the value.
        args: every argument by its schema name, defaults filled in. An activation is a `Ref`, a
            constant tensor an array (float64 where it is real), a list may hold both.
        shape: torch shape of the result; None where the result is no tensor (a run-time size).
        path: module path in the source model; empty for the model itself.
        inner: names of what else `function` returns behind the value, for number formats inside the operator; a run
            gives them as `name.inner`.
    """

    name: str
    target: str
    function: Callable[..., Any]
    args: Mapping[str, Any]
    shape: Shape | None
    path: str
    inner: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Module path and operator, for messages."""
        return f"{self.path or 'model'} ({self.target})"

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the values it reads, in argument order."""
        found: list[str] = []

        def visit(value: Any) -> None:
            if isinstance(value, Ref):
                found.append(value.name)
            elif isinstance(value, list | tuple):
                for item in value:
                    visit(item)

        for value in self.args.values():
            visit(value)
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Program:
    """A traced network with one input and one output; steps are in topological order.

    Attributes:
        ids: None when the input holds real numbers; for integers, how many there are: 0 to ids - 1.
    """

    input: str
    shape: Shape
    steps: tuple[Step, ...]
    output: str
    ids: int | None = None

    @property
    def readers(self) -> dict[str, list[Step]]:
        """For every value the steps that read it, once per read."""
        found: dict[str, list[Step]] = {n: [] for n in (self.input, *(s.name for s in self.steps))}
        for step in self.steps:
            for name in step.reads:
                found[name].append(step)
        return found


def runner(program: Program, wide: bool) -> Callable[[Array], dict[str, Array]]:
    """A function that runs one item, shape [1, ...], and returns every tensor value by name.

    Args:
        wide: compute in float64 instead of float32; an input of integers stays one.
    """
    import torch

    kind = torch.float64 if wide else torch.float32

    def tensor(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            found = torch.from_numpy(np.ascontiguousarray(value))
            return found.to(kind) if found.is_floating_point() else found
        return [tensor(v) for v in value] if isinstance(value, list | tuple) else value

    prepared = [(s, {k: tensor(v) for k, v in s.args.items()}) for s in program.steps]

    def bind(value: Any, values: dict[str, Any]) -> Any:
        if isinstance(value, Ref):
            return values[value.name]
        return [bind(v, values) for v in value] if isinstance(value, list) else value

    def run(item: Array) -> dict[str, Array]:
        start = torch.from_numpy(np.array(item)).to(kind if program.ids is None else torch.int64)
        values: dict[str, Any] = {program.input: start}
        with torch.no_grad(), one_thread():
            for step, args in prepared:
                bound = {k: bind(v, values) for k, v in args.items()}
                result = step.function(**bound)
                if step.inner:
                    result, *rest = result
                    values |= {f"{step.name}.{n}": v for n, v in zip(step.inner, rest, strict=True)}
                values[step.name] = result
        return {k: v.numpy() for k, v in values.items() if isinstance(v, torch.Tensor)}

    return run


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: waking more costs longer than one item takes."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
