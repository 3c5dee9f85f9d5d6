# SPDX-License-Identifier: Apache-2.0
"""Kernels for other processors: linked by a cross compiler without a runtime, emulated, equal to golden."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from lower.test_tvm import attention, encoder

from gatewright.fixed import Ints
from gatewright.graph import Graph
from gatewright.lower.tvm import bare
from gatewright.lower.tvm.compiled import Compiled
from gatewright.sim.fuzz import random_job

TOOLS = {
    "aarch64": ("aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "armv7": ("arm-linux-gnueabihf-gcc", "qemu-arm"),
    "native": ("gcc",),
}
PACKAGES = "Debian packages gcc-aarch64-linux-gnu, gcc-arm-linux-gnueabihf, qemu-user"
CASES = (2, 10)
"""Seeds of random graphs with many operators; together with the encoder they hold most kinds."""


@pytest.fixture(params=list(TOOLS))
def target(request: pytest.FixtureRequest) -> str:
    missing = [tool for tool in TOOLS[request.param] if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed ({PACKAGES})")
    return str(request.param)


def check(graph: Graph, inputs: list[list[Ints]], target: str, folder: Path) -> None:
    """Build the C program and compare what it writes."""
    network = Compiled.of(graph, target)
    network.write_c(folder)
    compiler, *emulator = TOOLS[target]
    paths = [f"-I{p}" for p in bare.includes()]
    command = [compiler, "-O1", "-Wall", "-Werror", "-static", "-o", "network", "main.c", "network.c", "network.o"]
    subprocess.run([*command, *paths], cwd=folder, check=True)
    program = network.program
    sent, wanted = b"", b""
    for sequences in zip(*inputs, strict=True):
        sent += np.int64(len(sequences[0])).tobytes()
        for value, sequence in zip(program.inputs, sequences, strict=True):
            sent += sequence.astype(program.values[value].dtype).tobytes()
        for value, result in zip(program.outputs, graph.evaluate(*sequences), strict=True):
            wanted += result.astype(program.values[value].dtype).tobytes()
    done = subprocess.run([*emulator, "./network"], cwd=folder, input=sent, stdout=subprocess.PIPE, check=True)
    assert done.stdout == wanted


@pytest.mark.parametrize("seed", CASES)
def test_random_graph(target: str, seed: int, tmp_path: Path) -> None:
    job = random_job(seed)
    print(f"seed {seed}: {job.graph}")
    check(job.graph, [list(one) for one in job.inputs], target, tmp_path)


def test_encoder(target: str, tmp_path: Path) -> None:
    """Embedding, linear layers, attention, normalisation, activations, mean."""
    rng = np.random.default_rng(0)
    check(encoder(1).graph, [[rng.integers(0, 50, (n, 1)) for n in (1, 6, 24)]], target, tmp_path)


def test_attention(target: str, tmp_path: Path) -> None:
    """A choice among many keys."""
    rng = np.random.default_rng(0)
    inputs = [[rng.integers(-512, 512, (n, 96)) for n in (30, 65)] for _ in range(3)]
    check(attention(30, 4, False), inputs, target, tmp_path)
