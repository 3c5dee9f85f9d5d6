# SPDX-License-Identifier: Apache-2.0
"""Whole networks: the graph means what torch computes, and its integers stay within the derived bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from frontend.nets import Apply, Mixed, noise, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gatewright.frontend import Imported, import_model
from gatewright.nn import Quadratic


def checked(model: nn.Module, data: torch.Tensor) -> Imported:
    """Import, compare with torch, and return the import."""
    found = import_model(model, data[:1], data)
    seen = found.compare(data[:12])
    with torch.no_grad():
        wanted = model(data[:12]).numpy()
    assert np.allclose(np.stack(seen.real), wanted, atol=1e-4 * (1 + np.abs(wanted).max()))
    assert seen.meaning <= 1e-9 and seen.holds, (seen.meaning, seen.worst, seen.layers)
    # Golden integers are close enough to be useful, not only within a bound that may be wide.
    assert np.max(np.abs(np.stack(seen.golden) - wanted)) <= 0.15 * (np.ptp(wanted) + 0.1)
    return found


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), (6,)),
    "mixed": (Mixed, (1, 7, 7)),
    "norm after linear": (lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)), (6,)),
    "norm alone": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, stride=2)), (3, 6, 6)),
    "norm without affine": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4, affine=False)),
        (3, 9),
    ),
    "depthwise": (
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=4, dilation=2), nn.MaxPool2d(2)),
        (4, 9, 8),
    ),
    "quadratic": (lambda: nn.Sequential(nn.Linear(6, 8), Quadratic(8, square=0.3), nn.Linear(8, 3)), (6,)),
    "quadratic image": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), Quadratic(4), nn.AvgPool2d(3)), (2, 8, 8)),
    "quadratic scalar, flattened": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), Quadratic(), nn.Linear(64, 3)),
        (2, 6, 6),
    ),
    "flatten before relu": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.ReLU(), nn.Linear(64, 3)),
        (2, 6, 6),
    ),
    "flattened output": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten()), (2, 6, 5)),
    "channels last": (lambda: Sequence([nn.Conv2d(2, 4, 3), (0, 2, 3, 1), nn.Linear(4, 5)]), (2, 6, 5)),
    "patches as tokens": (
        lambda: Sequence([nn.Conv2d(1, 6, 4, 4), nn.Flatten(2), (0, 2, 1), nn.Linear(6, 3)]),
        (1, 8, 12),
    ),
    "unflatten to image": (
        lambda: nn.Sequential(nn.Linear(6, 24), nn.Unflatten(1, (2, 3, 4)), nn.Flatten(2), nn.Linear(12, 2)),
        (6,),
    ),
    "flatten and back": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 2), nn.Flatten(), nn.ReLU(), nn.Unflatten(1, (3, 4, 5)), nn.Conv2d(3, 2, 2)
        ),
        (1, 5, 6),
    ),
    "sequence": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 4, 3, padding=2, padding_mode="circular"),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.AvgPool1d(3, 1),
        ),
        (3, 12),
    ),
    "tokens first": (lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), (7, 5)),
    "causal": (lambda: nn.Sequential(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(3, 4, 3)), (3, 9)),
    "global maximum": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
        (1, 6, 6),
    ),
    "mean over steps": (lambda: nn.Sequential(nn.Linear(5, 4), Apply(lambda x: x.mean(1))), (6, 5)),
    "one input channel": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(20, 3)), (1, 4, 5)),
    "norm of a flattened image": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), Weighted(24), nn.Linear(24, 3)),
        (2, 3, 5),
    ),
    "two readers of a flatten": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), Twice(24)),
        (1, 4, 5),
    ),
    "negative inputs into relu": (lambda: nn.Sequential(nn.ReLU(), nn.Linear(6, 3)), (6,)),
    "pool before relu": (
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(3, 2, 2)),
        (1, 9, 9),
    ),
    "three-way concatenation": (lambda: Three(), (6,)),
}


class Sequence(nn.Module):
    """Modules and permutations in turn."""

    def __init__(self, steps: list[Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([s for s in steps if isinstance(s, nn.Module)])
        self.steps = [s if isinstance(s, tuple) else None for s in steps]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layers = iter(self.layers)
        for step in self.steps:
            x = next(layers)(x) if step is None else x.permute(step)
        return x


class Weighted(nn.LayerNorm):
    """Layer norm with weights that differ."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        nn.init.normal_(self.weight)
        nn.init.normal_(self.bias)


