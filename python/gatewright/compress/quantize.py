# SPDX-License-Identifier: Apache-2.0
"""Weights on the hardware's grid, after training (PTQ) or while a network is trained (QAT).

A layer computes with `W^ = 2**-f * sat(floor(2**f * W + 1/2))`, what `gatewright.fixed` does; the gradient passes as if
nothing were rounded (straight-through estimator: Bengio et al., arXiv 1308.3432). Each output channel has its width,
0 bits for none, and the binary point f that calibration finds for it; so compiled weights are the very same integers.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from gatewright.compress.matrices import alone, matrices, parametrized, plain
from gatewright.errors import DataError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend.calibrate import weight_fracs
from gatewright.frontend.config import BITS, METHODS, QuantConfig

Widths: TypeAlias = int | Sequence[int] | torch.Tensor
"""Bits of a layer's weights: of all, or of each output channel."""

REFRESH = 10
"""Training passes for which a binary point is kept: finding one costs more than using it."""


def points(weight: torch.Tensor, bits: int, method: str) -> torch.Tensor:
    """[out] binary points of a weight [out, ...], one per channel, as calibration chooses them."""
    rows = weight.detach().double().numpy().reshape(len(weight), -1)
    return torch.from_numpy(weight_fracs(rows, bits, method))


def rounded(weight: torch.Tensor, bits: int, frac: torch.Tensor) -> torch.Tensor:
    """Weights [out, ...] on the grid of `bits` at binary points [out], half up and saturated; identity in gradients."""
    form = Fixed(bits, 0)
    with torch.no_grad():
        # In float64 the half that rounding adds cannot itself be rounded away.
        step = torch.exp2(-frac.double()).reshape(-1, *[1] * (weight.ndim - 1))
        steps = torch.floor(weight.double() / step + 0.5).clamp(form.lo, form.hi)
        found = (steps * step).to(weight)
    # In this order the sum is `found` to the last bit.
    return found + (weight - weight.detach())


class Quantized(nn.Module):
    """The parametrisation of one weight.

    Attributes:
        widths: [out] bits of every output channel, 0 for no weights.
        frac: [out] binary points of the last forward pass.
    """

    widths: torch.Tensor
    frac: torch.Tensor

    def __init__(self, widths: Widths, outs: int, method: str = "mse", path: str = "") -> None:
        super().__init__()
        found = torch.as_tensor(widths).to(torch.int64)
        found = found.expand(outs).clone() if found.ndim == 0 else found.clone()
        wrong = [int(b) for b in found.unique() if int(b) not in (0, *BITS)]
        if found.shape != (outs,) or wrong:
            problem = f"{wrong[0]} bits" if wrong else f"widths of shape {list(found.shape)}"
            raise DataError(
                f"quantize {path!r}", problem, f"0 to {BITS[-1]} bits, for all or for each of {outs} channels"
            )
        if method not in METHODS:
            raise DataError(f"quantize {path!r}", f"method {method!r}", " or ".join(METHODS))
        self.method, self._age = method, 0
        self.register_buffer("widths", found)
        self.register_buffer("frac", torch.zeros(outs, dtype=torch.int64))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight that the layer computes with; binary points are found anew in evaluation mode."""
        fresh = not self.training or self._age % REFRESH == 0
        self._age = self._age + 1 if self.training else 0
        parts = torch.zeros_like(weight)
        for bits in self.widths.unique().tolist():
            if not bits:
                continue
            at = torch.nonzero(self.widths == bits)[:, 0]
            if fresh:
                self.frac[at] = points(weight[at], bits, self.method)
            parts = parts.index_copy(0, at, rounded(weight[at], bits, self.frac[at]))
        return parts


def chosen(
    model: nn.Module, bits: Widths | Mapping[str, Widths], keep: Collection[str], place: str
) -> dict[str, tuple[Any, Widths]]:
    """Layers with their widths; of several globs that match, the last counts.

    Raises:
        UnsupportedError: a glob matches nothing, or nothing is left.
    """
    layers = matrices(model, keep, place)
    table = bits if isinstance(bits, Mapping) else {"*": bits}
    for glob in table:
        if not any(fnmatchcase(p, glob) for p in layers):
            raise UnsupportedError(place, f"{glob!r} matches no layer", ", ".join(layers))
    found = {p: [w for glob, w in table.items() if fnmatchcase(p, glob)] for p in layers}
    return {p: (layers[p], widths[-1]) for p, widths in found.items() if widths}


def prepare(
    model: nn.Module, bits: Widths | Mapping[str, Widths], method: str = "mse", keep: Collection[str] = ()
) -> nn.Module:
    """A copy whose weights are rounded in every forward pass; it is to be trained, and then `finished`.

    Batch norms are folded into the weights in front of them when a network is compiled: fuse them before.

    Args:
        bits: widths of all layers, or by globs of module paths; each one number, or one per output channel.
        method: of the binary points, see `QuantConfig`.
        keep: globs of layers that stay as they are.

    Raises:
        UnsupportedError: a glob matches nothing, or nothing is left.
        DataError: a width that does not exist, or not one per channel.
    """
    model = copy.deepcopy(model)
    for path, (layer, widths) in chosen(model, bits, keep, "quantize.prepare").items():
        made = Quantized(widths, len(layer.weight), method, path)
        parametrize.register_parametrization(layer, "weight", made.train(model.training))
    return model


def quantizers(model: nn.Module) -> dict[str, Quantized]:
    """The parametrisation of every quantized layer, by its path."""
    return parametrized(model, Quantized)


def finished(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode with plain weights on their grids.

    Raises:
        UnsupportedError: another parametrisation is on a quantized layer as well.
    """
    model = copy.deepcopy(model).eval()
    for path in quantizers(model):
        layer = model.get_submodule(path)
        alone(layer, path, "a quantizer alone")
        plain(layer)
    return model


def post_training(
    model: nn.Module, bits: Widths | Mapping[str, Widths], method: str = "mse", keep: Collection[str] = ()
) -> nn.Module:
    """A copy with weights on their grids; nothing is trained. Arguments and errors as in `prepare`."""
    return finished(prepare(model, bits, method, keep))


def widths(model: nn.Module) -> dict[str, torch.Tensor]:
    """[out] bits per channel of every layer of a model from `prepare`."""
    return {path: q.widths.clone() for path, q in quantizers(model).items()}


def mean_bits(model: nn.Module, bits: Mapping[str, Widths]) -> float:
    """Mean width of the weights of these layers, in bits."""
    total = count = 0.0
    for path, one in bits.items():
        each = model.get_submodule(path).weight.numel()
        total += each * float(np.mean(np.asarray(one, np.float64)))
        count += each
    return total / count


def config(bits: Mapping[str, Widths], base: QuantConfig | None = None) -> QuantConfig:
    """Formats that hold these weights: every layer at the widest of its channels.

    Args:
        bits: by module path; layers that are not in it have the width of `base`.
        base: what else is chosen; its own overrides come after these.
    """
    base = base or QuantConfig()
    own = {path: {"weight_bits": max(1, int(np.max(np.asarray(one))))} for path, one in bits.items()}
    merged = {key: {**own.pop(key, {}), **values} for key, values in base.overrides.items()}
    return QuantConfig(**{**vars(base), "overrides": {**own, **merged}})
