// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Surrounds an image, or a sequence of any length, with constant or circular tokens, one beat per cycle.
/// Constant padding passes beats through combinationally: put a register slice before it.
module pad #(
    /// Bits of a channel.
    parameter int unsigned DataWidth = 8,
    /// Channels per beat.
    parameter int unsigned Lanes     = 1,
    /// Beats per token.
    parameter int unsigned Chunks    = 1,
    /// Rows; 1 for a sequence.
    parameter int unsigned Height    = 1,
    /// Tokens per row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width     = 0,
    /// Rows added above.
    parameter int unsigned Top       = 0,
    /// Tokens added before each row.
    parameter int unsigned Left      = 1,
    /// Rows added below.
    parameter int unsigned Bottom    = 0,
    /// Tokens added after each row.
    parameter int unsigned Right     = 1,
    /// The added tokens continue the image periodically; else they are `PadValue`.
    parameter bit          Circular  = 1'b0,
    /// Every added channel when not circular, DataWidth bits.
    parameter int unsigned PadValue  = 0,
    /// Most tokens of a sequence (circular, Width = 0 and Left > 0 only).
    parameter int unsigned MaxTokens = 64
) (
    input  wire logic                       clk,
    input  wire logic                       rst,      ///< synchronous, active high
    input  wire logic [Lanes*DataWidth-1:0] s_data,
    input  wire logic                       s_valid,
    input  wire logic                       s_last,
    output      logic                       s_ready,
    output      logic [Lanes*DataWidth-1:0] m_data,
    output      logic                       m_valid,
    output      logic                       m_last,
    input  wire logic                       m_ready
);
  `CHECK_PARAMETER(one_row, Width > 0 || (Height == 1 && Top == 0 && Bottom == 0),
                   "a sequence has one row and no rows above or below")

  if (Top + Left + Bottom + Right == 0) begin : gen_none
    assign m_data  = s_data;
    assign m_valid = s_valid;
    assign m_last  = s_last;
    assign s_ready = m_ready;
    wire logic unused_clock = &{clk, rst};
  end else if (Circular && Width == 0 && Left == 0) begin : gen_wrap
    // What follows a sequence is its own head: nothing else has to be kept.
    stream_wrap #(.Width(Lanes * DataWidth), .Chunks(Chunks), .Skip(0), .Head(Right)) u_wrap (.*);
  end else if (Circular) begin : gen_circular
    pad_circular #(
        .BeatWidth(Lanes * DataWidth), .Chunks(Chunks), .Height(Height), .Width(Width), .Top(Top),
        .Left(Left), .Bottom(Bottom), .Right(Right), .MaxTokens(MaxTokens)
    ) u_circular (.*);
  end else begin : gen_constant
    // A sequence of unknown length is one column on which the counter rests until `last`.
    localparam int unsigned Body = Width > 0 ? Width : 1;
    localparam int unsigned Columns = Left + Body + Right;
    localparam int unsigned Rows = Top + Height + Bottom;
    localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
    localparam int unsigned ColumnBits = $clog2(Columns + 1);
    localparam int unsigned RowBits = $clog2(Rows + 1);

    logic [ChunkBits-1:0] chunk_q;
    logic [ColumnBits-1:0] column_q;
    logic [RowBits-1:0] row_q;
    logic begun_q;

    wire logic chunk_end = chunk_q == ChunkBits'(Chunks - 1);
    wire logic column_end = column_q == ColumnBits'(Columns - 1);
    wire logic row_end = row_q == RowBits'(Rows - 1);
    // Positions before the body wrap around to large numbers.
    wire logic [ColumnBits-1:0] body_column = column_q - ColumnBits'(Left);
    wire logic [RowBits-1:0] body_row = row_q - RowBits'(Top);
    wire logic inside_body = body_column < ColumnBits'(Body) && body_row < RowBits'(Height);
    wire logic rest = Width == 0 && inside_body && !s_last;

    // Padding never runs ahead of its own sequence: the first added token waits for the first real one.
    assign m_valid = s_valid || (begun_q && !inside_body);
    assign m_data  = inside_body ? s_data : {Lanes{DataWidth'(PadValue)}};
    assign m_last  = chunk_end && column_end && row_end && !rest;
    assign s_ready = inside_body && m_ready;

    always_ff @(posedge clk) begin
      if (m_valid && m_ready) begin
        begun_q <= (begun_q || inside_body) && !m_last;
        chunk_q <= chunk_end ? '0 : chunk_q + 1'b1;
        if (chunk_end && !rest) begin
          column_q <= column_end ? '0 : column_q + 1'b1;
          if (column_end) row_q <= row_end ? '0 : row_q + 1'b1;
        end
      end
      if (rst) begin
        begun_q <= 1'b0;
        chunk_q <= '0;
        column_q <= '0;
        row_q <= '0;
      end
    end

    wire logic body_end = Width == 0 ? s_last : chunk_end && body_column == ColumnBits'(Body - 1)
                          && body_row == RowBits'(Height - 1);
    `CHECK_NEVER(last_at_end, s_valid && s_ready && s_last != body_end, "`last` is not on the final beat")
    `CHECK_NEVER(whole_token, s_valid && s_ready && s_last && !chunk_end, "`last` inside a token")
    wire logic unused_end = body_end;
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
