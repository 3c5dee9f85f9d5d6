// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Truncate-reduce of shares: `m = (z mod 2**InWidth) >> Shift`, one more at the server; wiring and an increment.
/// The results are shares modulo 2**(InWidth - Shift) of `floor(z / 2**Shift)` or of one more, never of anything else.
/// A shift to the left stays in its ring.
module share_truncate #(
    /// Bits of the ring.
    parameter int unsigned InWidth  = 32,
    /// Elements per beat.
    parameter int unsigned Lanes    = 1,
    /// Bits to cut off, below InWidth; negative shifts left.
    parameter int          Shift    = 8,
    /// The party that owns the model.
    parameter bit          Server   = 1'b0,
    /// Bits of the result; not to be set.
    localparam int unsigned OutWidth = Shift > 0 ? InWidth - unsigned'(Shift) : InWidth
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,
    output      logic                      s_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready
);
  localparam int unsigned Right = Shift > 0 ? unsigned'(Shift) : 0;
  localparam int unsigned Left = Shift < 0 ? unsigned'(-Shift) : 0;
  `CHECK_PARAMETER(something_left, Right < InWidth, "Shift must leave a bit of the ring")

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic [InWidth-1:0] z;
      z = s_data[l*InWidth+:InWidth];
      m_data[l*OutWidth+:OutWidth] = OutWidth'((z >> Right) << Left) + OutWidth'(Server && Shift > 0);
    end
  end
  assign m_valid = s_valid;
  assign m_last  = s_last;
  assign s_ready = m_ready;
  wire logic unused_clock = &{clk, rst, s_data};

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
endmodule

`default_nettype wire
