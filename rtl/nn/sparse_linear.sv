// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Matrix-vector product per token that multiplies kept weights only:
/// `y[o] = sat((sum_k w[o][k] * x[index[o][k]] + offset[o]) >>> shift[o])`; initiation interval `max(Rows, In/(Simd*Reach))`
/// cycles per token, where a row holds Pe x Simd weights with their indices and each fold has as many rows as it needs.
/// With `Banks` sets of constants, every sequence says by `b_data` which one it uses.
module sparse_linear #(
    /// Inputs, a multiple of Simd * Reach.
    parameter int unsigned In          = 16,
    /// Output channels, a multiple of Pe.
    parameter int unsigned Out         = 8,
    /// Kept weights per output and cycle.
    parameter int unsigned Simd        = 2,
    /// Output channels per beat.
    parameter int unsigned Pe          = 2,
    /// Sets of indices per row: neighbouring Pe / Sources outputs share one.
    parameter int unsigned Sources     = 2,
    /// Channels of a beat that a multiplier chooses from, see sparse_gather.
    parameter int unsigned Reach       = 2,
    /// All multipliers read the same beat, see sparse_gather.
    parameter bit          Shared      = 1'b0,
    /// Rows of weights per token.
    parameter int unsigned Rows        = 8,
    /// Bits of an input channel.
    parameter int unsigned InWidth     = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of a weight, two's complement.
    parameter int unsigned WeightWidth = 8,
    /// Two outputs that share indices share a multiplier, see matrix.
    parameter bit          Pair        = 1'b0,
    /// Bits of the multiplier's wide port, see matrix.
    parameter int unsigned Port        = 27,
    /// Products without DSP blocks, see matrix.
    parameter bit          Fabric      = 1'b0,
    /// Bits of the plain accumulator.
    parameter int unsigned AccWidth    = 20,
    /// Bits of an offset (bias plus rounding half).
    parameter int unsigned OffsetWidth = 20,
    /// Right shift of every channel; negative shifts left.
    parameter int          ShiftMin    = 4,
    /// Bits of the extra shift per channel.
    parameter int unsigned ShiftBits   = 0,
    /// Bits of an output channel.
    parameter int unsigned OutWidth    = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Sets of constants.
    parameter int unsigned Banks       = 1,
    /// Bits of the load chain, see store.
    parameter int unsigned Load        = 32,
    /// Large weight memories are UltraRAM, see store.
    parameter bit          Ultra       = 1'b0,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits   = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                          clk,
    input  wire logic                          rst,      ///< synchronous, active high
    input  wire logic [Simd*Reach*InWidth-1:0] s_data,
    input  wire logic                          s_valid,
    input  wire logic                          s_last,   ///< on the final beat of a sequence
    output      logic                          s_ready,
    output      logic [Pe*OutWidth-1:0]        m_data,
    output      logic                          m_valid,
    output      logic                          m_last,
    input  wire logic                          m_ready,
    input  wire logic [BankBits-1:0]           b_data,   ///< bank of a sequence, one beat each; idle with one bank
    input  wire logic                          b_valid,
    output      logic                          b_ready,
    input  wire logic [Load-1:0]               w_data,   ///< load chain in: rows of weights, then offset rows
    input  wire logic                          w_valid,
    input  wire logic                          w_last,
    output      logic                          w_ready,
    output      logic [Load-1:0]               x_data,   ///< load chain out
    output      logic                          x_valid,
    output      logic                          x_last,
    input  wire logic                          x_ready
);
  localparam int unsigned Words = In / (Simd * Reach);
  localparam int unsigned Folds = Out / Pe;
  localparam int unsigned WeightsWidth = Pair ? Pe / 2 * Simd * (2 * WeightWidth + 1) : Pe * Simd * WeightWidth;
  localparam int unsigned Needed = $clog2(Reach) + (Shared || Words == 1 ? 0 : $clog2(Words));
  localparam int unsigned IndexWidth = Sources * Simd * (Needed > 0 ? Needed : 1);
  // From the low end: weights, indices, final row of a result, and with Shared, last row on its beat.
  localparam int unsigned RowWidth = WeightsWidth + IndexWidth + 1 + (Shared ? 1 : 0);
  `CHECK_PARAMETER(beats_divide, In % (Simd * Reach) == 0, "Simd * Reach must divide In")
  `CHECK_PARAMETER(pe_divides, Out % Pe == 0, "Pe must divide Out")
  `CHECK_PARAMETER(sources_divide, Pe % Sources == 0, "Sources must divide Pe")
  `CHECK_PARAMETER(pair_shares, !Pair || Pe / Sources % 2 == 0, "Pair needs indices that an even number of outputs shares")

  // Banks of the rounds: a round of rows serves one token.
  logic [Simd*Reach*InWidth-1:0] a_data;
  logic a_valid, a_last, a_ready;
  logic [2*BankBits-1:0] bank;
  logic [1:0] bank_valid, bank_ready;
  bank_rounds #(.Width(Simd * Reach * InWidth), .Words(Words), .Tokens(1), .Banks(Banks), .Consumers(2)) u_banks (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(a_data), .m_valid(a_valid), .m_last(a_last), .m_ready(a_ready),
      .b_data, .b_valid, .b_ready, .r_data(bank), .r_valid(bank_valid), .r_ready(bank_ready)
  );

  logic [RowWidth-1:0] row;
  logic row_valid, row_ready;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready;
  store #(.Depth(Rows), .Width(RowWidth), .Banks(Banks), .Load(Load), .Ultra(Ultra)) u_weights (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready,
      .x_data(y_data), .x_valid(y_valid), .x_last(y_last), .x_ready(y_ready),
      .b_data(bank[BankBits-1:0]), .b_valid(bank_valid[0]), .b_ready(bank_ready[0]),
      .m_data(row), .m_valid(row_valid), .m_ready(row_ready)
  );

  logic [Sources*Simd*InWidth-1:0] x;
  logic [WeightsWidth-1:0] weights;
  logic x_final, x_end, x_beat_valid, x_beat_ready;
  sparse_gather #(
      .Width(InWidth), .Words(Words), .Simd(Simd), .Reach(Reach), .Sources(Sources), .Folds(Folds), .Shared(Shared),
      .WeightsWidth(WeightsWidth)
  ) u_gather (
      .clk, .rst, .s_data(a_data), .s_valid(a_valid), .s_last(a_last), .s_ready(a_ready),
      .r_index(row[WeightsWidth+:IndexWidth]), .r_next(Shared && row[RowWidth-1]),
      .r_final(row[WeightsWidth+IndexWidth]), .r_weights(row[WeightsWidth-1:0]),
      .r_valid(row_valid), .r_ready(row_ready),
      .m_data(x), .m_weights(weights), .m_final(x_final), .m_valid(x_beat_valid), .m_last(x_end),
      .m_ready(x_beat_ready)
  );

  logic [Pe*AccWidth-1:0] acc;
  logic acc_last, acc_valid, acc_ready, weights_ready;
  matrix #(
      .In(In), .Simd(Simd), .Pe(Pe), .Sources(Sources), .Marked(1'b1), .InWidth(InWidth), .InSigned(InSigned),
      .WeightWidth(WeightWidth), .Pair(Pair), .Port(Port), .Fabric(Fabric), .AccWidth(AccWidth), .UserWidth(1)
  ) u_matrix (
      .clk, .rst, .s_data(x), .s_user(x_end), .s_final(x_final), .s_valid(x_beat_valid), .s_ready(x_beat_ready),
      .w_data(weights), .w_valid(x_beat_valid), .w_ready(weights_ready),
      .m_data(acc), .m_user(acc_last), .m_valid(acc_valid), .m_ready(acc_ready)
  );
  // Weights come with their operands: both sides are ready at once.
  wire logic unused_ready = weights_ready;

  logic [Pe*(OffsetWidth+ShiftBits)-1:0] offsets;
  logic offsets_valid, offsets_ready;
  store #(.Depth(Folds), .Width(Pe * (OffsetWidth + ShiftBits)), .Banks(Banks), .Load(Load)) u_offsets (
      .clk, .rst, .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready),
      .x_data, .x_valid, .x_last, .x_ready,
      .b_data(bank[2*BankBits-1:BankBits]), .b_valid(bank_valid[1]), .b_ready(bank_ready[1]),
      .m_data(offsets), .m_valid(offsets_valid), .m_ready(offsets_ready)
  );

  logic [Pe*OutWidth-1:0] out;
  logic out_last, out_valid, out_ready;
  rescale #(
      .Pe(Pe), .AccWidth(AccWidth), .OffsetWidth(OffsetWidth), .ShiftMin(ShiftMin), .ShiftBits(ShiftBits),
      .OutWidth(OutWidth), .OutSigned(OutSigned), .UserWidth(1)
  ) u_rescale (
      .clk, .rst, .s_data(acc), .s_user(acc_last), .s_valid(acc_valid), .s_ready(acc_ready),
      .o_data(offsets), .o_valid(offsets_valid), .o_ready(offsets_ready),
      .m_data(out), .m_user(out_last), .m_valid(out_valid), .m_ready(out_ready)
  );

  // The register slice ends the chain of enables.
  stream_skid #(.Width(Pe * OutWidth)) u_skid (
      .clk, .rst, .s_data(out), .s_valid(out_valid), .s_last(out_last), .s_ready(out_ready),
      .m_data, .m_valid, .m_last, .m_ready
  );
endmodule

`default_nettype wire
