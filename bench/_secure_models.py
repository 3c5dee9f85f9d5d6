# SPDX-License-Identifier: Apache-2.0
"""The networks of `secure_inference.py`, as data that every framework can read, and as PyTorch modules.

Weights and biases are normal with variance 1 / fan-in, inputs uniform in [0, 1): arithmetic and traffic are what is
compared here; accuracy needs trained networks and is measured elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20240917
SQUARE = 0.1
"""X2act is 0.1 x^2 + x."""

Layer = dict[str, Any]


def mlp(act: str) -> list[Layer]:
    """784-128-128-10."""
    layers: list[Layer] = []
    for k, (inputs, outputs) in enumerate(((784, 128), (128, 128), (128, 10))):
        layers += [{"op": act}] if k else []
        layers.append({"op": "linear", "shape": [outputs, inputs]})
    return layers


def lenet(act: str, pool: str) -> list[Layer]:
    """LeNet-5 for 28 x 28: 6,508 activations."""
    layers: list[Layer] = [
        {"op": "conv", "shape": [6, 1, 5, 5], "padding": 2},
        {"op": act},
        {"op": pool},
        {"op": "conv", "shape": [16, 6, 5, 5], "padding": 0},
        {"op": act},
        {"op": pool},
        {"op": "flatten"},
    ]
    for k, (inputs, outputs) in enumerate(((400, 120), (120, 84), (84, 10))):
        layers += [{"op": act}] if k else []
        layers.append({"op": "linear", "shape": [outputs, inputs]})
    return layers


MODELS = {
    "MLP X2act": mlp("x2act"),
    "MLP ReLU": mlp("relu"),
    "LeNet-5 X2act/avg": lenet("x2act", "avg"),
    "LeNet-5 ReLU/avg": lenet("relu", "avg"),
    "LeNet-5 ReLU/max": lenet("relu", "max"),
}


def write(name: str, path: Path, count: int) -> None:
    """One .npz: layers as JSON, arrays w0, b0, w1, ... and inputs x [count, ...]."""
    random, arrays, layers = np.random.RandomState(SEED), {}, MODELS[name]
    matrices = [layer for layer in layers if "shape" in layer]
    for k, layer in enumerate(matrices):
        scale = 1 / np.sqrt(np.prod(layer["shape"][1:]))
        arrays[f"w{k}"] = random.normal(0, scale, layer["shape"])
        arrays[f"b{k}"] = random.normal(0, scale, layer["shape"][0])
    shape = (1, 28, 28) if matrices[0]["op"] == "conv" else (784,)
    arrays["x"] = np.random.RandomState(SEED + 1).uniform(0, 1, (count, *shape))
    np.savez(path, layers=np.array(json.dumps(layers)), **arrays)


def module(path: Path) -> Any:
    """The network of a file as a PyTorch module."""
    import torch
    from torch import nn

    from gatewright.nn.quadratic import Quadratic

    with np.load(path) as file:
        layers, arrays = json.loads(str(file["layers"])), dict(file)
    parts: list[Any] = []
    for layer in layers:
        shape = layer.get("shape")
        match layer["op"]:
            case "linear":
                parts.append(nn.Linear(shape[1], shape[0]))
            case "conv":
                parts.append(nn.Conv2d(shape[1], shape[0], shape[2], padding=layer["padding"]))
            case op:
                made = {"relu": nn.ReLU, "avg": lambda: nn.AvgPool2d(2), "max": lambda: nn.MaxPool2d(2)}
                made |= {"x2act": lambda: Quadratic(square=SQUARE), "flatten": nn.Flatten}
                parts.append(made[op]())
    found = nn.Sequential(*parts)
    with torch.no_grad():
        for k, part in enumerate(p for p in parts if hasattr(p, "weight")):
            part.weight.copy_(torch.from_numpy(arrays[f"w{k}"]))
            part.bias.copy_(torch.from_numpy(arrays[f"b{k}"]))
    return found.eval()
