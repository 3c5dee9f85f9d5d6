# SPDX-License-Identifier: Apache-2.0
"""Formats that ONNX QDQ and QONNX models state are taken exactly, or refused with the node named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from frontend.onnx_models import made, node, onnxruntime, reference

from gatewright.errors import CalibrationError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import Imported, QuantConfig
from gatewright.frontend.onnx import import_onnx

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Every test draws the same, whichever ran before it in this process."""
    global RNG
    RNG = np.random.default_rng(0)


def quant(name: str, x: str, scale: str, bits: str, mode: str = "FLOOR", signed: int = 1, narrow: int = 0) -> Any:
    return node("Quant", [x, scale, "zero", bits], name, signed=signed, narrow=narrow, rounding_mode=mode)


def network(mode: str, half: bool, scales: tuple[float, ...] = (2.0**-4, 2.0**-5), narrow: int = 0) -> onnx.ModelProto:
    """Two convolution layers and a linear one; `half` adds half a step in front of every quantizer."""
    steps = {"s_in": 2.0**-4, "s_a": scales[0], "s_b": scales[1], "s_out": 2.0**-3}
    constants: dict[str, Any] = {"zero": 0.0, "b4": 4.0, "b8": 8.0, "b20": 20.0, **steps}
    constants |= {f"h_{k}": v / 2 for k, v in steps.items()}
    constants["w1"] = RNG.normal(0, 1, (4, 2, 3, 3)).astype(np.float32)
    constants["w2"] = RNG.normal(0, 1, (36, 5)).astype(np.float32)
    constants["s_w1"] = np.exp2(-np.array([2, 3, 1, 2], np.float32)).reshape(4, 1, 1, 1)
    constants["s_w2"] = 2.0**-2
    constants["bias"] = RNG.normal(0, 1, 4).astype(np.float32)
    constants["s_bias"] = np.exp2(-np.array([6, 7, 5, 6], np.float32))
    nodes = []

    def rounded(name: str, x: str, step: str, bits: str, signed: int = 1) -> str:
        if half or x == "x":
            nodes.append(node("Add", [x, f"h_{step}"], f"{name}_half"))
            x = f"{name}_half"
        nodes.append(quant(name, x, step, bits, mode, signed, narrow and signed))
        return name

    rounded("x_q", "x", "s_in", "b8")
    nodes.append(quant("w1_q", "w1", "s_w1", "b4", "ROUND", narrow=1))
    nodes.append(quant("bias_q", "bias", "s_bias", "b20", "ROUND"))
    nodes.append(node("Conv", ["x_q", "w1_q", "bias_q"], "c", pads=[1, 1, 1, 1]))
    nodes.append(node("Relu", ["c"], "r"))
    nodes.append(node("MaxPool", [rounded("a", "r", "s_a", "b4", 0)], "m", kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(node("Flatten", ["m"], "f"))
    nodes.append(quant("w2_q", "w2", "s_w2", "b4", "ROUND"))
    nodes.append(node("MatMul", ["f", "w2_q"], "g"))
    rounded("y", "g", "s_b", "b8")
    return made(nodes, constants, ["N", 2, 6, 6])


def images(count: int = 40) -> Any:
    return RNG.normal(0, 2, (count, 2, 6, 6)).astype(np.float32)


@pytest.mark.parametrize(("mode", "half"), [("FLOOR", True), ("FLOOR", False)])
def test_golden_equals_the_reference_execution(mode: str, half: bool, tmp_path: Path) -> None:
    model, batch = network(mode, half), images()
    found = import_onnx(model, batch)
    golden, want = found.run(batch), reference(model, batch)
    assert np.array_equal(golden, want)
    assert len(np.unique(want)) > 30
    seen = found.compare(batch)
    assert seen.holds and seen.worst[0] == 0
    found.save(tmp_path / "model.npz")
    loaded = Imported.load(tmp_path / "model.npz")
    assert {r.rounding for r in loaded.references.values() if r.rounded} == {"half_up"}
    assert all(np.array_equal(a, b) for a, b in zip(loaded.bound(batch)[1], found.bound(batch)[1], strict=True))


def test_a_model_that_states_every_format_needs_no_data() -> None:
    model, batch = network("FLOOR", True), images()
    with_data, without = import_onnx(model, batch), import_onnx(model, None)
    assert str(without.graph) == str(with_data.graph)
    assert np.array_equal(without.run(batch), with_data.run(batch)) and without.compare(batch).holds


def test_without_data_the_value_that_needs_them_is_named() -> None:
    def layers(first: bool, last: bool, size: int | None = 3) -> onnx.ModelProto:
        constants = {"w": np.eye(3, dtype=np.float32), "s": 2.0**-4, "zero": 0.0, "b": 8.0}
        nodes = [quant("x_q", "x", "s", "b", "ROUND")] if first else []
        nodes.append(node("MatMul", [nodes[0].output[0] if first else "x", "w"], "p"))
        return made([*nodes, *([quant("y", "p", "s", "b", "ROUND")] if last else [])], constants, ["N", size])

    assert import_onnx(layers(True, True), None).input_type.fixed == Fixed(8, 4)
    for model, place in ((layers(False, True), "input"), (layers(True, False), "p (aten.linear.default)")):
        with pytest.raises(CalibrationError) as caught:
            import_onnx(model, None)
        assert caught.value.place == place and "--calibration x.npy" in str(caught.value)
    with pytest.raises(CalibrationError, match=r"states only \[N, \?\]"):
        import_onnx(layers(True, True, None), None)
    # Formats that are to be chosen anew need data, too.
    with pytest.raises(CalibrationError, match="no calibration data"):
        import_onnx(network("FLOOR", True, (0.9, 0.7)), None, recalibrate=True)


def test_formats_are_those_of_the_file() -> None:
    found = import_onnx(network("FLOOR", True), images())
    assert [(n.op.name(), str(found.graph.types[n.name].fixed)) for n in found.graph.nodes] == [
        ("conv2d", "u4.4"),
        ("max_pool", "u4.4"),
        ("reshape", "u4.4"),
        ("linear", "s8.5"),
    ]
    assert found.input_type.fixed == Fixed(8, 4)
    first, last = (found.graph.nodes[k].op for k in (0, 3))
    assert first.weight_width <= 4 and last.weight_width <= 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["ROUND", "HALF_UP"])
def test_other_roundings_differ_at_halves_only(mode: str) -> None:
    """ROUND takes halves to even and HALF_UP away from zero; in hardware they go up."""
    model, batch = network(mode, False), images()
    found = import_onnx(model, batch)
    seen = found.compare(batch)
    assert seen.holds
    assert np.array_equal(np.stack(seen.real), reference(model, batch))
    share = np.mean(np.stack(seen.golden) != np.stack(seen.real))
    assert 0 < share < 0.6
    # One layer alone: exactly the halves differ, by one step.
    single = made(
        [node("MatMul", ["x", "one"], "p"), quant("y", "p", "s", "b", mode)],
        {"one": np.eye(1, dtype=np.float32), "s": 1.0, "b": 8.0, "zero": 0.0},
        ["N", 1],
    )
    x = np.arange(-8, 8, 0.25, dtype=np.float32)[:, None]
    one = import_onnx(single, x, config=QuantConfig(overrides={"input": {"activation_bits": 8}}))
    differ = np.asarray(one.run(x))[:, 0] != reference(single, x)[:, 0]
    halves = np.abs(x[:, 0] % 1) == 0.5
    wrong = halves & ((np.floor(x[:, 0]) % 2 == 0) if mode == "ROUND" else (x[:, 0] < 0))
    assert np.array_equal(differ, wrong)


def test_other_scales_are_refused_with_all_nodes_named() -> None:
    with pytest.raises(UnsupportedError) as caught:
        import_onnx(network("FLOOR", True, (0.1, 0.3)), images())
    text = str(caught.value)
    assert "2 nodes" in text and "a (Quant): scale = 0.1" in text and "y (Quant): scale = 0.3" in text
    assert "recalibrate=True" in text


def test_narrow_ranges_of_activations_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"x_q \(Quant\): range = -127 to 127"):
        import_onnx(network("FLOOR", True, narrow=1), images())


