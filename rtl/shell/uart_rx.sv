// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// UART receiver, 8 data bits, no parity, 1 stop bit, low bit first. A character whose stop bit is missing is `broken`;
/// the next one begins only after the line was high again, so that a break is one broken character.
module uart_rx #(
    /// Clock cycles per bit, 4 and up.
    parameter int unsigned Divisor = 25
) (
    input  wire logic       clk,
    input  wire logic       rst,     ///< synchronous, active high
    input  wire logic       rx,      ///< asynchronous, high while idle
    output      logic [7:0] data,
    output      logic       valid,   ///< one cycle
    output      logic       broken   ///< one cycle, instead of valid
);
  localparam int unsigned CountBits = $clog2(Divisor);
  `CHECK_PARAMETER(slow_enough, Divisor >= 4, "a bit needs 4 cycles or more")

  typedef enum logic [1:0] {
    Idle,
    Start,
    Bits,
    Recover
  } state_e;

  logic [2:0] sync_q;
  wire logic line = sync_q[2];
  state_e state_q;
  logic [CountBits-1:0] count_q;
  logic [3:0] bit_q;
  logic [7:0] data_q;
  logic valid_q, broken_q;
  wire logic tick = count_q == '0;
  assign data = data_q;
  assign valid = valid_q;
  assign broken = broken_q;

  always_ff @(posedge clk) begin
    sync_q <= {sync_q[1:0], rx};
    valid_q <= 1'b0;
    broken_q <= 1'b0;
    count_q <= tick ? CountBits'(Divisor - 1) : count_q - 1'b1;
    unique case (state_q)
      Idle:
      if (!line) begin
        state_q <= Start;
        count_q <= CountBits'(Divisor / 2 - 1);
      end
      // The middle of the start bit: a short glitch is not one.
      Start:
      if (tick) begin
        state_q <= line ? Idle : Bits;
        bit_q <= '0;
      end
      Bits:
      if (tick) begin
        bit_q <= bit_q + 1'b1;
        if (bit_q < 4'd8) data_q <= {line, data_q[7:1]};
        else begin
          valid_q <= line;
          broken_q <= !line;
          state_q <= line ? Idle : Recover;
        end
      end
      Recover: if (line) state_q <= Idle;
      default: state_q <= Idle;
    endcase
    if (rst) begin
      sync_q <= '1;
      state_q <= Idle;
      valid_q <= 1'b0;
      broken_q <= 1'b0;
      count_q <= '0;
    end
  end
endmodule

`default_nettype wire
