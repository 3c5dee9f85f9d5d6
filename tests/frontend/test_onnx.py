# SPDX-License-Identifier: Apache-2.0
"""ONNX models become the same float program as PyTorch models; refusals name every node."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from frontend.nets import Apply, noise, seeded
from frontend.onnx_models import exported, made, node, onnxruntime
from onnx import TensorProto, numpy_helper
from torch import nn

import gatewright as gw
from gatewright.errors import CalibrationError, DataError, UnsupportedError
from gatewright.frontend import import_model
from gatewright.frontend.onnx import import_onnx, observe_onnx, supported
from gatewright.frontend.onnx.model import load
from gatewright.frontend.program import runner
from gatewright.graph import Length

ROOT = Path(onnx.__file__).parent / "backend/test/data"


def floats(model: Any, batch: Any, **options: Any) -> np.ndarray[Any, Any]:
    """Results of the float program."""
    found = observe_onnx(model, batch, **options)
    run = runner(found.program, wide=False)
    return np.concatenate([run(np.asarray(v)[None])[found.program.output] for v in batch])


class Tokens(nn.Module):
    """What an encoder has besides attention; tokens first."""

    def __init__(self, scale: float = 1) -> None:
        super().__init__()
        self.scale = scale
        self.inner, self.norm, self.outer = nn.Linear(6, 12), nn.LayerNorm(12), nn.Linear(12, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(nn.functional.gelu(self.inner(x)))
        return (x + self.outer(y if self.scale == 1 else self.scale * y + 0.25)).mean(1)


class Joined(nn.Module):
    """A residual connection, a concatenation of flat and pooled values, and padding on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.even, self.dense, self.last = nn.Conv2d(2, 2, 2), nn.Linear(8, 6), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.even(nn.functional.pad(x, (0, 1, 1, 0))) + x
        y = nn.functional.avg_pool2d(torch.relu(y), 3)
        wide = nn.functional.dropout(self.dense(y.flatten(1)), training=self.training)
        return self.last(torch.cat([wide, y.mean((2, 3))], 1))


NETS: dict[str, tuple[Any, tuple[int, ...], int]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4), nn.Sigmoid()), (5, 6), 17),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, groups=4, dilation=2, padding=2, bias=False),
            nn.Hardswish(),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        ),
        (4, 2, 10, 12),
        17,
    ),
    "sequence": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.SiLU(), nn.AvgPool1d(2), nn.Conv1d(4, 2, 1), nn.Tanh()),
        (4, 3, 12),
        17,
    ),
    "tokens": (Tokens, (4, 7, 6), 17),
    "tokens, norm in pieces": (Tokens, (4, 7, 6), 13),
    "unfolded norm": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.ReLU6()), (4, 3, 6, 6), 17),
    "joined": (Joined, (3, 2, 6, 6), 17),
}


@pytest.mark.parametrize("name", NETS)
def test_the_float_program_is_what_onnxruntime_computes(name: str) -> None:
    build, shape, opset = NETS[name]
    module, batch = seeded(build), noise(*shape)
    model = exported(module, batch[:1], opset)
    want = onnxruntime(model, batch.numpy())
    assert np.allclose(floats(model, batch.numpy()), want, rtol=1e-4, atol=1e-5)
    found = import_onnx(model, batch)
    seen = found.compare(batch)
    assert seen.holds
    # The integers are as good as those of the PyTorch front end on the same data.
    other = import_model(module, batch[:1], batch).compare(batch)
    assert seen.worst[0] <= 1.5 * other.worst[0] + 1e-6


def test_patterns_become_one_node() -> None:
    model = exported(seeded(Tokens, 0.5), noise(1, 7, 6), 13)
    assert {"Erf", "Sqrt", "Pow", "Mul"} <= {n.op_type for n in model.graph.node}
    found = import_onnx(model, noise(4, 7, 6))
    kinds = [n.op.name() for n in found.graph.nodes]
    assert kinds == ["linear", "pwl", "layer_norm", "quadratic", "linear", "add", "global_pool"]
    real = np.stack(found.compare(noise(4, 7, 6)).real)
    assert np.allclose(real, onnxruntime(model, noise(4, 7, 6).numpy()), atol=1e-5)


