# SPDX-License-Identifier: Apache-2.0
"""Networks trained with power-of-two fake quantization are taken exactly."""

from __future__ import annotations

import numpy as np
import torch
from frontend.nets import Apply, noise, seeded
from torch import nn

from gatewright.fixed import Fixed
from gatewright.frontend import import_model


def fake(x: torch.Tensor, frac: int, low: int, high: int) -> torch.Tensor:
    return torch.fake_quantize_per_tensor_affine(x, 2.0**-frac, 0, low, high)


class Trained(nn.Module):
    """Inputs, weights and activations on power-of-two grids."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)
        for layer in (self.first, self.second):
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = fake(x, 5, -128, 127)
        x = nn.functional.linear(x, fake(self.first.weight, 4, -8, 7), self.first.bias)
        x = fake(torch.relu(x), 4, 0, 255)
        x = nn.functional.linear(x, fake(self.second.weight, 3, -4, 3), self.second.bias)
        return fake(x, 6, -32768, 32767)


def test_formats_are_the_trained_ones_and_no_requantize_remains() -> None:
    found = import_model(seeded(Trained), noise(1, 6), noise(50, 6))
    assert [n.op.name() for n in found.graph.nodes] == ["linear", "linear"]
    first, second = (n.op for n in found.graph.nodes)
    assert found.input_type.fixed == Fixed(8, 5)
    assert (first.output, first.weight_width <= 4) == (Fixed(8, 4, signed=False), True)
    assert second.output == Fixed(16, 6)


def test_results_equal_the_fake_quantized_model() -> None:
    model = seeded(Trained)
    found = import_model(model, noise(1, 6), noise(50, 6))
    # Inputs on the grid leave no error but ties, one product sum in 32 here, which torch rounds to even.
    x = torch.from_numpy(Fixed(8, 5).dequantize(np.random.default_rng(0).integers(-128, 128, (200, 6)))).float()
    seen = found.compare(x)
    assert seen.holds
    with torch.no_grad():
        assert np.array_equal(np.stack(seen.real), model(x).numpy())
    equal = np.stack(seen.golden) == np.stack(seen.real)
    assert equal.mean() > 0.7


def test_a_format_between_layers_that_others_read_is_a_requantize() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.a(x)
            return self.b(fake(y, 2, -8, 7)) + y

    found = import_model(seeded(Shared), noise(1, 4), noise(50, 4))
    kinds = [n.op.name() for n in found.graph.nodes]
    assert kinds == ["linear", "requantize", "linear", "add"]
    assert found.graph.nodes[1].op.output == Fixed(4, 2)
    assert found.compare(noise(30, 4)).holds


def test_pooling_between_layer_and_fake_quantize() -> None:
    model = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3),
            nn.MaxPool2d(2),
            nn.ReLU(),
            Apply(lambda x: fake(x, 3, 0, 15)),
            nn.Flatten(),
            nn.Linear(12, 2),
        )
    )
    found = import_model(model, noise(1, 1, 6, 6), noise(50, 1, 6, 6))
    assert [n.op.name() for n in found.graph.nodes] == ["conv2d", "max_pool", "reshape", "linear"]
    assert found.graph.nodes[0].op.output == Fixed(4, 3, signed=False)
    assert found.compare(2 * noise(30, 1, 6, 6)).holds


def test_fake_quantize_of_the_same_format_twice_is_one() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 4), Apply(lambda x: fake(fake(x, 3, -8, 7), 3, -8, 7))))
    found = import_model(model, noise(1, 4), noise(50, 4))
    assert [n.op.name() for n in found.graph.nodes] == ["linear"]
    assert found.compare(noise(30, 4)).holds
