// SPDX-License-Identifier: Apache-2.0
// A token of the ring's proof says what it is, so that a beat that is lost, doubled, early or late shows.
typedef struct packed {
  logic [2:0] id;         // sequences before it, modulo 8
  logic [1:0] iteration;  // passes made
  logic [1:0] length;
} pass_t;
typedef struct packed {
  pass_t      pass;
  logic [1:0] place;      // tokens of the sequence before it
} token_t;

function automatic logic ends_pass(input token_t token);
  ends_pass = token.place + 2'd1 == token.pass.length;
endfunction
