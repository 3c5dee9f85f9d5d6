# SPDX-License-Identifier: Apache-2.0
"""ONNX operators as ATen calls, one file per family; `register.lowerings` finds them."""
