// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Cuts beats from memory into sequences: in front of each stands its number of tokens, 32 bits in as many beats as they
/// need, low bits first. As many sequences leave as the run has, whatever the data say.
///
/// Where the data end too early, the sequence under way ends there and those that are missing are empty (a null beat with
/// `last`), so that `sequence_guard` behind it gives an account of every sequence. Data behind the final sequence are
/// thrown away. Both is a wrong length.
module sequence_unpack #(
    /// Bytes of a beat, a power of two.
    parameter int unsigned BeatBytes = 4,
    /// Beats of a token, 1 and up.
    parameter int unsigned Beats = 1,
    /// Bits of a tag, 1 and up.
    parameter int unsigned TagBits = 6
) (
    input  wire logic                   clk,
    input  wire logic                   rst,          ///< synchronous, active high
    input  wire logic                   start,        ///< a run begins
    input  wire logic [31:0]            sequences,    ///< of the run; steady until `done`
    input  wire logic                   no_data,      ///< with `start`: there is no beat at all
    output      logic                   done,         ///< every sequence has left and every beat was taken; steady
    output      logic                   wrong_length, ///< the data did not end with the final sequence; steady from `done` on
    input  wire logic [8*BeatBytes-1:0] s_data,
    input  wire logic                   s_ragged,     ///< the beat is not whole: it counts as missing
    input  wire logic                   s_valid,
    input  wire logic                   s_last,       ///< of all data of the run
    output      logic                   s_ready,
    output      logic [8*BeatBytes-1:0] m_data,
    output      logic                   m_keep,       ///< 0: a null beat, which only ends a sequence
    output      logic [TagBits-1:0]     m_tag,        ///< number of the sequence in the run
    output      logic                   m_valid,
    output      logic                   m_last,
    input  wire logic                   m_ready
);
  localparam int unsigned Heads = BeatBytes < 4 ? 4 / BeatBytes : 1;
  localparam int unsigned HeadBits = Heads > 1 ? $clog2(Heads) : 1;
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  `CHECK_PARAMETER(positive, Beats > 0 && TagBits > 0, "Beats and TagBits start at 1")

  typedef enum logic [2:0] {
    Idle,
    Head,
    Body,
    Null,
    Drain
  } state_e;
  state_e state_q;
  logic [31:0] count_q, tokens_q, tokens;
  logic [HeadBits-1:0] head_q;
  logic [BeatBits-1:0] beat_q;
  logic ended_q, wrong_q;

  wire logic final_head = head_q == HeadBits'(Heads - 1);
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  wire logic more = count_q != sequences;
  wire logic final_token = tokens_q == 32'd1;
  wire logic sound = s_valid && !s_ragged;
  wire logic step = m_valid && m_ready;
  wire logic take = s_valid && s_ready;

  if (Heads > 1) begin : gen_heads
    assign tokens = {s_data, tokens_q[31:8*BeatBytes]};
  end else begin : gen_head
    assign tokens = s_data[31:0];
  end

  assign done = state_q == Idle;
  assign wrong_length = wrong_q;
  assign m_data = m_keep ? s_data : '0;
  assign m_keep = state_q == Body;
  assign m_tag = TagBits'(count_q);
  assign m_valid = state_q == Null || (state_q == Body && sound && !ended_q);
  assign m_last = state_q == Null || (final_beat && final_token);

  always_comb begin
    s_ready = 1'b0;
    if (!ended_q) begin
      unique case (state_q)
        Head: s_ready = more;
        Drain: s_ready = 1'b1;
        Body: s_ready = m_ready || s_ragged;
        default: s_ready = 1'b0;
      endcase
    end
  end

  always_ff @(posedge clk) begin
    if (take && s_last) ended_q <= 1'b1;
    unique case (state_q)
      Idle:
      if (start) begin
        state_q <= Head;
        count_q <= '0;
        ended_q <= no_data;
        wrong_q <= 1'b0;
      end
      Head:
      if (!more) state_q <= Drain;
      else if (ended_q || (take && s_ragged)) begin
        wrong_q <= 1'b1;
        state_q <= Null;
      end else if (take) begin
        tokens_q <= tokens;
        head_q <= final_head ? '0 : head_q + 1'b1;
        if (final_head) state_q <= tokens == '0 ? Null : Body;
      end
      Body:
      if (ended_q || (take && s_ragged)) begin
        wrong_q <= 1'b1;
        state_q <= Null;
      end else if (step) begin
        beat_q <= final_beat ? '0 : beat_q + 1'b1;
        if (final_beat) tokens_q <= tokens_q - 1'b1;
      end
      Drain: begin
        if (take) wrong_q <= 1'b1;
        if (ended_q) state_q <= Idle;
      end
      default: ;
    endcase
    if (step && m_last) begin
      count_q <= count_q + 1'b1;
      head_q <= '0;
      beat_q <= '0;
      state_q <= Head;
    end
    if (rst) begin
      state_q <= Idle;
      head_q <= '0;
      beat_q <= '0;
      wrong_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_ragged, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_keep, m_tag, m_data})
endmodule

`default_nettype wire
