// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sum of two streams per lane: `y = sat(((a << Left0) + (b << Left1) + half) >>> Shift)`. One beat per cycle.
module add #(
    /// Channels per beat.
    parameter int unsigned Lanes     = 2,
    /// Bits of a channel of stream 0.
    parameter int unsigned Width0    = 8,
    /// Stream 0 is two's complement.
    parameter bit          Signed0   = 1'b1,
    /// Left shift of stream 0, to the finer binary point.
    parameter int unsigned Left0     = 0,
    /// Bits of a channel of stream 1.
    parameter int unsigned Width1    = 8,
    /// Stream 1 is two's complement.
    parameter bit          Signed1   = 1'b1,
    /// Left shift of stream 1.
    parameter int unsigned Left1     = 0,
    /// Right shift of the sum; negative shifts left.
    parameter int          Shift     = 1,
    /// Bits of an output channel.
    parameter int unsigned OutWidth  = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned = 1'b1
) (
    input  wire logic                      clk,
    input  wire logic                      rst,       ///< synchronous, active high
    input  wire logic [Lanes*Width0-1:0]   s0_data,
    input  wire logic                      s0_valid,
    input  wire logic                      s0_last,
    output      logic                      s0_ready,
    input  wire logic [Lanes*Width1-1:0]   s1_data,
    input  wire logic                      s1_valid,
    input  wire logic                      s1_last,
    output      logic                      s1_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready
);
  localparam int unsigned Aligned0 = Width0 + Left0 + (Signed0 ? 0 : 1);
  localparam int unsigned Aligned1 = Width1 + Left1 + (Signed1 ? 0 : 1);
  localparam int unsigned SumWidth = (Aligned0 > Aligned1 ? Aligned0 : Aligned1) + 1;

  logic [Lanes*(Width0+Width1)-1:0] both;
  logic both_valid, both_last, both_ready;
  stream_join #(
      .Width0(Lanes * Width0),
      .Width1(Lanes * Width1)
  ) u_join (
      .clk,
      .rst,
      .s0_data,
      .s0_valid,
      .s0_last,
      .s0_ready,
      .s1_data,
      .s1_valid,
      .s1_last,
      .s1_ready,
      .m_data (both),
      .m_valid(both_valid),
      .m_last (both_last),
      .m_ready(both_ready)
  );

  // Sum register, then rounding in front of the register slice.
  logic [Lanes*SumWidth-1:0] sum_q, sum_d;
  logic sum_valid_q, sum_last_q, sum_ready;
  assign both_ready = sum_ready || !sum_valid_q;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [SumWidth-1:0] a, b;
    if (Signed0) begin : gen_signed0
      assign a = SumWidth'(signed'(both[l*Width0+:Width0])) <<< Left0;
    end else begin : gen_unsigned0
      assign a = SumWidth'(both[l*Width0+:Width0]) <<< Left0;
    end
    if (Signed1) begin : gen_signed1
      assign b = SumWidth'(signed'(both[Lanes*Width0+l*Width1+:Width1])) <<< Left1;
    end else begin : gen_unsigned1
      assign b = SumWidth'(both[Lanes*Width0+l*Width1+:Width1]) <<< Left1;
    end
    assign sum_d[l*SumWidth+:SumWidth] = a + b;
  end

  always_ff @(posedge clk) begin
    if (both_ready) begin
      sum_q <= sum_d;
      sum_last_q <= both_last;
      sum_valid_q <= both_valid;
    end
    if (rst) sum_valid_q <= 1'b0;
  end

  requantize #(
      .Lanes    (Lanes),
      .InWidth  (SumWidth),
      .InSigned (1'b1),
      .Shift    (Shift),
      .OutWidth (OutWidth),
      .OutSigned(OutSigned)
  ) u_requantize (
      .clk,
      .rst,
      .s_data (sum_q),
      .s_valid(sum_valid_q),
      .s_last (sum_last_q),
      .s_ready(sum_ready),
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );
endmodule

`default_nettype wire
