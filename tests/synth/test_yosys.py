# SPDX-License-Identifier: Apache-2.0
"""Counts that are known by construction: a multiply-accumulate, memories, a FIFO; and the failures."""

from pathlib import Path

import pytest

from gatewright.errors import ToolError
from gatewright.synth import flows
from gatewright.synth.flows import Resources, count
from gatewright.synth.yosys import synthesize

pytestmark = pytest.mark.slow

MAC = """
module mac #(parameter int unsigned W = 8) (
    input logic clk, first, input logic signed [W-1:0] a, input logic signed [7:0] b,
    output logic signed [31:0] y
);
  logic signed [W-1:0] a_q;
  logic signed [7:0] b_q;
  logic first_q;
  always_ff @(posedge clk) begin
    a_q <= a;
    b_q <= b;
    first_q <= first;
    y <= (first_q ? 32'sd0 : y) + 32'(a_q * b_q);
  end
endmodule
"""

MEMORY = """
module memory #(parameter int unsigned Width = 64, Depth = 1024) (
    input logic clk, input logic write, input logic [$clog2(Depth)-1:0] from, to,
    input logic [Width-1:0] d, output logic [Width-1:0] q
);
  logic [Width-1:0] m[Depth];
  always_ff @(posedge clk) begin
    if (write) m[to] <= d;
    q <= m[from];
  end
endmodule
"""


def source(folder: Path, text: str) -> Path:
    path = folder / f"{text.split()[1]}.sv"
    path.write_text(text)
    return path


def test_an_accumulator_is_drawn_into_the_block(tmp_path: Path) -> None:
    mac = [source(tmp_path, MAC)]
    packed = synthesize("mac", {}, mac)
    assert packed.dsp == 1 and packed.ff <= 2 and packed.lut <= 2 and packed.carry == 0
    stock = synthesize("mac", {}, mac, flow="stock")
    assert stock.dsp == 1 and stock.ff >= 32 and stock.lut >= 16


def test_a_packed_pair_of_weights_fits_the_27_bit_port(tmp_path: Path) -> None:
    mac = [source(tmp_path, MAC)]
    assert synthesize("mac", {"W": 27}, mac).dsp == 1
    assert synthesize("mac", {"W": 27}, mac, "xc7").dsp == 2


def test_block_memory(tmp_path: Path) -> None:
    memory = [source(tmp_path, MEMORY)]
    assert synthesize("memory", {}, memory, flow="stock").bram36 == 2
    assert synthesize("memory", {"Width": 18}, memory, flow="stock").bram36 == 0.5
    assert synthesize("memory", {}, memory, "ecp5").bram36 == 2


@pytest.mark.parametrize("family", sorted({family for family, _ in flows.FLOWS}))
def test_library_module_with_its_include(family: str) -> None:
    narrow, wide = (synthesize("stream_fifo", {"Width": w, "Depth": 32}, family=family) for w in (8, 24))
    if family in ("gatemate", "ice40"):
        # Their look-up tables hold no data, and a block memory has the output register in it.
        assert narrow.lutram == wide.lutram == 0 and wide.bram36 >= narrow.bram36 > 0 and narrow.dsp == 0
        return
    assert narrow.lutram > 0 and narrow.dsp == 0 and narrow.bram36 == 0
    # One output register bit per data bit; all else is control.
    assert wide.ff - narrow.ff == 16 and wide.lutram > narrow.lutram


def test_a_missing_module_and_an_unknown_family() -> None:
    with pytest.raises(ToolError, match="module nothing_such"):
        synthesize("nothing_such")
    with pytest.raises(ToolError, match="'max10'.*\n.*xcup packed"):
        synthesize("stream_fifo", family="max10")


def test_the_error_of_yosys_is_shown_and_nothing_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path / "cache"))
    broken = source(tmp_path, "module broken (input a, output y); assign y = a & undefined_name; endmodule")
    with pytest.raises(ToolError, match="undefined_name"):
        synthesize("broken", {}, [broken], "gowin")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_a_limit_on_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ToolError, match="longer than 0 s"):
        synthesize("stream_fifo", timeout=0.01)


def test_a_second_run_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path / "cache"))
    first = synthesize("stream_fifo", {"Width": 3}, family="gowin")
    assert synthesize("stream_fifo", {"Width": 3}, family="gowin", timeout=0.01) == first


def test_the_counting_rules() -> None:
    cells = {"LUT6": 3, "INV": 1, "LUT6_2": 1, "FDRE": 5, "RAM64M8": 2, "RAM32M": 1, "SRLC32E": 1,
             "CARRY4": 2, "RAMB18E2": 3, "URAM288": 1, "DSP48E2": 4, "MUXF7": 9}  # fmt: skip
    found, unknown = count(cells, flows.XILINX)
    assert found == Resources(5, 21, 5, 4, 1.5, 1, 2) and not unknown
    assert found.amounts()["lut"] == 26
    assert count({"ICESTORM_LC": 2}, flows.XILINX)[1] == {"ICESTORM_LC": 2}