def test_constants_behind_a_matrix_are_folded_into_it() -> None:
    weight, bias, scale = (noise(*s).numpy() for s in ((6, 4), (4,), (4,)))
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["b", "m"], "a"), node("Mul", ["a", "s"], "y")]
    model = made(nodes, {"w": weight, "b": bias, "s": scale}, ["N", 6])
    batch = noise(8, 6).numpy()
    found = import_onnx(model, batch)
    assert [n.op.name() for n in found.graph.nodes] == ["linear"]
    assert np.allclose(np.stack(found.compare(batch).real), (batch @ weight + bias) * scale, atol=1e-5)


def test_a_matrix_that_others_read_is_left_alone() -> None:
    weight = noise(4, 4).numpy()
    nodes = [node("MatMul", ["x", "w"], "m"), node("Mul", ["m", "two"], "d"), node("Add", ["d", "m"], "y")]
    model = made(nodes, {"w": weight, "two": 2.0}, ["N", 4])
    batch = noise(8, 4).numpy()
    assert np.allclose(np.stack(import_onnx(model, batch).compare(batch).real), 3 * batch @ weight, atol=1e-5)


def test_a_gate_is_a_product_of_streams() -> None:
    """Two branches of one value; another shape, one factor per sequence, is refused."""
    weights = {"a": noise(4, 4).numpy(), "b": noise(4, 4).T.numpy()}
    nodes = [node("MatMul", ["x", "a"], "v"), node("MatMul", ["x", "b"], "w"), node("Sigmoid", ["w"], "g")]
    nodes.append(node("Mul", ["v", "g"], "y"))
    model, batch = made(nodes, weights, ["N", 4]), noise(8, 4).numpy()
    found = import_onnx(model, batch)
    assert [n.op.name() for n in found.graph.nodes] == ["linear", "linear", "pwl", "multiply"]
    assert np.allclose(np.stack(found.compare(batch).real), onnxruntime(model, batch), atol=1e-5)
    one = [node("Conv", ["x", "k"], "c"), node("GlobalAveragePool", ["c"], "m"), node("Mul", ["c", "m"], "y")]
    model = made(one, {"k": noise(3, 2, 3).numpy()}, ["N", 2, 9])
    with pytest.raises(
        UnsupportedError, match=r"inputs = shapes .*\n  supported: equal shapes\n  next step: one factor"
    ):
        import_onnx(model, noise(8, 2, 9).numpy())


def test_run_time_length() -> None:
    module = seeded(lambda: nn.Sequential(nn.Conv1d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv1d(4, 2, 1)))
    axes = {"dynamic_axes": {"x": {2: "n"}}, "input_names": ["x"]}
    model = exported(module, noise(1, 3, 12), 17, **axes)
    data = [noise(3, n).numpy() for n in (5, 9, 20)]
    found = import_onnx(model, data, dynamic={"n": (4, 24)})
    assert isinstance(found.input_type.tokens, Length)
    assert found.output_type.tokens.at(9) == 5  # type: ignore[union-attr]
    for item in data:
        assert found.compare([item]).holds
        assert np.allclose(found.compare([item]).real[0], onnxruntime(model, [item])[0], atol=1e-5)


def test_run_time_length_through_shapes_that_depend_on_it() -> None:
    class Grouped(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.inner(x.reshape(x.shape[0], x.shape[1], 2, 3).flatten(2))
            return y.transpose(1, 2).mean(2)

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 4)

    model = exported(seeded(Grouped), noise(1, 7, 6), dynamic_axes={"x": {0: "b", 1: "n"}}, input_names=["x"])
    assert {"Shape", "Concat"} & {n.op_type for n in model.graph.node}
    data = [noise(n, 6).numpy() for n in (3, 8)]
    found = import_onnx(model, data, dynamic={"n": (2, 9)})
    for item in data:
        assert np.allclose(found.compare([item]).real[0], onnxruntime(model, [item])[0], atol=1e-5)


def test_token_ids() -> None:
    table, weight = noise(10, 4).numpy(), noise(4, 3).numpy()
    nodes = [node("Gather", ["t", "x"], "e"), node("MatMul", ["e", "w"], "y")]
    model = made(nodes, {"t": table, "w": weight}, ["N", 5], kind=TensorProto.INT64)
    ids = np.random.default_rng(0).integers(0, 10, (6, 5))
    found = import_onnx(model, ids)
    assert found.ids == 10
    assert np.allclose(np.stack(found.compare(ids).real), table[ids] @ weight, atol=1e-5)
    with pytest.raises(DataError, match="dtype float64"):
        import_onnx(model, ids.astype(float))


