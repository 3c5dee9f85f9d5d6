// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// The token ring around an abstract body: credit is kept, no FIFO overflows, every sequence makes exactly `Iterations`
/// passes and leaves whole and in order, and the ring never stops for good: `goes_on`.
///
/// That no movement for some cycles is refuted from every state that fits the invariants, whatever came before, shows
/// freedom from deadlock, as each movement brings a token nearer to its exit. The invariants say that the RTL holds
/// exactly the tokens of the list of passes.
module formal_ring #(
    parameter int unsigned Slots      = 3,
    parameter int unsigned MaxTokens  = 2,
    parameter int unsigned Sequences  = 2,
    parameter int unsigned Iterations = 2,
    /// Tokens that fit in the body.
    parameter int unsigned Capacity   = 2,
    /// Cycles without movement, while the surroundings do their part, that are not yet a deadlock: the way through the
    /// return memory.
    parameter int unsigned Patience   = 5,
    /// Check everything; else only `goes_on`.
    parameter bit          Rules      = 1'b1,
    /// The surroundings pause only at the output of the body: fewer runs to look through.
    parameter bit          Eager      = 1'b0
) (
    input wire logic       clk,
    input wire logic       rst,
    // Free choices of the surroundings.
    input wire logic [1:0] pick_length,
    input wire logic       offer_n,
    input wire logic       offer_s,
    input wire logic       body_takes,
    input wire logic       body_gives,
    input wire logic       m_ready
);
  `include "ring_token.svh"
  localparam int unsigned Width = $bits(token_t);
  localparam int unsigned Chain = Sequences + 1;
  localparam int unsigned Tokens = (Sequences + 2) * MaxTokens + Capacity + Slots;

  logic [1:0] n_data, b_data;
  logic [Width-1:0] s_data, p_data, q_data, m_data;
  logic n_valid, n_ready, s_valid, s_last, s_ready, p_valid, p_last, p_ready, b_valid, b_ready;
  logic q_valid, q_last, q_ready, m_valid, m_last;
  logic [$clog2(Slots+1)-1:0] tokens_in_flight;
  logic [$clog2(Sequences+1)-1:0] sequences_in_flight;
  ring #(
      .Width(Width), .Slots(Slots), .MaxTokens(MaxTokens), .Sequences(Sequences), .Iterations(Iterations), .BankBits(2)
  ) u_dut (.*);
  ring_surroundings #(.MaxTokens(MaxTokens), .Sequences(Sequences), .Width(Width), .Capacity(Capacity)) u_around (.*);

  logic running_q, was_reset_q;
  initial running_q = 1'b0;
  always_ff @(posedge clk) begin
    running_q <= 1'b1;
    was_reset_q <= rst;
    if (!running_q) begin
      reset_first: assume (rst);
    end else if (Eager) begin
      no_pause: assume (!rst && offer_n && offer_s && body_takes && m_ready);
    end
  end

  // No deadlock. Nobody need send a sequence, but who has begun to must go on.
  logic [3:0] still_q;
  wire logic moves = (s_valid && s_ready) || (p_valid && p_ready) || (b_valid && b_ready) || (q_valid && q_ready)
                     || (m_valid && m_ready);
  wire logic in_flight = sequences_in_flight != '0 || m_valid;
  wire logic fair = m_ready && body_takes && body_gives && (s_valid || u_around.next_q.place == 2'd0);
  always_ff @(posedge clk) begin
    still_q <= rst || moves || !in_flight || !fair ? '0 : still_q + 4'd1;
    if (running_q && !rst) begin
      goes_on: assert (still_q <= 4'(Patience));
    end
  end

  // The list of passes.
  pass_t [Chain-1:0] chain;
  pass_t [Sequences-1:0] back;
  pass_t tail, again, fresh;
  token_t [Tokens-1:0] chain_tokens, back_tokens;
  logic [3:0] chain_count, back_count, chain_tokens_count, back_tokens_count;
  logic routed_back;
  wire logic starts = u_dut.d_valid && u_dut.d_ready;
  wire logic starts_new = starts && !u_dut.j_ready;
  wire logic returns = u_dut.i_valid && u_dut.i_ready;
  wire logic ends = u_dut.e_valid && u_dut.e_ready;
  wire logic merging = u_dut.u_merge.busy_q;
  wire logic merges_returned = merging && u_dut.u_merge.returned_q;
  wire logic routing = u_dut.u_router.busy_q;
  wire logic [1:0] to_merge = merging ? u_dut.u_merge.left_q : 2'd0;
  wire logic [1:0] to_route = routing ? u_dut.u_router.left_q : 2'd0;
  assign fresh = u_around.next_q.pass;
  ring_list #(
      .MaxTokens(MaxTokens), .Iterations(Iterations), .Chain(Chain), .Back(Sequences), .PassBits($bits(pass_t)),
      .Width(Width), .Tokens(Tokens)
  ) u_list (.*);

  // What the RTL holds, oldest first.
  token_t [Tokens-1:0] chain_seen, back_seen;
  logic [Tokens-1:0] chain_lasts;
  logic [3:0] chain_seen_count, back_seen_count;
  always_comb begin
    chain_seen = '0;
    chain_lasts = '0;
    for (int unsigned i = 0; i < Capacity; i++) {chain_lasts[i], chain_seen[i]} = u_around.held_q[i];
    chain_seen_count = u_around.count_q;
    if (u_dut.u_merge.u_pass.out_valid_q) begin
      {chain_lasts[chain_seen_count], chain_seen[chain_seen_count]} = u_dut.u_merge.u_pass.out_q;
      chain_seen_count = chain_seen_count + 4'd1;
    end
    if (u_dut.u_merge.u_pass.spare_valid_q) begin
      {chain_lasts[chain_seen_count], chain_seen[chain_seen_count]} = u_dut.u_merge.u_pass.spare_q;
      chain_seen_count = chain_seen_count + 4'd1;
    end
    back_seen = '0;
    back_seen[0] = u_dut.gen_return.u_tokens.out_q;
    back_seen_count = 4'(u_dut.gen_return.u_tokens.out_valid_q);
    if (u_dut.gen_return.u_tokens.read_valid_q) begin
      back_seen[back_seen_count] = u_dut.gen_return.u_tokens.read;
      back_seen_count = back_seen_count + 4'd1;
    end
    for (int unsigned i = 0; i < Slots; i++) begin
      if (i < 32'(u_dut.gen_return.u_tokens.count_q)) begin
        back_seen[back_seen_count] =
            u_dut.gen_return.u_tokens.u_memory.gen_any.memory[(32'(u_dut.gen_return.u_tokens.read_at_q) + i) % Slots];
        back_seen_count = back_seen_count + 4'd1;
      end
    end
  end

  // The descriptors that the RTL holds, and the banks that the body was told or is about to be told.
  logic [Chain:0][3:0] chain_known;
  logic [Sequences:0][3:0] back_known;
  logic [2*Sequences:0][1:0] banks_known;
  logic [3:0] chain_known_count, back_known_count, banks_known_count;
  always_comb begin
    chain_known = '0;
    chain_known[0] = u_dut.u_passes.out_q[3:0];
    chain_known_count = 4'(u_dut.u_passes.out_valid_q);
    for (int unsigned i = 0; i < Chain; i++) begin
      if (i < 32'(u_dut.u_passes.count_q)) begin
        chain_known[chain_known_count] = u_dut.u_passes.memory[(32'(u_dut.u_passes.read_q)+i)%Chain][3:0];
        chain_known_count = chain_known_count + 4'd1;
      end
    end
    back_known = '0;
    back_known[0] = u_dut.gen_return.u_returned.out_q[3:0];
    back_known_count = 4'(u_dut.gen_return.u_returned.out_valid_q);
    for (int unsigned i = 0; i < Sequences; i++) begin
      if (i < 32'(u_dut.gen_return.u_returned.count_q)) begin
        back_known[back_known_count] =
            u_dut.gen_return.u_returned.memory[(32'(u_dut.gen_return.u_returned.read_q) + i) % Sequences][3:0];
        back_known_count = back_known_count + 4'd1;
      end
    end
    banks_known = '0;
    for (int unsigned i = 0; i < 2 * Sequences; i++) banks_known[i] = u_around.banks_q[i];
    banks_known_count = u_around.bank_count_q;
    if (u_dut.u_merge.u_bank.out_valid_q) begin
      banks_known[banks_known_count] = u_dut.u_merge.u_bank.out_q[1:0];
      banks_known_count = banks_known_count + 4'd1;
    end
  end

  // Results, in the output slice and due at the router.
  token_t due_q, result, due;
  logic results_right;
  function automatic token_t after(input token_t token);
    after = '0;
    after.pass.id = token.pass.id + 3'(ends_pass(token));
    after.place = ends_pass(token) ? 2'd0 : token.place + 2'd1;
  endfunction
  function automatic logic is_due(input token_t token, input token_t expected, input logic last);
    is_due = token.pass.id == expected.pass.id && token.place == expected.place && last == ends_pass(token)
             && token.pass.iteration == 2'(Iterations);
  endfunction
  always_comb begin
    due = due_q;
    results_right = 1'b1;
    result = u_dut.u_router.u_result.out_q[Width-1:0];
    if (u_dut.u_router.u_result.out_valid_q) begin
      results_right = is_due(result, due, u_dut.u_router.u_result.out_q[Width]);
      due = after(result);
    end
    result = u_dut.u_router.u_result.spare_q[Width-1:0];
    if (u_dut.u_router.u_result.spare_valid_q) begin
      results_right = results_right && is_due(result, due, u_dut.u_router.u_result.spare_q[Width]);
      due = after(result);
    end
  end
  always_ff @(posedge clk) begin
    if (m_valid && m_ready) due_q <= after(m_data);
    if (rst) due_q <= '0;
  end

  // RTL and list agree; the list has every sequence in flight once, or twice if it overtakes its own end, and of two
  // passes the older sequence has made at least as many iterations, and more if it comes later: so it leaves first.
  logic descriptors_agree, chain_agrees, back_agrees, list_possible, list_ordered;
  pass_t [Chain+Sequences-1:0] list;
  logic [3:0] list_count;
  wire logic [2:0] oldest = due.pass.id;
  function automatic logic possible(input pass_t pass);
    possible = pass.length >= 2'd1 && pass.length <= 2'(MaxTokens) && pass.iteration < 2'(Iterations);
  endfunction
  always_comb begin
    descriptors_agree = 1'b1;
    list_possible = 1'b1;
    list = '0;
    list_count = chain_count;
    for (int unsigned k = 0; k < Chain; k++) begin
      if (4'(k) < chain_count) begin
        list[k] = chain[k];
        if (!possible(chain[k])) list_possible = 1'b0;
        if (chain_known[k] != {chain[k].iteration, chain[k].length}) descriptors_agree = 1'b0;
        if (banks_known[k] != chain[k].iteration) descriptors_agree = 1'b0;
      end
    end
    for (int unsigned k = 0; k < Sequences; k++) begin
      if (4'(k) < back_count) begin
        list[list_count] = back[k];
        list_count = list_count + 4'd1;
        if (!possible(back[k]) || back[k].iteration == 2'd0) list_possible = 1'b0;
        if (back_known[k] != {back[k].iteration, back[k].length}) descriptors_agree = 1'b0;
      end
    end
    chain_agrees = chain_seen_count == chain_tokens_count;
    back_agrees = back_seen_count == back_tokens_count;
    for (int unsigned j = 0; j < Tokens; j++) begin
      if (4'(j) < chain_tokens_count) begin
        if (chain_seen[j] != chain_tokens[j] || chain_lasts[j] != ends_pass(chain_tokens[j])) chain_agrees = 1'b0;
      end
      if (4'(j) < back_tokens_count && back_seen[j] != back_tokens[j]) back_agrees = 1'b0;
    end
    list_ordered = 1'b1;
    for (int unsigned k = 0; k < Chain + Sequences; k++) begin
      if (4'(k) < list_count) begin
        if (3'(list[k].id - oldest) >= 3'(sequences_in_flight)) list_ordered = 1'b0;
        for (int unsigned j = 0; j < k; j++) begin
          if (list[j].id == list[k].id) begin
            if (!(j == 0 && 4'(k + 1) == list_count && routed_back)) list_ordered = 1'b0;
          end else if (3'(list[j].id - oldest) < 3'(list[k].id - oldest)) begin
            if (list[j].iteration < list[k].iteration) list_ordered = 1'b0;
          end else begin
            if (list[k].iteration <= list[j].iteration) list_ordered = 1'b0;
          end
        end
      end
    end
  end

  wire logic [31:0] back_read = 32'(u_dut.gen_return.u_tokens.read_at_q);
  wire logic [31:0] passes_read = 32'(u_dut.u_passes.read_q);
  wire logic [31:0] returned_read = 32'(u_dut.gen_return.u_returned.read_q);
  always_ff @(posedge clk) begin
    if (running_q && !rst && Rules) begin
      slots_kept: assert (32'(tokens_in_flight) <= Slots);
      sequences_kept: assert (32'(sequences_in_flight) <= Sequences);
      tokens_counted: assert (32'(tokens_in_flight) == 32'(chain_seen_count) + 32'(back_seen_count)
                              + (merging && !merges_returned ? 32'(to_merge) : 0));
      passes_counted: assert (4'(sequences_in_flight) + 4'(routed_back) == chain_count + back_count);

      memory_never_full: assert (u_dut.back_ready || !q_valid);
      descriptors_never_full: assert (u_dut.i_ready || routing || !(q_valid && u_dut.e_valid));
      chain_bounded: assert (chain_count <= 4'(Chain));
      back_bounded: assert (back_count <= 4'(Sequences));
      banks_bounded: assert (u_around.bank_count_q <= 4'(Sequences + 1) && (b_ready || !b_valid));
      body_bounded: assert (u_around.count_q <= 4'(Capacity));

      results_in_order: assert (results_right);
      result_goes_on: assert (due.place == (routing && !routed_back ? chain[0].length - to_route : 2'd0));
      result_is_oldest: assert (!routing || routed_back || chain[0].id == oldest);
      every_id_in_flight: assert (fresh.id + 3'(merging && !merges_returned) == oldest + 3'(sequences_in_flight));

      places_read: assert (back_read < Slots && passes_read < Chain && returned_read < Sequences);
      places_written: assert (
          32'(u_dut.gen_return.u_tokens.write_at_q) == (back_read + 32'(u_dut.gen_return.u_tokens.count_q)) % Slots
          && 32'(u_dut.u_passes.write_q) == (passes_read + 32'(u_dut.u_passes.count_q)) % Chain
          && 32'(u_dut.gen_return.u_returned.write_q)
             == (returned_read + 32'(u_dut.gen_return.u_returned.count_q)) % Sequences);
      ready_is_room: assert (was_reset_q
                             || (u_dut.back_ready == (32'(u_dut.gen_return.u_tokens.count_q) != Slots)
                                 && u_dut.d_ready == (32'(u_dut.u_passes.count_q) != Chain)
                                 && u_dut.i_ready == (32'(u_dut.gen_return.u_returned.count_q) != Sequences)));
      slices_filled_in_order: assert (
          (u_dut.u_merge.u_pass.out_valid_q || !u_dut.u_merge.u_pass.spare_valid_q)
          && !u_dut.u_merge.u_bank.spare_valid_q
          && (u_dut.u_router.u_result.out_valid_q || !u_dut.u_router.u_result.spare_valid_q));
      one_beat_each: assert (u_dut.u_merge.word_q == '0 && u_dut.u_router.word_q == '0);
      counts_agree: assert (chain_known_count == chain_count && back_known_count == back_count
                            && banks_known_count == chain_count);
      descriptors: assert (descriptors_agree && list_possible);
      tokens: assert (chain_agrees && back_agrees);
      order: assert (list_ordered);
      merge_under_way: assert (!merging || (to_merge >= 2'd1 && to_merge < tail.length && chain_count != 4'd0));
      route_under_way: assert (!routing || (to_route >= 2'd1 && to_route < chain[0].length && chain_count != 4'd0));
      end_returns: assert (!routed_back || back_count == 4'd0 || back[32'(back_count)-1] == again);
      overtakes_its_end: assert (!routed_back || back_count != 4'd0
                                 || (merges_returned && tail == again && to_merge >= to_route && chain_count >= 4'd2));
      sender_possible: assert (possible(fresh) && fresh.iteration == 2'd0
                               && (!u_around.n_held_q || u_around.next_q.place == 2'd0));
      sender_agrees: assert (merging && !merges_returned
                             ? tail == fresh && u_around.next_q.place == fresh.length - to_merge
                             : u_around.next_q.place == 2'd0);

      can_fill: cover (32'(tokens_in_flight) == Slots && 32'(sequences_in_flight) == Sequences);
      can_overtake_its_end: cover (routed_back && merges_returned && back_count == 4'd0);
      can_finish: cover (due_q.pass.id == 3'd1);
    end
  end
endmodule

`default_nettype wire