class Twice(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(features, 4), nn.Linear(features, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.a(x)) + self.b(x)


class Three(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(6, n) for n in (2, 3, 4))
        self.last = nn.Linear(9, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b, c = (p(x) for p in self.parts)
        return self.last(torch.cat([torch.relu(a), b, c], dim=-1))


@pytest.mark.parametrize("name", MODELS)
def test_model(name: str) -> None:
    build, shape = MODELS[name]
    checked(seeded(build), noise(60, *shape))


def test_relu_costs_nothing_behind_a_matrix_unit() -> None:
    found = checked(seeded(MODELS["pool before relu"][0]), noise(60, 1, 9, 9))
    assert [n.op.name() for n in found.graph.nodes] == ["conv2d", "max_pool", "conv2d"]
    assert not found.graph.nodes[0].op.output.signed


def test_batch_norm_disappears_into_the_layer_before() -> None:
    found = checked(seeded(MODELS["norm after linear"][0]), noise(60, 6))
    assert [n.op.name() for n in found.graph.nodes] == ["linear", "linear"]


def test_lone_batch_norm_is_one_weight_per_channel() -> None:
    found = checked(seeded(MODELS["norm alone"][0]), noise(60, 3, 6, 6))
    op = found.graph.nodes[0].op
    assert op.name() == "linear" and op.groups == 3 and op.weight.shape == (3, 1)


def test_names_and_origins() -> None:
    found = import_model(seeded(Mixed), noise(1, 1, 7, 7), noise(9, 1, 7, 7), name="mixed")
    assert found.graph.name == "mixed"
    origin = {n.name: n.origin for n in found.graph.nodes}
    assert origin["conv2d"] == "first.0" and origin["linear"] == "dense"


@pytest.mark.parametrize("channels_first", [True, False])
def test_run_time_length(channels_first: bool) -> None:
    front = [(0, 2, 1)] if not channels_first else []
    model = seeded(
        lambda: Sequence([*front, nn.Conv1d(3, 4, 3, stride=2, padding=1), nn.ReLU(), (0, 2, 1), nn.Linear(4, 2)])
    )
    shape = (lambda n: (3, n)) if channels_first else (lambda n: (n, 3))
    data = [noise(*shape(n)) for n in (1, 4, 5, 13, 20)]
    found = import_model(model, noise(1, *shape(8)), data, dynamic={"words": (1, 20)})
    assert str(found.input_type.tokens) == "words" and str(found.output_type.tokens) == "(words+1)//2"
    seen = found.compare(data)
    assert seen.holds
    results = found.run(data)
    for item, got, wanted in zip(data, results, seen.real, strict=True):
        assert got.shape == wanted.shape == tuple(model(item[None])[0].shape)


def test_batch_encodes_one_sequence_per_item() -> None:
    found = import_model(seeded(Mixed), noise(1, 1, 7, 7), noise(9, 1, 7, 7))
    sequences = found.encode(noise(5, 1, 7, 7))
    assert [s.shape for s in sequences] == [(49, 1)] * 5
    out = [found.graph.evaluate(s)[0] for s in sequences]
    assert np.array_equal(found.decode(out), found.run(noise(5, 1, 7, 7)))
    assert found.decode(out).shape == (5, 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_networks_stay_within_the_bound(seed: int) -> None:
    draw = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**31)
        channels, size = (int(draw.integers(1, 4)), int(draw.integers(5, 9)))
        layers: list[nn.Module] = []
        shape = channels
        for _ in range(int(draw.integers(1, 4))):
            wide = int(draw.integers(1, 5))
            options = [
                nn.Conv2d(shape, wide, int(draw.integers(1, 4)), padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2, 1),
                nn.AvgPool2d(3, 1, 1),
                nn.BatchNorm2d(shape),
                Quadratic(shape),
            ]
            layer = options[int(draw.integers(len(options)))]
            shape = wide if isinstance(layer, nn.Conv2d) else shape
            layers.append(layer)
        tail: list[nn.Module] = [nn.Flatten(), nn.LazyLinear(3)]
        model = nn.Sequential(*layers, *tail)
        data = torch.randn(20, channels, size, size) * float(2.0 ** draw.integers(-6, 7))
        model(data)
    bits = draw.integers(2, 13, 2)
    from gatewright.frontend import QuantConfig

    config = QuantConfig(
        int(bits[0]), int(bits[1]), bool(draw.random() < 0.5), "mse" if draw.random() < 0.5 else "range"
    )
    found = import_model(model.eval(), data[:1], data[:10], config=config)
    # Items outside the calibration set saturate now and then; the bound covers that.
    seen = found.compare(data[8:14] * 1.5)
    assert seen.holds, (seen.worst, seen.layers, seen.meaning, str(found.graph))
    for a, b in zip(found.encode(data), found.encode(data), strict=True):
        assert np.array_equal(found.raw.evaluate(a)[0], found.graph.evaluate(b)[0])
