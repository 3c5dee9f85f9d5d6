# SPDX-License-Identifier: Apache-2.0
"""A design as a shared library: Verilated, driven by C++ at full speed, called through ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError, SimulationError
from gatewright.fixed import Ints
from gatewright.lower.guard import TAG_BITS
from gatewright.lower.rtl import Port, RtlDesign
from gatewright.sim import compiler, toolchain
from gatewright.sim.beats import Words, cut, pack
from gatewright.sim.executors import Run

HARNESS = Path(__file__).with_name("harness.hpp")
VERILATE = "--cc -O3 -Wall --assert --x-assign fast --x-initial unique --unroll-count 2".split()
COMPILE = ("-fPIC", *compiler.STANDARD)
TAGS = 1 << TAG_BITS
"""Tags of the sequences of a run repeat after this many."""
PATIENCE = 100_000
"""Cycles without any handshake after which a run counts as stalled."""


class Named(Protocol):
    """A stream at the boundary of a top: its signals begin with `prefix`."""

    @property
    def prefix(self) -> str: ...


class Top(Protocol):
    """What a simulation needs of a design; `RtlDesign` says what the parts are."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> Sequence[Named]: ...
    @property
    def outputs(self) -> Sequence[Named]: ...
    @property
    def load(self) -> int: ...
    @property
    def tagged(self) -> bool: ...
    @property
    def memory(self) -> Ints: ...
    @property
    def files(self) -> Mapping[str, str]: ...
    def write(self, folder: Path) -> list[Path]: ...


class Status(IntEnum):
    """How a run ended; the values of `harness.hpp`."""

    DONE = 0
    STALLED = 1
    ASSERTION = 2
    UNSTABLE = 3
    EXTRA = 4
    REJECTED = 5


MEANING = {
    Status.STALLED: "no beat moved for a long time: the design is stalled",
    Status.ASSERTION: "an assertion of the RTL failed (its text is on the standard output)",
    Status.UNSTABLE: "an output beat changed or vanished while it was stalled",
    Status.EXTRA: "more output beats came than the graph produces",
    Status.REJECTED: "the design rejected a sequence as malformed",
}


class _Beats(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("time", ctypes.c_void_p),
        ("count", ctypes.c_uint64),
        ("done", ctypes.c_uint64),
        ("words", ctypes.c_uint32),
    )


M = TypeVar("M", bound="Model")


@dataclass(eq=False)
class Buffer:
    """Beats of one boundary stream: `data` [beats, 32-bit words], `last` and the cycle of each handshake."""

    data: Words
    last: npt.NDArray[np.uint8]
    time: npt.NDArray[np.uint64]

    @staticmethod
    def empty(beats: int, words: int) -> Buffer:
        return Buffer(np.zeros((beats, words), np.uint32), np.zeros(beats, np.uint8), np.zeros(beats, np.uint64))

    def view(self) -> _Beats:
        count, words = self.data.shape
        return _Beats(self.data.ctypes.data, self.last.ctypes.data, self.time.ctypes.data, count, 0, words)


def _glue(top: str, index: int, design: Top) -> str:
    """C++ that names the ports of one design for the harness."""
    inputs, outputs = len(design.inputs), len(design.outputs)

    def switch(ports: Sequence[Named], line: str, otherwise: str = "") -> str:
        cases = "".join(f" case {i}: {line.replace('@', p.prefix)};" for i, p in enumerate(ports))
        return f"switch (i) {{{cases} default: {otherwise or 'break'}; }}"

    driven, rejected, tag = "gatewright::put(@_data, w); @_valid = v; @_last = f & 1", "return false;", ""
    if design.tagged:
        # The first output's results carry the tags.
        driven, tag = f"{driven}; @_keep = 1; @_tag = f >> 2", "if (i == 0) return m0_last | m0_tag << 2;"
        rejected = "e_ready = 1; return e_valid;"
    return f"""
struct Top{index} : public {top} {{
  using {top}::{top};
  static constexpr int kInputs = {inputs}, kOutputs = {outputs}, kLoadWords = {design.load // 32};
  void drive(int i, const uint32_t* w, bool v, uint8_t f) {{ {switch(design.inputs, f"{driven}; break")} }}
  bool rejected() {{ {rejected} }}
  bool taken(int i) {{ {switch(design.inputs, "return @_ready", "return false")} }}
  void ready(int i, bool r) {{ {switch(design.outputs, "@_ready = r; break")} }}
  bool valid(int i) {{ {switch(design.outputs, "return @_valid", "return false")} }}
  bool accepting(int i) {{ {switch(design.outputs, "return @_ready", "return false")} }}
  uint8_t sample(int i, uint32_t* w) {{
    {switch(design.outputs, f"gatewright::get(@_data, w); {tag} return @_last", "return 0")}
  }}
}};
extern "C" {{
void* gw{index}_new(int seed) {{ return new gatewright::Harness<Top{index}>(seed); }}
void gw{index}_delete(void* h) {{ delete static_cast<gatewright::Harness<Top{index}>*>(h); }}
void gw{index}_reset(void* h) {{ static_cast<gatewright::Harness<Top{index}>*>(h)->reset(); }}
int gw{index}_load(void* h, const uint32_t* w, uint64_t n) {{
  return static_cast<gatewright::Harness<Top{index}>*>(h)->load(w, n);
}}
int gw{index}_run(void* h, gatewright::Beats* in, gatewright::Beats* out, uint32_t idle, uint32_t stall,
                  uint64_t seed, uint64_t patience, uint64_t* cycles) {{
  return static_cast<gatewright::Harness<Top{index}>*>(h)->run(in, out, idle, stall, seed, patience, cycles);
}}
}}
"""


