# SPDX-License-Identifier: Apache-2.0
"""The RTL library: which files a module needs. A module lives in the file of its name; there are no file lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import gatewright.rtl
from gatewright.errors import ToolError

INCLUDE = gatewright.rtl.ROOT / "include"

_INSTANCE = re.compile(r"^\s*(\w+)\s*(?:#\s*\(|u_\w+\s*\()", re.MULTILINE)


@cache
def library() -> dict[str, Path]:
    """Module name to file, for every module of the library."""
    found: dict[str, Path] = {}
    for path in sorted(gatewright.rtl.ROOT.rglob("*.sv")):
        if path.stem in found:
            raise ToolError("rtl", f"{path} and {found[path.stem]} share a name", "one module per name")
        found[path.stem] = path
    return found


def instances(text: str) -> list[str]:
    """Names in `text` that stand where an instance starts; keywords and functions included."""
    return _INSTANCE.findall(text)


def closure(modules: Iterable[str], extra: Iterable[Path] = ()) -> list[Path]:
    """Files of `modules` and of all they instantiate, leaves first.

    Args:
        modules: names from the library or of `extra` files.
        extra: files outside the library, found by their stem.
    """
    files = library() | {p.stem: p for p in extra}
    done: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name in done:
            return
        for child in instances(files[name].read_text()):
            if child in files and child != name:
                visit(child)
        done[name] = files[name]

    for module in modules:
        if module not in files:
            raise ToolError(f"module {module}", "not found", f"a file {module}.sv below {gatewright.rtl.ROOT}")
        visit(module)
    return list(done.values())
