// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// CRC-32 of IEEE 802.3 (reflected, polynomial 0x04C11DB7, as zlib computes it), one byte per cycle.
module crc32 (
    input  wire logic        clk,
    input  wire logic        clear,  ///< begin anew; wins over valid
    input  wire logic        valid,
    input  wire logic [7:0]  data,
    output      logic [31:0] crc,    ///< of the bytes so far
    output      logic        sound   ///< the last four bytes are the CRC of those before them, low byte first
);
  localparam logic [31:0] Polynomial = 32'hedb88320;
  // What the register holds behind any message with its own CRC.
  localparam logic [31:0] Residue = 32'hdebb20e3;

  logic [31:0] state_q;
  assign crc = ~state_q;
  assign sound = state_q == Residue;

  function automatic logic [31:0] next(input logic [31:0] state, input logic [7:0] value);
    next = state ^ 32'(value);
    for (int unsigned i = 0; i < 8; i++) next = next[0] ? (next >> 1) ^ Polynomial : next >> 1;
  endfunction

  always_ff @(posedge clk) begin
    if (clear) state_q <= '1;
    else if (valid) state_q <= next(state_q, data);
  end
endmodule

`default_nettype wire
