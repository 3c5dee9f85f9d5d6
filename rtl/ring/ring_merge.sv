// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Entrance of the ring: one pass after another, each a whole sequence. At a pass boundary a returned pass goes first
/// if its first beat is there, else a new sequence if `open` and its first beat and its length are there.
/// A pass is `length` tokens, and `last` is made from it.
module ring_merge #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width         = 8,
    /// Beats per token, 1 and up.
    parameter int unsigned Beats         = 1,
    /// Bits of an iteration's index.
    parameter int unsigned IterationBits = 1,
    /// Bits of a length in tokens.
    parameter int unsigned LengthBits    = 4
) (
    input  wire logic                                clk,
    input  wire logic                                rst,      ///< synchronous, active high
    input  wire logic                                open,     ///< the sequence at `n_data` may enter
    input  wire logic [LengthBits-1:0]               n_data,   ///< tokens of the next new sequence
    input  wire logic                                n_valid,
    output      logic                                n_ready,
    input  wire logic [Width-1:0]                    s_data,   ///< tokens of new sequences
    input  wire logic                                s_valid,
    input  wire logic                                s_last,
    output      logic                                s_ready,
    input  wire logic [IterationBits+LengthBits-1:0] i_data,   ///< {iteration, length} of the next returned pass
    input  wire logic                                i_valid,
    output      logic                                i_ready,
    input  wire logic [Width-1:0]                    r_data,   ///< tokens of returned passes
    input  wire logic                                r_valid,
    output      logic                                r_ready,
    output      logic [Width-1:0]                    p_data,   ///< passes, into the body
    output      logic                                p_valid,
    output      logic                                p_last,
    input  wire logic                                p_ready,
    output      logic [IterationBits-1:0]            b_data,   ///< iteration of each pass, for the body's constants
    output      logic                                b_valid,
    input  wire logic                                b_ready,
    output      logic [IterationBits+LengthBits-1:0] d_data,   ///< {iteration, length} of each pass, for the router
    output      logic                                d_valid,
    input  wire logic                                d_ready
);
  localparam int unsigned WordBits = Beats > 1 ? $clog2(Beats) : 1;

  // The pass under way: where it comes from, and its tokens that are not through, the present one included.
  logic busy_q, returned_q;
  logic [LengthBits-1:0] left_q;
  logic [WordBits-1:0] word_q;

  // Data are chosen by registers alone; whether the pass may start decides only about valid and ready.
  logic room, bank_room;
  wire logic returned = busy_q ? returned_q : r_valid && i_valid;
  wire logic start_room = d_ready && bank_room;
  wire logic take_new = room && !returned && (busy_q || (start_room && open && n_valid));
  wire logic take_returned = room && returned && (busy_q || start_room);
  wire logic take = (take_new && s_valid) || (take_returned && r_valid);
  wire logic start = take && !busy_q;

  wire logic [IterationBits+LengthBits-1:0] chosen = returned ? i_data : {{IterationBits{1'b0}}, n_data};
  wire logic [LengthBits-1:0] left = busy_q ? left_q : chosen[LengthBits-1:0];
  wire logic token_end = word_q == WordBits'(Beats - 1);
  wire logic pass_end = token_end && left == LengthBits'(1);

  assign s_ready = take_new;
  assign n_ready = take_new && !busy_q && s_valid;
  assign r_ready = take_returned;
  assign i_ready = take_returned && !busy_q;
  assign d_data  = chosen;
  assign d_valid = start;

  always_ff @(posedge clk) begin
    if (take) begin
      busy_q <= !pass_end;
      returned_q <= returned;
      left_q <= token_end ? left - 1'b1 : left;
      word_q <= token_end ? '0 : word_q + 1'b1;
    end
    if (rst) begin
      busy_q <= 1'b0;
      word_q <= '0;
    end
  end

  stream_skid #(
      .Width(Width)
  ) u_pass (
      .clk,
      .rst,
      .s_data (returned ? r_data : s_data),
      .s_valid(take),
      .s_last (pass_end),
      .s_ready(room),
      .m_data (p_data),
      .m_valid(p_valid),
      .m_last (p_last),
      .m_ready(p_ready)
  );

  logic unused_last;
  stream_skid #(
      .Width(IterationBits)
  ) u_bank (
      .clk,
      .rst,
      .s_data (chosen[LengthBits+:IterationBits]),
      .s_valid(start),
      .s_last (1'b1),
      .s_ready(bank_room),
      .m_data (b_data),
      .m_valid(b_valid),
      .m_last (unused_last),
      .m_ready(b_ready)
  );

  `CHECK_STABLE(n_stable, n_valid, n_ready, n_data)
  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_NEVER(length_given, start && chosen[LengthBits-1:0] == '0, "a sequence has at least one token")
  `CHECK_NEVER(length_kept, s_valid && s_ready && s_last != pass_end, "the sequence has not the announced length")
  wire logic unused_pins = s_last;
endmodule

`default_nettype wire
