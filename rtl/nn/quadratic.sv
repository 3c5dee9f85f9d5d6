// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Quadratic activation per channel, by Horner's rule: `y = sat(((square*x + slope)*x + offset) >>> Shift)`.
/// The offset already contains the half that rounds to nearest. One beat per cycle.
module quadratic #(
    /// Channels per beat.
    parameter int unsigned Lanes       = 2,
    /// Beats per token.
    parameter int unsigned Beats       = 2,
    /// Bits of an input channel.
    parameter int unsigned InWidth     = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of `square`, two's complement.
    parameter int unsigned SquareWidth = 8,
    /// Bits of `slope`, two's complement.
    parameter int unsigned SlopeWidth  = 12,
    /// Bits of `square*x + slope`.
    parameter int unsigned InnerWidth  = 18,
    /// Bits of the polynomial and of the offset.
    parameter int unsigned WholeWidth  = 28,
    /// Right shift; negative shifts left.
    parameter int          Shift       = 8,
    /// Bits of an output channel.
    parameter int unsigned OutWidth    = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Bits of the load chain, see store.
    parameter int unsigned Load        = 32
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,
    output      logic                      s_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: rows of {offset, slope, square} per lane
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned LaneBits = SquareWidth + SlopeWidth + WholeWidth;
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  localparam int unsigned Left = Shift < 0 ? unsigned'(-Shift) : 0;
  localparam int unsigned Right = Shift > 0 ? unsigned'(Shift) : 0;

  logic [Lanes*LaneBits-1:0] row;
  logic row_valid, row_ready, unused_bank_ready;
  store #(
      .Depth(Beats),
      .Width(Lanes * LaneBits),
      .Load (Load)
  ) u_store (
      .clk,
      .rst,
      .w_data,
      .w_valid,
      .w_last,
      .w_ready,
      .x_data,
      .x_valid,
      .x_last,
      .x_ready,
      .b_data (1'b0),
      .b_valid(1'b1),
      .b_ready(unused_bank_ready),
      .m_data (row),
      .m_valid(row_valid),
      .m_ready(row_ready)
  );

  logic signed [InnerWidth-1:0] inner_q[Lanes], inner_d[Lanes];
  logic signed [XWidth-1:0] x[Lanes], x_q[Lanes];
  logic signed [WholeWidth-1:0] offset[Lanes], offset_q[Lanes], whole_q[Lanes], whole_d[Lanes];
  logic [Lanes*WholeWidth-1:0] whole_flat;
  logic inner_valid_q, inner_last_q, whole_valid_q, whole_last_q, out_ready;

  wire logic enable = out_ready || !whole_valid_q;
  assign s_ready = row_valid && enable;
  assign row_ready = s_valid && enable;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [SquareWidth-1:0] square;
    logic signed [SlopeWidth-1:0] slope;
    assign {offset[l], slope, square} = row[l*LaneBits+:LaneBits];
    if (InSigned) begin : gen_signed
      assign x[l] = s_data[l*InWidth+:InWidth];
    end else begin : gen_unsigned
      assign x[l] = XWidth'(s_data[l*InWidth+:InWidth]);
    end
    assign inner_d[l] = InnerWidth'(square) * InnerWidth'(x[l]) + InnerWidth'(slope);
    assign whole_d[l] = WholeWidth'(inner_q[l]) * WholeWidth'(x_q[l]) + offset_q[l];
    assign whole_flat[l*WholeWidth+:WholeWidth] = whole_q[l] >>> Right;
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      inner_q <= inner_d;
      x_q <= x;
      offset_q <= offset;
      inner_valid_q <= s_valid && row_valid;
      inner_last_q <= s_last;
      whole_q <= whole_d;
      whole_valid_q <= inner_valid_q;
      whole_last_q <= inner_last_q;
    end
    if (rst) begin
      inner_valid_q <= 1'b0;
      whole_valid_q <= 1'b0;
    end
  end

  requantize #(
      .Lanes    (Lanes),
      .InWidth  (WholeWidth),
      .InSigned (1'b1),
      .Shift    (-int'(Left)),
      .OutWidth (OutWidth),
      .OutSigned(OutSigned)
  ) u_saturate (
      .clk,
      .rst,
      .s_data (whole_flat),
      .s_valid(whole_valid_q),
      .s_last (whole_last_q),
      .s_ready(out_ready),
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );
endmodule

`default_nettype wire
