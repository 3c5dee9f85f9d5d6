// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// stream_fork of three readers: each takes every beat exactly once; an offer never waits for another reader.
module formal_stream_fork (
    input wire logic       clk,
    input wire logic       rst,
    input wire logic [3:0] s_data,
    input wire logic       s_valid,
    input wire logic       s_last,
    input wire logic [2:0] m_ready
);
  logic s_ready;
  logic [2:0][3:0] m_data;
  logic [2:0] m_valid, m_last;
  stream_fork #(.Width(4), .Outputs(3)) u_dut (.*);

  // Readers that have taken the present beat.
  logic [2:0] taken_q;
  logic running_q, s_stalled_q;
  logic [4:0] s_beat_q;
  logic [2:0] m_stalled_q;
  initial running_q = 1'b0;
  wire logic [2:0] taking = m_valid & m_ready;

  always_ff @(posedge clk) begin
    running_q <= 1'b1;
    s_stalled_q <= !rst && s_valid && !s_ready;
    s_beat_q <= {s_last, s_data};
    m_stalled_q <= rst ? 3'd0 : m_valid & ~m_ready;
    taken_q <= rst || (s_valid && s_ready) ? 3'd0 : taken_q | taking;
  end

  always_ff @(posedge clk) begin
    if (!running_q) begin
      reset_first: assume (rst);
    end else if (!rst) begin
      if (s_stalled_q) s_holds: assume (s_valid && {s_last, s_data} == s_beat_q);

      not_twice: assert ((m_valid & taken_q) == 3'd0);
      nothing_invented: assert (s_valid || m_valid == 3'd0);
      offered_at_once: assert (!s_valid || (m_valid | taken_q) == 3'b111);
      not_lost: assert (!(s_valid && s_ready) || (taken_q | taking) == 3'b111);
      goes_on: assert (m_ready != 3'b111 || s_ready);
      m_holds: assert ((m_stalled_q & ~m_valid) == 3'd0);
      same_beat: assert (m_data == {3{s_data}} && m_last == {3{s_last}});
      counted: assert (u_dut.done_q == taken_q);

      can_wait_for_one: cover (taken_q == 3'b101 && s_valid && s_ready);
    end
  end
endmodule

`default_nettype wire
