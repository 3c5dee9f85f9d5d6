// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Change of format per lane: `y = sat((x + 2**(Shift-1)) >>> Shift)`. One beat per cycle.
module requantize #(
    /// Channels per beat.
    parameter int unsigned Lanes     = 2,
    /// Bits of an input channel.
    parameter int unsigned InWidth   = 16,
    /// Inputs are two's complement.
    parameter bit          InSigned  = 1'b1,
    /// Right shift in bits; negative shifts left.
    parameter int          Shift     = 4,
    /// Bits of an output channel.
    parameter int unsigned OutWidth  = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned = 1'b1
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

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    round_saturate #(
        .InWidth  (InWidth),
        .InSigned (InSigned),
        .Shift    (Shift),
        .OutWidth (OutWidth),
        .OutSigned(OutSigned)
    ) u_round (
        .x(s_data[l*InWidth+:InWidth]),
        .y(out[l*OutWidth+:OutWidth])
    );
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
