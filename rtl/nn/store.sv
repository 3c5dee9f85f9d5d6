// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Weight memory: `Banks` times `Depth` rows, loaded at run time over a chain, sent in rounds as a stream of rows.
///
/// A round is the `Depth` rows of one bank; `b_data` says which, one beat per round. With one bank, rounds follow each
/// other without being asked for, and the bank port is idle.
///
/// Load chain: the first `Banks * Depth * ceil(Width/Load)` words that arrive are kept (row by row, low bits first),
/// later ones are passed on. The word with `last` ends the load of the whole chain and makes every store ready for the
/// next one. A store sends rows only while it is completely loaded. A new load begins between two rounds of rows and
/// withdraws the row on offer; let the design run dry first, or tokens in flight see old and new constants.
module store #(
    /// Rows of a bank, 1 and up.
    parameter int unsigned Depth = 16,
    /// Bits of a row, 1 and up.
    parameter int unsigned Width = 64,
    /// Banks, 1 and up.
    parameter int unsigned Banks = 1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load = 32,
    /// Memories of 1024 rows and more are UltraRAM.
    parameter bit Ultra = 1'b0,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high; forgets the load
    input  wire logic [Load-1:0]  w_data,
    input  wire logic             w_valid,
    input  wire logic             w_last,
    output      logic             w_ready,
    output      logic [Load-1:0]  x_data,   ///< words for the next store
    output      logic             x_valid,
    output      logic             x_last,
    input  wire logic             x_ready,
    input  wire logic [BankBits-1:0] b_data,  ///< bank of the next round, below Banks
    input  wire logic             b_valid,
    output      logic             b_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    input  wire logic             m_ready
);
  localparam int unsigned Chunks = (Width + Load - 1) / Load;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned Rows = Banks * Depth;
  localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1;
  `CHECK_PARAMETER(positive, Depth > 0 && Width > 0 && Banks > 0, "Depth, Width and Banks start at 1")
  `CHECK_PARAMETER(whole_words, Load > 0 && Load % 32 == 0, "Load is a multiple of 32")

  // Load side.
  logic [ChunkBits-1:0] chunk_q;
  logic [RowBits-1:0] row_q;
  logic filled_q, loaded_q, forward_ready;
  logic [RowBits-1:0] held_q;
  logic valid_q;
  wire logic between_rounds = held_q == '0 || !valid_q;
  wire logic claim = w_valid && !filled_q && (between_rounds || !loaded_q);
  wire logic keep = claim;
  wire logic final_word = chunk_q == ChunkBits'(Chunks - 1) && row_q == RowBits'(Rows - 1);
  wire logic pass = w_valid && filled_q && forward_ready;
  assign w_ready = filled_q ? forward_ready : (between_rounds || !loaded_q);

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

  // Read side: the output register holds the next row as soon as its bank is known.
  logic [RowBits-1:0] next_q;
  logic [Width-1:0] out_q;
  logic asked;
  logic [RowBits-1:0] base;
  if (Banks > 1) begin : gen_banks
    assign asked = b_valid;
    assign base = RowBits'(32'(b_data) * Depth);
    `CHECK_NEVER(bank_exists, b_valid && 32'(b_data) >= Banks, "there is no such bank")
  end else begin : gen_one_bank
    assign asked = 1'b1;
    assign base = '0;
    wire logic unused_bank = &{b_data, b_valid};
  end
  wire logic final_row = next_q == RowBits'(Depth - 1);
  wire logic advance = loaded_q && !claim && (m_ready || !valid_q) && asked;
  assign b_ready = advance && final_row;
  assign m_valid = valid_q && !claim;
  assign m_data  = out_q;

  for (genvar c = 0; c < Chunks; c++) begin : gen_chunk
    localparam int unsigned Bits = c == Chunks - 1 ? Width - Load * (Chunks - 1) : Load;
    if (Ultra && Rows >= 1024) begin : gen_ultra
      (* ram_style = "ultra" *)
      logic [Bits-1:0] memory[Rows];
      always_ff @(posedge clk) begin
        if (keep && chunk_q == ChunkBits'(c)) memory[row_q] <= w_data[Bits-1:0];
        if (advance) out_q[Load*c+:Bits] <= memory[base+next_q];
      end
    end else begin : gen_any
      logic [Bits-1:0] memory[Rows];
      always_ff @(posedge clk) begin
        if (keep && chunk_q == ChunkBits'(c)) memory[row_q] <= w_data[Bits-1:0];
        if (advance) out_q[Load*c+:Bits] <= memory[base+next_q];
      end
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
    if (m_ready || !valid_q) valid_q <= advance;
    if (advance) begin
      held_q <= next_q;
      next_q <= final_row ? '0 : next_q + 1'b1;
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
