// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Rotation of a sequence: `y[t] = x[(t + Shift) mod n]`. Keeps the first `Shift` tokens only.
module roll #(
    /// Bits of a channel.
    parameter int unsigned DataWidth = 8,
    /// Channels per beat.
    parameter int unsigned Lanes     = 2,
    /// Beats per token.
    parameter int unsigned Chunks    = 1,
    /// Tokens that move from the front to the end; at most those of the shortest sequence.
    parameter int unsigned Shift     = 1
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
  localparam int unsigned Beat = Lanes * DataWidth;

  logic [Beat-1:0] wrapped;
  logic wrapped_valid, wrapped_last, wrapped_ready;
  stream_wrap #(.Width(Beat), .Chunks(Chunks), .Skip(Shift), .Head(Shift)) u_wrap (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(wrapped), .m_valid(wrapped_valid), .m_last(wrapped_last), .m_ready(wrapped_ready)
  );
  stream_skid #(.Width(Beat)) u_slice (
      .clk, .rst, .s_data(wrapped), .s_valid(wrapped_valid), .s_last(wrapped_last), .s_ready(wrapped_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
