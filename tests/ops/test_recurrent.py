# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers: RTL equals golden in the predicted cycles, golden is near PyTorch, the bound holds, refusals."""

import dataclasses

import numpy as np
import pytest
import torch
from harness import assert_equal, job, single
from ops.recurrent_cases import X, recurrent
from ops.test_window_cycles import predicted
from torch import nn

from gatewright.errors import GraphError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.graph import Folding, Length, TensorType, from_dict, to_dict
from gatewright.ops._recurrent import Cell
from gatewright.ops.recurrent import Recurrent
from gatewright.sim.batch import run_all
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_sequence

N = Length("n", 12)
LENGTHS = (3, 7, 12, 1)


def test_rtl_equals_golden_in_the_predicted_cycles() -> None:
    """Wide and narrow beats on either side of the loop, with and without stalls; one build for all."""
    rng = np.random.default_rng(0)
    jobs = []
    for cell, folding, changed in (
        (Cell.LSTM, Folding(simd=6, pe=2), {}),
        (Cell.LSTM, Folding(simd=1, pe=6), {"output": Fixed(5, 4), "state": Fixed(8, 5)}),
        (Cell.GRU, Folding(simd=2, pe=2, port=0), {}),
        (Cell.GRU, Folding(simd=1, pe=1), {"final": True}),
    ):
        op = recurrent(cell, 6, **changed)
        kind = TensorType(N, len(op.weight), X)
        data = [[random_sequence(rng, kind, n) for n in (1, 12, 1, 1, 5)]]
        jobs += [job(single(op, kind), {"y": folding}, data, stall) for stall in (0.0, 0.4)]
    for one, run in zip(jobs, run_all(jobs), strict=True):
        assert_equal(one, run, executors()["golden"](one), str(one.foldings))
        if one.stall == 0.0:
            assert run.cycles == predicted(one, next(iter(one.graph.inputs.values()))), one.foldings


class Net(nn.Module):
    """Recurrent layers on a sequence, then a linear layer on every step or the last."""

    def __init__(self, kind: type[nn.RNNBase], last: bool, **options: object) -> None:
        super().__init__()
        self.rnn = kind(3, 6, **options)
        self.out = nn.Linear(self.rnn.proj_size or 6 * (1 + self.rnn.bidirectional), 2)
        self.last, self.turn = last, not self.rnn.batch_first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.rnn(x.transpose(0, 1) if self.turn else x)
        y = y.transpose(0, 1) if self.turn and not self.last else y
        return self.out((y[-1] if self.turn else y[:, -1]) if self.last else y)


def imported(net: nn.Module, bits: int = 12) -> tuple[Imported, list[torch.Tensor]]:
    data = [torch.randn(n, 3) for n in LENGTHS]
    config = QuantConfig(activation_bits=bits)
    return import_model(net.eval(), torch.randn(1, 5, 3), data, dynamic={"n": (1, 12)}, config=config), data


@pytest.mark.parametrize(
    ("kind", "last", "options"),
    [
        (nn.LSTM, False, {"batch_first": True, "num_layers": 2}),
        (nn.LSTM, True, {"bias": False}),
        (nn.GRU, True, {"batch_first": True, "num_layers": 2, "dropout": 0.1}),
        (nn.GRU, False, {}),
    ],
    ids=["lstm", "lstm_last", "gru_last", "gru"],
)
def test_pytorch_layers(kind: type[nn.RNNBase], last: bool, options: dict[str, object]) -> None:
    """The graph means what PyTorch computes, and golden is as near as its bound says, for sequences of any length."""
    torch.manual_seed(1)
    net = Net(kind, last, **options)
    found, data = imported(net)
    compared = found.compare(data)
    for item, golden, real, bound in zip(data, compared.golden, compared.real, compared.bound, strict=True):
        with torch.no_grad():
            wanted = net(item[None])[0].numpy()
        np.testing.assert_allclose(real, wanted, atol=1e-6)
        assert np.all(np.abs(golden - real) <= bound)
        assert np.abs(golden - real).max() < 0.01
    # Every layer on its own, from golden inputs.
    assert all(error <= bound for error, bound, _ in compared.layers.values())
    assert compared.meaning < 1e-12


