// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Reciprocal square root: for `v = m * 4**half`, m in [1, 4), `r = 2**17 / sqrt(m)` to within 2**-16.3 of itself.
///
/// 128 chords for m in [1, 2), 128 for [2, 4); 10 bits of m between two nodes. v = 0 counts as 1. A pipeline of four
/// steps without a handshake of its own.
module rsqrt #(
    /// Bits of v, unsigned, 1 to 62.
    parameter int unsigned Width     = 48,
    /// Bits of the side band.
    parameter int unsigned UserWidth = 1,
    /// Bits of half; not to be set.
    localparam int unsigned HalfBits = Width > 2 ? $clog2((Width + 1) / 2) : 1
) (
    input  wire logic                 clk,
    input  wire logic                 rst,      ///< synchronous, active high
    input  wire logic                 enable,   ///< every register moves
    input  wire logic [Width-1:0]     s_data,
    input  wire logic [UserWidth-1:0] s_user,
    input  wire logic                 s_valid,
    output      logic [16:0]          m_data,   ///< r, in [2**16, 2**17)
    output      logic [HalfBits-1:0]  m_half,
    output      logic [UserWidth-1:0] m_user,
    output      logic                 m_valid
);
  localparam int unsigned Fraction = 17;
  localparam int unsigned Guard = 3;
  localparam int unsigned Index = 7;
  localparam int unsigned Tail = 10;
  localparam int unsigned Lower = 2;
  localparam int unsigned NodeWidth = Fraction + Guard;
  localparam int unsigned FallWidth = 12;
  localparam int unsigned Top = Index + Tail + 1;
  localparam int unsigned LeadBits = $clog2(Width) > 0 ? $clog2(Width) : 1;
  localparam int unsigned WideWidth = Width > Top ? Width : Top;

  // The value at the left end of chord {octave, j}, and its fall to the right end.
  function automatic logic [NodeWidth-1:0] node(input int unsigned numerator, input int unsigned octave);
    longint unsigned square, root, step;
    square = (64'd1 << (2 * NodeWidth + Index)) / (64'(numerator) << octave);
    root = 64'd0;
    for (int unsigned b = 0; b <= NodeWidth; b++) begin
      step = root | (64'd1 << (NodeWidth - b));
      if (step * step <= square) root = step;
    end
    root = root - 64'(Lower);
    step = (64'd1 << NodeWidth) - (64'd1 << (Guard - 1)) - 64'd1;
    return NodeWidth'(root < step ? root : step);
  endfunction

  // A constant, so that tools evaluate the function and do not unroll it.
  function automatic logic [(2<<Index)-1:0][NodeWidth+FallWidth-1:0] chords();
    for (int unsigned i = 0; i < 2 << Index; i++) begin
      logic [NodeWidth-1:0] left, right;
      left = node((1 << Index) + i % (1 << Index), i >> Index);
      right = node((1 << Index) + 1 + i % (1 << Index), i >> Index);
      chords[i] = {FallWidth'(left - right), left};
    end
  endfunction
  localparam logic [(2<<Index)-1:0][NodeWidth+FallWidth-1:0] Chords = chords();
  logic [NodeWidth+FallWidth-1:0] rom[2<<Index];
  initial begin
    for (int unsigned i = 0; i < 2 << Index; i++) rom[i] = Chords[i];
  end

  logic [UserWidth-1:0] user_q[4];
  logic valid_q[4];
  // Where the leading one is.
  logic [Width-1:0] v_q;
  logic [LeadBits-1:0] lead_q, lead_d;
  always_comb begin
    lead_d = '0;
    for (int unsigned b = 0; b < Width; b++) if (s_data[b]) lead_d = LeadBits'(b);
  end
  // The leading one, moved to the front, and what follows it.
  logic [WideWidth-1:0] wide;
  logic [Top-2:0] top_q;
  logic [LeadBits-1:0] top_lead_q;
  assign wide = WideWidth'(v_q) << (LeadBits'(Width - 1) - lead_q);
  // The chord, and the value on it.
  logic [NodeWidth-1:0] left_q;
  logic [FallWidth-1:0] fall_q;
  logic [Tail:0] tail_q;
  logic [HalfBits-1:0] chord_half_q, half_q;
  logic [FallWidth+Tail:0] drop;
  logic [NodeWidth-1:0] fine;
  logic [Fraction-1:0] r_q;
  always_comb begin
    drop = (FallWidth + Tail + 1)'(fall_q) * (FallWidth + Tail + 1)'(tail_q);
    fine = left_q - NodeWidth'(drop >> (Tail + 1)) + NodeWidth'(1 << (Guard - 1));
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      v_q <= s_data;
      lead_q <= lead_d;
      // For narrow values the zeros that follow are all there is.
      top_q <= (Top - 1)'(Width >= Top ? wide >> (WideWidth - Top) : wide << (Top - Width));
      top_lead_q <= lead_q;
      {fall_q, left_q} <= rom[{top_lead_q[0], top_q[Top-2:Tail]}];
      tail_q <= {top_q[Tail-1:0], 1'b1};
      chord_half_q <= HalfBits'(top_lead_q >> 1);
      r_q <= fine[NodeWidth-1:Guard];
      half_q <= chord_half_q;
      user_q <= '{s_user, user_q[0], user_q[1], user_q[2]};
      valid_q <= '{s_valid, valid_q[0], valid_q[1], valid_q[2]};
    end
    if (rst) valid_q <= '{default: 1'b0};
  end

  wire logic unused_bits = &{drop, fine, wide};
  assign m_data  = r_q;
  assign m_half  = half_q;
  assign m_user  = user_q[3];
  assign m_valid = valid_q[3];
endmodule

`default_nettype wire
