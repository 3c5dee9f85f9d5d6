# SPDX-License-Identifier: Apache-2.0
"""Exported QONNX models, run by the reference execution of QONNX, equal golden; what cannot be said is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import harness
import numpy as np
import onnx
import pytest
import torch
from frontend.nets import Mixed, noise, seeded
from frontend.onnx_models import reference
from ops.recurrent_cases import X, recurrent
from torch import nn

import gatewright as gw
from gatewright.errors import NotExpressibleError
from gatewright.fixed import Fixed
from gatewright.frontend.onnx import import_onnx
from gatewright.graph import Graph, Length, Node, TensorType
from gatewright.lower.qonnx import export
from gatewright.lower.qonnx.spelling import spellings
from gatewright.ops._recurrent import Cell
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.linear import Linear
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_job

FIRST_SEED, CASES = 7_000, 150


def test_random_graphs() -> None:
    """Every operator that has a spelling, in random graphs with random data."""
    run, golden = executors()["qonnx"], executors()["golden"]
    said, refused = Counter[str](), Counter[str]()
    for seed in range(FIRST_SEED, FIRST_SEED + CASES):
        job = random_job(seed)
        try:
            result = run(job)
        except NotExpressibleError as error:
            refused[error.problem] += 1
            continue
        harness.assert_equal(job, result, golden(job), f"seed {seed}")
        said.update(n.op.name() for n in job.graph.nodes)
    print(f"seeds {FIRST_SEED} to {FIRST_SEED + CASES - 1}: {dict(said)}; refused {dict(refused)}")
    assert set(said) == {k.name() for k in spellings()}
    # Most graphs that are refused hold a norm or attention.
    assert sum(n for p, n in refused.items() if "no exact spelling" not in p) < CASES // 10


def single(op: object, kind: TensorType, **more: object) -> harness.Job:
    graph = Graph({"x": kind}, (Node("y", op, ("x",)),), ("y",), "single")  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    x = [[rng.integers(kind.fixed.lo, kind.fixed.hi + 1, (kind.tokens, kind.channels), dtype=np.int64)]]
    return harness.job(graph, {}, x)


def check(job: harness.Job) -> None:
    harness.assert_equal(job, executors()["qonnx"](job), executors()["golden"](job), job.graph.name)


@pytest.mark.parametrize("width", [8, 16, 24, 25, 40])
@pytest.mark.parametrize("signed", [True, False])
def test_rounding_and_saturation_at_every_width(width: int, signed: bool) -> None:
    """Halves, negative ones too, and both ends; beyond 24 bits in float64."""
    for shift in (-1, 0, 1, 3):
        kind = TensorType(200, 2, Fixed(width, 5, signed))
        check(single(Requantize(shift, Fixed(6, 5 - shift, signed)), kind))
        check(single(Requantize(shift, Fixed(min(width + 2, 44), 5 - shift)), kind))


@pytest.mark.parametrize("cell", list(Cell))
def test_a_recurrence_is_unrolled_exactly(cell: Cell) -> None:
    """All steps or the last; with a state beyond 24 bits, in float64; and a single step."""
    for tokens, changed in ((4, {}), (3, {"state": Fixed(30, 26), "final": True}), (1, {})):
        op = recurrent(cell, 3, **changed)
        check(single(op, TensorType(tokens, len(op.weight), X)))
    with pytest.raises(NotExpressibleError, match="unrolled over 17 steps\n  supported: at most 16"):
        export(single(op, TensorType(17, len(op.weight), X)).graph)


def test_one_signed_bit_is_minus_one_or_zero() -> None:
    check(single(Requantize(2, Fixed(1, 0)), TensorType(40, 3, Fixed(6, 2))))
    weight = np.array([[-1, 0], [0, -1]])
    op = Linear(weight, np.zeros(2, np.int64), np.zeros(2, np.int64), 1, Fixed(5, 0))
    check(single(op, TensorType(10, 2, Fixed(3, 0))))


def test_convolutions_whose_sums_exceed_float32() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-128, 128, (2, 12, 3))
    weight[0] = -128
    op = Conv1d(weight, np.array([5, -7]), np.array([9, 12]), 8, Fixed(16, 0))
    job = single(op, TensorType(30, 12, Fixed(16, 0)))
    model = export(job.graph)
    assert Counter(n.op_type for n in model.graph.node)["Conv"] == 2
    check(job)
    wide = Conv1d(weight << 8, np.zeros(2, np.int64), np.array([20, 20]), 16, Fixed(16, 0))
    with pytest.raises(NotExpressibleError, match=r"qonnx, y: sums of \d+ bits.*\n.*at most 24"):
        export(single(wide, TensorType(30, 12, Fixed(16, 0))).graph)


def test_what_has_no_spelling_names_node_and_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    norm = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)).eval()
    design = gw.compile(norm, noise(1, 4), noise(20, 4))
    with pytest.raises(NotExpressibleError, match=r"qonnx, layer_norm: layer_norm has no exact spelling\n.*conv2d"):
        design.qonnx()
    with pytest.raises(NotExpressibleError):
        design.verify(noise(3, 4), ["qonnx"])
    # Not asked for by name, it is left out, and the table says why. The others take their time to build.
    quick = {name: executors()[name] for name in ("golden", "qonnx")}
    monkeypatch.setattr("gatewright.design.executors", lambda: quick)
    found = design.verify(noise(3, 4)).check()
    assert [bool(r.skipped) for r in found.rows] == [False, True]
    assert "qonnx not run: qonnx, layer_norm: layer_norm has no exact spelling" in " ".join(str(found).split())


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (Mixed, (5, 1, 6, 6)),
        (lambda: nn.Sequential(nn.Linear(6, 9), nn.GELU(), nn.Linear(9, 4)), (8, 6)),
        (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten()), (4, 3, 9)),
        (lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU()), (4, 5, 6)),
    ],
)
def test_an_exported_file_has_the_layout_of_its_source(build: object, shape: tuple[int, ...], tmp_path: Path) -> None:
    model, batch = seeded(build), noise(*shape)
    design = gw.compile(model, batch[:1], batch)
    design.qonnx(tmp_path / "model.onnx")
    found = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(found, full_check=False)
    assert [d.dim_value for d in found.graph.input[0].type.tensor_type.shape.dim] == [1, *shape[1:]]
    with torch.no_grad():
        assert reference(found, batch.numpy()).shape == tuple(model(batch).shape)
    assert np.array_equal(reference(found, batch.numpy()), design.run(batch))


def test_a_run_time_length_is_fixed_in_the_file() -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1)))
    data = [noise(3, n) for n in (5, 9)]
    design = gw.compile(model, noise(1, 3, 9), data, dynamic={"n": (2, 20)})
    assert isinstance(design.imported.input_type.tokens, Length)
    for item in data:
        found = reference(design.qonnx(length=item.shape[1]), item[None].numpy())
        assert np.array_equal(found[0], design.run([item])[0])
    assert design.verify(data, ["qonnx"]).check().mismatches == 0


def test_an_exported_model_comes_back_as_the_same_integers() -> None:
    """Export, import: the formats in the file are taken, so both designs compute the same."""
    model = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 9, 5), nn.ReLU()
        )
    )
    batch = noise(30, 2, 6, 6)
    design = gw.compile(model, batch[:1], batch)
    back = import_onnx(design.qonnx(), batch)
    assert [n.op.name() for n in back.graph.nodes] == [n.op.name() for n in design.graph.nodes]
    assert np.array_equal(back.run(batch), design.run(batch))


def test_a_wrong_integer_is_seen() -> None:
    """The executor tells values between two steps from those on them."""
    job = single(Relu(), TensorType(4, 2, Fixed(4, 0)))
    run = executors()["qonnx"](job)
    run.outputs[0][0][0, 0] += 1
    with pytest.raises(AssertionError, match="1 of 8 integers"):
        harness.assert_equal(job, run, executors()["golden"](job), "qonnx")
