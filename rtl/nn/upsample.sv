// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Every token becomes ScaleH x ScaleW tokens of a larger image: copies of it (nearest neighbour), or the blocks of
/// its channels (pixel shuffle): output lane l of copy (y, x) is input lane `(l * ScaleH + y) * ScaleW + x`.
/// One row is kept and read ScaleH times; the first reading is the row as it comes, the next row waits for the last.
module upsample #(
    /// Bits of a channel.
    parameter int unsigned DataWidth = 8,
    /// Channels per output beat.
    parameter int unsigned Lanes     = 2,
    /// Beats per token, of input and output.
    parameter int unsigned Chunks    = 2,
    /// Input tokens per row.
    parameter int unsigned Width     = 4,
    /// Output rows per input row, 1 and up.
    parameter int unsigned ScaleH    = 2,
    /// Output tokens per input token of a row, 1 and up.
    parameter int unsigned ScaleW    = 2,
    /// Tokens are the blocks of the channels; else copies.
    parameter bit          Blocks    = 1'b0,
    /// Input channels per output channel; follows.
    localparam int unsigned Parts    = Blocks ? ScaleH * ScaleW : 1
) (
    input  wire logic                             clk,
    input  wire logic                             rst,      ///< synchronous, active high
    input  wire logic [Lanes*Parts*DataWidth-1:0] s_data,
    input  wire logic                             s_valid,
    input  wire logic                             s_last,
    output      logic                             s_ready,
    output      logic [Lanes*DataWidth-1:0]       m_data,
    output      logic                             m_valid,
    output      logic                             m_last,
    input  wire logic                             m_ready
);
  localparam int unsigned Beat = Lanes * Parts * DataWidth;
  /// A row that is read once need not be kept, only its token.
  localparam int unsigned Columns = ScaleH > 1 ? Width : 1;
  localparam int unsigned Depth = Columns * Chunks;
  localparam int unsigned AddressBits = Depth > 1 ? $clog2(Depth) : 1;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned CopyBits = ScaleW > 1 ? $clog2(ScaleW) : 1;
  localparam int unsigned PassBits = ScaleH > 1 ? $clog2(ScaleH) : 1;
  `CHECK_PARAMETER(larger, ScaleH * ScaleW > 1 && Width > 0, "a scale of 1 x 1 is a wire")

  // Position of the beat that is read: pass over the row, column, copy of the token, chunk.
  logic [ChunkBits-1:0] chunk_q;
  logic [CopyBits-1:0] copy_q;
  logic [PassBits-1:0] pass_q;
  logic [AddressBits-1:0] token_q;  // where the column's token begins
  logic ending_q;                   // the row under way is the sequence's last

  wire logic chunk_end = chunk_q == ChunkBits'(Chunks - 1);
  wire logic token_end = chunk_end && copy_q == CopyBits'(ScaleW - 1);
  wire logic row_end = token_end && token_q == AddressBits'(Depth - Chunks);
  wire logic final_beat = row_end && pass_q == PassBits'(ScaleH - 1);
  wire logic [AddressBits-1:0] address = token_q + AddressBits'(chunk_q);

  // What has not been there yet comes from outside, everything else from the memory.
  logic out_valid_q, out_ready;
  wire logic fresh = pass_q == '0 && copy_q == '0;
  wire logic advance = !out_valid_q || out_ready;
  wire logic go = advance && (s_valid || !fresh);
  assign s_ready = advance && fresh;

  logic [Beat-1:0] memory[Depth];
  logic [Beat-1:0] read_q, fresh_data_q;
  logic was_fresh_q, out_last_q;
  logic [CopyBits-1:0] out_copy_q;
  logic [PassBits-1:0] out_pass_q;

  always_ff @(posedge clk) begin
    if (go && fresh) memory[address] <= s_data;
    if (advance) read_q <= memory[address];
  end

  always_ff @(posedge clk) begin
    if (advance) begin
      out_valid_q <= go;
      fresh_data_q <= s_data;
      was_fresh_q <= fresh;
      out_copy_q <= copy_q;
      out_pass_q <= pass_q;
      out_last_q <= final_beat && ending_q;
    end
    if (go) begin
      if (fresh) ending_q <= s_last;
      chunk_q <= chunk_end ? '0 : chunk_q + 1'b1;
      if (chunk_end) copy_q <= token_end ? '0 : copy_q + 1'b1;
      if (token_end) token_q <= row_end ? '0 : token_q + AddressBits'(Chunks);
      if (row_end) pass_q <= final_beat ? '0 : pass_q + 1'b1;
    end
    if (rst) begin
      out_valid_q <= 1'b0;
      ending_q <= 1'b0;
      chunk_q <= '0;
      copy_q <= '0;
      pass_q <= '0;
      token_q <= '0;
    end
  end

  wire logic [Beat-1:0] whole = was_fresh_q ? fresh_data_q : read_q;
  logic [Lanes*DataWidth-1:0] chosen;
  if (Blocks) begin : gen_blocks
    localparam int unsigned PartBits = $clog2(Parts);
    wire logic [PartBits-1:0] part = PartBits'(out_pass_q) * PartBits'(ScaleW) + PartBits'(out_copy_q);
    always_comb begin
      for (int unsigned l = 0; l < Lanes; l++) begin
        chosen[l*DataWidth+:DataWidth] = whole[(l*Parts+32'(part))*DataWidth+:DataWidth];
      end
    end
  end else begin : gen_copies
    assign chosen = whole;
    wire logic unused_place = &{out_copy_q, out_pass_q};
  end

  stream_skid #(
      .Width(Lanes * DataWidth)
  ) u_skid (
      .clk, .rst, .s_data(chosen), .s_valid(out_valid_q), .s_last(out_last_q), .s_ready(out_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(last_at_end, s_valid && s_ready && s_last
                            && !(chunk_end && token_q == AddressBits'(Depth - Chunks)),
               "`last` is not on the final beat of a row")
endmodule

`default_nettype wire
