// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Low-bit scores of `Keys` keys per cycle: `score[j] = sum over channels of code(query) * code(key j)`.
///
/// Codes are bit planes (see low_bit_code), so a product is the weighted sum of `Bits**2` counts of ones: of agreeing
/// signs for 1 and 2 bits, of common ones for 3 and 4. A query comes with its first keys and is coded here; further
/// beats go to the same query until `last`. Three pipeline steps.
module selector #(
    /// Keys per beat.
    parameter int unsigned Keys = 2,
    /// Channels of a head.
    parameter int unsigned Dim = 4,
    /// Bits of a code, 1 to 4.
    parameter int unsigned Bits = 4,
    /// Bits of a channel of the query, two's complement.
    parameter int unsigned QueryWidth = 8,
    /// Bits of a threshold, unsigned.
    parameter int unsigned LimitWidth = 8,
    /// Bits of the side band.
    parameter int unsigned UserWidth = 1,
    /// Bits of all thresholds; not to be set.
    localparam int unsigned LimitBits = Bits > 1 ? ((1 << (Bits - 1)) - 1) * LimitWidth : 1,
    /// Largest code; not to be set.
    localparam int unsigned Most = Bits == 1 ? 1 : Bits == 2 ? 3 : (1 << (Bits - 1)) - 1,
    /// Bits of a score, two's complement; not to be set.
    localparam int unsigned ScoreWidth = $clog2(Dim * Most * Most + 1) + 1
) (
    input  wire logic                       clk,
    input  wire logic                       rst,       ///< synchronous, active high
    input  wire logic [Dim*QueryWidth-1:0]  s_query,   ///< read with the first beat only
    input  wire logic [LimitBits-1:0]       s_limits,  ///< thresholds of the query, read with the first beat only
    input  wire logic [Keys*Bits*Dim-1:0]   s_keys,    ///< bit planes, key j in element j
    input  wire logic [UserWidth-1:0]       s_user,
    input  wire logic                       s_valid,
    input  wire logic                       s_last,    ///< final keys of this query
    output      logic                       s_ready,
    output      logic [Keys*ScoreWidth-1:0] m_data,
    output      logic [UserWidth-1:0]       m_user,
    output      logic                       m_valid,
    output      logic                       m_last,
    input  wire logic                       m_ready
);
  localparam int unsigned Pairs = Bits * Bits;
  localparam int unsigned CountWidth = $clog2(Dim + 1);
  /// Planes are digits +1 and -1; else 1 and 0, the highest one negative.
  localparam bit Signs = Bits <= 2;

  // Beats under way: 0 coded, 1 counted, 2 summed.
  logic [2:0] live_q, last_q;
  logic [2:0][UserWidth-1:0] user_q;
  logic first_q, unused_code_valid;
  wire logic enable = m_ready || !live_q[2];
  assign s_ready = enable;
  assign m_valid = live_q[2];
  assign m_last  = last_q[2];
  assign m_user  = user_q[2];

  logic [Bits*Dim-1:0] query;
  low_bit_code #(
      .Lanes(Dim), .Width(QueryWidth), .Bits(Bits), .LimitWidth(LimitWidth)
  ) u_code (
      .clk, .rst, .enable, .s_data(s_query), .s_limits, .s_valid(s_valid && first_q), .m_data(query),
      .m_valid(unused_code_valid)
  );

  // The register behind the keys' memory, which block memories have inside.
  logic [Keys*Bits*Dim-1:0] keys_q;
  logic [CountWidth-1:0] count_q[Keys*Pairs];
  logic [Keys*ScoreWidth-1:0] score_q;
  assign m_data = score_q;

  always_ff @(posedge clk) begin
    if (enable && s_valid) keys_q <= s_keys;
    if (enable && live_q[0]) begin
      for (int unsigned j = 0; j < Keys; j++) begin
        for (int unsigned b = 0; b < Bits; b++) begin
          logic [Dim-1:0] plane;
          plane = keys_q[(j*Bits+b)*Dim+:Dim];
          for (int unsigned a = 0; a < Bits; a++) begin
            count_q[j*Pairs+a*Bits+b] <= Signs ? CountWidth'($countones(~(query[a*Dim+:Dim] ^ plane)))
                                               : CountWidth'($countones(query[a*Dim+:Dim] & plane));
          end
        end
      end
    end
    if (enable && live_q[1]) begin
      for (int unsigned j = 0; j < Keys; j++) begin
        logic [ScoreWidth-1:0] sum;
        sum = '0;
        for (int unsigned a = 0; a < Bits; a++) begin
          for (int unsigned b = 0; b < Bits; b++) begin
            logic [ScoreWidth-1:0] term;
            // Agreements minus disagreements, or the count itself.
            if (Signs) term = (ScoreWidth'(count_q[j*Pairs+a*Bits+b]) << 1) - ScoreWidth'(Dim);
            else term = ScoreWidth'(count_q[j*Pairs+a*Bits+b]);
            if (!Signs && ((a == Bits - 1) != (b == Bits - 1))) sum = sum - (term << (a + b));
            else sum = sum + (term << (a + b));
          end
        end
        score_q[j*ScoreWidth+:ScoreWidth] <= sum;
      end
    end
    if (enable) begin
      live_q <= {live_q[1:0], s_valid};
      last_q <= {last_q[1:0], s_last};
      user_q <= {user_q[1:0], s_user};
      if (s_valid) first_q <= s_last;
    end
    if (rst) begin
      live_q <= '0;
      first_q <= 1'b1;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_user, s_keys})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_user, m_data})
endmodule

`default_nettype wire
