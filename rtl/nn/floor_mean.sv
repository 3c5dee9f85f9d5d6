// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Sum to floor of the mean, exactly: the sum's upper part times a reciprocal of the odd part of Channels. With
/// `s = floor(sum / 2**k)`, `Channels = odd * 2**k` and `R = floor(2**M / odd)`, M large enough, it is
/// `floor((s + 1/2) R / 2**M)`: half a step up, and no multiple of odd is missed. A pipeline of two steps without a
/// handshake of its own.
module floor_mean #(
    /// What the sum is divided by, 1 and up.
    parameter int unsigned Channels  = 12,
    /// Bits of the sum, two's complement.
    parameter int unsigned SumWidth  = 20,
    /// Bits of the mean, two's complement.
    parameter int unsigned MeanWidth = 16
) (
    input  wire logic                 clk,
    input  wire logic                 rst,      ///< synchronous, active high
    input  wire logic                 enable,   ///< every register moves
    input  wire logic [SumWidth-1:0]  s_sum,
    input  wire logic                 s_valid,
    output      logic [MeanWidth-1:0] m_mean,
    output      logic [SumWidth-1:0]  m_sum,    ///< the sum beside it
    output      logic                 m_valid
);
  function automatic int unsigned zeros(input int unsigned number);
    zeros = 0;
    while (number % (2 << zeros) == 0) zeros++;
  endfunction
  localparam int unsigned Zeros = zeros(Channels);
  localparam int unsigned Odd = Channels >> Zeros;
  localparam int unsigned PartWidth = SumWidth - Zeros;
  /// |s + 1/2| (odd - 1) stays below 2**Fraction.
  localparam int unsigned Fraction = PartWidth + $clog2(Odd);
  localparam int unsigned ProductWidth = 2 * PartWidth + 3;
  localparam logic [PartWidth+1:0] Reciprocal = (PartWidth + 2)'((64'd1 << Fraction) / 64'(Odd));
  `CHECK_PARAMETER(fits, Fraction < 63, "Reciprocals have at most 63 bits")

  logic signed [SumWidth-1:0] sum_q[2];
  logic signed [ProductWidth-1:0] product_q[2];
  logic valid_q[2];
  wire logic signed [PartWidth-1:0] part = s_sum[SumWidth-1:Zeros];

  always_ff @(posedge clk) begin
    if (enable) begin
      sum_q <= '{signed'(s_sum), sum_q[0]};
      product_q <= '{ProductWidth'(part) * ProductWidth'(signed'({1'b0, Reciprocal})), product_q[0]};
      valid_q <= '{s_valid, valid_q[0]};
    end
    if (rst) valid_q <= '{default: 1'b0};
  end

  wire logic signed [ProductWidth:0] doubled = {product_q[1], 1'b0};
  assign m_mean = MeanWidth'((doubled + (ProductWidth + 1)'(signed'({1'b0, Reciprocal}))) >>> (Fraction + 1));
  assign m_sum = sum_q[1];
  assign m_valid = valid_q[1];
endmodule

`default_nettype wire
