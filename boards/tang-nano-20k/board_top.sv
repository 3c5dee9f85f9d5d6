// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// Tang Nano 20K: the design `GATEWRIGHT_TOP` with clock, reset and UART of the board.
module board_top (
    input  wire logic clk,      ///< 27 MHz oscillator
    input  wire logic rst,    ///< button S1, high while pressed
    input  wire logic rx,       ///< from the USB bridge
    output      logic tx,       ///< to the USB bridge
    output      logic [1:0] led  ///< running, failed; low is on
);
  logic rst_all, running, failed;
  board_reset u_reset (
      .clk,
      .button(rst),
      .rst   (rst_all)
  );
  `GATEWRIGHT_TOP u_design (
      .clk,
      .rst(rst_all),
      .rx,
      .tx,
      .running,
      .failed
  );
  assign led = ~{failed, running};
endmodule

`default_nettype wire
