# SPDX-License-Identifier: Apache-2.0
"""Rounding to a grid, in the ways that quantizers have it; one call in an exported graph."""

from __future__ import annotations

from typing import Any, cast

import torch

from gatewright.fixed import Fixed, as_integers, from_integers


@torch.library.custom_op("gatewright::fake_quantize", mutates_args=())
def fake_quantize(
    x: torch.Tensor, scale: float, zero_point: int, quant_min: int, quant_max: int, rounding: str
) -> torch.Tensor:
    """`(clip(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) * scale`.

    Args:
        rounding: one of `gatewright.graph.ROUNDINGS`; "half_up" is what the hardware does.
    """
    from gatewright.graph import ROUNDINGS

    # In float64 the half that rounding adds cannot itself be rounded away.
    steps = torch.from_numpy(ROUNDINGS[rounding](x.detach().double().numpy() / scale)) + zero_point
    return ((steps.clamp(quant_min, quant_max) - zero_point) * scale).to(x.dtype)


@fake_quantize.register_fake
def _(x: torch.Tensor, scale: float, zero_point: int, quant_min: int, quant_max: int, rounding: str) -> torch.Tensor:
    return torch.empty_like(x)


class RoundHalfUp(torch.nn.Module):
    """`floor(x + 1/2)` with the gradient of the identity: trains with the rounding of the hardware.

    A brevitas quantizer takes it as `float_to_int_impl = RoundHalfUp`; the compiled integers then equal its forward
    pass bit for bit, halves included.
    """

    def __init__(self) -> None:
        # Spelled out: brevitas looks at the signature.
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape."""
        return x + (torch.floor(x + 0.5) - x).detach()


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, form: Fixed, bounded: bool) -> torch.Tensor:
        # In float64 the half that rounding adds cannot itself be rounded away.
        steps = torch.floor(x.double() * 2.0**form.frac + 0.5)
        found = steps.clamp(form.lo, form.hi) if bounded else steps
        ctx.save_for_backward(*([found == steps] if bounded else []))
        return (found * form.ulp).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return (grads[0] * ctx.saved_tensors[0] if ctx.saved_tensors else grads[0]), None, None


def rounded(x: torch.Tensor, form: Fixed, bounded: bool = True) -> torch.Tensor:
    """`x` on the grid of a format, half up and saturated; without `bounded` as wide as it is.

    The gradient is that of the identity, zero where a value saturates.
    """
    return cast(torch.Tensor, _Rounded.apply(x, form, bounded))


class Rounding(torch.nn.Module):
    """Rounds to a format: `rounded` in training, one call of the exported graph in evaluation mode.

    Attributes:
        form: the format; it is in checkpoints.
    """

    def __init__(self, form: Fixed) -> None:
        super().__init__()
        self.form = form

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape."""
        form = self.form
        if self.training:
            return rounded(x, form)
        found: torch.Tensor = torch.ops.gatewright.fake_quantize(x, form.ulp, 0, form.lo, form.hi, "half_up")
        return found

    def before(self, layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """As a forward pre-hook of a layer with one input."""
        found: torch.Tensor = self(inputs[0])
        return found

    def behind(self, layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], result: torch.Tensor) -> torch.Tensor:
        """As a forward hook of a layer."""
        found: torch.Tensor = self(result)
        return found

    def get_extra_state(self) -> torch.Tensor:
        """The format, for checkpoints."""
        return torch.tensor(as_integers(self.form))

    def set_extra_state(self, state: torch.Tensor) -> None:
        """The format, from a checkpoint."""
        (self.form,) = from_integers(state.tolist())
