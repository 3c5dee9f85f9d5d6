// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Packets out of a byte stream: END-delimited frames with byte stuffing as in SLIP (RFC 1055), each with a CRC-32 at
/// its end. Only a whole packet with a right CRC is held; every other one is dropped with one error pulse.
///
/// A frame that begins while a packet is held is dropped as an overrun. Empty frames (END END) are nothing.
module packet_receiver #(
    /// Bytes of the longest packet, without its CRC, 4 and up.
    parameter int unsigned Bytes = 260,
    /// Bits of a byte count; not to be set.
    localparam int unsigned CountBits = $clog2(Bytes + 5)
) (
    input  wire logic                 clk,
    input  wire logic                 rst,           ///< synchronous, active high
    input  wire logic [7:0]           data,          ///< of `uart_rx`
    input  wire logic                 valid,
    input  wire logic                 broken,        ///< a character was lost
    output      logic                 held,          ///< a packet is there
    output      logic [CountBits-1:0] length,        ///< its bytes
    input  wire logic                 take,          ///< let it go
    input  wire logic [CountBits-1:0] read_address,
    output      logic [7:0]           read_data,     ///< one cycle behind `read_address`
    output      logic                 bad_crc,       ///< one cycle each
    output      logic                 bad_frame,
    output      logic                 bad_length,
    output      logic                 overrun
);
  localparam logic [7:0] End = 8'hc0, Escape = 8'hdb, EscapedEnd = 8'hdc, EscapedEscape = 8'hdd;
  localparam int unsigned Header = 4, Check = 4;
  `CHECK_PARAMETER(header, Bytes >= Header, "the header has 4 bytes")

  logic [7:0] memory[Bytes+Check];
  logic [CountBits-1:0] count_q;
  // A dead frame is ignored up to its end; its error has been told.
  logic escape_q, dead_q, held_q;
  logic [CountBits-1:0] length_q;

  wire logic is_end = valid && data == End;
  wire logic is_escape = valid && data == Escape;
  wire logic plain = valid && !is_end && !is_escape;
  wire logic wrong_escape = escape_q && (is_end || is_escape || (plain && data != EscapedEnd && data != EscapedEscape));
  wire logic [7:0] value = !escape_q ? data : data == EscapedEnd ? End : Escape;
  wire logic live = !dead_q && !held_q;
  wire logic full = count_q == CountBits'(Bytes + Check);
  wire logic keep = live && plain && !wrong_escape && !full;
  wire logic ends = is_end && live && !wrong_escape;
  wire logic long_enough = count_q >= CountBits'(Header + Check);

  logic sound;
  logic [31:0] unused_crc;
  crc32 u_crc (
      .clk,
      .clear(rst || is_end),
      .valid(keep),
      .data (value),
      .crc  (unused_crc),
      .sound
  );

  assign held = held_q;
  assign length = length_q;
  assign overrun = held_q && !dead_q && valid && !is_end;
  assign bad_frame = !dead_q && (broken || (!held_q && wrong_escape));
  assign bad_length = live && !wrong_escape && ((plain && full) || (is_end && count_q != '0 && !long_enough));
  assign bad_crc = ends && long_enough && !sound;

  always_ff @(posedge clk) begin
    if (keep) memory[count_q] <= value;
    read_data <= memory[read_address];
  end

  always_ff @(posedge clk) begin
    if (valid) escape_q <= is_escape && !escape_q;
    if (keep) count_q <= count_q + 1'b1;
    if (overrun || bad_frame || (bad_length && !is_end)) dead_q <= 1'b1;
    if (take) held_q <= 1'b0;
    if (is_end) begin
      escape_q <= 1'b0;
      dead_q <= 1'b0;
      count_q <= '0;
      if (ends && long_enough && sound) begin
        held_q <= 1'b1;
        length_q <= count_q - CountBits'(Check);
      end
    end
    if (rst) begin
      escape_q <= 1'b0;
      // Reset may come in the middle of a frame.
      dead_q <= 1'b1;
      held_q <= 1'b0;
      count_q <= '0;
    end
  end
endmodule

`default_nettype wire
