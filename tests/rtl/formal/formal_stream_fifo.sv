// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// stream_fifo of depth 4 keeps the stream rules; five beats fit.
module formal_stream_fifo (
    input wire logic       clk,
    input wire logic       rst,
    input wire logic       pick,
    input wire logic [7:0] pick_lane,
    input wire logic [3:0] s_data,
    input wire logic       s_valid,
    input wire logic       s_last,
    input wire logic       m_ready
);
  logic s_ready, m_valid, m_last, running, following, tag_last;
  logic [3:0] m_data, tag;
  logic [7:0] occupancy, ahead;
  stream_fifo #(.Width(4), .Depth(4)) u_dut (.*);
  stream_rules #(.PartWidth(4), .Capacity(5), .Latency(1)) u_rules (.*);

  // Where the followed beat must lie: the output register, or so many places behind the read pointer.
  wire logic [1:0] place = u_dut.read_q + ahead[1:0] - 2'(u_dut.out_valid_q);

  always_ff @(posedge clk) begin
    if (running && !rst) begin
      never_overfull: assert (u_dut.count_q <= 3'd4);
      ready_has_room: assert (!u_dut.ready_q || u_dut.count_q != 3'd4);
      pointers_agree: assert (2'(u_dut.write_q - u_dut.read_q) == u_dut.count_q[1:0]);
      counted: assert (occupancy == 8'(u_dut.count_q) + 8'(u_dut.out_valid_q));
      if (following && u_dut.out_valid_q && ahead == 8'd0) in_register: assert (u_dut.out_q == {tag_last, tag});
      else if (following) in_memory: assert (u_dut.memory[place] == {tag_last, tag});
    end
  end
endmodule

`default_nettype wire
