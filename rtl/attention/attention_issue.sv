// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Complete sequences to reads of the selector: for every token, for every beat (head) of it, one block of keys after
/// another. A causal query sees the keys up to its own. One beat per cycle, without a gap between queries or sequences.
module attention_issue #(
    /// Beats per token, one head each.
    parameter int unsigned Groups    = 2,
    /// Slots of a block, a power of two.
    parameter int unsigned Keys      = 2,
    /// Blocks, 2 and up.
    parameter int unsigned Blocks    = 8,
    /// Tokens of the longest sequence.
    parameter int unsigned MaxTokens = 8,
    /// Query i sees keys 0 to i.
    parameter bit          Causal    = 1'b0,
    /// Bits of the constants that go with a sequence.
    parameter int unsigned UserWidth = 1,
    /// Bits of a block, a row, a row of codes and a number of tokens, as in attention_memory; not to be set.
    localparam int unsigned BlockBits = $clog2(Blocks),
    localparam int unsigned RowBits   = $clog2(Groups * Blocks * Keys),
    localparam int unsigned CodeBits  = $clog2(Groups * Blocks),
    localparam int unsigned TokenBits = $clog2(MaxTokens + 1)
) (
    input  wire logic                 clk,
    input  wire logic                 rst,          ///< synchronous, active high
    input  wire logic [UserWidth-1:0] s_user,
    input  wire logic [BlockBits-1:0] s_start,      ///< first block of the sequence
    input  wire logic [TokenBits-1:0] s_tokens,     ///< 1 and up
    input  wire logic                 s_valid,
    output      logic                 s_ready,      ///< with the final beat of the sequence
    output      logic [UserWidth-1:0] m_user,
    output      logic [BlockBits-1:0] m_block,
    output      logic [Keys-1:0]      m_keep,       ///< slots of the block that the query sees
    output      logic [RowBits-1:0]   m_base,       ///< row of slot 0 of this head
    output      logic [RowBits-1:0]   m_query_row,
    output      logic [CodeBits-1:0]  m_codes_row,
    output      logic                 m_first,      ///< first block of the query
    output      logic                 m_last,       ///< final block of the query
    output      logic                 m_final,      ///< the query is the sequence's final one, in its final head
    output      logic                 m_valid,
    input  wire logic                 m_ready
);
  localparam int unsigned LaneBits = Keys > 1 ? $clog2(Keys) : 1;
  localparam int unsigned GroupBits = Groups > 1 ? $clog2(Groups) : 1;
  localparam int unsigned SlotBits = BlockBits + $clog2(Keys);
  localparam logic [BlockBits-1:0] FinalBlock = BlockBits'(Blocks - 1);

  logic first_q, new_q;
  logic [BlockBits-1:0] block_q, query_block_q;
  logic [LaneBits-1:0] query_lane_q;
  logic [TokenBits-1:0] left_q, token_q;
  logic [GroupBits-1:0] group_q;
  logic [RowBits-1:0] base_q;
  logic [CodeBits-1:0] codes_base_q;

  // What this beat reads.
  wire logic [BlockBits-1:0] block = first_q ? s_start : block_q;
  wire logic [BlockBits-1:0] query_block = new_q ? s_start : query_block_q;
  wire logic [LaneBits-1:0] query_lane = new_q ? '0 : query_lane_q;
  wire logic [SlotBits-1:0] query_slot = SlotBits'({query_block, query_lane} >> (Keys > 1 ? 0 : 1));
  wire logic [TokenBits-1:0] left = !first_q ? left_q : Causal ? token_q : s_tokens;
  wire logic query_end = 32'(left) <= Keys;
  wire logic final_group = group_q == GroupBits'(Groups - 1);
  wire logic final_query = final_group && token_q == s_tokens;
  wire logic token_end = query_end && final_group;
  wire logic sequence_end = query_end && final_query;
  wire logic enable = m_ready || !m_valid;
  wire logic fire = s_valid && enable;
  assign s_ready = enable && sequence_end;

  always_ff @(posedge clk) begin
    if (fire) begin
      first_q <= query_end;
      block_q <= block == FinalBlock ? '0 : block + 1'b1;
      left_q <= left - TokenBits'(Keys);
      if (query_end) begin
        group_q <= token_end ? '0 : group_q + 1'b1;
        base_q <= token_end ? '0 : base_q + RowBits'(Blocks * Keys);
        codes_base_q <= token_end ? '0 : codes_base_q + CodeBits'(Blocks);
      end
      if (token_end) begin
        token_q <= sequence_end ? TokenBits'(1) : token_q + 1'b1;
        new_q <= sequence_end;
        query_lane_q <= query_lane == LaneBits'(Keys - 1) ? '0 : query_lane + 1'b1;
        query_block_q <= query_lane != LaneBits'(Keys - 1) ? query_block
                         : query_block == FinalBlock ? '0 : query_block + 1'b1;
      end
    end
    if (rst) begin
      first_q <= 1'b1;
      new_q <= 1'b1;
      token_q <= TokenBits'(1);
      group_q <= '0;
      base_q <= '0;
      codes_base_q <= '0;
    end
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      m_valid <= s_valid;
      m_user <= s_user;
      m_block <= block;
      m_base <= base_q;
      m_query_row <= base_q + RowBits'(query_slot);
      m_codes_row <= codes_base_q + CodeBits'(block);
      m_first <= first_q;
      m_last <= query_end;
      m_final <= final_query;
      for (int unsigned j = 0; j < Keys; j++) m_keep[j] <= 32'(left) > j;
    end
    if (rst) m_valid <= 1'b0;
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_user, s_start, s_tokens})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_user, m_block, m_keep, m_query_row, m_codes_row})
endmodule

`default_nettype wire
