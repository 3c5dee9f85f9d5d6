# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as plain nodes and arrays."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError, MissingExtraError, UnsupportedError

Array = npt.NDArray[Any]

QONNX = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
"""Domains that have held QONNX operators over time."""

REALS = ("float16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True, eq=False)
class Node:
    """One ONNX node.

    Attributes:
        name: a path made of its ONNX name, or of its first output where it has none; unique in the model.
        op: operator; those of ONNX itself have no domain in front, those of QONNX neither.
        inputs: names of tensors, empty for an input that is left out; then those that branches read from outside.
        attributes: as Python values, tensors as arrays.
        opset: version of the operator's domain.
        proto: the node itself.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 1
    proto: Any = None

    @property
    def place(self) -> str:
        """Node and operator, for messages."""
        return f"{self.name} ({self.op})"

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)


@dataclass(frozen=True, eq=False)
class Input:
    """A run-time input.

    Attributes:
        shape: sizes as the file states them; None for a symbol or nothing.
        kind: NumPy's name of the element type; what it is where it is no tensor.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str

    @property
    def integers(self) -> bool:
        """Whether it holds integers."""
        return self.kind in INTEGERS


@dataclass(frozen=True, eq=False)
class Model:
    """Nodes in topological order, constants by name, run-time inputs and outputs."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]

    @cached_property
    def readers(self) -> dict[str, list[Node]]:
        """For every tensor the nodes that read it, once per read."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def producers(self) -> dict[str, Node]:
        """For every tensor that is not an input or a constant the node that makes it."""
        return {o: n for n in self.nodes for o in n.outputs}

    def until(self, output: str) -> Model:
        """The part that `output`, a tensor or a node, needs.

        Raises:
            DataError: there is neither a tensor nor a node of this name.
        """
        by_node = {n.name: n.outputs[0] for n in self.nodes}
        wanted = output if output in self.producers else by_node.get(output)
        if wanted is None:
            close = ", ".join([*by_node][-8:])
            raise DataError(f"output {output!r}", "no such tensor or node", f"one of the model, e.g. {close}")
        needed = {wanted}
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if needed & set(node.outputs):
                needed |= set(node.inputs)
                kept.append(node)
        return replace(self, nodes=tuple(kept[::-1]), outputs=(wanted,))

    def with_constants(self, given: Mapping[str, Any]) -> Model:
        """The model with some inputs fixed.

        Raises:
            DataError: an input is none of the model's.
        """
        names = {i.name for i in self.inputs}
        for name in given:
            if name not in names:
                raise DataError(f"constants[{name!r}]", "no such input", ", ".join(sorted(names)))
        constants = dict(self.constants) | {k: np.asarray(v) for k, v in given.items()}
        return replace(self, constants=constants, inputs=tuple(i for i in self.inputs if i.name not in given))


def load(source: Any) -> Model:
    """Read a file, or take an `onnx.ModelProto`.

    Raises:
        DataError: the file is missing or no ONNX model.
        MissingExtraError: the extra `onnx` is not installed.
        UnsupportedError: a function of the model cannot be inlined.
    """
    onnx = _onnx()
    if isinstance(source, str | Path):
        try:
            source = onnx.load(str(source))
        except Exception as error:
            raise DataError(str(source), f"cannot be read: {_line(error)}", "an ONNX model") from error
    if not isinstance(source, onnx.ModelProto):
        raise DataError("model", f"a {type(source).__name__}", "the path of an ONNX file, or an onnx.ModelProto")
    if source.functions:
        from onnx.inliner import inline_local_functions

        source = inline_local_functions(source)
    versions = {o.domain or "ai.onnx": o.version for o in source.opset_import}
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in source.graph.initializer}
    nodes: list[Node] = []
    taken: Counter[str] = Counter()
    for proto in source.graph.node:
        node = _node(proto, versions, taken)
        if node.op == "Constant":
            constants[node.outputs[0]] = _constant(node)
        else:
            nodes.append(node)
    inputs = tuple(_input(i) for i in source.graph.input if i.name not in constants)
    return Model(tuple(nodes), constants, inputs, tuple(o.name for o in source.graph.output))


def _onnx() -> Any:
    try:
        import onnx
        import onnx.numpy_helper
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnx", "not installed", "", "pip install 'gatewright[onnx]'") from error
    return onnx


def _line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _node(proto: Any, versions: Mapping[str, int], taken: Counter[str]) -> Node:
    onnx = _onnx()
    attributes = {a.name: _attribute(onnx, a) for a in proto.attribute}
    known = proto.domain in ("", "ai.onnx", *QONNX)
    op = proto.op_type if known else f"{proto.domain}.{proto.op_type}"
    name = _path(proto.name or f"{proto.op_type}_{proto.output[0]}")
    taken[name] += 1
    if taken[name] > 1:
        name = f"{name}_{taken[name] - 1}"
    opset = versions.get(proto.domain or "ai.onnx", 1)
    inputs = (*proto.input, *_captured(onnx, proto))
    return Node(name, op, inputs, tuple(proto.output), attributes, opset, proto)


def _captured(onnx: Any, proto: Any) -> list[str]:
    """Tensors that the branches or bodies of a node read from outside."""
    found: dict[str, None] = {}
    for attribute in proto.attribute:
        if attribute.type != onnx.AttributeProto.GRAPH:
            continue
        body = attribute.g
        inside = {i.name for i in (*body.input, *body.initializer)} | {o for n in body.node for o in n.output}
        read = [i for n in body.node for i in (*n.input, *_captured(onnx, n))]
        found |= dict.fromkeys(i for i in read if i and i not in inside)
    return list(found)


def _attribute(onnx: Any, attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, list | tuple):
        return [v.decode() if isinstance(v, bytes) else v for v in value]
    return value


def _path(name: str) -> str:
    """`/layer1/0/conv/Conv` -> `layer1.0.conv.Conv`: a module path, as globs of a `QuantConfig` expect it."""
    parts = [re.sub(r"\W", "_", p, flags=re.ASCII) for p in re.split(r"[/.]", name)]
    return ".".join(p for p in parts if p) or "node"


def _constant(node: Node) -> Array:
    for key in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if key in node.attributes:
            kind = np.float32 if "float" in key else np.int64
            found = node.attributes[key]
            return found if isinstance(found, np.ndarray) else np.asarray(found, kind)
    raise UnsupportedError(
        node.place, f"attributes {', '.join(node.attributes)}", "value, value_float(s), value_int(s)"
    )


def _input(info: Any) -> Input:
    onnx = _onnx()
    if info.type.WhichOneof("value") != "tensor_type":
        return Input(info.name, (), str(info.type.WhichOneof("value")))
    tensor = info.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type) if tensor.elem_type else np.dtype(np.float32)
    sizes = (d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim)
    return Input(info.name, tuple(sizes), str(kind))