def test_channels_last_input() -> None:
    module = seeded(lambda: nn.Sequential(Apply(lambda x: x.permute(0, 3, 1, 2)), nn.Conv2d(3, 2, 3), nn.ReLU()))
    model = exported(module, noise(1, 6, 5, 3))
    batch = noise(3, 6, 5, 3).numpy()
    found = import_onnx(model, batch)
    assert found.graph.nodes[0].op.name() == "conv2d"
    assert np.allclose(np.stack(found.compare(batch).real), onnxruntime(model, batch), atol=1e-5)


@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("op", ["Conv", "MaxPool"])
def test_padding_that_differs_between_sides(op: str, auto: str) -> None:
    weight = noise(3, 2, 3, 2).numpy()
    extra = {"kernel_shape": [3, 2]}
    inputs = ["x", "w"] if op == "Conv" else ["x"]
    constants = {"w": weight} if op == "Conv" else {}
    model = made([node(op, inputs, "y", auto_pad=auto, strides=[2, 2], **extra)], constants, [1, 2, 7, 8])
    batch = noise(3, 2, 7, 8).numpy()
    found = import_onnx(model, batch)
    seen = found.compare(batch)
    assert seen.holds
    assert np.allclose(np.stack(seen.real), onnxruntime(model, batch), atol=1e-5)


def test_a_model_may_end_before_what_the_host_does() -> None:
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)))
    model = exported(module, noise(1, 4))
    batch = noise(5, 4).numpy()
    with pytest.raises(UnsupportedError, match=r"Softmax.*\n.*\n.*output='(.*)'") as caught:
        import_onnx(model, batch)
    name = re.search(r"output='(.*?)'", str(caught.value))
    assert name is not None
    found = import_onnx(model, batch, output=name[1])
    assert np.allclose(np.stack(found.compare(batch).real), module[0](torch.from_numpy(batch)).detach(), atol=1e-5)
    with pytest.raises(DataError, match="no such tensor or node"):
        import_onnx(model, batch, output="logits")


def test_all_refusals_come_at_once() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Elu", ["c"], "e", alpha=0.5),
        node("Clip", ["e", "low", "high"], "k"),
        node("MatMul", ["k", "k"], "a"),
        node("Softmax", ["a"], "s"),
        node("Relu", ["s"], "y"),
    ]
    model = made(nodes, {"w": noise(2, 1, 1, 1).numpy(), "low": -2.0, "high": 2.0}, [1, 1, 4, 4])
    with pytest.raises(UnsupportedError) as caught:
        import_onnx(model, noise(1, 1, 4, 4))
    text = str(caught.value)
    assert "4 nodes are not supported" in text
    assert "e (Elu): operator Elu is not supported" in text
    assert "k (Clip): min, max = (-2.0, 2.0) (supported: 0 and none, 0 and 6, -1 and 1)" in text
    assert "a (MatMul): inputs = two run-time tensors" in text
    assert "s (Softmax)" in text
    assert "y (Relu)" not in text and "c (Conv)" not in text
    assert "output=" in text


@pytest.mark.parametrize(
    ("op", "attributes", "constants", "message"),
    [
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}, {}, r"count_include_pad = 0"),
        ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, {}, r"ceil_mode = 1"),
        ("MaxPool", {"kernel_shape": [2, 2, 2]}, {}, r"kernel_shape = \[2, 2, 2\]"),
        ("Flatten", {"axis": 0}, {}, r"axis = 0"),
        ("Transpose", {"perm": [1, 2, 3, 0]}, {}, r"output y = .* \[1, 5, 5, 1\] with the batch as dimension 3"),
        ("Gather", {"axis": 2}, {"i": np.array(4)}, r"indices = 4 along dimension 2 of a run-time tensor"),
        ("Cast", {"to": TensorProto.FLOAT16}, {}, r"to = float16"),
        ("LayerNormalization", {"axis": 1}, {"s": np.ones(5, np.float32)}, r"axis = 1"),
        ("Conv", {}, {"w": np.full((2, 1, 1, 1), np.nan, np.float32)}, r"w = 2 values are NaN"),
        ("Pow", {}, {"p": 3.0}, r"Y = 3.0"),
        ("Div", {}, {"d": 0.0}, r"B = 0"),
        ("Reshape", {}, {"shape": np.array([5, 5])}, r"shape = \[5, 5\]"),
    ],
)
def test_refusals_name_node_attribute_and_value(op: str, attributes: Any, constants: Any, message: str) -> None:
    model = made([node(op, ["x", *constants], "y", **attributes)], constants, [1, 1, 5, 5])
    with pytest.raises(UnsupportedError, match=rf"y \({op}\): {message}"):
        import_onnx(model, noise(1, 1, 5, 5))


