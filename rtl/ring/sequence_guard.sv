// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Entrance of a design: a sequence passes only when it has come completely and is right, so that no slow or broken
/// sender ever stalls what follows. A wrong one leaves no trace but one beat on `e_*`; no other sequence is lost.
///
/// A sequence is the beats up to `last`. Null beats (`s_keep` = 0) carry no data and may stand
/// anywhere, also at `last`.
/// Causes: 0 too long: more than MaxTokens tokens (reported at once; the rest is swallowed); 1 too short: fewer than
/// MinTokens whole tokens before `last`; 2 unfinished: the tag changed before `last` (the new beat begins the next
/// sequence); 3 ragged: `last` inside a token.
module sequence_guard #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width     = 16,
    /// Beats per token, 1 and up.
    parameter int unsigned Beats     = 1,
    /// Tokens of the shortest sequence, 1 and up.
    parameter int unsigned MinTokens = 1,
    /// Tokens of the longest sequence.
    parameter int unsigned MaxTokens = 8,
    /// Tokens held, at least MaxTokens.
    parameter int unsigned Depth     = 16,
    /// Bits of a tag, 1 and up.
    parameter int unsigned TagBits   = 8,
    /// Lengths, tags and errors held, 1 and up.
    parameter int unsigned Sequences = 4
) (
    input  wire logic                           clk,
    input  wire logic                           rst,      ///< synchronous, active high
    input  wire logic [Width-1:0]               s_data,
    input  wire logic                           s_keep,   ///< the beat has data; 0: a null beat
    input  wire logic [TagBits-1:0]             s_tag,    ///< the same on all beats of a sequence
    input  wire logic                           s_valid,
    input  wire logic                           s_last,
    output      logic                           s_ready,
    output      logic [Width-1:0]               m_data,   ///< right sequences
    output      logic                           m_valid,
    output      logic                           m_last,
    input  wire logic                           m_ready,
    output      logic [$clog2(MaxTokens+1)-1:0] n_data,   ///< tokens of each, not later than the first one
    output      logic                           n_valid,
    input  wire logic                           n_ready,
    output      logic [TagBits-1:0]             t_data,   ///< tag of each
    output      logic                           t_valid,
    input  wire logic                           t_ready,
    output      logic [TagBits+1:0]             e_data,   ///< of each wrong sequence: {cause, tag}
    output      logic                           e_valid,
    input  wire logic                           e_ready
);
  localparam int unsigned LengthBits = $clog2(MaxTokens + 1);
  localparam int unsigned WordBits = Beats > 1 ? $clog2(Beats) : 1;
  `CHECK_PARAMETER(positive, Beats > 0 && MaxTokens > 0 && TagBits > 0 && Sequences > 0, "parameters start at 1")
  `CHECK_PARAMETER(lengths, MinTokens > 0 && MinTokens <= MaxTokens, "MinTokens is 1 to MaxTokens")
  `CHECK_PARAMETER(depth, Depth >= MaxTokens, "the longest sequence must fit: Depth >= MaxTokens")

  typedef enum logic [1:0] {
    TooLong,
    TooShort,
    Unfinished,
    Ragged
  } cause_e;

  logic [Width-1:0] data;
  logic [TagBits-1:0] tag;
  logic valid, keep, last, take;
  stream_skid #(
      .Width(Width + TagBits + 1)
  ) u_skid (
      .clk,
      .rst,
      .s_data ({s_tag, s_keep, s_data}),
      .s_valid,
      .s_last,
      .s_ready,
      .m_data ({tag, keep, data}),
      .m_valid(valid),
      .m_last (last),
      .m_ready(take)
  );

  // The sequence under way: its tag, its whole tokens, the beats of the token that is not whole.
  logic open_q, reported_q;
  logic [TagBits-1:0] tag_q;
  logic [LengthBits-1:0] tokens_q;
  logic [WordBits-1:0] word_q;

  wire logic changed = open_q && tag != tag_q;
  wire logic token_end = keep && word_q == WordBits'(Beats - 1);
  wire logic whole = keep ? token_end : word_q == '0;
  wire logic sound = !reported_q && !changed;
  wire logic too_long = sound && keep && tokens_q == LengthBits'(MaxTokens);
  wire logic [LengthBits-1:0] tokens = tokens_q + LengthBits'(token_end);
  wire logic short_of = sound && last && whole && !too_long && tokens < LengthBits'(MinTokens);
  wire logic ragged = sound && last && !whole && !too_long;
  wire logic unfinished = !reported_q && changed;
  wire logic wrong = too_long || short_of || ragged || unfinished;
  wire logic store = sound && keep && !wrong;
  wire logic close = sound && last && !wrong;

  // A step happens when everything that it needs has room; a changed tag ends the old sequence in a step of its own.
  logic store_ready, close_ready, tag_ready, error_ready;
  wire logic room = (!store || store_ready) && (!close || (close_ready && tag_ready)) && (!wrong || error_ready);
  wire logic step = valid && room;
  assign take = room && !changed;

  always_ff @(posedge clk) begin
    if (step) begin
      if (changed || last) begin
        open_q <= 1'b0;
        reported_q <= 1'b0;
        tokens_q <= '0;
        word_q <= '0;
      end else begin
        open_q <= 1'b1;
        tag_q <= tag;
        if (wrong) reported_q <= 1'b1;
        if (store) begin
          word_q <= token_end ? '0 : word_q + 1'b1;
          if (token_end) tokens_q <= tokens_q + 1'b1;
        end
      end
    end
    if (rst) begin
      open_q <= 1'b0;
      reported_q <= 1'b0;
      tokens_q <= '0;
      word_q <= '0;
    end
  end

  sequence_buffer #(
      .Width(Width),
      .Beats(Beats),
      .Depth(Depth),
      .LengthBits(LengthBits),
      .Sequences(Sequences)
  ) u_buffer (
      .clk,
      .rst,
      .s_data (data),
      .s_valid(step && store),
      .s_ready(store_ready),
      .c_data (tokens),
      .c_valid(step && close),
      .c_ready(close_ready),
      .drop   (step && wrong),
      .n_data,
      .n_valid,
      .n_ready,
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );

  logic [1:0] unused_lasts;
  stream_fifo #(
      .Width(TagBits),
      .Depth(Sequences)
  ) u_tags (
      .clk,
      .rst,
      .s_data (tag),
      .s_valid(step && close),
      .s_last (1'b1),
      .s_ready(tag_ready),
      .m_data (t_data),
      .m_valid(t_valid),
      .m_last (unused_lasts[0]),
      .m_ready(t_ready)
  );

  cause_e cause;
  always_comb begin
    cause = TooLong;
    if (short_of) cause = TooShort;
    if (unfinished) cause = Unfinished;
    if (ragged) cause = Ragged;
  end

  stream_fifo #(
      .Width(2 + TagBits),
      .Depth(Sequences)
  ) u_errors (
      .clk,
      .rst,
      .s_data ({cause, changed ? tag_q : tag}),
      .s_valid(step && wrong),
      .s_last (1'b1),
      .s_ready(error_ready),
      .m_data (e_data),
      .m_valid(e_valid),
      .m_last (unused_lasts[1]),
      .m_ready(e_ready)
  );
endmodule

`default_nettype wire
