// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Elements of a message, each in a field of whole bytes, to words of the link without gaps; first element lowest.
/// The final word of a message is filled up with zeros. A word leaves when it is full: up to `OutBytes - 1` bytes
/// wait for the next beat or the message's end.
module bit_pack #(
    /// Bits of an element.
    parameter int unsigned Width    = 25,
    /// Elements per beat.
    parameter int unsigned Lanes    = 1,
    /// Bytes of a word of the link.
    parameter int unsigned OutBytes = 8,
    /// Bytes of a field; not to be set.
    localparam int unsigned Field   = (Width + 7) / 8
) (
    input  wire logic                   clk,
    input  wire logic                   rst,      ///< synchronous, active high
    input  wire logic [Lanes*Width-1:0] s_data,
    input  wire logic                   s_valid,
    input  wire logic                   s_last,   ///< on the final beat of a message
    output      logic                   s_ready,
    output      logic [8*OutBytes-1:0]  m_data,
    output      logic                   m_valid,
    output      logic                   m_last,
    input  wire logic                   m_ready
);
  localparam int unsigned In = Lanes * Field;
  localparam int unsigned Room = OutBytes + 2 * In;
  localparam int unsigned CountBits = $clog2(Room + 1);

  // Bytes from `count_q` on are zero.
  logic [8*Room-1:0] held_q, rest;
  logic [CountBits-1:0] count_q, left;
  logic ended_q;
  logic [8*In-1:0] fields;
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) fields[8*l*Field+:8*Field] = (8 * Field)'(s_data[l*Width+:Width]);
  end

  wire logic full = count_q >= CountBits'(OutBytes);
  wire logic push = s_valid && s_ready;
  wire logic pop = m_valid && m_ready;
  assign s_ready = !ended_q && count_q <= CountBits'(OutBytes + In);
  assign m_valid = full || ended_q;
  assign m_data  = held_q[8*OutBytes-1:0];
  assign m_last  = ended_q && count_q <= CountBits'(OutBytes);
  assign rest    = pop ? held_q >> 8 * OutBytes : held_q;
  assign left    = !pop ? count_q : full ? count_q - CountBits'(OutBytes) : '0;

  always_ff @(posedge clk) begin
    held_q  <= push ? rest | (8 * Room)'(fields) << {left, 3'b000} : rest;
    count_q <= push ? left + CountBits'(In) : left;
    if (push) ended_q <= s_last;
    if (pop && m_last) ended_q <= 1'b0;
    if (rst) begin
      held_q  <= '0;
      count_q <= '0;
      ended_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
