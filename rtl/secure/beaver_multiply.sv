// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Product of two shared values in one round, modulo 2**Width, with a triple a, b, c = a b (Beaver, CRYPTO 1991):
/// `E = open(x - a)`, `F = open(y - b)`, `z = c + E b + F a`, and `+ E F` at the server.
module beaver_multiply #(
    /// Bits of the ring.
    parameter int unsigned Width  = 32,
    /// Products per beat.
    parameter int unsigned Lanes  = 1,
    /// The party that adds E F.
    parameter bit          Server = 1'b0,
    /// Beats that wait for the peer, see share_open.
    parameter int unsigned Flight = 16
) (
    input  wire logic                     clk,
    input  wire logic                     rst,      ///< synchronous, active high
    input  wire logic [2*Lanes*Width-1:0] s_data,   ///< shares of x in the low lanes, of y in the high ones
    input  wire logic                     s_valid,
    input  wire logic                     s_last,
    output      logic                     s_ready,
    input  wire logic [3*Lanes*Width-1:0] q_data,   ///< shares of a, then b, then c
    input  wire logic                     q_valid,
    input  wire logic                     q_last,
    output      logic                     q_ready,
    output      logic [2*Lanes*Width-1:0] e_data,   ///< masked shares for the peer: x - a, y - b
    output      logic                     e_valid,
    output      logic                     e_last,
    input  wire logic                     e_ready,
    input  wire logic [2*Lanes*Width-1:0] r_data,   ///< the peer's
    input  wire logic                     r_valid,
    input  wire logic                     r_last,
    output      logic                     r_ready,
    output      logic [Lanes*Width-1:0]   m_data,   ///< shares of z
    output      logic                     m_valid,
    output      logic                     m_last,
    input  wire logic                     m_ready
);
  localparam int unsigned Beat = Lanes * Width;
  logic [5*Beat-1:0] opened;
  logic opened_valid, opened_last, enable;
  share_open #(.Width(Width), .Lanes(2 * Lanes), .Side(3 * Beat), .Flight(Flight)) u_open (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready, .q_mask(q_data[2*Beat-1:0]), .q_data, .q_valid, .q_last,
      .q_ready, .e_data, .e_valid, .e_last, .e_ready, .r_data, .r_valid, .r_last, .r_ready,
      .m_data(opened), .m_valid(opened_valid), .m_last(opened_last), .m_ready(enable)
  );

  logic [Width-1:0] with_a_q[Lanes], with_b_q[Lanes], rest_q[Lanes];
  logic [Beat-1:0] result;
  logic valid_q, last_q;
  always_ff @(posedge clk) begin
    if (enable) begin
      valid_q <= opened_valid;
      last_q  <= opened_last;
      for (int unsigned l = 0; l < Lanes; l++) begin
        logic [Width-1:0] e, f, a, b, c;
        e = opened[l*Width+:Width];
        f = opened[Beat+l*Width+:Width];
        a = opened[2*Beat+l*Width+:Width];
        b = opened[3*Beat+l*Width+:Width];
        c = opened[4*Beat+l*Width+:Width];
        with_a_q[l] <= f * a;
        // The server's E F and E b share a multiplier.
        with_b_q[l] <= e * (Server ? b + f : b);
        rest_q[l] <= c;
      end
    end
    if (rst) valid_q <= 1'b0;
  end
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) result[l*Width+:Width] = with_a_q[l] + with_b_q[l] + rest_q[l];
  end
  stream_skid #(.Width(Beat)) u_skid (
      .clk, .rst, .s_data(result), .s_valid(valid_q), .s_last(last_q), .s_ready(enable),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
