// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Two streams of ring elements, beat by beat: `m = s0 + s1` or, with `Subtract`, `m = s0 - s1`, modulo 2**Width.
/// So a share is masked for the peer, a masked share is taken in, an opened value is put together. Registered.
module share_add #(
    /// Bits of the ring.
    parameter int unsigned Width    = 32,
    /// Elements per beat.
    parameter int unsigned Lanes    = 1,
    /// Take the difference.
    parameter bit          Subtract = 1'b0
) (
    input  wire logic                   clk,
    input  wire logic                   rst,      ///< synchronous, active high
    input  wire logic [Lanes*Width-1:0] s0_data,
    input  wire logic                   s0_valid,
    input  wire logic                   s0_last,
    output      logic                   s0_ready,
    input  wire logic [Lanes*Width-1:0] s1_data,
    input  wire logic                   s1_valid,
    input  wire logic                   s1_last,
    output      logic                   s1_ready,
    output      logic [Lanes*Width-1:0] m_data,
    output      logic                   m_valid,
    output      logic                   m_last,
    input  wire logic                   m_ready
);
  logic [2*Lanes*Width-1:0] both;
  logic [Lanes*Width-1:0] result;
  logic both_valid, both_last, both_ready;

  stream_join #(.Width0(Lanes * Width), .Width1(Lanes * Width)) u_join (
      .clk, .rst, .s0_data, .s0_valid, .s0_last, .s0_ready, .s1_data, .s1_valid, .s1_last, .s1_ready,
      .m_data(both), .m_valid(both_valid), .m_last(both_last), .m_ready(both_ready)
  );

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      if (Subtract) result[l*Width+:Width] = both[l*Width+:Width] - both[(Lanes+l)*Width+:Width];
      else result[l*Width+:Width] = both[l*Width+:Width] + both[(Lanes+l)*Width+:Width];
    end
  end

  stream_skid #(.Width(Lanes * Width)) u_skid (
      .clk, .rst, .s_data(result), .s_valid(both_valid), .s_last(both_last), .s_ready(both_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
