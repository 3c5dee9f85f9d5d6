// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sum S and sum of squares Q of a token's C channels to what normalises them: with
/// `r * 2**-(17+half) = 1 / sqrt(C Q - S**2 + epsilon)`, `z = (x*factor - offset) >>> (1 + half)`, where
/// `factor = C r` and `offset = S r - 2**half`. Not centred, S counts as 0.
/// A pipeline of eight steps without a handshake of its own.
module norm_factors #(
    /// Channels of a token.
    parameter int unsigned Channels      = 16,
    /// The mean is subtracted.
    parameter bit          Centred       = 1'b1,
    /// Bits of S, two's complement.
    parameter int unsigned SumWidth      = 20,
    /// Bits of Q, unsigned.
    parameter int unsigned SquareWidth   = 35,
    /// Bits of epsilon, unsigned.
    parameter int unsigned EpsilonWidth  = 8,
    /// Bits of C Q - S**2 + epsilon, unsigned.
    parameter int unsigned VarianceWidth = 40,
    /// Bits of the offset, two's complement.
    parameter int unsigned OffsetWidth   = 40,
    /// Bits of the factor, unsigned; not to be set.
    localparam int unsigned FactorWidth  = 17 + $clog2(Channels + 1),
    /// Bits of half; not to be set.
    localparam int unsigned HalfBits     = VarianceWidth > 2 ? $clog2((VarianceWidth + 1) / 2) : 1
) (
    input  wire logic                    clk,
    input  wire logic                    rst,        ///< synchronous, active high
    input  wire logic                    enable,     ///< every register moves
    input  wire logic [SumWidth-1:0]     s_sum,
    input  wire logic [SquareWidth-1:0]  s_square,
    input  wire logic [EpsilonWidth-1:0] s_epsilon,
    input  wire logic                    s_valid,
    output      logic [FactorWidth-1:0]  m_factor,
    output      logic [OffsetWidth-1:0]  m_offset,
    output      logic [HalfBits-1:0]     m_half,
    output      logic                    m_valid
);
  // Products twice registered: multiplier blocks take the registers in.
  logic [VarianceWidth-1:0] spread_q[2], mean_q[2], variance_q;
  logic signed [SumWidth-1:0] sum_q[3];
  logic [EpsilonWidth-1:0] epsilon_q[2];
  logic valid_q[3];
  wire logic signed [SumWidth-1:0] sum = Centred ? signed'(s_sum) : '0;

  always_ff @(posedge clk) begin
    if (enable) begin
      spread_q <= '{VarianceWidth'(s_square) * VarianceWidth'(Channels), spread_q[0]};
      mean_q <= '{unsigned'(VarianceWidth'(sum) * VarianceWidth'(sum)), mean_q[0]};
      epsilon_q <= '{s_epsilon, epsilon_q[0]};
      variance_q <= spread_q[1] - mean_q[1] + VarianceWidth'(epsilon_q[1]);
      sum_q <= '{sum, sum_q[0], sum_q[1]};
      valid_q <= '{s_valid, valid_q[0], valid_q[1]};
    end
    if (rst) valid_q <= '{default: 1'b0};
  end

  logic [16:0] r;
  logic [HalfBits-1:0] half, half_q;
  logic signed [SumWidth-1:0] root_sum;
  logic root_valid, out_valid_q;
  rsqrt #(
      .Width(VarianceWidth), .UserWidth(SumWidth)
  ) u_rsqrt (
      .clk, .rst, .enable, .s_data(variance_q), .s_user(sum_q[2]), .s_valid(valid_q[2]),
      .m_data(r), .m_half(half), .m_user(root_sum), .m_valid(root_valid)
  );

  logic [FactorWidth-1:0] factor_q;
  logic signed [OffsetWidth-1:0] offset_q;
  always_ff @(posedge clk) begin
    if (enable) begin
      factor_q <= FactorWidth'(r) * FactorWidth'(Channels);
      offset_q <= OffsetWidth'(root_sum) * OffsetWidth'(signed'({1'b0, r})) - (OffsetWidth'(1) <<< half);
      half_q <= half;
      out_valid_q <= root_valid;
    end
    if (rst) out_valid_q <= 1'b0;
  end
  assign m_factor = factor_q;
  assign m_offset = offset_q;
  assign m_half = half_q;
  assign m_valid = out_valid_q;
endmodule

`default_nettype wire
