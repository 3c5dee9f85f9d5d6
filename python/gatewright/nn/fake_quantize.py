# SPDX-License-Identifier: Apache-2.0
"""Rounding to a grid, in the ways that quantizers have it; one call in an exported graph."""

from __future__ import annotations

import torch


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
