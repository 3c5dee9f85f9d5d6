// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Rectified linear unit per lane: `y = max(x, 0)`, unsigned and one bit narrower. One beat per cycle.
module relu #(
    /// Channels per beat.
    parameter int unsigned Lanes   = 2,
    /// Bits of an input channel, two's complement.
    parameter int unsigned InWidth = 8,
    /// Bits of an output channel; follows from InWidth.
    localparam int unsigned OutWidth = InWidth > 1 ? InWidth - 1 : 1
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
  logic [Lanes*OutWidth-1:0] out;

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      out[l*OutWidth+:OutWidth] = s_data[l*InWidth+InWidth-1] ? '0 : s_data[l*InWidth+:OutWidth];
    end
  end

  stream_skid #(
      .Width(Lanes * OutWidth)
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
