// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Recurrent layer over a sequence: `h[t] = cell(x[t], W h[t-1] + b)` with h[-1] = 0; LSTM or GRU, see recurrent_cell.
///
/// A token holds what the input contributes to every gate, gate after gate. `linear` computes the part of the last
/// hidden vector block by block of Pe units, all gates of a block before the next one, so that the cell can finish a
/// block while the matrix is busy with the next. The new vector goes round to `linear` as it comes, as zeros behind
/// the last token of a sequence. Its final word waits until the next token is complete: a pass that has begun never waits
/// for input. Interval: `Gates * (Hidden/Simd) * (Hidden/Pe)` cycles and the latency of the loop.
module recurrent #(
    /// GRU; else LSTM.
    parameter bit          Gru         = 1'b0,
    /// Units.
    parameter int unsigned Hidden      = 8,
    /// Hidden channels multiplied per cycle; divides or is divided by Pe.
    parameter int unsigned Simd        = 2,
    /// Channels per beat of either stream.
    parameter int unsigned Pe          = 2,
    /// Only the last token's result leaves.
    parameter bit          Final       = 1'b0,
    /// Matrix unit, see linear; its results have SumWidth bits.
    parameter int unsigned WeightWidth = 8,
    parameter bit          Pair        = 1'b0,
    parameter int unsigned Port        = 27,
    parameter int unsigned AccWidth    = 20,
    parameter bit          Plain       = 1'b0,
    parameter int unsigned OffsetWidth = 20,
    parameter int          ShiftMin    = 4,
    parameter int unsigned ShiftBits   = 0,
    parameter bit          Ultra       = 1'b0,
    /// Widths, shifts and tables of the cell, see recurrent_cell.
    parameter int unsigned InWidth     = 8,
    parameter bit          InSigned    = 1'b1,
    parameter int unsigned SumWidth    = 10,
    parameter int unsigned GateWidth   = 8,
    parameter int          GateShift   = 0,
    parameter int unsigned GateSegments = 16,
    parameter int unsigned GateSlope   = 14,
    parameter int unsigned GateOffset  = 20,
    parameter int unsigned GateLine    = 25,
    parameter int unsigned GateRight   = 12,
    parameter int unsigned ActWidth    = 9,
    parameter int unsigned ActFrac     = 8,
    parameter int unsigned StateWidth  = 16,
    parameter int unsigned StateAlign  = 0,
    parameter int unsigned ActAlign    = 5,
    parameter int          StateShift  = 8,
    parameter int          ArgumentShift = 4,
    parameter int          OutShift    = 9,
    parameter int unsigned ArgumentWidth = 8,
    parameter int unsigned TanhSegments = 16,
    parameter int unsigned TanhSlope   = 14,
    parameter int unsigned TanhOffset  = 20,
    parameter int unsigned TanhLine    = 25,
    parameter int unsigned TanhRight   = 12,
    /// Bits of an output channel, two's complement.
    parameter int unsigned OutWidth    = 8,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load        = 32
) (
    input  wire logic                   clk,
    input  wire logic                   rst,      ///< synchronous, active high
    input  wire logic [Pe*InWidth-1:0]  s_data,   ///< units 0 to Hidden - 1 of the first gate, of the next one, ..
    input  wire logic                   s_valid,
    input  wire logic                   s_last,   ///< on the final beat of a sequence
    output      logic                   s_ready,
    output      logic [Pe*OutWidth-1:0] m_data,
    output      logic                   m_valid,
    output      logic                   m_last,
    input  wire logic                   m_ready,
    input  wire logic [Load-1:0]        w_data,   ///< load chain in: weight rows, offset rows, tables
    input  wire logic                   w_valid,
    input  wire logic                   w_last,
    output      logic                   w_ready,
    output      logic [Load-1:0]        x_data,   ///< load chain out
    output      logic                   x_valid,
    output      logic                   x_last,
    input  wire logic                   x_ready
);
  localparam int unsigned Gates = Gru ? 3 : 4;
  localparam int unsigned Blocks = Hidden / Pe;
  localparam int unsigned BlockBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned Words = Hidden / Simd;
  localparam int unsigned WordBits = Words > 1 ? $clog2(Words) : 1;
  `CHECK_PARAMETER(foldings_divide, Hidden % Pe == 0 && Hidden % Simd == 0, "Pe and Simd must divide Hidden")

  // Whole tokens, block by block.
  logic [Pe*InWidth-1:0] x_beat;
  logic x_present, x_final, x_taken;
  stream_transpose #(.Width(Pe * InWidth), .Rows(Gates), .Columns(Blocks)) u_tokens (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(x_beat), .m_valid(x_present), .m_last(x_final), .m_ready(x_taken)
  );

  // What goes round. After reset one vector of zeros goes ahead.
  logic [Simd*OutWidth-1:0] back;
  logic back_valid, back_last, back_ready, feed_ready;
  logic [WordBits-1:0] word_q;
  logic ahead_q;
  wire logic word_end = word_q == WordBits'(Words - 1);
  wire logic pass = !word_end || x_present;
  wire logic feed_valid = (ahead_q || back_valid) && pass;
  assign back_ready = !ahead_q && pass && feed_ready;
  always_ff @(posedge clk) begin
    if (feed_valid && feed_ready) begin
      word_q <= word_end ? '0 : word_q + 1'b1;
      if (word_end) ahead_q <= 1'b0;
    end
    if (rst) begin
      word_q  <= '0;
      ahead_q <= 1'b1;
    end
  end

  logic [Pe*SumWidth-1:0] hidden;
  logic hidden_valid, hidden_last, hidden_taken;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready, bank_ready;
  linear #(
      .In(Hidden), .Out(Gates * Hidden), .Simd(Simd), .Pe(Pe), .InWidth(OutWidth), .WeightWidth(WeightWidth),
      .Pair(Pair), .Port(Port), .AccWidth(AccWidth), .Plain(Plain), .OffsetWidth(OffsetWidth),
      .ShiftMin(ShiftMin), .ShiftBits(ShiftBits), .OutWidth(SumWidth), .Load(Load), .Ultra(Ultra)
  ) u_hidden (
      .clk, .rst,
      .s_data(ahead_q ? '0 : back), .s_valid(feed_valid), .s_last(1'b0), .s_ready(feed_ready),
      .m_data(hidden), .m_valid(hidden_valid), .m_last(hidden_last), .m_ready(hidden_taken),
      .b_data(1'b0), .b_valid(1'b0), .b_ready(bank_ready),
      .w_data, .w_valid, .w_last, .w_ready, .x_data(y_data), .x_valid(y_valid), .x_last(y_last), .x_ready(y_ready)
  );
  wire logic unused_linear = &{hidden_last, bank_ready, back_last};

  // The cell moves as long as its result has a place on both ways; either place is a register slice.
  logic out_ready, round_ready, loaded, y_done_valid, y_done_final;
  logic [Pe*OutWidth-1:0] y_done;
  wire logic enable = out_ready && round_ready;
  wire logic join_valid = x_present && hidden_valid && loaded;
  assign x_taken = hidden_valid && loaded && enable;
  assign hidden_taken = x_present && loaded && enable;
  recurrent_cell #(
      .Gru(Gru), .Hidden(Hidden), .Lanes(Pe), .InWidth(InWidth), .InSigned(InSigned), .SumWidth(SumWidth),
      .GateWidth(GateWidth), .GateShift(GateShift), .GateSegments(GateSegments), .GateSlope(GateSlope),
      .GateOffset(GateOffset), .GateLine(GateLine), .GateRight(GateRight), .ActWidth(ActWidth), .ActFrac(ActFrac),
      .StateWidth(StateWidth), .StateAlign(StateAlign), .ActAlign(ActAlign), .StateShift(StateShift),
      .ArgumentShift(ArgumentShift), .OutShift(OutShift), .ArgumentWidth(ArgumentWidth),
      .TanhSegments(TanhSegments), .TanhSlope(TanhSlope), .TanhOffset(TanhOffset), .TanhLine(TanhLine),
      .TanhRight(TanhRight), .OutWidth(OutWidth), .Load(Load)
  ) u_cell (
      .clk, .rst, .enable, .loaded,
      .s_input(x_beat), .s_hidden(hidden), .s_last(x_final), .s_valid(join_valid),
      .m_data(y_done), .m_last(y_done_final), .m_valid(y_done_valid),
      .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready),
      .x_data, .x_valid, .x_last, .x_ready
  );

  logic [BlockBits-1:0] block_q;
  wire logic block_end = block_q == BlockBits'(Blocks - 1);
  wire logic done = y_done_valid && enable;
  always_ff @(posedge clk) begin
    if (done) block_q <= block_end ? '0 : block_q + 1'b1;
    if (rst) block_q <= '0;
  end
  stream_skid #(.Width(Pe * OutWidth)) u_out (
      .clk, .rst, .s_data(y_done), .s_valid(done && (y_done_final || !Final)), .s_last(y_done_final && block_end),
      .s_ready(out_ready), .m_data, .m_valid, .m_last, .m_ready
  );

  logic [Pe*OutWidth-1:0] round_data;
  logic round_valid, round_last, width_ready;
  stream_skid #(.Width(Pe * OutWidth)) u_round (
      .clk, .rst, .s_data(y_done_final ? '0 : y_done), .s_valid(done), .s_last(1'b0), .s_ready(round_ready),
      .m_data(round_data), .m_valid(round_valid), .m_last(round_last), .m_ready(width_ready)
  );
  stream_width #(.Width(OutWidth), .InLanes(Pe), .OutLanes(Simd)) u_width (
      .clk, .rst, .s_data(round_data), .s_valid(round_valid), .s_last(round_last), .s_ready(width_ready),
      .m_data(back), .m_valid(back_valid), .m_last(back_last), .m_ready(back_ready)
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
endmodule

`default_nettype wire
