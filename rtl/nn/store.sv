// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Weight memory: `Depth` rows, loaded at run time over a 32-bit chain, sent round and round as a stream of rows.
///
/// Load chain: the first `Depth * ceil(Width/32)` words that arrive are kept (row by row, low bits first), later ones
/// are passed on. The word with `last` ends the load of the whole chain and makes every store ready for the next one.
/// A store sends rows only while it is completely loaded. A new load begins between two rounds of rows and withdraws
/// the row on offer; let the design run dry first, or tokens in flight see old and new constants.
module store #(
    /// Rows, 1 and up.
    parameter int unsigned Depth = 16,
    /// Bits of a row, 1 and up.
    parameter int unsigned Width = 64
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high; forgets the load
    input  wire logic [31:0]      w_data,
    input  wire logic             w_valid,
    input  wire logic             w_last,
    output      logic             w_ready,
    output      logic [31:0]      x_data,   ///< words for the next store
    output      logic             x_valid,
    output      logic             x_last,
    input  wire logic             x_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    input  wire logic             m_ready
);
  localparam int unsigned Chunks = (Width + 31) / 32;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned RowBits = Depth > 1 ? $clog2(Depth) : 1;
  `CHECK_PARAMETER(positive, Depth > 0 && Width > 0, "Depth and Width start at 1")

  // Load side.
  logic [ChunkBits-1:0] chunk_q;
  logic [RowBits-1:0] row_q;
  logic filled_q, loaded_q, forward_ready;
  logic [RowBits-1:0] held_q;
  wire logic between_rounds = held_q == '0;
  wire logic claim = w_valid && !filled_q && (between_rounds || !loaded_q);
  wire logic keep = claim;
  wire logic final_word = chunk_q == ChunkBits'(Chunks - 1) && row_q == RowBits'(Depth - 1);
  wire logic pass = w_valid && filled_q && forward_ready;
  assign w_ready = filled_q ? forward_ready : (between_rounds || !loaded_q);

  stream_skid #(
      .Width(32)
  ) u_forward (
      .clk,
      .rst,
      .s_data (w_data),
      .s_valid(w_valid && filled_q),
      .s_last (w_last),
      .s_ready(forward_ready),
      .m_data (x_data),
      .m_valid(x_valid),
      .m_last (x_last),
      .m_ready(x_ready)
  );

  // Read side: the output register always holds the next row.
  logic [RowBits-1:0] next_q;
  logic [Width-1:0] out_q;
  logic valid_q;
  wire logic advance = loaded_q && !claim && (m_ready || !valid_q);
  assign m_valid = valid_q && !claim;
  assign m_data  = out_q;

  for (genvar c = 0; c < Chunks; c++) begin : gen_chunk
    localparam int unsigned Bits = c == Chunks - 1 ? Width - 32 * (Chunks - 1) : 32;
    logic [Bits-1:0] memory[Depth];
    always_ff @(posedge clk) begin
      if (keep && chunk_q == ChunkBits'(c)) memory[row_q] <= w_data[Bits-1:0];
      if (advance) out_q[32*c+:Bits] <= memory[next_q];
    end
  end
  wire logic unused_high_bits = &w_data;

  always_ff @(posedge clk) begin
    if (keep) begin
      chunk_q <= chunk_q == ChunkBits'(Chunks - 1) ? '0 : chunk_q + 1'b1;
      if (chunk_q == ChunkBits'(Chunks - 1)) row_q <= final_word ? '0 : row_q + 1'b1;
      filled_q <= final_word;
      loaded_q <= final_word;
    end
    if ((keep || pass) && w_last) begin
      filled_q <= 1'b0;
      chunk_q <= '0;
      row_q <= '0;
    end
    if (advance) begin
      valid_q <= 1'b1;
      held_q <= next_q;
      next_q <= next_q == RowBits'(Depth - 1) ? '0 : next_q + 1'b1;
    end
    if (keep) begin
      valid_q <= 1'b0;
      held_q <= '0;
      next_q <= '0;
    end
    if (rst) begin
      chunk_q <= '0;
      row_q <= '0;
      filled_q <= 1'b0;
      loaded_q <= 1'b0;
      valid_q <= 1'b0;
      held_q <= '0;
      next_q <= '0;
    end
  end

  `CHECK_NEVER(load_whole, keep && w_last && !final_word, "the load ended before the store was full")
endmodule

`default_nettype wire
