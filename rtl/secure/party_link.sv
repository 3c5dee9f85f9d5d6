// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// One end of the link between the parties: the messages of all layers as frames `{credit, channel, payload}` of one
/// stream, and the frames of the peer back to a stream per channel.
///
/// A word is sent only when the peer is known to have room for it: every channel has a queue of `Depth` words at its
/// far end, the sender starts with that much credit, and consumed words come back as credit frames, which are sent
/// first. So no frame ever waits in front of a full queue, no message can block another one, and the link adds no
/// dependence between layers: what is free of deadlock with a wire of its own for every layer stays so. `last` marks
/// a message's final word.
module party_link #(
    /// Channels that leave here, 1 and up.
    parameter int unsigned Sends    = 2,
    /// Channels that arrive here, 1 and up.
    parameter int unsigned Receives = 2,
    /// Bits of a payload.
    parameter int unsigned Width    = 64,
    /// Words of a channel under way or not yet consumed, 4 and up, the same at both ends.
    parameter int unsigned Depth    = 32,
    /// Bits of a channel number, the same at both ends.
    parameter int unsigned IdBits   = 6
) (
    input  wire logic                           clk,
    input  wire logic                           rst,      ///< synchronous, active high; at both ends together
    input  wire logic [Sends-1:0][Width-1:0]    s_data,
    input  wire logic [Sends-1:0]               s_valid,
    input  wire logic [Sends-1:0]               s_last,
    output      logic [Sends-1:0]               s_ready,
    output      logic [Receives-1:0][Width-1:0] m_data,
    output      logic [Receives-1:0]            m_valid,
    output      logic [Receives-1:0]            m_last,
    input  wire logic [Receives-1:0]            m_ready,
    output      logic [Width+IdBits:0]          l_data,   ///< frames to the peer
    output      logic                           l_valid,
    output      logic                           l_last,
    input  wire logic                           l_ready,
    input  wire logic [Width+IdBits:0]          r_data,   ///< frames of the peer
    input  wire logic                           r_valid,
    input  wire logic                           r_last,
    output      logic                           r_ready
);
  localparam int unsigned CreditBits = $clog2(Depth + 1);
  /// Words after which credit goes back: rarely enough to cost little of the link, soon enough to keep it busy.
  localparam int unsigned Batch = Depth / 4;
  localparam int unsigned SendBits = Sends > 1 ? $clog2(Sends) : 1;
  `CHECK_PARAMETER(depth, Depth >= 4, "Depth is at least 4")
  `CHECK_PARAMETER(channels, Sends <= 1 << IdBits && Receives <= 1 << IdBits, "channel numbers need more IdBits")
  `CHECK_PARAMETER(credits_fit, Width >= CreditBits, "a payload holds a number of credits")

  // Frames that come in.
  logic [Receives-1:0] push, pop, room;
  logic [Sends-1:0] granted;
  wire logic r_credit = r_data[Width+IdBits];
  wire logic [IdBits-1:0] r_id = r_data[Width+:IdBits];
  assign pop = m_valid & m_ready;
  assign r_ready = 1'b1;
  always_comb begin
    for (int unsigned i = 0; i < Receives; i++) push[i] = r_valid && !r_credit && r_id == IdBits'(i);
    for (int unsigned i = 0; i < Sends; i++) granted[i] = r_valid && r_credit && r_id == IdBits'(i);
  end
  for (genvar i = 0; i < Receives; i++) begin : gen_queue
    stream_fifo #(.Width(Width), .Depth(Depth)) u_fifo (
        .clk, .rst, .s_data(r_data[Width-1:0]), .s_valid(push[i]), .s_last(r_last), .s_ready(room[i]),
        .m_data(m_data[i]), .m_valid(m_valid[i]), .m_last(m_last[i]), .m_ready(m_ready[i])
    );
  end

  // What leaves next: credits, then the channels in turn.
  logic [Sends-1:0][CreditBits-1:0] credit_q;
  logic [Receives-1:0][CreditBits-1:0] owed_q;
  logic [SendBits-1:0] turn_q, chosen;
  logic [Receives-1:0] repaid;
  logic [Width+IdBits:0] frame;
  logic frame_valid, frame_last, frame_ready, any;
  logic [Sends-1:0] taken;
  always_comb begin
    logic found;
    found = 1'b0;
    repaid = '0;
    frame = '0;
    frame_last = 1'b0;
    for (int unsigned i = 0; i < Receives; i++) begin
      if (!found && owed_q[i] >= CreditBits'(Batch)) begin
        found = 1'b1;
        repaid[i] = frame_ready;
        frame = {1'b1, IdBits'(i), Width'(owed_q[i])};
      end
    end
    any = 1'b0;
    chosen = '0;
    // The highest channel below the turn, or else the highest of all: the turn moves down behind who was served.
    for (int unsigned i = 0; i < Sends; i++) begin
      if (s_valid[i] && credit_q[i] != '0 && (i < 32'(turn_q) || !any || 32'(chosen) >= 32'(turn_q))) begin
        any = 1'b1;
        chosen = SendBits'(i);
      end
    end
    taken = '0;
    if (!found && any) begin
      taken[chosen] = frame_ready;
      frame = {1'b0, IdBits'(chosen), s_data[chosen]};
      frame_last = s_last[chosen];
    end
    // Only when it can leave: until then a better one may come.
    frame_valid = (found || any) && frame_ready;
  end
  assign s_ready = taken;

  stream_skid #(.Width(Width + IdBits + 1)) u_skid (
      .clk, .rst, .s_data(frame), .s_valid(frame_valid), .s_last(frame_last), .s_ready(frame_ready),
      .m_data(l_data), .m_valid(l_valid), .m_last(l_last), .m_ready(l_ready)
  );

  always_ff @(posedge clk) begin
    for (int unsigned i = 0; i < Sends; i++) begin
      credit_q[i] <= credit_q[i] + (granted[i] ? r_data[CreditBits-1:0] : '0) - CreditBits'(taken[i]);
    end
    for (int unsigned i = 0; i < Receives; i++) begin
      owed_q[i] <= (repaid[i] ? '0 : owed_q[i]) + CreditBits'(pop[i]);
    end
    if (|taken) turn_q <= chosen;
    if (rst) begin
      credit_q <= {Sends{CreditBits'(Depth)}};
      owed_q <= '0;
      turn_q <= '0;
    end
  end

  `CHECK_NEVER(room_kept, |(push & ~room), "a frame found its queue full")
  `CHECK_NEVER(known_channel, r_valid && ~|{push, granted}, "a frame for no channel")
  wire logic unused_room = &room;
endmodule

`default_nettype wire
