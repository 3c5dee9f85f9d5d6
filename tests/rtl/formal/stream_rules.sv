// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// Rules of a stream that passes through a buffer: no part is lost, doubled, changed or overtaken, and a stalled beat holds.
/// A beat of either side is a number of equal parts. One part, chosen by the solver at any time, is followed through;
/// as any part could be the one, the rule holds for all.
module stream_rules #(
    parameter int unsigned PartWidth = 4,
    /// Parts per input beat.
    parameter int unsigned InParts   = 1,
    /// Parts per output beat.
    parameter int unsigned OutParts  = 1,
    /// Most parts inside.
    parameter int unsigned Capacity  = 2,
    /// Most cycles for which the buffer may keep a whole output beat back, or be empty and yet not ready.
    parameter int unsigned Latency   = 1
) (
    input  wire logic                                clk,
    input  wire logic                                rst,
    input  wire logic                                pick,          ///< follow this beat; free
    input  wire logic [7:0]                          pick_lane,     ///< part of the beat; free
    input  wire logic [InParts-1:0][PartWidth-1:0]   s_data,
    input  wire logic                                s_valid,
    input  wire logic                                s_last,
    input  wire logic                                s_ready,
    input  wire logic [OutParts-1:0][PartWidth-1:0]  m_data,
    input  wire logic                                m_valid,
    input  wire logic                                m_last,
    input  wire logic                                m_ready,
    // State for the invariants that make the induction go through.
    output      logic                                running,       ///< false in the first cycle only
    output      logic [7:0]                          occupancy,     ///< parts inside
    output      logic                                following,     ///< the followed part is inside
    output      logic [7:0]                          ahead,         ///< parts that leave before it
    output      logic [PartWidth-1:0]                tag,
    output      logic                                tag_last       ///< it is the final part of a sequence
);
  logic running_q, following_q, tag_last_q;
  logic [7:0] occupancy_q, ahead_q, late_q, blocked_q;
  logic [PartWidth-1:0] tag_q;
  logic s_stalled_q, m_stalled_q;
  logic [InParts*PartWidth:0] s_beat_q;
  logic [OutParts*PartWidth:0] m_beat_q;
  initial running_q = 1'b0;

  assign running = running_q;
  assign occupancy = occupancy_q;
  assign following = following_q;
  assign ahead = ahead_q;
  assign tag = tag_q;
  assign tag_last = tag_last_q;

  wire logic push = s_valid && s_ready;
  wire logic pop = m_valid && m_ready;
  wire logic here = following_q && ahead_q < 8'(OutParts);
  wire logic [7:0] left = occupancy_q - (pop ? 8'(OutParts) : 8'd0);

  always_ff @(posedge clk) begin
    running_q <= 1'b1;
    s_stalled_q <= s_valid && !s_ready;
    s_beat_q <= {s_last, s_data};
    m_stalled_q <= m_valid && !m_ready;
    m_beat_q <= {m_last, m_data};
    occupancy_q <= left + (push ? 8'(InParts) : 8'd0);
    late_q <= occupancy_q >= 8'(OutParts) && !m_valid ? late_q + 8'd1 : 8'd0;
    blocked_q <= occupancy_q == 8'd0 && !s_ready ? blocked_q + 8'd1 : 8'd0;
    if (pop && here) following_q <= 1'b0;
    else if (pop) ahead_q <= ahead_q - 8'(OutParts);
    if (push && pick && !following_q) begin
      following_q <= 1'b1;
      ahead_q <= left + pick_lane;
      tag_q <= s_data[pick_lane];
      tag_last_q <= s_last && pick_lane == 8'(InParts - 1);
    end
    if (rst) begin
      s_stalled_q <= 1'b0;
      m_stalled_q <= 1'b0;
      following_q <= 1'b0;
      occupancy_q <= 8'd0;
      late_q <= 8'd0;
      blocked_q <= 8'd0;
    end
  end

  always_ff @(posedge clk) begin
    if (!running_q) begin
      reset_first: assume (rst);
    end
    lane_exists: assume (pick_lane < 8'(InParts));
    if (running_q && !rst) begin
      if (s_stalled_q) s_holds: assume (s_valid && {s_last, s_data} == s_beat_q);
      // A sequence is made of whole beats of the wider side.
      whole_tokens: assume (!s_last || (occupancy_q + 8'(InParts)) % 8'(OutParts) == 8'd0);

      if (m_stalled_q) m_holds: assert (m_valid && {m_last, m_data} == m_beat_q);
      nothing_invented: assert (!m_valid || occupancy_q >= 8'(OutParts));
      bounded: assert (occupancy_q <= 8'(Capacity));
      if (here && m_valid) begin
        same_data: assert (m_data[ahead_q] == tag_q);
        same_last: assert (ahead_q != 8'(OutParts - 1) || m_last == tag_last_q);
      end
      comes_out: assert (late_q <= 8'(Latency));
      gets_ready: assert (blocked_q <= 8'(Latency));
      tag_inside: assert (!following_q || ahead_q < occupancy_q);

      can_fill: cover (occupancy_q == 8'(Capacity));
      can_leave_last: cover (here && pop && tag_last_q && ahead_q == 8'(OutParts - 1));
    end
  end
endmodule

`default_nettype wire
