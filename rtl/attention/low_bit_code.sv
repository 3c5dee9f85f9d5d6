// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Selector codes of a vector as bit planes, with `neg = x < 0` and `c = #{t : t <= |x|}`, one register behind the input.
///
/// Bits 1: `neg`, for the code -1 or 1. Bits 2: `{neg, neg ^ (c == 0)}`, the signs of the two digits of
/// `+-2 +- 1 = +-(1 + 2c)`. Bits 3 and 4: `+-c` in two's complement. Plane b has weight 2**b.
module low_bit_code #(
    /// Values per beat.
    parameter int unsigned Lanes = 4,
    /// Bits of a value, two's complement.
    parameter int unsigned Width = 8,
    /// Bits of a code, 1 to 4.
    parameter int unsigned Bits = 4,
    /// Bits of a threshold, unsigned.
    parameter int unsigned LimitWidth = 8,
    /// Thresholds; not to be set.
    localparam int unsigned Levels = Bits == 1 ? 0 : (1 << (Bits - 1)) - 1,
    /// Bits of all thresholds, 1 when there are none; not to be set.
    localparam int unsigned LimitBits = Levels > 0 ? Levels * LimitWidth : 1
) (
    input  wire logic                   clk,
    input  wire logic                   rst,       ///< synchronous, active high
    input  wire logic                   enable,    ///< the register moves
    input  wire logic [Lanes*Width-1:0] s_data,
    input  wire logic [LimitBits-1:0]   s_limits,  ///< rising thresholds, the lowest in the low bits
    input  wire logic                   s_valid,   ///< else the code of the beat before stays
    output      logic [Bits*Lanes-1:0]  m_data,    ///< element b * Lanes + lane
    output      logic                   m_valid
);
  // |x| of the most negative value needs all bits; limits may exceed it by one.
  localparam int unsigned SizeWidth = (Width > LimitWidth ? Width : LimitWidth);
  `CHECK_PARAMETER(known, Bits >= 1 && Bits <= 4, "Bits is 1 to 4")

  logic [Bits*Lanes-1:0] code_q;
  logic valid_q;
  assign m_data = code_q;
  assign m_valid = valid_q;

  if (Bits == 1) begin : gen_sign
    always_ff @(posedge clk) begin
      if (enable && s_valid) begin
        for (int unsigned l = 0; l < Lanes; l++) code_q[l] <= s_data[l*Width+Width-1];
      end
    end
    wire logic unused_bits = &{s_data, s_limits};
  end else begin : gen_code
    always_ff @(posedge clk) begin
      if (enable && s_valid) begin
        for (int unsigned l = 0; l < Lanes; l++) begin
          logic negative;
          logic signed [Width-1:0] value;
          logic [SizeWidth-1:0] size;
          logic [Bits-1:0] count, code;
          value = signed'(s_data[l*Width+:Width]);
          negative = value < 0;
          size = SizeWidth'(unsigned'(negative ? -value : value));
          // Binary search: each bit of the count is one comparison with the threshold that the bits before it select.
          count = '0;
          for (int unsigned b = 0; b < Bits - 1; b++) begin
            logic [SizeWidth-1:0] limit;
            limit = '0;
            for (int unsigned i = 0; i < 1 << b; i++) begin
              if (32'(count >> (Bits - 1 - b)) == i) begin
                limit = limit | SizeWidth'(s_limits[(((2*i+1)<<(Bits-2-b))-1)*LimitWidth+:LimitWidth]);
              end
            end
            count[Bits-2-b] = size >= limit;
          end
          if (Bits == 2) code = Bits'({negative, negative ^ (count == '0)});
          else code = negative ? -count : count;
          for (int unsigned b = 0; b < Bits; b++) code_q[b*Lanes+l] <= code[b];
        end
      end
    end
  end

  always_ff @(posedge clk) begin
    if (enable) valid_q <= s_valid;
    if (rst) valid_q <= 1'b0;
  end
endmodule

`default_nettype wire
