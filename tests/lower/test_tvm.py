# SPDX-License-Identifier: Apache-2.0
"""TVM's kernels compute the golden integers: every operator alone, whole networks, exported libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import job, single
from ops.test_toy import Negate

from gatewright import boards
from gatewright.design import Design, fold
from gatewright.errors import DataError, GraphError, MissingExtraError, NotExpressibleError
from gatewright.fixed import Fixed, Ints
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.frontend.roll import Ring
from gatewright.graph import Graph, Length, Op, TensorType
from gatewright.lower.tvm import loader
from gatewright.lower.tvm.compiled import Compiled
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise
from gatewright.nn.bert import BertEncoder
from gatewright.nn.convert import calibrate_selector
from gatewright.ops._matrix import Matrix, sample_fixed
from gatewright.ops.linear import Linear
from gatewright.ops.top_k_attention import LEVELS, TopKAttention
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_inputs, random_type

LIBRARY = sorted(n for n, op in Op.known.items() if op.__module__.startswith("gatewright.ops."))
TARGETS = ("native", "llvm")
"""This processor with all its instructions, and its family without dot products."""
MOST = 24


def assert_golden(graph: Graph, inputs: list[list[Ints]], target: str) -> None:
    """Compiled results are golden's."""
    network = Compiled.of(graph, target)
    for k, sequences in enumerate(zip(*inputs, strict=True)):
        for got, want in zip(network.run(*sequences), graph.evaluate(*sequences), strict=True):
            assert got.shape == want.shape
            wrong = int(np.sum(got != want))
            assert wrong == 0, f"{graph.name} for {target}: {wrong} of {want.size} integers of sequence {k} differ"


def sampled(name: str, count: int) -> Iterator[tuple[Op, list[TensorType], np.random.Generator]]:
    """Random operators of one kind with their input types."""
    kind, seed = Op.known[name], 0
    while count:
        rng = np.random.default_rng(seed)
        seed += 1
        first = random_type(rng)
        if name == "embedding":
            first = TensorType(first.tokens, 1, Fixed(int(rng.integers(1, 9)), 0, signed=False))
        more = [first.fixed if name == "concat" else sample_fixed(rng) for _ in range((kind.arity or 2) - 1)]
        types = [first, *(TensorType(first.tokens, first.channels, f) for f in more)]
        try:
            op = kind.sample(rng, *types)
            if op is None:
                continue
            op.infer(*types)
        except GraphError:
            continue
        print(f"seed {seed - 1}: {op.describe()} on {', '.join(map(str, types))}")
        count -= 1
        yield op, types, rng


@pytest.mark.parametrize("name", LIBRARY)
def test_operator(name: str) -> None:
    """Random attributes, widths 1 to 16, extreme values, shortest and longest lengths."""
    for k, (op, types, rng) in enumerate(sampled(name, 3)):
        graph = single(op, *types)
        assert_golden(graph, random_inputs(rng, graph, 4), TARGETS[k % 2])


@pytest.mark.parametrize(
    "x",
    [Fixed(8, 0), Fixed(8, 0, False), Fixed(10, 0), Fixed(12, 0, False), Fixed(16, 0), Fixed(16, 0, False)],
    ids=str,
)
def test_matrix_blocks(x: Fixed) -> None:
    """Every way to multiply, with outputs and inputs that do and do not fill vectors."""
    rng = np.random.default_rng(x.width)
    for ins, outs, width in ((64, 32, 8), (64, 40, 8), (6, 10, 16), (384, 33, 5)):
        made = Matrix.sample(rng, x, (outs, ins), ins)
        made |= {"weight": np.clip(made["weight"], -1 << (width - 1), (1 << (width - 1)) - 1), "weight_width": 16}
        if width <= 8:
            made["weight_width"] = 8
        kind = TensorType(Length("n", 19), ins, x)
        graph = single(Linear(**made), kind)
        assert_golden(graph, random_inputs(rng, graph, 4), "native")


def attention(top: int, bits: int, causal: bool, width: int = 10, most: int = 150) -> Graph:
    """Three heads of 32 channels."""
    kind = TensorType(Length("n", most), 96, Fixed(width, width - 3))
    limits = np.linspace(0.2, 3.0, LEVELS[bits])
    op = TopKAttention.of(
        [kind] * 3,
        Fixed(width, width - 2),
        heads=3,
        top=top,
        bits=bits,
        causal=causal,
        q_thresholds=limits,
        k_thresholds=limits,
    )
    return single(op, kind, kind, kind)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("top", "bits", "causal"), [(30, 4, False), (30, 4, True), (70, 2, False), (1, 1, True)])
def test_attention_at_length(target: str, top: int, bits: int, causal: bool) -> None:
    """Lengths around `top` and around whole vectors; and scores of which most are equal."""
    graph, rng = attention(top, bits, causal), np.random.default_rng(top)
    lengths = [1, 16, 29, 30, 31, 32, 33, 70, 71, 150]
    inputs = [[rng.integers(-512, 512, (n, 96)) for n in lengths] for _ in range(3)]
    for one in inputs:
        one += [np.zeros((90, 96), np.int64), rng.integers(0, 2, (101, 96)) * 400, np.full((64, 96), -512)]
    assert_golden(graph, inputs, target)


