// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// First-in first-out buffer of `Depth` beats plus one output register; `s_ready` is a register.
module stream_fifo #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width = 8,
    /// Beats held behind the output register, 1 and up.
    parameter int unsigned Depth = 16
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_valid,
    input  wire logic             s_last,
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,
    input  wire logic             m_ready
);
  localparam int unsigned PointerWidth = Depth > 1 ? $clog2(Depth) : 1;
  localparam int unsigned CountWidth = $clog2(Depth + 1);
  localparam logic [PointerWidth-1:0] Final = PointerWidth'(Depth - 1);
  `CHECK_PARAMETER(depth_positive, Depth > 0, "Depth must be at least 1")

  logic [Width:0] memory[Depth];
  logic [PointerWidth-1:0] write_q, read_q;
  logic [CountWidth-1:0] count_q, count_d;
  logic [Width:0] out_q;
  logic out_valid_q, ready_q;

  wire logic push = s_valid && ready_q;
  wire logic pop = count_q != '0 && (m_ready || !out_valid_q);

  assign s_ready = ready_q;
  assign m_valid = out_valid_q;
  assign {m_last, m_data} = out_q;

  always_comb begin
    count_d = count_q;
    if (push && !pop) count_d = count_q + 1'b1;
    if (pop && !push) count_d = count_q - 1'b1;
  end

  always_ff @(posedge clk) begin
    if (push) memory[write_q] <= {s_last, s_data};
    if (pop) out_q <= memory[read_q];
    if (m_ready || !out_valid_q) out_valid_q <= count_q != '0;
    if (push) write_q <= write_q == Final ? '0 : write_q + 1'b1;
    if (pop) read_q <= read_q == Final ? '0 : read_q + 1'b1;
    count_q <= count_d;
    ready_q <= count_d != CountWidth'(Depth);
    if (rst) begin
      write_q <= '0;
      read_q <= '0;
      count_q <= '0;
      out_valid_q <= 1'b0;
      ready_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
