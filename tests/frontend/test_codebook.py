# SPDX-License-Identifier: Apache-2.0
"""Clustered weights keep their clusters on the way to integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress import dkm
from gatewright.errors import CalibrationError
from gatewright.frontend import QuantConfig, import_model


def model() -> nn.Module:
    """A convolution and a layer, of very different scale from channel to channel."""
    torch.manual_seed(0)
    found = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 16, 12)).eval()
    with torch.no_grad():
        found[0].weight *= torch.logspace(-1, 1, 16)[:, None, None, None]
    return found


def operators(net: nn.Module, **options: Any) -> list[Any]:
    x = np.random.default_rng(0).normal(size=(32, 3, 6, 6)).astype(np.float32)
    imported = import_model(net, x, x, config=QuantConfig(**options))
    compared = imported.compare(x[:4])
    assert compared.holds
    return [n.op for n in imported.graph.nodes if hasattr(n.op, "codebook")]


@pytest.mark.parametrize(("bits", "length"), [(2, 1), (3, 4)])
def test_clusters_become_codebooks(bits: int, length: int) -> None:
    """One binary point for all channels, so that equal weights are equal integers; vectors lie along the outputs."""
    net = dkm.post_training(model(), dkm.Clustering(bits, length))
    for op in operators(net):
        assert op.codebook is not None and op.codebook.shape[1] == length and len(op.codebook) <= 1 << bits
        assert not op.coded and len(np.unique(op.shift)) == 1
    assert all(op.coded for op in operators(net, codebook="always"))


def test_other_weights_and_never() -> None:
    """Without clusters, or when not wanted, every channel has its own binary point as before."""
    for op in operators(model()) + operators(dkm.post_training(model(), dkm.Clustering(2)), codebook="never"):
        assert op.codebook is None
    convolution, _ = operators(model())
    assert len(np.unique(convolution.shift)) > 1


def test_channels_on_grids_of_their_own_stay_exact() -> None:
    """Few weights differ, but no grid of 8 bits holds all of them: exactness comes first."""
    net = nn.Sequential(nn.Linear(64, 16)).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        scale = torch.tensor([1.0, 2.0**-12]).repeat(8)[:, None]
        net[0].weight.copy_(torch.randint(-1, 2, (16, 64), generator=draw) * scale)  # type: ignore[operator,union-attr]
    x = np.random.default_rng(0).normal(size=(32, 64)).astype(np.float32)
    imported = import_model(net, x, x)
    (name,) = (n.name for n in imported.raw.nodes)
    assert not imported.references[name].errors["weight"].any()
    assert len(np.unique(imported.raw.node(name).op.shift)) == 2  # type: ignore[attr-defined]


def test_configuration() -> None:
    net = dkm.post_training(model(), dkm.Clustering(2))
    first, second = operators(net, overrides={"3": {"codebook": "never"}})
    assert first.codebook is not None and second.codebook is None
    with pytest.raises(CalibrationError, match="QuantConfig.codebook"):
        QuantConfig(codebook="sometimes")
