// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Normalisation of every token by its mean absolute deviation: `y = sat((z*gamma + beta) >>> Shift)`,
/// `z = (d*r + 2**e) >>> (1 + e)` with `d = C x - S` for the sum S of the token's C channels,
/// `r * 2**-(16+E) = 1 / (sum |d| + epsilon)` and `e = max(0, E - ceil(log2 C))`. A sequence uses its bank's constants.
/// One beat per cycle: while a token leaves, the next one is compared with its mean, and one more is summed.
module mad_norm #(
    /// Channels per beat.
    parameter int unsigned Lanes          = 4,
    /// Beats per token.
    parameter int unsigned Beats          = 4,
    /// Banks of constants.
    parameter int unsigned Banks          = 1,
    /// Bits of an input channel.
    parameter int unsigned InWidth        = 16,
    /// Inputs are two's complement.
    parameter bit          InSigned       = 1'b1,
    /// Bits of epsilon, unsigned.
    parameter int unsigned EpsilonWidth   = 8,
    /// Bits of sum |d| + epsilon, unsigned.
    parameter int unsigned DeviationWidth = 24,
    /// Bits of d * r, two's complement.
    parameter int unsigned ScaledWidth    = 40,
    /// Bits of z, two's complement, with 15 fraction bits for C a power of two.
    parameter int unsigned ZWidth         = 20,
    /// Bits of gamma, two's complement.
    parameter int unsigned GammaWidth     = 16,
    /// Bits of beta with the half that rounds, two's complement.
    parameter int unsigned BetaWidth      = 34,
    /// Bits of z * gamma + beta, two's complement.
    parameter int unsigned OutSumWidth    = 38,
    /// Right shift from there to the output, 0 and up.
    parameter int unsigned Shift          = 19,
    /// Bits of an output channel.
    parameter int unsigned OutWidth       = 16,
    /// Outputs are two's complement.
    parameter bit          OutSigned      = 1'b1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load           = 32,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits       = Banks > 1 ? $clog2(Banks) : 1
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
  localparam int unsigned Levels = $clog2(Lanes);
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  localparam int unsigned SumWidth = XWidth + $clog2(Channels);
  localparam int unsigned CountWidth = $clog2(Channels + 1);
  localparam int unsigned Places = $clog2(Channels);
  localparam int unsigned HalfBits = DeviationWidth > Places + 1 ? $clog2(DeviationWidth - Places) : 1;
  localparam int unsigned FactorWidth = 17 + $clog2(Channels + 1);

  // First pass: a token's sum and the floor of its mean; its beats wait.
  logic first_room, mean_room, mean_valid, total_valid;
  logic [SumWidth-1:0] total, mean_sum;
  logic [XWidth-1:0] mean_floor;
  assign s_ready = first_room && mean_room;
  token_sum #(
      .Lanes(Lanes), .Beats(Beats), .InWidth(InWidth), .InSigned(InSigned), .SumWidth(SumWidth)
  ) u_sum (
      .clk, .rst, .enable(mean_room), .s_data, .s_valid(s_valid && first_room), .m_sum(total), .m_valid(total_valid)
  );
  floor_mean #(
      .Channels(Channels), .SumWidth(SumWidth), .MeanWidth(XWidth)
  ) u_mean (
      .clk, .rst, .enable(mean_room), .s_sum(total), .s_valid(total_valid),
      .m_mean(mean_floor), .m_sum(mean_sum), .m_valid(mean_valid)
  );

  logic [Lanes*InWidth-1:0] x_data_q, t_data;
  logic signed [XWidth-1:0] mean;
  logic [SumWidth-1:0] sum;
  logic x_held, x_last_q, t_room, token_valid, token_ready, unused_last;
  logic t_valid, t_last, t_ready;
  stream_fifo #(
      .Width(Lanes * InWidth), .Depth(Beats + 9 + Levels)
  ) u_first (
      .clk, .rst, .s_data, .s_valid(s_valid && s_ready), .s_last, .s_ready(first_room),
      .m_data(x_data_q), .m_valid(x_held), .m_last(x_last_q), .m_ready(t_room && token_valid)
  );
  stream_fifo #(
      .Width(SumWidth + XWidth), .Depth(4)
  ) u_means (
      .clk, .rst, .s_data({mean_sum, mean_floor}), .s_valid(mean_valid && mean_room), .s_last(1'b0),
      .s_ready(mean_room), .m_data({sum, mean}), .m_valid(token_valid), .m_last(unused_last), .m_ready(token_ready)
  );

  // Constants: epsilon once per token, a round of gamma and beta per token.
  logic [2*BankBits-1:0] r_data;
  logic [1:0] r_valid, r_ready;
  bank_rounds #(
      .Width(Lanes * InWidth), .Words(Beats), .Tokens(1), .Banks(Banks), .Consumers(2)
  ) u_rounds (
      .clk, .rst, .s_data(x_data_q), .s_valid(x_held && token_valid), .s_last(x_last_q), .s_ready(t_room),
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

  // Second pass: sum and number of the channels above the mean.
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  logic go, room, above_valid, count_valid;
  logic [BeatBits-1:0] beat_q;
  logic [Lanes*InWidth-1:0] above;
  logic [Lanes-1:0] is_above;
  logic [SumWidth-1:0] above_sum;
  logic [CountWidth-1:0] above_count;
  wire logic fire = t_valid && t_ready;
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  assign t_ready = go && room;
  assign token_ready = fire && final_beat;
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [XWidth-1:0] x;
      x = InSigned ? XWidth'(signed'(t_data[l*InWidth+:InWidth])) : XWidth'(t_data[l*InWidth+:InWidth]);
      is_above[l] = x > mean;
      above[l*InWidth+:InWidth] = is_above[l] ? t_data[l*InWidth+:InWidth] : '0;
    end
  end
  token_sum #(
      .Lanes(Lanes), .Beats(Beats), .InWidth(InWidth), .InSigned(InSigned), .SumWidth(SumWidth)
  ) u_above (
      .clk, .rst, .enable(go), .s_data(above), .s_valid(fire), .m_sum(above_sum), .m_valid(above_valid)
  );
  token_sum #(
      .Lanes(Lanes), .Beats(Beats), .InWidth(1), .InSigned(1'b0), .SumWidth(CountWidth)
  ) u_count (
      .clk, .rst, .enable(go), .s_data(is_above), .s_valid(fire), .m_sum(above_count), .m_valid(count_valid)
  );
  wire logic unused_count_valid = count_valid;

  // The sum of all channels, as late as those above the mean.
  logic [SumWidth-1:0] sums_q[Levels+2];
  always_ff @(posedge clk) begin
    if (fire) beat_q <= final_beat ? '0 : beat_q + 1'b1;
    if (go) begin
      sums_q[0] <= sum;
      for (int unsigned s = 1; s < Levels + 2; s++) sums_q[s] <= sums_q[s-1];
    end
    if (rst) beat_q <= '0;
  end

  logic [FactorWidth-1:0] factor;
  logic [ScaledWidth-1:0] offset;
  logic [HalfBits-1:0] half;
  logic factor_valid, factor_room;
  assign go = factor_room && (epsilon_valid || !above_valid);
  assign epsilon_ready = factor_room && above_valid;
  mad_factors #(
      .Channels(Channels), .SumWidth(SumWidth), .EpsilonWidth(EpsilonWidth), .DeviationWidth(DeviationWidth),
      .OffsetWidth(ScaledWidth)
  ) u_factors (
      .clk, .rst, .enable(go), .s_sum(sums_q[Levels+1]), .s_above(above_sum), .s_count(above_count),
      .s_epsilon(epsilon), .s_valid(above_valid),
      .m_factor(factor), .m_offset(offset), .m_half(half), .m_valid(factor_valid)
  );

  // Third pass.
  norm_lanes #(
      .Lanes(Lanes), .Beats(Beats), .Waiting(14 + Levels), .Banks(Banks), .InWidth(InWidth), .InSigned(InSigned),
      .FactorWidth(FactorWidth), .OffsetWidth(ScaledWidth), .HalfBits(HalfBits), .ZWidth(ZWidth),
      .GammaWidth(GammaWidth), .BetaWidth(BetaWidth), .OutSumWidth(OutSumWidth), .Shift(Shift), .OutWidth(OutWidth),
      .OutSigned(OutSigned), .Load(Load)
  ) u_lanes (
      .clk, .rst, .s_data(t_data), .s_valid(fire), .s_last(t_last), .s_ready(room),
      .f_factor(factor), .f_offset(offset), .f_half(half), .f_valid(factor_valid && go), .f_ready(factor_room),
      .m_data, .m_valid, .m_last, .m_ready,
      .b_data(r_data[BankBits+:BankBits]), .b_valid(r_valid[1]), .b_ready(r_ready[1]),
      .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready),
      .x_data, .x_valid, .x_last, .x_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
endmodule

`default_nettype wire
