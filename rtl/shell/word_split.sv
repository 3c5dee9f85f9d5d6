// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Words of a bus to beats of another width, in the order of their bytes; both are a power of two in size.
///
/// Only the final word may have fewer bytes than all. A final beat that is not whole, or has no byte at all, is `ragged`.
module word_split #(
    /// Bytes of a word, a power of two.
    parameter int unsigned WordBytes = 8,
    /// Bytes of a beat, a power of two.
    parameter int unsigned BeatBytes = 4,
    /// Bits of a number of bytes in a word; not to be set.
    localparam int unsigned CountBits = $clog2(WordBytes + 1)
) (
    input  wire logic                   clk,
    input  wire logic                   rst,      ///< synchronous, active high
    input  wire logic [8*WordBytes-1:0] s_data,
    input  wire logic [CountBits-1:0]   s_bytes,  ///< bytes that count, from byte 0
    input  wire logic                   s_valid,
    input  wire logic                   s_last,
    output      logic                   s_ready,
    output      logic [8*BeatBytes-1:0] m_data,
    output      logic                   m_ragged, ///< fewer bytes came than a beat has
    output      logic                   m_valid,
    output      logic                   m_last,
    input  wire logic                   m_ready
);
  `CHECK_PARAMETER(word_power, (WordBytes & (WordBytes - 1)) == 0, "WordBytes is a power of two")
  `CHECK_PARAMETER(beat_power, (BeatBytes & (BeatBytes - 1)) == 0, "BeatBytes is a power of two")
  logic valid_q, last_q;

  if (BeatBytes < WordBytes) begin : gen_down
    // The word is shifted out; the next one is taken when the final beat leaves.
    logic [8*WordBytes-1:0] data_q;
    logic [CountBits-1:0] left_q;
    wire logic final_beat = left_q <= CountBits'(BeatBytes);
    assign s_ready = !valid_q || (m_ready && final_beat);
    assign m_data = data_q[8*BeatBytes-1:0];
    assign m_ragged = left_q < CountBits'(BeatBytes);
    assign m_last = last_q && final_beat;
    always_ff @(posedge clk) begin
      if (s_ready) begin
        data_q <= s_data;
        left_q <= s_bytes;
        last_q <= s_last;
        valid_q <= s_valid;
      end else if (m_ready) begin
        data_q <= data_q >> (8 * BeatBytes);
        left_q <= left_q - CountBits'(BeatBytes);
      end
      if (rst) valid_q <= 1'b0;
    end
  end else begin : gen_up
    // Words enter at the top and move down; after a final word that comes too early they stay where they are.
    localparam int unsigned Ratio = BeatBytes / WordBytes;
    localparam int unsigned PartBits = Ratio > 1 ? $clog2(Ratio) : 1;
    logic [8*BeatBytes-1:0] data_q;
    logic [PartBits-1:0] part_q;
    logic ragged_q;
    wire logic whole = part_q == PartBits'(Ratio - 1);
    assign s_ready = !valid_q || m_ready;
    assign m_data = data_q;
    assign m_ragged = ragged_q;
    assign m_last = last_q;
    if (Ratio > 1) begin : gen_shift
      always_ff @(posedge clk) if (s_valid && s_ready) data_q <= {s_data, data_q[8*BeatBytes-1:8*WordBytes]};
    end else begin : gen_same
      always_ff @(posedge clk) if (s_valid && s_ready) data_q <= s_data;
    end
    always_ff @(posedge clk) begin
      if (s_ready) begin
        valid_q <= s_valid && (whole || s_last);
        if (s_valid) begin
          last_q <= s_last;
          ragged_q <= !whole || s_bytes != CountBits'(WordBytes);
          part_q <= whole || s_last ? '0 : part_q + 1'b1;
        end
      end
      if (rst) begin
        valid_q <= 1'b0;
        part_q <= '0;
      end
    end
  end
  assign m_valid = valid_q;

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_bytes, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_ragged, m_data})
endmodule

`default_nettype wire
