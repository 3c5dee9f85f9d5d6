# SPDX-License-Identifier: Apache-2.0
"""What the modules of a model compute on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from gatewright.errors import DataError

Pairs = Mapping[str, str]
"""Module path of the student to that of the teacher."""


def outputs(model: nn.Module, x: torch.Tensor, paths: tuple[str, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A model's result, and those of its modules at `paths`.

    Raises:
        DataError: no such module.
    """
    known = dict(model.named_modules())
    for path in paths:
        if path not in known:
            raise DataError(f"module {path}", "not found", ", ".join(k for k in known if k))
    found: dict[str, torch.Tensor] = {}
    hooks = [known[p].register_forward_hook(_keeper(found, p)) for p in paths]
    try:
        return model(x), found
    finally:
        for hook in hooks:
            hook.remove()


def _keeper(found: dict[str, torch.Tensor], path: str) -> Callable[..., None]:
    def keep(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        found[path] = output

    return keep
