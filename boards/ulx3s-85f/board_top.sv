// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// ULX3S: the design `GATEWRIGHT_TOP` with clock, reset and UART of the board.
module board_top (
    input  wire logic clk,      ///< 25 MHz oscillator
    input  wire logic rst,    ///< button FIRE 1, high while pressed
    input  wire logic rx,       ///< from the USB bridge
    output      logic tx,       ///< to the USB bridge
    output      logic wifi_gpio0,  ///< high: the radio module leaves the FPGA alone
    output      logic [1:0] led  ///< running, failed
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
  assign wifi_gpio0 = 1'b1;
  assign led = {failed, running};
endmodule

`default_nettype wire
