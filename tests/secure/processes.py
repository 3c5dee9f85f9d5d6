# SPDX-License-Identifier: Apache-2.0
"""Parties as real processes of the command line, on free ports of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

COMMAND = [sys.executable, "-c", "from gatewright.cli import main; main()", "secure"]
SETTING = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
TIMEOUT = "20"


@dataclass
class Listening:
    """A dealer or a server."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return self.text.split("listens at ")[1].split()[0]

    @property
    def text(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        """As a crash: no handler runs."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def listening(log: Path, *arguments: str) -> Iterator[Listening]:
    """`gatewright secure` with these arguments, on a free port, until the end."""
    with log.open("w") as file:
        command = [*COMMAND, *arguments, "--listen", "127.0.0.1:0", "--timeout", TIMEOUT]
        process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | SETTING)
    found = Listening(process, log)
    try:
        end = time.monotonic() + 30
        while "listens at" not in found.text:
            assert process.poll() is None and time.monotonic() < end, found.text
            time.sleep(0.02)
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        finally:
            process.kill()


@dataclass
class Asked:
    """A client that has ended."""

    code: int
    text: str
    seconds: float
    figures: dict[str, Any]
    results: Any


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`gatewright secure query` in the background, its output in a file of the folder."""
    command = [*COMMAND, "query", *arguments, "--timeout", TIMEOUT]
    command += ["--json", str(folder / "out.json"), "-o", str(folder / "out.npy")]
    with (folder / "out.txt").open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | SETTING)


def ask(folder: Path, *arguments: str) -> Asked:
    """`gatewright secure query` with these arguments."""
    for name in ("out.json", "out.npy"):
        (folder / name).unlink(missing_ok=True)
    begun = time.monotonic()
    code = start(folder, *arguments).wait(60)
    path = folder / "out.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    results = np.load(folder / "out.npy") if figures else None
    return Asked(code, (folder / "out.txt").read_text(), time.monotonic() - begun, figures, results)
