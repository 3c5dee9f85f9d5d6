// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// A token's channels, kept until what normalises them is known, to `y = sat((z*gamma + beta) >>> Shift)` with
/// `z = (x*factor - offset) >>> (1 + half)`. One beat per cycle; four cycles after its token's factors are here.
module norm_lanes #(
    /// Channels per beat.
    parameter int unsigned Lanes       = 4,
    /// Beats per token.
    parameter int unsigned Beats       = 4,
    /// Beats that arrive between a token's final one and its factors.
    parameter int unsigned Waiting     = 15,
    /// Banks of constants.
    parameter int unsigned Banks       = 1,
    /// Bits of an input channel.
    parameter int unsigned InWidth     = 16,
    /// Inputs are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of the factor, unsigned.
    parameter int unsigned FactorWidth = 22,
    /// Bits of the offset, two's complement: those of x*factor - offset.
    parameter int unsigned OffsetWidth = 40,
    /// Bits of half, unsigned.
    parameter int unsigned HalfBits    = 5,
    /// Bits of z, two's complement.
    parameter int unsigned ZWidth      = 20,
    /// Bits of gamma, two's complement.
    parameter int unsigned GammaWidth  = 16,
    /// Bits of beta with the half that rounds, two's complement.
    parameter int unsigned BetaWidth   = 34,
    /// Bits of z * gamma + beta, two's complement.
    parameter int unsigned OutSumWidth = 38,
    /// Right shift from there to the output, 0 and up.
    parameter int unsigned Shift       = 19,
    /// Bits of an output channel.
    parameter int unsigned OutWidth    = 16,
    /// Outputs are two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load        = 32,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits   = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                      clk,
    input  wire logic                      rst,       ///< synchronous, active high; forgets the load
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,    ///< on the final beat of a sequence
    output      logic                      s_ready,
    input  wire logic [FactorWidth-1:0]    f_factor,  ///< what normalises a token, in the order of tokens
    input  wire logic [OffsetWidth-1:0]    f_offset,
    input  wire logic [HalfBits-1:0]       f_half,
    input  wire logic                      f_valid,
    output      logic                      f_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready,
    input  wire logic [BankBits-1:0]       b_data,    ///< constants of a token, below Banks
    input  wire logic                      b_valid,
    output      logic                      b_ready,
    input  wire logic [Load-1:0]           w_data,    ///< load chain in: rows of {beta, gamma} per lane
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,    ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  localparam int unsigned RowWidth = Lanes * (GammaWidth + BetaWidth);
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned CoefficientWidth = OffsetWidth + FactorWidth + HalfBits;

  logic [RowWidth-1:0] row;
  logic row_valid, row_ready;
  store #(
      .Depth(Beats), .Width(RowWidth), .Banks(Banks), .Load(Load)
  ) u_rows (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data, .x_valid, .x_last, .x_ready,
      .b_data, .b_valid, .b_ready, .m_data(row), .m_valid(row_valid), .m_ready(row_ready)
  );

  logic [Lanes*InWidth-1:0] x_data_q;
  logic x_held, x_last_q, fire;
  logic [BeatBits-1:0] beat_q;
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  stream_fifo #(
      .Width(Lanes * InWidth), .Depth(Beats + Waiting)
  ) u_buffer (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(x_data_q), .m_valid(x_held), .m_last(x_last_q), .m_ready(fire)
  );

  logic [FactorWidth-1:0] factor;
  logic signed [OffsetWidth-1:0] offset;
  logic [HalfBits-1:0] half;
  logic token_valid, unused_last;
  stream_fifo #(
      .Width(CoefficientWidth), .Depth(4)
  ) u_tokens (
      .clk, .rst, .s_data({f_offset, f_factor, f_half}), .s_valid(f_valid), .s_last(1'b0), .s_ready(f_ready),
      .m_data({offset, factor, half}), .m_valid(token_valid), .m_last(unused_last), .m_ready(fire && final_beat)
  );

  // Normalise, scale, shift.
  logic signed [OffsetWidth-1:0] scaled_q[Lanes], scaled_d[Lanes];
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
      scaled_d[l] = OffsetWidth'(x) * OffsetWidth'(signed'({1'b0, factor})) - offset;
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

  `CHECK_NEVER(whole_token, fire && x_last_q && !final_beat, "`last` inside a token")
endmodule

`default_nettype wire
