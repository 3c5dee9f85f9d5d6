# SPDX-License-Identifier: Apache-2.0
"""Layers for torch models that have a direct hardware form, and calls that put them into trained models."""

from gatewright.nn.aggregate import Aggregate
from gatewright.nn.convert import calibrate_selector, sparsify
from gatewright.nn.quadratic import Quadratic
from gatewright.nn.token_embedding import TokenEmbedding
from gatewright.nn.topk_attention import TopKAttention

__all__ = ["Aggregate", "Quadratic", "TokenEmbedding", "TopKAttention", "calibrate_selector", "sparsify"]
