// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// The `Top` best of a sequence of candidates, `Keys` per cycle: greatest score first, earliest first among equals.
///
/// A beat is sorted by counting, for each candidate, those that go before it; then it is merged into the cells, which
/// are sorted too: cell i moves down by as many places as candidates beat it. At `last` the list moves to a second
/// register, from which it leaves one entry per cycle while the next list grows. A list of no entry leaves as one beat
/// with `m_empty`. A list takes max(beats, entries) cycles.
module top_k_sorter #(
    /// Candidates per beat, a power of two.
    parameter int unsigned Keys = 2,
    /// Entries of a list, 1 and up.
    parameter int unsigned Top = 4,
    /// Bits of a score, two's complement.
    parameter int unsigned ScoreWidth = 8,
    /// Bits of the number that comes with a beat.
    parameter int unsigned BaseWidth = 4,
    /// Bits of an entry; not to be set.
    localparam int unsigned IndexWidth = BaseWidth + $clog2(Keys)
) (
    input  wire logic                       clk,
    input  wire logic                       rst,      ///< synchronous, active high
    input  wire logic [Keys*ScoreWidth-1:0] s_data,
    input  wire logic [Keys-1:0]            s_keep,   ///< candidates that count
    input  wire logic [BaseWidth-1:0]       s_base,   ///< number of this beat
    input  wire logic                       s_valid,
    input  wire logic                       s_last,   ///< final candidates of this list
    output      logic                       s_ready,
    output      logic [IndexWidth-1:0]      m_data,   ///< base * Keys + place in the beat
    output      logic                       m_empty,  ///< the list has no entry
    output      logic                       m_valid,
    output      logic                       m_last,   ///< final entry of this list
    input  wire logic                       m_ready
);
  localparam int unsigned LaneBits = Keys > 1 ? $clog2(Keys) : 1;
  localparam int unsigned RankBits = $clog2(Keys + 1);
  localparam int unsigned PlaceBits = Top > 1 ? $clog2(Top) : 1;
  localparam int unsigned CountBits = $clog2(Top + 1);
  /// {kept, score as an unsigned number}: 0 stands for no entry and is beaten by every candidate that counts.
  localparam int unsigned KeyWidth = ScoreWidth + 1;
  localparam int unsigned EntryWidth = KeyWidth + IndexWidth;
  localparam logic [ScoreWidth-1:0] SignBit = ScoreWidth'(1) << (ScoreWidth - 1);
  `CHECK_PARAMETER(power, Keys == 1 << $clog2(Keys), "Keys is a power of two")
  `CHECK_PARAMETER(positive, Top > 0, "Top starts at 1")

  logic list_free, done_q;
  wire logic enable = !done_q || list_free;
  assign s_ready = enable;

  // Step 1: the beat sorted.
  logic [KeyWidth-1:0] key[Keys], key_q[Keys];
  logic [LaneBits-1:0] rank[Keys], lane_q[Keys];
  logic [BaseWidth-1:0] base_q;
  logic [RankBits-1:0] kept_q;
  logic live_q, last_q;

  always_comb begin
    for (int unsigned j = 0; j < Keys; j++) begin
      key[j] = s_keep[j] ? {1'b1, s_data[j*ScoreWidth+:ScoreWidth] ^ SignBit} : '0;
    end
    for (int unsigned j = 0; j < Keys; j++) begin
      rank[j] = '0;
      for (int unsigned i = 0; i < Keys; i++) begin
        if (i < j ? key[i] >= key[j] : i > j && key[i] > key[j]) rank[j] = rank[j] + 1'b1;
      end
    end
  end

  always_ff @(posedge clk) begin
    if (enable && s_valid) begin
      for (int unsigned r = 0; r < Keys; r++) begin
        logic [KeyWidth-1:0] best;
        logic [LaneBits-1:0] from;
        best = '0;
        from = '0;
        for (int unsigned j = 0; j < Keys; j++) begin
          if (rank[j] == LaneBits'(r)) begin
            best = best | key[j];
            from = from | LaneBits'(j);
          end
        end
        key_q[r] <= best;
        lane_q[r] <= from;
      end
      base_q <= s_base;
      kept_q <= RankBits'($countones(s_keep));
    end
  end

  // Step 2: merged into the cells.
  logic [EntryWidth-1:0] cell_q[Top], candidate[Keys];
  logic [CountBits-1:0] count_q, count_d;
  logic first_q;
  wire logic [KeyWidth-1:0] worst = first_q ? '0 : cell_q[Top-1][EntryWidth-1:IndexWidth];
  wire logic merge = enable && live_q && (first_q || key_q[0] > worst);

  always_comb begin
    logic [CountBits+RankBits-1:0] sum;
    for (int unsigned j = 0; j < Keys; j++) begin
      candidate[j] = {key_q[j], IndexWidth'({base_q, lane_q[j]} >> (Keys > 1 ? 0 : 1))};
    end
    sum = (first_q ? '0 : (CountBits + RankBits)'(count_q)) + (CountBits + RankBits)'(kept_q);
    count_d = sum > (CountBits + RankBits)'(Top) ? CountBits'(Top) : CountBits'(sum);
  end

  always_ff @(posedge clk) begin
    if (merge) begin
      logic [Top-1:0][Keys-1:0] beaten;
      for (int unsigned i = 0; i < Top; i++) begin
        for (int unsigned j = 0; j < Keys; j++) begin
          beaten[i][j] = key_q[j] > (first_q ? '0 : cell_q[i][EntryWidth-1:IndexWidth]);
        end
      end
      for (int unsigned i = 0; i < Top; i++) begin
        logic [EntryWidth-1:0] entry;
        entry = '0;
        // Cell i - s comes here if exactly s candidates beat it; candidate j if it beats cell i - j, not the one before.
        for (int unsigned s = 0; s <= Keys; s++) begin
          if (i >= s) begin
            if (!first_q && (s == 0 || beaten[i-s][(s+Keys-1)%Keys]) && (s == Keys || !beaten[i-s][s%Keys]))
              entry = entry | cell_q[i-s];
            if (s < Keys && beaten[i-s][s%Keys] && (i == s || !beaten[(i+Top-s-1)%Top][s%Keys]))
              entry = entry | candidate[s%Keys];
          end
        end
        cell_q[i] <= entry;
      end
    end
    if (enable) begin
      live_q <= s_valid;
      last_q <= s_last;
      done_q <= live_q && last_q;
      if (live_q) begin
        first_q <= last_q;
        count_q <= count_d;
      end
    end
    if (rst) begin
      live_q <= 1'b0;
      done_q <= 1'b0;
      first_q <= 1'b1;
    end
  end

  // The list that leaves.
  logic [IndexWidth-1:0] list_q[Top];
  logic [CountBits-1:0] size_q;
  logic [PlaceBits-1:0] next_q;
  logic valid_q;
  wire logic pop = valid_q && m_ready;
  assign list_free = !valid_q || (m_ready && m_last);
  assign m_valid = valid_q;
  assign m_last  = CountBits'(next_q) + 1'b1 >= size_q;
  assign m_empty = size_q == '0;
  assign m_data  = list_q[next_q];

  always_ff @(posedge clk) begin
    if (pop) next_q <= next_q + 1'b1;
    if (pop && m_last) valid_q <= 1'b0;
    if (done_q && list_free) begin
      for (int unsigned i = 0; i < Top; i++) list_q[i] <= cell_q[i][IndexWidth-1:0];
      size_q <= count_q;
      next_q <= '0;
      valid_q <= 1'b1;
    end
    if (rst) valid_q <= 1'b0;
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_base, s_keep, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_empty, m_data})
endmodule

`default_nettype wire
