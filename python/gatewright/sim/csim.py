# SPDX-License-Identifier: Apache-2.0
"""C simulation of the HLS kernels: a shared library per structure, built with g++ and cached by content."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

import gatewright.hls
from gatewright.errors import MissingExtraError, SimulationError, ToolError
from gatewright.fixed import Ints
from gatewright.lower.hls import simulation
from gatewright.lower.hls.builder import program
from gatewright.lower.hls.program import Program
from gatewright.sim import compiler
from gatewright.sim.executors import Job, Run
from gatewright.sim.toolchain import cached, digest, run

FLAGS = ("-O1", "-std=c++11", "-fPIC", "-fno-gnu-unique", "-w")


def ap_types() -> Path:
    """Folder of the `ap_int` headers that hls4ml ships, without importing it.

    Raises:
        MissingExtraError: hls4ml is not installed.
        ToolError: it ships no such headers.
    """
    spec = importlib.util.find_spec("hls4ml")
    if spec is None or spec.origin is None:
        raise MissingExtraError("hls4ml", "not installed", hint="pip install 'gatewright[hls]'")
    folder = Path(spec.origin).parent / "templates" / "vivado" / "ap_types"
    if not (folder / "ap_int.h").is_file():
        raise ToolError("hls4ml", f"no ap_int.h in {folder}", "hls4ml 1.3 and up")
    return folder


@cache
def _library_digest() -> str:
    files = sorted(p for p in gatewright.hls.ROOT.rglob("*.h*") if p.is_file())
    return digest([*(p.name for p in files), *(p.read_bytes() for p in files), *FLAGS])


def build(programs: Sequence[Program]) -> Path:
    """One shared library of several programs: the price of the headers is paid once."""
    extra = sorted({p.kernel.header for one in programs for p in one.extra() if p.kernel.header is not None})
    first = [gatewright.hls.ROOT / "simulation"]
    return compiled(simulation.source(programs), programs[0].name, extra, first, simulation.HEAD)


def compiled(text: str, name: str, extra: Sequence[Path] = (), first: Sequence[Path] = (), ahead: str = "") -> Path:
    """C++ that includes kernels as a shared library, cached by content.

    Args:
        name: what it is, for messages.
        extra: headers that are not in the library.
        first: folders that are searched first; without that of bounded streams, streams never block.
        ahead: begin of `text` that is worth being compiled once for all.
    """
    own, folders = [*first, gatewright.hls.ROOT, ap_types()], list({p.parent: None for p in extra})
    key = digest([_library_digest(), text, str([p.name for p in first]), *(p.read_bytes() for p in extra)])

    def make(folder: Path) -> None:
        (folder / "network.cpp").write_text(text)
        flags = [*FLAGS, *(f"-I{p}" for p in own)]
        head = compiler.headers(ahead, flags, [_library_digest()]) if ahead else []
        flags += [f"-I{p}" for p in folders]
        run(["g++", *flags, *head, "-shared", "network.cpp", "-o", "network.so"], folder, f"C++ of {name}")

    return cached("csim", key, make) / "network.so"


class CSimulator:
    """A program, compiled and loaded with its constants.

    Args:
        library: built from several programs, of which this one is number `index`; its own by default.
    """

    def __init__(self, program: Program, library: Path | None = None, index: int = 0) -> None:
        self.program, self.index = program, index
        self.library = ctypes.CDLL(str(library or build([program])))
        self.library.gatewright_run.restype = ctypes.c_char_p
        for k, table in enumerate(program.tables().values()):
            values = np.ascontiguousarray(table.values)
            self.library.gatewright_load(index, k, ctypes.c_void_p(values.ctypes.data))

    def run(self, sequences: Sequence[Ints], lengths: Sequence[int]) -> list[Ints]:
        """Results of one sequence per input.

        Args:
            lengths: expected tokens per output; more are an error.

        Raises:
            SimulationError: a deadlock, with the FIFOs that are full or empty, or results of the wrong length.
        """
        inputs = [np.ascontiguousarray(s, np.int64) for s in sequences]
        outputs = [np.zeros((n, p.kind.channels), np.int64) for n, p in zip(lengths, self.program.outputs, strict=True)]
        produced = (ctypes.c_int * len(outputs))()
        problem = self.library.gatewright_run(
            self.index,
            _pointers(inputs),
            (ctypes.c_int * len(inputs))(*map(len, inputs)),
            _pointers(outputs),
            (ctypes.c_int * len(outputs))(*lengths),
            produced,
        )
        place = f"C simulation of {self.program.name}"
        if problem:
            raise SimulationError(place, problem.decode())
        for got, want, port in zip(produced, outputs, self.program.outputs, strict=True):
            if got != want.size:
                raise SimulationError(place, f"{got} elements of {port.value}", f"{want.size}")
        return outputs


def run_job(simulator: CSimulator, job: Job) -> Run:
    """Every sequence of a job, one after another; without a clock there are no cycles to count."""
    columns: tuple[list[Ints], ...] = tuple([] for _ in job.graph.outputs)
    for k, sequences in enumerate(zip(*job.inputs, strict=True)):
        lengths = [job.lengths[o][k] for o in job.graph.outputs]
        for column, result in zip(columns, simulator.run(sequences, lengths), strict=True):
            column.append(result)
    return Run(columns)


def run_all(jobs: Sequence[Job]) -> list[Run]:
    """Run every job; one library for all."""
    programs = [program(job.graph, job.foldings) for job in jobs]
    library = build(programs)
    return [run_job(CSimulator(p, library, k), job) for k, (p, job) in enumerate(zip(programs, jobs, strict=True))]


def _pointers(arrays: Sequence[Ints]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
