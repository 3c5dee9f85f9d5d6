// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// A token's sums to what normalises it by its mean absolute deviation: S of all C channels, P of the n channels above
/// the mean. With `D = sum |C x - S| + epsilon = 2 (C P - S n) + epsilon`, E = floor(log2 D) and `r = 2**(16+E) / D`,
/// `z = (x*factor - offset) >>> (1 + half)`, where `half = max(0, E - ceil(log2 C))`, `factor = C r` and
/// `offset = S r - 2**half`. A pipeline of seven steps without a handshake of its own.
module mad_factors #(
    /// Channels of a token.
    parameter int unsigned Channels       = 16,
    /// Bits of S and P, two's complement.
    parameter int unsigned SumWidth       = 20,
    /// Bits of epsilon, unsigned.
    parameter int unsigned EpsilonWidth   = 8,
    /// Bits of D, unsigned.
    parameter int unsigned DeviationWidth = 24,
    /// Bits of the offset, two's complement.
    parameter int unsigned OffsetWidth    = 40,
    /// Bits of n; not to be set.
    localparam int unsigned CountWidth    = $clog2(Channels + 1),
    /// Bits of the factor, unsigned; not to be set.
    localparam int unsigned FactorWidth   = 17 + $clog2(Channels + 1),
    /// Bits of half; not to be set.
    localparam int unsigned HalfBits      = DeviationWidth > $clog2(Channels) + 1 ?
                                            $clog2(DeviationWidth - $clog2(Channels)) : 1
) (
    input  wire logic                    clk,
    input  wire logic                    rst,        ///< synchronous, active high
    input  wire logic                    enable,     ///< every register moves
    input  wire logic [SumWidth-1:0]     s_sum,
    input  wire logic [SumWidth-1:0]     s_above,
    input  wire logic [CountWidth-1:0]   s_count,
    input  wire logic [EpsilonWidth-1:0] s_epsilon,
    input  wire logic                    s_valid,
    output      logic [FactorWidth-1:0]  m_factor,
    output      logic [OffsetWidth-1:0]  m_offset,
    output      logic [HalfBits-1:0]     m_half,
    output      logic                    m_valid
);
  localparam int unsigned Levels = $clog2(Channels);
  localparam int unsigned ExponentWidth = DeviationWidth > 1 ? $clog2(DeviationWidth) : 1;
  // Signed as what it is multiplied with, or a sign extension would cost multipliers.
  localparam logic signed [CountWidth:0] Factor = (CountWidth + 1)'(Channels);

  // Products twice registered: multiplier blocks take the registers in.
  logic [DeviationWidth-1:0] above_q[2], share_q[2], deviation_q;
  logic [EpsilonWidth-1:0] epsilon_q[2];
  // S beside the deviation, and through the reciprocal.
  logic signed [SumWidth-1:0] sum_q[6];
  logic valid_q[3];
  wire logic signed [SumWidth-1:0] sum = s_sum;
  wire logic signed [SumWidth-1:0] above = s_above;
  wire logic signed [CountWidth:0] count = {1'b0, s_count};
  // Where D is narrower: it is exact modulo its width.
  wire logic unused_bits = &{above, count};

  always_ff @(posedge clk) begin
    if (enable) begin
      above_q <= '{unsigned'(DeviationWidth'(above) * DeviationWidth'(Factor)), above_q[0]};
      share_q <= '{unsigned'(DeviationWidth'(sum) * DeviationWidth'(count)), share_q[0]};
      epsilon_q <= '{s_epsilon, epsilon_q[0]};
      deviation_q <= DeviationWidth'({above_q[1] - share_q[1], 1'b0}) + DeviationWidth'(epsilon_q[1]);
      sum_q <= '{sum, sum_q[0], sum_q[1], sum_q[2], sum_q[3], sum_q[4]};
      valid_q <= '{s_valid, valid_q[0], valid_q[1]};
    end
    if (rst) valid_q <= '{default: 1'b0};
  end

  // Its exponent is that of its 16 bits wider argument, less 16.
  logic [16:0] r;
  logic [ExponentWidth-1:0] exponent;
  logic [HalfBits-1:0] half, half_q;
  logic reciprocal_valid, out_valid_q;
  reciprocal #(
      .Width(DeviationWidth + 16)
  ) u_reciprocal (
      .clk, .rst, .enable, .s_data({deviation_q, 16'd0}), .s_valid(valid_q[2]),
      .m_data(r), .m_exponent(exponent), .m_valid(reciprocal_valid)
  );
  // Below zero only for constant tokens, of which z is 0 at any shift.
  wire logic signed [31:0] places = signed'(32'(exponent)) - signed'(32'(Levels));
  assign half = places > 0 ? HalfBits'(places) : '0;

  logic [FactorWidth-1:0] factor_q;
  logic signed [OffsetWidth-1:0] offset_q;
  always_ff @(posedge clk) begin
    if (enable) begin
      factor_q <= FactorWidth'(r) * FactorWidth'(Channels);
      offset_q <= OffsetWidth'(sum_q[5]) * OffsetWidth'(signed'({1'b0, r})) - (OffsetWidth'(1) <<< half);
      half_q <= half;
      out_valid_q <= reciprocal_valid;
    end
    if (rst) out_valid_q <= 1'b0;
  end
  assign m_factor = factor_q;
  assign m_offset = offset_q;
  assign m_half = half_q;
  assign m_valid = out_valid_q;
endmodule

`default_nettype wire
