# SPDX-License-Identifier: Apache-2.0
"""Sparse convolution over an image: dense on a processor, as sparse_linear."""

from gatewright.lower.tvm.kernels._convolution import spell

__all__ = ["spell"]
