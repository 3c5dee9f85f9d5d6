// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Token slots of one attention engine: queries, keys and values at full width, and low-bit codes of the keys.
///
/// Slots form a ring of `Blocks` blocks of `Keys` slots; a sequence starts with a block of its own. Tokens are taken
/// while a block is free, so sequences fill the ring while older ones are at work. A complete sequence is handed out at
/// `n_*`; `release_oldest` frees the blocks of the oldest one that was not freed yet. A token is `Groups` beats, the
/// rows of beat g lie at `g * Blocks * Keys + slot`, and codes of a whole block at `g * Blocks + block`.
module attention_memory #(
    /// Beats per token.
    parameter int unsigned Groups     = 2,
    /// Channels per beat.
    parameter int unsigned Dim        = 4,
    /// Slots of a block, a power of two.
    parameter int unsigned Keys       = 2,
    /// Blocks, 2 and up; a longest sequence must fit.
    parameter int unsigned Blocks     = 8,
    /// Tokens of the longest sequence.
    parameter int unsigned MaxTokens  = 8,
    /// Bits of a code, 1 to 4.
    parameter int unsigned Bits       = 4,
    /// Bits of a channel of a query, two's complement.
    parameter int unsigned QueryWidth = 8,
    /// Bits of a channel of a key, two's complement.
    parameter int unsigned KeyWidth   = 8,
    /// Bits of a channel of a value, two's complement.
    parameter int unsigned ValueWidth = 8,
    /// Bits of a threshold of the keys, unsigned.
    parameter int unsigned LimitWidth = 8,
    /// Bits of the constants that go with a sequence.
    parameter int unsigned UserWidth  = 1,
    /// Most sequences in memory, a power of two.
    parameter int unsigned Sequences  = 16,
    /// Large memories are UltraRAM, see slot_memory.
    parameter bit          Ultra      = 1'b0,
    /// Bits of all thresholds; not to be set.
    localparam int unsigned LimitBits = Bits > 1 ? ((1 << (Bits - 1)) - 1) * LimitWidth : 1,
    /// Bits of a block number, of a slot number, of a row number, of a row of codes; not to be set.
    localparam int unsigned BlockBits = $clog2(Blocks),
    localparam int unsigned SlotBits  = BlockBits + $clog2(Keys),
    localparam int unsigned RowBits   = $clog2(Groups * Blocks * Keys),
    localparam int unsigned CodeBits  = $clog2(Groups * Blocks),
    /// Bits of a number of tokens; not to be set.
    localparam int unsigned TokenBits = $clog2(MaxTokens + 1)
) (
    input  wire logic                       clk,
    input  wire logic                       rst,          ///< synchronous, active high
    input  wire logic [Dim*QueryWidth-1:0]  s_query,
    input  wire logic [Dim*KeyWidth-1:0]    s_key,
    input  wire logic [Dim*ValueWidth-1:0]  s_value,
    input  wire logic [LimitBits-1:0]       s_limits,     ///< thresholds of the keys, constant during a sequence
    input  wire logic [UserWidth-1:0]       s_user,       ///< read with the final beat of a sequence
    input  wire logic                       s_valid,
    input  wire logic                       s_last,       ///< final beat of a sequence
    output      logic                       s_ready,
    output      logic [UserWidth-1:0]       n_user,
    output      logic [BlockBits-1:0]       n_start,      ///< first block of the next complete sequence
    output      logic [TokenBits-1:0]       n_tokens,
    output      logic                       n_valid,
    input  wire logic                       n_ready,
    input  wire logic                       release_oldest,
    input  wire logic                       query_enable, ///< read; data come one cycle later and stay
    input  wire logic [RowBits-1:0]         query_row,
    output      logic [Dim*QueryWidth-1:0]  query_data,
    input  wire logic                       codes_enable,
    input  wire logic [CodeBits-1:0]        codes_row,
    output      logic [Keys*Bits*Dim-1:0]   codes_data,   ///< see low_bit_code; slot j of the block in element j
    input  wire logic                       key_enable,
    input  wire logic [RowBits-1:0]         key_row,
    output      logic [Dim*KeyWidth-1:0]    key_data,
    input  wire logic                       value_enable,
    input  wire logic [RowBits-1:0]         value_row,
    output      logic [Dim*ValueWidth-1:0]  value_data
);
  localparam int unsigned LaneBits = Keys > 1 ? $clog2(Keys) : 1;
  localparam int unsigned GroupBits = Groups > 1 ? $clog2(Groups) : 1;
  localparam int unsigned FreeBits = $clog2(Blocks + 1);
  localparam int unsigned NumberBits = $clog2(Sequences);
  localparam logic [BlockBits-1:0] FinalBlock = BlockBits'(Blocks - 1);
  `CHECK_PARAMETER(longest_fits, Blocks > 1 && Blocks * Keys >= MaxTokens, "a longest sequence must fit the slots")
  `CHECK_PARAMETER(powers, Keys == 1 << $clog2(Keys) && Sequences == 1 << $clog2(Sequences),
                   "Keys and Sequences are powers of two")

  // Where the next beat goes.
  logic [GroupBits-1:0] group_q;
  logic [RowBits-1:0] base_q;
  logic [CodeBits-1:0] codes_base_q;
  logic [LaneBits-1:0] lane_q;
  logic [BlockBits-1:0] block_q, start_q;
  logic [TokenBits-1:0] tokens_q;
  logic [FreeBits-1:0] free_q, used_q, freed;
  logic [NumberBits:0] open_q;
  logic [NumberBits-1:0] newest_q, oldest_q;
  logic [FreeBits-1:0] size[Sequences];
  wire logic opens = group_q == '0 && lane_q == '0;
  wire logic take = s_valid && s_ready;
  wire logic token_end = group_q == GroupBits'(Groups - 1);
  wire logic block_end = lane_q == LaneBits'(Keys - 1) || s_last;
  wire logic close = take && s_last;
  wire logic [BlockBits-1:0] next_block = block_q == FinalBlock ? '0 : block_q + 1'b1;
  wire logic [FreeBits-1:0] used = used_q + FreeBits'(opens);
  wire logic [SlotBits-1:0] slot = SlotBits'({block_q, lane_q} >> (Keys > 1 ? 0 : 1));
  assign s_ready = (!opens || free_q != '0) && !open_q[NumberBits];
  assign freed = release_oldest ? size[oldest_q] : '0;

  always_ff @(posedge clk) begin
    free_q <= free_q + freed - FreeBits'(take && opens);
    open_q <= open_q + (NumberBits + 1)'(close) - (NumberBits + 1)'(release_oldest);
    if (release_oldest) oldest_q <= oldest_q + 1'b1;
    if (take) begin
      group_q <= token_end ? '0 : group_q + 1'b1;
      base_q <= token_end ? '0 : base_q + RowBits'(Blocks * Keys);
      codes_base_q <= token_end ? '0 : codes_base_q + CodeBits'(Blocks);
      used_q <= close ? '0 : used;
      if (token_end) begin
        lane_q <= block_end ? '0 : lane_q + 1'b1;
        if (block_end) block_q <= next_block;
        tokens_q <= s_last ? TokenBits'(1) : tokens_q + 1'b1;
      end
    end
    if (close) begin
      start_q <= next_block;
      size[newest_q] <= used;
      newest_q <= newest_q + 1'b1;
    end
    if (rst) begin
      free_q <= FreeBits'(Blocks);
      open_q <= '0;
      newest_q <= '0;
      oldest_q <= '0;
      group_q <= '0;
      base_q <= '0;
      codes_base_q <= '0;
      lane_q <= '0;
      block_q <= '0;
      start_q <= '0;
      used_q <= '0;
      tokens_q <= TokenBits'(1);
    end
  end

  // The queue never fills: it holds no more sequences than the memory. Its latency covers the write below.
  logic queue_ready, unused_queue_last;
  stream_fifo #(
      .Width(UserWidth + BlockBits + TokenBits), .Depth(Sequences)
  ) u_sequences (
      .clk, .rst, .s_data({s_user, start_q, tokens_q}), .s_valid(close), .s_last(1'b0), .s_ready(queue_ready),
      .m_data({n_user, n_start, n_tokens}), .m_valid(n_valid), .m_last(unused_queue_last), .m_ready(n_ready)
  );

  // The beat is written one cycle later, when its codes are known.
  logic [Dim*QueryWidth-1:0] new_query_q;
  logic [Dim*KeyWidth-1:0] new_key_q;
  logic [Dim*ValueWidth-1:0] new_value_q;
  logic [Bits*Dim-1:0] new_code;
  logic [RowBits-1:0] new_row_q;
  logic [CodeBits-1:0] new_codes_row_q;
  logic [LaneBits-1:0] new_lane_q;
  logic write;

  always_ff @(posedge clk) begin
    if (take) begin
      new_query_q <= s_query;
      new_key_q <= s_key;
      new_value_q <= s_value;
      new_row_q <= base_q + RowBits'(slot);
      new_codes_row_q <= codes_base_q + CodeBits'(block_q);
      new_lane_q <= lane_q;
    end
  end

  low_bit_code #(
      .Lanes(Dim), .Width(KeyWidth), .Bits(Bits), .LimitWidth(LimitWidth)
  ) u_code (
      .clk, .rst, .enable(1'b1), .s_data(s_key), .s_limits, .s_valid(take), .m_data(new_code), .m_valid(write)
  );

  slot_memory #(.Rows(Groups * Blocks * Keys), .Width(Dim * QueryWidth), .Ultra(Ultra)) u_queries (
      .clk, .write, .write_row(new_row_q), .write_data(new_query_q), .read(query_enable), .read_row(query_row),
      .read_data(query_data)
  );
  slot_memory #(.Rows(Groups * Blocks * Keys), .Width(Dim * KeyWidth), .Ultra(Ultra)) u_keys (
      .clk, .write, .write_row(new_row_q), .write_data(new_key_q), .read(key_enable), .read_row(key_row),
      .read_data(key_data)
  );
  slot_memory #(.Rows(Groups * Blocks * Keys), .Width(Dim * ValueWidth), .Ultra(Ultra)) u_values (
      .clk, .write, .write_row(new_row_q), .write_data(new_value_q), .read(value_enable), .read_row(value_row),
      .read_data(value_data)
  );
  for (genvar j = 0; j < Keys; j++) begin : gen_slot
    slot_memory #(.Rows(Groups * Blocks), .Width(Bits * Dim), .Ultra(Ultra)) u_codes (
        .clk, .write(write && new_lane_q == LaneBits'(j)), .write_row(new_codes_row_q), .write_data(new_code),
        .read(codes_enable), .read_row(codes_row), .read_data(codes_data[j*Bits*Dim+:Bits*Dim])
    );
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_query, s_key, s_value})
  `CHECK_NEVER(whole_tokens, close && !token_end, "a sequence ends inside a token")
  `CHECK_NEVER(too_long, take && token_end && !s_last && tokens_q == TokenBits'(MaxTokens), "a sequence is too long")
  `CHECK_NEVER(queue_full, close && !queue_ready, "the queue of sequences is full")
  `CHECK_NEVER(released_early, release_oldest && open_q == '0, "no sequence is left to be released")
endmodule

`default_nettype wire
