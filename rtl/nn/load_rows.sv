// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// A place in the load chain for memories that are read in any order: gives out whole rows to write, see load_chain.
///
/// The word with `last` ends the load of the whole chain. A new load may begin at any time; rows in use then change, so
/// let the design run dry first.
module load_rows #(
    /// Rows, 1 and up.
    parameter int unsigned Rows = 16,
    /// Bits of a row, 1 and up.
    parameter int unsigned Width = 64,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load = 32,
    /// Bits of a row number; not to be set.
    localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1
) (
    input  wire logic               clk,
    input  wire logic               rst,      ///< synchronous, active high; forgets the load
    input  wire logic [Load-1:0]    w_data,   ///< load chain in: rows, low bits first
    input  wire logic               w_valid,
    input  wire logic               w_last,
    output      logic               w_ready,
    output      logic [Load-1:0]    x_data,   ///< load chain out
    output      logic               x_valid,
    output      logic               x_last,
    input  wire logic               x_ready,
    output      logic               loaded,   ///< every row has been given out
    output      logic               write,    ///< `row` and `data` are to be written
    output      logic [RowBits-1:0] row,
    output      logic [Width-1:0]   data
);
  localparam int unsigned Chunks = (Width + Load - 1) / Load;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;

  logic keep, whole;
  logic [ChunkBits-1:0] chunk;
  assign write = keep && whole;
  wire logic unused_chunk = &chunk;

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
      .hold(1'b0),
      .keep,
      .chunk,
      .whole,
      .row,
      .loaded
  );

  if (Chunks == 1) begin : gen_whole
    assign data = w_data[Width-1:0];
    wire logic unused_high_bits = &w_data;
  end else begin : gen_assembled
    localparam int unsigned Held = (Chunks - 1) * Load;
    logic [Held-1:0] held_q;
    assign data = {w_data[Width-Held-1:0], held_q};
    always_ff @(posedge clk) if (keep) held_q <= Held'({w_data, held_q} >> Load);
    wire logic unused_high_bits = &w_data;
  end
endmodule

`default_nettype wire
