// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// `r = round(2**(16 + E) / S)` with E = floor(log2 S) for S >= 2**16: the 16 bits behind the leading one of S select one
/// of 64 chords. Exact when S is a power of two. Equal to `reciprocal` of gatewright/ops/_softmax.py, which states the
/// error. A pipeline of three steps without a handshake of its own; a result stays until the next one.
module reciprocal #(
    /// Bits of S, 17 and up.
    parameter int unsigned Width = 21,
    /// Bits of E - 16; not to be set.
    localparam int unsigned ExponentWidth = Width > 17 ? $clog2(Width - 16) : 1
) (
    input  wire logic                     clk,
    input  wire logic                     rst,         ///< synchronous, active high
    input  wire logic                     enable,      ///< every register moves
    input  wire logic [Width-1:0]         s_data,      ///< S; 0 gives any result
    input  wire logic                     s_valid,
    output      logic [16:0]              m_data,      ///< r, above 2**15 and at most 2**16
    output      logic [ExponentWidth-1:0] m_exponent,  ///< E - 16
    output      logic                     m_valid
);
  localparam int unsigned Step = 10;  ///< bits of the mantissa within a segment
  localparam int unsigned Segments = 64;
  /// 2**16 / (1 + i / 64), entry 0 in the low bits.
  localparam logic [Segments:0][16:0] Knots = {
      17'd32768, 17'd33026, 17'd33288, 17'd33554, 17'd33825, 17'd34100, 17'd34380, 17'd34664,
      17'd34953, 17'd35246, 17'd35545, 17'd35849, 17'd36158, 17'd36472, 17'd36792, 17'd37118,
      17'd37449, 17'd37787, 17'd38130, 17'd38480, 17'd38836, 17'd39199, 17'd39569, 17'd39946,
      17'd40330, 17'd40721, 17'd41121, 17'd41528, 17'd41943, 17'd42367, 17'd42799, 17'd43240,
      17'd43691, 17'd44151, 17'd44620, 17'd45100, 17'd45590, 17'd46091, 17'd46603, 17'd47127,
      17'd47663, 17'd48210, 17'd48771, 17'd49345, 17'd49932, 17'd50534, 17'd51150, 17'd51782,
      17'd52429, 17'd53092, 17'd53773, 17'd54471, 17'd55188, 17'd55924, 17'd56680, 17'd57456,
      17'd58254, 17'd59075, 17'd59919, 17'd60787, 17'd61681, 17'd62602, 17'd63550, 17'd64528,
      17'd65536
  };
  `CHECK_PARAMETER(wide, Width >= 17, "S has 17 bits or more")

  logic [26:0] rom[Segments];
  initial begin
    for (int unsigned i = 0; i < Segments; i++) rom[i] = {10'(Knots[i] - Knots[i+1]), Knots[i]};
  end

  // Step 1: leading one. Step 2: table. Step 3: chord.
  logic [15:0] mantissa_q, mantissa;
  logic [ExponentWidth-1:0] exponent, exponent_q, table_exponent_q, out_exponent_q;
  logic [16:0] base_q, r_q;
  logic [9:0] drop_q;
  logic [Step-1:0] offset_q;
  logic [2:0] live_q;
  assign m_data = r_q;
  assign m_exponent = out_exponent_q;
  assign m_valid = live_q[2];

  always_comb begin
    exponent = '0;
    mantissa = s_data[15:0];
    for (int unsigned i = 1; i < Width - 16; i++) begin
      if (s_data[16+i]) begin
        exponent = ExponentWidth'(i);
        mantissa = s_data[i+:16];
      end
    end
  end
  wire logic unused_leading_one = s_data[16];

  always_ff @(posedge clk) begin
    if (enable) begin
      live_q <= {live_q[1:0], s_valid};
      mantissa_q <= mantissa;
      exponent_q <= exponent;
      {drop_q, base_q} <= rom[mantissa_q[15:Step]];
      offset_q <= mantissa_q[Step-1:0];
      table_exponent_q <= exponent_q;
      if (live_q[1]) begin
        r_q <= 17'((((17 + Step)'(base_q) << Step) - (17 + Step)'(drop_q) * (17 + Step)'(offset_q)
                    + ((17 + Step)'(1) << (Step - 1))) >> Step);
        out_exponent_q <= table_exponent_q;
      end
    end
    if (rst) live_q <= '0;
  end
endmodule

`default_nettype wire
