// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// One token per sequence: the largest value of each channel, or its mean over the n tokens that came,
/// `y[c] = sat((sum of x[c] * R[n] + half) >>> (Fraction + Shift))` with `R[n] = round(2**Fraction / n)`.
/// Two banks of accumulators take turns, so the next sequence comes in while a result goes out.
module global_pool #(
    /// Channels per beat.
    parameter int unsigned Lanes     = 1,
    /// Beats per token.
    parameter int unsigned Chunks    = 2,
    /// Tokens of every sequence; 0 when known only at `last`.
    parameter int unsigned Tokens    = 0,
    /// Most tokens of a sequence.
    parameter int unsigned MaxTokens = 64,
    /// Mean; else maximum.
    parameter bit          Average   = 1'b1,
    /// Bits of an input channel.
    parameter int unsigned InWidth   = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned  = 1'b1,
    /// Fraction bits of the reciprocals, at most 32 (Average only).
    parameter int unsigned Fraction  = 22,
    /// Further right shift, from the input's to the output's binary point; negative shifts left (Average only).
    parameter int          Shift     = 0,
    /// Bits of an output channel; InWidth for the maximum.
    parameter int unsigned OutWidth  = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned = 1'b1
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,
    output      logic                      s_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready
);
  /// Accumulators are signed, whatever the inputs are.
  localparam int unsigned AccWidth = InWidth + 1 + (Average ? $clog2(MaxTokens) : 0);
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned CountBits = $clog2(MaxTokens + 1);
  localparam logic [ChunkBits-1:0] FinalChunk = ChunkBits'(Chunks - 1);
  `CHECK_PARAMETER(same_format, Average || (OutWidth == InWidth && OutSigned == InSigned),
                   "the maximum has the format of its input")
  `CHECK_PARAMETER(fits, Tokens <= MaxTokens && Fraction <= 32, "Tokens <= MaxTokens and Fraction <= 32")

  logic signed [Lanes-1:0][AccWidth-1:0] memory[2**(ChunkBits+1)];
  logic [1:0] full_q;

  // Write side: one accumulator row per chunk.
  logic write_bank_q, first_q;
  logic [ChunkBits-1:0] write_chunk_q;
  logic [CountBits-1:0] count_q;
  logic [1:0][CountBits-1:0] tokens_q;
  logic signed [Lanes-1:0][AccWidth-1:0] old, sum;
  wire logic take = s_valid && s_ready;
  wire logic write_end = write_chunk_q == FinalChunk;
  assign s_ready = !full_q[write_bank_q];

  always_comb begin
    old = memory[{write_bank_q, write_chunk_q}];
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [AccWidth-1:0] x, a;
      x = InSigned ? AccWidth'(signed'(s_data[l*InWidth+:InWidth])) : AccWidth'(s_data[l*InWidth+:InWidth]);
      a = old[l];
      if (Average) sum[l] = first_q ? x : a + x;
      else sum[l] = first_q || x > a ? x : a;
    end
  end

  always_ff @(posedge clk) begin
    if (take) begin
      memory[{write_bank_q, write_chunk_q}] <= sum;
      write_chunk_q <= write_end ? '0 : write_chunk_q + 1'b1;
      if (write_end) begin
        first_q <= s_last;
        count_q <= s_last ? CountBits'(1) : count_q + 1'b1;
      end
      if (s_last) begin
        tokens_q[write_bank_q] <= count_q;
        write_bank_q <= !write_bank_q;
      end
    end
    if (rst) begin
      write_bank_q <= 1'b0;
      write_chunk_q <= '0;
      first_q <= 1'b1;
      count_q <= CountBits'(1);
    end
  end

  // Read side.
  logic read_bank_q, sum_valid_q, sum_last_q, enable;
  logic [ChunkBits-1:0] read_chunk_q;
  logic signed [Lanes-1:0][AccWidth-1:0] sum_q;
  wire logic read = full_q[read_bank_q] && enable;
  wire logic read_end = read_chunk_q == FinalChunk;

  always_ff @(posedge clk) begin
    if (enable) begin
      sum_q <= memory[{read_bank_q, read_chunk_q}];
      sum_valid_q <= full_q[read_bank_q];
      sum_last_q <= read_end;
    end
    if (read) begin
      read_chunk_q <= read_end ? '0 : read_chunk_q + 1'b1;
      if (read_end) read_bank_q <= !read_bank_q;
    end
    if (rst) begin
      read_bank_q <= 1'b0;
      read_chunk_q <= '0;
      sum_valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk) begin
    if (take && s_last) full_q[write_bank_q] <= 1'b1;
    if (read && read_end) full_q[read_bank_q] <= 1'b0;
    if (rst) full_q <= '0;
  end

  logic [Lanes*OutWidth-1:0] result;
  logic result_valid, result_last;
  if (Average) begin : gen_average
    global_mean #(
        .Lanes(Lanes), .Tokens(Tokens), .MaxTokens(MaxTokens), .SumWidth(AccWidth), .Fraction(Fraction),
        .Shift(Shift), .OutWidth(OutWidth), .OutSigned(OutSigned)
    ) u_mean (
        .clk, .rst, .enable, .count(tokens_q[read_bank_q]), .s_data(sum_q), .s_valid(sum_valid_q),
        .s_last(sum_last_q), .m_data(result), .m_valid(result_valid), .m_last(result_last)
    );
  end else begin : gen_maximum
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      assign result[l*OutWidth+:OutWidth] = sum_q[l][OutWidth-1:0];
    end
    assign result_valid = sum_valid_q;
    assign result_last = sum_last_q;
    wire logic unused_bits = &{tokens_q, sum_q};
  end

  // The slice's ready is a register, so it may enable the whole pipeline.
  stream_skid #(.Width(Lanes * OutWidth)) u_skid (
      .clk, .rst, .s_data(result), .s_valid(result_valid), .s_last(result_last), .s_ready(enable),
      .m_data, .m_valid, .m_last, .m_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_NEVER(whole_token, take && s_last && !write_end, "`last` inside a token")
  `CHECK_NEVER(too_long, take && write_end && !s_last && count_q == CountBits'(MaxTokens),
               "the sequence is longer than MaxTokens")
  `CHECK_NEVER(length, take && s_last && Tokens != 0 && 32'(count_q) != Tokens, "the sequence has not Tokens tokens")
endmodule

`default_nettype wire