def build(designs: Sequence[Top], optimise: str = "-O2") -> Path:
    """Compile designs into one shared library, cached by the content of every source; returns its path.

    Several designs in one library share the cost of parsing Verilator's headers.
    """
    version = toolchain.run(["verilator_bin", "--version"], Path.cwd(), "verilator").strip()
    parts = [version, optimise, *VERILATE, *COMPILE, HARNESS.read_text()]
    for index, design in enumerate(designs):
        parts += [design.name, _glue(f"V{index}", index, design)]
        parts += [text for item in sorted(design.files.items()) for text in item]

    def make(folder: Path) -> None:
        glue = ['#include "harness.hpp"']
        for index, design in enumerate(designs):
            prefix = f"V{index}"
            sources = design.write(folder / f"rtl{index}")
            toolchain.run(
                [
                    "verilator_bin",
                    *VERILATE,
                    f"-I{folder / f'rtl{index}'}",
                    "--top-module",
                    design.name,
                    "--prefix",
                    prefix,
                    "-Mdir",
                    f"model{index}",
                    *map(str, sources),
                ],
                folder,
                f"design {design.name}",
            )
            glue.append(f'#include "{prefix}.h"')
        glue += [_glue(f"V{i}", i, d) for i, d in enumerate(designs)]
        models = [folder / f"model{i}" for i in range(len(designs))]
        flags = [optimise, *COMPILE, f"-I{HARNESS.parent}", *compiler.includes()]
        compiler.shared(folder, "\n".join(glue), models, flags, [HARNESS])

    return toolchain.cached("library", toolchain.digest(parts), make) / "model.so"


class Model:
    """One Verilated design, reset and loaded with its weights, whose streams carry beats.

    Args:
        design: what to simulate.
        library: shared library from `build`; built when absent.
        index: position of the design in that library.
        seed: seeds the values of registers that have no reset.
    """

    def __init__(self, design: Top, library: Path | None = None, index: int = 0, seed: int = 1) -> None:
        self.top, self.index = design, index
        self._lib = ctypes.CDLL(str(library or build([design])))
        create = self._function("new")
        create.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(create(ctypes.c_int(seed)))
        self.load(design.memory)

    def _function(self, name: str) -> ctypes._NamedFuncPointer:
        return getattr(self._lib, f"gw{self.index}_{name}")

    def close(self) -> None:
        """Free the model."""
        if self._handle:
            self._function("delete")(self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self: M) -> M:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, memory: Ints) -> None:
        """Send [words, load / 32] through the chain."""
        if not len(memory):
            return
        words = np.ascontiguousarray(memory, dtype=np.uint32)
        assert words.shape[1] == self.top.load // 32
        status = Status(
            self._function("load")(self._handle, ctypes.c_void_p(words.ctypes.data), ctypes.c_uint64(len(words)))
        )
        if status is not Status.DONE:
            raise SimulationError(f"design {self.top.name}, load chain", MEANING[status])

    def play(
        self,
        sources: Sequence[Buffer],
        sinks: Sequence[Buffer],
        *,
        idle: float = 0.0,
        stall: float = 0.0,
        seed: int = 1,
        patience: int = PATIENCE,
    ) -> int:
        """Send and collect beats until every sink has one less than it has room for; the cycles that took.

        Args:
            sources, sinks: one per input and output.
            idle, stall, seed, patience: see `Simulator.run`.

        Raises:
            SimulationError: stall, protocol violation, failed assertion, or more beats than expected.
        """
        ins = (_Beats * max(1, len(sources)))(*(b.view() for b in sources))
        outs = (_Beats * len(sinks))(*(b.view() for b in sinks))
        for view, sink in zip(outs, sinks, strict=True):
            view.count = len(sink.data) - 1
        cycles = ctypes.c_uint64()
        status = Status(
            self._function("run")(
                self._handle,
                ins,
                outs,
                ctypes.c_uint32(round(idle * 1024)),
                ctypes.c_uint32(round(stall * 1024)),
                ctypes.c_uint64(seed),
                ctypes.c_uint64(patience),
                ctypes.byref(cycles),
            )
        )
        if status is not Status.DONE:
            progress = ", ".join(
                f"{p.prefix} {v.done}/{v.count} beats"
                for p, v in zip((*self.top.inputs, *self.top.outputs), (*ins, *outs), strict=True)
            )
            raise SimulationError(
                f"design {self.top.name}",
                f"{MEANING[status]} at cycle {cycles.value}; {progress}",
                hint="make sim WAVES=1 writes a waveform",
            )
        return cycles.value


