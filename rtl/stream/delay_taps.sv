// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Delay line with taps: element i is the word taken (Taps - 1 - i) * Depth words before the newest.
/// Words move only with `enable`; contents survive a reset, so the reader counts what is valid.
module delay_taps #(
    /// Bits of a word, 1 and up.
    parameter int unsigned Width = 8,
    /// Taps, the newest word included, 1 and up.
    parameter int unsigned Taps  = 3,
    /// Words between neighbouring taps, 1 and up.
    parameter int unsigned Depth = 16
) (
    input  wire logic                  clk,
    input  wire logic                  rst,     ///< synchronous, active high
    input  wire logic                  enable,  ///< take `s_data`; the outputs follow in the next cycle
    input  wire logic [Width-1:0]      s_data,
    output      logic [Taps*Width-1:0] m_data   ///< newest word in the highest element
);
  `CHECK_PARAMETER(depth_positive, Depth > 0, "Depth must be at least 1")
  /// From here on a memory with a moving pointer is cheaper than registers.
  localparam int unsigned MemoryDepth = 4;

  logic [Width-1:0] newest_q;
  always_ff @(posedge clk) if (enable) newest_q <= s_data;

  if (Taps == 1) begin : gen_one
    assign m_data = newest_q;
    wire logic unused_reset = rst;
  end else if (Depth < MemoryDepth) begin : gen_registers
    localparam int unsigned Words = (Taps - 1) * Depth + 1;
    logic [Words*Width-1:0] all, older_q;
    assign all = {older_q[(Words-1)*Width-1:0], newest_q};
    always_ff @(posedge clk) if (enable) older_q <= all;
    always_comb begin
      for (int unsigned i = 0; i < Taps; i++) begin
        m_data[i*Width+:Width] = all[(Taps-1-i)*Depth*Width+:Width];
      end
    end
    wire logic unused_pins = &{rst, older_q[Words*Width-1-:Width]};
  end else begin : gen_memory
    localparam int unsigned PointerWidth = $clog2(Depth);
    localparam logic [PointerWidth-1:0] Final = PointerWidth'(Depth - 1);
    // A slot holds all older taps. It is read first and written one word later, moved up by one tap,
    // so that the memory needs one read port, one write port and a registered read.
    logic [(Taps-1)*Width-1:0] memory[Depth];
    logic [(Taps-1)*Width-1:0] older_q;
    logic [PointerWidth-1:0] read_q, write_q;
    assign m_data = {newest_q, older_q};

    always_ff @(posedge clk) begin
      if (enable) begin
        older_q <= memory[read_q];
        memory[write_q] <= m_data[Taps*Width-1:Width];
        write_q <= read_q;
        read_q <= read_q == Final ? '0 : read_q + 1'b1;
      end
      if (rst) begin
        read_q <= '0;
        write_q <= Final;
      end
    end
  end
endmodule

`default_nettype wire
