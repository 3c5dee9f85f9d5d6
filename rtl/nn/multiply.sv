// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Product of two streams per lane: `y = sat((a * b + half) >>> Shift)`. One beat per cycle.
module multiply #(
    /// Channels per beat.
    parameter int unsigned Lanes     = 2,
    /// Bits of a channel of stream 0.
    parameter int unsigned Width0    = 8,
    /// Stream 0 is two's complement.
    parameter bit          Signed0   = 1'b1,
    /// Bits of a channel of stream 1.
    parameter int unsigned Width1    = 8,
    /// Stream 1 is two's complement.
    parameter bit          Signed1   = 1'b1,
    /// Right shift of the product; negative shifts left.
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
  /// The exact product, two's complement: only that of two unsigned numbers has a bit more.
  localparam int unsigned ProductWidth = Width0 + Width1 + (Signed0 || Signed1 ? 0 : 1);

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

  // Product register, then rounding in front of the register slice.
  logic [Lanes*ProductWidth-1:0] product_q, product_d;
  logic product_valid_q, product_last_q, product_ready;
  assign both_ready = product_ready || !product_valid_q;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [ProductWidth-1:0] a, b;
    if (Signed0) begin : gen_signed0
      assign a = ProductWidth'(signed'(both[l*Width0+:Width0]));
    end else begin : gen_unsigned0
      assign a = ProductWidth'(both[l*Width0+:Width0]);
    end
    if (Signed1) begin : gen_signed1
      assign b = ProductWidth'(signed'(both[Lanes*Width0+l*Width1+:Width1]));
    end else begin : gen_unsigned1
      assign b = ProductWidth'(both[Lanes*Width0+l*Width1+:Width1]);
    end
    assign product_d[l*ProductWidth+:ProductWidth] = a * b;
  end

  always_ff @(posedge clk) begin
    if (both_ready) begin
      product_q <= product_d;
      product_last_q <= both_last;
      product_valid_q <= both_valid;
    end
    if (rst) product_valid_q <= 1'b0;
  end

  requantize #(
      .Lanes    (Lanes),
      .InWidth  (ProductWidth),
      .InSigned (1'b1),
      .Shift    (Shift),
      .OutWidth (OutWidth),
      .OutSigned(OutSigned)
  ) u_requantize (
      .clk,
      .rst,
      .s_data (product_q),
      .s_valid(product_valid_q),
      .s_last (product_last_q),
      .s_ready(product_ready),
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );
endmodule

`default_nettype wire
