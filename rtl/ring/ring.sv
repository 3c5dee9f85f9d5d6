// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Control of one piece of hardware, the body, that serves `Iterations` layers: every sequence passes through it
/// `Iterations` times, several sequences behind one another, and leaves in the order of its admission.
///
/// A new sequence enters only if tokens in flight + its length <= `Slots`, the capacity of the return memory, and
/// fewer than `Sequences` are in flight. So what the body gives out always has a place, the body always runs empty,
/// and a body that holds `MaxTokens` tokens can take in every pass that has begun: there is no deadlock. The
/// body may keep the tokens of a pass back until the final one is in, and keeps their order and number.
/// At most `Sequences + 1` passes are between `b_*` and the end of `q_*`, which bounds the FIFOs behind `b_*`.
module ring #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width      = 8,
    /// Beats per token, 1 and up.
    parameter int unsigned Beats      = 1,
    /// Most tokens in flight.
    parameter int unsigned Slots      = 16,
    /// Tokens of the longest sequence, at most Slots.
    parameter int unsigned MaxTokens  = 8,
    /// Most sequences in flight, 1 and up.
    parameter int unsigned Sequences  = 4,
    /// Passes of a sequence, 1 and up.
    parameter int unsigned Iterations = 2,
    /// Bits of `b_data`.
    parameter int unsigned BankBits   = 1,
    /// Use UltraRAM for a return memory of 1024 beats and more.
    parameter bit          Ultra      = 1'b0
) (
    input  wire logic                             clk,
    input  wire logic                             rst,                 ///< synchronous, active high
    input  wire logic [$clog2(MaxTokens+1)-1:0]   n_data,              ///< tokens of each new sequence, 1 to MaxTokens
    input  wire logic                             n_valid,
    output      logic                             n_ready,
    input  wire logic [Width-1:0]                 s_data,              ///< new sequences
    input  wire logic                             s_valid,
    input  wire logic                             s_last,
    output      logic                             s_ready,
    output      logic [Width-1:0]                 p_data,              ///< passes, into the body
    output      logic                             p_valid,
    output      logic                             p_last,
    input  wire logic                             p_ready,
    output      logic [BankBits-1:0]              b_data,              ///< iteration of each pass
    output      logic                             b_valid,
    input  wire logic                             b_ready,
    input  wire logic [Width-1:0]                 q_data,              ///< passes, out of the body
    input  wire logic                             q_valid,
    input  wire logic                             q_last,
    output      logic                             q_ready,
    output      logic [Width-1:0]                 m_data,              ///< results
    output      logic                             m_valid,
    output      logic                             m_last,
    input  wire logic                             m_ready,
    output      logic [$clog2(Slots+1)-1:0]       tokens_in_flight,    ///< for a status register
    output      logic [$clog2(Sequences+1)-1:0]   sequences_in_flight  ///< for a status register
);
  localparam int unsigned LengthBits = $clog2(MaxTokens + 1);
  localparam int unsigned SlotBits = $clog2(Slots + 1);
  localparam int unsigned SequenceBits = $clog2(Sequences + 1);
  localparam int unsigned PassBits = BankBits + LengthBits;
  `CHECK_PARAMETER(positive, Beats > 0 && MaxTokens > 0 && Sequences > 0 && Iterations > 0, "parameters start at 1")
  `CHECK_PARAMETER(slots, MaxTokens <= Slots, "the longest sequence must fit: MaxTokens <= Slots")
  `CHECK_PARAMETER(bank_bits, Iterations <= 2 ** BankBits, "BankBits must hold the index of an iteration")

  // Credit: what is admitted and has not left.
  logic [SlotBits-1:0] free_q;
  logic [SequenceBits-1:0] sequences_q;
  logic token_out, pass_out;
  wire logic admit = n_valid && n_ready;
  wire logic fits = SlotBits'(n_data) <= free_q;
  wire logic open = fits && sequences_q != SequenceBits'(Sequences);
  assign tokens_in_flight = SlotBits'(Slots) - free_q;
  assign sequences_in_flight = sequences_q;

  always_ff @(posedge clk) begin
    free_q <= free_q - (admit ? SlotBits'(n_data) : '0) + SlotBits'(token_out);
    sequences_q <= sequences_q + SequenceBits'(admit) - SequenceBits'(pass_out);
    if (rst) begin
      free_q <= SlotBits'(Slots);
      sequences_q <= '0;
    end
  end

  // Passes: d from merge to the FIFO, e to the router; then i back to the FIFO of returned ones, j to the merge.
  logic [PassBits-1:0] d_data, e_data, i_data, j_data;
  logic d_valid, d_ready, e_valid, e_ready, i_valid, i_ready, j_valid, j_ready;
  logic [Width-1:0] back_data, r_data;
  logic back_valid, back_ready, r_valid, r_ready;

  ring_merge #(
      .Width(Width),
      .Beats(Beats),
      .IterationBits(BankBits),
      .LengthBits(LengthBits)
  ) u_merge (
      .i_data (j_data),
      .i_valid(j_valid),
      .i_ready(j_ready),
      .*
  );

  // A pass whose first tokens are on their second way while its final one is still in the body counts twice.
  logic unused_last;
  stream_fifo #(
      .Width(PassBits),
      .Depth(Sequences + 1)
  ) u_passes (
      .clk,
      .rst,
      .s_data (d_data),
      .s_valid(d_valid),
      .s_last (1'b1),
      .s_ready(d_ready),
      .m_data (e_data),
      .m_valid(e_valid),
      .m_last (unused_last),
      .m_ready(e_ready)
  );

  ring_router #(
      .Width(Width),
      .Beats(Beats),
      .Iterations(Iterations),
      .IterationBits(BankBits),
      .LengthBits(LengthBits)
  ) u_router (
      .d_data (e_data),
      .d_valid(e_valid),
      .d_ready(e_ready),
      .r_data (back_data),
      .r_valid(back_valid),
      .r_ready(back_ready),
      .*
  );

  if (Iterations == 1) begin : gen_straight
    assign back_ready = 1'b1;
    assign {r_valid, r_data} = '0;
    assign i_ready = 1'b1;
    assign {j_valid, j_data} = '0;
    wire logic unused_return = &{Ultra, back_valid, back_data, r_ready, i_valid, i_data, j_ready};
  end else begin : gen_return
    ring_memory #(
        .Width(Width),
        .Depth(Slots * Beats),
        .Ultra(Ultra)
    ) u_tokens (
        .clk,
        .rst,
        .s_data (back_data),
        .s_valid(back_valid),
        .s_ready(back_ready),
        .m_data (r_data),
        .m_valid(r_valid),
        .m_ready(r_ready)
    );

    logic unused_end;
    stream_fifo #(
        .Width(PassBits),
        .Depth(Sequences)
    ) u_returned (
        .clk,
        .rst,
        .s_data (i_data),
        .s_valid(i_valid),
        .s_last (1'b1),
        .s_ready(i_ready),
        .m_data (j_data),
        .m_valid(j_valid),
        .m_last (unused_end),
        .m_ready(j_ready)
    );
  end

  // One compare: zero wraps round.
  `CHECK_NEVER(length_possible, n_valid && LengthBits'(n_data - 1'b1) >= LengthBits'(MaxTokens),
               "a sequence has 1 to MaxTokens tokens")
endmodule

`default_nettype wire
