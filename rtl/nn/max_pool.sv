// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Largest value of a sliding window, per channel: `y[c] = max over taps of x[tap][c]`.
/// Added tokens hold `PadValue`; with the format's minimum they never win.
module max_pool #(
    /// Rows of the image; 1 for a sequence.
    parameter int unsigned Height    = 8,
    /// Tokens per row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width     = 8,
    /// Channels per beat.
    parameter int unsigned Lanes     = 1,
    /// Beats per token.
    parameter int unsigned Chunks    = 1,
    /// Kernel rows.
    parameter int unsigned KernelH   = 2,
    /// Kernel columns.
    parameter int unsigned KernelW   = 2,
    /// Rows between positions.
    parameter int unsigned StrideH   = 2,
    /// Tokens between positions.
    parameter int unsigned StrideW   = 2,
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
    /// Bits of a channel.
    parameter int unsigned DataWidth = 8,
    /// Channels are two's complement.
    parameter bit          Signed    = 1'b1,
    /// Every added channel, DataWidth bits.
    parameter int unsigned PadValue  = 128
) (
    input  wire logic                       clk,
    input  wire logic                       rst,      ///< synchronous, active high
    input  wire logic [Lanes*DataWidth-1:0] s_data,
    input  wire logic                       s_valid,
    input  wire logic                       s_last,
    output      logic                       s_ready,
    output      logic [Lanes*DataWidth-1:0] m_data,
    output      logic                       m_valid,
    output      logic                       m_last,
    input  wire logic                       m_ready
);
  localparam int unsigned Taps = KernelH * KernelW;
  /// Turning the sign bit makes two's complement compare like plain binary.
  localparam logic [DataWidth-1:0] Turn = Signed ? DataWidth'(1) << (DataWidth - 1) : '0;

  logic [Taps*Lanes*DataWidth-1:0] patch_data;
  logic [Lanes*DataWidth-1:0] largest;
  logic patch_valid, patch_last, patch_ready;

  patches #(
      .DataWidth(DataWidth), .Lanes(Lanes), .Chunks(Chunks), .Height(Height), .Width(Width),
      .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW),
      .DilationH(DilationH), .DilationW(DilationW), .Top(Top), .Left(Left), .Bottom(Bottom),
      .Right(Right), .PadValue(PadValue)
  ) u_patches (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(patch_data), .m_valid(patch_valid), .m_last(patch_last), .m_ready(patch_ready)
  );

  // A tree: after the round with distance d, every 2d-th tap holds the largest of its 2d neighbours.
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic [Taps-1:0][DataWidth-1:0] best;
      for (int unsigned t = 0; t < Taps; t++) best[t] = patch_data[(t*Lanes+l)*DataWidth+:DataWidth] ^ Turn;
      for (int unsigned d = 1; d < Taps; d = d * 2) begin
        for (int unsigned t = 0; t + d < Taps; t = t + 2 * d) begin
          if (best[t+d] > best[t]) best[t] = best[t+d];
        end
      end
      largest[l*DataWidth+:DataWidth] = best[0] ^ Turn;
    end
  end

  stream_skid #(.Width(Lanes * DataWidth)) u_skid (
      .clk, .rst, .s_data(largest), .s_valid(patch_valid), .s_last(patch_last), .s_ready(patch_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
