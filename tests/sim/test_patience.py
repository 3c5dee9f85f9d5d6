# SPDX-License-Identifier: Apache-2.0
"""A design that computes for long without a beat at its ends is slow, not stalled."""

import numpy as np
import pytest

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Node, TensorType
from gatewright.ops.linear import Linear
from gatewright.sim.executors import Job, executors
from gatewright.sim.library import PATIENCE


@pytest.mark.slow
def test_one_multiplier_takes_its_time() -> None:
    rng = np.random.default_rng(0)

    def linear(outputs: int, inputs: int) -> Linear:
        zero = np.zeros(outputs, np.int64)
        return Linear(rng.integers(-8, 8, (outputs, inputs)), zero, zero + 4, 8, Fixed(12, 4))

    nodes = (Node("a", linear(256, 512), ("x",)), Node("b", linear(1, 256), ("a",)))
    graph = Graph({"x": TensorType(1, 512, Fixed(8, 4))}, nodes, ("b",))
    job = Job(graph, {"a": Folding(), "b": Folding()}, [[rng.integers(-128, 128, (1, 512))]], {"b": [1]})
    found = {name: executors()[name](job) for name in ("golden", "rtl")}
    assert np.array_equal(found["golden"].outputs[0][0], found["rtl"].outputs[0][0])
    assert found["rtl"].cycles > PATIENCE
