// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sends a packet from its memory as `packet_receiver` reads it: END, bytes with stuffing, CRC-32, END. The memory keeps
/// the packet, so that it can be sent again.
module packet_sender #(
    /// Bytes of the longest packet, without its CRC, 1 and up.
    parameter int unsigned Bytes = 260,
    /// Bits of a byte count; not to be set.
    localparam int unsigned CountBits = $clog2(Bytes + 5)
) (
    input  wire logic                 clk,
    input  wire logic                 rst,            ///< synchronous, active high
    input  wire logic                 write_valid,    ///< not while busy
    input  wire logic [CountBits-1:0] write_address,
    input  wire logic [7:0]           write_data,
    input  wire logic                 send,           ///< one cycle, not while busy
    input  wire logic [CountBits-1:0] length,         ///< bytes to send, 1 and up; sampled with `send`
    output      logic                 busy,
    output      logic [7:0]           m_data,         ///< to `uart_tx`
    output      logic                 m_valid,
    input  wire logic                 m_ready
);
  localparam logic [7:0] End = 8'hc0, Escape = 8'hdb, EscapedEnd = 8'hdc, EscapedEscape = 8'hdd;

  typedef enum logic [2:0] {
    Idle,
    Open,
    Fetch,
    Body,
    Check,
    Close
  } state_e;

  logic [7:0] memory[Bytes];
  logic [7:0] byte_q;
  state_e state_q;
  logic [CountBits-1:0] at_q, length_q;
  logic [1:0] check_q;
  logic escaped_q;
  logic [31:0] crc;

  always_ff @(posedge clk) begin
    if (write_valid) memory[write_address] <= write_data;
    byte_q <= memory[at_q];
  end

  wire logic [7:0] raw = state_q == Check ? crc[8*check_q+:8] : byte_q;
  wire logic stuff = raw == End || raw == Escape;
  wire logic inner = state_q == Body || state_q == Check;
  wire logic sent = m_valid && m_ready;
  // A stuffed byte takes two characters.
  wire logic whole = sent && (!stuff || escaped_q);

  logic unused_sound;
  crc32 u_crc (
      .clk,
      .clear(state_q == Idle),
      .valid(state_q == Body && whole),
      .data (byte_q),
      .crc,
      .sound(unused_sound)
  );

  assign busy = state_q != Idle;
  assign m_valid = state_q == Open || inner || state_q == Close;
  always_comb begin
    m_data = End;
    if (inner) m_data = !stuff ? raw : !escaped_q ? Escape : raw == End ? EscapedEnd : EscapedEscape;
  end

  always_ff @(posedge clk) begin
    unique case (state_q)
      Idle:
      if (send) begin
        state_q <= Open;
        length_q <= length;
        at_q <= '0;
      end
      Open: if (sent) state_q <= Fetch;
      Fetch: state_q <= Body;
      Body:
      if (whole) begin
        at_q <= at_q + 1'b1;
        state_q <= at_q + 1'b1 == length_q ? Check : Fetch;
        check_q <= '0;
      end
      Check:
      if (whole) begin
        check_q <= check_q + 1'b1;
        if (check_q == 2'd3) state_q <= Close;
      end
      Close: if (sent) state_q <= Idle;
      default: state_q <= Idle;
    endcase
    if (inner && sent) escaped_q <= stuff && !escaped_q;
    if (rst) begin
      state_q <= Idle;
      escaped_q <= 1'b0;
    end
  end

  `CHECK_STABLE(m_stable, m_valid, m_ready, m_data)
endmodule

`default_nettype wire
