# SPDX-License-Identifier: Apache-2.0
"""Layers for torch models that have a direct hardware form, and calls that put them into trained models."""

from gatewright.nn.aggregate import Aggregate
from gatewright.nn.convert import calibrate_selector, sparsify
from gatewright.nn.mad_norm import MadNorm
from gatewright.nn.quadratic import Quadratic
from gatewright.nn.softmax_pool import AdditiveAttention, SoftmaxPool
from gatewright.nn.token_embedding import TokenEmbedding
from gatewright.nn.topk_attention import TopKAttention

__all__ = [
    "AdditiveAttention",
    "Aggregate",
    "MadNorm",
    "Quadratic",
    "SoftmaxPool",
    "TokenEmbedding",
    "TopKAttention",
    "calibrate_selector",
    "sparsify",
]
