# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: Markdown tables with the versions that made them, and environments for peers."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
PEERS = ROOT / "build" / "peers"


def versions(*packages: str) -> str:
    """One line with the versions of installed packages."""
    found = [f"{p} {importlib.metadata.version(p)}" for p in packages]
    return ", ".join([*found, f"Python {platform.python_version()}"])


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """A Markdown table; columns are the keys of the first row."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([shown(r.get(k, "")) for k in head] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: object) -> str:
    """Whole numbers with thousands separators, everything else as it prints."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def spread(values: Sequence[float], scale: float = 1, digits: int = 1) -> str:
    """Mean and standard deviation of `scale` times the values."""
    return f"{scale * np.mean(values):.{digits}f} ± {scale * np.std(values, ddof=1):.{digits}f}"


def percent(values: Sequence[float]) -> str:
    """Mean and standard deviation of shares, in percent."""
    return spread(values, 100)


def write(name: str, *blocks: str) -> None:
    """Write `results/<name>.md` and show it."""
    text = "\n\n".join(blocks) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def environment(name: str, *requirements: str, alone: Sequence[str] = ()) -> Path:
    """Interpreter of a peer's own environment, made on first use: its needs may conflict with ours.

    Args:
        alone: installed without what they ask for, where that cannot be installed.
    """
    home = PEERS / name
    python = home / "bin" / "python"
    stamp = home / "ready"
    if not stamp.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *requirements], check=True)
        if alone:
            subprocess.run([*pip, "--no-deps", *alone], check=True)
        stamp.touch()
    return python
