// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Operands of a sparse matrix unit: keeps a token and hands out, with every row of weights, the channels that the
/// row's indices name: `x[p][s] = token[index[p][s]]`, one row per cycle, any number of rows per token.
///
/// A token comes in `Words` beats of `Simd * Reach` channels; multiplier s sees the `Reach` channels from `s * Reach` on of
/// each beat. Without `Shared` an index is {beat, channel} and every multiplier has a copy of what it can see: memories
/// are cheaper than multiplexers over a whole token. With `Shared` all read the same beat, an index is {channel}, and
/// `r_next` goes on to the next beat. Two banks alternate, so the next token arrives meanwhile.
module sparse_gather #(
    /// Bits of a channel.
    parameter int unsigned Width       = 8,
    /// Beats per token, 1 and up.
    parameter int unsigned Words       = 4,
    /// Multipliers per source.
    parameter int unsigned Simd        = 2,
    /// Channels of a beat that a multiplier chooses from, a power of two.
    parameter int unsigned Reach       = 2,
    /// Sets of indices per row.
    parameter int unsigned Sources     = 2,
    /// Results per token.
    parameter int unsigned Folds       = 2,
    /// All multipliers read the same beat.
    parameter bit          Shared      = 1'b0,
    /// Bits of the weights that travel with the operands.
    parameter int unsigned WeightsWidth = 8,
    /// Bits of a channel's number in its beat; not to be set.
    localparam int unsigned ChannelBits = $clog2(Reach),
    /// Bits of a beat's number; not to be set.
    localparam int unsigned WordBits    = Words > 1 ? $clog2(Words) : 0,
    /// Bits of an index; not to be set.
    localparam int unsigned Needed      = ChannelBits + (Shared ? 0 : WordBits),
    /// The same, at least 1; not to be set.
    localparam int unsigned IndexBits   = Needed > 0 ? Needed : 1
) (
    input  wire logic                              clk,
    input  wire logic                              rst,        ///< synchronous, active high
    input  wire logic [Simd*Reach*Width-1:0]       s_data,
    input  wire logic                              s_valid,
    input  wire logic                              s_last,     ///< on the final beat of a sequence
    output      logic                              s_ready,
    input  wire logic [Sources*Simd*IndexBits-1:0] r_index,    ///< element p * Simd + s
    input  wire logic                              r_next,     ///< the next row reads the next beat (Shared)
    input  wire logic                              r_final,    ///< on the final row of a result
    input  wire logic [WeightsWidth-1:0]           r_weights,
    input  wire logic                              r_valid,
    output      logic                              r_ready,
    output      logic [Sources*Simd*Width-1:0]     m_data,     ///< element p * Simd + s
    output      logic [WeightsWidth-1:0]           m_weights,
    output      logic                              m_final,
    output      logic                              m_valid,
    output      logic                              m_last,     ///< on the final row of the final result of a sequence
    input  wire logic                              m_ready
);
  localparam int unsigned AddressBits = $clog2(2 * Words);
  localparam int unsigned CountBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned FoldBits = Folds > 1 ? $clog2(Folds) : 1;
  localparam logic [AddressBits-1:0] Bank1 = AddressBits'(Words);
  `CHECK_PARAMETER(positive, Words > 0 && Simd > 0 && Sources > 0 && Folds > 0, "sizes start at 1")
  `CHECK_PARAMETER(power, Reach == 1 << ChannelBits, "Reach is a power of two")

  logic [1:0] full_q, last_q;

  // Write side: fills bank `to_q`.
  logic to_q;
  logic [CountBits-1:0] word_q;
  wire logic push = s_valid && s_ready;
  wire logic token_end = word_q == CountBits'(Words - 1);
  wire logic [AddressBits-1:0] write_address = (to_q ? Bank1 : '0) + AddressBits'(word_q);
  assign s_ready = !full_q[to_q];

  // Read side: rows of weights move when the token of bank `from_q` is there.
  logic from_q, valid_q, final_q, out_last_q;
  logic [FoldBits-1:0] fold_q;
  logic [Sources*Simd*Width-1:0] data_q, data_d;
  logic [WeightsWidth-1:0] weights_q;
  wire logic advance = m_ready || !valid_q;
  wire logic take = r_valid && full_q[from_q] && advance;
  wire logic final_fold = fold_q == FoldBits'(Folds - 1);
  wire logic release_bank = take && r_final && final_fold;
  wire logic [AddressBits-1:0] base = from_q ? Bank1 : '0;
  assign r_ready   = full_q[from_q] && advance;
  assign m_valid   = valid_q;
  assign m_data    = data_q;
  assign m_weights = weights_q;
  assign m_final   = final_q;
  assign m_last    = out_last_q;

  // What each multiplier can see of its beat.
  logic [Sources*Simd-1:0][Reach*Width-1:0] seen;
  if (Shared) begin : gen_shared
    logic [CountBits-1:0] read_q;
    logic [Simd*Reach*Width-1:0] memory[2*Words];
    wire logic [Simd*Reach*Width-1:0] beat = memory[base+AddressBits'(read_q)];
    for (genvar i = 0; i < Sources * Simd; i++) begin : gen_seen
      assign seen[i] = beat[(i%Simd)*Reach*Width+:Reach*Width];
    end
    always_ff @(posedge clk) begin
      if (push) memory[write_address] <= s_data;
      if (take && r_next) read_q <= read_q + 1'b1;
      if (rst || (take && r_final)) read_q <= '0;
    end
  end else begin : gen_own
    for (genvar i = 0; i < Sources * Simd; i++) begin : gen_copy
      logic [Reach*Width-1:0] memory[2*Words];
      always_ff @(posedge clk) begin
        if (push) memory[write_address] <= s_data[(i%Simd)*Reach*Width+:Reach*Width];
      end
      if (Words > 1) begin : gen_address
        assign seen[i] = memory[base+AddressBits'(r_index[i*IndexBits+ChannelBits+:WordBits])];
      end else begin : gen_only
        assign seen[i] = memory[base];
      end
    end
    wire logic unused_next = r_next;
  end
  if (Reach > 1) begin : gen_choice
    always_comb begin
      for (int unsigned i = 0; i < Sources * Simd; i++) begin
        data_d[i*Width+:Width] = seen[i][32'(r_index[i*IndexBits+:ChannelBits])*Width+:Width];
      end
    end
  end else begin : gen_all
    assign data_d = seen;
  end
  wire logic unused_index = &r_index;

  always_ff @(posedge clk) begin
    if (push) word_q <= token_end ? '0 : word_q + 1'b1;
    if (push && token_end) begin
      to_q <= !to_q;
      full_q[to_q] <= 1'b1;
      last_q[to_q] <= s_last;
    end
    if (advance) begin
      valid_q <= take;
      data_q <= data_d;
      weights_q <= r_weights;
      final_q <= r_final;
      out_last_q <= last_q[from_q] && r_final && final_fold;
    end
    if (take && r_final) fold_q <= final_fold ? '0 : fold_q + 1'b1;
    if (release_bank) begin
      from_q <= !from_q;
      full_q[from_q] <= 1'b0;
    end
    if (rst) begin
      to_q <= 1'b0;
      from_q <= 1'b0;
      full_q <= '0;
      valid_q <= 1'b0;
      word_q <= '0;
      fold_q <= '0;
    end
  end

  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_final, m_weights, m_data})
endmodule

`default_nettype wire
