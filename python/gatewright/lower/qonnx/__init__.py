# SPDX-License-Identifier: Apache-2.0
"""Graph to QONNX: standard ONNX operators and Quant nodes whose execution equals golden exactly."""

from gatewright.lower.qonnx.model import export, sources_of

__all__ = ["export", "sources_of"]
