# SPDX-License-Identifier: Apache-2.0
"""A generated network in the shells of large boards: beside a memory (Alveo) or a DMA (Zynq).

The outermost module is plain Verilog with the port names from which vendor tools infer bus interfaces: a block design
takes no SystemVerilog as the top of a module reference.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from gatewright.errors import UnsupportedError
from gatewright.lower.guard import TAG_BITS
from gatewright.lower.writer import Writer, module
from gatewright.shell.inner import Wrapped, place
from gatewright.shell.layout import Layout

CONTROL = "s_axi_control"
CONTROL_BITS = 12
"""Bits of an address on the control bus; the registers repeat every 256 bytes."""

_LITE_IN = {"awaddr": 8, "awvalid": 1, "wdata": 32, "wstrb": 4, "wvalid": 1, "bready": 1, "araddr": 8, "arvalid": 1}
_LITE_IN |= {"rready": 1}
_LITE_OUT = {"awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": 32, "rresp": 2, "rvalid": 1}


@dataclass(frozen=True)
class Signal:
    """A port of the shell as the vendor calls it.

    Attributes:
        name: in the shell.
        outer: in the outermost module.
        bits: width.
        out: it is an output.
    """

    name: str
    outer: str
    bits: int
    out: bool


@dataclass(frozen=True, eq=False)
class BusDesign(Wrapped):
    """A network whose shell has AXI ports.

    Attributes:
        width: bits of a word of memory, or of the streams.
    """

    width: int

    CLOCK: ClassVar[str]
    RESET: ClassVar[str]
    """Names of clock and active-low reset of the outermost module."""

    def __post_init__(self) -> None:
        """Check the width too.

        Raises:
            UnsupportedError: the network has several inputs or outputs, or no bus is that wide.
        """
        super().__post_init__()
        if self.width not in (32, 64, 128, 256, 512):
            raise UnsupportedError(f"design {self.network.name}", f"a bus of {self.width} bits", "32 to 512, doubling")

    @property
    def kernel(self) -> str:
        """The outermost module."""
        return f"{self.network.name}_{self.SUFFIX}_kernel"

    @cached_property
    def layout(self) -> Layout:
        """How its data lie in memory."""
        source, result, network = self.source, self.result, self.network
        return Layout(
            source.bits,
            source.kind.channels // source.lanes,
            result.bits,
            result.kind.channels // result.lanes,
            network.load,
            len(network.memory),
        )

    def parameters(self) -> dict[str, int | str]:
        """Of the shell."""
        plan = self.layout
        return {
            "Width": self.width,
            "InBits": plan.input_bits,
            "InBeats": plan.input_beats,
            "OutBits": plan.output_bits,
            "Load": plan.load_bits,
            "LoadWords": plan.load_words,
            "TagBits": TAG_BITS,
            "BuildId": self.build_id,
        }

    @abstractmethod
    def data(self) -> list[Signal]:
        """Ports of the data buses."""

    def signals(self) -> list[Signal]:
        """Every port but clock and reset."""
        lite = [Signal(f"s_{k}", f"{CONTROL}_{k}", n, False) for k, n in _LITE_IN.items()]
        lite += [Signal(f"s_{k}", f"{CONTROL}_{k}", n, True) for k, n in _LITE_OUT.items()]
        return [*lite, *self.data(), Signal("interrupt_line", "interrupt", 1, True)]

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Names of the data buses in the outermost module."""
        return tuple(dict.fromkeys(s.outer.rpartition("_")[0] for s in self.data()))

    def top(self) -> str:
        """Text of the module with shell, guard and network."""
        writer = Writer()
        writer.lines.append("  logic in_keep;")
        wires = place(writer, self, "in_keep") | {"s_keep": "in_keep"}
        # Results come in the order of their sequences, so the host needs no tags.
        writer.lines.append("  wire logic unused_tag = &{out_tag};")
        wires |= {s.name: s.name for s in self.signals()}
        writer.instance(self.SHELL, "shell", self.parameters(), wires)
        ports = []
        for s in self.signals():
            way = "output      logic" if s.out else "input  wire logic"
            ports.append(f"    {way} {f'[{s.bits - 1}:0] ' if s.bits > 1 else ''}{s.name}")
        return module(self.name, f"{self.network.name} in {self.SHELL}, {self.width} bits.", ports, writer.lines)

    @cached_property
    def verilog(self) -> str:
        """The outermost module, in plain Verilog."""
        return _kernel(self)

    @cached_property
    def files(self) -> dict[str, str]:
        """File name to text: everything that a synthesiser reads."""
        own = {path.name: path.read_text() for path in self.library}
        own |= self.network.files
        return own | {f"{self.name}.sv": self.text, f"{self.kernel}.v": self.verilog}

    @property
    def sources(self) -> list[str]:
        """Names of the files that are compiled, in order, the top last."""
        return [*super().sources, f"{self.kernel}.v"]


