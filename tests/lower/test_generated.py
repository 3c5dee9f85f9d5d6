# SPDX-License-Identifier: Apache-2.0
"""Generated hardware stays byte for byte what it was, unless a change means it.

When this fails after a refactoring, the refactoring changed hardware. When hardware was meant to change, run with
GATEWRIGHT_UPDATE=1 and commit `generated.json` with the reason.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.hls.builder import program
from gatewright.lower.hls.simulation import source
from gatewright.lower.rtl import lower
from gatewright.ops.add import Add
from gatewright.ops.concat import Concat
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.quadratic import Quadratic
from gatewright.ops.reshape import Reshape
from gatewright.sim.toolchain import digest

STORED = Path(__file__).with_name("generated.json")
S8, U8 = Fixed(8, 4), Fixed(8, 4, signed=False)
Design = tuple[Graph, dict[str, Folding]]


def ints(*shape: int) -> Ints:
    """Weights that need no random generator: they would change with its version."""
    return (np.arange(np.prod(shape)) * 37 % 255 - 127).reshape(shape)


def constants(outs: int, shift: int) -> tuple[Ints, Ints]:
    """Bias and shift per output."""
    return np.arange(outs) * 11 - 40, np.full(outs, shift) + np.arange(outs) % 3


def perceptron() -> Design:
    nodes = (
        Node("a", Linear(ints(8, 16), *constants(8, 7), 8, U8), ("x",)),
        Node("y", Linear(ints(6, 8), *constants(6, 6), 8, S8), ("a",)),
    )
    foldings = {"a": Folding(simd=4, pe=4, tokens=2), "y": Folding(simd=8, pe=2, port=25)}
    return Graph({"x": TensorType(Length("n", 12), 16, S8)}, nodes, ("y",), "perceptron"), foldings


def convolutional() -> Design:
    nodes = (
        Node("c", Conv2d(ints(4, 2, 3, 3), *constants(4, 8), 8, U8, 6, 6, padding=(1, 1)), ("x",)),
        Node("p", MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 6, 6), ("c",)),
        Node("f", Reshape(36), ("p",)),
        Node("y", Linear(ints(5, 36), *constants(5, 9), 8, S8), ("f",)),
    )
    foldings = {"c": Folding(2, 6, 2), "p": Folding(2), "f": Folding(), "y": Folding(simd=9)}
    return Graph({"x": TensorType(36, 2, S8)}, nodes, ("y",), "convolutional"), foldings


def residual() -> Design:
    nodes = (
        Node("c", Conv1d(ints(4, 4, 3), *constants(4, 8), 8, S8, padding=(1,)), ("x",)),
        Node("s", Add.of(S8, S8, S8), ("c", "x")),
        Node("q", Quadratic(ints(4), ints(4), ints(4), 9, S8), ("s",)),
        Node("y", Concat(), ("q", "s")),
    )
    foldings = {"c": Folding(2, 6, 2), "s": Folding(2), "q": Folding(4), "y": Folding(1)}
    return Graph({"x": TensorType(Length("n", 20), 4, S8)}, nodes, ("y",), "residual"), foldings


def rtl(design: Design) -> tuple[str, list[object]]:
    """Generated text and constants; the library modules are not part of it, since their benches watch them."""
    made = lower(*design)
    return made.text, made.memory.tolist()


def hls(design: Design) -> tuple[str, list[object]]:
    """The same as C++; the kernels have tests of their own."""
    made = program(*design)
    return source([made]), [t.values.tolist() for t in made.tables().values()]


@pytest.mark.parametrize("make", [perceptron, convolutional, residual])
@pytest.mark.parametrize("way", [rtl, hls])
def test_hardware_is_unchanged(make: Callable[[], Design], way: Callable[[Design], tuple[str, list[object]]]) -> None:
    text, constants = way(make())
    found, name = digest([text, json.dumps(constants)]), f"{way.__name__} {make.__name__}"
    stored = json.loads(STORED.read_text()) if STORED.is_file() else {}
    if os.environ.get("GATEWRIGHT_UPDATE"):
        STORED.write_text(json.dumps(stored | {name: found}, indent=1, sort_keys=True) + "\n")
        return
    assert found == stored.get(name), f"{name} changed; it is now:\n{text}"
