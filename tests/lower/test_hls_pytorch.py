# SPDX-License-Identifier: Apache-2.0
"""hls4ml's own PyTorch converter with our layers; and what it does to a model without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.errors import CalibrationError, UnsupportedError
from gatewright.lower.hls.pytorch import WRONG, prepare
from gatewright.nn import TopKAttention

hls4ml = pytest.importorskip("hls4ml", reason="the extra hls is not installed")

TOKENS, CHANNELS = 6, 8


def converted(model: nn.Module, folder: Path, io_type: str = "io_stream") -> Any:
    """What hls4ml makes of a model on [N, tokens, channels], compiled."""
    config = hls4ml.utils.config_from_pytorch_model(
        model,
        (TOKENS, CHANNELS),
        granularity="name",
        backend="Vitis",
        default_precision="fixed<32,12>",
        channels_last_conversion="off",
    )
    found = hls4ml.converters.convert_from_pytorch_model(
        model, output_dir=str(folder), backend="Vitis", hls_config=config, io_type=io_type
    )
    found.compile()
    return found


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    torch.manual_seed(1)
    # On the grid of the input's type, so that hls4ml's own truncation changes nothing.
    return torch.floor(torch.randn(32, TOKENS, CHANNELS) * 1024) / 1024


class Block(nn.Module):
    """Attention of ours, then an add and a ReLU that hls4ml knows."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = TopKAttention(CHANNELS, 2, top=3)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.attention(x)[0])


class Sequence(nn.Module):
    """A linear layer and a softmax per token: what hls4ml gets wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(CHANNELS, CHANNELS)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.linear(x), self.softmax(x)


@pytest.mark.slow
def test_our_layer_beside_plain_ones_is_exact(samples: torch.Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ready = prepare(Block().eval(), samples)
    model = converted(ready.model, tmp_path / "block")
    assert [n.class_name for n in model.get_layers()].count("GatewrightNetwork") == 1
    x = samples.double().numpy()
    found = model.predict(np.ascontiguousarray(x)).reshape(x.shape)
    assert np.array_equal(found, np.maximum(x + ready.parts["attention"].run(x), 0))


@pytest.mark.slow
def test_stock_hls4ml_is_silently_wrong_here(samples: torch.Tensor, tmp_path: Path) -> None:
    """The reason for `WRONG`; when this fails, hls4ml has been mended and the table can shrink."""
    torch.manual_seed(0)
    net = Sequence().eval()
    model = converted(net, tmp_path / "stock", "io_parallel")
    with torch.no_grad():
        linear, softmax = (y.numpy() for y in net(samples))
    got_linear, got_softmax = (y.reshape(softmax.shape) for y in model.predict(samples.double().numpy()))
    # Weights are not transposed: the result is that of another matrix.
    weight, bias = net.linear.weight.detach().numpy(), net.linear.bias.detach().numpy()
    assert np.abs(got_linear - linear).max() > 0.3
    assert np.abs(got_linear - (samples.numpy() @ weight + bias)).max() < 0.01
    # A row of probabilities sums to a share of one, since it is one over all tokens that does.
    assert np.abs(softmax.sum(-1) - 1).max() < 1e-5
    assert np.abs(got_softmax.sum((1, 2)) - 1).max() < 0.1 and got_softmax.sum(-1).max() < 0.9


def test_what_hls4ml_would_get_wrong_is_refused(samples: torch.Tensor) -> None:
    class Mixed(Block):
        def __init__(self) -> None:
            super().__init__()
            self.after = nn.Linear(CHANNELS, CHANNELS)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.after(super().forward(x))

    with pytest.raises(UnsupportedError, match=r"module after \(Linear\)(.|\n)*not transposed(.|\n)*take"):
        prepare(Mixed().eval(), samples)
    ready = prepare(Mixed().eval(), samples, take=(TopKAttention, nn.Linear))
    assert sorted(ready.parts) == ["after", "attention"]
    assert set(WRONG) >= {"Linear", "Softmax", "LayerNorm"}


def test_refusals(samples: torch.Tensor) -> None:
    with pytest.raises(UnsupportedError, match="no module to take"):
        prepare(nn.Sequential(nn.ReLU()), samples)
    with pytest.raises(UnsupportedError, match="the model itself"):
        prepare(TopKAttention(CHANNELS, 2), samples)

    class Twice(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(super().forward(x))

    with pytest.raises(CalibrationError, match="attention: called 2 times"):
        prepare(Twice().eval(), samples)
