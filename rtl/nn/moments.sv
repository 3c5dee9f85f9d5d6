// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sum and sum of squares of every token's channels. A pipeline of `2 + ceil(log2(Lanes))` steps behind the token's
/// final beat, without a handshake of its own.
module moments #(
    /// Channels per beat.
    parameter int unsigned Lanes       = 4,
    /// Beats per token.
    parameter int unsigned Beats       = 4,
    /// Bits of a channel.
    parameter int unsigned InWidth     = 16,
    /// Channels are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of the sum, two's complement.
    parameter int unsigned SumWidth    = 20,
    /// Bits of the sum of squares, unsigned.
    parameter int unsigned SquareWidth = 36
) (
    input  wire logic                     clk,
    input  wire logic                     rst,       ///< synchronous, active high
    input  wire logic                     enable,    ///< every register moves
    input  wire logic [Lanes*InWidth-1:0] s_data,
    input  wire logic                     s_valid,
    output      logic [SumWidth-1:0]      m_sum,
    output      logic [SquareWidth-1:0]   m_square,
    output      logic                     m_valid    ///< for one enabled cycle per token
);
  localparam int unsigned Levels = $clog2(Lanes);
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;

  // Level 0: channels and their squares. Level l: sums of pairs of level l - 1, one register per adder.
  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int unsigned Nodes = (Lanes + (1 << l) - 1) >> l;
    localparam int unsigned Wide = XWidth + l;
    localparam int unsigned Square = 2 * XWidth - 1 + l;
    logic signed [Wide-1:0] sum_q[Nodes], sum_d[Nodes];
    logic [Square-1:0] square_q[Nodes], square_d[Nodes];
    if (l == 0) begin : gen_channels
      always_comb begin
        for (int unsigned n = 0; n < Nodes; n++) begin
          logic signed [XWidth-1:0] x;
          x = InSigned ? XWidth'(signed'(s_data[n*InWidth+:InWidth])) : XWidth'(s_data[n*InWidth+:InWidth]);
          sum_d[n] = x;
          square_d[n] = unsigned'(Square'(x) * Square'(x));
        end
      end
    end else begin : gen_sums
      localparam int unsigned Below = (Lanes + (1 << (l - 1)) - 1) >> (l - 1);
      always_comb begin
        for (int unsigned n = 0; n < Nodes; n++) begin
          sum_d[n] = Wide'(gen_level[l-1].sum_q[2*n]);
          square_d[n] = Square'(gen_level[l-1].square_q[2*n]);
          if (2 * n + 1 < Below) begin
            sum_d[n] = sum_d[n] + Wide'(gen_level[l-1].sum_q[(2*n+1)%Below]);
            square_d[n] = square_d[n] + Square'(gen_level[l-1].square_q[(2*n+1)%Below]);
          end
        end
      end
    end
    always_ff @(posedge clk) begin
      if (enable) begin
        sum_q <= sum_d;
        square_q <= square_d;
      end
    end
  end

  logic [Levels:0] live_q;
  logic [BeatBits-1:0] beat_q;
  logic signed [SumWidth-1:0] total_q;
  logic [SquareWidth-1:0] squares_q;
  logic valid_q;
  wire logic live = live_q[Levels];
  wire logic first = beat_q == '0;
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  always_ff @(posedge clk) begin
    if (enable) begin
      live_q <= (Levels + 1)'({live_q, s_valid});
      if (live) begin
        total_q <= (first ? '0 : total_q) + SumWidth'(gen_level[Levels].sum_q[0]);
        squares_q <= (first ? '0 : squares_q) + SquareWidth'(gen_level[Levels].square_q[0]);
        beat_q <= final_beat ? '0 : beat_q + 1'b1;
      end
      valid_q <= live && final_beat;
    end
    if (rst) begin
      live_q <= '0;
      beat_q <= '0;
      valid_q <= 1'b0;
    end
  end
  assign m_sum = total_q;
  assign m_square = squares_q;
  assign m_valid = valid_q;
endmodule

`default_nettype wire
