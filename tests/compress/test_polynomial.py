# SPDX-License-Identifier: Apache-2.0
"""X2act: value, gradients and start, DaPa against least squares, exchanging modules, and the one node it becomes."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress.polynomial import SLOPE, SQUARE, X2Act, dapa, replace
from gatewright.compress.sites import sites
from gatewright.errors import DataError, UnsupportedError
from gatewright.frontend import QuantConfig, import_model


def small(pool: type[nn.Module] = nn.MaxPool2d) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), pool(2), nn.Flatten(), nn.Linear(27, 5), nn.ReLU())


def images(count: int = 16) -> torch.Tensor:
    return torch.rand((count, 1, 8, 8), generator=torch.Generator().manual_seed(2))


def test_value_and_gradients() -> None:
    act = X2Act(16, c=2.0, channels=3).double()
    with torch.no_grad():
        for parameter in act.parameters():
            parameter.copy_(torch.randn(3, generator=torch.Generator().manual_seed(3)))
    x = torch.randn((2, 3, 4), dtype=torch.double, requires_grad=True)
    a, b, c = (p.detach().reshape(3, 1) for p in act.parameters())
    assert torch.allclose(act(x), 2.0 / 4.0 * a * x**2 + b * x + c)
    assert torch.autograd.gradcheck(lambda *_: act(x), (x, *act.parameters()))
    # The factor is in the gradient of w1 too: that is what slows its steps.
    act(x).sum().backward()
    assert act.square.grad is not None and torch.allclose(act.square.grad, 0.5 * (x**2).sum((0, 2)))


def test_stpai_starts_near_the_identity() -> None:
    act = X2Act(100)
    x = torch.linspace(-3, 3, 101)[None]
    assert act.scale == 0.1 and (SQUARE, SLOPE) == (0.005, 1.0)
    assert float((act(x) - x).detach().abs().max()) == pytest.approx(0.1 * 0.005 * 9, rel=1e-3)
    # A replaced network starts as the linear network that passes everything on.
    linear = small(nn.AvgPool2d)
    linear[1], linear[5] = nn.Identity(), nn.Identity()
    made = replace(small(nn.AvgPool2d), images())
    assert torch.allclose(made(images()), linear(images()), atol=1e-3)


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (0.3, 2.0), (-1.5, 0.4)])
def test_dapa_is_the_least_squares_fit(mean: float, sigma: float) -> None:
    """Against a fit to ReLU with the weights of the normal distribution, on a fine grid."""
    x = np.linspace(mean - 9 * sigma, mean + 9 * sigma, 40001)
    weights = np.exp(-(((x - mean) / sigma) ** 2) / 2)
    basis = np.stack([x**2, x, np.ones_like(x)], axis=1)
    root = np.sqrt(weights)
    fit, *_ = np.linalg.lstsq(basis * root[:, None], np.maximum(x, 0) * root, rcond=None)
    assert dapa(mean, sigma) == pytest.approx(tuple(fit), rel=1e-4, abs=1e-6)
    with pytest.raises(DataError, match="sigma = 0"):
        dapa(0.0, 0.0)


def test_dapa_start_is_closer_than_stpai() -> None:
    model = small(nn.AvgPool2d)
    near, far = (replace(model, images(), start=s) for s in ("dapa", "stpai"))
    truth = model(images())
    errors = [float((m(images()) - truth).square().mean().detach()) for m in (near, far)]
    assert errors[0] < errors[1] / 4
    (first, second) = (m for m in near if isinstance(m, X2Act))
    site = sites(model, images())[0]
    a, b, c = dapa(site.mean, site.sigma)
    assert [v.item() for v in first.coefficients()] == pytest.approx([a, b, c], rel=1e-5)
    assert first.scale == pytest.approx(1 / math.sqrt(3 * 6 * 6)) and second.scale == pytest.approx(1 / math.sqrt(5))


def test_sites_are_measured() -> None:
    model = small()
    first, pool, last = sites(model, images())
    assert [(s.path, s.kind, s.inputs, s.outputs, s.elements) for s in (first, pool, last)] == [
        ("1", "relu", (3, 6, 6), (3, 6, 6), 108),
        ("2", "max_pool", (3, 6, 6), (3, 3, 3), 108),
        ("5", "relu", (5,), (5,), 5),
    ]
    seen = model[0](images()).detach()
    assert first.mean == pytest.approx(float(seen.mean())) and first.sigma == pytest.approx(float(seen.std()), rel=1e-3)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_replace_keeps_what_it_is_told_to_and_leaves_the_model_alone() -> None:
    model = small()
    made = replace(model, images(), keep=("5",), pools=True, per_channel=True)
    assert [type(m) for m in made] == [nn.Conv2d, X2Act, nn.AvgPool2d, nn.Flatten, nn.Linear, nn.ReLU]
    assert isinstance(model[1], nn.ReLU) and made[1].square.shape == (3,)
    assert [type(m) for m in replace(model, images())][2] is nn.MaxPool2d
    with pytest.raises(UnsupportedError, match="keep 'conv' matches no layer\n  supported: 1, 2, 5"):
        replace(model, images(), keep=("conv",), pools=True)
    with pytest.raises(UnsupportedError, match="nothing to exchange"):
        replace(made, images(), keep=("5",))
    with pytest.raises(DataError, match="start = 'relu'\n  supported: stpai, dapa"):
        replace(model, images(), start="relu")


class Functional(nn.Module):
    """A ReLU that is no module, or one module for two."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer, self.act, self.kind = nn.Linear(4, 4), nn.ReLU(), kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "twice":
            return self.act(self.layer(self.act(x)))
        if self.kind == "pool":
            return nn.functional.max_pool2d(self.act(x)[:, None, None], (1, 2))
        function = {"torch": torch.relu, "functional": nn.functional.relu, "method": torch.Tensor.relu}[self.kind]
        return function(self.layer(self.act(x)))


@pytest.mark.parametrize("kind", ["torch", "functional", "method", "pool"])
def test_functions_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedError, match="model: calls .* as a function\n  supported: modules nn.ReLU"):
        replace(Functional(kind), torch.rand(3, 4))


def test_one_module_for_two_layers_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="act: called twice"):
        replace(Functional("twice"), torch.rand(3, 4))
    pool = nn.Sequential(nn.MaxPool2d(2, dilation=2))
    with pytest.raises(UnsupportedError, match="0: dilation = 2"):
        replace(pool, torch.rand(1, 1, 8, 8), pools=True)


def test_it_becomes_one_quadratic_node() -> None:
    made = replace(small(), images(), c=20.0, start="dapa", pools=True).eval()
    imported = import_model(made, images(), images(), config=QuantConfig(12, 8, method="range"))
    assert [n.op.name() for n in imported.graph.nodes if n.op.name() != "reshape"] == [
        "conv2d", "quadratic", "average_pool", "linear", "quadratic",
    ]  # fmt: skip
    with torch.no_grad():
        assert np.abs(imported.run(images().numpy()) - made(images()).numpy()).max() < 0.01
    assert imported.compare(images().numpy()).holds
