// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// `e = round(2**16 * 2**-x)` for x = u * 2**-12 octaves: 32 chords over the fraction of x, one rounding right shift by its
/// integer part. Exact at x = 0, and 0 from 18 octaves on. Equal to `exp2` of gatewright/ops/_softmax.py, which states the
/// error. A pipeline of three steps without a handshake of its own.
module exp2 #(
    /// Bits of the side band.
    parameter int unsigned UserWidth = 1
) (
    input  wire logic                 clk,
    input  wire logic                 rst,      ///< synchronous, active high
    input  wire logic                 enable,   ///< every register moves
    input  wire logic [16:0]          s_data,   ///< u: 5 bits of octaves, 12 bits behind the point
    input  wire logic [UserWidth-1:0] s_user,
    input  wire logic                 s_valid,
    output      logic [16:0]          m_data,   ///< e, at most 2**16
    output      logic [UserWidth-1:0] m_user,
    output      logic                 m_valid
);
  localparam int unsigned Step = 7;  ///< bits of u within a segment
  localparam int unsigned Segments = 32;
  /// 2**16 * 2**-(i / 32), entry 0 in the low bits.
  localparam logic [Segments:0][16:0] Knots = {
      17'd32768, 17'd33486, 17'd34219, 17'd34968, 17'd35734, 17'd36516, 17'd37316, 17'd38133,
      17'd38968, 17'd39821, 17'd40693, 17'd41584, 17'd42495, 17'd43425, 17'd44376, 17'd45348,
      17'd46341, 17'd47356, 17'd48393, 17'd49452, 17'd50535, 17'd51642, 17'd52773, 17'd53928,
      17'd55109, 17'd56316, 17'd57549, 17'd58809, 17'd60097, 17'd61413, 17'd62757, 17'd64132,
      17'd65536
  };

  logic [27:0] rom[Segments];
  initial begin
    for (int unsigned i = 0; i < Segments; i++) rom[i] = {11'(Knots[i] - Knots[i+1]), Knots[i]};
  end

  logic [16:0] base_q, e_q;
  logic [10:0] drop_q;
  logic [Step-1:0] offset_q;
  logic [4:0] octave_q, line_octave_q;
  logic [16+Step:0] line_q;
  logic [2:0] live_q;
  logic [2:0][UserWidth-1:0] user_q;
  assign m_data = e_q;
  assign m_user = user_q[2];
  assign m_valid = live_q[2];

  always_ff @(posedge clk) begin
    if (enable) begin
      {drop_q, base_q} <= rom[s_data[11:Step]];
      offset_q <= s_data[Step-1:0];
      octave_q <= s_data[16:12];
      line_q <= ((17 + Step)'(base_q) << Step) - (17 + Step)'(drop_q) * (17 + Step)'(offset_q);
      line_octave_q <= octave_q;
      // One bit more than wanted, then half up.
      e_q <= 17'(((line_q >> (Step - 1) >> line_octave_q) + 1'b1) >> 1);
      live_q <= {live_q[1:0], s_valid};
      user_q <= {user_q[1:0], s_user};
    end
    if (rst) live_q <= '0;
  end
endmodule

`default_nettype wire
