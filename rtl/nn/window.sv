// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sliding window: all taps of a kernel position in one beat, for every position on the stride grid that
/// lies wholly inside the image. Tap (ky, kx) of lane l is element (ky * KernelW + kx) * Lanes + l.
module window #(
    /// Bits of a channel.
    parameter int unsigned DataWidth = 8,
    /// Channels per beat.
    parameter int unsigned Lanes     = 1,
    /// Beats per token; chunk c of every position in turn.
    parameter int unsigned Chunks    = 1,
    /// Rows; 1 for a sequence.
    parameter int unsigned Height    = 8,
    /// Tokens per row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width     = 8,
    /// Kernel rows.
    parameter int unsigned KernelH   = 3,
    /// Kernel columns.
    parameter int unsigned KernelW   = 3,
    /// Rows between positions.
    parameter int unsigned StrideH   = 1,
    /// Tokens between positions.
    parameter int unsigned StrideW   = 1,
    /// Rows between taps.
    parameter int unsigned DilationH = 1,
    /// Tokens between taps.
    parameter int unsigned DilationW = 1
) (
    input  wire logic                                       clk,
    input  wire logic                                       rst,      ///< synchronous, active high
    input  wire logic [Lanes*DataWidth-1:0]                 s_data,
    input  wire logic                                       s_valid,
    input  wire logic                                       s_last,
    output      logic                                       s_ready,
    output      logic [KernelH*KernelW*Lanes*DataWidth-1:0] m_data,
    output      logic                                       m_valid,
    output      logic                                       m_last,
    input  wire logic                                       m_ready
);
  localparam int unsigned Beat = Lanes * DataWidth;
  localparam int unsigned Taps = KernelH * KernelW;
  /// Rows and tokens before the first position is complete.
  localparam int unsigned SkipH = (KernelH - 1) * DilationH;
  localparam int unsigned SkipW = (KernelW - 1) * DilationW;
  localparam int unsigned FinalRow = (Height - 1 - SkipH) / StrideH * StrideH + SkipH;
  localparam int unsigned FinalColumn = Width == 0 ? 0 : (Width - 1 - SkipW) / StrideW * StrideW + SkipW;
  localparam int unsigned MostWaitH = SkipH > StrideH ? SkipH : StrideH;
  localparam int unsigned MostWaitW = SkipW > StrideW ? SkipW : StrideW;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned ColumnBits = $clog2(Width + 2);
  localparam int unsigned RowBits = $clog2(Height + 1);
  localparam int unsigned WaitBitsH = $clog2(MostWaitH + 1);
  localparam int unsigned WaitBitsW = $clog2(MostWaitW + 1);
  `CHECK_PARAMETER(one_row, Width > 0 || (Height == 1 && KernelH == 1), "a sequence has one row")
  `CHECK_PARAMETER(fits, SkipH < Height && (Width == 0 || SkipW < Width), "the kernel is larger than the image")

  // Stage a: the newest beat beside those of the rows above. Stage b: all taps.
  logic a_valid_q, a_last_q, b_valid_q, b_last_q, b_keep_q, b_ready;
  wire logic take = s_valid && s_ready;
  wire logic move = a_valid_q && b_ready;
  assign s_ready = !a_valid_q || b_ready;

  logic [KernelH*Beat-1:0] column;
  logic [Taps*Beat-1:0] taps, ordered;
  delay_taps #(
      .Width(Beat), .Taps(KernelH), .Depth(Width == 0 ? 1 : DilationH * Width * Chunks)
  ) u_rows (.clk, .rst, .enable(take), .s_data, .m_data(column));
  delay_taps #(
      .Width(KernelH * Beat), .Taps(KernelW), .Depth(DilationW * Chunks)
  ) u_columns (.clk, .rst, .enable(move), .s_data(column), .m_data(taps));

  always_comb begin
    for (int unsigned y = 0; y < KernelH; y++) begin
      for (int unsigned x = 0; x < KernelW; x++) begin
        ordered[(y*KernelW+x)*Beat+:Beat] = taps[(x*KernelH+y)*Beat+:Beat];
      end
    end
  end

  // Where the beat in stage a lies. The wait counters run down to the next position of the stride grid.
  logic [ChunkBits-1:0] chunk_q;
  logic [ColumnBits-1:0] column_q;
  logic [RowBits-1:0] row_q;
  logic [WaitBitsW-1:0] wait_w_q;
  logic [WaitBitsH-1:0] wait_h_q;
  wire logic chunk_end = chunk_q == ChunkBits'(Chunks - 1);
  wire logic column_end = Width == 0 ? a_last_q : column_q == ColumnBits'(Width - 1);
  wire logic row_end = row_q == RowBits'(Height - 1);
  wire logic keep = wait_w_q == '0 && wait_h_q == '0;
  wire logic final_beat = chunk_end && column_q == ColumnBits'(FinalColumn) && row_q == RowBits'(FinalRow);

  always_ff @(posedge clk) begin
    if (s_ready) a_valid_q <= s_valid;
    if (take) a_last_q <= s_last;
    if (b_ready) b_valid_q <= a_valid_q;
    if (move) begin
      b_keep_q <= keep;
      b_last_q <= Width == 0 ? a_last_q : final_beat;
      chunk_q <= chunk_end ? '0 : chunk_q + 1'b1;
      if (chunk_end) begin
        column_q <= Width == 0 || column_end ? '0 : column_q + 1'b1;
        wait_w_q <= column_end ? WaitBitsW'(SkipW) : wait_w_q == '0 ? WaitBitsW'(StrideW - 1) : wait_w_q - 1'b1;
        if (column_end) begin
          row_q <= row_end ? '0 : row_q + 1'b1;
          wait_h_q <= row_end ? WaitBitsH'(SkipH) : wait_h_q == '0 ? WaitBitsH'(StrideH - 1) : wait_h_q - 1'b1;
        end
      end
    end
    if (rst) begin
      a_valid_q <= 1'b0;
      b_valid_q <= 1'b0;
      chunk_q <= '0;
      column_q <= '0;
      row_q <= '0;
      wait_w_q <= WaitBitsW'(SkipW);
      wait_h_q <= WaitBitsH'(SkipH);
    end
  end

  if (Width == 0 && StrideW > 1) begin : gen_decimate
    // Only here the final position is unknown when it passes.
    logic b_next_q;
    always_ff @(posedge clk) if (move) b_next_q <= chunk_end ? wait_w_q == WaitBitsW'(1) : keep;
    stream_decimate #(.Width(Taps * Beat)) u_decimate (
        .clk, .rst, .s_data(ordered), .s_keep(b_keep_q), .s_next(b_next_q), .s_valid(b_valid_q),
        .s_last(b_last_q), .s_ready(b_ready), .m_data, .m_valid, .m_last, .m_ready
    );
  end else begin : gen_drop
    assign m_data  = ordered;
    assign m_valid = b_valid_q && b_keep_q;
    assign m_last  = b_last_q;
    assign b_ready = m_ready || !m_valid;
    `CHECK_NEVER(too_short, b_valid_q && b_last_q && !b_keep_q, "the sequence is shorter than the kernel")
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(last_at_end, move && a_last_q != (chunk_end && column_end && row_end),
               "`last` is not on the final beat")
endmodule

`default_nettype wire
