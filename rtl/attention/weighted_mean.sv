// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Weighted mean of value rows: `y[c] = sat((sum of e * v[c]) * r >>> (16 + E + shift), rounded)` with S the sum of e and
/// r, E its reciprocal and exponent, see reciprocal. One row per cycle goes into the sums; a finished mean is normalised
/// `NormLanes` channels per cycle while the next one is summed. So a mean of k rows takes max(k, Dim/NormLanes) cycles.
/// Weights that are all 0 give 0.
module weighted_mean #(
    /// Channels.
    parameter int unsigned Dim        = 4,
    /// Channels normalised per cycle; divides Dim.
    parameter int unsigned NormLanes  = 2,
    /// Most rows of a mean.
    parameter int unsigned Top        = 8,
    /// Bits of a value, two's complement.
    parameter int unsigned ValueWidth = 8,
    /// Least right shift behind 32, above -32.
    parameter int          ShiftMin   = 0,
    /// Bits of the extra right shift; 0 for none.
    parameter int unsigned ShiftBits  = 0,
    /// Bits of a result.
    parameter int unsigned OutWidth   = 8,
    /// Results are two's complement.
    parameter bit          OutSigned  = 1'b1,
    /// Bits of the port of the extra shift; not to be set.
    localparam int unsigned ShiftPort = ShiftBits > 0 ? ShiftBits : 1
) (
    input  wire logic                      clk,
    input  wire logic                      rst,       ///< synchronous, active high
    input  wire logic [Dim*ValueWidth-1:0] s_data,
    input  wire logic [16:0]               s_weight,
    input  wire logic [ShiftPort-1:0]      s_shift,   ///< beyond ShiftMin; read with the final row of a mean
    input  wire logic                      s_final,   ///< becomes `m_last`; read with the final row of a mean
    input  wire logic                      s_valid,
    input  wire logic                      s_last,    ///< final row of the mean
    output      logic                      s_ready,
    output      logic [Dim*OutWidth-1:0]   m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready
);
  localparam int unsigned ProductWidth = ValueWidth + 17;
  localparam int unsigned SumWidth = ProductWidth + $clog2(Top);
  /// Top weights of at most 2**16.
  localparam int unsigned TotalWidth = 16 + $clog2(Top + 1);
  localparam int unsigned ExponentWidth = TotalWidth > 17 ? $clog2(TotalWidth - 16) : 1;
  localparam int unsigned Groups = Dim / NormLanes;
  localparam int unsigned LeftBits = $clog2(Groups + 1);
  localparam int unsigned ScaledWidth = SumWidth + 17;
  /// Bits cut off before the shift that differs from mean to mean; one more stays for rounding.
  localparam int unsigned Cut = unsigned'(31 + ShiftMin);
  `CHECK_PARAMETER(lanes_divide, Dim % NormLanes == 0, "NormLanes must divide Dim")
  `CHECK_PARAMETER(shift_fits, ShiftMin > -32, "ShiftMin is above -32")

  // Sums: products, then accumulators.
  logic signed [ProductWidth-1:0] product_q[Dim];
  logic signed [SumWidth-1:0] sum_q[Dim], sum_d[Dim];
  logic [TotalWidth-1:0] total_q, total_d;
  logic [16:0] weight_q;
  logic [ShiftPort-1:0] extra_q;
  logic live_q, last_q, final_q, first_q, hold_free;
  wire logic enable = !(live_q && last_q) || hold_free;
  wire logic done = live_q && last_q && hold_free;
  assign s_ready = enable;

  always_comb begin
    for (int unsigned c = 0; c < Dim; c++) sum_d[c] = (first_q ? '0 : sum_q[c]) + SumWidth'(product_q[c]);
    total_d = (first_q ? '0 : total_q) + TotalWidth'(weight_q);
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      if (s_valid) begin
        for (int unsigned c = 0; c < Dim; c++) begin
          logic signed [ValueWidth-1:0] value;
          value = s_data[c*ValueWidth+:ValueWidth];
          product_q[c] <= ProductWidth'(value) * ProductWidth'(signed'({1'b0, s_weight}));
        end
        weight_q <= s_weight;
        extra_q <= s_shift;
        final_q <= s_final;
        last_q <= s_last;
      end
      live_q <= s_valid;
      if (live_q) begin
        sum_q <= sum_d;
        total_q <= total_d;
        first_q <= last_q;
      end
    end
    if (rst) begin
      live_q <= 1'b0;
      first_q <= 1'b1;
    end
  end

  // A finished mean: its sums are shifted out, `NormLanes` at a time, and wait as long as the reciprocal takes.
  localparam int unsigned Wait = 3;
  localparam int unsigned GroupBits = NormLanes * SumWidth;
  logic [Dim*SumWidth-1:0] hold_q;
  logic [LeftBits-1:0] left_q;
  logic hold_final_q, move;
  logic [ShiftPort-1:0] hold_extra_q;
  logic total_valid_q;
  logic [TotalWidth-1:0] hold_total_q;
  logic [Wait-1:0][GroupBits-1:0] group_q;
  logic [Wait:0] group_live_q, group_last_q, group_final_q;
  logic [Wait-1:0][ShiftPort-1:0] group_extra_q;
  wire logic hold_last = left_q == LeftBits'(1);
  assign hold_free = left_q == '0 || (hold_last && move);

  always_ff @(posedge clk) begin
    if (move) begin
      if (left_q != '0) begin
        hold_q <= hold_q >> GroupBits;
        left_q <= left_q - 1'b1;
      end
      total_valid_q <= 1'b0;
      group_q <= (Wait * GroupBits)'({group_q, hold_q[GroupBits-1:0]});
      group_extra_q <= (Wait * ShiftPort)'({group_extra_q, hold_extra_q});
      group_live_q <= {group_live_q[Wait-1:0], left_q != '0};
      group_last_q <= {group_last_q[Wait-1:0], hold_last};
      group_final_q <= {group_final_q[Wait-1:0], hold_final_q};
    end
    if (done) begin
      for (int unsigned c = 0; c < Dim; c++) hold_q[c*SumWidth+:SumWidth] <= sum_d[c];
      left_q <= LeftBits'(Groups);
      hold_final_q <= final_q;
      hold_extra_q <= extra_q;
      hold_total_q <= total_d;
      total_valid_q <= 1'b1;
    end
    if (rst) begin
      left_q <= '0;
      total_valid_q <= 1'b0;
      group_live_q <= '0;
    end
  end

  logic [16:0] factor;
  logic [ExponentWidth-1:0] exponent;
  logic unused_factor_valid;
  reciprocal #(.Width(TotalWidth)) u_reciprocal (
      .clk, .rst, .enable(move), .s_data(hold_total_q), .s_valid(total_valid_q), .m_data(factor),
      .m_exponent(exponent), .m_valid(unused_factor_valid)
  );

  // Products with the reciprocal; rounding, saturation, and the channels side by side again.
  logic signed [ScaledWidth-1:0] scaled_q[NormLanes];
  logic [ExponentWidth-1:0] scaled_exponent_q;
  logic [ShiftPort-1:0] scaled_extra_q;
  logic [NormLanes*OutWidth-1:0] rounded;
  logic [Dim*OutWidth-1:0] out_q;
  logic out_valid_q, out_last_q;

  for (genvar l = 0; l < NormLanes; l++) begin : gen_lane
    localparam int unsigned ShiftedWidth = ScaledWidth > Cut ? ScaledWidth - Cut + 1 : 2;
    wire logic signed [ShiftedWidth-1:0] shifted = ShiftedWidth'(scaled_q[l] >>> Cut) >>> scaled_exponent_q
        >>> (ShiftBits > 0 ? scaled_extra_q : '0);
    round_saturate #(
        .InWidth(ShiftedWidth), .InSigned(1'b1), .Shift(1), .OutWidth(OutWidth), .OutSigned(OutSigned)
    ) u_round (.x(shifted), .y(rounded[l*OutWidth+:OutWidth]));
  end

  always_ff @(posedge clk) begin
    if (move) begin
      if (group_live_q[Wait-1]) begin
        for (int unsigned l = 0; l < NormLanes; l++) begin
          logic signed [SumWidth-1:0] sum;
          sum = group_q[Wait-1][l*SumWidth+:SumWidth];
          scaled_q[l] <= ScaledWidth'(sum) * ScaledWidth'(signed'({1'b0, factor}));
        end
        scaled_exponent_q <= exponent;
        scaled_extra_q <= group_extra_q[Wait-1];
      end
      if (group_live_q[Wait]) out_q <= (Dim * OutWidth)'({rounded, out_q} >> (NormLanes * OutWidth));
      out_valid_q <= group_live_q[Wait] && group_last_q[Wait];
      out_last_q <= group_final_q[Wait];
    end
    if (rst) out_valid_q <= 1'b0;
  end

  // The slice's ready is a register, so it may move everything from the held sums on.
  stream_skid #(.Width(Dim * OutWidth)) u_skid (
      .clk, .rst, .s_data(out_q), .s_valid(out_valid_q), .s_last(out_last_q), .s_ready(move), .m_data, .m_valid,
      .m_last, .m_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_final, s_shift, s_weight, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
