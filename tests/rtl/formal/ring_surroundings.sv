// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// What stands around the ring in its proof: a sender of sequences of any length, and the body: a queue that gives a
/// pass out when all of it is in and its bank has come, and that otherwise takes and gives when it likes.
module ring_surroundings #(
    parameter int unsigned MaxTokens  = 2,
    parameter int unsigned Sequences  = 2,
    /// Bits of a token.
    parameter int unsigned Width      = 9,
    /// Tokens that fit in the body.
    parameter int unsigned Capacity   = 2
) (
    input  wire logic             clk,
    input  wire logic             rst,
    // Free choices.
    input  wire logic [1:0]       pick_length,
    input  wire logic             offer_n,
    input  wire logic             offer_s,
    input  wire logic             body_takes,
    input  wire logic             body_gives,
    // The sender.
    output      logic [1:0]       n_data,
    output      logic             n_valid,
    input  wire logic             n_ready,
    output      logic [Width-1:0] s_data,
    output      logic             s_valid,
    output      logic             s_last,
    input  wire logic             s_ready,
    // The body.
    input  wire logic [Width-1:0] p_data,
    input  wire logic             p_valid,
    input  wire logic             p_last,
    output      logic             p_ready,
    input  wire logic [1:0]       b_data,
    input  wire logic             b_valid,
    output      logic             b_ready,
    output      logic [Width-1:0] q_data,
    output      logic             q_valid,
    output      logic             q_last,
    input  wire logic             q_ready
);
  `include "ring_token.svh"

  // An offer holds until it is taken; the tokens of a sequence may be offered before or after its length.
  token_t next_q, fresh;
  logic n_held_q, s_held_q;
  assign n_data  = next_q.pass.length;
  assign n_valid = next_q.place == 2'd0 && (n_held_q || offer_n);
  assign s_data  = next_q;
  assign s_valid = s_held_q || offer_s;
  assign s_last  = ends_pass(next_q);
  always_comb begin
    fresh = '0;
    fresh.pass.length = pick_length;
    if (!rst) fresh.pass.id = next_q.pass.id + 3'd1;
  end
  always_ff @(posedge clk) begin
    possible_length: assume (pick_length >= 2'd1 && pick_length <= 2'(MaxTokens));
    n_held_q <= !rst && n_valid && !n_ready;
    s_held_q <= !rst && s_valid && !s_ready;
    if (s_valid && s_ready) next_q.place <= next_q.place + 2'd1;
    if (rst || (s_valid && s_ready && s_last)) next_q <= fresh;
  end

  // FIFOs behind b_* hold 2 * Sequences beats; an operator gives a bank up with the pass at the latest.
  logic [Capacity-1:0][Width:0] held_q, held_d;
  logic [2*Sequences-1:0][1:0] banks_q, banks_d;
  logic [3:0] count_q, count_d, bank_count_q, bank_count_d;
  logic complete, q_held_q;
  token_t out;
  wire logic take = p_valid && p_ready;
  wire logic give = q_valid && q_ready;
  wire logic told = b_valid && b_ready;
  assign p_ready = body_takes && count_q < 4'(Capacity);
  assign b_ready = bank_count_q < 4'(2 * Sequences);
  assign q_valid = complete && bank_count_q != 4'd0 && (q_held_q || body_gives);
  assign q_last  = held_q[0][Width];
  assign q_data  = out;
  always_comb begin
    complete = 1'b0;
    for (int unsigned i = 0; i < Capacity; i++) if (4'(i) < count_q && held_q[i][Width]) complete = 1'b1;
    out = held_q[0][Width-1:0];
    out.pass.iteration = out.pass.iteration + 2'd1;

    held_d = held_q;
    banks_d = banks_q;
    count_d = count_q - 4'(give);
    bank_count_d = bank_count_q - 4'(give && q_last);
    for (int unsigned i = 0; i + 1 < Capacity; i++) if (give) held_d[i] = held_q[i+1];
    for (int unsigned i = 0; i + 1 < 2 * Sequences; i++) if (give && q_last) banks_d[i] = banks_q[i+1];
    for (int unsigned i = 0; i < Capacity; i++) if (take && 4'(i) == count_d) held_d[i] = {p_last, p_data};
    for (int unsigned i = 0; i < 2 * Sequences; i++) if (told && 4'(i) == bank_count_d) banks_d[i] = b_data;
    count_d = count_d + 4'(take);
    bank_count_d = bank_count_d + 4'(told);
  end
  always_ff @(posedge clk) begin
    held_q <= held_d;
    banks_q <= banks_d;
    count_q <= rst ? '0 : count_d;
    bank_count_q <= rst ? '0 : bank_count_d;
    q_held_q <= !rst && q_valid && !q_ready;
  end
endmodule

`default_nettype wire
