# SPDX-License-Identifier: Apache-2.0
"""A UART top as a shared library, RTL or netlist: a transport for `gatewright.shell.link` that needs no board."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gatewright.errors import SimulationError
from gatewright.sim import compiler, toolchain

HARNESS = Path(__file__).with_name("uart.hpp")
VERILATE = "--cc -O3 -Wall --assert --x-assign fast --x-initial unique --unroll-count 2".split()
NETLIST = "--cc -O3 -Wno-fatal -Wno-WIDTH -Wno-UNOPTFLAT --x-assign fast --x-initial fast".split()
"""For netlists, which no style rule holds for, and whose registers start as the bitstream says."""
COMPILE = ("-fPIC", *compiler.STANDARD)
PATIENCE = 20_000
"""Cycles of silence that end a reading."""
ROOM = 4096
"""Bytes that one reading can bring."""

_GLUE = """
#define GATEWRIGHT_RESET @
#define GATEWRIGHT_RESET_LOW #
#include "uart.hpp"
#include "Vtop.h"
using Model = gatewright::Uart<Vtop>;
extern "C" {
void* gw_new(int seed, uint32_t divisor) { return new Model(seed, divisor); }
void gw_delete(void* h) { delete static_cast<Model*>(h); }
void gw_reset(void* h) { static_cast<Model*>(h)->reset(); }
uint64_t gw_cycles(void* h) { return static_cast<Model*>(h)->cycles(); }
int64_t gw_exchange(void* h, const uint8_t* s, uint64_t n, uint8_t* r, uint64_t room, uint64_t patience) {
  return static_cast<Model*>(h)->exchange(s, n, r, room, patience);
}
}
"""


def build(
    top: str,
    files: Mapping[str, str],
    sources: Sequence[str],
    netlist: bool = False,
    optimise: str = "-O2",
    reset: str = "rst",
) -> Path:
    """Compile a top with ports clk, rx, tx and a reset into a shared library, cached by content; returns its path.

    Args:
        top: module name.
        files: file name to text: all that the sources include, and the sources.
        sources: those that are compiled, in order.
        netlist: they are a netlist, and not ours to criticise.
        reset: name of its reset; low while pressed if it ends in "_n".

    Raises:
        ToolError: Verilator or the compiler fails.
    """
    glue = _GLUE.replace("@", reset).replace(" #", f" {int(reset.endswith('_n'))}")
    flags = NETLIST if netlist else VERILATE
    version = toolchain.run(["verilator_bin", "--version"], Path.cwd(), "verilator").strip()
    parts = [version, optimise, top, *flags, *COMPILE, HARNESS.read_text(), glue, *sources]
    parts += [text for item in sorted(files.items()) for text in item]

    def make(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)
        command = ["verilator_bin", *flags, "-I.", "--top-module", top, "--prefix", "Vtop", "-Mdir", "model", *sources]
        toolchain.run(command, folder, f"design {top}")
        options = [optimise, *COMPILE, f"-I{HARNESS.parent}", *compiler.includes()]
        compiler.shared(folder, glue, [folder / "model"], options)

    return toolchain.cached("uart", toolchain.digest(parts), make) / "model.so"


class SimulatedPort:
    """One simulated device, out of reset: a `Transport`.

    Args:
        library: from `build`.
        divisor: clock cycles per bit.
        seed: of registers without reset.
        patience: cycles without a byte that end `read`.
    """

    def __init__(self, library: Path, divisor: int, seed: int = 1, patience: int = PATIENCE) -> None:
        self.patience = patience
        self._lib = ctypes.CDLL(str(library))
        self._lib.gw_new.restype = ctypes.c_void_p
        self._lib.gw_cycles.restype = ctypes.c_uint64
        self._lib.gw_exchange.restype = ctypes.c_int64
        self._handle = ctypes.c_void_p(self._lib.gw_new(ctypes.c_int(seed), ctypes.c_uint32(divisor)))
        self._waiting = b""
        self._room = np.zeros(ROOM, np.uint8)

    @property
    def cycles(self) -> int:
        """Clock cycles so far."""
        found: int = self._lib.gw_cycles(self._handle)
        return found

    def reset(self) -> None:
        """Pull the reset."""
        self._lib.gw_reset(self._handle)

    def write(self, data: bytes) -> None:
        """Bytes for the next `read`, which makes time pass."""
        self._waiting += data

    def read(self) -> bytes:
        """Send what waits and listen: up to the end of a frame, or of `patience`.

        Raises:
            SimulationError: an assertion of the RTL failed.
        """
        send, self._waiting = self._waiting, b""
        got = self._lib.gw_exchange(
            self._handle,
            send,
            ctypes.c_uint64(len(send)),
            ctypes.c_void_p(self._room.ctypes.data),
            ctypes.c_uint64(ROOM),
            ctypes.c_uint64(self.patience),
        )
        if got < 0:
            raise SimulationError("uart", "an assertion of the RTL failed (its text is on the standard output)")
        return self._room[:got].tobytes()

    def close(self) -> None:
        """Free the model."""
        if self._handle:
            self._lib.gw_delete(self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self) -> SimulatedPort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