@dataclass(frozen=True, eq=False)
class MemoryDesign(BusDesign):
    """A network beside a memory: an RTL kernel of Vitis.

    Attributes:
        burst: most beats of a burst.
        outstanding: most bursts under way in each direction.
    """

    burst: int = 64
    outstanding: int = 4

    SHELL: ClassVar[str] = "memory_shell"
    SUFFIX: ClassVar[str] = "memory"
    CLOCK: ClassVar[str] = "ap_clk"
    RESET: ClassVar[str] = "ap_rst_n"

    def parameters(self) -> dict[str, int | str]:
        """Of the shell."""
        return super().parameters() | {"Burst": self.burst, "Outstanding": self.outstanding}

    def data(self) -> list[Signal]:
        """One bus that reads, one that writes."""
        lanes = self.width // 8
        read = {"arid": 1, "araddr": 64, "arlen": 8, "arsize": 3, "arburst": 2, "arvalid": 1, "rready": 1}
        back = {"arready": 1, "rid": 1, "rdata": self.width, "rresp": 2, "rlast": 1, "rvalid": 1}
        write = {"awid": 1, "awaddr": 64, "awlen": 8, "awsize": 3, "awburst": 2, "awvalid": 1}
        write |= {"wdata": self.width, "wstrb": lanes, "wlast": 1, "wvalid": 1, "bready": 1}
        done = {"awready": 1, "wready": 1, "bid": 1, "bresp": 2, "bvalid": 1}
        found = []
        for bus, names, out in (("gmem0", read, True), ("gmem0", back, False), ("gmem1", write, True)):
            found += [Signal(f"{bus}_{k}", f"m_axi_{bus}_{k}", n, out) for k, n in names.items()]
        return found + [Signal(f"gmem1_{k}", f"m_axi_gmem1_{k}", n, False) for k, n in done.items()]


@dataclass(frozen=True, eq=False)
class DmaDesign(BusDesign):
    """A network beside a vendor's DMA."""

    SHELL: ClassVar[str] = "dma_shell"
    SUFFIX: ClassVar[str] = "dma"
    CLOCK: ClassVar[str] = "aclk"
    RESET: ClassVar[str] = "aresetn"

    def data(self) -> list[Signal]:
        """One stream in, one out."""
        stream = {"tdata": self.width, "tkeep": self.width // 8, "tvalid": 1, "tlast": 1}
        found = [Signal(f"i_{k}", f"s_axis_{k}", n, False) for k, n in stream.items()]
        found.append(Signal("i_tready", "s_axis_tready", 1, True))
        found += [Signal(f"o_{k}", f"m_axis_{k}", n, True) for k, n in stream.items()]
        return [*found, Signal("o_tready", "m_axis_tready", 1, False)]


def _kernel(design: BusDesign) -> str:
    clock, reset = design.CLOCK, design.RESET
    buses = ":".join((CONTROL, *design.interfaces))
    ports = [
        f'    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF {buses}, ASSOCIATED_RESET {reset}" *)',
        f"    input  wire {clock},",
        f"    input  wire {reset},",
    ]
    pins = []
    for s in design.signals():
        bits = CONTROL_BITS if s.outer in (f"{CONTROL}_awaddr", f"{CONTROL}_araddr") else s.bits
        size = f"[{bits - 1}:0] " if bits > 1 else ""
        ports.append(f"    {'output' if s.out else 'input '} wire {size}{s.outer},")
        pins.append(f"      .{s.name}({s.outer}{f'[{s.bits - 1}:0]' if bits != s.bits else ''})")
    ports[-1] = ports[-1].rstrip(",")
    return "\n".join(
        [
            "// Generated by gatewright; do not edit.",
            "`default_nettype none",
            "",
            f"// {design.name} with the port names that AMD's tools know.",
            f"module {design.kernel} (",
            *ports,
            ");",
            "  // The reset comes from far away: two registers take it over.",
            "  reg [1:0] rst_q;",
            f"  always @(posedge {clock}) rst_q <= {{rst_q[0], !{reset}}};",
            f"  {design.name} u_design (",
            f"      .clk({clock}),",
            "      .rst(rst_q[1]),",
            ",\n".join(pins),
            "  );",
            f"  wire unused_address = &{{{CONTROL}_awaddr[11:8], {CONTROL}_araddr[11:8]}};",
            "endmodule",
            "",
            "`default_nettype wire",
            "",
        ]
    )
