// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// One token per sequence: per head the mean of its values over the tokens, weighted by the softmax of its scores,
/// `y[c] = sat(sum of e[t] * v[t, c] / sum of e[t])` with `e[t] = 2**-((max s - s[t]) * scale)`, see softmax_weights
/// and weighted_mean. Channels are head-major; a beat of values is part of a head, or several whole heads. Two memories
/// keep whole sequences in turn. They are read once for every beat of the result: n tokens take n * beats cycles.
module softmax_pool #(
    /// Heads.
    parameter int unsigned Heads       = 2,
    /// Channels of a head.
    parameter int unsigned Dim         = 4,
    /// Channels of values per beat; divides Dim, or is a multiple of it that divides Heads * Dim.
    parameter int unsigned Lanes       = 2,
    /// Tokens of the longest sequence.
    parameter int unsigned MaxTokens   = 8,
    /// Bits of a score.
    parameter int unsigned ScoreWidth  = 8,
    /// Scores are two's complement.
    parameter bit          ScoreSigned = 1'b1,
    /// Octaves per step of the score, times 2**(OctaveShift + 12).
    parameter int unsigned Scale       = 47274,
    /// Right shift behind Scale, 1 and up.
    parameter int unsigned OctaveShift = 7,
    /// Bits of a value.
    parameter int unsigned ValueWidth  = 8,
    /// Values are two's complement.
    parameter bit          ValueSigned = 1'b1,
    /// Right shift from the values' to the output's binary point, above -32; negative shifts left.
    parameter int          Shift       = 0,
    /// Bits of an output channel.
    parameter int unsigned OutWidth    = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Heads per beat; not to be set.
    localparam int unsigned Engines    = Lanes > Dim ? Lanes / Dim : 1
) (
    input  wire logic                          clk,
    input  wire logic                          rst,      ///< synchronous, active high
    input  wire logic [Engines*ScoreWidth-1:0] s0_data,  ///< scores
    input  wire logic                          s0_valid,
    input  wire logic                          s0_last,
    output      logic                          s0_ready,
    input  wire logic [Lanes*ValueWidth-1:0]   s1_data,  ///< values
    input  wire logic                          s1_valid,
    input  wire logic                          s1_last,
    output      logic                          s1_ready,
    output      logic [Lanes*OutWidth-1:0]     m_data,
    output      logic                          m_valid,
    output      logic                          m_last,
    input  wire logic                          m_ready
);
  /// Channels of a head in a beat, beats of a head, beats of a token.
  localparam int unsigned Part = Lanes / Engines;
  localparam int unsigned Parts = Dim / Part;
  localparam int unsigned Beats = Heads * Dim / Lanes;
  localparam int unsigned Words = MaxTokens * Beats;
  localparam int unsigned AddressBits = $clog2(2 * Words);
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1;
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam logic [AddressBits-1:0] Bank1 = AddressBits'(Words);
  /// Inside everything is two's complement.
  localparam int unsigned ScoreBits = ScoreWidth + (ScoreSigned ? 0 : 1);
  localparam int unsigned ValueBits = ValueWidth + (ValueSigned ? 0 : 1);
  localparam int unsigned ScaleWidth = Scale > 1 ? $clog2(Scale + 1) : 1;
  `CHECK_PARAMETER(lanes_divide, Heads * Dim % Lanes == 0 && (Dim % Lanes == 0 || Lanes % Dim == 0),
                   "Lanes must divide a head, or be whole heads that divide a token")

  // Write side: a score is taken with the last beat of its head. A bank is busy until its last beat has been read.
  logic to_q;
  logic [1:0] busy_q;
  logic [PartBits-1:0] part_q;
  logic [AddressBits-1:0] write_q;
  wire logic head_end = part_q == PartBits'(Parts - 1);
  wire logic take = s1_valid && s1_ready;
  assign s1_ready = !busy_q[to_q] && (s0_valid || !head_end);
  assign s0_ready = !busy_q[to_q] && s1_valid && head_end;

  // Read side, behind the weights: every beat of the tokens in turn.
  logic from_q;
  logic [BeatBits-1:0] beat_q;
  logic [AddressBits-1:0] read_q, start_q;
  logic weight_ready;
  logic [Engines-1:0] weight_valid, weight_last, score_ready;
  logic [Engines-1:0][16:0] weight;
  wire logic read = weight_valid[0] && weight_ready;
  wire logic token_end = beat_q == BeatBits'(Beats - 1);
  wire logic release_bank = read && weight_last[0] && token_end;

  always_ff @(posedge clk) begin
    if (take) begin
      part_q <= head_end ? '0 : part_q + 1'b1;
      write_q <= !s1_last ? write_q + 1'b1 : to_q ? '0 : Bank1;
      if (s1_last) begin
        busy_q[to_q] <= 1'b1;
        to_q <= !to_q;
      end
    end
    if (read) begin
      read_q <= read_q + AddressBits'(Beats);
      if (weight_last[0]) begin
        beat_q <= token_end ? '0 : beat_q + 1'b1;
        read_q <= start_q + 1'b1;
        start_q <= start_q + 1'b1;
      end
      if (release_bank) begin
        read_q <= from_q ? '0 : Bank1;
        start_q <= from_q ? '0 : Bank1;
        busy_q[from_q] <= 1'b0;
        from_q <= !from_q;
      end
    end
    if (rst) begin
      to_q <= 1'b0;
      from_q <= 1'b0;
      busy_q <= '0;
      part_q <= '0;
      write_q <= '0;
      read_q <= '0;
      start_q <= '0;
      beat_q <= '0;
    end
  end

  logic [Lanes*ValueWidth-1:0] value;
  slot_memory #(.Rows(2 * Words), .Width(Lanes * ValueWidth)) u_values (
      .clk, .write(take), .write_row(write_q), .write_data(s1_data), .read, .read_row(read_q), .read_data(value)
  );

  logic [Engines-1:0][16:0] mean_weight_q;
  logic mean_valid_q, mean_last_q, mean_final_q;
  logic [Engines-1:0] mean_ready, mean_valid, mean_last;
  assign weight_ready = mean_ready[0] || !mean_valid_q;
  assign m_valid = mean_valid[0];
  assign m_last = mean_last[0];
  always_ff @(posedge clk) begin
    if (weight_ready) begin
      mean_valid_q <= weight_valid[0];
      mean_weight_q <= weight;
      mean_last_q <= weight_last[0];
      mean_final_q <= token_end;
    end
    if (rst) mean_valid_q <= 1'b0;
  end

  // The engines work in step, so the first one speaks for all.
  for (genvar e = 0; e < Engines; e++) begin : gen_engine
    wire logic [ScoreWidth-1:0] one_score = s0_data[e*ScoreWidth+:ScoreWidth];
    wire logic [ScoreBits-1:0] score = ScoreSigned ? ScoreBits'(signed'(one_score)) : ScoreBits'(one_score);
    wire logic [Part*ValueBits-1:0] values;
    logic unused_user;
    for (genvar c = 0; c < Part; c++) begin : gen_channel
      wire logic [ValueWidth-1:0] one = value[(e*Part+c)*ValueWidth+:ValueWidth];
      assign values[c*ValueBits+:ValueBits] = ValueSigned ? ValueBits'(signed'(one)) : ValueBits'(one);
    end
    softmax_weights #(
        .Top(MaxTokens), .Rows(Heads / Engines), .Times(Parts), .ScoreWidth(ScoreBits), .ScaleWidth(ScaleWidth),
        .ShiftMin(OctaveShift)
    ) u_weights (
        .clk, .rst, .s_data(score), .s_empty(1'b0), .s_user(1'b0), .s_scale(ScaleWidth'(Scale)), .s_shift(1'b0),
        .s_valid(s0_valid && s0_ready), .s_last(s0_last), .s_ready(score_ready[e]), .m_data(weight[e]),
        .m_user(unused_user), .m_valid(weight_valid[e]), .m_last(weight_last[e]), .m_ready(weight_ready)
    );
    weighted_mean #(
        .Dim(Part), .NormLanes(Part), .Top(MaxTokens), .ValueWidth(ValueBits), .ShiftMin(Shift), .OutWidth(OutWidth),
        .OutSigned(OutSigned)
    ) u_mean (
        .clk, .rst, .s_data(values), .s_weight(mean_weight_q[e]), .s_shift(1'b0), .s_final(mean_final_q),
        .s_valid(mean_valid_q), .s_last(mean_last_q), .s_ready(mean_ready[e]),
        .m_data(m_data[e*Part*OutWidth+:Part*OutWidth]), .m_valid(mean_valid[e]), .m_last(mean_last[e]), .m_ready
    );
  end

  `CHECK_STABLE(s0_stable, s0_valid, s0_ready, {s0_last, s0_data})
  `CHECK_STABLE(s1_stable, s1_valid, s1_ready, {s1_last, s1_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(last_agrees, take && head_end && s0_last != s1_last, "the sequences differ in length")
  `CHECK_NEVER(last_of_head, take && !head_end && s1_last, "the values end inside a token")
  `CHECK_NEVER(score_fits, s0_valid && s0_ready && !score_ready[0], "the scores have no room when their values have")
  `CHECK_NEVER(in_step, |(weight_valid ^ {Engines{weight_valid[0]}}) || |(mean_valid ^ {Engines{mean_valid[0]}}),
               "the engines are out of step")
  wire logic unused_engines = &{weight_valid, weight_last, score_ready, mean_ready, mean_valid, mean_last};
endmodule

`default_nettype wire
