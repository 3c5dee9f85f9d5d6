# SPDX-License-Identifier: Apache-2.0
"""Piecewise-linear activations: every executor equals golden, the bound holds, PyTorch's functions are understood."""

import numpy as np
import pytest
import torch
from harness import check_operator, single
from torch import nn
from torch.nn import functional

from gatewright.errors import GraphError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import QuantConfig, import_model
from gatewright.graph import Length, Reference, TensorType, from_dict, to_dict
from gatewright.ops._functions import FUNCTIONS, Kind
from gatewright.ops._piecewise import integers
from gatewright.ops.pwl import Pwl

N = Length("n", 9)
S10 = Fixed(10, 6)

TORCH = {
    Kind.GELU: functional.gelu,
    Kind.GELU_TANH: lambda x: functional.gelu(x, approximate="tanh"),
    Kind.SILU: functional.silu,
    Kind.MISH: functional.mish,
    Kind.SIGMOID: torch.sigmoid,
    Kind.TANH: torch.tanh,
    Kind.EXP: torch.exp,
    Kind.SOFTPLUS: functional.softplus,
    Kind.HARDSWISH: functional.hardswish,
    Kind.HARDSIGMOID: functional.hardsigmoid,
    Kind.RELU6: functional.relu6,
    Kind.HARDTANH: functional.hardtanh,
}


@pytest.mark.parametrize("kind", list(Kind))
def test_functions_are_those_of_torch(kind: Kind) -> None:
    x = np.linspace(-30, 30, 4001)
    assert np.allclose(FUNCTIONS[kind].value(x), TORCH[kind](torch.from_numpy(x)).numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", list(Kind))
def test_steepest_bounds_every_change(kind: Kind) -> None:
    """On random intervals no two points are further apart than the bound says, and the bound is nearly reached."""
    rng = np.random.default_rng(0)
    low = rng.uniform(-8, 8, 300)
    high = low + rng.uniform(0, 6, 300) ** 2 / 6
    steepest = FUNCTIONS[kind].steepest(low, high)
    grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 2001)
    slopes = np.abs(np.diff(FUNCTIONS[kind].value(grid), axis=1)) / np.diff(grid, axis=1)
    assert np.all(slopes.max(axis=1) <= steepest * (1 + 1e-6) + 1e-9)
    assert np.all(slopes.max(axis=1) >= steepest * 0.98 - 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "x", "output"),
    [(Kind.GELU, S10, Fixed(8, 4)), (Kind.EXP, Fixed(6, 3), Fixed(9, 4, False)), (Kind.SIGMOID, Fixed(1, 0), S10)],
)
def test_executors(kind: Kind, x: Fixed, output: Fixed) -> None:
    check_operator(Pwl.of(kind, x, output), TensorType(N, 6, x), every_executor=x == S10)


@pytest.mark.parametrize("kind", list(Kind))
def test_error_bound_holds(kind: Kind) -> None:
    """For inputs that are off by up to their stated error, with and without a ReLU behind."""
    rng = np.random.default_rng(1)
    for form, reference in ((Fixed(8, 4), Reference()), (Fixed(8, 4, signed=False), Reference(relu=True))):
        op = Pwl.of(kind, S10, form)
        x = rng.integers(S10.lo, S10.hi + 1, (200, 6))
        value, error = S10.dequantize(x), rng.uniform(0, 0.3, x.shape)
        output = form.dequantize(op.evaluate(x))
        bound = op.error_bound([(value, error)], output, reference)
        for moved in (value, value + error, value - error, value + error * rng.uniform(-1, 1, x.shape)):
            truth = reference.then(op.real([moved], reference))
            assert np.all(np.abs(truth - output) <= bound + 1e-9)
        exact = op.error_bound([(value, np.zeros_like(value))], output, reference)
        ideal = np.clip(reference.then(op.real([value], reference)), form.dequantize(form.lo), form.dequantize(form.hi))
        assert np.all(np.abs(ideal - output) <= exact + 1e-12) and exact.min() == op.error * form.ulp < 0.6 * form.ulp


def test_error_is_shown_and_saved() -> None:
    op = Pwl.of(Kind.GELU, S10, Fixed(8, 4))
    assert f"error={op.error}" in op.describe() and 0 < op.error < 0.51
    graph = single(op, TensorType(N, 6, S10))
    again = from_dict(*to_dict(graph)).nodes[0].op
    assert isinstance(again, Pwl) and again.kind is Kind.GELU and again.error == op.error
    assert np.array_equal(again.evaluate(integers(S10)), op.evaluate(integers(S10)))


def test_defaults() -> None:
    assert len(Pwl.of(Kind.EXP, Fixed(8, 5), Fixed(16, 8)).slopes) <= 16
    assert len(Pwl.of(Kind.EXP, Fixed(9, 6), Fixed(16, 8)).slopes) == 32


def test_type_rule() -> None:
    op = Pwl.of(Kind.GELU, S10, Fixed(8, 4))
    with pytest.raises(GraphError, match="pwl.knots"):
        op.infer(TensorType(N, 6, Fixed(5, 1)))


class Activations(nn.Module):
    """Every function once, between layers that spread and shrink."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in TORCH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, function in zip(self.layers, TORCH.values(), strict=True):
            x = function(layer(x))
        return x


def test_imported_from_torch() -> None:
    torch.manual_seed(0)
    data = torch.randn(40, 6)
    found = import_model(Activations().eval(), data[:1], data, config=QuantConfig(activation_bits=10))
    kinds = [n.op.kind for n in found.graph.nodes if isinstance(n.op, Pwl)]
    assert kinds == list(TORCH)
    seen = found.compare(2 * data)
    assert seen.holds and seen.meaning < 1e-9


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Softplus(beta=2), r"beta = 2(.0)?\n  supported: 1"),
        (nn.Softplus(threshold=5), r"threshold = 5(.0)?\n  supported: 20"),
        (nn.Hardtanh(-2, 2), r"min_val, max_val = \(-2(.0)?, 2(.0)?\)\n  supported: -1, 1 or 0, 6"),
    ],
)
def test_other_arguments_are_refused(layer: nn.Module, words: str) -> None:
    data = torch.randn(9, 6)
    with pytest.raises(UnsupportedError, match=words):
        import_model(nn.Sequential(nn.Linear(6, 6), layer).eval(), data[:1], data)
