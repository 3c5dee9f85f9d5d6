// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Two streams beat by beat into one: a beat leaves when both sides have theirs. `last` must agree.
module stream_join #(
    /// Bits of a beat of side 0.
    parameter int unsigned Width0 = 8,
    /// Bits of a beat of side 1.
    parameter int unsigned Width1 = 8
) (
    input  wire logic                     clk,
    input  wire logic                     rst,       ///< synchronous, active high
    input  wire logic [Width0-1:0]        s0_data,
    input  wire logic                     s0_valid,
    input  wire logic                     s0_last,
    output      logic                     s0_ready,
    input  wire logic [Width1-1:0]        s1_data,
    input  wire logic                     s1_valid,
    input  wire logic                     s1_last,
    output      logic                     s1_ready,
    output      logic [Width0+Width1-1:0] m_data,    ///< side 0 in the low bits
    output      logic                     m_valid,
    output      logic                     m_last,
    input  wire logic                     m_ready
);
  assign m_valid = s0_valid && s1_valid;
  assign m_data = {s1_data, s0_data};
  assign m_last = s0_last;
  assign s0_ready = m_ready && s1_valid;
  assign s1_ready = m_ready && s0_valid;

  `CHECK_STABLE(s0_stable, s0_valid, s0_ready, {s0_last, s0_data})
  `CHECK_STABLE(s1_stable, s1_valid, s1_ready, {s1_last, s1_data})
  `CHECK_NEVER(last_agrees, m_valid && s0_last != s1_last, "the two sequences differ in length")
  wire logic unused_pins = &{clk, rst, s1_last};
endmodule

`default_nettype wire
