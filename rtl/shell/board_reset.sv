// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Reset of a board without a reset controller: some cycles after the bitstream was loaded, and while a button is
/// pressed.
module board_reset #(
    /// Cycles of reset, 2 and up.
    parameter int unsigned Cycles = 15
) (
    input  wire logic clk,
    input  wire logic button,  ///< asynchronous, high while pressed
    output      logic rst      ///< synchronous, active high
);
  localparam int unsigned CountBits = $clog2(Cycles + 1);
  `CHECK_PARAMETER(cycles, Cycles >= 2, "reset lasts 2 cycles or more")

  // The only registers of the library with a value from the bitstream: before a reset, nothing else can give them one.
  logic [CountBits-1:0] count_q;
  logic [1:0] button_q;
  logic rst_q;
  initial begin
    count_q = '0;
    button_q = '0;
    rst_q = 1'b1;
  end
  assign rst = rst_q;

  always_ff @(posedge clk) begin
    button_q <= {button_q[0], button};
    rst_q <= count_q != CountBits'(Cycles);
    if (button_q[1]) count_q <= '0;
    else if (count_q != CountBits'(Cycles)) count_q <= count_q + 1'b1;
  end
endmodule

`default_nettype wire
