// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// ChaCha20 block function (RFC 8439, 2.3): `block = state + 20 rounds(state)`, `state = {constants, key, counter,
/// nonce}`.
///
/// One block takes `80 / Quarters` cycles of rounds and `512 / Word` cycles in which its words leave. Every row of
/// the 4 x 4 state is a ring of columns: the quarter rounds sit at the first `Quarters` columns and the rows move
/// past them. A diagonal round is a column round of rows that were turned by 0, 1, 2 and 3 columns, so no word is
/// ever addressed.
module chacha_core #(
    /// Quarter rounds per cycle: 1, 2 or 4.
    parameter int unsigned Quarters = 1,
    /// Bits of a word that leaves: 32 or 64.
    parameter int unsigned Word     = 64
) (
    input  wire logic            clk,
    input  wire logic            rst,     ///< synchronous, active high
    input  wire logic [255:0]    key,     ///< first byte lowest; constant while a block is made
    input  wire logic [127:0]    s_data,  ///< {nonce (first byte lowest), block counter} of a block
    input  wire logic            s_valid,
    output      logic            s_ready,
    output      logic [Word-1:0] m_data,  ///< the block's words, first byte of the keystream lowest
    output      logic            m_valid,
    output      logic            m_last,  ///< on the final word of a block
    input  wire logic            m_ready
);
  localparam int unsigned Steps = 4 / Quarters;
  localparam int unsigned Parts = Word / 32;
  localparam int unsigned Leaves = 16 / Parts;
  localparam int unsigned CountBits = $clog2(20 * Steps);
  localparam int unsigned LeaveBits = $clog2(Leaves);
  localparam int unsigned StepBits = Steps > 1 ? $clog2(Steps) : 1;
  localparam logic [127:0] Constants = 128'h6b206574_79622d32_3320646e_61707865;
  `CHECK_PARAMETER(quarters, Quarters == 1 || Quarters == 2 || Quarters == 4, "Quarters is 1, 2 or 4")
  `CHECK_PARAMETER(word, Word == 32 || Word == 64, "Word is 32 or 64")

  typedef enum logic [1:0] {IDLE, ROUNDS, LEAVE} phase_e;
  phase_e phase_q;
  // Word 4 * row + column. An array of words, as simulators are slow on vectors of this size.
  logic [31:0] state_q[16], turned[16], initial_state[16];
  logic [127:0] input_q;
  logic [CountBits-1:0] count_q;
  logic [StepBits-1:0] step_q;
  logic [LeaveBits-1:0] leave_q;
  logic diagonal_q;

  function automatic logic [31:0] rotate(logic [31:0] x, int unsigned by);
    return x << by | x >> (32 - by);
  endfunction

  function automatic logic [127:0] quarter_round(logic [127:0] x);
    logic [31:0] a, b, c, d;
    {d, c, b, a} = x;
    a = a + b;
    d = rotate(d ^ a, 16);
    c = c + d;
    b = rotate(b ^ c, 12);
    a = a + b;
    d = rotate(d ^ a, 8);
    c = c + d;
    b = rotate(b ^ c, 7);
    return {d, c, b, a};
  endfunction

  // Quarter rounds, and the rows one step further; after a whole round the rows turn for the next one.
  wire logic round_end = Steps == 1 || step_q == StepBits'(Steps - 1);
  always_comb begin
    logic [31:0] done[16];
    for (int unsigned c = 0; c < 4; c++) begin
      logic [127:0] column;
      column = {state_q[12+c], state_q[8+c], state_q[4+c], state_q[c]};
      if (c < Quarters) column = quarter_round(column);
      for (int unsigned r = 0; r < 4; r++) done[4*r+c] = column[32*r+:32];
    end
    for (int unsigned r = 0; r < 4; r++) begin
      for (int unsigned c = 0; c < 4; c++) begin
        turned[4*r+c] = !round_end ? done[4*r+(c+Quarters)%4]
                      : diagonal_q ? done[4*r+(c+Quarters+4-r)%4] : done[4*r+(c+Quarters+r)%4];
      end
    end
  end

  always_comb begin
    for (int unsigned w = 0; w < 4; w++) initial_state[w] = Constants[32*w+:32];
    for (int unsigned w = 0; w < 8; w++) initial_state[4+w] = key[32*w+:32];
    for (int unsigned w = 0; w < 4; w++) initial_state[12+w] = input_q[32*w+:32];
  end
  assign s_ready = phase_q == IDLE;
  assign m_valid = phase_q == LEAVE;
  assign m_last  = leave_q == LeaveBits'(Leaves - 1);
  for (genvar w = 0; w < Parts; w++) begin : gen_sum
    assign m_data[32*w+:32] = state_q[w] + initial_state[4'(32'(leave_q)*Parts+w)];
  end

  always_ff @(posedge clk) begin
    unique case (phase_q)
      ROUNDS: begin
        state_q <= turned;
        step_q <= round_end ? '0 : step_q + 1'b1;
        if (round_end) diagonal_q <= !diagonal_q;
        count_q <= count_q - 1'b1;
        if (count_q == '0) phase_q <= LEAVE;
      end
      LEAVE: begin
        if (m_ready) begin
          for (int unsigned w = 0; w < 16; w++) state_q[w] <= state_q[(w+Parts)%16];
          leave_q <= leave_q + 1'b1;
          if (m_last) phase_q <= IDLE;
        end
      end
      default: begin
        for (int unsigned w = 0; w < 4; w++) state_q[w] <= Constants[32*w+:32];
        for (int unsigned w = 0; w < 8; w++) state_q[4+w] <= key[32*w+:32];
        for (int unsigned w = 0; w < 4; w++) state_q[12+w] <= s_data[32*w+:32];
        input_q <= s_data;
        count_q <= CountBits'(20 * Steps - 1);
        if (s_valid) phase_q <= ROUNDS;
      end
    endcase
    if (rst) begin
      phase_q <= IDLE;
      step_q <= '0;
      leave_q <= '0;
      diagonal_q <= 1'b0;
    end
  end

  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
