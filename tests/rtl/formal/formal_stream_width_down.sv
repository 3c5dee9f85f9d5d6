// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// stream_width from four lanes to one keeps the stream rules; one wide beat fits.
module formal_stream_width_down (
    input wire logic        clk,
    input wire logic        rst,
    input wire logic        pick,
    input wire logic [7:0]  pick_lane,
    input wire logic [11:0] s_data,
    input wire logic        s_valid,
    input wire logic        s_last,
    input wire logic        m_ready
);
  logic s_ready, m_valid, m_last, running, following, tag_last;
  logic [2:0] m_data, tag;
  logic [7:0] occupancy, ahead;
  stream_width #(.Width(3), .InLanes(4), .OutLanes(1)) u_dut (.*);
  stream_rules #(.PartWidth(3), .InParts(4), .OutParts(1), .Capacity(4), .Latency(0)) u_rules (.*);

  wire logic [11:0] shifted = u_dut.gen_down.data_q >> (4'd3 * ahead[3:0]);
  wire logic is_final = ahead == 8'(u_dut.gen_down.left_q);

  always_ff @(posedge clk) begin
    if (running && !rst) begin
      counted: assert (occupancy == (u_dut.gen_down.valid_q ? 8'(u_dut.gen_down.left_q) + 8'd1 : 8'd0));
      if (following) in_place: assert (shifted[2:0] == tag);
      if (following) last_kept: assert (tag_last == (is_final && u_dut.gen_down.last_q));
    end
  end
endmodule

`default_nettype wire
