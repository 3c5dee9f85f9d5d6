// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Streams of random words, all from one ChaCha20 core: stream i gives, for one query index after the other, the first
/// `Counts[i]` words of the keystream of nonce `{query index (64), Ids[i] (32)}`, block counter from 0.
///
/// Every stream has room for two blocks and is served in turn while it has room for one, so none can starve another.
/// The key and the index of the first query come as ten words of 32 bits, once after a reset.
module share_generator #(
    /// Streams.
    parameter int unsigned           Streams  = 2,
    /// Bits of a word: 32 or 64.
    parameter int unsigned           Word     = 64,
    /// Quarter rounds per cycle, see chacha_core.
    parameter int unsigned           Quarters = 4,
    /// Stream identifiers, 32 bits each, stream 0 lowest.
    parameter logic [32*Streams-1:0] Ids      = {32'd9, 32'd8},
    /// Words per query, 32 bits each, 1 and up.
    parameter logic [32*Streams-1:0] Counts   = {32'd21, 32'd3}
) (
    input  wire logic                          clk,
    input  wire logic                          rst,      ///< synchronous, active high; forgets key and place
    input  wire logic [31:0]                   k_data,   ///< session: 8 words of key, 2 of the first query index
    input  wire logic                          k_valid,
    input  wire logic                          k_last,
    output      logic                          k_ready,
    output      logic [Streams-1:0][Word-1:0]  m_data,
    output      logic [Streams-1:0]            m_valid,
    output      logic [Streams-1:0]            m_last,   ///< on the final word of a query
    input  wire logic [Streams-1:0]            m_ready
);
  localparam int unsigned Block = 512 / Word;
  localparam int unsigned Depth = 2 * Block;
  localparam int unsigned HeldBits = $clog2(Depth + 2);
  localparam int unsigned KeepBits = $clog2(Block + 1);
  localparam int unsigned StreamBits = Streams > 1 ? $clog2(Streams) : 1;

  // The key stays until a reset.
  logic loaded, write, unused_row, unused_valid, unused_last;
  logic [31:0] unused_data;
  logic [319:0] session;
  logic [255:0] key_q;
  load_rows #(.Rows(1), .Width(320)) u_session (
      .clk, .rst, .w_data(k_data), .w_valid(k_valid), .w_last(k_last), .w_ready(k_ready),
      .x_data(unused_data), .x_valid(unused_valid), .x_last(unused_last), .x_ready(1'b1),
      .loaded, .write, .row(unused_row), .data(session)
  );
  always_ff @(posedge clk) if (write) key_q <= session[255:0];

  // Where every stream is. The turn passes on by itself while the core is busy, and rests at a stream with room.
  logic [31:0] block_q[Streams], left_q[Streams];
  logic [63:0] query_q[Streams];
  logic [Streams-1:0][HeldBits-1:0] held_q;
  logic [StreamBits-1:0] turn_q, current_q;
  logic core_ready, busy_q;
  wire logic [StreamBits-1:0] next_turn = turn_q == StreamBits'(Streams - 1) ? '0 : turn_q + 1'b1;
  wire logic room = held_q[turn_q] <= HeldBits'(Depth - Block);
  wire logic start = loaded && room && core_ready && !busy_q;
  wire logic final_block = left_q[turn_q] <= 32'(Block);

  logic [Word-1:0] word;
  logic word_valid, word_last;
  chacha_core #(.Quarters(Quarters), .Word(Word)) u_core (
      .clk, .rst, .key(key_q),
      .s_data({query_q[turn_q], Ids[32*32'(turn_q)+:32], block_q[turn_q]}), .s_valid(start), .s_ready(core_ready),
      .m_data(word), .m_valid(word_valid), .m_last(word_last), .m_ready(1'b1)
  );

  // Words behind the end of a query are dropped.
  logic [KeepBits-1:0] keep_q;
  logic ends_q;
  wire logic keep = word_valid && keep_q != '0;
  logic [Streams-1:0] push, pop, fifo_ready;
  for (genvar i = 0; i < Streams; i++) begin : gen_stream
    assign push[i] = keep && current_q == StreamBits'(i);
    assign pop[i]  = m_valid[i] && m_ready[i];
    stream_fifo #(.Width(Word), .Depth(Depth)) u_fifo (
        .clk, .rst, .s_data(word), .s_valid(push[i]), .s_last(ends_q && keep_q == KeepBits'(1)),
        .s_ready(fifo_ready[i]), .m_data(m_data[i]), .m_valid(m_valid[i]), .m_last(m_last[i]), .m_ready(m_ready[i])
    );
  end

  always_ff @(posedge clk) begin
    for (int unsigned i = 0; i < Streams; i++) begin
      if (push[i] && !pop[i]) held_q[i] <= held_q[i] + 1'b1;
      if (pop[i] && !push[i]) held_q[i] <= held_q[i] - 1'b1;
    end
    if (keep) keep_q <= keep_q - 1'b1;
    if (word_valid && word_last) busy_q <= 1'b0;
    if (start) begin
      busy_q <= 1'b1;
      current_q <= turn_q;
      ends_q <= final_block;
      keep_q <= final_block ? KeepBits'(left_q[turn_q]) : KeepBits'(Block);
      block_q[turn_q] <= final_block ? '0 : block_q[turn_q] + 1'b1;
      left_q[turn_q] <= final_block ? Counts[32*32'(turn_q)+:32] : left_q[turn_q] - 32'(Block);
      if (final_block) query_q[turn_q] <= query_q[turn_q] + 1'b1;
    end
    if (start || !room) turn_q <= next_turn;
    if (rst || write) begin
      for (int unsigned i = 0; i < Streams; i++) begin
        block_q[i] <= '0;
        left_q[i] <= Counts[32*i+:32];
        query_q[i] <= session[319:256];
      end
      turn_q <= '0;
    end
    if (rst) begin
      held_q <= '0;
      busy_q <= 1'b0;
      keep_q <= '0;
    end
  end

  `CHECK_NEVER(room_kept, |(push & ~fifo_ready), "a word found no room")
  `CHECK_NEVER(one_session, write && loaded, "a new key needs a reset")
  wire logic unused_ready = &fifo_ready;
endmodule

`default_nettype wire
