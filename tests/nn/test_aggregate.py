# SPDX-License-Identifier: Apache-2.0
"""Aggregation as a torch module: A X, its gradients, one node of a compiled graph, import from ONNX."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatewright as gw
from gatewright.errors import DataError, UnsupportedError
from gatewright.nn import Aggregate

EDGES = [[0, 1, 1, 2, 4, 3, 0], [1, 0, 2, 1, 3, 4, 3]]
"""From, to; node 5 is alone."""


def dense(nodes: int, normalisation: str, loops: bool) -> torch.Tensor:
    """A-hat [to, from] by the textbook."""
    a = torch.zeros(nodes, nodes)
    a[EDGES[1], EDGES[0]] = 1
    a += torch.eye(nodes) if loops else 0
    d = a.sum(1)
    return {"symmetric": a / (d[:, None] * d).sqrt(), "mean": a / d[:, None], "sum": a}[normalisation]


def gcn(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Linear(7, 4, bias=False), Aggregate(EDGES, 6), nn.ReLU(), Aggregate(EDGES, 6), nn.Linear(4, 3)]
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize("normalisation", ["symmetric", "mean", "sum"])
def test_is_the_product_with_a_matrix(normalisation: str) -> None:
    module, x = Aggregate(EDGES, 6, normalisation), torch.randn(2, 6, 3, requires_grad=True)
    wanted = dense(6, normalisation, True) @ x
    assert torch.allclose(module(x), wanted, atol=1e-6)
    assert torch.allclose(module(x[0]), wanted[0], atol=1e-6)
    (found,), (right,) = (torch.autograd.grad((y * y).sum(), x) for y in (module(x), dense(6, normalisation, True) @ x))
    assert torch.allclose(found, right, atol=1e-5)
    bare = Aggregate([*EDGES], 6, "sum", self_loops=False)
    assert torch.equal(bare(x)[:, 5], torch.zeros(2, 3))


def test_gradients_of_coefficients() -> None:
    module = Aggregate(EDGES, 6).double()
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    parts: Any = (module.starts, module.sources)

    def call(x: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        return torch.ops.gatewright.aggregate(x, *parts, coefficients, 0, 0)

    assert torch.autograd.gradcheck(call, (x, module.coefficients.clone().requires_grad_()))


def test_equal_edges_are_added() -> None:
    twice = Aggregate([[0, 0], [1, 1]], 2, "sum", False, weights=[1.0, 2.0])
    assert twice(torch.tensor([[5.0], [7.0]])).tolist() == [[0.0], [15.0]] and len(twice.sources) == 1


def test_compiled_network_is_within_its_tolerance() -> None:
    """One aggregate per call, the ReLU in its format; edges before or behind the linear layer."""
    data = np.random.default_rng(0).normal(size=(8, 6, 7)).astype(np.float32)
    design = gw.compile(gcn(), data[:1], data, target=200)
    assert [n.op.name() for n in design.graph.nodes] == ["linear", "aggregate", "aggregate", "linear"]
    first, second = (n for n in design.graph.nodes if n.op.name() == "aggregate")
    assert not design.graph.types[first.name].fixed.signed and design.graph.types[second.name].channels == 4
    verification = design.verify(data[:4], ["golden"])
    verification.check()
    assert verification.worst[0] < 0.1


def test_graphs_of_another_size_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="works only at length 6"):
        gw.compile(gcn(), np.zeros((1, 6, 7), np.float32), np.ones((2, 6, 7), np.float32), dynamic={"n": (2, 9)})


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: Aggregate([[0], [6]], 6), "0 to 5"),
        (lambda: Aggregate(EDGES, 6, "max"), "symmetric, mean, sum"),
        (lambda: Aggregate(EDGES, 6, weights=[1.0]), "one for each of 7"),
        (lambda: Aggregate([[0], [1]], 2, self_loops=False, weights=[-1.0]), "degree"),
        (lambda: Aggregate(EDGES, 6)(torch.zeros(5, 2)), "the 6 of the graph"),
    ],
)
def test_wrong_choices(act: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        act()


def test_a_constant_matrix_from_the_left_of_an_onnx_model(tmp_path: Path) -> None:
    """What PyTorch exports of `A @ x` is the same graph; QONNX makes such a product of it and back."""

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(7, 4, bias=False), nn.Linear(4, 3)
            self.register_buffer("a", dense(6, "symmetric", True))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.last(self.a @ torch.relu(self.a @ self.first(x)))
            return found

    model, plain = gcn(), Plain().eval()
    plain.load_state_dict({"first.weight": model[0].weight, "a": plain.a, **_prefixed("last.", model[4])})
    data = np.random.default_rng(0).normal(size=(8, 6, 7)).astype(np.float32)
    torch.onnx.export(plain, (torch.tensor(data[:1]),), tmp_path / "g.onnx", dynamo=True, verbose=False)
    designs = [gw.compile(m, data[:1], data, target=200) for m in (model, tmp_path / "g.onnx")]
    assert np.array_equal(designs[0].run(data), designs[1].run(data))
    designs[0].qonnx(tmp_path / "q.onnx")
    again = gw.compile(tmp_path / "q.onnx", data[:1], data, target=200)
    assert np.array_equal(again.run(data), designs[0].run(data))


def _prefixed(prefix: str, module: nn.Module) -> dict[str, torch.Tensor]:
    return {prefix + k: v for k, v in module.state_dict().items()}
