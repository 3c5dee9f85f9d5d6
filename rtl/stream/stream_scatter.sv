// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// The way back from `stream_replay`: beats that carry `Tokens` results side by side become one token after another.
/// Two banks alternate, so results arrive while the previous group leaves.
module stream_scatter #(
    /// Bits of one token's part of a beat, 1 and up.
    parameter int unsigned Width  = 8,
    /// Beats per token, 1 and up.
    parameter int unsigned Words  = 4,
    /// Tokens side by side, 1 and up.
    parameter int unsigned Tokens = 2
) (
    input  wire logic                        clk,
    input  wire logic                        rst,      ///< synchronous, active high
    input  wire logic [Tokens*Width-1:0]     s_data,   ///< token t in element t
    input  wire logic [$clog2(Tokens+1)-1:0] s_count,  ///< tokens present, 1 to Tokens
    input  wire logic                        s_valid,
    input  wire logic                        s_last,   ///< on the final beat of the final group
    output      logic                        s_ready,
    output      logic [Width-1:0]            m_data,
    output      logic                        m_valid,
    output      logic                        m_last,
    input  wire logic                        m_ready
);
  localparam int unsigned WordBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned TokenBits = Tokens > 1 ? $clog2(Tokens) : 1;
  localparam int unsigned CountBits = $clog2(Tokens + 1);
  localparam int unsigned AddressBits = $clog2(2 * Words);
  localparam logic [AddressBits-1:0] Bank1 = AddressBits'(Words);
  `CHECK_PARAMETER(positive, Words > 0 && Tokens > 0, "Words and Tokens start at 1")

  logic [Tokens-1:0][Width-1:0] read;
  logic [1:0] full_q, last_q;
  logic [1:0][CountBits-1:0] count_q;

  logic to_q;
  logic [WordBits-1:0] write_word_q;
  wire logic push = s_valid && s_ready;
  wire logic close = push && write_word_q == WordBits'(Words - 1);
  wire logic [AddressBits-1:0] write_address = (to_q ? Bank1 : '0) + AddressBits'(write_word_q);
  assign s_ready = !full_q[to_q];

  logic from_q, valid_q, out_last_q;
  logic [WordBits-1:0] read_word_q;
  logic [TokenBits-1:0] token_q;
  logic [Width-1:0] out_q;
  wire logic advance = m_ready || !valid_q;
  wire logic pop = full_q[from_q] && advance;
  wire logic token_end = read_word_q == WordBits'(Words - 1);
  wire logic final_token = CountBits'(token_q) + 1'b1 == count_q[from_q];
  wire logic release_bank = pop && token_end && final_token;
  wire logic [AddressBits-1:0] read_address = (from_q ? Bank1 : '0) + AddressBits'(read_word_q);

  assign m_valid = valid_q;
  assign m_data  = out_q;
  assign m_last  = out_last_q;

  for (genvar t = 0; t < Tokens; t++) begin : gen_token
    logic [Width-1:0] memory[2*Words];
    always_ff @(posedge clk) if (push) memory[write_address] <= s_data[t*Width+:Width];
    assign read[t] = memory[read_address];
  end

  always_ff @(posedge clk) begin
    if (push) write_word_q <= close ? '0 : write_word_q + 1'b1;
    if (close) begin
      to_q <= !to_q;
      full_q[to_q] <= 1'b1;
      last_q[to_q] <= s_last;
      count_q[to_q] <= s_count;
    end
    if (advance) begin
      valid_q <= full_q[from_q];
      out_q <= read[token_q];
      out_last_q <= last_q[from_q] && token_end && final_token;
    end
    if (pop) begin
      read_word_q <= token_end ? '0 : read_word_q + 1'b1;
      if (token_end) token_q <= final_token ? '0 : token_q + 1'b1;
    end
    if (release_bank) begin
      from_q <= !from_q;
      full_q[from_q] <= 1'b0;
    end
    if (rst) begin
      to_q <= 1'b0;
      from_q <= 1'b0;
      full_q <= '0;
      valid_q <= 1'b0;
      write_word_q <= '0;
      read_word_q <= '0;
      token_q <= '0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_count, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
