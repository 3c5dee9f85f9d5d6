# SPDX-License-Identifier: Apache-2.0
"""The layers of a module that multiply by a weight matrix, chosen by globs of module paths."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from torch import nn
from torch.nn.utils import parametrize

from gatewright.errors import UnsupportedError

P = TypeVar("P", bound=nn.Module)

KINDS: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv1d, nn.Conv2d)
"""Layers whose weight is [out, in / groups, ...]."""


def matrices(model: nn.Module, keep: Collection[str] = (), place: str = "compress") -> dict[str, Any]:
    """Layers by path, but for those that match a glob of `keep`; the model itself may be one, at path "".

    Raises:
        UnsupportedError: a glob matches nothing, or nothing is left.
    """
    found = {path: m for path, m in model.named_modules() if isinstance(m, KINDS)}
    for glob in keep:
        if not any(fnmatchcase(p, glob) for p in found):
            raise UnsupportedError(place, f"keep {glob!r} matches no layer", ", ".join(found))
    left = {p: m for p, m in found.items() if not any(fnmatchcase(p, g) for g in keep)}
    if not left:
        raise UnsupportedError(place, "no layer to compress", "a model with nn.Linear, nn.Conv1d or nn.Conv2d")
    return left


def parametrized(model: nn.Module, kind: type[P]) -> dict[str, P]:
    """The weight's parametrisation of this kind of every layer that has one, by the layer's path."""
    found: dict[str, P] = {}
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            layer: Any = module
            found.update((path, p) for p in layer.parametrizations["weight"] if isinstance(p, kind))
    return found


def alone(layer: Any, path: str, allowed: str) -> None:
    """Check that the weight has one parametrisation; the bias may have one that goes with it (`irnn.Offset`).

    Args:
        path: of the layer, for the message.
        allowed: what is to be alone.

    Raises:
        UnsupportedError: it has several, or other tensors of the layer have some.
    """
    if set(layer.parametrizations) - {"weight", "bias"} or any(len(p) > 1 for p in layer.parametrizations.values()):
        raise UnsupportedError(path, "several parametrisations", allowed, "remove the others first")


def plain(layer: Any) -> None:
    """Make what a layer computes with its parameters, and drop their parametrisations; the layer is a copy."""
    found = {name: getattr(layer, name).detach().clone() for name in layer.parametrizations}
    # `remove_parametrizations` would take the property from the class, which a copy shares with its original.
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer._modules["parametrizations"]
    for name, value in found.items():
        setattr(layer, name, nn.Parameter(value))
