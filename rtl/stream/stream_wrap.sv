// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sends a sequence from token `Skip` on, and then its first `Head` tokens once more, going round as often as needed:
/// `y[t] = x[(t + Skip) mod n]` for n - Skip + Head tokens. Only the head is kept, so a sequence may have any length.
/// One beat per cycle, without a gap before the head; `s_ready` depends on `m_ready`: put a register slice before it.
module stream_wrap #(
    /// Bits of a beat.
    parameter int unsigned Width  = 8,
    /// Beats per token.
    parameter int unsigned Chunks = 1,
    /// Tokens left out in front; at most Head, and at most those of the shortest sequence.
    parameter int unsigned Skip   = 0,
    /// Tokens sent after the sequence, 1 and up.
    parameter int unsigned Head   = 2
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_valid,
    input  wire logic             s_last,
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,
    input  wire logic             m_ready
);
  localparam int unsigned HeadBeats = Head * Chunks;
  localparam int unsigned SkipBeats = Skip * Chunks;
  localparam int unsigned CountBits = $clog2(HeadBeats + 1);
  localparam int unsigned AddressBits = HeadBeats > 1 ? $clog2(HeadBeats) : 1;
  `CHECK_PARAMETER(head_positive, Head > 0 && Skip <= Head, "Head is at least 1 and at least Skip")

  logic [Width-1:0] memory[HeadBeats];
  logic [Width-1:0] passed_q, kept_q;
  logic valid_q, last_q, replays_q;            // of the output register
  logic replay_q;                              // the sequence has ended, its head goes out again
  logic [CountBits-1:0] count_q, left_q;       // beats kept of this sequence; beats of the head still to send
  logic [AddressBits-1:0] read_q;

  wire logic enable = m_ready || !valid_q;
  wire logic keep = count_q != CountBits'(HeadBeats);
  wire logic skip = 32'(count_q) + 1 <= SkipBeats;
  wire logic take = s_valid && s_ready;
  wire logic final_beat = left_q == CountBits'(1);
  assign s_ready = !replay_q && (enable || skip);
  assign m_data  = replays_q ? kept_q : passed_q;
  assign m_valid = valid_q;
  assign m_last  = last_q;

  always_ff @(posedge clk) begin
    if (enable) begin
      passed_q <= s_data;
      kept_q <= memory[read_q];
      replays_q <= replay_q;
      last_q <= replay_q && final_beat;
      valid_q <= replay_q || (take && !skip);
    end
    if (take) begin
      if (keep) memory[AddressBits'(count_q)] <= s_data;
      if (keep) count_q <= count_q + 1'b1;
      replay_q <= s_last;
    end
    if (replay_q && enable) begin
      // A sequence that is shorter than the head goes round.
      read_q <= CountBits'(read_q) + 1'b1 == count_q || final_beat ? '0 : read_q + 1'b1;
      left_q <= final_beat ? CountBits'(HeadBeats) : left_q - 1'b1;
      if (final_beat) begin
        replay_q <= 1'b0;
        count_q <= '0;
      end
    end
    if (rst) begin
      valid_q <= 1'b0;
      replay_q <= 1'b0;
      count_q <= '0;
      left_q <= CountBits'(HeadBeats);
      read_q <= '0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(too_short, take && s_last && 32'(count_q) + 2 <= SkipBeats, "the sequence is shorter than Skip")
endmodule

`default_nettype wire
