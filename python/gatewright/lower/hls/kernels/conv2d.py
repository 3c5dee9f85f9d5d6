# SPDX-License-Identifier: Apache-2.0
"""Convolution over an image."""

from gatewright.lower.hls.kernels._convolution import convolution as spell

__all__ = ["spell"]
