// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Function of every channel by a piecewise-linear table, see piecewise; a sequence uses the table of its bank.
/// One beat per cycle.
module pwl #(
    /// Channels per beat.
    parameter int unsigned Lanes       = 2,
    /// Tables.
    parameter int unsigned Banks       = 1,
    /// Segments of a table, a power of two.
    parameter int unsigned Segments    = 32,
    /// Bits of an input channel.
    parameter int unsigned InWidth     = 10,
    /// Inputs are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of a slope, two's complement.
    parameter int unsigned SlopeWidth  = 14,
    /// Bits of an offset, two's complement.
    parameter int unsigned OffsetWidth = 20,
    /// Bits of slope * x + offset, two's complement.
    parameter int unsigned SumWidth    = 25,
    /// Right shift, 0 and up.
    parameter int unsigned Shift       = 12,
    /// Bits of an output channel.
    parameter int unsigned OutWidth    = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load        = 32,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits   = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high; forgets the load
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,   ///< on the final beat of a sequence
    output      logic                      s_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready,
    input  wire logic [BankBits-1:0]       b_data,   ///< table of a sequence, below Banks
    input  wire logic                      b_valid,
    output      logic                      b_ready,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: per bank and segment {offset, slope, knot}
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  logic enable, loaded, y_valid, y_last;
  logic [Lanes*OutWidth-1:0] y;
  wire logic ready = enable && loaded;
  assign s_ready = ready && b_valid;
  assign b_ready = ready && s_valid && s_last;

  piecewise #(
      .Lanes(Lanes), .Banks(Banks), .Segments(Segments), .InWidth(InWidth), .InSigned(InSigned),
      .SlopeWidth(SlopeWidth), .OffsetWidth(OffsetWidth), .SumWidth(SumWidth), .Shift(Shift), .OutWidth(OutWidth),
      .OutSigned(OutSigned), .UserWidth(1), .Load(Load)
  ) u_piecewise (
      .clk, .rst, .enable, .loaded,
      .s_data, .s_bank(b_data), .s_user(s_last), .s_valid(s_valid && s_ready),
      .m_data(y), .m_user(y_last), .m_valid(y_valid),
      .w_data, .w_valid, .w_last, .w_ready, .x_data, .x_valid, .x_last, .x_ready
  );

  // The slice's ready is a register, so it may enable the whole pipeline.
  stream_skid #(.Width(Lanes * OutWidth)) u_skid (
      .clk, .rst, .s_data(y), .s_valid(y_valid), .s_last(y_last), .s_ready(enable), .m_data, .m_valid, .m_last, .m_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_NEVER(bank_exists, b_valid && 32'(b_data) >= Banks, "there is no such bank")
endmodule

`default_nettype wire
