# SPDX-License-Identifier: Apache-2.0
"""Boards as data: one folder each, with `board.toml`."""

from pathlib import Path

ROOT = Path(__file__).parent
