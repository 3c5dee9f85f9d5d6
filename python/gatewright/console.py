# SPDX-License-Identifier: Apache-2.0
"""The console that commands and benchmarks print to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 132
"""Columns where the output is a file or a pipe: tables then do not fold at 80."""


def console() -> Console:
    """Standard output, as wide as the terminal."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=PLAIN_WIDTH)


def rendered(table: object) -> str:
    """A rich object as text."""
    from rich.console import Console

    # Text is text: no colors, and in a notebook nothing that is shown at once besides being given back.
    plain = Console(width=PLAIN_WIDTH, force_terminal=False, force_jupyter=False)
    with plain.capture() as capture:
        plain.print(table)
    return capture.get()
