// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Periodic padding: holds one whole image or sequence, then reads it in padded order, one beat per cycle.
/// Two banks take turns, so the next sequence comes in while this one goes out.
module pad_circular #(
    /// Bits of a beat.
    parameter int unsigned BeatWidth = 8,
    /// Beats per token.
    parameter int unsigned Chunks    = 1,
    /// Rows; 1 for a sequence.
    parameter int unsigned Height    = 1,
    /// Tokens per row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width     = 0,
    /// Rows added above, at most Height.
    parameter int unsigned Top       = 0,
    /// Tokens added before each row, at most the row's.
    parameter int unsigned Left      = 1,
    /// Rows added below, at most Height.
    parameter int unsigned Bottom    = 0,
    /// Tokens added after each row, at most the row's.
    parameter int unsigned Right     = 1,
    /// Most tokens of a sequence (Width = 0 only).
    parameter int unsigned MaxTokens = 64
) (
    input  wire logic                 clk,
    input  wire logic                 rst,      ///< synchronous, active high
    input  wire logic [BeatWidth-1:0] s_data,
    input  wire logic                 s_valid,
    input  wire logic                 s_last,
    output      logic                 s_ready,
    output      logic [BeatWidth-1:0] m_data,
    output      logic                 m_valid,
    output      logic                 m_last,
    input  wire logic                 m_ready
);
  localparam int unsigned RowTokens = Width > 0 ? Width : MaxTokens;
  localparam int unsigned RowBeats = RowTokens * Chunks;
  localparam int unsigned Size = Height * RowBeats;
  localparam int unsigned Rows = Top + Height + Bottom;
  localparam int unsigned AddressBits = $clog2(2 * Size);
  localparam int unsigned LengthBits = $clog2(RowBeats + 1);
  localparam int unsigned CountBits = $clog2((Left + RowTokens + Right) * Chunks + 1);
  localparam int unsigned RowBits = $clog2(Rows + 1);
  /// First source row of the padded image.
  localparam int unsigned FirstRow = (Height - Top % Height) % Height;
  `CHECK_PARAMETER(once_round, Top <= Height && Bottom <= Height && Left <= RowTokens && Right <= RowTokens,
                   "padding wraps around at most once")

  logic [BeatWidth-1:0] memory[2*Size];
  logic [1:0] full_q;

  // Write side.
  logic write_bank_q;
  logic [AddressBits-1:0] write_q;
  logic [LengthBits-1:0] count_q;              // beats of this row so far (Width = 0)
  logic [1:0][LengthBits-1:0] length_q;        // beats of a row, per bank
  wire logic take = s_valid && s_ready;
  wire logic [LengthBits-1:0] count = count_q + 1'b1;
  assign s_ready = !full_q[write_bank_q];

  always_ff @(posedge clk) begin
    if (take) begin
      memory[write_q] <= s_data;
      write_q <= write_q + 1'b1;
      count_q <= count;
      if (s_last) begin
        length_q[write_bank_q] <= Width > 0 ? LengthBits'(RowBeats) : count;
        write_bank_q <= !write_bank_q;
        write_q <= write_bank_q ? '0 : AddressBits'(Size);
        count_q <= '0;
      end
    end
    if (rst) begin
      write_bank_q <= 1'b0;
      write_q <= '0;
      count_q <= '0;
    end
  end

  // Read side: `source_q` is where the source row starts, `offset` where we are in it.
  logic read_bank_q;
  logic [RowBits-1:0] row_q;
  logic [CountBits-1:0] column_q;
  logic [AddressBits-1:0] source_q;
  logic [LengthBits-1:0] offset_q;
  logic valid_q, last_q;
  logic [BeatWidth-1:0] data_q;

  wire logic [LengthBits-1:0] length = length_q[read_bank_q];
  wire logic [LengthBits-1:0] start = Left == 0 ? '0 : length - LengthBits'(Left * Chunks);
  wire logic [LengthBits-1:0] offset = column_q == '0 ? start : offset_q;
  wire logic [CountBits-1:0] columns = CountBits'(length) + CountBits'((Left + Right) * Chunks);
  wire logic row_end = column_q == columns - 1'b1;
  wire logic final_beat = row_end && row_q == RowBits'(Rows - 1);
  wire logic read = full_q[read_bank_q] && (m_ready || !valid_q);
  wire logic [AddressBits-1:0] base = read_bank_q ? AddressBits'(Size) : '0;
  wire logic [AddressBits-1:0] last_source = base + AddressBits'(Size - RowBeats);

  assign m_data  = data_q;
  assign m_valid = valid_q;
  assign m_last  = last_q;

  always_ff @(posedge clk) begin
    if (m_ready || !valid_q) begin
      data_q <= memory[source_q + AddressBits'(offset)];
      last_q <= final_beat;
      valid_q <= full_q[read_bank_q];
    end
    if (read) begin
      offset_q <= offset == length - 1'b1 ? '0 : offset + 1'b1;
      column_q <= row_end ? '0 : column_q + 1'b1;
      if (row_end) begin
        row_q <= row_q + 1'b1;
        source_q <= source_q == last_source ? base : source_q + AddressBits'(RowBeats);
      end
      if (final_beat) begin
        row_q <= '0;
        source_q <= AddressBits'(FirstRow * RowBeats) + (read_bank_q ? '0 : AddressBits'(Size));
        read_bank_q <= !read_bank_q;
      end
    end
    if (rst) begin
      read_bank_q <= 1'b0;
      row_q <= '0;
      column_q <= '0;
      source_q <= AddressBits'(FirstRow * RowBeats);
      valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk) begin
    if (take && s_last) full_q[write_bank_q] <= 1'b1;
    if (read && final_beat) full_q[read_bank_q] <= 1'b0;
    if (rst) full_q <= '0;
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(too_long, take && !s_last && write_q == (write_bank_q ? AddressBits'(2 * Size - 1)
                                                       : AddressBits'(Size - 1)),
               "the sequence is longer than the buffer")
  `CHECK_NEVER(too_short, take && s_last && Width == 0
                          && 32'(count) + 1 <= (Left > Right ? Left : Right) * Chunks,
               "the sequence is shorter than its padding")
endmodule

`default_nettype wire
