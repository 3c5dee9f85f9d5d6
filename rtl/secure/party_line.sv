// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// One direction of a link, for simulation: every beat comes out `Latency` cycles later at the earliest, and in a
/// share of `Stall / 256` of the cycles nothing new comes out. Holds `Latency + 2` beats, so that it runs at full
/// pace.
module party_line #(
    /// Bits of a beat.
    parameter int unsigned Width   = 71,
    /// Cycles, 1 and up.
    parameter int unsigned Latency = 20,
    /// Chance of a pause, in 256ths.
    parameter int unsigned Stall   = 64,
    /// Start of the pauses' random numbers, not 0.
    parameter int unsigned Seed    = 1
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_valid,
    input  wire logic             s_last,
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,
    input  wire logic             m_ready
);
  localparam int unsigned Depth = Latency + 2;
  localparam int unsigned TimeBits = $clog2(Latency + 1) + 2;

  logic [Width+TimeBits-1:0] stamped;
  logic [TimeBits-1:0] now_q;
  logic waiting_valid, waiting_last, waiting_ready, slice_ready;
  stream_fifo #(.Width(Width + TimeBits), .Depth(Depth)) u_fifo (
      .clk, .rst, .s_data({now_q, s_data}), .s_valid(s_valid && s_ready), .s_last, .s_ready,
      .m_data(stamped), .m_valid(waiting_valid), .m_last(waiting_last), .m_ready(waiting_ready)
  );

  // Xorshift: Marsaglia 2003, (13, 17, 5).
  logic [31:0] random_q, random_d;
  always_comb begin
    random_d = random_q ^ random_q << 13;
    random_d = random_d ^ random_d >> 17;
    random_d = random_d ^ random_d << 5;
  end

  // Ages are modulo 2**TimeBits; what waits too long is let through as soon as it was old enough once.
  logic ripe_q;
  wire logic [TimeBits-1:0] age = now_q - stamped[Width+:TimeBits];
  wire logic ripe = ripe_q || age >= TimeBits'(Latency - 1);
  wire logic open = ripe && {1'b0, random_q[7:0]} + 9'd1 > 9'(Stall);
  stream_skid #(.Width(Width)) u_skid (
      .clk, .rst, .s_data(stamped[Width-1:0]), .s_valid(waiting_valid && open && slice_ready), .s_last(waiting_last),
      .s_ready(slice_ready), .m_data, .m_valid, .m_last, .m_ready
  );

  assign waiting_ready = slice_ready && open;

  always_ff @(posedge clk) begin
    now_q <= now_q + 1'b1;
    random_q <= random_d;
    ripe_q <= waiting_valid && ripe && !waiting_ready;
    if (rst) begin
      now_q <= '0;
      random_q <= 32'(Seed);
      ripe_q <= 1'b0;
    end
  end
endmodule

`default_nettype wire
