# SPDX-License-Identifier: Apache-2.0
"""Convolution over an image."""

from gatewright.lower.tvm.kernels._convolution import spell

__all__ = ["spell"]
