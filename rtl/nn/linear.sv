// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Matrix-vector product per token with bias and requantisation:
/// `y[o] = sat((sum_i w[o][i] * x[i] + offset[o]) >>> shift[o])`; initiation interval
/// `Groups * (In/Simd) * (Out/Pe)` cycles per `Tokens` tokens.
/// A token is `Groups` vectors of `In` channels; group g yields outputs `g*Out .. g*Out + Out - 1`.
/// With `Banks` sets of constants, every sequence says by `b_data` which one it uses.
module linear #(
    /// Inputs per output channel, a multiple of Simd.
    parameter int unsigned In          = 16,
    /// Output channels per group, a multiple of Pe.
    parameter int unsigned Out         = 8,
    /// Groups of channels that do not mix; more than one needs Tokens = 1.
    parameter int unsigned Groups      = 1,
    /// Input channels per beat.
    parameter int unsigned Simd        = 4,
    /// Output channels per beat.
    parameter int unsigned Pe          = 2,
    /// Tokens that share each weight read, at most min(In/Simd, Out/Pe).
    parameter int unsigned Tokens      = 1,
    /// Bits of an input channel.
    parameter int unsigned InWidth     = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of a weight, two's complement.
    parameter int unsigned WeightWidth = 8,
    /// Bits of an index into the codebook of weights; 0 where weights are stored themselves.
    parameter int unsigned CodeBits    = 0,
    /// Weights of an entry of the codebook, see codebook; 1 without one.
    parameter int unsigned CodeLength  = 1,
    /// Two outputs share a multiplier, see matrix.
    parameter bit          Pair        = 1'b0,
    /// Bits of the multiplier's wide port, see matrix.
    parameter int unsigned Port        = 27,
    /// Products without DSP blocks, see matrix.
    parameter bit          Fabric      = 1'b0,
    /// Bits of the plain accumulator.
    parameter int unsigned AccWidth    = 20,
    /// The accumulator is the output: no offset, shift or saturation.
    parameter bit          Plain       = 1'b0,
    /// Bits of an offset (bias plus rounding half).
    parameter int unsigned OffsetWidth = 20,
    /// Right shift of every channel; negative shifts left.
    parameter int          ShiftMin    = 4,
    /// Bits of the extra shift per channel.
    parameter int unsigned ShiftBits   = 0,
    /// Bits of an output channel; AccWidth with Plain.
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
    input  wire logic                    clk,
    input  wire logic                    rst,      ///< synchronous, active high
    input  wire logic [Simd*InWidth-1:0] s_data,
    input  wire logic                    s_valid,
    input  wire logic                    s_last,   ///< on the final beat of a sequence
    output      logic                    s_ready,
    output      logic [Pe*OutWidth-1:0]  m_data,
    output      logic                    m_valid,
    output      logic                    m_last,
    input  wire logic                    m_ready,
    input  wire logic [BankBits-1:0]     b_data,   ///< bank of a sequence, one beat each; idle with one bank
    input  wire logic                    b_valid,
    output      logic                    b_ready,
    input  wire logic [Load-1:0]         w_data,   ///< load chain in: weight rows, codebook, offset rows
    input  wire logic                    w_valid,
    input  wire logic                    w_last,
    output      logic                    w_ready,
    output      logic [Load-1:0]         x_data,   ///< load chain out
    output      logic                    x_valid,
    output      logic                    x_last,
    input  wire logic                    x_ready
);
  localparam int unsigned Words = In / Simd;
  localparam int unsigned Folds = Out / Pe;
  localparam int unsigned CountBits = $clog2(Tokens + 1);
  localparam int unsigned UserWidth = CountBits + 1;
  localparam int unsigned RowWidth = Pair ? Pe / 2 * Simd * (2 * WeightWidth + 1) : Pe * Simd * WeightWidth;
  localparam int unsigned StoredWidth = CodeBits > 0 ? Pe / CodeLength * Simd * CodeBits : RowWidth;
  localparam int unsigned Consumers = CodeBits > 0 ? 3 : 2;
  `CHECK_PARAMETER(pe_divides, Out % Pe == 0, "Pe must divide Out")
  `CHECK_PARAMETER(tokens_keep_up, Tokens == 1 || (Groups == 1 && Tokens <= Words && Tokens <= Folds),
                   "Tokens is at most min(In/Simd, Out/Pe), and 1 with several groups")

  // Banks of the rounds: a round of rows serves one group of tokens.
  logic [Simd*InWidth-1:0] a_data;
  logic a_valid, a_last, a_ready;
  logic [Consumers*BankBits-1:0] bank;
  logic [Consumers-1:0] bank_valid, bank_ready;
  bank_rounds #(
      .Width    (Simd * InWidth),
      .Words    (Groups * Words),
      .Tokens   (Tokens),
      .Banks    (Banks),
      .Consumers(Consumers)
  ) u_banks (
      .clk,
      .rst,
      .s_data,
      .s_valid,
      .s_last,
      .s_ready,
      .m_data (a_data),
      .m_valid(a_valid),
      .m_last (a_last),
      .m_ready(a_ready),
      .b_data,
      .b_valid,
      .b_ready,
      .r_data (bank),
      .r_valid(bank_valid),
      .r_ready(bank_ready)
  );

  // Input vectors, replayed once per fold of the outputs.
  logic [Tokens*Simd*InWidth-1:0] x_beat;
  logic [CountBits-1:0] x_count;
  logic x_beat_valid, x_beat_last, x_beat_ready;
  if (Folds == 1) begin : gen_direct
    assign x_count = CountBits'(1);
    if (Banks == 1) begin : gen_wire
      assign x_beat = a_data;
      assign x_beat_valid = a_valid;
      assign x_beat_last = a_last;
      assign a_ready = x_beat_ready;
    end else begin : gen_wait
      // The rows of a round are fetched once its first beat has passed; that takes three cycles.
      stream_fifo #(
          .Width(Simd * InWidth),
          .Depth(4)
      ) u_wait (
          .clk,
          .rst,
          .s_data (a_data),
          .s_valid(a_valid),
          .s_last (a_last),
          .s_ready(a_ready),
          .m_data (x_beat),
          .m_valid(x_beat_valid),
          .m_last (x_beat_last),
          .m_ready(x_beat_ready)
      );
    end
  end else begin : gen_replay
    stream_replay #(
        .Width (Simd * InWidth),
        .Words (Words),
        .Times (Folds),
        .Tokens(Tokens)
    ) u_replay (
        .clk,
        .rst,
        .s_data (a_data),
        .s_valid(a_valid),
        .s_last (a_last),
        .s_ready(a_ready),
        .m_data (x_beat),
        .m_count(x_count),
        .m_valid(x_beat_valid),
        .m_last (x_beat_last),
        .m_ready(x_beat_ready)
    );
  end

  // Weights, or their indices.
  logic [StoredWidth-1:0] stored;
  logic stored_valid, stored_ready;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready;
  store #(
      .Depth(Groups * Folds * Words),
      .Width(StoredWidth),
      .Banks(Banks),
      .Load (Load),
      .Ultra(Ultra)
  ) u_weights (
      .clk,
      .rst,
      .w_data,
      .w_valid,
      .w_last,
      .w_ready,
      .x_data (y_data),
      .x_valid(y_valid),
      .x_last (y_last),
      .x_ready(y_ready),
      .b_data (bank[BankBits-1:0]),
      .b_valid(bank_valid[0]),
      .b_ready(bank_ready[0]),
      .m_data (stored),
      .m_valid(stored_valid),
      .m_ready(stored_ready)
  );

  // Inputs and weights of the matrix.
  logic [Tokens*Simd*InWidth-1:0] beat;
  logic [UserWidth-1:0] beat_user;
  logic [RowWidth-1:0] row;
  logic beat_valid, beat_ready, row_valid, row_ready;
  logic [Load-1:0] z_data;
  logic z_valid, z_last, z_ready;
  if (CodeBits > 0) begin : gen_codebook
    codebook #(
        .Simd       (Simd),
        .Pe         (Pe),
        .Length     (CodeLength),
        .WeightWidth(WeightWidth),
        .CodeBits   (CodeBits),
        .Pair       (Pair),
        .BeatWidth  (Tokens * Simd * InWidth),
        .UserWidth  (UserWidth),
        .Depth      (Groups * Folds * Words),
        .Banks      (Banks),
        .Load       (Load)
    ) u_codebook (
        .clk,
        .rst,
        .s_data   (x_beat),
        .s_user   ({x_beat_last, x_count}),
        .s_valid  (x_beat_valid),
        .s_ready  (x_beat_ready),
        .c_data   (stored),
        .c_valid  (stored_valid),
        .c_ready  (stored_ready),
        .b_data   (bank[2*BankBits+:BankBits]),
        .b_valid  (bank_valid[2]),
        .b_ready  (bank_ready[2]),
        .m_data   (beat),
        .m_user   (beat_user),
        .m_weights(row),
        .m_valid  (beat_valid),
        .m_ready  (beat_ready),
        .w_data   (y_data),
        .w_valid  (y_valid),
        .w_last   (y_last),
        .w_ready  (y_ready),
        .x_data   (z_data),
        .x_valid  (z_valid),
        .x_last   (z_last),
        .x_ready  (z_ready)
    );
    // Beat and row come together.
    assign row_valid = beat_valid;
    wire logic unused_row_ready = row_ready;
  end else begin : gen_weights
    assign beat = x_beat;
    assign beat_user = {x_beat_last, x_count};
    assign beat_valid = x_beat_valid;
    assign x_beat_ready = beat_ready;
    assign row = stored;
    assign row_valid = stored_valid;
    assign stored_ready = row_ready;
    assign z_data = y_data;
    assign z_valid = y_valid;
    assign z_last = y_last;
    assign y_ready = z_ready;
  end

  logic [Tokens*Pe*AccWidth-1:0] acc;
  logic [UserWidth-1:0] acc_user;
  logic acc_valid, acc_ready;
  matrix #(
      .In         (In),
      .Simd       (Simd),
      .Pe         (Pe),
      .Tokens     (Tokens),
      .InWidth    (InWidth),
      .InSigned   (InSigned),
      .WeightWidth(WeightWidth),
      .Pair       (Pair),
      .Port       (Port),
      .Fabric     (Fabric),
      .AccWidth   (AccWidth),
      .UserWidth  (UserWidth)
  ) u_matrix (
      .clk,
      .rst,
      .s_data (beat),
      .s_user (beat_user),
      .s_final(1'b0),
      .s_valid(beat_valid),
      .s_ready(beat_ready),
      .w_data (row),
      .w_valid(row_valid),
      .w_ready(row_ready),
      .m_data (acc),
      .m_user (acc_user),
      .m_valid(acc_valid),
      .m_ready(acc_ready)
  );

  logic [Tokens*Pe*OutWidth-1:0] out;
  logic [UserWidth-1:0] out_user;
  logic out_valid, out_ready;
  if (Plain) begin : gen_plain
    `CHECK_PARAMETER(plain_width, OutWidth == AccWidth && OutSigned, "Plain puts out the accumulator as it is")
    assign out = acc;
    assign out_user = acc_user;
    assign out_valid = acc_valid;
    assign acc_ready = out_ready;
    assign x_data = z_data;
    assign x_valid = z_valid;
    assign x_last = z_last;
    assign z_ready = x_ready;
    // No second store: the banks of its rounds are dropped.
    assign bank_ready[1] = 1'b1;
    wire logic unused_bank = &{bank[2*BankBits-1:BankBits], bank_valid[1]};
  end else begin : gen_rescale
    logic [Pe*(OffsetWidth+ShiftBits)-1:0] offsets;
    logic offsets_valid, offsets_ready;
    store #(
        .Depth(Groups * Folds),
        .Width(Pe * (OffsetWidth + ShiftBits)),
        .Banks(Banks),
        .Load (Load)
    ) u_offsets (
        .clk,
        .rst,
        .w_data (z_data),
        .w_valid(z_valid),
        .w_last (z_last),
        .w_ready(z_ready),
        .x_data,
        .x_valid,
        .x_last,
        .x_ready,
        .b_data (bank[2*BankBits-1:BankBits]),
        .b_valid(bank_valid[1]),
        .b_ready(bank_ready[1]),
        .m_data (offsets),
        .m_valid(offsets_valid),
        .m_ready(offsets_ready)
    );
    rescale #(
        .Pe         (Pe),
        .Tokens     (Tokens),
        .AccWidth   (AccWidth),
        .OffsetWidth(OffsetWidth),
        .ShiftMin   (ShiftMin),
        .ShiftBits  (ShiftBits),
        .OutWidth   (OutWidth),
        .OutSigned  (OutSigned),
        .UserWidth  (UserWidth)
    ) u_rescale (
        .clk,
        .rst,
        .s_data (acc),
        .s_user (acc_user),
        .s_valid(acc_valid),
        .s_ready(acc_ready),
        .o_data (offsets),
        .o_valid(offsets_valid),
        .o_ready(offsets_ready),
        .m_data (out),
        .m_user (out_user),
        .m_valid(out_valid),
        .m_ready(out_ready)
    );
  end

  // Tokens side by side become a stream again; the register slice ends the chain of enables.
  if (Tokens > 1) begin : gen_scatter
    stream_scatter #(
        .Width (Pe * OutWidth),
        .Words (Folds),
        .Tokens(Tokens)
    ) u_scatter (
        .clk,
        .rst,
        .s_data (out),
        .s_count(out_user[CountBits-1:0]),
        .s_valid(out_valid),
        .s_last (out_user[CountBits]),
        .s_ready(out_ready),
        .m_data,
        .m_valid,
        .m_last,
        .m_ready
    );
  end else begin : gen_skid
    stream_skid #(
        .Width(Pe * OutWidth)
    ) u_skid (
        .clk,
        .rst,
        .s_data (out),
        .s_valid(out_valid),
        .s_last (out_user[CountBits]),
        .s_ready(out_ready),
        .m_data,
        .m_valid,
        .m_last,
        .m_ready
    );
    wire logic unused_count = &out_user[CountBits-1:0];
  end
endmodule

`default_nettype wire
