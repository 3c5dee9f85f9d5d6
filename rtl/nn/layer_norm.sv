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
  localparam int unsigned ProductWidth = 2 * XWidth - 1;
  localparam int unsigned SquareWidth = ProductWidth + $clog2(Channels);
  localparam int unsigned HalfBits = VarianceWidth > 2 ? $clog2((VarianceWidth + 1) / 2) : 1;
  localparam int unsigned FactorWidth = 17 + $clog2(Channels + 1);

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

  // Every beat goes to the sums and into a buffer that holds a token and what follows while its root is computed.
  logic go, room, total_valid, square_valid;
  logic [Lanes*ProductWidth-1:0] products;
  logic [SumWidth-1:0] total;
  logic [SquareWidth-1:0] squares;
  assign t_ready = go && room;
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [XWidth-1:0] x;
      x = InSigned ? XWidth'(signed'(t_data[l*InWidth+:InWidth])) : XWidth'(t_data[l*InWidth+:InWidth]);
      products[l*ProductWidth+:ProductWidth] = ProductWidth'(x) * ProductWidth'(x);
    end
  end
  token_sum #(
      .Lanes(Lanes), .Beats(Beats), .InWidth(InWidth), .InSigned(InSigned), .SumWidth(SumWidth)
  ) u_sum (
      .clk, .rst, .enable(go), .s_data(t_data), .s_valid(t_valid && room), .m_sum(total), .m_valid(total_valid)
  );
  token_sum #(
      .Lanes(Lanes), .Beats(Beats), .InWidth(ProductWidth), .InSigned(1'b0), .SumWidth(SquareWidth)
  ) u_squares (
      .clk, .rst, .enable(go), .s_data(products), .s_valid(t_valid && room), .m_sum(squares), .m_valid(square_valid)
  );

  logic [FactorWidth-1:0] factor;
  logic [ScaledWidth-1:0] offset;
  logic [HalfBits-1:0] half;
  logic root_valid, root_room;
  wire logic unused_square_valid = square_valid;
  assign go = root_room && (epsilon_valid || !total_valid);
  assign epsilon_ready = root_room && total_valid;
  norm_factors #(
      .Channels(Channels), .Centred(Centred), .SumWidth(SumWidth), .SquareWidth(SquareWidth),
      .EpsilonWidth(EpsilonWidth), .VarianceWidth(VarianceWidth), .OffsetWidth(ScaledWidth)
  ) u_factors (
      .clk, .rst, .enable(go), .s_sum(total), .s_square(squares), .s_epsilon(epsilon), .s_valid(total_valid),
      .m_factor(factor), .m_offset(offset), .m_half(half), .m_valid(root_valid)
  );

  norm_lanes #(
      .Lanes(Lanes), .Beats(Beats), .Waiting(15 + $clog2(Lanes)), .Banks(Banks), .InWidth(InWidth),
      .InSigned(InSigned), .FactorWidth(FactorWidth), .OffsetWidth(ScaledWidth), .HalfBits(HalfBits), .ZWidth(ZWidth),
      .GammaWidth(GammaWidth), .BetaWidth(BetaWidth), .OutSumWidth(OutSumWidth), .Shift(Shift), .OutWidth(OutWidth),
      .OutSigned(OutSigned), .Load(Load)
  ) u_lanes (
      .clk, .rst, .s_data(t_data), .s_valid(t_valid && t_ready), .s_last(t_last), .s_ready(room),
      .f_factor(factor), .f_offset(offset), .f_half(half), .f_valid(root_valid && go), .f_ready(root_room),
      .m_data, .m_valid, .m_last, .m_ready,
      .b_data(r_data[BankBits+:BankBits]), .b_valid(r_valid[1]), .b_ready(r_ready[1]),
      .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready),
      .x_data, .x_valid, .x_last, .x_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
endmodule

`default_nettype wire
