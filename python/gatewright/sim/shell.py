# SPDX-License-Identifier: Apache-2.0
"""A kernel in its shell as a shared library: control bus, and memory or a DMA, reached from Python without a board."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gatewright.errors import DeviceError, SimulationError
from gatewright.sim import compiler, toolchain

HARNESS = [Path(__file__).with_name(name) for name in ("shell.hpp", "harness.hpp")]
# `interrupt` is a word of C++ standards that Verilator warns of, and the vendor's name of that port.
VERILATE = "--cc -O3 -Wall -Wno-SYMRSVDWORD --assert --x-assign fast --x-initial unique --unroll-count 2".split()
COMPILE = ("-O1", "-fPIC", *compiler.STANDARD)
"""A kernel is compiled for a few runs: -O2 takes 1.7 times as long for a MiniLM."""
OKAY = 0
RESPONSES = {1: "EXOKAY", 2: "SLVERR: there is no such register, or no whole word", 3: "DECERR: nothing is there"}
PORTS = {"memory": "MemoryPorts", "dma": "StreamPorts"}
"""By the kind of the shell."""

_GLUE = """
#include "shell.hpp"
#include "Vtop.h"
using Model = gatewright::Shell<gatewright::PORTS<Vtop, WIDTH>>;
static Model* at(void* h) { return static_cast<Model*>(h); }
extern "C" {
void* gw_new(int seed) { return new Model(seed); }
void gw_delete(void* h) { delete at(h); }
uint64_t gw_cycles(void* h) { return at(h)->cycles(); }
int gw_run(void* h, uint64_t n) { return at(h)->run(n) ? 0 : gatewright::kFailed; }
int gw_write(void* h, uint32_t a, uint32_t d) { return at(h)->write(a, d, 15); }
int gw_read(void* h, uint32_t a, uint32_t* d) { return at(h)->read(a, d); }
void gw_map(void* h, uint64_t a, uint8_t* p, uint64_t n) { at(h)->memory.add(a, p, n); }
void gw_unmap(void* h, uint64_t a) { at(h)->memory.remove(a); }
int gw_transfer(void* h, int in, uint64_t a, uint64_t n) {
  uint8_t* data = at(h)->memory.find(a, n);
  if (data) (in ? at(h)->send : at(h)->receive) = {data, n, 0, true, false};
  return data ? 0 : 3;
}
void gw_state(void* h, int in, uint64_t* s) {
  const auto& t = in ? at(h)->send : at(h)->receive;
  s[0] = t.active;
  s[1] = t.done;
  s[2] = t.overflow;
}
void gw_stop(void* h, int in) { (in ? at(h)->send : at(h)->receive) = {}; }
}
"""


@dataclass(frozen=True)
class Progress:
    """Of a transfer of the DMA.

    Attributes:
        active: it has not ended.
        done: bytes so far.
        overflow: the packet was longer than the room for it.
    """

    active: bool
    done: int
    overflow: bool


def build(kernel: str, shell: str, width: int, sources: Sequence[str], files: Mapping[str, str]) -> Path:
    """Compile a kernel into a shared library, cached by content; returns its path.

    Args:
        kernel: outermost module.
        shell: "memory" or "dma".
        width: bits of its data buses.
        sources: files that are compiled, in order.
        files: file name to text: the sources, and what they include.

    Raises:
        ToolError: Verilator or the compiler fails, or is not installed.
    """
    glue = _GLUE.replace("PORTS", PORTS[shell]).replace("WIDTH", str(width))
    version = toolchain.run(["verilator_bin", "--version"], Path.cwd(), "verilator").strip()
    parts = [version, kernel, glue, *VERILATE, *COMPILE, *(p.read_text() for p in HARNESS), *sources]
    parts += [text for item in sorted(files.items()) for text in item]

    def make(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)
        command = ["verilator_bin", *VERILATE, "-I.", "--top-module", kernel, "--prefix", "Vtop", "-Mdir", "model"]
        toolchain.run([*command, *sources], folder, f"kernel {kernel}")
        options = [*COMPILE, f"-I{HARNESS[0].parent}", *compiler.includes()]
        compiler.shared(folder, glue, [folder / "model"], options)

    return toolchain.cached("kernel", toolchain.digest(parts), make) / "model.so"


class Kernel:
    """One simulated kernel, out of reset. Time passes only in `read`, `write` and `run`.

    Args:
        library: from `build`.
        seed: of registers without reset.
    """

    def __init__(self, library: Path, seed: int = 1) -> None:
        self._lib = ctypes.CDLL(str(library))
        self._lib.gw_new.restype = ctypes.c_void_p
        self._lib.gw_cycles.restype = ctypes.c_uint64
        self._handle = ctypes.c_void_p(self._lib.gw_new(ctypes.c_int(seed)))

    @property
    def cycles(self) -> int:
        """Clock cycles so far."""
        found: int = self._lib.gw_cycles(self._handle)
        return found

    def run(self, cycles: int) -> None:
        """Let cycles pass.

        Raises:
            SimulationError: an assertion of the RTL failed.
        """
        self._checked("clock", self._lib.gw_run(self._handle, ctypes.c_uint64(cycles)))

    def read(self, address: int) -> int:
        """A word of the control bus.

        Raises:
            DeviceError: the bus answers with an error: there is no such register.
            SimulationError: it does not answer, or an assertion of the RTL failed.
        """
        value = ctypes.c_uint32()
        answer = self._lib.gw_read(self._handle, ctypes.c_uint32(address), ctypes.byref(value))
        self._checked(f"read of register {address:#04x}", answer)
        return value.value

    def write(self, address: int, value: int) -> None:
        """Write a word of the control bus; errors as in `read`."""
        answer = self._lib.gw_write(self._handle, ctypes.c_uint32(address), ctypes.c_uint32(value))
        self._checked(f"write of register {address:#04x}", answer)

    def map(self, address: int, memory: npt.NDArray[np.uint8]) -> None:
        """Let device memory at `address` lie in an array, which must live until `unmap`."""
        data = ctypes.c_void_p(memory.ctypes.data)
        self._lib.gw_map(self._handle, ctypes.c_uint64(address), data, ctypes.c_uint64(memory.nbytes))

    def unmap(self, address: int) -> None:
        """Forget what was mapped at `address`."""
        if self._handle:
            self._lib.gw_unmap(self._handle, ctypes.c_uint64(address))

    def transfer(self, inward: bool, address: int, size: int) -> bool:
        """Begin to send memory as a packet (`inward`), or to receive one; False if there is no such memory."""
        arguments = ctypes.c_int(inward), ctypes.c_uint64(address), ctypes.c_uint64(size)
        return bool(self._lib.gw_transfer(self._handle, *arguments) == OKAY)

    def progress(self, inward: bool) -> Progress:
        """Of the transfer in that direction."""
        state = (ctypes.c_uint64 * 3)()
        self._lib.gw_state(self._handle, ctypes.c_int(inward), state)
        return Progress(bool(state[0]), state[1], bool(state[2]))

    def stop(self, inward: bool) -> None:
        """Give a transfer up."""
        self._lib.gw_stop(self._handle, ctypes.c_int(inward))

    def close(self) -> None:
        """Free the model."""
        if self._handle:
            self._lib.gw_delete(self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _checked(self, place: str, answer: int) -> None:
        if answer == OKAY:
            return
        if answer in RESPONSES:
            raise DeviceError(place, f"the bus answers {RESPONSES[answer]}", "a register of registers.md")
        problem = "an assertion of the RTL failed (its text is on the standard output)"
        raise SimulationError(place, "the control bus does not answer" if answer < -1 else problem)
