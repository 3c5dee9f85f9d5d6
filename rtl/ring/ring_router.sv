// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Exit of the ring: passes of the last iteration leave at `m_*`, the others go to the return memory, with
/// {iteration + 1, length} on `i_*` beside the first beat.
module ring_router #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width         = 8,
    /// Beats per token, 1 and up.
    parameter int unsigned Beats         = 1,
    /// Passes per sequence, 1 and up.
    parameter int unsigned Iterations    = 2,
    /// Bits of an iteration's index.
    parameter int unsigned IterationBits = 1,
    /// Bits of a length in tokens.
    parameter int unsigned LengthBits    = 4
) (
    input  wire logic                                clk,
    input  wire logic                                rst,        ///< synchronous, active high
    input  wire logic [IterationBits+LengthBits-1:0] d_data,     ///< {iteration, length} of each pass
    input  wire logic                                d_valid,
    output      logic                                d_ready,
    input  wire logic [Width-1:0]                    q_data,     ///< passes, out of the body
    input  wire logic                                q_valid,
    input  wire logic                                q_last,
    output      logic                                q_ready,
    output      logic [IterationBits+LengthBits-1:0] i_data,     ///< descriptor of the pass that follows
    output      logic                                i_valid,
    input  wire logic                                i_ready,
    output      logic [Width-1:0]                    r_data,     ///< tokens that go round once more
    output      logic                                r_valid,
    input  wire logic                                r_ready,
    output      logic [Width-1:0]                    m_data,     ///< results
    output      logic                                m_valid,
    output      logic                                m_last,
    input  wire logic                                m_ready,
    output      logic                                token_out,  ///< a token leaves the ring for good
    output      logic                                pass_out    ///< with the final token of its sequence
);
  localparam int unsigned WordBits = Beats > 1 ? $clog2(Beats) : 1;

  logic busy_q;
  logic [LengthBits-1:0] left_q;
  logic [WordBits-1:0] word_q;

  wire logic [IterationBits-1:0] iteration = d_data[LengthBits+:IterationBits];
  wire logic final_pass = iteration == IterationBits'(Iterations - 1);
  wire logic [LengthBits-1:0] left = busy_q ? left_q : d_data[LengthBits-1:0];
  wire logic token_end = word_q == WordBits'(Beats - 1);
  wire logic pass_end = token_end && left == LengthBits'(1);

  logic result_room;
  wire logic return_room = r_ready && (busy_q || i_ready);
  wire logic take = q_valid && q_ready;

  assign q_ready = d_valid && (final_pass ? result_room : return_room);
  assign d_ready = take && pass_end;
  assign r_data = q_data;
  assign r_valid = take && !final_pass;
  assign i_data = {iteration + 1'b1, d_data[LengthBits-1:0]};
  assign i_valid = take && !final_pass && !busy_q;
  assign token_out = take && final_pass && token_end;
  assign pass_out = take && final_pass && pass_end;

  always_ff @(posedge clk) begin
    if (take) begin
      busy_q <= !pass_end;
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
  ) u_result (
      .clk,
      .rst,
      .s_data (q_data),
      .s_valid(q_valid && d_valid && final_pass),
      .s_last (pass_end),
      .s_ready(result_room),
      .m_data,
      .m_valid,
      .m_last,
      .m_ready
  );

  `CHECK_STABLE(q_stable, q_valid, q_ready, {q_last, q_data})
  `CHECK_NEVER(length_kept, take && q_last != pass_end, "the body changed the length of a pass")
  wire logic unused_pins = q_last;
endmodule

`default_nettype wire