def test_other_scales_are_chosen_anew_on_request() -> None:
    model, batch = network("ROUND", False, (0.9, 0.7)), images()
    found = import_onnx(model, batch, recalibrate=True)
    seen, want = found.compare(batch), reference(model, batch)
    assert seen.holds
    golden = np.stack(seen.golden)
    assert np.corrcoef(golden.reshape(-1), want.reshape(-1))[0, 1] > 0.97


def test_wide_weights_are_taken_in_their_own_width() -> None:
    weight = np.ldexp(RNG.integers(-2048, 2048, (6, 3)), -9).astype(np.float32)
    constants = {"w": weight, "s": 2.0**-9, "zero": 0.0, "b": 12.0}
    model = made([quant("w_q", "w", "s", "b", "ROUND"), node("MatMul", ["x", "w_q"], "y")], constants, ["N", 6])
    found = import_onnx(model, RNG.normal(0, 1, (20, 6)))
    assert found.graph.nodes[0].op.weight_width == 12  # type: ignore[attr-defined]
    assert not found.references[found.raw.nodes[0].name].errors["weight"].any()


def test_weights_that_leave_their_grid_are_refused() -> None:
    norm = {n: RNG.uniform(0.5, 2, 3).astype(np.float32) for n in ("g", "o", "m", "v")}
    constants = {"w": RNG.normal(0, 1, (3, 2, 1, 1)).astype(np.float32), "s": 2.0**-3, "zero": 0.0, "b": 4.0, **norm}
    nodes = [
        quant("w_q", "w", "s", "b", "ROUND"),
        node("Conv", ["x", "w_q"], "c"),
        node("BatchNormalization", ["c", *norm], "y"),
    ]
    model, batch = made(nodes, constants, ["N", 2, 4, 4]), RNG.normal(0, 1, (9, 2, 4, 4))
    with pytest.raises(UnsupportedError, match=r"no power-of-two grid of their width: c \(4 bits\)"):
        import_onnx(model, batch)
    assert import_onnx(model, batch, recalibrate=True).compare(batch).holds


