// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// The ring's proof keeps a list of the passes in flight: those in the chain from merge to router, and those that have
/// returned, the one that leaves first in element 0. A sequence that enters again while its end is still in the body is
/// in both. With the part of a pass that is through merge and router, the list says where every token is.
module ring_list #(
    parameter int unsigned MaxTokens  = 2,
    parameter int unsigned Iterations = 2,
    /// Passes in the chain, at most.
    parameter int unsigned Chain      = 3,
    /// Passes that have returned, at most.
    parameter int unsigned Back       = 2,
    /// Bits of a pass and of a token.
    parameter int unsigned PassBits   = 7,
    parameter int unsigned Width      = 9,
    /// Tokens in each part of the ring, at most.
    parameter int unsigned Tokens     = 8
) (
    input  wire logic                           clk,
    input  wire logic                           rst,
    // What happens in this cycle.
    input  wire logic                           starts,          ///< a pass begins at the merge: the first one back,
    input  wire logic                           starts_new,      ///< or a new one
    input  wire logic                           returns,         ///< a pass begins to come back
    input  wire logic                           ends,            ///< the end of a pass is through the router
    input  wire logic [PassBits-1:0]            fresh,           ///< the new one
    // Tokens that are still to come of the pass under way at the merge and at the router; 0 between two passes.
    input  wire logic [1:0]                     to_merge,
    input  wire logic                           merges_returned,
    input  wire logic [1:0]                     to_route,
    output      logic [Chain-1:0][PassBits-1:0] chain,
    output      logic [3:0]                     chain_count,
    output      logic [Back-1:0][PassBits-1:0]  back,
    output      logic [3:0]                     back_count,
    output      logic [PassBits-1:0]            tail,            ///< the last one in the chain
    output      logic [PassBits-1:0]            again,           ///< the first one in the chain, an iteration later
    output      logic                           routed_back,     ///< it is under way at the router, to come back
    output      logic [Tokens-1:0][Width-1:0]   chain_tokens,
    output      logic [3:0]                     chain_tokens_count,
    output      logic [Tokens-1:0][Width-1:0]   back_tokens,
    output      logic [3:0]                     back_tokens_count
);
  `include "ring_token.svh"
  pass_t [Chain-1:0] chain_q, chain_d;
  pass_t [Back-1:0] back_q, back_d;
  logic [3:0] chain_count_q, chain_count_d, back_count_q, back_count_d;
  pass_t next, first, final_one;
  wire logic resumes = starts && !starts_new;
  assign chain = chain_q;
  assign back = back_q;
  assign chain_count = chain_count_q;
  assign back_count = back_count_q;

  always_comb begin
    first = chain_q[0];
    next = first;
    next.iteration = first.iteration + 2'd1;
    final_one = chain_q[0];
    for (int unsigned k = 0; k < Chain; k++) if (4'(k + 1) == chain_count_q) final_one = chain_q[k];

    chain_d = chain_q;
    back_d = back_q;
    chain_count_d = chain_count_q - 4'(ends);
    back_count_d = back_count_q - 4'(resumes);
    for (int unsigned k = 0; k + 1 < Chain; k++) if (ends) chain_d[k] = chain_q[k+1];
    for (int unsigned k = 0; k + 1 < Back; k++) if (resumes) back_d[k] = back_q[k+1];
    for (int unsigned k = 0; k < Chain; k++) begin
      if (starts && 4'(k) == chain_count_d) chain_d[k] = starts_new ? fresh : back_q[0];
    end
    for (int unsigned k = 0; k < Back; k++) if (returns && 4'(k) == back_count_d) back_d[k] = next;
    chain_count_d = chain_count_d + 4'(starts);
    back_count_d = back_count_d + 4'(returns);
  end
  always_ff @(posedge clk) begin
    chain_q <= chain_d;
    back_q <= back_d;
    chain_count_q <= rst ? '0 : chain_count_d;
    back_count_q <= rst ? '0 : back_count_d;
  end

  assign tail = final_one;
  assign again = next;
  assign routed_back = to_route != 2'd0 && first.iteration != 2'(Iterations - 1);
  always_comb begin
    chain_tokens = '0;
    chain_tokens_count = '0;
    for (int unsigned k = 0; k < Chain; k++) begin
      for (int unsigned i = 0; i < MaxTokens; i++) begin
        if (4'(k) < chain_count_q && 2'(i) < chain_q[k].length
            && !(k == 0 && to_route != 2'd0 && 2'(i) < chain_q[k].length - to_route)
            && !(4'(k + 1) == chain_count_q && 2'(i) >= chain_q[k].length - to_merge)) begin
          chain_tokens[chain_tokens_count] = {chain_q[k], 2'(i)};
          chain_tokens_count = chain_tokens_count + 4'd1;
        end
      end
    end
    // First the rest of the one that enters again; the end of the last one may still be in the body.
    back_tokens = '0;
    back_tokens_count = '0;
    for (int unsigned i = 0; i < MaxTokens; i++) begin
      if (merges_returned && 2'(i) < final_one.length && 2'(i) >= final_one.length - to_merge) begin
        back_tokens[back_tokens_count] = {final_one, 2'(i)};
        back_tokens_count = back_tokens_count + 4'd1;
      end
    end
    for (int unsigned k = 0; k < Back; k++) begin
      for (int unsigned i = 0; i < MaxTokens; i++) begin
        if (4'(k) < back_count_q && 2'(i) < back_q[k].length) begin
          back_tokens[back_tokens_count] = {back_q[k], 2'(i)};
          back_tokens_count = back_tokens_count + 4'd1;
        end
      end
    end
    if (routed_back) back_tokens_count = back_tokens_count - 4'(to_route);
  end
endmodule

`default_nettype wire