def test_choice_of_keys_matters() -> None:
    """The comparison can fail: another number of keys gives other integers."""
    rng = np.random.default_rng(0)
    inputs = [rng.integers(-512, 512, (100, 96)) for _ in range(3)]
    network = Compiled.of(attention(29, 4, False))
    assert np.any(network.run(*inputs)[0] != attention(30, 4, False).evaluate(*inputs)[0])


@cache
def encoder(layers: int) -> Imported:
    """Layers of 16 channels with random weights."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    sentences = [rng.integers(0, 50, n) for n in (MOST, 1, 2, 7, 19)]
    model = BertEncoder(50, MOST, 16, 32, layers, 2, top=5, bits=4).eval()
    calibrate_selector(model, model.batches([i.tolist() for i in sentences]))
    config = QuantConfig.transformer(bits=8, tie=("layer.*",))
    first = torch.from_numpy(sentences[0])[None]
    return import_model(model, first, sentences, config=config, dynamic={"n": (1, MOST)}, name="encoder")


@pytest.fixture(scope="module")
def design() -> Design:
    return fold(encoder(2), boards.load("u200"), target=3 * 64 * MOST, ring=Ring("layer", sequences=6, group=1))


@pytest.fixture(scope="module")
def batch() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 50, n) for n in (1, 5, 6, 17, MOST)]


def test_design(design: Design, batch: list[np.ndarray]) -> None:
    """An encoder with a loop: the executor of `verify`, the model's layout, and refusals."""
    assert design.verify(batch, ["tvm"], compare=False).check().rows[1].executor == "tvm"
    network = design.tvm()
    assert np.array_equal(network(batch), design.run(batch))
    with pytest.raises(DataError, match=r"input input|input .*: 25 tokens"):
        network.run(np.zeros((MOST + 1, 1), np.int64))
    with pytest.raises(DataError, match="integer sequences"):
        Compiled.of(design.graph)(batch)


def test_exported_library(design: Design, batch: list[np.ndarray], tmp_path: Path) -> None:
    """The loader and its library work in a process that knows neither gatewright nor TVM's compiler."""
    files = design.tvm().export(tmp_path / "network.so")
    assert [f.name for f in files] == ["network.so", "network.json"]
    shutil.copy(loader.__file__, tmp_path / "loader.py")
    np.save(tmp_path / "ids.npy", batch[3][:, None])
    script = (
        "import sys, numpy as np, loader\n"
        "network = loader.Network.load('network.so')\n"
        "np.save('result.npy', network(np.load('ids.npy'))[0])\n"
        "assert not any(m.startswith('gatewright') for m in sys.modules)\n"
    )
    environment = {**os.environ, "TVM_USE_RUNTIME_LIB": "1"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    assert np.array_equal(np.load(tmp_path / "result.npy"), design.graph.evaluate(batch[3][:, None])[0])


class _Opposite(Negate):
    """An operator from outside the library that brings its own kernel."""

    def tvm(self, emit: Emitter, output: TensorType, x: Value) -> Value:
        def body(_: Expr, source: Buffer, target: Buffer) -> None:
            pointwise(target, lambda t, c: -source[t, c].astype(target.dtype))

        return emit.result("opposite", body, [x], [], output)


def test_operator_with_its_own_kernel() -> None:
    graph = single(_Opposite(), TensorType(Length("n", 9), 3, Fixed(8, 0)))
    assert_golden(graph, [[np.full((n, 3), -128) for n in (1, 9)]], "native")


def test_refusals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kind = TensorType(4, 3, Fixed(8, 0))
    graph = single(Negate(), kind)
    with pytest.raises(NotExpressibleError, match=r"node y: operator negate: no TVM kernel"):
        executors()["tvm"](job(graph, {}, [[np.zeros((4, 3), np.int64)]]))
    linear = single(Linear.sample(np.random.default_rng(0), kind), kind)
    with pytest.raises(DataError, match=r"target: 'cuda'(.|\n)*aarch64, armv7"):
        Compiled.of(linear, "cuda")
    with pytest.raises(DataError, match=r"ends in \.so"):
        Compiled.of(linear).export(tmp_path / "network.dll")
    monkeypatch.setitem(sys.modules, "tvm", None)
    with pytest.raises(MissingExtraError, match=r"gatewright\[tvm\]"):
        Compiled.of(linear)


def test_the_process_keeps_its_cores() -> None:
    """In a process of its own, as the thread pool is made once."""
    code = (
        "import os\n"
        "from gatewright.sim.executors import executors\n"
        "from gatewright.sim.fuzz import random_job\n"
        "before = os.sched_getaffinity(0)\n"
        "executors()['tvm'](random_job(3))\n"
        "assert os.sched_getaffinity(0) == before, os.sched_getaffinity(0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
