// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Gathers up to `Tokens` vectors of `Words` beats side by side and sends them `Times` times.
/// Two banks alternate, so the next group arrives while the present one is replayed: no bubble as long as
/// `Tokens <= Times`. A group closes early at `last`; `m_count` says how many vectors it holds.
module stream_replay #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width  = 8,
    /// Beats per vector, 1 and up.
    parameter int unsigned Words  = 4,
    /// Passes over a vector, 1 and up.
    parameter int unsigned Times  = 2,
    /// Vectors side by side, 1 and up.
    parameter int unsigned Tokens = 1
) (
    input  wire logic                        clk,
    input  wire logic                        rst,      ///< synchronous, active high
    input  wire logic [Width-1:0]            s_data,
    input  wire logic                        s_valid,
    input  wire logic                        s_last,   ///< on the final beat of a sequence
    output      logic                        s_ready,
    output      logic [Tokens*Width-1:0]     m_data,   ///< vector t in element t
    output      logic [$clog2(Tokens+1)-1:0] m_count,  ///< vectors in this group, 1 to Tokens
    output      logic                        m_valid,
    output      logic                        m_last,   ///< on the final beat of the final pass of a sequence
    input  wire logic                        m_ready
);
  localparam int unsigned WordBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned TimeBits = Times > 1 ? $clog2(Times) : 1;
  localparam int unsigned CountBits = $clog2(Tokens + 1);
  localparam int unsigned AddressBits = $clog2(2 * Words);
  localparam logic [AddressBits-1:0] Bank1 = AddressBits'(Words);
  `CHECK_PARAMETER(positive, Words > 0 && Times > 0 && Tokens > 0, "Words, Times and Tokens start at 1")

  logic [Tokens-1:0][Width-1:0] read;
  logic [1:0] full_q, last_q;
  logic [1:0][CountBits-1:0] count_q;

  // Write side: fills bank `to_q`, vector after vector.
  logic to_q;
  logic [WordBits-1:0] write_word_q;
  logic [CountBits-1:0] token_q;
  wire logic push = s_valid && s_ready;
  wire logic vector_end = write_word_q == WordBits'(Words - 1);
  wire logic close = push && vector_end && (s_last || token_q == CountBits'(Tokens - 1));
  wire logic [AddressBits-1:0] write_address = (to_q ? Bank1 : '0) + AddressBits'(write_word_q);
  assign s_ready = !full_q[to_q];

  // Read side: replays bank `from_q` into the output register.
  logic from_q, valid_q, out_last_q;
  logic [WordBits-1:0] read_word_q;
  logic [TimeBits-1:0] pass_q;
  logic [CountBits-1:0] out_count_q;
  logic [Tokens*Width-1:0] out_q;
  wire logic advance = m_ready || !valid_q;
  wire logic pop = full_q[from_q] && advance;
  wire logic pass_end = read_word_q == WordBits'(Words - 1);
  wire logic release_bank = pop && pass_end && pass_q == TimeBits'(Times - 1);
  wire logic [AddressBits-1:0] read_address = (from_q ? Bank1 : '0) + AddressBits'(read_word_q);

  assign m_valid = valid_q;
  assign m_data = out_q;
  assign m_count = out_count_q;
  assign m_last = out_last_q;

  for (genvar t = 0; t < Tokens; t++) begin : gen_vector
    logic [Width-1:0] memory[2*Words];
    always_ff @(posedge clk) begin
      if (push && token_q == CountBits'(t)) memory[write_address] <= s_data;
    end
    assign read[t] = memory[read_address];
  end

  always_ff @(posedge clk) begin
    if (push) begin
      write_word_q <= vector_end ? '0 : write_word_q + 1'b1;
      if (vector_end) token_q <= close ? '0 : token_q + 1'b1;
    end
    if (close) begin
      to_q <= !to_q;
      full_q[to_q] <= 1'b1;
      last_q[to_q] <= s_last;
      count_q[to_q] <= token_q + 1'b1;
    end
    if (advance) begin
      valid_q <= full_q[from_q];
      out_q <= read;
      out_count_q <= count_q[from_q];
      out_last_q <= last_q[from_q] && pass_end && pass_q == TimeBits'(Times - 1);
    end
    if (pop) begin
      read_word_q <= pass_end ? '0 : read_word_q + 1'b1;
      if (pass_end) pass_q <= release_bank ? '0 : pass_q + 1'b1;
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
      token_q <= '0;
      read_word_q <= '0;
      pass_q <= '0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_count, m_data})
endmodule

`default_nettype wire
