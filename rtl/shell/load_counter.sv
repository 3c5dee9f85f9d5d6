// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Gives the load chain its `last`: on every word number `Words`, whatever the sender believes. A load that stops
/// half-way is therefore never mistaken for a whole one: `loaded` stays low.
module load_counter #(
    /// Bits of a word.
    parameter int unsigned Load  = 32,
    /// Words of a whole load; 0: the design has no weights and is always loaded.
    parameter int unsigned Words = 4
) (
    input  wire logic            clk,
    input  wire logic            rst,      ///< synchronous, active high; forgets the load
    input  wire logic [Load-1:0] s_data,
    input  wire logic            s_valid,
    output      logic            s_ready,
    output      logic [Load-1:0] w_data,   ///< the load chain
    output      logic            w_valid,
    output      logic            w_last,
    input  wire logic            w_ready,
    output      logic            loaded    ///< a whole load was taken, and no other one has begun
);
  assign w_data = s_data;
  if (Words == 0) begin : gen_none
    assign w_valid = 1'b0;
    assign w_last = 1'b0;
    assign s_ready = 1'b1;
    assign loaded = 1'b1;
    wire logic unused = &{clk, rst, s_valid, w_ready};
  end else begin : gen_count
    localparam int unsigned CountBits = Words > 1 ? $clog2(Words) : 1;
    logic [CountBits-1:0] count_q;
    logic loaded_q;
    assign w_valid = s_valid;
    assign w_last = count_q == CountBits'(Words - 1);
    assign s_ready = w_ready;
    assign loaded = loaded_q;
    always_ff @(posedge clk) begin
      if (s_valid && w_ready) begin
        count_q <= w_last ? '0 : count_q + 1'b1;
        loaded_q <= w_last;
      end
      if (rst) begin
        count_q <= '0;
        loaded_q <= 1'b0;
      end
    end
  end
endmodule

`default_nettype wire
