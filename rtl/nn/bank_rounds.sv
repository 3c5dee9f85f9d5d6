// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Turns one bank number per sequence into one per round of the stores: a round serves `Tokens` tokens, or what is
/// left at the end of a sequence. The token stream passes through; its first beat of a round waits for the bank.
module bank_rounds #(
    /// Bits of a beat.
    parameter int unsigned Width     = 8,
    /// Beats per token, 1 and up.
    parameter int unsigned Words     = 4,
    /// Tokens that share a round, 1 and up.
    parameter int unsigned Tokens    = 1,
    /// Banks; with one, nothing waits.
    parameter int unsigned Banks     = 2,
    /// Stores to serve.
    parameter int unsigned Consumers = 1,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                          clk,
    input  wire logic                          rst,      ///< synchronous, active high
    input  wire logic [Width-1:0]              s_data,
    input  wire logic                          s_valid,
    input  wire logic                          s_last,   ///< on the final beat of a sequence
    output      logic                          s_ready,
    output      logic [Width-1:0]              m_data,
    output      logic                          m_valid,
    output      logic                          m_last,
    input  wire logic                          m_ready,
    input  wire logic [BankBits-1:0]           b_data,   ///< bank of a sequence
    input  wire logic                          b_valid,
    output      logic                          b_ready,
    output      logic [Consumers*BankBits-1:0] r_data,   ///< bank of a round, for each store
    output      logic [Consumers-1:0]          r_valid,
    input  wire logic [Consumers-1:0]          r_ready
);
  /// Rounds that may be under way between the token stream and the slowest store.
  localparam int unsigned Ahead = 16;
  `CHECK_PARAMETER(positive, Words > 0 && Tokens > 0 && Consumers > 0, "Words, Tokens and Consumers start at 1")
  assign m_data = s_data;
  assign m_last = s_last;

  if (Banks == 1) begin : gen_one_bank
    assign m_valid = s_valid;
    assign s_ready = m_ready;
    assign b_ready = 1'b1;
    assign r_data  = '0;
    assign r_valid = '1;
    wire logic unused_bank = &{b_data, b_valid, r_ready, clk, rst};
  end else begin : gen_banks
    localparam int unsigned RoundBeats = Words * Tokens;
    localparam int unsigned BeatBits = RoundBeats > 1 ? $clog2(RoundBeats) : 1;
    logic [BeatBits-1:0] beat_q;
    logic [Consumers-1:0] room;
    wire logic first = beat_q == '0;
    wire logic open = !first || (b_valid && &room);
    wire logic fire = s_valid && m_ready && open;
    assign m_valid = s_valid && open;
    assign s_ready = m_ready && open;
    assign b_ready = fire && s_last;

    for (genvar c = 0; c < Consumers; c++) begin : gen_consumer
      logic unused_last;
      stream_fifo #(
          .Width(BankBits),
          .Depth(Ahead)
      ) u_fifo (
          .clk,
          .rst,
          .s_data (b_data),
          .s_valid(fire && first),
          .s_last (1'b0),
          .s_ready(room[c]),
          .m_data (r_data[c*BankBits+:BankBits]),
          .m_valid(r_valid[c]),
          .m_last (unused_last),
          .m_ready(r_ready[c])
      );
    end

    always_ff @(posedge clk) begin
      if (fire) beat_q <= s_last || beat_q == BeatBits'(RoundBeats - 1) ? '0 : beat_q + 1'b1;
      if (rst) beat_q <= '0;
    end
  end
endmodule

`default_nettype wire