class Simulator(Model):
    """A lowered graph: its streams carry sequences of tokens.

    Args:
        design: what to simulate.
        library, index, seed: see `Model`.
    """

    def __init__(self, design: RtlDesign, library: Path | None = None, index: int = 0, seed: int = 1) -> None:
        super().__init__(design, library, index, seed)
        self.design = design

    def run(
        self,
        inputs: Sequence[Sequence[Ints]],
        lengths: Mapping[str, Sequence[int]],
        *,
        idle: float = 0.0,
        stall: float = 0.0,
        seed: int = 1,
        patience: int = PATIENCE,
    ) -> Run:
        """Send sequences back to back and collect the results.

        Args:
            inputs: per graph input, one [tokens, channels] array per sequence.
            lengths: per output value, the number of tokens of every result.
            idle: chance per cycle that an input pauses.
            stall: chance per cycle that an output is not ready.
            seed: seeds both patterns.
            patience: cycles without any handshake before the run is given up.

        Raises:
            SimulationError: stall, protocol violation, failed assertion, or a misplaced `last`.
        """
        tagged = self.design.tagged
        sources = [self._source(port, data, tagged) for port, data in zip(self.design.inputs, inputs, strict=True)]
        sinks = []
        for port in self.design.outputs:
            beats = sum(lengths[port.value]) * port.kind.channels // port.lanes
            sinks.append(Buffer.empty(beats + 1, -(-port.bits // 32)))
        self.play(sources, sinks, idle=idle, stall=stall, seed=seed, patience=patience)
        results = [
            cut(port, buffer.data[:-1], np.flatnonzero(buffer.last[:-1] & 1), lengths[port.value])
            for port, buffer in zip(self.design.outputs, sinks, strict=True)
        ]
        if self.design.tagged:
            check_tags(sinks[0].last[:-1])
        start = min(int(b.time[0]) for b in sources)
        final = max(int(b.time[-2]) for b in sinks)
        first = self.design.outputs[0]
        ends = np.cumsum(lengths[first.value]) * first.kind.channels // first.lanes - 1
        finished = sinks[0].time[ends].astype(np.int64) - start
        return Run(tuple(results), final - start + 1, finished)

    @staticmethod
    def _source(port: Port, sequences: Sequence[Ints], tagged: bool) -> Buffer:
        if not sequences:
            raise DataError(f"input {port.value}", "no sequences", "at least one")
        packed = [pack(s, port.lanes, port.kind) for s in sequences]
        data = np.concatenate(packed)
        last = np.zeros(len(data), np.uint8)
        last[np.cumsum([len(p) for p in packed]) - 1] = 1
        if tagged:
            last |= (np.repeat(np.arange(len(packed)), [len(p) for p in packed]) % TAGS << 2).astype(np.uint8)
        return Buffer(np.ascontiguousarray(data), last, np.zeros(len(data), np.uint64))


def check_tags(flags: npt.NDArray[np.uint8]) -> None:
    """Raise SimulationError unless result k carries the tag of sequence k."""
    tags = flags[(flags & 1) == 1] >> 2
    wrong = np.flatnonzero(tags != np.arange(len(tags)) % TAGS)
    if len(wrong):
        k = int(wrong[0])
        raise SimulationError("output 0", f"result {k} carries tag {tags[k]}", f"tag {k % TAGS}, its sequence's")
