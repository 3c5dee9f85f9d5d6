# SPDX-License-Identifier: Apache-2.0
"""Loop: layers on one piece of hardware equal the same layers one after the other."""

import dataclasses

import harness
import numpy as np
import pytest

from gatewright import boards
from gatewright.errors import FoldingError, GraphError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Node, TensorType, from_dict, to_dict
from gatewright.lower.rtl import lower
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.schedule import all_nodes, bottleneck, model
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_sequence

X = TensorType(Length("n", 9), 6, Fixed(8, 4))


def looped(seed: int = 1, sequences: int = 4) -> Graph:
    """A linear layer in front of a loop."""
    rng = np.random.default_rng(seed)
    loop = Loop.sample(rng, X)
    assert loop is not None
    loop = dataclasses.replace(loop, sequences=sequences)
    before = Linear(rng.integers(-8, 8, (6, 6)), np.zeros(6, np.int64), np.full(6, 4), 4, X.fixed)
    return Graph({"x": X}, (Node("before", before, ("x",)), Node("ring", loop, ("before",))), ("ring",), "looped")


def first_foldings(graph: Graph) -> dict[str, Folding]:
    return {name: next(iter(n.op.foldings(*g.input_types(n)))) for name, (g, n) in all_nodes(graph)}


@pytest.mark.parametrize("sequences", [1, 4])
def test_every_executor(sequences: int) -> None:
    """Tags included: the executors check that each result carries its sequence's."""
    graph = looped(sequences=sequences)
    rng = np.random.default_rng(0)
    inputs = [[random_sequence(rng, X, n) for n in (1, 9, 2, 2, 9, 5, 1, 7)]]
    for stall in (0.0, 0.4):
        job = harness.job(graph, first_foldings(graph), inputs, stall)
        golden = executors()["golden"](job)
        for name, run in executors().items():
            harness.assert_equal(job, run(job), golden, name)


def test_evaluate_is_the_layers_in_a_row() -> None:
    graph = looped()
    loop = graph.node("ring").op
    assert isinstance(loop, Loop)
    x = random_sequence(np.random.default_rng(3), X, 5)
    y = graph.node("before").op.evaluate(x)
    for body in loop.bodies:
        (y,) = body.evaluate(y)
    assert np.array_equal(graph.evaluate(x)[0], y)
    assert not np.array_equal(loop.bodies[0].evaluate(x)[0], loop.bodies[1].evaluate(x)[0])


def test_saved_and_loaded() -> None:
    graph = looped()
    again = from_dict(*to_dict(graph))
    x = random_sequence(np.random.default_rng(3), X, 5)
    assert np.array_equal(graph.evaluate(x)[0], again.evaluate(x)[0])


def test_cycles_count_every_iteration() -> None:
    graph = looped()
    loop = graph.node("ring").op
    assert isinstance(loop, Loop)
    foldings = first_foldings(graph)
    inner = {k.removeprefix("ring."): f for k, f in foldings.items() if k.startswith("ring.")}
    assert bottleneck(graph, foldings, 9) == len(loop.bodies) * bottleneck(loop.bodies[0], inner, 9)
    problem = model(graph, boards.load("u200"))
    names = {o.name for o in problem.operators}
    assert {"before", "ring", "ring.up", "ring.down", "ring.sum"} == names
    assert [problem.times(name) for name in ("before", "ring", "ring.up")] == [1, 1, len(loop.bodies)]


def _with(body: Graph, **changes: object) -> tuple[Graph, Graph]:
    up = body.node("up")
    other = dataclasses.replace(up, op=dataclasses.replace(up.op, **changes))
    return body, dataclasses.replace(body, nodes=(other, *body.nodes[1:]))


def _swapped(body: Graph) -> Graph:
    """The same layer with the operands of its sum exchanged."""
    final = body.nodes[-1]
    return dataclasses.replace(body, nodes=(*body.nodes[:-1], dataclasses.replace(final, inputs=final.inputs[::-1])))


def test_what_cannot_share_hardware_is_refused() -> None:
    loop = looped().node("ring").op
    assert isinstance(loop, Loop)
    body = loop.bodies[0]
    with pytest.raises(GraphError, match="another structure"):
        Loop((body, _swapped(body)), 9).infer(X)
    with pytest.raises(GraphError, match=r"loop.slots: 8"):
        Loop((body,), 8).infer(X)
    with pytest.raises(GraphError, match="run-time length"):
        Loop((body,), 9).infer(dataclasses.replace(X, tokens=9))
    wide = Loop(_with(body, weight_width=6), 9)
    graph = Graph({"x": X}, (Node("ring", wide, ("x",)),), ("ring",))
    with pytest.raises(FoldingError, match=r"matrix.weight_width: 6 in iteration 1, 4 in iteration 0"):
        lower(graph, first_foldings(graph))


def test_one_input_in_front_of_a_loop() -> None:
    loop = looped().node("ring").op
    nodes = (Node("ring", loop, ("x",)), Node("other", loop, ("z",)))
    graph = Graph({"x": X, "z": X}, nodes, ("ring", "other"))
    with pytest.raises(FoldingError, match="one input in front of a loop"):
        lower(graph, first_foldings(graph))