def test_refusals_of_inputs_and_files(tmp_path: Path) -> None:
    model = made([node("Relu", ["x"], "y")], {}, ["N", 4])
    with pytest.raises(CalibrationError, match=r"shape \[3\]\n.*\[4\], as the model states"):
        import_onnx(model, noise(2, 3))
    with pytest.raises(CalibrationError, match="no items"):
        import_onnx(model, np.zeros((0, 4)))
    with pytest.raises(DataError, match="no such input"):
        import_onnx(model, noise(2, 4), constants={"z": 0})
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    for name in ("bad.onnx", "missing.onnx"):
        with pytest.raises(DataError, match="cannot be read"):
            import_onnx(tmp_path / name, noise(2, 4))


def test_compile_takes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(exported(seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU())), noise(1, 4)), path)
    design = gw.compile(path, calibration=noise(8, 4))
    assert [n.op.name() for n in design.graph.nodes] == ["linear"]
    with pytest.raises(UnsupportedError):
        gw.compile(path, calibration=noise(8, 4), dynamic={"n": (1, 4)})
    with pytest.raises(CalibrationError, match="the model states no format"):
        gw.compile(path)
    with pytest.raises(CalibrationError, match="example: not given"):
        gw.compile(nn.Linear(4, 3).eval(), calibration=noise(8, 4))


def test_nothing_heavy_is_imported_with_the_package() -> None:
    code = "import sys, gatewright.frontend.onnx, gatewright.sim.executors as e; e.executors(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not {"onnx", "onnxruntime", "qonnx", "brevitas", "torch"} & set(done.stdout.split())


SKIPPED = re.compile(r"cast|_(u?int\d+|bfloat16|float\d\w*|e\dm\d\w*)(_|$)", re.IGNORECASE)
"""Models of the ONNX project about types that calibration data do not have."""


def test_models_of_the_onnx_project() -> None:
    """Every model of the operator tests in the onnx package that is not refused gives the results stored with it."""
    known, agreed, wrong = set(supported()), set[str](), []
    for folder in sorted(p.parent for p in ROOT.glob("*/*/model.onnx")):
        data = folder / "test_data_set_0"
        if SKIPPED.search(folder.name) or not (data / "input_0.pb").exists():
            continue
        model = load(folder / "model.onnx")
        if not {n.op for n in model.nodes} <= known or not all(
            i.kind.endswith(("16", "32", "64")) for i in model.inputs
        ):
            continue
        inputs = [stored(data / f"input_{k}.pb") for k in range(len(model.inputs))]
        if not inputs:
            continue
        # The table of a Gather is its first input, what others compute with.
        at = 1 if model.nodes[0].op == "Gather" and len(inputs) > 1 else 0
        fixed = {i.name: v for k, (i, v) in enumerate(zip(model.inputs, inputs, strict=True)) if k != at}
        try:
            got = floats(folder / "model.onnx", inputs[at], constants=fixed, output=model.outputs[0])
        except (UnsupportedError, CalibrationError):
            continue
        want = stored(data / "output_0.pb").astype(np.float64)
        agreed |= {n.op for n in model.nodes}
        if got.shape != want.shape or not np.allclose(got, want, rtol=1e-4, atol=1e-5):
            wrong.append(folder.name)
    assert not wrong
    quantizers = {"Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear"}
    # Those of Add and its like have a second tensor of the batch's size, which is no constant per channel; those of
    # GRU reset in front of the product.
    others = {"GRU", "Add", "Sum", "Sub", "Mul", "Div", "Pow", "Cast", "Concat", "Gather", "Swish"}
    assert known - agreed <= quantizers | others


def stored(path: Path) -> np.ndarray[Any, Any]:
    """A tensor file."""
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return np.asarray(numpy_helper.to_array(tensor))
