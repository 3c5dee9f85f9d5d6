# SPDX-License-Identifier: Apache-2.0
"""Compressed layers that share one piece of hardware: sparse, paired and clustered matrices in one small encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gatewright import boards
from gatewright.compress import dkm
from gatewright.compress.low_rank import LowRank, factorised
from gatewright.compress.sparse import Pattern, finished, masked
from gatewright.design import Design, fold
from gatewright.errors import GraphError
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.frontend.roll import Ring, roll
from gatewright.nn.bert import BertEncoder
from gatewright.nn.convert import calibrate_selector
from gatewright.ops.loop import Loop
from gatewright.ops.sparse_linear import SparseLinear

MOST, LAYERS = 12, 2
RING = Ring("layer", sequences=4, group=1)
ATTENTION, EXPAND, CONTRACT = "layer.*.attention.*", "layer.*.expand*", "layer.*.contract"


def dense() -> BertEncoder:
    torch.manual_seed(0)
    return BertEncoder(50, MOST, 32, 32, LAYERS, 2, top=4, bits=2).eval()


def imported(model: Any, **overrides: Any) -> tuple[Imported, list[np.ndarray]]:
    """The encoder of random sentences, and these; the longest and the shortest are among the first."""
    draw = np.random.default_rng(0)
    sentences = [draw.integers(0, 50, int(n)) for n in [MOST, 1, *draw.integers(1, MOST + 1, 14)]]
    calibrate_selector(model, model.batches([s.tolist() for s in sentences]))
    config = QuantConfig.transformer(bits=8, tie=("layer.*",), overrides=overrides)
    first = torch.from_numpy(sentences[0])[None]
    found = import_model(model, first, sentences, config=config, dynamic={"n": (1, MOST)}, name="encoder")
    return found, sentences


@pytest.fixture(scope="module")
def compressed() -> tuple[Design, list[np.ndarray]]:
    """Attention 1:4, the first layer of the feed-forward block a pair of rank 8, the second 2-bit indices."""
    model: Any = factorised(dense(), LowRank("svd", 0.25), keep=[ATTENTION, CONTRACT])
    # Layers differ in density as well: the emptier one takes as many rows as the other.
    for k, pattern in enumerate((Pattern(group=4), Pattern(group=8))):
        others = [p for p, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
        keep = [p for p in others if not p.startswith(f"layer.{k}.attention")]
        members = int(pattern.group)
        model = finished(masked(model, 1 / members, pattern, distribution="uniform", keep=keep))
    model = dkm.post_training(model, dkm.Clustering(2), keep=[ATTENTION, EXPAND]).eval()
    found, sentences = imported(model, **{f"{CONTRACT}:linear": {"codebook": "always"}})
    return fold(found, boards.load("u200"), target=LAYERS * 64 * MOST, ring=RING), sentences


def test_rtl_equals_golden(compressed: tuple[Design, list[np.ndarray]]) -> None:
    """With weights, indices and tables of its own in each layer; cycles as predicted."""
    design, sentences = compressed
    (loop,) = (n.op for n in design.graph.nodes if isinstance(n.op, Loop))
    matrices: list[Any] = [n.op for n in loop.bodies[0].nodes if hasattr(n.op, "weight_width")]
    assert [type(op) is SparseLinear for op in matrices] == [True] * 4 + [False] * 3
    assert [op.coded for op in matrices] == [False] * 6 + [True]
    assert matrices[4].weight.shape == (8, 32) and matrices[5].weight.shape == (32, 8)
    found = design.verify(sentences, ["rtl"], compare=False)
    assert found.check() is found
    (row,) = (r for r in found.rows if r.executor == "rtl")
    assert abs(found.predicted / row.cycles - 1) < 0.05
    flat = [design.imported.graph.evaluate(s[:, None])[0] for s in sentences[:4]]
    assert all(np.array_equal(a, design.graph.evaluate(s[:, None])[0]) for a, s in zip(flat, sentences, strict=False))


def test_ranks_that_differ_are_refused() -> None:
    """The larger one for all would cost the same hardware; the error says where they differ."""
    ranks = {"layer.0.expand": 8, "layer.1.expand": 4}
    model = factorised(dense(), LowRank("svd", 0.25), keep=[ATTENTION, CONTRACT], ranks=ranks)
    with pytest.raises(GraphError, match="4 channels, 8 in bodies"):
        roll(imported(model)[0].graph, RING)
