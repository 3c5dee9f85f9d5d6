# SPDX-License-Identifier: Apache-2.0
"""Softmax pooling: meaning, the bound, the front end, every executor, exact cycles, a fork whose branches meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from harness import assert_equal, check_operator, job, single
from torch import nn

from gatewright.errors import GraphError, UnsupportedError
from gatewright.fixed import Fixed, Floats
from gatewright.frontend import import_model
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.depths import depths
from gatewright.lower.timing import cycles
from gatewright.nn import AdditiveAttention
from gatewright.nn import SoftmaxPool as Module
from gatewright.ops.linear import Linear
from gatewright.ops.softmax_pool import SoftmaxPool
from gatewright.sim.batch import run_all
from gatewright.sim.executors import Job, executors

N = Length("n", 9)
S8 = Fixed(8, 4)


def stream(channels: int, form: Fixed = S8, most: int = 9) -> TensorType:
    return TensorType(Length("n", most), channels, form)


# Meaning


def test_one_token_is_its_value() -> None:
    op = SoftmaxPool.of(stream(2), stream(6), S8)
    rng = np.random.default_rng(0)
    for v in rng.integers(-128, 128, (20, 1, 6)):
        assert np.array_equal(op.evaluate(rng.integers(-128, 128, (1, 2)), v), v)


def test_heads_look_at_their_own_scores() -> None:
    """Equal scores give the mean; one far above the others gives its token's value."""
    op = SoftmaxPool.of(stream(2), stream(4), Fixed(12, 6))
    scores, values = np.full((8, 2), -128), np.arange(32).reshape(8, 4) * 7 - 100
    scores[5, 1] = 127
    mean = values.sum(axis=0, keepdims=True) // 2
    assert np.array_equal(op.evaluate(scores, values)[:, :2], mean[:, :2])
    assert np.array_equal(op.evaluate(scores, values)[:, 2:], values[5:6, 2:] * 4)


def data(rng: np.random.Generator, count: int) -> list[Floats]:
    return [np.clip(rng.normal(size=(count, c)) * s, -3.9, 3.9) for c, s in ((3, 2.0), (12, 1.0))]


@pytest.mark.parametrize("width", [8, 12])
def test_golden_within_its_bound_of_float(width: int) -> None:
    form = Fixed(width, width - 3)
    types = stream(3, form, 60), stream(12, form, 60)
    op = SoftmaxPool.of(*types, form)
    reference, rng = op.reference(types[0]), np.random.default_rng(width)
    for count in (60, 7, 2, 1):
        real = data(rng, count)
        ints = [form.quantize(x) for x in real]
        golden = [form.dequantize(x) for x in ints]
        found = form.dequantize(op.evaluate(*ints))
        own = op.error_bound([(x, np.zeros_like(x)) for x in golden], found, reference)
        assert np.all(np.abs(op.real(golden, reference) - found) <= own)
        # The layer alone: half a step and little more.
        assert own.max() <= (0.5 + 0.15 * 2.0 ** (width - 10)) * form.ulp
        whole = op.error_bound([(g, np.abs(g - x)) for g, x in zip(golden, real, strict=True)], found, reference)
        assert np.all(np.abs(op.real(real, reference) - found) <= whole) and whole.max() <= 0.2 * 2.0 ** (8 - width)


def test_refusals() -> None:
    scores, values = stream(2), stream(6)
    op = SoftmaxPool.of(scores, values, S8)
    cases = (
        (op, (scores, stream(6, S8, 8)), "n scores for n values|equal numbers of tokens"),
        (op, (stream(3), values), r"softmax_pool\.heads: 2 for 3 scores per token"),
        (op, (scores, stream(5)), r"softmax_pool\.heads: 2 on 5 channels"),
        (replace(op, shift=1), (scores, values), r"softmax_pool\.shift: 1 from s8\.4 to s8\.4"),
        (replace(op, scale_shift=0), (scores, values), "scale_shift 1 to 62"),
        (op, (scores, stream(6, Fixed(40, 4))), "a weighted sum of 78 bits"),
        (replace(op, shift=-32, output=Fixed(60, 36)), (scores, values), r"softmax_pool\.shift: -32\n.*-31 to"),
    )
    for wrong, types, text in cases:
        with pytest.raises(GraphError, match=text):
            wrong.infer(*types)
    with pytest.raises(GraphError, match=r"lanes: 4\n.*a divisor of a head's 3 channels, or whole heads"):
        op.rtl(Folding(lanes=4), scores, values)


# Front end