def test_bound_of_a_wrong_table_is_not_met() -> None:
    """The comparison can fail: half a table's results are moved behind the bound's back."""
    torch.manual_seed(2)
    found, data = imported(Net(nn.LSTM, False, batch_first=True), bits=8)
    stream = found.encode(data[:1])[0]
    node = next(n for n in found.raw.nodes if isinstance(n.op, Recurrent))
    op, reference = node.op, found.references[node.name]
    x = found.raw.trace({next(iter(found.raw.inputs)): stream})[node.inputs[0]]
    real = found.raw.types[node.inputs[0]].fixed.dequantize(x)
    golden = op.output.dequantize(op.evaluate(x))
    bound = op.error_bound([(real, np.zeros_like(real))], golden, reference)
    wanted = op.real([real], reference)
    assert np.all(np.abs(golden - wanted) <= bound)
    wrong = dataclasses.replace(op, tanh=dataclasses.replace(op.tanh, offsets=op.tanh.offsets * 2 + (1 << 12)))
    assert np.any(np.abs(op.output.dequantize(wrong.evaluate(x)) - wanted) > bound)


def test_saved_and_loaded() -> None:
    op = recurrent(Cell.GRU, 4, final=True)
    graph = single(op, TensorType(N, 12, X))
    again = from_dict(*to_dict(graph))
    x = random_sequence(np.random.default_rng(0), graph.inputs["x0"], 7)
    assert np.array_equal(again.evaluate(x)[0], graph.evaluate(x)[0])
    assert str(again) == str(graph)


@pytest.mark.parametrize(
    ("changed", "channels", "text"),
    [
        ({}, 20, r"recurrent.weight: \[16, 4\] on 20 channels"),
        ({"gate_shift": 2}, 16, "recurrent.gate_shift: 2"),
        ({"state": Fixed(8, 4, signed=False)}, 16, r"recurrent.state: u8.4(.|\n)*signed"),
        ({"candidate": None}, 16, "recurrent.candidate: None"),
        ({"gate": Fixed(3, 4)}, 16, "pwl.knots"),
        ({"state": Fixed(60, 50)}, 16, r"sums of \d+ bits(.|\n)*at most 62"),
    ],
)
def test_types_are_checked(changed: dict[str, object], channels: int, text: str) -> None:
    op = recurrent(Cell.LSTM, 4, **changed)
    with pytest.raises(GraphError, match=text):
        op.infer(TensorType(N, channels, X))


def test_simd_and_pe_share_a_divisor() -> None:
    op, kind = recurrent(Cell.GRU, 6), TensorType(N, 18, X)
    assert all(f.simd % f.pe == 0 or f.pe % f.simd == 0 for f in op.foldings(kind))
    with pytest.raises(GraphError, match="3 beside 2 units"):
        op.rtl(Folding(simd=3, pe=2), kind)


class Given(Net):
    """A first state that is not zero, or the layer's second result."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.last:
            return self.out(self.rnn(x)[1][0])
        return self.out(self.rnn(x, torch.ones(1, 1, 6))[0])


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (Net(nn.LSTM, False, batch_first=True, bidirectional=True), "rnn .*bidirectional = True(.|\n)*one direction"),
        (Net(nn.LSTM, False, batch_first=True, proj_size=4), "proj_size"),
        (Given(nn.GRU, False, batch_first=True), r"hx = a first state(.|\n)*zeros"),
        (Given(nn.GRU, True, batch_first=True), r"result 1 is used(.|\n)*y\[:, -1\]"),
    ],
)
def test_refusals(net: nn.Module, text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        imported(net)
