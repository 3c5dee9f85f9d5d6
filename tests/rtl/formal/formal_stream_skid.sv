// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// stream_skid keeps the stream rules; two beats fit.
module formal_stream_skid (
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
  stream_skid #(.Width(4)) u_dut (.*);
  stream_rules #(.PartWidth(4), .Capacity(2), .Latency(0)) u_rules (.*);

  always_ff @(posedge clk) begin
    if (running && !rst) begin
      filled_in_order: assert (u_dut.out_valid_q || !u_dut.spare_valid_q);
      counted: assert (occupancy == 8'(u_dut.out_valid_q) + 8'(u_dut.spare_valid_q));
      if (following && ahead == 8'd0) first_place: assert (u_dut.out_q == {tag_last, tag});
      if (following && ahead == 8'd1) second_place: assert (u_dut.spare_q == {tag_last, tag});
    end
  end
endmodule

`default_nettype wire
