// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// The way back from `bit_pack`: words of the link to the elements of messages of `Beats` beats. Nothing waits: a
/// beat leaves as soon as its bytes are there.
module bit_unpack #(
    /// Bits of an element.
    parameter int unsigned Width   = 25,
    /// Elements per beat.
    parameter int unsigned Lanes   = 1,
    /// Beats per message.
    parameter int unsigned Beats   = 5,
    /// Bytes of a word of the link.
    parameter int unsigned InBytes = 8,
    /// Bytes of a field; not to be set.
    localparam int unsigned Field  = (Width + 7) / 8
) (
    input  wire logic                   clk,
    input  wire logic                   rst,      ///< synchronous, active high
    input  wire logic [8*InBytes-1:0]   s_data,
    input  wire logic                   s_valid,
    input  wire logic                   s_last,   ///< on the final word of a message
    output      logic                   s_ready,
    output      logic [Lanes*Width-1:0] m_data,
    output      logic                   m_valid,
    output      logic                   m_last,   ///< on the final beat of a message
    input  wire logic                   m_ready
);
  localparam int unsigned Out = Lanes * Field;
  localparam int unsigned Room = Out + 2 * InBytes;
  localparam int unsigned CountBits = $clog2(Room + 1);
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;

  // Bytes from `count_q` on are zero.
  logic [8*Room-1:0] held_q, rest;
  logic [CountBits-1:0] count_q, left;
  logic [BeatBits-1:0] beat_q;
  logic ended_q;

  wire logic push = s_valid && s_ready;
  wire logic pop = m_valid && m_ready;
  assign s_ready = !ended_q && count_q <= CountBits'(Out + InBytes);
  assign m_valid = count_q >= CountBits'(Out);
  assign m_last  = beat_q == BeatBits'(Beats - 1);
  assign rest    = pop ? held_q >> 8 * Out : held_q;
  assign left    = pop ? count_q - CountBits'(Out) : count_q;
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) m_data[l*Width+:Width] = held_q[8*l*Field+:Width];
  end

  always_ff @(posedge clk) begin
    held_q  <= push ? rest | (8 * Room)'(s_data) << {left, 3'b000} : rest;
    count_q <= push ? left + CountBits'(InBytes) : left;
    if (push && s_last) ended_q <= 1'b1;
    if (pop) beat_q <= m_last ? '0 : beat_q + 1'b1;
    if (pop && m_last) begin
      // What is left is the filling of the final word.
      held_q  <= '0;
      count_q <= '0;
      ended_q <= 1'b0;
    end
    if (rst) begin
      held_q  <= '0;
      count_q <= '0;
      beat_q  <= '0;
      ended_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(message_whole, pop && m_last && !ended_q, "a message is longer than its beats")
  `CHECK_NEVER(message_too_short, ended_q && !m_valid, "a message ended before its beats")
  // Fields are whole bytes; the bits above an element are zero.
  wire logic unused_fill = &held_q;
endmodule

`default_nettype wire
