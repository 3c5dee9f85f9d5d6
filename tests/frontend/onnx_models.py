# SPDX-License-Identifier: Apache-2.0
"""ONNX models that several tests build."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


def exported(
    model: torch.nn.Module, example: torch.Tensor, opset: int = 17, dynamo: bool = False, **options: Any
) -> onnx.ModelProto:
    """What PyTorch's exporters make of a model; the one by torch.export chooses its opset itself."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            return torch.onnx.export(model, (example,), dynamo=True, verbose=False, **options).model_proto
        torch.onnx.export(model, (example,), file, dynamo=False, opset_version=opset, **options)
    return onnx.load_from_string(file.getvalue())


def node(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node named as its output; Quant and BipolarQuant are in the domain of QONNX."""
    domain = QONNX if "Quant" in op and "Linear" not in op else ""
    return helper.make_node(op, list(inputs), [output], name=output, domain=domain, **attributes)


def made(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, Any],
    shape: Sequence[int | str | None],
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model from input `x` to the output of the last node."""
    initializers = [
        numpy_helper.from_array(np.asarray(v, np.float32) if isinstance(v, float) else np.asarray(v), k)
        for k, v in constants.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        initializers,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def onnxruntime(model: onnx.ModelProto, batch: Any) -> np.ndarray[Any, Any]:
    """Results by ONNX Runtime, item by item."""
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: np.asarray(v)[None]})[0] for v in batch])


def reference(model: onnx.ModelProto, batch: Any) -> np.ndarray[Any, Any]:
    """Results by the reference execution of QONNX, item by item."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    wrapper = ModelWrapper(model)
    name = wrapper.graph.input[0].name
    wrapper.set_tensor_shape(name, [1, *np.shape(batch)[1:]])
    wrapper = wrapper.transform(InferShapes())
    found = (execute_onnx(wrapper, {name: np.asarray(v, np.float32)[None]}) for v in batch)
    return np.concatenate([next(iter(f.values())) for f in found])
