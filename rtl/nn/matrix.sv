// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Folded matrix unit: `acc[t][p] = sum over In/Simd beats of sum_s x[t][s] * w[p][s]`, one beat per cycle.
///
/// With `Pair`, outputs 2q (low) and 2q+1 (high) share one multiplier of `Port` bits: the operand `high * 2**Field + low` is
/// pure wiring because the store already holds `high - (low < 0)`. Up to `Chain` packed products are summed before
/// the fields are separated; `Chain` is the largest number for which every low sum is still unique modulo 2**Field.
/// With `Fabric`, products are made of look-up tables: one multiple of x in {-2 .. 2} per two bits of the weight (radix-4
/// Booth recoding). For weights of two or three bits that is a tenth or a fifth of what a DSP block is worth.
/// Beats move only when input and weights are both there, so a stall of either is harmless.
module matrix #(
    /// Inputs per output; a multiple of Simd.
    parameter int unsigned In          = 16,
    /// Inputs multiplied per cycle.
    parameter int unsigned Simd        = 4,
    /// Outputs computed per cycle.
    parameter int unsigned Pe          = 2,
    /// Tokens that share the weights of a cycle.
    parameter int unsigned Tokens      = 1,
    /// Input vectors per token: neighbouring Pe / Sources outputs read the same one.
    parameter int unsigned Sources     = 1,
    /// A result ends with `s_final` instead of after In / Simd beats.
    parameter bit          Marked      = 1'b0,
    /// Bits of an input, 1 to 17 with Pair.
    parameter int unsigned InWidth     = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of a weight, two's complement.
    parameter int unsigned WeightWidth = 8,
    /// Two outputs share a multiplier; needs an even Pe.
    parameter bit          Pair        = 1'b0,
    /// Bits of the multiplier's wide port.
    parameter int unsigned Port        = 27,
    /// Products without DSP blocks, see above; not with Pair.
    parameter bit          Fabric      = 1'b0,
    /// Bits of the accumulator, wide enough for any sum of In products.
    parameter int unsigned AccWidth    = 20,
    /// Bits of the side band that travels with a result.
    parameter int unsigned UserWidth   = 1
) (
    input  wire logic clk,
    input  wire logic rst,  ///< synchronous, active high
    input  wire logic [Tokens*Sources*Simd*InWidth-1:0] s_data,  ///< element (t * Sources + source) * Simd + s
    input  wire logic [UserWidth-1:0] s_user,  ///< sampled on the final beat of a result
    input  wire logic s_final,  ///< with Marked, on the final beat of a result
    input  wire logic s_valid,
    output      logic s_ready,
    /// Element p * Simd + s; with Pair, element q * Simd + s is {high - (low < 0), low}.
    input  wire logic [(Pair ? Pe/2*Simd*(2*WeightWidth+1) : Pe*Simd*WeightWidth)-1:0] w_data,
    input  wire logic w_valid,
    output      logic w_ready,
    output      logic [Tokens*Pe*AccWidth-1:0] m_data,  ///< element t * Pe + p
    output      logic [UserWidth-1:0] m_user,
    output      logic m_valid,
    input  wire logic m_ready
);
  localparam int unsigned Beats = In / Simd;
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned Units = Pair ? Pe / 2 : Pe;
  localparam int unsigned StoredWidth = Pair ? 2 * WeightWidth + 1 : WeightWidth;
  localparam int unsigned OperandWidth = Pair ? Port : WeightWidth;
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  localparam int unsigned ProductWidth = OperandWidth + XWidth;
  // Field separation, see the header. Products lie in [Lo, Hi].
  localparam int unsigned Field = Pair ? Port - WeightWidth - 1 : 1;
  localparam longint XLo = InSigned ? -(64'sd1 << (InWidth - 1)) : 64'sd0;
  localparam longint XHi = (64'sd1 << (InWidth - (InSigned ? 1 : 0))) - 64'sd1;
  localparam longint WLo = -(64'sd1 << (WeightWidth - 1));
  localparam longint WHi = (64'sd1 << (WeightWidth - 1)) - 64'sd1;
  localparam longint Lo = XHi * WLo < XLo * WHi ? XHi * WLo : XLo * WHi;
  localparam longint Hi = XLo * WLo > XHi * WHi ? XLo * WLo : XHi * WHi;
  localparam longint Fit = Pair ? ((64'sd1 << Field) - 64'sd1) / (Hi - Lo) : 64'(Simd);
  localparam int unsigned Chain = Fit > 64'(Simd) ? Simd : unsigned'(int'(Fit));
  localparam int unsigned Links = (Simd + Chain - 1) / Chain;
  localparam int unsigned Levels = $clog2(Chain);
  localparam int unsigned SumWidth = ProductWidth + Levels;
  localparam int unsigned Sums = Tokens * Units * Links;
  // True when the sign bit of a field is the sign of its sum; else the sum is compared with its maximum.
  localparam bit SignBit = 64'(Chain) * Hi < (64'sd1 << (Field - 1)) && 64'(Chain) * Lo >= -(64'sd1 << (Field - 1));
  localparam logic [Field-1:0] FieldMax = Field'(64'(Chain) * Hi);

  `CHECK_PARAMETER(simd_divides, In % Simd == 0, "Simd must divide In")
  `CHECK_PARAMETER(sources_divide, Units % Sources == 0, "Sources must divide Pe, and Pe / 2 with Pair")
  `CHECK_PARAMETER(pair_even, !Pair || Pe % 2 == 0, "Pair needs an even Pe")
  `CHECK_PARAMETER(one_way, !(Pair && Fabric), "Pair is for DSP blocks, Fabric does without")
  `CHECK_PARAMETER(pair_fits, Fit >= 1, "one product must fit the field of a pair")

  logic signed [AccWidth-1:0] acc_q[Tokens*Pe], acc_d[Tokens*Pe];
  logic [BeatBits-1:0] beat_q;
  // Beats under way: element 0 belongs to the products, element Levels to the sums.
  logic [Levels:0] live_q, first_q, final_q;
  logic [Levels:0][UserWidth-1:0] side_q;
  logic valid_q;
  logic [UserWidth-1:0] user_q;

  wire logic enable = m_ready || !valid_q;
  wire logic take = s_valid && w_valid && enable;
  wire logic final_beat = Marked ? s_final : beat_q == BeatBits'(Beats - 1);
  assign s_ready = w_valid && enable;
  assign w_ready = s_valid && enable;
  assign m_valid = valid_q;
  assign m_user  = user_q;

  logic signed [OperandWidth-1:0] operand[Units*Simd];
  if (Pair) begin : gen_packed
    always_comb begin
      for (int unsigned i = 0; i < Units * Simd; i++) begin
        logic [StoredWidth-1:0] stored;
        stored = w_data[i*StoredWidth+:StoredWidth];
        operand[i] = signed'({
          stored[StoredWidth-1:WeightWidth],
          {(Field - WeightWidth) {stored[WeightWidth-1]}},
          stored[WeightWidth-1:0]
        });
      end
    end
  end else begin : gen_direct
    always_comb begin
      for (int unsigned i = 0; i < Units * Simd; i++) begin
        operand[i] = signed'(w_data[i*StoredWidth+:StoredWidth]);
      end
    end
  end

  // Radix-4 Booth: `w = sum_k d_k * 4**k`, d_k in {-2 .. 2} from bits 2k+1, 2k, 2k-1. A negative multiple is the inverse plus one.
  function automatic logic signed [ProductWidth-1:0] recoded(logic signed [XWidth-1:0] x, logic signed [OperandWidth-1:0] w);
    logic [OperandWidth+1:0] digits;
    logic signed [XWidth:0] multiple;
    digits  = {w[OperandWidth-1], w, 1'b0};
    recoded = '0;
    for (int unsigned k = 0; k < OperandWidth; k += 2) begin
      unique case (digits[k+:3])
        3'b001, 3'b010: multiple = (XWidth + 1)'(x);
        3'b011: multiple = (XWidth + 1)'(x) <<< 1;
        3'b100: multiple = ~((XWidth + 1)'(x) <<< 1);
        3'b101, 3'b110: multiple = ~(XWidth + 1)'(x);
        default: multiple = '0;
      endcase
      recoded += (ProductWidth'(multiple) <<< k) + (ProductWidth'(digits[k+2] && digits[k+:2] != 2'b11) <<< k);
    end
  endfunction

  // Level 0: products. Level l: sums of pairs of level l - 1, one register per adder.
  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int unsigned Nodes = (Chain + (1 << l) - 1) >> l;
    localparam int unsigned Width = ProductWidth + l;
    logic signed [Width-1:0] node_q[Sums*Nodes], node_d[Sums*Nodes];
    if (l == 0 && Fabric) begin : gen_fabric
      // One assignment per product: Yosys nests the cases of all calls in a process, until its stack is full.
      for (genvar i = 0; i < Sums * Chain; i++) begin : gen_product
        localparam int unsigned S = i % (Links * Chain) % Simd;
        localparam int unsigned U = i / (Links * Chain) % Units;
        localparam int unsigned At = (i / (Links * Chain * Units) * Sources + U * Sources / Units) * Simd + S;
        wire logic signed [XWidth-1:0] x = InSigned ? XWidth'(signed'(s_data[At*InWidth+:InWidth]))
                                                    : XWidth'(s_data[At*InWidth+:InWidth]);
        assign node_d[i] = i % (Links * Chain) >= Simd ? '0 : recoded(x, operand[U*Simd+S]);
      end
    end else if (l == 0) begin : gen_products
      always_comb begin
        for (int unsigned t = 0; t < Tokens; t++) begin
          for (int unsigned s = 0; s < Links * Chain; s++) begin
            for (int unsigned r = 0; r < Sources; r++) begin
              logic signed [XWidth-1:0] x;
              x = s >= Simd ? '0
                  : InSigned ? XWidth'(signed'(s_data[((t*Sources+r)*Simd+s%Simd)*InWidth+:InWidth]))
                             : XWidth'(s_data[((t*Sources+r)*Simd+s%Simd)*InWidth+:InWidth]);
              for (int unsigned u = r * Units / Sources; u < (r + 1) * Units / Sources; u++) begin
                node_d[((t*Units+u)*Links)*Chain+s] = ProductWidth'(x) * ProductWidth'(operand[u*Simd+s%Simd]);
              end
            end
          end
        end
      end
    end else begin : gen_sums
      localparam int unsigned Below = (Chain + (1 << (l - 1)) - 1) >> (l - 1);
      always_comb begin
        for (int unsigned i = 0; i < Sums; i++) begin
          for (int unsigned n = 0; n < Nodes; n++) begin
            node_d[i*Nodes+n] = Width'(gen_level[l-1].node_q[i*Below+2*n]);
            if (2 * n + 1 < Below) begin
              node_d[i*Nodes+n] = node_d[i*Nodes+n] + Width'(gen_level[l-1].node_q[i*Below+(2*n+1)%Below]);
            end
          end
        end
      end
    end
    always_ff @(posedge clk) if (enable) node_q <= node_d;
  end

  if (Pair) begin : gen_pair
    always_comb begin
      for (int unsigned t = 0; t < Tokens; t++) begin
        for (int unsigned u = 0; u < Units; u++) begin
          logic signed [AccWidth-1:0] low, high;
          low  = first_q[Levels] ? '0 : acc_q[t*Pe+2*u];
          high = first_q[Levels] ? '0 : acc_q[t*Pe+2*u+1];
          for (int unsigned l = 0; l < Links; l++) begin
            logic [Field-1:0] field;
            logic negative;
            field = gen_level[Levels].node_q[(t*Units+u)*Links+l][Field-1:0];
            negative = SignBit ? field[Field-1] : field > FieldMax;
            low = low + AccWidth'(signed'({negative, field}));
            high = high + AccWidth'(signed'(gen_level[Levels].node_q[(t*Units+u)*Links+l][SumWidth-1:Field])) + AccWidth'(negative);
          end
          acc_d[t*Pe+2*u]   = low;
          acc_d[t*Pe+2*u+1] = high;
        end
      end
    end
  end else begin : gen_single
    always_comb begin
      for (int unsigned i = 0; i < Tokens * Pe; i++) begin
        acc_d[i] = (first_q[Levels] ? '0 : acc_q[i]) + AccWidth'(gen_level[Levels].node_q[i]);
      end
    end
  end

  for (genvar i = 0; i < Tokens * Pe; i++) begin : gen_out
    assign m_data[i*AccWidth+:AccWidth] = acc_q[i];
  end

  always_ff @(posedge clk) begin
    // With Marked, only whether it is the first beat matters.
    if (take) beat_q <= final_beat ? '0 : Marked ? BeatBits'(1) : beat_q + 1'b1;
    if (enable) begin
      live_q <= (Levels + 1)'({live_q, take});
      first_q <= (Levels + 1)'({first_q, beat_q == '0});
      final_q <= (Levels + 1)'({final_q, final_beat});
      side_q <= ((Levels + 1) * UserWidth)'({side_q, s_user});
      if (live_q[Levels]) acc_q <= acc_d;
      valid_q <= live_q[Levels] && final_q[Levels];
      user_q <= side_q[Levels];
    end
    if (rst) begin
      beat_q <= '0;
      live_q <= '0;
      valid_q <= 1'b0;
    end
  end

  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_user, m_data})
endmodule

`default_nettype wire
