# SPDX-License-Identifier: Apache-2.0
"""Layers for torch models that have a direct hardware form."""

from gatewright.nn.quadratic import Quadratic

__all__ = ["Quadratic"]
