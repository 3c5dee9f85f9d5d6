// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Memory of loaded rows that are read in any order; stands in the load chain like a store. Two steps from address to
/// row, registers for large memory blocks included, without a handshake of its own.
module row_memory #(
    /// Rows, 1 and up.
    parameter int unsigned Rows = 16,
    /// Bits of a row, 1 and up.
    parameter int unsigned Width = 64,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load = 32,
    /// Memories of 1024 rows and more are UltraRAM.
    parameter bit Ultra = 1'b0,
    /// Bits of a row number; not to be set.
    localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1
) (
    input  wire logic               clk,
    input  wire logic               rst,      ///< synchronous, active high; forgets the load
    input  wire logic               enable,   ///< both registers of the read side move
    input  wire logic [RowBits-1:0] address,  ///< below Rows
    output      logic [Width-1:0]   data,     ///< row of the address of two enabled cycles ago
    output      logic               loaded,   ///< every row is there
    input  wire logic [Load-1:0]    w_data,   ///< load chain in: rows, low bits first
    input  wire logic               w_valid,
    input  wire logic               w_last,
    output      logic               w_ready,
    output      logic [Load-1:0]    x_data,   ///< load chain out
    output      logic               x_valid,
    output      logic               x_last,
    input  wire logic               x_ready
);
  logic write;
  logic [RowBits-1:0] row;
  logic [Width-1:0] row_data;
  load_rows #(
      .Rows (Rows),
      .Width(Width),
      .Load (Load)
  ) u_load (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data, .x_valid, .x_last, .x_ready,
      .loaded, .write, .row, .data(row_data)
  );

  logic [Width-1:0] read_q, out_q;
  if (Ultra && Rows >= 1024) begin : gen_ultra
    (* ram_style = "ultra" *)
    logic [Width-1:0] memory[Rows];
    always_ff @(posedge clk) begin
      if (write) memory[row] <= row_data;
      if (enable) begin
        read_q <= memory[address];
        out_q <= read_q;
      end
    end
  end else begin : gen_any
    logic [Width-1:0] memory[Rows];
    always_ff @(posedge clk) begin
      if (write) memory[row] <= row_data;
      if (enable) begin
        read_q <= memory[address];
        out_q <= read_q;
      end
    end
  end
  assign data = out_q;
endmodule

`default_nettype wire
