# SPDX-License-Identifier: Apache-2.0
"""Where a module compares numbers: its ReLU and maximum pooling layers, measured on a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from gatewright.errors import DataError, UnsupportedError

KINDS: dict[type[nn.Module], str] = {nn.ReLU: "relu", nn.MaxPool2d: "max_pool"}
"""Layers that cost a comparison per element, and what they are called."""

FUNCTIONS = {"relu", "relu_", "max_pool2d", "max_pool2d_with_indices", "boolean_dispatch"}
"""Names under which the same is called as a function."""


@dataclass(frozen=True)
class Site:
    """One such layer.

    Attributes:
        path: of the module.
        kind: "relu" or "max_pool".
        inputs, outputs: shapes of one sample, without the batch.
        mean, sigma: of all its inputs.
    """

    path: str
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    mean: float
    sigma: float

    @property
    def elements(self) -> int:
        """Numbers of one sample that it reads."""
        return int(torch.Size(self.inputs).numel())


def sites(model: nn.Module, example: Any) -> list[Site]:
    """Every ReLU and maximum pooling module, in the order in which a batch reaches them.

    Args:
        example: a batch [N, ...]; mean and sigma are those of its values.

    Raises:
        DataError: the batch is empty.
        UnsupportedError: one is called as a function rather than as a module, or one module is called twice.
    """
    kind = next((p.dtype for p in model.parameters()), torch.float32)
    x = torch.as_tensor(example).to(kind)
    if not len(x):
        raise DataError("example", f"shape {list(x.shape)}", "a batch [N, ...] with N >= 1")
    found: dict[str, Site] = {}
    # Modules that are running, from the outside in.
    running: list[str] = []
    hooks = []
    for path, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda _, __, path=path: running.append(path)))
        hooks.append(module.register_forward_hook(lambda *_: running.pop() and None))
        if type(module) in KINDS:
            hooks.append(module.register_forward_hook(_recorder(found, path, KINDS[type(module)])))
    before = model.training
    model.eval()
    try:
        with torch.no_grad(), _Functions(running, {p for p, m in model.named_modules() if type(m) in KINDS}):
            model(x)
    finally:
        model.train(before)
        for hook in hooks:
            hook.remove()
    return list(found.values())


def _recorder(found: dict[str, Site], path: str, kind: str) -> Callable[..., None]:
    def record(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if path in found:
            raise UnsupportedError(path, "called twice", "a module of its own for every call")
        (x,) = inputs
        sigma = float(x.std(correction=0))
        found[path] = Site(path, kind, tuple(x.shape[1:]), tuple(output.shape[1:]), float(x.mean()), sigma)

    return record


class _Functions(TorchFunctionMode):
    """Refuses calls outside of modules made for them: those cannot be exchanged."""

    def __init__(self, running: list[str], known: Collection[str]) -> None:
        super().__init__()
        self.running, self.known = running, known

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in FUNCTIONS and not (self.running and self.running[-1] in self.known):
            place = (self.running and self.running[-1]) or "model"
            raise UnsupportedError(place, f"calls {name} as a function", "modules nn.ReLU and nn.MaxPool2d")
        return func(*args, **(kwargs or {}))


def exchanged(model: nn.Module, made: dict[str, nn.Module]) -> nn.Module:
    """A copy of `model` with other modules at these paths."""
    model = copy.deepcopy(model)
    for path, module in made.items():
        if not path:
            return module
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, module)
    return model


def chosen(found: list[Site], keep: Collection[str], place: str) -> list[Site]:
    """The sites whose path matches no glob of `keep`.

    Raises:
        UnsupportedError: a glob matches nothing, or nothing is left.
    """
    paths = [s.path for s in found]
    for glob in keep:
        if not any(fnmatchcase(p, glob) for p in paths):
            raise UnsupportedError(place, f"keep {glob!r} matches no layer", ", ".join(paths))
    left = [s for s in found if not any(fnmatchcase(s.path, g) for g in keep)]
    if not left:
        raise UnsupportedError(place, "nothing to exchange", "a model with modules nn.ReLU or nn.MaxPool2d")
    return left
