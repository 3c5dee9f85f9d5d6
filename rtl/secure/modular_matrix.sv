// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Folded matrix unit modulo 2**Width: `acc[p] = sum over In/Simd beats of sum_s x[s] * w[p][s]`, one beat per cycle.
/// Nothing is wider than the ring. Beats move only when inputs and weights are both there.
module modular_matrix #(
    /// Inputs per output; a multiple of Simd.
    parameter int unsigned In          = 16,
    /// Inputs multiplied per cycle.
    parameter int unsigned Simd        = 4,
    /// Outputs computed per cycle.
    parameter int unsigned Pe          = 2,
    /// Bits of the ring, at most 64.
    parameter int unsigned Width       = 32,
    /// Bits of a weight, two's complement, at most Width; narrow at the owner of the model, a whole word at its client.
    parameter int unsigned WeightWidth = 8
) (
    input  wire logic                           clk,
    input  wire logic                           rst,      ///< synchronous, active high
    input  wire logic [Simd*Width-1:0]          s_data,
    input  wire logic                           s_valid,
    input  wire logic                           s_last,   ///< sampled on the final beat of a result
    output      logic                           s_ready,
    input  wire logic [Pe*Simd*WeightWidth-1:0] w_data,   ///< element p * Simd + s
    input  wire logic                           w_valid,
    output      logic                           w_ready,
    output      logic [Pe*Width-1:0]            m_data,
    output      logic                           m_valid,
    output      logic                           m_last,
    input  wire logic                           m_ready
);
  localparam int unsigned Beats = In / Simd;
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned Levels = $clog2(Simd);
  `CHECK_PARAMETER(simd_divides, In % Simd == 0, "Simd must divide In")
  `CHECK_PARAMETER(in_the_ring, WeightWidth <= Width && Width <= 64, "a weight is at most as wide as the ring")

  logic [Width-1:0] acc_q[Pe], acc_d[Pe];
  logic [BeatBits-1:0] beat_q;
  // Beats under way: element 0 belongs to the products, element Levels to the sums.
  logic [Levels:0] live_q, first_q, final_q, last_q;
  logic valid_q, out_last_q;

  wire logic enable = m_ready || !valid_q;
  wire logic take = s_valid && w_valid && enable;
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  assign s_ready = w_valid && enable;
  assign w_ready = s_valid && enable;
  assign m_valid = valid_q;
  assign m_last  = out_last_q;

  // Level 0: products. Level l: sums of pairs of level l - 1, one register per adder.
  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int unsigned Nodes = (Simd + (1 << l) - 1) >> l;
    logic [Width-1:0] node_q[Pe*Nodes], node_d[Pe*Nodes];
    if (l == 0) begin : gen_products
      always_comb begin
        for (int unsigned p = 0; p < Pe; p++) begin
          for (int unsigned s = 0; s < Simd; s++) begin
            logic [WeightWidth-1:0] weight;
            weight = w_data[(p*Simd+s)*WeightWidth+:WeightWidth];
            node_d[p*Simd+s] = s_data[s*Width+:Width] * Width'(signed'(weight));
          end
        end
      end
    end else begin : gen_sums
      localparam int unsigned Below = (Simd + (1 << (l - 1)) - 1) >> (l - 1);
      always_comb begin
        for (int unsigned p = 0; p < Pe; p++) begin
          for (int unsigned n = 0; n < Nodes; n++) begin
            node_d[p*Nodes+n] = gen_level[l-1].node_q[p*Below+2*n];
            if (2 * n + 1 < Below) begin
              node_d[p*Nodes+n] = node_d[p*Nodes+n] + gen_level[l-1].node_q[p*Below+(2*n+1)%Below];
            end
          end
        end
      end
    end
    always_ff @(posedge clk) if (enable) node_q <= node_d;
  end

  always_comb begin
    for (int unsigned p = 0; p < Pe; p++) begin
      acc_d[p] = (first_q[Levels] ? '0 : acc_q[p]) + gen_level[Levels].node_q[p];
    end
  end
  for (genvar p = 0; p < Pe; p++) begin : gen_out
    assign m_data[p*Width+:Width] = acc_q[p];
  end

  always_ff @(posedge clk) begin
    if (take) beat_q <= final_beat ? '0 : beat_q + 1'b1;
    if (enable) begin
      live_q <= (Levels + 1)'({live_q, take});
      first_q <= (Levels + 1)'({first_q, beat_q == '0});
      final_q <= (Levels + 1)'({final_q, final_beat});
      last_q <= (Levels + 1)'({last_q, s_last});
      if (live_q[Levels]) acc_q <= acc_d;
      valid_q <= live_q[Levels] && final_q[Levels];
      out_last_q <= last_q[Levels];
    end
    if (rst) begin
      beat_q <= '0;
      live_q <= '0;
      valid_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
