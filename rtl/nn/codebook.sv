// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Look-up of clustered weights: joins a beat of inputs with a row of indices and sends it on with the row of weights,
/// one step later. Index `q * Simd + s` is the entry with the weights of outputs `q * Length` to `q * Length + Length - 1`
/// at input s.
///
/// Inputs and indices move together, so that nothing of a round is under way while no inputs are. The table is loaded over
/// a chain, see load_chain; a new load may begin when the design has run dry.
module codebook #(
    /// Inputs per beat.
    parameter int unsigned Simd        = 4,
    /// Outputs per beat, a multiple of Length; an even number with Pair.
    parameter int unsigned Pe          = 2,
    /// Weights of an entry.
    parameter int unsigned Length      = 1,
    /// Bits of a weight, two's complement.
    parameter int unsigned WeightWidth = 8,
    /// Bits of an index, 1 and up.
    parameter int unsigned CodeBits    = 4,
    /// Weights leave as two outputs that share a multiplier take them, see matrix.
    parameter bit          Pair        = 1'b0,
    /// Bits of a beat of inputs.
    parameter int unsigned BeatWidth   = 32,
    /// Bits of the side band of a beat.
    parameter int unsigned UserWidth   = 1,
    /// Rows of a round.
    parameter int unsigned Depth       = 8,
    /// Tables; with several, every round says by `b_data` which one it uses.
    parameter int unsigned Banks       = 1,
    /// Bits of the load chain, see load_chain.
    parameter int unsigned Load        = 32,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits   = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                                clk,
    input  wire logic                                rst,     ///< synchronous, active high; forgets the load
    input  wire logic [BeatWidth-1:0]                s_data,  ///< a beat of inputs
    input  wire logic [UserWidth-1:0]                s_user,
    input  wire logic                                s_valid,
    output      logic                                s_ready,
    input  wire logic [Pe/Length*Simd*CodeBits-1:0]  c_data,  ///< its row of indices
    input  wire logic                                c_valid,
    output      logic                                c_ready,
    input  wire logic [BankBits-1:0]                 b_data,  ///< table of a round, below Banks; idle with one bank
    input  wire logic                                b_valid,
    output      logic                                b_ready,
    output      logic [BeatWidth-1:0]                m_data,
    output      logic [UserWidth-1:0]                m_user,
    /// The row of weights as matrix takes it: element p * Simd + s, or pairs.
    output      logic [(Pair ? Pe/2*Simd*(2*WeightWidth+1) : Pe*Simd*WeightWidth)-1:0] m_weights,
    output      logic                                m_valid,
    input  wire logic                                m_ready,
    input  wire logic [Load-1:0]                     w_data,  ///< load chain in: 2**CodeBits entries of each bank
    input  wire logic                                w_valid,
    input  wire logic                                w_last,
    output      logic                                w_ready,
    output      logic [Load-1:0]                     x_data,  ///< load chain out
    output      logic                                x_valid,
    output      logic                                x_last,
    input  wire logic                                x_ready
);
  localparam int unsigned Rows = Banks << CodeBits;
  localparam int unsigned RowBits = $clog2(Rows);
  localparam int unsigned EntryWidth = Length * WeightWidth;
  localparam int unsigned Vectors = Pe / Length * Simd;
  localparam int unsigned RowWidth = Pair ? Pe / 2 * Simd * (2 * WeightWidth + 1) : Pe * Simd * WeightWidth;
  `CHECK_PARAMETER(whole_entries, Pe % Length == 0, "Length must divide Pe")
  `CHECK_PARAMETER(pair_even, !Pair || Pe % 2 == 0, "Pair needs an even Pe")

  logic loaded, write;
  logic [RowBits-1:0] row;
  logic [EntryWidth-1:0] entry;
  load_rows #(
      .Rows (Rows),
      .Width(EntryWidth),
      .Load (Load)
  ) u_load (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data, .x_valid, .x_last, .x_ready,
      .loaded, .write, .row, .data(entry)
  );

  // A read port for every index.
  (* ram_style = "distributed" *)
  logic [EntryWidth-1:0] memory[Rows];
  always_ff @(posedge clk) if (write) memory[row] <= entry;

  logic [RowBits-1:0] base;
  logic asked, valid_q;
  wire logic take = s_valid && c_valid && asked && loaded && (m_ready || !valid_q);
  assign s_ready = c_valid && asked && loaded && (m_ready || !valid_q);
  assign c_ready = s_valid && asked && loaded && (m_ready || !valid_q);
  if (Banks > 1) begin : gen_banks
    localparam int unsigned CountBits = Depth > 1 ? $clog2(Depth) : 1;
    logic [CountBits-1:0] count_q;
    wire logic final_row = count_q == CountBits'(Depth - 1);
    assign base = RowBits'(32'(b_data) << CodeBits);
    assign asked = b_valid;
    assign b_ready = take && final_row;
    always_ff @(posedge clk) begin
      if (take) count_q <= final_row ? '0 : count_q + 1'b1;
      if (rst) count_q <= '0;
    end
    `CHECK_NEVER(bank_exists, b_valid && 32'(b_data) >= Banks, "there is no such bank")
  end else begin : gen_one_bank
    assign base = '0;
    assign asked = 1'b1;
    assign b_ready = 1'b1;
    wire logic unused_bank = &{b_data, b_valid};
  end

  logic [EntryWidth-1:0] found[Vectors];
  for (genvar i = 0; i < Vectors; i++) begin : gen_read
    wire logic [RowBits-1:0] address = base + RowBits'(c_data[i*CodeBits+:CodeBits]);
    assign found[i] = memory[address];
  end

  logic [RowWidth-1:0] weights_d;
  if (Pair) begin : gen_pairs
    always_comb begin
      weights_d = '0;
      for (int unsigned q = 0; q < Pe / 2; q++) begin
        for (int unsigned s = 0; s < Simd; s++) begin
          logic signed [WeightWidth-1:0] low, high;
          low  = signed'(found[2*q/Length*Simd+s][2*q%Length*WeightWidth+:WeightWidth]);
          high = signed'(found[(2*q+1)/Length*Simd+s][(2*q+1)%Length*WeightWidth+:WeightWidth]);
          // The borrow of a negative low half.
          weights_d[(q*Simd+s)*(2*WeightWidth+1)+:2*WeightWidth+1] = {
            (WeightWidth + 1)'(high) - (WeightWidth + 1)'(low[WeightWidth-1]), low
          };
        end
      end
    end
  end else begin : gen_single
    always_comb begin
      weights_d = '0;
      for (int unsigned p = 0; p < Pe; p++) begin
        for (int unsigned s = 0; s < Simd; s++) begin
          weights_d[(p*Simd+s)*WeightWidth+:WeightWidth] = found[p/Length*Simd+s][p%Length*WeightWidth+:WeightWidth];
        end
      end
    end
  end

  logic [RowWidth-1:0] weights_q;
  logic [BeatWidth-1:0] data_q;
  logic [UserWidth-1:0] user_q;
  assign m_data = data_q;
  assign m_user = user_q;
  assign m_weights = weights_q;
  assign m_valid = valid_q;
  always_ff @(posedge clk) begin
    if (m_ready || !valid_q) valid_q <= take;
    if (take) begin
      data_q <= s_data;
      user_q <= s_user;
      weights_q <= weights_d;
    end
    if (rst) valid_q <= 1'b0;
  end

  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_user, m_data, m_weights})
endmodule

`default_nettype wire
