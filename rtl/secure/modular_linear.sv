// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Matrix-vector product per token modulo 2**Width: `y[o] = sum_i w[o][i] * x[i] + addend[o] (+ bias[o])`; initiation
/// interval `Groups * (In/Simd) * (Out/Pe)` cycles per token.
///
/// Server: x is its share plus the client's masked one, w the narrow weights, the addend its share of mask times
/// mask, and there is a bias. Client: x is its mask, w the opened difference of weights and their mask, the addend
/// the dealer's. A token is `Groups` vectors of `In` elements; group g yields outputs `g*Out .. g*Out + Out - 1`.
module modular_linear #(
    /// Inputs per output element, a multiple of Simd.
    parameter int unsigned In          = 16,
    /// Output elements per group, a multiple of Pe.
    parameter int unsigned Out         = 8,
    /// Groups of elements that do not mix.
    parameter int unsigned Groups      = 1,
    /// Input elements per beat.
    parameter int unsigned Simd        = 4,
    /// Output elements per beat.
    parameter int unsigned Pe          = 2,
    /// Bits of the ring, at most 64.
    parameter int unsigned Width       = 32,
    /// Bits of a weight, see modular_matrix.
    parameter int unsigned WeightWidth = 8,
    /// A second store adds a bias.
    parameter bit          Bias        = 1'b0,
    /// Bits of the load chain, see store.
    parameter int unsigned Load        = 32,
    /// Large weight memories are UltraRAM, see store.
    parameter bit          Ultra       = 1'b0
) (
    input  wire logic                  clk,
    input  wire logic                  rst,      ///< synchronous, active high
    input  wire logic [Simd*Width-1:0] s_data,
    input  wire logic                  s_valid,
    input  wire logic                  s_last,   ///< on the final beat of a sequence
    output      logic                  s_ready,
    input  wire logic [Pe*Width-1:0]   a_data,   ///< addends, in the order of the results
    input  wire logic                  a_valid,
    input  wire logic                  a_last,   ///< where the results have theirs
    output      logic                  a_ready,
    output      logic [Pe*Width-1:0]   m_data,
    output      logic                  m_valid,
    output      logic                  m_last,
    input  wire logic                  m_ready,
    input  wire logic [Load-1:0]       w_data,   ///< load chain in: weight rows, then bias rows
    input  wire logic                  w_valid,
    input  wire logic                  w_last,
    output      logic                  w_ready,
    output      logic [Load-1:0]       x_data,   ///< load chain out
    output      logic                  x_valid,
    output      logic                  x_last,
    input  wire logic                  x_ready
);
  localparam int unsigned Words = In / Simd;
  localparam int unsigned Folds = Out / Pe;
  `CHECK_PARAMETER(pe_divides, Out % Pe == 0, "Pe must divide Out")

  // Input vectors, replayed once per fold of the outputs.
  logic [Simd*Width-1:0] x_beat;
  logic x_beat_valid, x_beat_last, x_beat_ready;
  if (Folds == 1) begin : gen_direct
    assign x_beat = s_data;
    assign x_beat_valid = s_valid;
    assign x_beat_last = s_last;
    assign s_ready = x_beat_ready;
  end else begin : gen_replay
    logic unused_count;
    stream_replay #(.Width(Simd * Width), .Words(Words), .Times(Folds), .Tokens(1)) u_replay (
        .clk, .rst, .s_data, .s_valid, .s_last, .s_ready, .m_data(x_beat), .m_count(unused_count),
        .m_valid(x_beat_valid), .m_last(x_beat_last), .m_ready(x_beat_ready)
    );
  end

  logic [Pe*Simd*WeightWidth-1:0] row;
  logic row_valid, row_ready, unused_bank;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready;
  store #(.Depth(Groups * Folds * Words), .Width(Pe * Simd * WeightWidth), .Load(Load), .Ultra(Ultra)) u_weights (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data(y_data), .x_valid(y_valid), .x_last(y_last),
      .x_ready(y_ready), .b_data(1'b0), .b_valid(1'b1), .b_ready(unused_bank), .m_data(row), .m_valid(row_valid),
      .m_ready(row_ready)
  );

  logic [Pe*Width-1:0] acc, bias, sum;
  logic acc_valid, acc_last, acc_ready, bias_valid, bias_ready, sum_valid, sum_ready;
  modular_matrix #(.In(In), .Simd(Simd), .Pe(Pe), .Width(Width), .WeightWidth(WeightWidth)) u_matrix (
      .clk, .rst, .s_data(x_beat), .s_valid(x_beat_valid), .s_last(x_beat_last), .s_ready(x_beat_ready),
      .w_data(row), .w_valid(row_valid), .w_ready(row_ready),
      .m_data(acc), .m_valid(acc_valid), .m_last(acc_last), .m_ready(acc_ready)
  );

  if (Bias) begin : gen_bias
    logic unused_bias_bank;
    store #(.Depth(Groups * Folds), .Width(Pe * Width), .Load(Load)) u_bias (
        .clk, .rst, .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready), .x_data, .x_valid,
        .x_last, .x_ready, .b_data(1'b0), .b_valid(1'b1), .b_ready(unused_bias_bank), .m_data(bias),
        .m_valid(bias_valid), .m_ready(bias_ready)
    );
  end else begin : gen_no_bias
    assign bias = '0;
    assign bias_valid = 1'b1;
    assign x_data = y_data;
    assign x_valid = y_valid;
    assign x_last = y_last;
    assign y_ready = x_ready;
    wire logic unused_bias = bias_ready;
  end

  always_comb begin
    for (int unsigned p = 0; p < Pe; p++) begin
      sum[p*Width+:Width] = acc[p*Width+:Width] + a_data[p*Width+:Width] + bias[p*Width+:Width];
    end
  end
  assign sum_valid  = acc_valid && a_valid && bias_valid;
  assign acc_ready  = sum_ready && a_valid && bias_valid;
  assign a_ready    = sum_ready && acc_valid && bias_valid;
  assign bias_ready = sum_ready && acc_valid && a_valid;

  // `last` of an element beside those of its token: only the final fold of the final group carries it.
  stream_skid #(.Width(Pe * Width)) u_skid (
      .clk, .rst, .s_data(sum), .s_valid(sum_valid), .s_last(acc_last), .s_ready(sum_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );
  `CHECK_NEVER(last_agrees, sum_valid && a_last != acc_last, "addends and results differ in length")
  wire logic unused_last = a_last;
endmodule

`default_nettype wire
