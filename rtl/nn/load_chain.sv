// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// A place in the load chain: keeps the first `Rows * ceil(Width/Load)` words that arrive, row by row and low bits first,
/// and passes later ones on.
///
/// The word with `last` ends the load of the whole chain and makes every place ready for the next one.
module load_chain #(
    /// Rows, 1 and up.
    parameter int unsigned Rows = 16,
    /// Bits of a row, 1 and up.
    parameter int unsigned Width = 64,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load = 32,
    /// Words of a row; not to be set.
    localparam int unsigned Chunks = (Width + Load - 1) / Load,
    /// Bits of a word's number in its row; not to be set.
    localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1,
    /// Bits of a row number; not to be set.
    localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1
) (
    input  wire logic                 clk,
    input  wire logic                 rst,     ///< synchronous, active high; forgets the load
    input  wire logic [Load-1:0]      w_data,  ///< load chain in
    input  wire logic                 w_valid,
    input  wire logic                 w_last,
    output      logic                 w_ready,
    output      logic [Load-1:0]      x_data,  ///< load chain out
    output      logic                 x_valid,
    output      logic                 x_last,
    input  wire logic                 x_ready,
    input  wire logic                 hold,    ///< no word can be kept now
    output      logic                 keep,    ///< `w_data` is word `chunk` of `row`, now
    output      logic [ChunkBits-1:0] chunk,
    output      logic                 whole,   ///< it completes the row
    output      logic [RowBits-1:0]   row,
    output      logic                 loaded   ///< every word has been kept
);
  `CHECK_PARAMETER(positive, Rows > 0 && Width > 0, "Rows and Width start at 1")
  `CHECK_PARAMETER(whole_words, Load > 0 && Load % 32 == 0, "Load is a multiple of 32")

  logic [ChunkBits-1:0] chunk_q;
  logic [RowBits-1:0] row_q;
  logic filled_q, loaded_q, forward_ready;
  wire logic pass = w_valid && filled_q && forward_ready;
  wire logic final_word = whole && row_q == RowBits'(Rows - 1);
  assign keep    = w_valid && !filled_q && !hold;
  assign chunk   = chunk_q;
  assign whole   = chunk_q == ChunkBits'(Chunks - 1);
  assign row     = row_q;
  assign loaded  = loaded_q;
  assign w_ready = filled_q ? forward_ready : !hold;

  stream_skid #(
      .Width(Load)
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

  always_ff @(posedge clk) begin
    if (keep) begin
      chunk_q <= whole ? '0 : chunk_q + 1'b1;
      if (whole) row_q <= final_word ? '0 : row_q + 1'b1;
      filled_q <= final_word;
      loaded_q <= final_word;
    end
    if ((keep || pass) && w_last) begin
      filled_q <= 1'b0;
      chunk_q <= '0;
      row_q <= '0;
    end
    if (rst) begin
      chunk_q <= '0;
      row_q <= '0;
      filled_q <= 1'b0;
      loaded_q <= 1'b0;
    end
  end

  `CHECK_NEVER(load_whole, keep && w_last && !final_word, "the load ended before the rows were full")
endmodule

`default_nettype wire
