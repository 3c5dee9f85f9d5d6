# SPDX-License-Identifier: Apache-2.0
"""nn.LSTM and nn.GRU by both ONNX exporters give the integers of the PyTorch front end; what differs is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from frontend.nets import noise, seeded
from frontend.onnx_models import exported, made, node, onnxruntime
from onnx import helper
from torch import nn

from gatewright.errors import UnsupportedError
from gatewright.frontend import import_model
from gatewright.frontend.onnx import examine, import_onnx


class Net(nn.Module):
    """Recurrent layers, then a linear layer on every step or the last; sequences come and go batch first."""

    def __init__(self, kind: type[nn.RNNBase], used: str, **options: Any) -> None:
        super().__init__()
        self.rnn = kind(3, 5, **options)
        self.out = nn.Linear(5 * (1 + self.rnn.bidirectional), 2)
        self.used, self.turn = used, not self.rnn.batch_first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, h = self.rnn(x.transpose(0, 1) if self.turn else x)
        if self.used == "state":
            return self.out((h[0] if isinstance(h, tuple) else h)[-1])
        if self.used == "last":
            return self.out(y[-1] if self.turn else y[:, -1])
        # The head and its activation see time first.
        y = torch.relu(self.out(y))
        return y.transpose(0, 1) if self.turn else y


CASES: dict[str, tuple[type[nn.RNNBase], str, dict[str, Any]]] = {
    "lstm": (nn.LSTM, "all", {"batch_first": True}),
    "lstm, time first, two layers": (nn.LSTM, "last", {"num_layers": 2}),
    "gru, two layers, last state": (nn.GRU, "state", {"num_layers": 2, "batch_first": True}),
    "gru, time first, two layers, no bias": (nn.GRU, "all", {"num_layers": 2, "bias": False}),
    "gru": (nn.GRU, "last", {"batch_first": True}),
    "lstm, time first, last state": (nn.LSTM, "state", {}),
}


BY_EXPORT = [*CASES][:4]
"""Those that are exported by torch.export, too; that is slow."""


@pytest.mark.parametrize(("name", "dynamo"), [*((n, False) for n in CASES), *((n, True) for n in BY_EXPORT)])
def test_the_integers_are_those_of_the_pytorch_front_end(name: str, dynamo: bool) -> None:
    kind, used, options = CASES[name]
    net = seeded(lambda: Net(kind, used, **options))
    # torch.export's exporter writes the example's length into shapes: of tensors where time comes first, and into
    # annotations that ONNX Runtime believes.
    open_length = not dynamo or bool(options.get("batch_first"))
    data = [noise(n if open_length else 6, 3) for n in (6, 2, 9)]
    given = {"dynamic": {"n": (1, 9)}} if open_length else {}
    axes: dict[str, Any] = {}
    if open_length and dynamo:
        axes = {"dynamic_shapes": ({1: torch.export.Dim.AUTO},)}
    elif open_length:
        axes = {"dynamic_axes": {"x": {0: "b", 1: "n"}}, "input_names": ["x"]}
    model = exported(net, noise(1, 6, 3), dynamo=dynamo, **axes)
    found = import_onnx(model, [d.numpy() for d in data], **given)
    # What PyTorch calls h_n[-1] is refused there, and the last step of the top layer.
    net.used = "last" if used == "state" else used
    other = import_model(net, noise(1, 6, 3), data, **given)
    assert [n.op.name() for n in found.graph.nodes] == [n.op.name() for n in other.graph.nodes]
    mine, theirs = found.compare(data), other.compare(data)
    assert mine.holds
    for item, golden, wanted, real in zip(data, mine.golden, theirs.golden, mine.real, strict=True):
        assert np.array_equal(golden, wanted)
        if not dynamo or len(item) == 6:
            assert np.allclose(real, onnxruntime(model, [item.numpy()])[0], atol=1e-5)


def test_both_directions_are_refused_at_their_node_alone() -> None:
    net = seeded(lambda: Net(nn.LSTM, "all", batch_first=True, bidirectional=True))
    model = exported(net, noise(1, 4, 3))
    with pytest.raises(UnsupportedError, match=r"\(LSTM\): direction = bidirectional\n.*forward\n.*in one direction"):
        import_onnx(model, noise(2, 4, 3))
    assert examine(model, noise(1, 4, 3)).count == 1


SIZE = 4
STATE = np.zeros((1, 1, SIZE), np.float32)


def layer(op: str, inputs: dict[int, Any], outputs: list[str], **attributes: Any) -> onnx.ModelProto:
    """[N, L, 3] -> Transpose -> a recurrent layer -> Squeeze -> Transpose, with further constant inputs by place."""
    gates = 4 if op == "LSTM" else 3
    rng = np.random.default_rng(0)
    known: dict[int, Any] = {
        k: rng.normal(size=s).astype(np.float32)
        for k, s in ((1, (1, gates * SIZE, 3)), (2, (1, gates * SIZE, SIZE)), (3, (1, 2 * gates * SIZE)))
    } | inputs
    names = ["s", *(f"c{k}" if k in known else "" for k in range(1, 1 + max(known)))]
    names = [v if isinstance(v := known.get(k), str) else n for k, n in enumerate(names)]
    behind = attributes.get("layout", 0) == 1
    order = [0, 1, 2] if behind else [1, 0, 2]
    nodes = [node("Transpose", ["x"], "s", perm=order), node("ReduceMax", ["x"], "peak")]
    nodes += [helper.make_node(op, names, outputs, name="rnn", hidden_size=SIZE, **attributes)]
    tail = [node("Squeeze", ["Y", "axis"], "q"), node("Transpose", ["q"], "y", perm=order)]
    nodes += tail if "Y" in outputs else [node("Squeeze", [outputs[-1], "axis"], "y")]
    constants = {f"c{k}": v for k, v in known.items() if not isinstance(v, str)}
    constants["axis"] = np.array([2 if behind else 1 if "Y" in outputs else 0])
    return made(nodes, constants, ["N", 5, 3], opset=14)


def test_a_batch_in_front_of_time_is_read_as_it_is() -> None:
    """ONNX Runtime has no layout = 1; it only moves dimensions."""
    batch = noise(3, 5, 3).numpy()
    results = []
    for layout in (0, 1):
        model = layer("GRU", {}, ["Y"], linear_before_reset=1, layout=layout)
        results.append(np.stack(import_onnx(model, batch).compare(batch).real))
    assert np.array_equal(*results)
    assert np.allclose(results[0], onnxruntime(layer("GRU", {}, ["Y"], linear_before_reset=1), batch), atol=1e-5)


ONE = STATE + np.float32(0.5)
REFUSED: list[tuple[str, dict[int, Any], list[str], dict[str, Any], str]] = [
    ("LSTM", {}, ["Y"], {"direction": "reverse"}, r"direction = reverse\n.*forward"),
    ("LSTM", {}, ["Y"], {"clip": 3.0}, r"clip = 3.0\n.*none"),
    ("LSTM", {}, ["Y"], {"activations": ["HardSigmoid", "Tanh", "Tanh"]}, r"activations = HardSigmoid.*\n.*Sigmoid"),
    ("LSTM", {}, ["Y"], {"input_forget": 1}, r"input_forget = 1\n.*0"),
    ("LSTM", {4: np.array([5], np.int32)}, ["Y"], {}, r"sequence_lens = given\n.*none\n.*dynamic="),
    ("LSTM", {5: STATE, 6: ONE}, ["Y"], {}, r"initial_c = values from 0.5 to 0.5\n.*zeros\n.*leave the state out"),
    ("GRU", {5: ONE}, ["Y"], {"linear_before_reset": 1}, "initial_h = values from 0.5"),
    ("GRU", {5: "peak"}, ["Y"], {"linear_before_reset": 1}, "initial_h = computed at run time"),
    ("LSTM", {7: np.ones((1, 3 * SIZE), np.float32)}, ["Y"], {}, r"P = peepholes\n.*none"),
    ("LSTM", {}, ["", "", "Y_c"], {}, r"Y_c = it is read\n.*Y and Y_h"),
    ("GRU", {}, ["Y"], {}, r"linear_before_reset = 0\n.*1\n.*reset_after=True"),
    ("GRU", {3: np.zeros((1, 8), np.float32)}, ["Y"], {"linear_before_reset": 1}, r"B = shape \[1, 8\]\n.*\[1, 24\]"),
]


@pytest.mark.parametrize(("op", "inputs", "outputs", "attributes", "text"), REFUSED)
def test_refusals_name_the_node_and_the_next_step(
    op: str, inputs: dict[int, Any], outputs: list[str], attributes: dict[str, Any], text: str
) -> None:
    model = layer(op, inputs, outputs, **attributes)
    with pytest.raises(UnsupportedError, match=rf"rnn \({op}\): {text}"):
        import_onnx(model, noise(1, 5, 3))


def turned(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """A tensor `t` that has the batch as its second dimension, and what reads it."""
    constants = {"two": np.array(2), "w": noise(3, 4).numpy(), "k": noise(2, 1, 1).numpy()}
    return made([node("Transpose", ["x"], "t", perm=[1, 0, 2]), *nodes], constants, ["N", 5, 3])


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([node("MatMul", ["t", "w"], "y")], r"y \(MatMul\): output y = .* \[5, 1, 4\] with the batch as dimension 1"),
        ([node("Conv", ["t", "k"], "y")], r"y \(Conv\): input t = .*\n.*batch dimension first\n.*transpose it back"),
        ([node("Flatten", ["t"], "y")], r"y \(Flatten\): input = .* \[5, 1, 3\] with the batch as dimension 1"),
        ([node("Squeeze", ["t"], "y", axes=[1])], r"y \(Squeeze\): axes = \[1\]"),
        ([node("Gather", ["t", "two"], "y", axis=0)], r"y \(Gather\): indices = 2 along .*\n.*y\[:, -1\]"),
    ],
)
def test_a_batch_that_is_not_in_front_is_refused_where_it_matters(nodes: list[onnx.NodeProto], text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        import_onnx(turned(*nodes), noise(1, 5, 3))


def test_what_works_element_by_element_may_see_time_first() -> None:
    constants = {"w": noise(3, 4).numpy(), "c": noise(4).numpy()}
    nodes = [
        node("Transpose", ["x"], "t", perm=[1, 0, 2]),
        node("MatMul", ["t", "w"], "m"),
        node("Add", ["c", "m"], "a"),
        node("Tanh", ["a"], "f"),
        node("Add", ["f", "m"], "s"),
        node("Unsqueeze", ["s", "zero"], "u"),
        node("Transpose", ["u"], "y", perm=[2, 1, 0, 3]),
    ]
    model = made(nodes, constants | {"zero": np.array([0])}, ["N", 5, 3])
    batch = noise(3, 5, 3).numpy()
    real = np.stack(import_onnx(model, batch).compare(batch).real)
    assert np.allclose(real, onnxruntime(model, batch), atol=1e-5)


def test_a_layer_that_is_not_turned_is_refused() -> None:
    """A model whose own input is [L, N, C]."""
    constants = {"w": noise(1, 4 * SIZE, 3).numpy(), "r": noise(1, 4 * SIZE, SIZE).numpy()}
    model = made([node("LSTM", ["x", "w", "r"], "y", hidden_size=SIZE)], constants, [1, 5, 3])
    with pytest.raises(UnsupportedError, match=r"X = its batch as dimension 1 of \[N, L, C\]\n.*\n.*batch_first=True"):
        import_onnx(model, noise(1, 5, 3))
