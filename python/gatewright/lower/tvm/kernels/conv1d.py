# SPDX-License-Identifier: Apache-2.0
"""Convolution over a sequence."""

from gatewright.lower.tvm.kernels._convolution import spell

__all__ = ["spell"]
