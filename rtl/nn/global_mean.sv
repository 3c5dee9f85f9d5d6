// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sums to means: `y = sat((sum * R[count] + half) >>> (Fraction + Shift))`, `R[n] = round(2**Fraction / n)`.
/// A pipeline of two steps without a handshake of its own; `enable` moves all of it.
module global_mean #(
    /// Channels per beat.
    parameter int unsigned Lanes     = 1,
    /// Number of tokens behind every sum; 0 when `count` says it.
    parameter int unsigned Tokens    = 0,
    /// Largest `count`.
    parameter int unsigned MaxTokens = 64,
    /// Bits of a sum, two's complement.
    parameter int unsigned SumWidth  = 15,
    /// Fraction bits of the reciprocals, at most 32.
    parameter int unsigned Fraction  = 22,
    /// Further right shift; negative shifts left.
    parameter int          Shift     = 0,
    /// Bits of an output channel.
    parameter int unsigned OutWidth  = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned = 1'b1
) (
    input  wire logic                           clk,
    input  wire logic                           rst,      ///< synchronous, active high
    input  wire logic                           enable,   ///< every register moves
    input  wire logic [$clog2(MaxTokens+1)-1:0] count,    ///< tokens, one enabled cycle before their sums
    input  wire logic [Lanes*SumWidth-1:0]      s_data,
    input  wire logic                           s_valid,
    input  wire logic                           s_last,
    output      logic [Lanes*OutWidth-1:0]      m_data,
    output      logic                           m_valid,
    output      logic                           m_last
);
  localparam int unsigned FactorWidth = Fraction + 1;
  localparam int unsigned ProductWidth = SumWidth + FactorWidth + 1;

  function automatic logic [FactorWidth-1:0] reciprocal(input int unsigned n);
    longint unsigned doubled;
    doubled = (64'd2 << Fraction) / 64'(n);
    return FactorWidth'((doubled + 64'd1) >> 1);
  endfunction

  logic [FactorWidth-1:0] factor;
  if (Tokens > 0) begin : gen_constant
    assign factor = reciprocal(Tokens);
    wire logic unused_count = &count;
  end else begin : gen_table
    // Entry 0, which no sequence needs, serves the largest count when that is a power of two.
    localparam int unsigned AddressBits = MaxTokens > 1 ? $clog2(MaxTokens) : 1;
    localparam int unsigned Entries = 1 << AddressBits;
    logic [FactorWidth-1:0] rom[Entries];
    logic [FactorWidth-1:0] factor_q;
    initial begin
      for (int unsigned n = 0; n < Entries; n++) rom[n] = reciprocal(n == 0 ? Entries : n);
    end
    always_ff @(posedge clk) if (enable) factor_q <= rom[count[AddressBits-1:0]];
    assign factor = factor_q;
    wire logic unused_count = &count;
  end

  logic signed [ProductWidth-1:0] product_q[Lanes], product_d[Lanes];
  logic valid_q, last_q;

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [SumWidth-1:0] sum;
      sum = s_data[l*SumWidth+:SumWidth];
      product_d[l] = ProductWidth'(sum) * ProductWidth'(signed'({1'b0, factor}));
    end
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      product_q <= product_d;
      valid_q <= s_valid;
      last_q <= s_last;
    end
    if (rst) valid_q <= 1'b0;
  end

  assign m_valid = valid_q;
  assign m_last  = last_q;
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    round_saturate #(
        .InWidth(ProductWidth), .InSigned(1'b1), .Shift(int'(Fraction) + Shift), .OutWidth(OutWidth),
        .OutSigned(OutSigned)
    ) u_round (.x(product_q[l]), .y(m_data[l*OutWidth+:OutWidth]));
  end
endmodule

`default_nettype wire
