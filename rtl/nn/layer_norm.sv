// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Layer normalisation of every token: `y = sat((z*gamma + beta) >>> Shift)`, `z = (d*r + half) >>> (1 + e)` with
/// `d = C x - S`, `r * 2**-(17+e) = 1 / sqrt(C Q - S**2 + epsilon)` for the token's sum S and sum of squares Q; a
/// sequence uses the constants of its bank. Not centred, S counts as 0: root-mean-square normalisation.
/// One beat per cycle: while a token leaves, the next one is summed.
module layer_norm #(
    /// Channels per beat.
    parameter int unsigned Lanes         = 4,
    /// Beats per token.
    parameter int unsigned Beats         = 4,
    /// Banks of constants.
    parameter int unsigned Banks         = 1,
    /// The mean is subtracted.
    parameter bit          Centred       = 1'b1,
    /// Bits of an input channel.
    parameter int unsigned InWidth       = 16,
    /// Inputs are two's complement.
    parameter bit          InSigned      = 1'b1,
    /// Bits of epsilon, unsigned.
    parameter int unsigned EpsilonWidth  = 8,
    /// Bits of C Q - S**2 + epsilon, unsigned.
    parameter int unsigned VarianceWidth = 40,
    /// Bits of d * r, two's complement.
    parameter int unsigned ScaledWidth   = 40,
    /// Bits of z, two's complement, with 16 fraction bits.
    parameter int unsigned ZWidth        = 20,
    /// Bits of gamma, two's complement.
    parameter int unsigned GammaWidth    = 16,
    /// Bits of beta with the half that rounds, two's complement.
    parameter int unsigned BetaWidth     = 34,
    /// Bits of z * gamma + beta, two's complement.
    parameter int unsigned OutSumWidth   = 38,
    /// Right shift from there to the output, 0 and up.
    parameter int unsigned Shift         = 19,
    /// Bits of an output channel.
    parameter int unsigned OutWidth      = 16,
    /// Outputs are two's complement.
    parameter bit          OutSigned     = 1'b1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load          = 32,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits     = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high; forgets the load
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,   ///< on the final beat of a sequence
    output      logic                      s_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready,
    input  wire logic [BankBits-1:0]       b_data,   ///< constants of a sequence, below Banks
    input  wire logic                      b_valid,
    output      logic                      b_ready,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: epsilon, then rows of {beta, gamma} per lane
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned Channels = Lanes * Beats;
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  localparam int unsigned SumWidth = XWidth + $clog2(Channels);
  localparam int unsigned SquareWidth = 2 * XWidth - 1 + $clog2(Channels);
  localparam int unsigned HalfBits = VarianceWidth > 2 ? $clog2((VarianceWidth + 1) / 2) : 1;
  localparam int unsigned FactorWidth = 17 + $clog2(Channels + 1);
  localparam int unsigned RowWidth = Lanes * (GammaWidth + BetaWidth);
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned CoefficientWidth = ScaledWidth + FactorWidth + HalfBits;
  /// Beats that arrive between a token's final one and its first that is normalised.
  localparam int unsigned Latency = 15 + $clog2(Lanes);

  // Constants: epsilon once per token, a round of gamma and beta per token.
  logic [Lanes*InWidth-1:0] t_data;
  logic t_valid, t_last, t_ready;
  logic [2*BankBits-1:0] r_data;
  logic [1:0] r_valid, r_ready;
  bank_rounds #(
      .Width(Lanes * InWidth), .Words(Beats), .Tokens(1), .Banks(Banks), .Consumers(2)
  ) u_rounds (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(t_data), .m_valid(t_valid), .m_last(t_last), .m_ready(t_ready),
      .b_data, .b_valid, .b_ready, .r_data, .r_valid, .r_ready
  );

  logic [EpsilonWidth-1:0] epsilon;
  logic epsilon_valid, epsilon_ready;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready;
  store #(
      .Depth(1), .Width(EpsilonWidth), .Banks(Banks), .Load(Load)
  ) u_epsilon (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready,
      .x_data(y_data), .x_valid(y_valid), .x_last(y_last), .x_ready(y_ready),
      .b_data(r_data[BankBits-1:0]), .b_valid(r_valid[0]), .b_ready(r_ready[0]),
      .m_data(epsilon), .m_valid(epsilon_valid), .m_ready(epsilon_ready)
  );

  logic [RowWidth-1:0] row;
  logic row_valid, row_ready;
  store #(
      .Depth(Beats), .Width(RowWidth), .Banks(Banks), .Load(Load)
  ) u_rows (
      .clk, .rst, .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready),
      .x_data, .x_valid, .x_last, .x_ready,
      .b_data(r_data[BankBits+:BankBits]), .b_valid(r_valid[1]), .b_ready(r_ready[1]),
      .m_data(row), .m_valid(row_valid), .m_ready(row_ready)
  );

  // Every beat goes to the sums and into a buffer that holds a token and what follows while its root is computed.
  logic go, room;
  logic [Lanes*InWidth-1:0] x_data_q;
  logic x_held, x_last_q, fire;
  logic [BeatBits-1:0] beat_q;
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  assign t_ready = go && room;
  stream_fifo #(
      .Width(Lanes * InWidth), .Depth(Beats + Latency)
  ) u_buffer (
      .clk, .rst, .s_data(t_data), .s_valid(t_valid && t_ready), .s_last(t_last), .s_ready(room),
      .m_data(x_data_q), .m_valid(x_held), .m_last(x_last_q), .m_ready(fire)
  );

  logic [SumWidth-1:0] total;
  logic [SquareWidth-1:0] squares;
  logic total_valid;
  moments #(
      .Lanes(Lanes), .Beats(Beats), .InWidth(InWidth), .InSigned(InSigned), .SumWidth(SumWidth),
      .SquareWidth(SquareWidth)
  ) u_moments (
      .clk, .rst, .enable(go), .s_data(t_data), .s_valid(t_valid && room),
      .m_sum(total), .m_square(squares), .m_valid(total_valid)
  );

  logic [FactorWidth-1:0] factor, root_factor;
  logic signed [ScaledWidth-1:0] offset;
  logic [ScaledWidth-1:0] root_offset;
  logic [HalfBits-1:0] half, root_half;
  logic root_valid, root_room, token_valid, unused_last;
  assign go = root_room && (epsilon_valid || !total_valid);
  assign epsilon_ready = root_room && total_valid;
  norm_factors #(
      .Channels(Channels), .Centred(Centred), .SumWidth(SumWidth), .SquareWidth(SquareWidth),
      .EpsilonWidth(EpsilonWidth), .VarianceWidth(VarianceWidth), .OffsetWidth(ScaledWidth)
  ) u_factors (
      .clk, .rst, .enable(go), .s_sum(total), .s_square(squares), .s_epsilon(epsilon), .s_valid(total_valid),
      .m_factor(root_factor), .m_offset(root_offset), .m_half(root_half), .m_valid(root_valid)
  );
  stream_fifo #(
      .Width(CoefficientWidth), .Depth(4)
  ) u_tokens (
      .clk, .rst, .s_data({root_offset, root_factor, root_half}), .s_valid(root_valid && go), .s_last(1'b0),
      .s_ready(root_room), .m_data({offset, factor, half}), .m_valid(token_valid), .m_last(unused_last),
      .m_ready(fire && final_beat)
  );

  // Normalise, scale, shift.
  logic signed [ScaledWidth-1:0] scaled_q[Lanes], scaled_d[Lanes];
  logic signed [ZWidth-1:0] z_q[Lanes], z_d[Lanes];
  logic signed [OutSumWidth-1:0] sum_q[Lanes], sum_d[Lanes];
  logic [HalfBits-1:0] half_q;
  logic scaled_valid_q, z_valid_q, sum_valid_q, scaled_last_q, z_last_q, sum_last_q, out_ready;
  wire logic enable = out_ready && (row_valid || !z_valid_q);
  assign fire = x_held && token_valid && enable;
  assign row_ready = out_ready && z_valid_q;

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [XWidth-1:0] x;
      logic signed [GammaWidth-1:0] gamma;
      logic signed [BetaWidth-1:0] beta;
      x = InSigned ? XWidth'(signed'(x_data_q[l*InWidth+:InWidth])) : XWidth'(x_data_q[l*InWidth+:InWidth]);
      scaled_d[l] = ScaledWidth'(x) * ScaledWidth'(signed'({1'b0, factor})) - offset;
      z_d[l] = ZWidth'((scaled_q[l] >>> 1) >>> half_q);
      {beta, gamma} = row[l*(GammaWidth+BetaWidth)+:GammaWidth+BetaWidth];
      sum_d[l] = OutSumWidth'(z_q[l]) * OutSumWidth'(gamma) + OutSumWidth'(beta);
    end
  end

  always_ff @(posedge clk) begin
    if (fire) beat_q <= final_beat ? '0 : beat_q + 1'b1;
    if (enable) begin
      scaled_q <= scaled_d;
      half_q <= half;
      scaled_valid_q <= fire;
      scaled_last_q <= x_last_q;
      z_q <= z_d;
      z_valid_q <= scaled_valid_q;
      z_last_q <= scaled_last_q;
      sum_q <= sum_d;
      sum_valid_q <= z_valid_q;
      sum_last_q <= z_last_q;
    end
    if (rst) begin
      beat_q <= '0;
      scaled_valid_q <= 1'b0;
      z_valid_q <= 1'b0;
      sum_valid_q <= 1'b0;
    end
  end

  logic [Lanes*OutWidth-1:0] out;
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    wire logic signed [OutSumWidth-1:0] shifted = sum_q[l] >>> Shift;
    round_saturate #(
        .InWidth(OutSumWidth), .InSigned(1'b1), .Shift(0), .OutWidth(OutWidth), .OutSigned(OutSigned)
    ) u_saturate (.x(shifted), .y(out[l*OutWidth+:OutWidth]));
  end
  stream_skid #(.Width(Lanes * OutWidth)) u_skid (
      .clk, .rst, .s_data(out), .s_valid(sum_valid_q && enable), .s_last(sum_last_q), .s_ready(out_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_NEVER(whole_token, fire && x_last_q && !final_beat, "`last` inside a token")
endmodule

`default_nettype wire
