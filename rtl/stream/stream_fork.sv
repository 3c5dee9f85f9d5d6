// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// One stream to `Outputs` readers: each takes every beat exactly once, at its own time.
module stream_fork #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width   = 8,
    /// Readers, 2 and up.
    parameter int unsigned Outputs = 2
) (
    input  wire logic                          clk,
    input  wire logic                          rst,      ///< synchronous, active high
    input  wire logic [Width-1:0]              s_data,
    input  wire logic                          s_valid,
    input  wire logic                          s_last,
    output      logic                          s_ready,
    output      logic [Outputs-1:0][Width-1:0] m_data,   ///< reader i in element i
    output      logic [Outputs-1:0]            m_valid,
    output      logic [Outputs-1:0]            m_last,
    input  wire logic [Outputs-1:0]            m_ready
);
  // A reader that took the beat early waits for the slowest one.
  logic [Outputs-1:0] done_q;
  wire logic [Outputs-1:0] done = done_q | m_ready;

  assign s_ready = &done;
  assign m_valid = {Outputs{s_valid}} & ~done_q;
  assign m_data  = {Outputs{s_data}};
  assign m_last  = {Outputs{s_last}};

  always_ff @(posedge clk) begin
    if (s_valid) done_q <= s_ready ? '0 : done;
    if (rst) done_q <= '0;
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
endmodule

`default_nettype wire
