// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Toy operator of the tests: `y = -x`, one bit wider.
module negate #(
    /// Channels per beat.
    parameter int unsigned Lanes = 1,
    /// Bits of an input channel, two's complement.
    parameter int unsigned Width = 8
) (
    input  wire logic                       clk,
    input  wire logic                       rst,
    input  wire logic [Lanes*Width-1:0]     s_data,
    input  wire logic                       s_valid,
    input  wire logic                       s_last,
    output      logic                       s_ready,
    output      logic [Lanes*(Width+1)-1:0] m_data,
    output      logic                       m_valid,
    output      logic                       m_last,
    input  wire logic                       m_ready
);
  logic [Lanes*(Width+1)-1:0] out;
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      out[l*(Width+1)+:Width+1] = -(Width + 1)'(signed'(s_data[l*Width+:Width]));
    end
  end
  stream_skid #(
      .Width(Lanes * (Width + 1))
  ) u_skid (
      .clk,
      .rst,
      .s_data(out),
      .s_valid,
      .s_last,
      .s_ready,
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );
endmodule

`default_nettype wire
