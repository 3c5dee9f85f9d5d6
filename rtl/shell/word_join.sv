// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Beats to words of a bus, in the order of their bytes; both are a power of two in size.
///
/// Beats have no end of their own: `flush` says that none will come any more, and the words so far end with `last`. The
/// final word has the bytes that there are, and 0 of them only if there was no beat at all. To know which word is the
/// final one, a word leaves when the next one has begun.
module word_join #(
    /// Bytes of a beat, a power of two.
    parameter int unsigned BeatBytes = 4,
    /// Bytes of a word, a power of two.
    parameter int unsigned WordBytes = 8,
    /// Bits of a number of bytes in a word; not to be set.
    localparam int unsigned CountBits = $clog2(WordBytes + 1)
) (
    input  wire logic                   clk,
    input  wire logic                   rst,      ///< synchronous, active high
    input  wire logic [8*BeatBytes-1:0] s_data,
    input  wire logic                   s_valid,
    output      logic                   s_ready,
    input  wire logic                   flush,    ///< no beat comes any more; on until `done`, then off
    output      logic                   done,     ///< the word with `last` was taken, in this cycle
    output      logic [8*WordBytes-1:0] m_data,
    output      logic [CountBits-1:0]   m_bytes,  ///< bytes that count, from byte 0
    output      logic                   m_valid,
    output      logic                   m_last,
    input  wire logic                   m_ready
);
  `CHECK_PARAMETER(word_power, (WordBytes & (WordBytes - 1)) == 0, "WordBytes is a power of two")
  `CHECK_PARAMETER(beat_power, (BeatBytes & (BeatBytes - 1)) == 0, "BeatBytes is a power of two")

  // Parts are what both sides are made of: a beat is one or more of them, and so is a word.
  localparam int unsigned Part = BeatBytes < WordBytes ? BeatBytes : WordBytes;
  localparam int unsigned Parts = BeatBytes / Part;
  localparam int unsigned Slots = WordBytes / Part;
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1;
  localparam int unsigned SlotBits = Slots > 1 ? $clog2(Slots) : 1;

  // One part of the beat on offer at a time goes into the word that is being filled.
  logic [PartBits-1:0] part_q;
  logic [SlotBits-1:0] slot_q;
  logic [8*WordBytes-1:0] fill_q, word_q;
  logic [CountBits-1:0] fill_bytes_q;
  logic full_q, word_valid_q;
  wire logic final_part = part_q == PartBits'(Parts - 1);
  wire logic final_slot = slot_q == SlotBits'(Slots - 1);
  // A full word moves on when the next part comes, which then begins the word behind it.
  wire logic free = !word_valid_q || m_ready;
  wire logic put = s_valid && (!full_q || free);
  wire logic [8*Part-1:0] part = s_data[8*Part*part_q+:8*Part];
  wire logic ending = flush && !s_valid && !word_valid_q;

  assign s_ready = put && final_part;
  // The final word is offered from where it was filled.
  assign m_valid = word_valid_q || ending;
  assign m_last = !word_valid_q;
  assign m_data = word_valid_q ? word_q : fill_q;
  assign m_bytes = word_valid_q ? CountBits'(WordBytes) : fill_bytes_q;
  assign done = ending && m_ready;

  always_ff @(posedge clk) begin
    if (m_ready) word_valid_q <= 1'b0;
    if (put) begin
      part_q <= final_part ? '0 : part_q + 1'b1;
      slot_q <= final_slot ? '0 : slot_q + 1'b1;
      full_q <= final_slot;
      fill_bytes_q <= (full_q ? '0 : fill_bytes_q) + CountBits'(Part);
      // What is behind the end reads as zero.
      fill_q <= full_q ? (8 * WordBytes)'(part) : fill_q | ((8 * WordBytes)'(part) << (8 * Part * slot_q));
      if (full_q) begin
        word_q <= fill_q;
        word_valid_q <= 1'b1;
      end
    end
    if (done) begin
      slot_q <= '0;
      full_q <= 1'b0;
      fill_bytes_q <= '0;
      fill_q <= '0;
    end
    if (rst) begin
      word_valid_q <= 1'b0;
      full_q <= 1'b0;
      part_q <= '0;
      slot_q <= '0;
      fill_bytes_q <= '0;
      fill_q <= '0;
    end
  end

  `CHECK_NEVER(silent_after_flush, flush && s_valid, "a beat came during flush")
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_bytes, m_data})
endmodule

`default_nettype wire
