// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Weight memory: `Banks` times `Depth` rows, loaded at run time over a chain, sent in rounds as a stream of rows.
///
/// A round is the `Depth` rows of one bank; `b_data` says which, one beat per round. With one bank, rounds follow each
/// other without being asked for, and the bank port is idle.
///
/// It keeps `Banks * Depth` rows of the load chain, see load_chain, and sends rows only while it is completely loaded. A new
/// load begins between two rounds of rows and withdraws the row on offer; let the design run dry first, or tokens in
/// flight see old and new constants.
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
  `CHECK_PARAMETER(positive, Depth > 0 && Banks > 0, "Depth and Banks start at 1")

  // Load side.
  logic [RowBits-1:0] held_q, row;
  logic [ChunkBits-1:0] chunk;
  logic valid_q, loaded, keep, whole;
  wire logic within_round = held_q != '0 && valid_q;
  wire logic unused_whole = whole;

  load_chain #(
      .Rows (Rows),
      .Width(Width),
      .Load (Load)
  ) u_chain (
      .clk,
      .rst,
      .w_data,
      .w_valid,
      .w_last,
      .w_ready,
      .x_data,
      .x_valid,
      .x_last,
      .x_ready,
      .hold(loaded && within_round),
      .keep,
      .chunk,
      .whole,
      .row,
      .loaded
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
  wire logic advance = loaded && !keep && (m_ready || !valid_q) && asked;
  assign b_ready = advance && final_row;
  assign m_valid = valid_q && !keep;
  assign m_data  = out_q;

  for (genvar c = 0; c < Chunks; c++) begin : gen_chunk
    localparam int unsigned Bits = c == Chunks - 1 ? Width - Load * (Chunks - 1) : Load;
    if (Ultra && Rows >= 1024) begin : gen_ultra
      (* ram_style = "ultra" *)
      logic [Bits-1:0] memory[Rows];
      always_ff @(posedge clk) begin
        if (keep && chunk == ChunkBits'(c)) memory[row] <= w_data[Bits-1:0];
        if (advance) out_q[Load*c+:Bits] <= memory[base+next_q];
      end
    end else begin : gen_any
      logic [Bits-1:0] memory[Rows];
      always_ff @(posedge clk) begin
        if (keep && chunk == ChunkBits'(c)) memory[row] <= w_data[Bits-1:0];
        if (advance) out_q[Load*c+:Bits] <= memory[base+next_q];
      end
    end
  end
  wire logic unused_high_bits = &w_data;

  always_ff @(posedge clk) begin
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
      valid_q <= 1'b0;
      held_q <= '0;
      next_q <= '0;
    end
  end
endmodule

`default_nettype wire
