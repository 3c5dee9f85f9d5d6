# SPDX-License-Identifier: Apache-2.0
"""The whole graph as a QONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.errors import MissingExtraError
from gatewright.frontend.layout import View
from gatewright.graph import Graph, TensorType
from gatewright.lower.qonnx.entrance import entered, left
from gatewright.lower.qonnx.spelling import count, written
from gatewright.lower.qonnx.values import TOKENS, Value
from gatewright.lower.qonnx.writer import DOMAIN, Writer

OPSET, IR = 17, 9


def export(
    graph: Graph, *, entry: View | None = None, exit: View | None = None, batch: int = 1, length: int | None = None
) -> Any:
    """The QONNX model of a graph: real values in and out, and execution equals golden.

    Args:
        entry, exit: layout of the model's input and output as torch has it, e.g. [N, C, H, W]; the input is then
            quantized first. Without them they are [N, tokens, channels] and the input has to be on its grid.
        batch: N.
        length: tokens where the number is known only at run time; the most by default.

    Returns:
        an `onnx.ModelProto`.

    Raises:
        NotExpressibleError: an operator cannot be said exactly by standard ONNX operators and Quant nodes; names it.
        MissingExtraError: the extra `onnx` is not installed.
    """
    _installed()
    w = Writer()
    values: dict[str, Value] = {}
    for name, kind in graph.inputs.items():
        w.place = name
        values[name] = _input(w, name, kind, count(kind.tokens, length), batch, entry)
    return _model(w, graph, written(w, graph, values, length), exit)


def sources_of(graph: Graph) -> list[str]:
    """Names of the tensors that hold the outputs."""
    return [f"{o}_out" for o in graph.outputs]


def _installed() -> None:
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnx", "not installed", "", "pip install 'gatewright[onnx]'") from error


def _input(w: Writer, name: str, kind: TensorType, tokens: int, batch: int, entry: View | None) -> Value:
    w.kinds[name] = w.kind(kind.fixed.width)
    if entry is not None:
        return entered(w, name, kind, tokens, batch, entry)
    w.shapes[name] = (batch, tokens, kind.channels)
    return Value(w, kind, tokens, TOKENS, name)


def _model(w: Writer, graph: Graph, results: list[Value], exit: View | None) -> Any:
    from onnx import helper, numpy_helper

    def info(name: str) -> Any:
        return helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(w.kinds[name])), w.shapes[name]
        )

    outputs = []
    for output, name, value in zip(graph.outputs, sources_of(graph), results, strict=True):
        w.place = output
        made = value.at(TOKENS) if exit is None else left(w, value, exit)
        w.nodes.append(helper.make_node("Identity", [made], [name], name=name))
        w.shapes[name], w.kinds[name] = w.shapes[made], w.kinds[made]
        outputs.append(info(name))
    constants = [numpy_helper.from_array(a, n) for n, a in w.constants.items()]
    inner = [info(n) for n in w.shapes if n not in graph.inputs and n not in w.constants]
    inner = [i for i in inner if i.name not in {o.name for o in outputs}]
    body = helper.make_graph(w.nodes, graph.name, [info(n) for n in graph.inputs], outputs, constants, value_info=inner)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(body, opset_imports=opsets, ir_version=IR, producer_name="gatewright")
