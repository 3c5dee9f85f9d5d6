// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sum of every token's channels. A pipeline of `2 + ceil(log2(Lanes))` steps behind the token's final beat, without a
/// handshake of its own.
module token_sum #(
    /// Channels per beat.
    parameter int unsigned Lanes    = 4,
    /// Beats per token.
    parameter int unsigned Beats    = 4,
    /// Bits of a channel.
    parameter int unsigned InWidth  = 16,
    /// Channels are two's complement.
    parameter bit          InSigned = 1'b1,
    /// Bits of the sum, two's complement for such channels; for others it may have a sign bit too.
    parameter int unsigned SumWidth = 20
) (
    input  wire logic                     clk,
    input  wire logic                     rst,      ///< synchronous, active high
    input  wire logic                     enable,   ///< every register moves
    input  wire logic [Lanes*InWidth-1:0] s_data,
    input  wire logic                     s_valid,
    output      logic [SumWidth-1:0]      m_sum,
    output      logic                     m_valid   ///< for one enabled cycle per token
);
  localparam int unsigned Levels = $clog2(Lanes);
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;

  // Level 0: channels. Level l: sums of pairs of level l - 1, one register per adder.
  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int unsigned Nodes = (Lanes + (1 << l) - 1) >> l;
    localparam int unsigned Wide = InWidth + l;
    logic [Wide-1:0] sum_q[Nodes], sum_d[Nodes];
    if (l == 0) begin : gen_channels
      always_comb for (int unsigned n = 0; n < Nodes; n++) sum_d[n] = s_data[n*InWidth+:InWidth];
    end else begin : gen_sums
      localparam int unsigned Below = (Lanes + (1 << (l - 1)) - 1) >> (l - 1);
      function automatic logic [Wide-1:0] extended(input logic [Wide-2:0] value);
        extended = InSigned ? Wide'(signed'(value)) : Wide'(value);
      endfunction
      always_comb begin
        for (int unsigned n = 0; n < Nodes; n++) begin
          sum_d[n] = extended(gen_level[l-1].sum_q[2*n]);
          if (2 * n + 1 < Below) sum_d[n] = sum_d[n] + extended(gen_level[l-1].sum_q[(2*n+1)%Below]);
        end
      end
    end
    always_ff @(posedge clk) if (enable) sum_q <= sum_d;
  end

  logic [Levels:0] live_q;
  logic [BeatBits-1:0] beat_q;
  logic [SumWidth-1:0] total_q;
  logic valid_q;
  wire logic live = live_q[Levels];
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  wire logic [InWidth+Levels-1:0] beat = gen_level[Levels].sum_q[0];
  // More lanes than a power of two leave no use for the topmost bit.
  wire logic unused_top = beat[InWidth+Levels-1];
  always_ff @(posedge clk) begin
    if (enable) begin
      live_q <= (Levels + 1)'({live_q, s_valid});
      if (live) begin
        total_q <= (beat_q == '0 ? '0 : total_q) + (InSigned ? SumWidth'(signed'(beat)) : SumWidth'(beat));
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
  assign m_valid = valid_q;
endmodule

`default_nettype wire