def test_bipolar_weights() -> None:
    constants = {"w": RNG.normal(0, 1, (6, 3)).astype(np.float32), "s": 0.25}
    model = made([node("BipolarQuant", ["w", "s"], "w_q"), node("MatMul", ["x", "w_q"], "y")], constants, ["N", 6])
    x = RNG.integers(-8, 8, (20, 6)) / 4
    found = import_onnx(model, x, config=QuantConfig(activation_bits=12, method="range"))
    assert np.array_equal(found.run(x), reference(model, x))
    model = made([node("BipolarQuant", ["x", "s"], "y")], {"s": 0.25}, ["N", 6])
    with pytest.raises(UnsupportedError, match="sign"):
        import_onnx(model, x)


# QDQ


def qdq(step: float = 2.0**-4, point: Any = None, weight_step: Any = None) -> onnx.ModelProto:
    """A linear layer as quantizers of ONNX Runtime write it: int8 weights per channel, int32 bias."""
    weight_step = np.exp2(-np.array([3, 4, 2], np.float32)) if weight_step is None else weight_step
    constants = {
        "s": np.float32(step),
        "z": np.int8(0) if point is None else point,
        "w": RNG.integers(-128, 128, (3, 6), dtype=np.int8),
        "s_w": weight_step,
        "z_w": np.zeros(3, np.int8),
        "bias": RNG.integers(-500, 500, 3, dtype=np.int32),
        "s_b": np.float32(step) * weight_step,
        "z_b": np.zeros(3, np.int32),
        "s_y": np.float32(2.0**-1),
        "z_y": np.int8(0),
    }
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], "x_i"),
        node("DequantizeLinear", ["x_i", "s", "z"], "x_q"),
        node("DequantizeLinear", ["w", "s_w", "z_w"], "w_q", axis=0),
        node("DequantizeLinear", ["bias", "s_b", "z_b"], "b_q", axis=0),
        node("Gemm", ["x_q", "w_q", "b_q"], "g", transB=1),
        node("QuantizeLinear", ["g", "s_y", "z_y"], "y_i"),
        node("DequantizeLinear", ["y_i", "s_y", "z_y"], "y"),
    ]
    return made(nodes, constants, ["N", 6])


def test_qdq_integers_are_taken_exactly() -> None:
    model = qdq()
    x = RNG.normal(0, 3, (50, 6)).astype(np.float32)
    found = import_onnx(model, x)
    op: Any = found.graph.nodes[0].op
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    assert np.array_equal(op.weight, arrays["w"]) and np.array_equal(op.bias, arrays["bias"])
    assert (found.input_type.fixed, op.output) == (Fixed(8, 4), Fixed(8, 1))
    seen = found.compare(x)
    assert seen.holds and np.array_equal(np.stack(seen.real), onnxruntime(model, x))
    # QuantizeLinear rounds halves to even; on inputs where no sum ends in a half nothing differs.
    sums = np.stack([found.input_type.fixed.quantize(v) for v in x]) @ op.weight.T + op.bias
    ties = (sums & ((1 << op.shift) - 1)) == 1 << op.shift >> 1
    differ = np.stack(seen.golden) != np.stack(seen.real)
    assert not np.any(differ & ~ties)


def test_a_zero_point_that_makes_unsigned_integers_signed() -> None:
    found = import_onnx(qdq(point=np.uint8(128)), RNG.normal(0, 3, (50, 6)))
    assert found.input_type.fixed == Fixed(8, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.05}, r"x_i \(QuantizeLinear\): scale = 0.05"),
        ({"point": np.int8(3)}, r"x_i \(QuantizeLinear\): range = -131 to 124"),
        ({"weight_step": np.array([0.25, 0.3, 0.5], np.float32)}, r"w_q \(DequantizeLinear\): scale = 0.3"),
    ],
)
def test_qdq_that_is_no_fixed_point_is_refused(options: Any, message: str) -> None:
    x = RNG.normal(0, 3, (50, 6))
    with pytest.raises(UnsupportedError, match=message):
        import_onnx(qdq(**options), x)
    assert import_onnx(qdq(**options), x, recalibrate=True).compare(x).holds


def test_operators_on_integers_are_refused() -> None:
    constants = {"s": np.float32(0.5), "z": np.int8(0)}
    nodes = [node("QuantizeLinear", ["x", "s", "z"], "i"), node("Relu", ["i"], "r")]
    with pytest.raises(UnsupportedError, match=r"r \(Relu\): input 0 \(i\) = integers of QuantizeLinear"):
        import_onnx(made(nodes, constants, ["N", 4]), RNG.normal(0, 1, (4, 4)))
    with pytest.raises(UnsupportedError, match="holds integers"):
        import_onnx(made(nodes[:1], constants, ["N", 4]), RNG.normal(0, 1, (4, 4)))
