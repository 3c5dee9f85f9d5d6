// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Mean of a sliding window, per channel: `y[c] = sat((sum over taps of x[tap][c] * Reciprocal + half) >>> Shift)`.
/// Added tokens are zero and count.
module average_pool #(
    /// Rows of the image; 1 for a sequence.
    parameter int unsigned Height    = 8,
    /// Tokens per row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width     = 8,
    /// Channels per beat.
    parameter int unsigned Lanes     = 1,
    /// Beats per token.
    parameter int unsigned Chunks    = 1,
    /// Kernel rows.
    parameter int unsigned KernelH   = 2,
    /// Kernel columns.
    parameter int unsigned KernelW   = 2,
    /// Rows between positions.
    parameter int unsigned StrideH   = 2,
    /// Tokens between positions.
    parameter int unsigned StrideW   = 2,
    /// Rows added above.
    parameter int unsigned Top       = 0,
    /// Tokens added before each row.
    parameter int unsigned Left      = 0,
    /// Rows added below.
    parameter int unsigned Bottom    = 0,
    /// Tokens added after each row.
    parameter int unsigned Right     = 0,
    /// Bits of an input channel.
    parameter int unsigned InWidth   = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned  = 1'b1,
    /// `2**m` over the number of taps, rounded; 1 when that number is a power of two. At most 17 bits.
    parameter int unsigned Reciprocal = 1,
    /// Right shift of the product, m included; negative shifts left.
    parameter int          Shift     = 2,
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
  localparam int unsigned Taps = KernelH * KernelW;
  /// Sums and products are signed, whatever the inputs are.
  localparam int unsigned SumWidth = InWidth + 1 + $clog2(Taps);
  localparam int unsigned FactorWidth = $clog2(Reciprocal + 1) + 1;
  localparam int unsigned ProductWidth = Reciprocal == 1 ? SumWidth : SumWidth + FactorWidth;

  logic [Taps*Lanes*InWidth-1:0] patch_data;
  logic patch_valid, patch_last, enable;

  patches #(
      .DataWidth(InWidth), .Lanes(Lanes), .Chunks(Chunks), .Height(Height), .Width(Width),
      .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW), .Top(Top), .Left(Left),
      .Bottom(Bottom), .Right(Right)
  ) u_patches (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(patch_data), .m_valid(patch_valid), .m_last(patch_last), .m_ready(enable)
  );

  logic signed [SumWidth-1:0] sum_q[Lanes], sum_d[Lanes];
  logic signed [ProductWidth-1:0] product_q[Lanes], product_d[Lanes];
  logic sum_valid_q, sum_last_q, product_valid_q, product_last_q;

  // A tree: after the round with distance d, every 2d-th tap holds the sum of its 2d neighbours.
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [SumWidth-1:0] part[Taps];
      for (int unsigned t = 0; t < Taps; t++) begin
        part[t] = InSigned ? SumWidth'(signed'(patch_data[(t*Lanes+l)*InWidth+:InWidth]))
                           : SumWidth'(patch_data[(t*Lanes+l)*InWidth+:InWidth]);
      end
      for (int unsigned d = 1; d < Taps; d = d * 2) begin
        for (int unsigned t = 0; t + d < Taps; t = t + 2 * d) part[t] = part[t] + part[t+d];
      end
      sum_d[l] = part[0];
    end
  end

  if (Reciprocal == 1) begin : gen_move
    always_comb begin
      for (int unsigned l = 0; l < Lanes; l++) product_d[l] = sum_q[l];
    end
  end else begin : gen_multiply
    localparam logic signed [FactorWidth-1:0] Factor = FactorWidth'(Reciprocal);
    always_comb begin
      for (int unsigned l = 0; l < Lanes; l++) begin
        product_d[l] = ProductWidth'(sum_q[l]) * ProductWidth'(Factor);
      end
    end
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      sum_q <= sum_d;
      sum_valid_q <= patch_valid;
      sum_last_q <= patch_last;
      product_q <= product_d;
      product_valid_q <= sum_valid_q;
      product_last_q <= sum_last_q;
    end
    if (rst) begin
      sum_valid_q <= 1'b0;
      product_valid_q <= 1'b0;
    end
  end

  logic [Lanes*OutWidth-1:0] mean;
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    round_saturate #(
        .InWidth(ProductWidth), .InSigned(1'b1), .Shift(Shift), .OutWidth(OutWidth), .OutSigned(OutSigned)
    ) u_round (.x(product_q[l]), .y(mean[l*OutWidth+:OutWidth]));
  end

  // The slice's ready is a register, so it may enable the whole pipeline.
  stream_skid #(.Width(Lanes * OutWidth)) u_skid (
      .clk, .rst, .s_data(mean), .s_valid(product_valid_q), .s_last(product_last_q), .s_ready(enable),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
