# SPDX-License-Identifier: Apache-2.0
"""Sparse matrix-vector product per token: dense on a processor.

An instruction makes 64 products of bytes, a gather fetches one; see docs/decisions/0022.
"""

from gatewright.lower.tvm.kernels.linear import spell

__all__ = ["spell"]
