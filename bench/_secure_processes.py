# SPDX-License-Identifier: Apache-2.0
"""Our commands as processes on loopback: a dealer where there is one, a server, and a client with a batch of inputs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

COMMAND = [sys.executable, "-c", "from gatewright.cli import main; main()", "secure"]
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
"""One thread per party: two cores, two parties, for everyone."""
PATIENCE = 900


@contextlib.contextmanager
def listening(log: Path, *arguments: str) -> Iterator[str]:
    """One of our commands in the background; the address that it listens at."""
    with log.open("w") as file:
        found = subprocess.Popen([*COMMAND, *arguments, "--listen", "127.0.0.1:0"], stderr=file, env=os.environ | QUIET)
    try:
        end = time.monotonic() + 60
        while "listens at" not in log.read_text():
            if found.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        yield log.read_text().split("listens at ")[1].split()[0]
    finally:
        found.terminate()
        found.wait()


def query(model: Path, inputs: Any, batch: int, offline: str = "dealer") -> tuple[Any, dict[str, Any]]:
    """Ask a served model over mutual TLS.

    Args:
        model: file of `Imported.save`.
        inputs: [N, ...].
        offline: where correlated randomness comes from, "dealer" or "ot".

    Returns:
        results [N, ...], and the figures of `gatewright secure query --json`.
    """
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secure_")))
        subprocess.run([*COMMAND, "keys", str(home)], check=True, stdout=subprocess.DEVNULL)
        np.save(home / "x.npy", inputs)
        options = ["--offline", offline, "--timeout", str(PATIENCE)]
        dealer = "127.0.0.1:1"
        if offline == "dealer":
            more = ["--keys", str(home / "dealer"), "--queries", str(len(inputs))]
            dealer = stack.enter_context(listening(home / "dealer.log", "dealer", *more))
        more = [str(model), "--keys", str(home / "server"), "--dealer", dealer, *options]
        server = stack.enter_context(listening(home / "server.log", "serve", *more))
        more = ["--keys", str(home / "client"), "--server", server, "--dealer", dealer, "--batch", str(batch)]
        more += ["--json", str(home / "out.json"), "-o", str(home / "y.npy")]
        command = [*COMMAND, "query", str(home / "x.npy"), *more, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | QUIET)
        return np.load(home / "y.npy"), json.loads((home / "out.json").read_text())
