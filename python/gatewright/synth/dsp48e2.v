// SPDX-License-Identifier: Apache-2.0
// A 27 x 18 multiplication on one DSP block with no register used, for `flows.packed`: Yosys' DSP packer
// knows the DSP48E1 only, so the wider DSP48E2 is spelled as one; the netlist is for counting, not for building.
(* techmap_celltype = "$__MUL27X18" *)
module multiply_27x18 (
    input  [26:0] A,
    input  [17:0] B,
    output [44:0] Y
);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 0;
  parameter B_WIDTH = 0;
  parameter Y_WIDTH = 0;

  wire [47:0] product;
  assign Y = product[44:0];

  DSP48E1 #(
      .AREG(0), .ACASCREG(0), .BREG(0), .BCASCREG(0), .CREG(0), .DREG(0), .ADREG(0), .MREG(0), .PREG(0),
      .INMODEREG(0), .OPMODEREG(0), .ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0),
      .A_INPUT("DIRECT"), .B_INPUT("DIRECT"), .USE_DPORT("FALSE"), .USE_MULT("MULTIPLY"), .USE_SIMD("ONE48")
  ) _TECHMAP_REPLACE_ (
      .A({{3{A[26]}}, A}), .B(B), .C(48'd0), .D(25'd0), .P(product),
      .INMODE(5'd0), .OPMODE(7'b0000101), .ALUMODE(4'd0), .CARRYIN(1'b0), .CARRYINSEL(3'd0),
      .ACIN(30'd0), .BCIN(18'd0), .PCIN(48'd0)
  );
endmodule
