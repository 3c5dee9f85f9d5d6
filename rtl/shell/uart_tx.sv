// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// UART transmitter, 8 data bits, no parity, 1 stop bit, low bit first.
module uart_tx #(
    /// Clock cycles per bit, 1 and up.
    parameter int unsigned Divisor = 25
) (
    input  wire logic       clk,
    input  wire logic       rst,      ///< synchronous, active high
    input  wire logic [7:0] s_data,
    input  wire logic       s_valid,
    output      logic       s_ready,
    output      logic       tx        ///< high while idle
);
  localparam int unsigned CountBits = Divisor > 1 ? $clog2(Divisor) : 1;
  `CHECK_PARAMETER(positive, Divisor > 0, "Divisor starts at 1")

  // Start bit, data, stop bit; ones follow them.
  logic [9:0] shift_q;
  logic [3:0] left_q;
  logic [CountBits-1:0] count_q;
  assign s_ready = left_q == '0;
  assign tx = shift_q[0];

  always_ff @(posedge clk) begin
    if (s_ready) begin
      if (s_valid) begin
        shift_q <= {1'b1, s_data, 1'b0};
        left_q <= 4'd10;
        count_q <= CountBits'(Divisor - 1);
      end
    end else if (count_q != '0) begin
      count_q <= count_q - 1'b1;
    end else begin
      shift_q <= {1'b1, shift_q[9:1]};
      left_q <= left_q - 1'b1;
      count_q <= CountBits'(Divisor - 1);
    end
    if (rst) begin
      shift_q <= '1;
      left_q <= '0;
    end
  end
endmodule

`default_nettype wire
