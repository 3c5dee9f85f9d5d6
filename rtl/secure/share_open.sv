// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Opens masked values: `e = x + Offset - mask` leaves for the peer, `E = e + (the peer's e)`, modulo 2**Width, follows
/// with what belongs to the mask, as soon as the peer's beat is there.
///
/// Up to `Flight` beats wait for the peer. Both parties run the same sequence, so the oldest of them is answered as
/// soon as it reached the peer: `Flight` must exceed what a sender may hold back of it (a partly filled word of the
/// link), no more is needed against deadlock, and a round trip's worth of beats hides the latency of the link.
module share_open #(
    /// Bits of the ring.
    parameter int unsigned Width  = 32,
    /// Elements per beat.
    parameter int unsigned Lanes  = 1,
    /// Bits that travel with a beat.
    parameter int unsigned Side   = 128,
    /// Added to every element before it is masked; for one of the parties only.
    parameter logic [63:0] Offset = 64'd0,
    /// Beats that wait for the peer, 2 and up.
    parameter int unsigned Flight = 16
) (
    input  wire logic                        clk,
    input  wire logic                        rst,      ///< synchronous, active high
    input  wire logic [Lanes*Width-1:0]      s_data,   ///< shares
    input  wire logic                        s_valid,
    input  wire logic                        s_last,
    output      logic                        s_ready,
    input  wire logic [Lanes*Width-1:0]      q_mask,   ///< shares of the masks
    input  wire logic [Side-1:0]             q_data,   ///< what belongs to them
    input  wire logic                        q_valid,
    input  wire logic                        q_last,
    output      logic                        q_ready,
    output      logic [Lanes*Width-1:0]      e_data,   ///< to the peer
    output      logic                        e_valid,
    output      logic                        e_last,
    input  wire logic                        e_ready,
    input  wire logic [Lanes*Width-1:0]      r_data,   ///< from the peer
    input  wire logic                        r_valid,
    input  wire logic                        r_last,
    output      logic                        r_ready,
    output      logic [Side+Lanes*Width-1:0] m_data,   ///< {q_data, opened values}
    output      logic                        m_valid,
    output      logic                        m_last,
    input  wire logic                        m_ready
);
  localparam int unsigned Beat = Lanes * Width;
  localparam int unsigned Whole = Side + Beat;
  `CHECK_PARAMETER(flight, Flight >= 2, "Flight is at least 2")

  logic [Whole+Beat-1:0] both;
  logic [Whole-1:0] masked, slice;
  logic both_valid, both_last, both_ready, slice_valid, slice_last, slice_ready;
  stream_join #(.Width0(Beat), .Width1(Whole)) u_join (
      .clk, .rst, .s0_data(s_data), .s0_valid(s_valid), .s0_last(s_last), .s0_ready(s_ready),
      .s1_data({q_data, q_mask}), .s1_valid(q_valid), .s1_last(q_last), .s1_ready(q_ready),
      .m_data(both), .m_valid(both_valid), .m_last(both_last), .m_ready(both_ready)
  );
  always_comb begin
    masked[Whole-1:Beat] = both[Whole+Beat-1:2*Beat];
    for (int unsigned l = 0; l < Lanes; l++) begin
      masked[l*Width+:Width] = both[l*Width+:Width] + Width'(Offset) - both[Beat+l*Width+:Width];
    end
  end
  stream_skid #(.Width(Whole)) u_slice (
      .clk, .rst, .s_data(masked), .s_valid(both_valid), .s_last(both_last), .s_ready(both_ready),
      .m_data(slice), .m_valid(slice_valid), .m_last(slice_last), .m_ready(slice_ready)
  );

  logic [1:0][Whole-1:0] twice;
  logic [1:0] twice_valid, twice_last, twice_ready;
  stream_fork #(.Width(Whole), .Outputs(2)) u_fork (
      .clk, .rst, .s_data(slice), .s_valid(slice_valid), .s_last(slice_last), .s_ready(slice_ready),
      .m_data(twice), .m_valid(twice_valid), .m_last(twice_last), .m_ready(twice_ready)
  );
  assign e_data = twice[0][Beat-1:0];
  assign e_valid = twice_valid[0];
  assign e_last = twice_last[0];
  assign twice_ready[0] = e_ready;
  wire logic unused_side = &twice[0][Whole-1:Beat];

  logic [Whole-1:0] held;
  logic held_valid, held_last, held_ready;
  stream_fifo #(.Width(Whole), .Depth(Flight)) u_flight (
      .clk, .rst, .s_data(twice[1]), .s_valid(twice_valid[1]), .s_last(twice_last[1]), .s_ready(twice_ready[1]),
      .m_data(held), .m_valid(held_valid), .m_last(held_last), .m_ready(held_ready)
  );

  logic [Whole+Beat-1:0] answered;
  logic [Whole-1:0] opened;
  logic opened_valid, opened_last, opened_ready;
  stream_join #(.Width0(Whole), .Width1(Beat)) u_answer (
      .clk, .rst, .s0_data(held), .s0_valid(held_valid), .s0_last(held_last), .s0_ready(held_ready),
      .s1_data(r_data), .s1_valid(r_valid), .s1_last(r_last), .s1_ready(r_ready),
      .m_data(answered), .m_valid(opened_valid), .m_last(opened_last), .m_ready(opened_ready)
  );
  always_comb begin
    opened[Whole-1:Beat] = answered[Whole-1:Beat];
    for (int unsigned l = 0; l < Lanes; l++) begin
      opened[l*Width+:Width] = answered[l*Width+:Width] + answered[Whole+l*Width+:Width];
    end
  end
  stream_skid #(.Width(Whole)) u_skid (
      .clk, .rst, .s_data(opened), .s_valid(opened_valid), .s_last(opened_last), .s_ready(opened_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
