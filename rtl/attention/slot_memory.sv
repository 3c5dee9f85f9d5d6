// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Memory with one write port and one read port; data come one cycle after the row number and stay until the next read.
/// A row that is read while it is written gives old or new data.
module slot_memory #(
    /// Rows, 2 and up.
    parameter int unsigned Rows = 16,
    /// Bits of a row, 1 and up.
    parameter int unsigned Width = 8,
    /// Use UltraRAM from 1024 rows on.
    parameter bit Ultra = 1'b0,
    /// Bits of a row number; not to be set.
    localparam int unsigned RowBits = $clog2(Rows)
) (
    input  wire logic               clk,
    input  wire logic               write,
    input  wire logic [RowBits-1:0] write_row,  ///< below Rows
    input  wire logic [Width-1:0]   write_data,
    input  wire logic               read,
    input  wire logic [RowBits-1:0] read_row,   ///< below Rows
    output      logic [Width-1:0]   read_data
);
  `CHECK_PARAMETER(large, Rows > 1 && Width > 0, "Rows starts at 2, Width at 1")

  logic [Width-1:0] read_q;
  assign read_data = read_q;

  if (Ultra && Rows >= 1024) begin : gen_ultra
    (* ram_style = "ultra" *)
    logic [Width-1:0] memory[Rows];
    always_ff @(posedge clk) begin
      if (write) memory[write_row] <= write_data;
      if (read) read_q <= memory[read_row];
    end
  end else begin : gen_any
    logic [Width-1:0] memory[Rows];
    always_ff @(posedge clk) begin
      if (write) memory[write_row] <= write_data;
      if (read) read_q <= memory[read_row];
    end
  end
endmodule

`default_nettype wire
