# SPDX-License-Identifier: Apache-2.0
"""A progress bar for work that turns out to be slow."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds of silence before a bar appears."""


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Pass the items on; after `PATIENCE` seconds show a bar on standard error, if that is a terminal."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    start, bar, task = time.monotonic(), None, None
    try:
        for done, item in enumerate(items):
            if bar is not None and task is not None:
                bar.update(task, completed=done)
            elif sys.stderr.isatty() and time.monotonic() - start > PATIENCE:
                from rich.console import Console
                from rich.progress import Progress

                bar = Progress(console=Console(stderr=True), transient=True)
                task = bar.add_task(label, total=total, completed=done)
                bar.start()
            yield item
    finally:
        if bar is not None:
            bar.stop()
