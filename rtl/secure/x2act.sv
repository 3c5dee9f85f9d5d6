// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Quadratic activation of shares in one round, `y = a x**2 + b x + c`, which also takes them from Z_2**Width to
/// Z_2**OutWidth. |x| < 2**(Width-2).
///
/// The mask q is uniform in [0, 2**Width), qs is q as a signed number; the parties hold shares of q, q**2, qs, qs**2.
/// The server adds h = 2**(Width-2), so that 0 <= x + h < 2**(Width-1), and E = x + h - q is opened modulo 2**Width.
/// Then x + h = E + q over the integers for signed E when its top bit is set, else x + h = E + qs; let p, pp be the
/// shares of that mask and its square. With B = b - 2 a h and C = a h**2 - b h + c: `y = a pp + (2 a E + B) p`, and
/// `+ (a E + B) E + C` at the server.
module x2act #(
    /// Bits of the ring of x.
    parameter int unsigned Width       = 32,
    /// Bits of the ring of y, Width and up.
    parameter int unsigned OutWidth    = 64,
    /// Elements per beat.
    parameter int unsigned Lanes       = 1,
    /// Beats per token.
    parameter int unsigned Beats       = 1,
    /// Bits of a, two's complement.
    parameter int unsigned SquareWidth = 8,
    /// The party that owns the model.
    parameter bit          Server      = 1'b0,
    /// Beats that wait for the peer, see share_open.
    parameter int unsigned Flight      = 16,
    /// Bits of the load chain, see store.
    parameter int unsigned Load        = 32
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high
    input  wire logic [Lanes*Width-1:0]    s_data,   ///< shares of x
    input  wire logic                      s_valid,
    input  wire logic                      s_last,
    output      logic                      s_ready,
    input  wire logic [4*Lanes*OutWidth-1:0] q_data, ///< shares of q in the lowest Lanes elements, then q**2, qs, qs**2
    input  wire logic                      q_valid,
    input  wire logic                      q_last,
    output      logic                      q_ready,
    output      logic [Lanes*Width-1:0]    e_data,   ///< masked shares for the peer
    output      logic                      e_valid,
    output      logic                      e_last,
    input  wire logic                      e_ready,
    input  wire logic [Lanes*Width-1:0]    r_data,   ///< the peer's
    input  wire logic                      r_valid,
    input  wire logic                      r_last,
    output      logic                      r_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,   ///< shares of y
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: rows of {C (server only), B, a} per lane
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned Side = 4 * Lanes * OutWidth;
  localparam int unsigned RowWidth = SquareWidth + (Server ? 2 : 1) * OutWidth;
  `CHECK_PARAMETER(grows, Width <= OutWidth && Width >= 2, "2 <= Width <= OutWidth")
  `CHECK_PARAMETER(square_fits, SquareWidth <= OutWidth, "a is at most as wide as the ring")

  logic [Lanes*Width-1:0] mask;
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) mask[l*Width+:Width] = q_data[l*OutWidth+:Width];
  end

  logic [Side+Lanes*Width-1:0] opened;
  logic opened_valid, opened_last, opened_ready;
  share_open #(
      .Width(Width), .Lanes(Lanes), .Side(Side), .Offset(Server ? 64'd1 << (Width - 2) : 64'd0), .Flight(Flight)
  ) u_open (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready, .q_mask(mask), .q_data, .q_valid, .q_last, .q_ready,
      .e_data, .e_valid, .e_last, .e_ready, .r_data, .r_valid, .r_last, .r_ready,
      .m_data(opened), .m_valid(opened_valid), .m_last(opened_last), .m_ready(opened_ready)
  );

  logic [Lanes*RowWidth-1:0] row;
  logic row_valid, row_ready, unused_bank;
  store #(.Depth(Beats), .Width(Lanes * RowWidth), .Load(Load)) u_coefficients (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data, .x_valid, .x_last, .x_ready, .b_data(1'b0),
      .b_valid(1'b1), .b_ready(unused_bank), .m_data(row), .m_valid(row_valid), .m_ready(row_ready)
  );

  // Three steps: a E and a pp; the products with p and E; their sum in the slice.
  logic enable;
  logic [2:0] live_q, last_q;
  logic [OutWidth-1:0] opened_q[Lanes], opened_later_q[Lanes], mask_q[Lanes], mask_later_q[Lanes];
  logic [OutWidth-1:0] square_q[Lanes], slope_q[Lanes], slope_later_q[Lanes], masks_q[Lanes];
  logic [OutWidth-1:0] scaled_q[Lanes], ahead_q[Lanes], sum_q[Lanes];
  logic [Lanes*OutWidth-1:0] own, result;
  assign opened_ready = enable && row_valid;
  assign row_ready = enable && opened_valid;

  always_ff @(posedge clk) begin
    if (enable) begin
      live_q <= {live_q[1:0], opened_valid && row_valid};
      last_q <= {last_q[1:0], opened_last};
      for (int unsigned l = 0; l < Lanes; l++) begin
        // Signed E, and the mask that makes the sum exact.
        opened_q[l] <= OutWidth'(signed'(opened[l*Width+:Width]));
        mask_q[l] <= opened[Lanes*Width+((opened[l*Width+Width-1]?0:2)*Lanes+l)*OutWidth+:OutWidth];
        masks_q[l] <= opened[Lanes*Width+((opened[l*Width+Width-1]?1:3)*Lanes+l)*OutWidth+:OutWidth];
        square_q[l] <= OutWidth'(signed'(row[l*RowWidth+:SquareWidth]));
        slope_q[l] <= row[l*RowWidth+SquareWidth+:OutWidth];

        scaled_q[l] <= square_q[l] * opened_q[l];
        ahead_q[l] <= square_q[l] * masks_q[l];
        opened_later_q[l] <= opened_q[l];
        mask_later_q[l] <= mask_q[l];
        slope_later_q[l] <= slope_q[l];

        sum_q[l] <= ((scaled_q[l] << 1) + slope_later_q[l]) * mask_later_q[l] + ahead_q[l];
      end
    end
    if (rst) live_q <= '0;
  end

  if (Server) begin : gen_server
    logic [OutWidth-1:0] constant_q[Lanes], constant_later_q[Lanes], public_q[Lanes];
    always_ff @(posedge clk) begin
      if (enable) begin
        for (int unsigned l = 0; l < Lanes; l++) begin
          constant_q[l] <= row[l*RowWidth+SquareWidth+OutWidth+:OutWidth];
          constant_later_q[l] <= constant_q[l];
          public_q[l] <= (scaled_q[l] + slope_later_q[l]) * opened_later_q[l] + constant_later_q[l];
        end
      end
    end
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      assign own[l*OutWidth+:OutWidth] = public_q[l];
    end
  end else begin : gen_client
    assign own = '0;
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      wire logic unused_opened = &opened_later_q[l];
    end
  end

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) result[l*OutWidth+:OutWidth] = sum_q[l] + own[l*OutWidth+:OutWidth];
  end
  stream_skid #(.Width(Lanes * OutWidth)) u_skid (
      .clk, .rst, .s_data(result), .s_valid(live_q[2]), .s_last(last_q[2]), .s_ready(enable),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
