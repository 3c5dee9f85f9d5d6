# SPDX-License-Identifier: Apache-2.0
"""Operators as ONNX and Quant nodes, one file per family; `spelling.spellings` finds them."""
