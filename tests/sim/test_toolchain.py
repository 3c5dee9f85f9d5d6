# SPDX-License-Identifier: Apache-2.0
"""The build cache: whole entries or none, whatever interrupts it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatewright.errors import ToolError
from gatewright.sim import toolchain


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def leftovers(cache: Path) -> list[str]:
    """Everything below the kinds of the cache, temporary folders included."""
    return sorted(p.name for kind in cache.glob("*") if kind.is_dir() for p in kind.iterdir())


def test_an_entry_is_built_once(cache: Path) -> None:
    calls = []

    def build(folder: Path) -> None:
        calls.append(folder)
        (folder / "x").write_text("1")

    for _ in range(2):
        assert (toolchain.cached("kind", "key", build) / "x").read_text() == "1"
    assert len(calls) == 1 and leftovers(cache) == ["key"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ToolError("g++", "failed")])
def test_a_failed_build_leaves_nothing(cache: Path, error: type[BaseException]) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("1")
        raise error

    with pytest.raises((KeyboardInterrupt, ToolError)):
        toolchain.cached("kind", "key", build)
    assert leftovers(cache) == []


FULL = """
import resource, signal
from gatewright.sim import toolchain
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
toolchain.cached("kind", "key", lambda folder: (folder / "big").write_bytes(bytes(1 << 20)))
"""


def test_a_full_disk_is_a_clear_error(cache: Path) -> None:
    """The kernel refuses the write, as it does when the disk is full."""
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, env=dict(os.environ))
    assert "ToolError: cache" in done.stderr and "set GATEWRIGHT_CACHE to another folder" in done.stderr
    assert leftovers(cache) == []


BUILD = """
import sys
from gatewright.sim.fuzz import random_job
from gatewright.sim.compiler import RUNTIME, runtime
from gatewright.sim.library import build
runtime(RUNTIME, ["-fPIC"])
print("ready", flush=True)
build([random_job(seed).rtl for seed in range(30)], "-O3")
print("built", flush=True)
"""


def test_ctrl_c_in_a_build(cache: Path) -> None:
    """SIGINT to the whole group, as a terminal sends it: the compiler stops, and no entry or scratch folder stays."""
    child = subprocess.Popen(
        [sys.executable, "-c", BUILD],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        # A shell starts what runs in its background deaf to SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 60
    while not leftovers(cache)[1:] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(60) != 0 and "built" not in child.stdout.read()
    assert all(not name.startswith(".") for name in leftovers(cache))
    assert not list((cache / "library").glob("*"))


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no-such-tool is not installed"):
        toolchain.run(["no-such-tool"], tmp_path, "place")


def test_a_failing_tool_shows_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"exit code 1[\s\S]*nonsense"):
        toolchain.run(["g++", "nonsense.cpp"], tmp_path, "place")
