// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Top-k attention of one head at a time; a token is `Groups` beats, one head each, in and out.
///
///   memory -> issue -> selector -> top_k_sorter -> exact score -> softmax_weights -> weighted_mean
///
/// Each step works on one query of one head and hands it on whole, so several are under way at once. A query that sees n
/// keys takes max(ceil(n/Keys), min(n, Top), Dim/NormLanes) cycles. Constants come in one word per sequence and go with
/// it: {output shift, octave shift, scale, thresholds of queries, thresholds of keys}, the last in the low bits.
module attention_engine #(
    /// Beats per token.
    parameter int unsigned Groups         = 2,
    /// Channels of a head.
    parameter int unsigned Dim            = 4,
    /// Keys that the selector looks at per cycle, a power of two.
    parameter int unsigned Keys           = 2,
    /// Keys that are chosen, at most MaxTokens.
    parameter int unsigned Top            = 4,
    /// Bits of a selector code, 1 to 4.
    parameter int unsigned Bits           = 4,
    /// Query i sees keys 0 to i.
    parameter bit          Causal         = 1'b0,
    /// Tokens of the longest sequence.
    parameter int unsigned MaxTokens      = 8,
    /// Blocks of Keys token slots, 2 and up.
    parameter int unsigned Blocks         = 8,
    /// Channels normalised per cycle; divides Dim.
    parameter int unsigned NormLanes      = 1,
    /// Bits of a channel of a query, two's complement.
    parameter int unsigned QueryWidth     = 8,
    /// Bits of a channel of a key, two's complement.
    parameter int unsigned KeyWidth       = 8,
    /// Bits of a channel of a value, two's complement.
    parameter int unsigned ValueWidth     = 8,
    /// Bits of a threshold of queries, unsigned.
    parameter int unsigned QueryLimitWidth = 8,
    /// Bits of a threshold of keys, unsigned.
    parameter int unsigned KeyLimitWidth  = 8,
    /// Bits of the scale, unsigned; see softmax_weights for this and the next two.
    parameter int unsigned ScaleWidth     = 16,
    /// Least right shift of a scaled score, 1 and up.
    parameter int unsigned OctaveShiftMin = 8,
    /// Bits of the extra right shift; 0 for none.
    parameter int unsigned OctaveShiftBits = 0,
    /// Least right shift of a result behind 32, see weighted_mean.
    parameter int          ShiftMin       = 0,
    /// Bits of the extra right shift; 0 for none.
    parameter int unsigned ShiftBits      = 0,
    /// Bits of a channel of the result.
    parameter int unsigned OutWidth       = 8,
    /// Results are two's complement.
    parameter bit          OutSigned      = 1'b1,
    /// Large memories are UltraRAM, see slot_memory.
    parameter bit          Ultra          = 1'b0,
    /// Widths of the fields of the constants; not to be set.
    localparam int unsigned Levels        = (1 << (Bits - 1)) - 1,
    localparam int unsigned QueryLimitBits = Levels > 0 ? Levels * QueryLimitWidth : 1,
    localparam int unsigned KeyLimitBits  = Levels > 0 ? Levels * KeyLimitWidth : 1,
    localparam int unsigned OctavePort    = OctaveShiftBits > 0 ? OctaveShiftBits : 1,
    localparam int unsigned ShiftPort     = ShiftBits > 0 ? ShiftBits : 1,
    localparam int unsigned ConstantWidth = KeyLimitBits + QueryLimitBits + ScaleWidth + OctavePort + ShiftPort
) (
    input  wire logic                      clk,
    input  wire logic                      rst,         ///< synchronous, active high
    input  wire logic [Dim*QueryWidth-1:0] s_query,
    input  wire logic [Dim*KeyWidth-1:0]   s_key,
    input  wire logic [Dim*ValueWidth-1:0] s_value,
    input  wire logic [ConstantWidth-1:0]  s_constants, ///< stays during a sequence
    input  wire logic                      s_valid,
    input  wire logic                      s_last,
    output      logic                      s_ready,
    output      logic [Dim*OutWidth-1:0]   m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready
);
  localparam int unsigned BlockBits = $clog2(Blocks);
  localparam int unsigned SlotBits = BlockBits + $clog2(Keys);
  localparam int unsigned RowBits = $clog2(Groups * Blocks * Keys);
  localparam int unsigned CodeBits = $clog2(Groups * Blocks);
  localparam int unsigned TokenBits = $clog2(MaxTokens + 1);
  localparam int unsigned Most = Bits == 1 ? 1 : Bits == 2 ? 3 : Levels;
  localparam int unsigned LowWidth = $clog2(Dim * Most * Most + 1) + 1;
  localparam int unsigned ScoreWidth = QueryWidth + KeyWidth + $clog2(Dim);
  /// What the exact part needs: {output shift, octave shift, scale}.
  localparam int unsigned FactorWidth = ScaleWidth + OctavePort + ShiftPort;
  /// More queries than fit between selector and exact score.
  localparam int unsigned Waiting = 16;

  // Memory, and the reads of the selector.
  logic [QueryLimitBits+FactorWidth-1:0] n_user, i_user;
  logic [BlockBits-1:0] n_start, i_block;
  logic [TokenBits-1:0] n_tokens;
  logic n_valid, n_ready, release_q;
  logic [Keys-1:0] i_keep;
  logic [RowBits-1:0] i_base, i_query_row, e_row, x_row;
  logic [CodeBits-1:0] i_codes_row;
  logic i_first, i_last, i_final, i_valid, read_ready, e_read, x_read;
  logic [Dim*QueryWidth-1:0] query_data;
  logic [Keys*Bits*Dim-1:0] codes_data;
  logic [Dim*KeyWidth-1:0] key_data;
  logic [Dim*ValueWidth-1:0] value_data;

  attention_memory #(
      .Groups(Groups), .Dim(Dim), .Keys(Keys), .Blocks(Blocks), .MaxTokens(MaxTokens), .Bits(Bits),
      .QueryWidth(QueryWidth), .KeyWidth(KeyWidth), .ValueWidth(ValueWidth), .LimitWidth(KeyLimitWidth),
      .UserWidth(QueryLimitBits + FactorWidth), .Ultra(Ultra)
  ) u_memory (
      .clk, .rst, .s_query, .s_key, .s_value, .s_limits(s_constants[KeyLimitBits-1:0]),
      .s_user(s_constants[ConstantWidth-1:KeyLimitBits]), .s_valid, .s_last, .s_ready, .n_user, .n_start, .n_tokens,
      .n_valid, .n_ready, .release_oldest(release_q), .query_enable(i_valid && read_ready && i_first),
      .query_row(i_query_row), .query_data, .codes_enable(i_valid && read_ready), .codes_row(i_codes_row), .codes_data,
      .key_enable(e_read), .key_row(e_row), .key_data, .value_enable(x_read), .value_row(x_row), .value_data
  );

  attention_issue #(
      .Groups(Groups), .Keys(Keys), .Blocks(Blocks), .MaxTokens(MaxTokens), .Causal(Causal),
      .UserWidth(QueryLimitBits + FactorWidth)
  ) u_issue (
      .clk, .rst, .s_user(n_user), .s_start(n_start), .s_tokens(n_tokens), .s_valid(n_valid), .s_ready(n_ready),
      .m_user(i_user), .m_block(i_block), .m_keep(i_keep), .m_base(i_base), .m_query_row(i_query_row),
      .m_codes_row(i_codes_row), .m_first(i_first), .m_last(i_last), .m_final(i_final), .m_valid(i_valid),
      .m_ready(read_ready)
  );

  // Beside the data that were read.
  logic [QueryLimitBits-1:0] limits_q;
  logic [FactorWidth-1:0] read_factors_q;
  logic [BlockBits-1:0] block_q;
  logic [Keys-1:0] keep_q;
  logic [RowBits-1:0] base_q;
  logic read_valid_q, read_first_q, read_last_q, read_final_q, select_ready;
  assign read_ready = select_ready || !read_valid_q;
  always_ff @(posedge clk) begin
    if (read_ready) begin
      {read_factors_q, limits_q} <= i_user;
      block_q <= i_block;
      keep_q <= i_keep;
      base_q <= i_base;
      read_valid_q <= i_valid;
      read_first_q <= i_first;
      read_last_q <= i_last;
      read_final_q <= i_final;
    end
    if (rst) read_valid_q <= 1'b0;
  end

  // Select: low-bit scores, best keys.
  logic [Keys*LowWidth-1:0] low;
  logic [Keys-1:0] low_keep;
  logic [BlockBits-1:0] low_block;
  logic low_valid, low_last, low_ready;
  selector #(
      .Keys(Keys), .Dim(Dim), .Bits(Bits), .QueryWidth(QueryWidth), .LimitWidth(QueryLimitWidth),
      .UserWidth(Keys + BlockBits)
  ) u_selector (
      .clk, .rst, .s_query(query_data), .s_limits(limits_q), .s_keys(codes_data), .s_user({block_q, keep_q}),
      .s_valid(read_valid_q), .s_last(read_last_q), .s_ready(select_ready), .m_data(low),
      .m_user({low_block, low_keep}), .m_valid(low_valid), .m_last(low_last), .m_ready(low_ready)
  );

  logic [SlotBits-1:0] best_slot, chosen_slot;
  logic best_empty, best_valid, best_last, best_ready, chosen_empty, chosen_valid, chosen_last, chosen_ready;
  top_k_sorter #(
      .Keys(Keys), .Top(Top), .ScoreWidth(LowWidth), .BaseWidth(BlockBits)
  ) u_sorter (
      .clk, .rst, .s_data(low), .s_keep(low_keep), .s_base(low_block), .s_valid(low_valid), .s_last(low_last),
      .s_ready(low_ready), .m_data(best_slot), .m_empty(best_empty), .m_valid(best_valid), .m_last(best_last),
      .m_ready(best_ready)
  );
  stream_skid #(.Width(SlotBits + 1)) u_chosen (
      .clk, .rst, .s_data({best_empty, best_slot}), .s_valid(best_valid), .s_last(best_last), .s_ready(best_ready),
      .m_data({chosen_empty, chosen_slot}), .m_valid(chosen_valid), .m_last(chosen_last), .m_ready(chosen_ready)
  );

  // What the exact part needs of a query waits here until its keys are chosen.
  logic [Dim*QueryWidth-1:0] wait_query, query_q;
  logic [FactorWidth-1:0] wait_factors, factors_q;
  logic [RowBits-1:0] wait_base;
  logic wait_final, wait_valid, wait_ready, unused_wait_last;
  stream_fifo #(
      .Width(Dim * QueryWidth + FactorWidth + RowBits + 1), .Depth(Waiting)
  ) u_waiting (
      .clk, .rst, .s_data({query_data, read_factors_q, base_q, read_final_q}),
      .s_valid(read_valid_q && read_first_q && select_ready), .s_last(1'b0), .s_ready(wait_ready),
      .m_data({wait_query, wait_factors, wait_base, wait_final}), .m_valid(wait_valid), .m_last(unused_wait_last),
      .m_ready(chosen_valid && chosen_last && chosen_ready)
  );

  // Exact score of one chosen key per cycle.
  logic [RowBits-1:0] exact_row_q;
  logic exact_valid_q, exact_last_q, exact_empty_q, exact_final_q, exact_ready, exact_key_ready;
  assign chosen_ready = exact_ready || !exact_valid_q;
  assign e_read = chosen_valid && chosen_ready;
  assign e_row  = wait_base + RowBits'(chosen_slot);
  always_ff @(posedge clk) begin
    if (chosen_ready) begin
      exact_valid_q <= chosen_valid;
      exact_last_q <= chosen_last;
      exact_empty_q <= chosen_empty;
      exact_row_q <= e_row;
      if (chosen_valid) begin
        query_q <= wait_query;
        factors_q <= wait_factors;
        exact_final_q <= wait_final;
      end
    end
    if (rst) exact_valid_q <= 1'b0;
  end

  localparam int unsigned PassWidth = ShiftPort + 1 + RowBits;
  logic [ScoreWidth-1:0] score;
  logic [FactorWidth-1:0] score_factors;
  logic [RowBits-1:0] score_row;
  logic score_valid, score_last, score_empty, score_final, score_ready;
  matrix #(
      .In(Dim), .Simd(Dim), .Pe(1), .Tokens(1), .InWidth(QueryWidth), .InSigned(1'b1), .WeightWidth(KeyWidth),
      .Pair(1'b0), .AccWidth(ScoreWidth), .UserWidth(FactorWidth + RowBits + 3)
  ) u_exact (
      .clk, .rst, .s_data(query_q), .s_user({factors_q, exact_row_q, exact_final_q, exact_empty_q, exact_last_q}),
      .s_final(1'b0), .s_valid(exact_valid_q), .s_ready(exact_ready), .w_data(key_data), .w_valid(exact_valid_q),
      .w_ready(exact_key_ready), .m_data(score),
      .m_user({score_factors, score_row, score_final, score_empty, score_last}), .m_valid(score_valid),
      .m_ready(score_ready)
  );
  wire logic unused_key_ready = exact_key_ready;

  logic [16:0] weight;
  logic [ShiftPort-1:0] weight_shift;
  logic weight_final, weight_valid, weight_last, weight_ready;
  softmax_weights #(
      .Top(Top), .ScoreWidth(ScoreWidth), .ScaleWidth(ScaleWidth), .ShiftMin(OctaveShiftMin),
      .ShiftBits(OctaveShiftBits), .UserWidth(PassWidth)
  ) u_weights (
      .clk, .rst, .s_data(score), .s_empty(score_empty),
      .s_user({score_factors[FactorWidth-1-:ShiftPort], score_final, score_row}),
      .s_scale(score_factors[ScaleWidth-1:0]), .s_shift(score_factors[ScaleWidth+:OctavePort]), .s_valid(score_valid),
      .s_last(score_last), .s_ready(score_ready), .m_data(weight), .m_user({weight_shift, weight_final, x_row}),
      .m_valid(weight_valid), .m_last(weight_last), .m_ready(weight_ready)
  );

  // The value row of the weight; with the last one of a sequence its slots are free.
  logic [16:0] mean_weight_q;
  logic [ShiftPort-1:0] mean_shift_q;
  logic mean_valid_q, mean_last_q, mean_final_q, mean_ready;
  assign weight_ready = mean_ready || !mean_valid_q;
  assign x_read = weight_valid && weight_ready;
  always_ff @(posedge clk) begin
    if (weight_ready) begin
      mean_valid_q <= weight_valid;
      mean_weight_q <= weight;
      mean_shift_q <= weight_shift;
      mean_last_q <= weight_last;
      mean_final_q <= weight_final;
    end
    release_q <= x_read && weight_last && weight_final;
    if (rst) begin
      mean_valid_q <= 1'b0;
      release_q <= 1'b0;
    end
  end

  weighted_mean #(
      .Dim(Dim), .NormLanes(NormLanes), .Top(Top), .ValueWidth(ValueWidth), .ShiftMin(ShiftMin),
      .ShiftBits(ShiftBits), .OutWidth(OutWidth), .OutSigned(OutSigned)
  ) u_mean (
      .clk, .rst, .s_data(value_data), .s_weight(mean_weight_q), .s_shift(mean_shift_q), .s_final(mean_final_q),
      .s_valid(mean_valid_q), .s_last(mean_last_q), .s_ready(mean_ready), .m_data, .m_valid, .m_last, .m_ready
  );

  `CHECK_NEVER(waiting_full, read_valid_q && read_first_q && select_ready && !wait_ready, "too many queries wait")
  `CHECK_NEVER(waiting_late, chosen_valid && !wait_valid, "keys were chosen before their query came")
endmodule

`default_nettype wire
