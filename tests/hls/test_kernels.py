# SPDX-License-Identifier: Apache-2.0
"""Every kernel against `Op.evaluate`, over random attributes, formats, foldings, lengths and extreme values.

All of them are one translation unit: most of the time goes into g++.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import assert_equal, job, single

import gatewright.ops  # noqa: F401 - finds the operators
from gatewright.errors import GraphError, NotExpressibleError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Op, TensorType, most_tokens
from gatewright.lower.hls.builder import program
from gatewright.lower.hls.kernel import spell
from gatewright.ops._recurrent import Cell
from gatewright.ops.global_pool import Kind
from gatewright.ops.linear import Linear
from gatewright.schedule import all_nodes
from gatewright.sim.csim import CSimulator, run_all, run_job
from gatewright.sim.executors import Job, executors
from gatewright.sim.fuzz import random_inputs, random_type

SEED = 20
LIBRARY = sorted(name for name, op in Op.known.items() if op.__module__.startswith("gatewright.ops"))


Wish = Callable[[Any, TensorType], bool]
ANY: tuple[Wish, ...] = (lambda op, x: True,) * 2
WISHES: dict[str, tuple[Wish, ...]] = {
    # The head of the sequence goes round behind it; conv2d has the whole image in memory.
    "conv1d": (lambda op, x: op.window().wraps, lambda op, x: op.stride > (1,)),
    "conv2d": (lambda op, x: op.circular, lambda op, x: op.groups > 1 and any(op.padding)),
    "embedding": (lambda op, x: len(op.positions) > 0, lambda op, x: len(op.table) < 1 << x.fixed.width),
    "global_pool": (
        lambda op, x: op.kind is Kind.MAX,
        lambda op, x: op.kind is Kind.AVERAGE and isinstance(x.tokens, Length),
    ),
    # Wide enough not to saturate all the time.
    "loop": (
        lambda op, x: len(op.bodies) == 2 and x.fixed.width > 5,
        lambda op, x: len(op.bodies) == 3 and x.fixed.width > 5,
    ),
    "layer_norm": (lambda op, x: op.centred, lambda op, x: not op.centred),
    "recurrent": (
        lambda op, x: op.cell is Cell.LSTM and op.width(x.fixed) < 56,
        lambda op, x: op.cell is Cell.GRU and op.final and op.width(x.fixed) < 56,
    ),
    "requantize": (
        lambda op, x: op.shift > 1 and op.output.width > 3 and x.fixed.width > 5,
        lambda op, x: op.shift < 0,
    ),
    "top_k_attention": (
        lambda op, x: op.bits == 1 and op.causal,
        lambda op, x: op.bits == 2 and most_tokens(x.tokens) > op.top,
        lambda op, x: op.bits == 3 and op.heads > 1,
        lambda op, x: op.bits == 4 and op.top > most_tokens(x.tokens) > 1,
    ),
}
"""What the random cases of an operator must have among them."""


def random_case(rng: np.random.Generator, kind: type[Op], wish: Wish = ANY[0]) -> Job:
    """One operator that fits a random stream and a wish, with random foldings."""
    while True:
        types = [random_type(rng)] * (kind.arity or 2)
        try:
            op = kind.sample(rng, *types)
            if op is None or op.infer(*types).fixed.width > 40 or not wish(op, types[0]):
                continue
            graph = single(op, *types)
            foldings = {name: any_folding(rng, g, n) for name, (g, n) in all_nodes(graph)}
            return job(graph, foldings, random_inputs(rng, graph, 4))
        except GraphError:
            continue


def any_folding(rng: np.random.Generator, graph: Graph, node: object) -> Folding:
    options = [f for f in node.op.foldings(*graph.input_types(node)) if f.simd * f.pe <= 64]  # type: ignore[attr-defined]
    return options[int(rng.integers(len(options)))]


@pytest.mark.slow
def test_every_kernel_equals_its_operator() -> None:
    rng = np.random.default_rng(SEED)
    jobs = [random_case(rng, Op.known[name], wish) for name in LIBRARY for wish in WISHES.get(name, ANY)]
    for one, result in zip(jobs, run_all(jobs), strict=True):
        text = str(one.graph)
        print(f"seed {SEED}: {text}")
        assert_equal(one, result, executors()["golden"](one), text)


def test_every_operator_of_the_library_has_a_kernel() -> None:
    rng = np.random.default_rng(1)
    for name in LIBRARY:
        one = random_case(rng, Op.known[name])
        headers = program(one.graph, one.foldings).headers()
        assert name in headers or name == "reshape", (name, headers)


def test_a_wrong_constant_is_seen() -> None:
    """The comparison can fail: a table entry is changed behind golden's back."""
    s8 = Fixed(8, 0)
    weight = np.array([[1, 1]])
    graph = single(Linear(weight, np.zeros(1, np.int64), np.zeros(1, np.int64), 2, s8), TensorType(1, 2, s8))
    one = job(graph, {"y": Folding()}, [[np.array([[3, 4]])]])
    made = program(graph, one.foldings)
    assert_equal(one, run_job(CSimulator(made), one), executors()["golden"](one), "hls")
    made.tables()["y_weight"].values[0, 1] = 0
    result = run_job(CSimulator(made), one)
    with pytest.raises(AssertionError, match="differ from golden"):
        assert_equal(one, result, executors()["golden"](one), "hls")


def test_an_operator_without_a_kernel_is_refused() -> None:
    class Mystery(Op):
        def infer(self, *inputs: TensorType) -> TensorType:
            return inputs[0]

        def evaluate(self, *inputs: object) -> object:  # type: ignore[override]
            return inputs[0]

    try:
        with pytest.raises(NotExpressibleError, match=r"operator mystery: no HLS kernel(.|\n)*hls/<operator>.hpp"):
            spell(Mystery(), Folding(), TensorType(1, 1, Fixed(4, 0)))
    finally:
        del Op.known["mystery"]
