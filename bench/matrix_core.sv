// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// The part of `linear` that other generators call their matrix unit: input replay, multiply-accumulate and output
/// register, with weights from a stream and the plain accumulator out. Compared with FINN's in `matrix_unit.py`.
module matrix_core #(
    /// Inputs per output, a multiple of Simd.
    parameter int unsigned In    = 64,
    /// Outputs, a multiple of Pe.
    parameter int unsigned Out   = 64,
    /// Inputs multiplied per cycle.
    parameter int unsigned Simd  = 8,
    /// Outputs computed per cycle, even.
    parameter int unsigned Pe    = 8,
    /// Bits of an input and of a weight, both two's complement.
    parameter int unsigned Width = 8
) (
    input  wire logic                                clk,
    input  wire logic                                rst,      ///< synchronous, active high
    input  wire logic [Simd*Width-1:0]               s_data,
    input  wire logic                                s_valid,
    input  wire logic                                s_last,
    output      logic                                s_ready,
    input  wire logic [Pe/2*Simd*(2*Width+1)-1:0]    w_data,   ///< as in matrix, Pair = 1
    input  wire logic                                w_valid,
    output      logic                                w_ready,
    output      logic [Pe*(2*Width+$clog2(In))-1:0]  m_data,
    output      logic                                m_valid,
    output      logic                                m_last,
    input  wire logic                                m_ready
);
  localparam int unsigned AccWidth = 2 * Width + $clog2(In);

  logic [Simd*Width-1:0] x_data;
  logic x_count, x_valid, x_last, x_ready;
  stream_replay #(
      .Width(Simd * Width),
      .Words(In / Simd),
      .Times(Out / Pe)
  ) u_replay (
      .clk,
      .rst,
      .s_data,
      .s_valid,
      .s_last,
      .s_ready,
      .m_data (x_data),
      .m_count(x_count),
      .m_valid(x_valid),
      .m_last (x_last),
      .m_ready(x_ready)
  );

  logic [Pe*AccWidth-1:0] acc;
  logic acc_last, acc_valid, acc_ready;
  matrix #(
      .In         (In),
      .Simd       (Simd),
      .Pe         (Pe),
      .InWidth    (Width),
      .WeightWidth(Width),
      .Pair       (1'b1),
      .AccWidth   (AccWidth)
  ) u_matrix (
      .clk,
      .rst,
      .s_data (x_data),
      .s_user (x_last),
      .s_final(1'b0),
      .s_valid(x_valid),
      .s_ready(x_ready),
      .w_data,
      .w_valid,
      .w_ready,
      .m_data (acc),
      .m_user (acc_last),
      .m_valid(acc_valid),
      .m_ready(acc_ready)
  );

  stream_skid #(
      .Width(Pe * AccWidth)
  ) u_skid (
      .clk,
      .rst,
      .s_data (acc),
      .s_valid(acc_valid),
      .s_last (acc_last),
      .s_ready(acc_ready),
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );
  wire logic unused_count = x_count;
endmodule

`default_nettype wire
