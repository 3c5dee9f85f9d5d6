# SPDX-License-Identifier: Apache-2.0
"""A graph as JSON and integer arrays, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewright.fixed import Fixed, Ints
from gatewright.graph.network import Graph, Node
from gatewright.graph.operator import Op
from gatewright.graph.tensor import Length, TensorType


def _encode(value: Any, arrays: dict[str, Ints], key: str) -> Any:
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"array": key}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: _encode(getattr(value, f.name), arrays, f"{key}.{f.name}") for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, "fields": inner}
    if isinstance(value, tuple):
        return {"tuple": [_encode(v, arrays, f"{key}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, Mapping):
        return {"map": {k: _encode(v, arrays, f"{key}.{k}") for k, v in value.items()}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{key}: {type(value).__name__} cannot be saved")


def _decode(value: Any, arrays: Mapping[str, Ints]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "tuple" in value:
        return tuple(_decode(v, arrays) for v in value["tuple"])
    if "map" in value:
        return {k: _decode(v, arrays) for k, v in value["map"].items()}
    plain = {"Fixed": Fixed, "Length": Length, "TensorType": TensorType, "Node": Node, "Graph": Graph}
    by_class = {c.__name__: c for c in Op.known.values()}
    kind = plain.get(value["type"]) or by_class[value["type"]]
    return kind(**{k: _decode(v, arrays) for k, v in value["fields"].items()})


def to_dict(graph: Graph) -> tuple[dict[str, Any], dict[str, Ints]]:
    """JSON-ready structure and the integer arrays it refers to."""
    arrays: dict[str, Ints] = {}
    inputs = {k: _encode(v, arrays, k) for k, v in graph.inputs.items()}
    nodes = [
        {"name": n.name, "inputs": list(n.inputs), "origin": n.origin, "op": _encode(n.op, arrays, n.name)}
        for n in graph.nodes
    ]
    return {"name": graph.name, "inputs": inputs, "nodes": nodes, "outputs": list(graph.outputs)}, arrays


def from_dict(data: Mapping[str, Any], arrays: Mapping[str, Ints]) -> Graph:
    """Inverse of `to_dict`; the operators' modules must have been imported."""
    nodes = tuple(Node(n["name"], _decode(n["op"], arrays), tuple(n["inputs"]), n["origin"]) for n in data["nodes"])
    inputs = {k: _decode(v, arrays) for k, v in data["inputs"].items()}
    return Graph(inputs, nodes, tuple(data["outputs"]), data["name"])
