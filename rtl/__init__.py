# SPDX-License-Identifier: Apache-2.0
"""SystemVerilog library, one module per file."""

from pathlib import Path

ROOT = Path(__file__).parent