class Pooled(nn.Module):
    """Attention over a sequence, of values that are as wide as they came or permuted."""

    def __init__(self, permuted: bool = False) -> None:
        super().__init__()
        self.attention, self.out, self.permuted = AdditiveAttention(6, 5, heads=2), nn.Linear(6, 4), permuted

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.permuted:
            return self.out(Module()(x[:, :6, :2] * 1.0, x.transpose(1, 2).contiguous()))
        return self.out(self.attention(x))


def test_from_torch() -> None:
    torch.manual_seed(0)
    model, batch = Pooled().eval(), torch.randn(12, 10, 6)
    found = import_model(model, batch[:1], batch)
    (op,) = [n.op for n in found.raw.nodes if isinstance(n.op, SoftmaxPool)]
    assert op.heads == 2 and found.raw.types[found.raw.outputs[0]].tokens == 1
    seen = found.compare(batch[:6])
    assert seen.holds and seen.meaning <= 1e-6, (seen.meaning, seen.worst)
    with pytest.raises(UnsupportedError):
        import_model(Pooled(permuted=True).eval(), batch[:1, :6], batch[:, :6])


# Hardware

SHAPES = {  # heads, channels of each, lanes
    "one channel": (1, 1, 1),
    "parts of a head": (2, 4, 2),
    "all heads": (2, 3, 6),
    "a head": (3, 4, 4),
}


@pytest.mark.slow
def test_every_executor() -> None:
    scores, values = stream(2, Fixed(7, 3)), stream(8, Fixed(6, 2, signed=False))
    check_operator(SoftmaxPool.of(scores, values, Fixed(8, 4)), scores, values, foldings=[Folding(lanes=2)])


def pooled(rng: np.random.Generator, heads: int, dim: int, lanes: int, lengths: tuple[int, ...]) -> Job:
    types = stream(heads), stream(heads * dim, Fixed(8, 5))
    data = [[rng.integers(-128, 128, (n, t.channels)) for n in lengths] for t in types]
    return job(single(SoftmaxPool.of(*types, Fixed(8, 5)), *types), {"y": Folding(lanes=lanes)}, data)


def forked(rng: np.random.Generator) -> Job:
    """Scores from linear layers, one of which takes six tokens at a time, of the stream that is pooled."""

    def linear(outs: int) -> Linear:
        return Linear(rng.integers(-8, 8, (outs, 6)), np.zeros(outs, np.int64), np.full(outs, 4), 4, S8)

    pool = SoftmaxPool.of(stream(2), stream(6), S8)
    nodes = Node("h", linear(6), ("x",)), Node("s", linear(2), ("h",)), Node("y", pool, ("s", "x"))
    graph = Graph({"x": stream(6)}, nodes, ("y",))
    foldings = {"h": Folding(simd=1, pe=1, tokens=6), "s": Folding(simd=6), "y": Folding(lanes=3)}
    assert depths(graph, foldings)["y", 1].tokens >= 6
    return job(graph, foldings, [[rng.integers(-128, 128, (n, 6)) for n in (9, 1, 7, 9)]], 0.2)


@pytest.mark.slow
def test_rtl_equals_golden_in_the_predicted_cycles() -> None:
    """One build for all: shapes times batches of single tokens, equal sequences, mixed ones; then the fork."""
    rng = np.random.default_rng(0)
    batches = (1,), (9,), (1,) * 8, (2,) * 8, (9,) * 6, (1, 9, 1, 3, 2, 7, 9, 9, 1, 1, 5)
    jobs = [pooled(rng, *shape, lengths) for shape in SHAPES.values() for lengths in batches]
    jobs.append(forked(rng))
    for one, run in zip(jobs, run_all(jobs), strict=True):
        assert_equal(one, run, executors()["golden"](one), str(one.graph))
        if one.stall == 0.0:
            lengths = [(len(s), len(v)) for s, v in zip(*one.inputs, strict=True)]
            assert run.cycles == cycles(one.graph, one.foldings, one.rtl, lengths).cycles, (str(one.graph), lengths)


def test_foldings_are_legal_and_rise() -> None:
    types = stream(3), stream(12)
    op = SoftmaxPool.of(*types, S8)
    found = list(op.foldings(*types))
    assert [f.lanes for f in found] == [1, 2, 4, 12]
    assert [op.rtl(f, *types).in_lanes for f in found] == [(1, 1), (1, 2), (1, 4), (3, 12)]
    times = [int(np.max(op.stages(f, 9, *types)[0].interval)) for f in found]
    assert times == [108, 54, 27, 9]
    dsp = [op.cost(f, *types).dsp for f in found]
    assert dsp == sorted(dsp)
