// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Combinational `y = sat((x + 2**(Shift-1)) >>> Shift)`: round half up, saturate; Shift <= 0 shifts left.
module round_saturate #(
    /// Bits of x, 1 and up.
    parameter int unsigned InWidth   = 16,
    /// x is two's complement.
    parameter bit          InSigned  = 1'b1,
    /// Right shift in bits; negative shifts left.
    parameter int          Shift     = 4,
    /// Bits of y, 1 to 63.
    parameter int unsigned OutWidth  = 8,
    /// y is two's complement.
    parameter bit          OutSigned = 1'b1
) (
    input  wire logic [InWidth-1:0]  x,
    output      logic [OutWidth-1:0] y
);
  localparam int unsigned Left = Shift < 0 ? unsigned'(-Shift) : 0;
  localparam int unsigned Right = Shift > 0 ? unsigned'(Shift) : 0;
  localparam int unsigned InnerWidth = InWidth + Left + 2;
  localparam int unsigned HalfBit = Right > 0 ? Right - 1 : 0;
  // A half beyond the width of x still counts: the sum is as wide as the wider of the two.
  localparam int unsigned SumWidth = (InnerWidth > Right + 1 ? InnerWidth : Right + 1) + 1;
  localparam int unsigned WideWidth = (SumWidth > OutWidth ? SumWidth : OutWidth) + 1;
  localparam logic signed [SumWidth-1:0] Half = Right > 0 ? SumWidth'(1) <<< HalfBit : '0;
  localparam logic signed [WideWidth-1:0] Max =
      WideWidth'((65'd1 << (OutWidth - (OutSigned ? 1 : 0))) - 65'd1);
  localparam logic signed [WideWidth-1:0] Min = OutSigned ? -Max - WideWidth'(1) : '0;

  logic signed [SumWidth-1:0] extended, sum;
  logic signed [WideWidth-1:0] wide;

  if (InSigned) begin : gen_signed
    assign extended = SumWidth'(signed'(x));
  end else begin : gen_unsigned
    assign extended = SumWidth'(x);
  end

  always_comb begin
    sum = ((extended <<< Left) + Half) >>> Right;
    wide = WideWidth'(sum);
    y = wide > Max ? OutWidth'(Max) : wide < Min ? OutWidth'(Min) : OutWidth'(wide);
  end
endmodule

`default_nettype wire
