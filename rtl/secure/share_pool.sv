// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sum over a sliding window of shares times a public integer, per channel: `y[c] = Reciprocal * sum over taps of
/// x[tap][c]` modulo 2**Width. Local. Added tokens are zero; share_truncate makes the mean of it.
module share_pool #(
    /// Rows of the image; 1 for a sequence.
    parameter int unsigned Height     = 8,
    /// Tokens per row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width      = 8,
    /// Elements per beat.
    parameter int unsigned Lanes      = 1,
    /// Beats per token.
    parameter int unsigned Chunks     = 1,
    /// Kernel rows.
    parameter int unsigned KernelH    = 2,
    /// Kernel columns.
    parameter int unsigned KernelW    = 2,
    /// Rows between positions.
    parameter int unsigned StrideH    = 2,
    /// Tokens between positions.
    parameter int unsigned StrideW    = 2,
    /// Rows added above.
    parameter int unsigned Top        = 0,
    /// Tokens added before each row.
    parameter int unsigned Left       = 0,
    /// Rows added below.
    parameter int unsigned Bottom     = 0,
    /// Tokens added after each row.
    parameter int unsigned Right      = 0,
    /// Bits of the ring.
    parameter int unsigned RingWidth  = 32,
    /// Public factor, see average_pool; 1 when the number of taps is a power of two.
    parameter int unsigned Reciprocal = 1
) (
    input  wire logic                       clk,
    input  wire logic                       rst,      ///< synchronous, active high
    input  wire logic [Lanes*RingWidth-1:0] s_data,
    input  wire logic                       s_valid,
    input  wire logic                       s_last,
    output      logic                       s_ready,
    output      logic [Lanes*RingWidth-1:0] m_data,
    output      logic                       m_valid,
    output      logic                       m_last,
    input  wire logic                       m_ready
);
  localparam int unsigned Taps = KernelH * KernelW;

  logic [Taps*Lanes*RingWidth-1:0] patch_data;
  logic patch_valid, patch_last, enable;
  patches #(
      .DataWidth(RingWidth), .Lanes(Lanes), .Chunks(Chunks), .Height(Height), .Width(Width), .KernelH(KernelH),
      .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW), .Top(Top), .Left(Left), .Bottom(Bottom), .Right(Right)
  ) u_patches (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(patch_data), .m_valid(patch_valid), .m_last(patch_last), .m_ready(enable)
  );

  logic [RingWidth-1:0] sum_q[Lanes], sum_d[Lanes];
  logic [Lanes*RingWidth-1:0] product;
  logic valid_q, last_q;

  // A tree: after the round with distance d, every 2d-th tap holds the sum of its 2d neighbours.
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic [RingWidth-1:0] part[Taps];
      for (int unsigned t = 0; t < Taps; t++) part[t] = patch_data[(t*Lanes+l)*RingWidth+:RingWidth];
      for (int unsigned d = 1; d < Taps; d = d * 2) begin
        for (int unsigned t = 0; t + d < Taps; t = t + 2 * d) part[t] = part[t] + part[t+d];
      end
      sum_d[l] = part[0];
    end
  end
  always_ff @(posedge clk) begin
    if (enable) begin
      sum_q <= sum_d;
      valid_q <= patch_valid;
      last_q <= patch_last;
    end
    if (rst) valid_q <= 1'b0;
  end
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) product[l*RingWidth+:RingWidth] = sum_q[l] * RingWidth'(Reciprocal);
  end
  stream_skid #(.Width(Lanes * RingWidth)) u_skid (
      .clk, .rst, .s_data(product), .s_valid(valid_q), .s_last(last_q), .s_ready(enable),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
