// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// stream_width from one lane to four keeps the stream rules; one wide beat fits.
module formal_stream_width_up (
    input wire logic       clk,
    input wire logic       rst,
    input wire logic       pick,
    input wire logic [7:0] pick_lane,
    input wire logic [2:0] s_data,
    input wire logic       s_valid,
    input wire logic       s_last,
    input wire logic       m_ready
);
  logic s_ready, m_valid, m_last, running, following, tag_last;
  logic [11:0] m_data;
  logic [2:0] tag;
  logic [7:0] occupancy, ahead;
  stream_width #(.Width(3), .InLanes(1), .OutLanes(4)) u_dut (.*);
  stream_rules #(.PartWidth(3), .InParts(1), .OutParts(4), .Capacity(4), .Latency(0)) u_rules (.*);

  // Parts that are still collected lie at the top of the register.
  wire logic [1:0] place = ahead[1:0] - (u_dut.gen_up.valid_q ? 2'd0 : u_dut.gen_up.count_q);
  wire logic [11:0] shifted = u_dut.gen_up.data_q >> (4'd3 * 4'(place));

  always_ff @(posedge clk) begin
    if (running && !rst) begin
      full_or_collecting: assert (!u_dut.gen_up.valid_q || u_dut.gen_up.count_q == 2'd0);
      counted: assert (occupancy == (u_dut.gen_up.valid_q ? 8'd4 : 8'(u_dut.gen_up.count_q)));
      if (following) in_place: assert (shifted[2:0] == tag);
      if (following && u_dut.gen_up.valid_q && ahead == 8'd3) last_kept: assert (u_dut.gen_up.last_q == tag_last);
    end
  end
endmodule

`default_nettype wire
