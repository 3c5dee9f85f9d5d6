# SPDX-License-Identifier: Apache-2.0
"""C++ kernels for high-level synthesis, one operator per header."""

from pathlib import Path

ROOT = Path(__file__).parent
