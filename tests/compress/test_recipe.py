# SPDX-License-Identifier: Apache-2.0
"""A recipe's variants, and their comparison: compiled, verified in RTL, measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.comparison import compare
from gatewright.compress import dkm, low_rank
from gatewright.compress.recipe import Recipe
from gatewright.errors import DataError
from gatewright.frontend.config import QuantConfig


def test_variants_and_their_hardware() -> None:
    """Low rank, then a codebook: fewer products, then fewer bits; every variant equals golden in RTL."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 4))
    x = np.random.default_rng(0).normal(size=(64, 48)).astype(np.float32)
    with torch.no_grad():
        y = model(torch.from_numpy(x)).argmax(1).numpy()
    recipe = (
        Recipe()
        .then("low rank", lambda m: low_rank.factorised(m, low_rank.LowRank("svd", 0.25)))
        .then("clustered", lambda m: dkm.post_training(m, dkm.Clustering(4)))
    )
    variants = recipe.run(model)
    assert [v.name for v in variants] == ["before", "low rank", "clustered"]
    config = QuantConfig(codebook="always")
    options: dict[str, Any] = {"target": 64, "yosys": False, "config": config, "name": "net"}
    found = compare(variants, x, x, y, samples=0, **options)
    before, thin, coded = found.rows
    # Some weights are zero as integers.
    assert before.accuracy > 0.9 and 0.95 * 1664 < before.macs <= 48 * 32 + 32 * 4 == 1664
    assert before.parameters == 48 * 32 + 32 + 32 * 4 + 4
    assert thin.macs <= 48 * 8 + 8 * 32 + 32 * 4 and thin.resources["dsp"] < before.resources["dsp"]
    # 4 bits a weight and three tables of 16 entries, of at most 8 bits each; the weights had up to 8.
    assert coded.bits <= 4 * (48 * 8 + 8 * 32 + 32 * 4) + 3 * 16 * 8 < thin.bits
    assert all(row.cycles <= 64 and row.mismatches is None for row in found.rows)
    assert "clustered" in str(found) and "%" in str(found)
    (row,) = compare(variants[2:], x, x, y, **options).rows
    assert row.mismatches == 0 and 0 < row.predicted == pytest.approx(row.simulated, abs=12)
    assert replace(row, mismatches=None, predicted=0, simulated=0) == coded


def test_refusals() -> None:
    with pytest.raises(DataError, match="no steps"):
        Recipe().run(nn.Linear(2, 2))
    with pytest.raises(DataError, match="two steps 'a'"):
        Recipe().then("a", lambda m: m).then("a", lambda m: m)
    with pytest.raises(DataError, match="gave a int"):
        Recipe().then("a", lambda m: 3).run(nn.Linear(2, 2))  # type: ignore[arg-type,return-value]
