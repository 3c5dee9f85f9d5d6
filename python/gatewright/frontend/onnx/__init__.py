# SPDX-License-Identifier: Apache-2.0
"""ONNX and QONNX models -> the same float program that PyTorch models become."""

from gatewright.frontend.onnx.examine import Examined, examine
from gatewright.frontend.onnx.importing import import_onnx, observe_onnx
from gatewright.frontend.onnx.register import supported

__all__ = ["Examined", "examine", "import_onnx", "observe_onnx", "supported"]
