// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Accumulators to output channels: `y = sat((acc + offset) >>> (ShiftMin + extra))`, offset and extra per channel.
/// The offset already contains the half that rounds to nearest. Two pipeline steps, one beat per cycle.
module rescale #(
    /// Channels per beat and token.
    parameter int unsigned Pe          = 2,
    /// Tokens per beat.
    parameter int unsigned Tokens      = 1,
    /// Bits of an accumulator, two's complement.
    parameter int unsigned AccWidth    = 20,
    /// Bits of an offset, two's complement.
    parameter int unsigned OffsetWidth = 20,
    /// Right shift of every channel; negative shifts left.
    parameter int          ShiftMin    = 4,
    /// Bits of the extra right shift per channel; 0 for none.
    parameter int unsigned ShiftBits   = 0,
    /// Bits of an output channel.
    parameter int unsigned OutWidth    = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Bits of the side band.
    parameter int unsigned UserWidth   = 1
) (
    input  wire logic                                 clk,
    input  wire logic                                 rst,      ///< synchronous, active high
    input  wire logic [Tokens*Pe*AccWidth-1:0]        s_data,   ///< element t * Pe + p
    input  wire logic [UserWidth-1:0]                 s_user,
    input  wire logic                                 s_valid,
    output      logic                                 s_ready,
    input  wire logic [Pe*(OffsetWidth+ShiftBits)-1:0] o_data,  ///< per channel {extra shift, offset}
    input  wire logic                                 o_valid,
    output      logic                                 o_ready,
    output      logic [Tokens*Pe*OutWidth-1:0]        m_data,
    output      logic [UserWidth-1:0]                 m_user,
    output      logic                                 m_valid,
    input  wire logic                                 m_ready
);
  localparam int unsigned Left = ShiftMin < 0 ? unsigned'(-ShiftMin) : 0;
  localparam int unsigned Right = ShiftMin > 0 ? unsigned'(ShiftMin) : 0;
  localparam int unsigned Widest = AccWidth > OffsetWidth ? AccWidth : OffsetWidth;
  localparam int unsigned SumWidth = Widest + 1 + Left;
  localparam int unsigned ShiftWidth = ShiftBits > 0 ? ShiftBits : 1;
  // One bit more than sum and output, so that the limits of either are representable.
  localparam int unsigned WideWidth = (SumWidth > OutWidth ? SumWidth : OutWidth) + 1;
  localparam logic signed [WideWidth-1:0] Max =
      WideWidth'((65'd1 << (OutWidth - (OutSigned ? 1 : 0))) - 65'd1);
  localparam logic signed [WideWidth-1:0] Min = OutSigned ? -Max - WideWidth'(1) : '0;

  logic signed [SumWidth-1:0] sum_q[Tokens*Pe], sum_d[Tokens*Pe];
  logic [ShiftWidth-1:0] extra_q[Pe], extra_d[Pe];
  logic [OutWidth-1:0] out_q[Tokens*Pe], out_d[Tokens*Pe];
  logic sum_valid_q, out_valid_q;
  logic [UserWidth-1:0] sum_user_q, out_user_q;

  wire logic enable = m_ready || !out_valid_q;
  assign s_ready = o_valid && enable;
  assign o_ready = s_valid && enable;
  assign m_valid = out_valid_q;
  assign m_user  = out_user_q;

  always_comb begin
    for (int unsigned p = 0; p < Pe; p++) begin
      logic signed [OffsetWidth-1:0] offset;
      offset = o_data[p*(OffsetWidth+ShiftBits)+:OffsetWidth];
      for (int unsigned t = 0; t < Tokens; t++) begin
        logic signed [AccWidth-1:0] acc;
        acc = s_data[(t*Pe+p)*AccWidth+:AccWidth];
        sum_d[t*Pe+p] = (SumWidth'(acc) + SumWidth'(offset)) <<< Left;
      end
    end
  end

  if (ShiftBits > 0) begin : gen_extra
    always_comb begin
      for (int unsigned p = 0; p < Pe; p++) begin
        extra_d[p] = o_data[p*(OffsetWidth+ShiftBits)+OffsetWidth+:ShiftBits];
      end
    end
  end else begin : gen_no_extra
    always_comb begin
      for (int unsigned p = 0; p < Pe; p++) extra_d[p] = '0;
    end
  end

  always_comb begin
    for (int unsigned p = 0; p < Pe; p++) begin
      for (int unsigned t = 0; t < Tokens; t++) begin
        logic signed [SumWidth-1:0] shifted;
        logic signed [WideWidth-1:0] wide;
        shifted = (sum_q[t*Pe+p] >>> Right) >>> extra_q[p];
        wide = WideWidth'(shifted);
        out_d[t*Pe+p] = wide > Max ? OutWidth'(Max) : wide < Min ? OutWidth'(Min) : OutWidth'(wide);
      end
    end
  end

  for (genvar i = 0; i < Tokens * Pe; i++) begin : gen_out
    assign m_data[i*OutWidth+:OutWidth] = out_q[i];
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      sum_q <= sum_d;
      extra_q <= extra_d;
      sum_valid_q <= s_valid && o_valid;
      sum_user_q <= s_user;
      out_q <= out_d;
      out_valid_q <= sum_valid_q;
      out_user_q <= sum_user_q;
    end
    if (rst) begin
      sum_valid_q <= 1'b0;
      out_valid_q <= 1'b0;
    end
  end

  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_user, m_data})
endmodule

`default_nettype wire
