// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Channel concatenation of two streams, token by token: `Beats0` beats of stream 0, then `Beats1` of stream 1.
module concat #(
    /// Bits of a beat, the same on both sides.
    parameter int unsigned Width  = 8,
    /// Beats per token of stream 0.
    parameter int unsigned Beats0 = 1,
    /// Beats per token of stream 1.
    parameter int unsigned Beats1 = 1
) (
    input  wire logic             clk,
    input  wire logic             rst,       ///< synchronous, active high
    input  wire logic [Width-1:0] s0_data,
    input  wire logic             s0_valid,
    input  wire logic             s0_last,
    output      logic             s0_ready,
    input  wire logic [Width-1:0] s1_data,
    input  wire logic             s1_valid,
    input  wire logic             s1_last,
    output      logic             s1_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,
    input  wire logic             m_ready
);
  localparam int unsigned Beats = Beats0 + Beats1;
  localparam int unsigned BeatBits = $clog2(Beats);
  `CHECK_PARAMETER(positive, Beats0 > 0 && Beats1 > 0, "both sides have at least one beat per token")

  // The sequence ends with the last beat of stream 1; stream 0's `last` came with the same token.
  logic [BeatBits-1:0] beat_q;
  logic second_q, out_ready;
  wire logic out_valid = second_q ? s1_valid : s0_valid;
  assign s0_ready = out_ready && !second_q;
  assign s1_ready = out_ready && second_q;

  stream_skid #(
      .Width(Width)
  ) u_skid (
      .clk,
      .rst,
      .s_data (second_q ? s1_data : s0_data),
      .s_valid(out_valid),
      .s_last (second_q && s1_last),
      .s_ready(out_ready),
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );

  always_ff @(posedge clk) begin
    if (out_valid && out_ready) begin
      beat_q <= beat_q == BeatBits'(Beats - 1) ? '0 : beat_q + 1'b1;
      if (beat_q == BeatBits'(Beats0 - 1)) second_q <= 1'b1;
      if (beat_q == BeatBits'(Beats - 1)) second_q <= 1'b0;
    end
    if (rst) begin
      beat_q <= '0;
      second_q <= 1'b0;
    end
  end

  wire logic unused_last = s0_last;
endmodule

`default_nettype wire
