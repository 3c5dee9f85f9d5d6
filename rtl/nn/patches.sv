// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Front of every windowed operator: register slice, padding, sliding window. `s_ready` is a register.
/// Beats leave as in `window`: tap (ky, kx) of lane l is element (ky * KernelW + kx) * Lanes + l.
module patches #(
    /// Bits of a channel.
    parameter int unsigned DataWidth = 8,
    /// Channels per beat.
    parameter int unsigned Lanes     = 1,
    /// Beats per token.
    parameter int unsigned Chunks    = 1,
    /// Rows of the unpadded image; 1 for a sequence.
    parameter int unsigned Height    = 8,
    /// Tokens per unpadded row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width     = 8,
    /// Kernel rows.
    parameter int unsigned KernelH   = 3,
    /// Kernel columns.
    parameter int unsigned KernelW   = 3,
    /// Rows between positions.
    parameter int unsigned StrideH   = 1,
    /// Tokens between positions.
    parameter int unsigned StrideW   = 1,
    /// Rows between taps.
    parameter int unsigned DilationH = 1,
    /// Tokens between taps.
    parameter int unsigned DilationW = 1,
    /// Rows added above.
    parameter int unsigned Top       = 0,
    /// Tokens added before each row.
    parameter int unsigned Left      = 0,
    /// Rows added below.
    parameter int unsigned Bottom    = 0,
    /// Tokens added after each row.
    parameter int unsigned Right     = 0,
    /// The added tokens continue the image periodically; else they are `PadValue`.
    parameter bit          Circular  = 1'b0,
    /// Every added channel when not circular, DataWidth bits.
    parameter int unsigned PadValue  = 0,
    /// Most tokens of a sequence (circular and Width = 0 only).
    parameter int unsigned MaxTokens = 64
) (
    input  wire logic                                       clk,
    input  wire logic                                       rst,      ///< synchronous, active high
    input  wire logic [Lanes*DataWidth-1:0]                 s_data,
    input  wire logic                                       s_valid,
    input  wire logic                                       s_last,
    output      logic                                       s_ready,
    output      logic [KernelH*KernelW*Lanes*DataWidth-1:0] m_data,
    output      logic                                       m_valid,
    output      logic                                       m_last,
    input  wire logic                                       m_ready
);
  localparam int unsigned Beat = Lanes * DataWidth;

  logic [Beat-1:0] slice_data, padded_data;
  logic slice_valid, slice_last, slice_ready, padded_valid, padded_last, padded_ready;

  stream_skid #(.Width(Beat)) u_slice (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(slice_data), .m_valid(slice_valid), .m_last(slice_last), .m_ready(slice_ready)
  );

  pad #(
      .DataWidth(DataWidth), .Lanes(Lanes), .Chunks(Chunks), .Height(Height), .Width(Width), .Top(Top),
      .Left(Left), .Bottom(Bottom), .Right(Right), .Circular(Circular), .PadValue(PadValue),
      .MaxTokens(MaxTokens)
  ) u_pad (
      .clk, .rst, .s_data(slice_data), .s_valid(slice_valid), .s_last(slice_last), .s_ready(slice_ready),
      .m_data(padded_data), .m_valid(padded_valid), .m_last(padded_last), .m_ready(padded_ready)
  );

  window #(
      .DataWidth(DataWidth), .Lanes(Lanes), .Chunks(Chunks), .Height(Top + Height + Bottom),
      .Width(Width == 0 ? 0 : Left + Width + Right), .KernelH(KernelH), .KernelW(KernelW),
      .StrideH(StrideH), .StrideW(StrideW), .DilationH(DilationH), .DilationW(DilationW)
  ) u_window (
      .clk, .rst, .s_data(padded_data), .s_valid(padded_valid), .s_last(padded_last),
      .s_ready(padded_ready), .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
