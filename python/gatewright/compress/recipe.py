# SPDX-License-Identifier: Apache-2.0
"""Compression methods one after another, with what is left after each of them.

    recipe = Recipe().then("low rank", lambda m: low_rank.factorised(m, how, fishers)).then("fine-tuned", tuned)
    variants = recipe.run(model)

`gatewright.comparison` compiles and measures the variants.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from gatewright.errors import DataError

Method = Callable[[nn.Module], nn.Module]
"""Takes a model in evaluation mode, gives another one; it may train, and must not change what it was given."""


@dataclass(frozen=True, eq=False)
class Variant:
    """A model after some of the steps.

    Attributes:
        name: of the step that made it.
        model: in evaluation mode.
    """

    name: str
    model: nn.Module

    @property
    def parameters(self) -> int:
        """Numbers in the model's parameters."""
        return sum(p.numel() for p in self.model.parameters())


@dataclass(frozen=True, eq=False)
class Recipe:
    """Named steps."""

    steps: tuple[tuple[str, Method], ...] = ()

    def then(self, name: str, method: Method) -> Recipe:
        """The recipe with one more step.

        Raises:
            DataError: the name is taken.
        """
        if name in ("before", *(n for n, _ in self.steps)):
            raise DataError("Recipe", f"two steps {name!r}", "a name of its own for every step")
        return replace(self, steps=(*self.steps, (name, method)))

    def run(self, model: nn.Module) -> list[Variant]:
        """The model itself as "before", and what each step makes of the one before; `model` does not change.

        Raises:
            DataError: the recipe is empty, or a step gave no module.
        """
        if not self.steps:
            raise DataError("Recipe", "no steps", "at least one", "add one with then(name, method)")
        found = [Variant("before", copy.deepcopy(model).eval())]
        for name, method in self.steps:
            made = method(found[-1].model)
            if not isinstance(made, nn.Module):
                raise DataError(f"step {name!r}", f"gave a {type(made).__name__}", "a torch.nn.Module")
            found.append(Variant(name, made.eval()))
        return found
