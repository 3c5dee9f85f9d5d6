# SPDX-License-Identifier: Apache-2.0
"""Encoder layers of PyTorch, after conversion, are imported whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from frontend.nets import noise, seeded
from torch import nn

from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.frontend.roll import Ring, roll
from gatewright.nn import sparsify
from gatewright.nn.bert import BertEncoder
from gatewright.ops.loop import Loop

CHANNELS = 8


def encoder(first: bool, activation: str) -> nn.Module:
    """Two layers with their mean over tokens."""

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(
                CHANNELS, 2, 12, batch_first=True, norm_first=first, activation=activation
            )
            norm = nn.LayerNorm(CHANNELS) if first else None
            self.encoder = nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.encoder(x).mean(1)

    return sparsify(seeded(Mean), top=4, bits=2)


def checked(model: nn.Module, data: list[Any], path: str) -> Imported:
    """Import with the layers below `path` tied, compare with torch, and roll the layers up."""
    config = QuantConfig.transformer(tie=(f"{path}.*",))
    found = import_model(model, data[-1][None], data, config=config, dynamic={"n": (1, 32)})
    seen = found.compare(data)
    assert seen.meaning <= 1e-9 and seen.holds, (seen.meaning, seen.layers)
    with torch.no_grad():
        wanted = np.stack([model(torch.as_tensor(d)[None])[0].numpy() for d in data])
    assert np.allclose(np.stack(seen.real), wanted, atol=1e-5)
    golden = np.stack(seen.golden)
    cosine = (golden * wanted).sum(1) / np.linalg.norm(golden, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosine.mean() > 0.99, cosine
    rolled = roll(found.graph, Ring(path))
    assert sum(isinstance(n.op, Loop) for n in rolled.nodes) == 1
    for item in found.encode(data):
        assert np.array_equal(rolled.evaluate(item)[0], found.graph.evaluate(item)[0])
    return found


@pytest.mark.parametrize(("first", "activation"), [(False, "gelu"), (True, "relu")])
def test_encoder_layer(first: bool, activation: str) -> None:
    data = [noise(32, CHANNELS)[:n] for n in (1, 3, 4, 5, 20, 32)]
    found = checked(encoder(first, activation), data, "encoder.layers")
    kinds = [n.op.name() for n in found.graph.nodes]
    assert kinds.count("top_k_attention") == 2 and kinds.count("layer_norm") == 4 + first
    assert kinds.count("pwl") == (2 if activation == "gelu" else 0) and "relu" not in kinds


def test_bert() -> None:
    model = seeded(lambda: BertEncoder(50, 32, 8, 12, 3, 2, top=4, bits=2))
    draw = np.random.default_rng(0)
    found = checked(model, [draw.integers(0, 50, n) for n in (1, 2, 5, 11, 32)], "layer")
    kinds = [n.op.name() for n in found.graph.nodes]
    assert kinds[:2] == ["embedding", "layer_norm"] and kinds[-1] == "global_pool"
    layer = ["requantize", *["linear"] * 3, "top_k_attention", "linear", "add", "layer_norm"]
    layer += ["requantize", "linear", "pwl", "linear", "add", "layer_norm"]
    assert kinds[2:-1] == layer * 3
