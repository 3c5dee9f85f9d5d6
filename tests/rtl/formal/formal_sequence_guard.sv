// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// sequence_guard does to its buffer, tag and error FIFOs exactly what the rules ask for, written down a second time
/// as a count of data beats per sequence, and takes a beat as soon as they have room. That buffer and FIFOs then do
/// their part, and get room while they are read, is shown by their own proofs, as for the slice in front.
module formal_sequence_guard #(
    parameter int unsigned Beats     = 1,
    parameter int unsigned MaxTokens = 2,
    parameter int unsigned Depth     = 2,
    parameter int unsigned Sequences = 2
) (
    input wire logic       clk,
    input wire logic       rst,
    input wire logic [1:0] s_data,
    input wire logic       s_keep,
    input wire logic [1:0] s_tag,
    input wire logic       s_valid,
    input wire logic       s_last,
    input wire logic       m_ready,
    input wire logic       n_ready,
    input wire logic       t_ready,
    input wire logic       e_ready
);
  localparam int unsigned Longest = MaxTokens * Beats;
  logic s_ready, m_valid, m_last, n_valid, t_valid, e_valid;
  logic [1:0] m_data, n_data, t_data;
  logic [3:0] e_data;
  sequence_guard #(
      .Width(2), .Beats(Beats), .MaxTokens(MaxTokens), .Depth(Depth), .TagBits(2), .Sequences(Sequences)
  ) u_dut (.*);

  logic running_q, s_stalled_q;
  logic [5:0] s_beat_q;
  initial running_q = 1'b0;
  always_ff @(posedge clk) begin
    running_q <= 1'b1;
    s_stalled_q <= !rst && s_valid && !s_ready;
    s_beat_q <= {s_last, s_tag, s_keep, s_data};
    if (!running_q) begin
      reset_first: assume (rst);
    end
    if (s_stalled_q) s_holds: assume (s_valid && {s_last, s_tag, s_keep, s_data} == s_beat_q);
  end

  // The beat behind the slice, and what the guard does with it.
  wire logic accept = u_dut.valid && u_dut.take;
  wire logic stores = u_dut.u_buffer.s_valid;
  wire logic closes = u_dut.u_buffer.c_valid;
  wire logic reports = u_dut.u_errors.s_valid;
  wire logic [1:0] cause = u_dut.u_errors.s_data[3:2];
  wire logic [1:0] blames = u_dut.u_errors.s_data[1:0];

  // The rules: data beats so far of the sequence under way, and whether an error was due for it.
  // A sequence that broke off is closed in a step ahead of the beat that shows it.
  logic begun_q, failed_q, ahead_q;
  logic [1:0] tag_q;
  logic [3:0] beats_q;
  wire logic breaks_off = begun_q && u_dut.tag != tag_q;
  wire logic first = !begun_q || breaks_off;
  wire logic failed = !first && failed_q;
  wire logic [3:0] beats = (first ? 4'd0 : beats_q) + 4'(u_dut.keep && !failed);
  wire logic too_long = !failed && beats > 4'(Longest);
  wire logic empty = !failed && u_dut.last && beats == 4'd0;
  wire logic ragged = !failed && !too_long && u_dut.last && 32'(beats) % Beats != 0;
  wire logic right = !failed && u_dut.last && !too_long && !empty && !ragged;
  always_ff @(posedge clk) begin
    if (accept) begin
      begun_q <= !u_dut.last;
      tag_q <= u_dut.tag;
      beats_q <= beats;
      failed_q <= failed || too_long;
      ahead_q <= 1'b0;
    end else if (u_dut.step) begin
      ahead_q <= 1'b1;
    end
    if (rst) begin
      begun_q <= 1'b0;
      ahead_q <= 1'b0;
    end
  end

  wire logic has_room = u_dut.store_ready && u_dut.close_ready && u_dut.tag_ready && u_dut.error_ready;
  always_ff @(posedge clk) begin
    if (running_q && !rst) begin
      goes_on: assert (!u_dut.valid || !has_room || accept || (u_dut.step && !ahead_q));
      nothing_invented: assert (u_dut.valid || !(stores || closes || reports || u_dut.u_buffer.drop));
      all_has_room: assert ((!stores || u_dut.store_ready) && (!closes || (u_dut.close_ready && u_dut.tag_ready))
                            && (!reports || u_dut.error_ready));
      errors_drop: assert (u_dut.u_buffer.drop == reports);
      tags_close: assert (u_dut.u_tags.s_valid == closes);
      if (accept) begin
        broken_off_told: assert (ahead_q == breaks_off);
        error_told: assert (reports == (too_long || empty || ragged));
        error_named: assert (!reports || (blames == u_dut.tag && cause == (too_long ? 2'd0 : empty ? 2'd1 : 2'd3)));
        right_closed: assert (closes == right);
        length: assert (!closes || 32'(u_dut.u_buffer.c_data) * Beats == 32'(beats));
        tag: assert (!closes || u_dut.u_tags.s_data == u_dut.tag);
        stored: assert (stores == (u_dut.keep && !failed && !too_long && !ragged)
                        && (!stores || u_dut.u_buffer.s_data == u_dut.data));
      end else begin
        nothing_kept: assert (!stores && !closes);
        breaks_off_once: assert (reports == (u_dut.step && !failed_q) && (!u_dut.step || (breaks_off && !ahead_q)));
        broken_off_named: assert (!reports || (cause == 2'd2 && blames == tag_q));
      end

      // Rules and RTL agree.
      closed_ahead: assert (!ahead_q || (u_dut.valid && breaks_off));
      under_way: assert (u_dut.open_q == (begun_q && !ahead_q));
      same_sequence: assert (!u_dut.open_q || (u_dut.tag_q == tag_q && u_dut.reported_q == failed_q));
      same_count: assert (32'(u_dut.u_buffer.open_q) == 32'(u_dut.tokens_q) * Beats + 32'(u_dut.word_q) || failed_q);
      same_beats: assert (!u_dut.open_q || failed_q
                          || (beats_q <= 4'(Longest) && 4'(u_dut.u_buffer.open_q) == beats_q));
      nothing_open: assert ((u_dut.open_q && !failed_q) || u_dut.u_buffer.open_q == '0);
      from_zero: assert (u_dut.open_q || (u_dut.tokens_q == '0 && u_dut.word_q == '0 && !u_dut.reported_q));
      possible: assert (32'(u_dut.tokens_q) <= MaxTokens && 32'(u_dut.word_q) < Beats);

      can_report: cover (reports && cause == 2'd2 && beats_q == 4'(Longest));
      can_wait: cover (u_dut.valid && !has_room);
      can_pass: cover (closes && 32'(u_dut.u_buffer.held_q) == Depth * Beats);
    end
  end
endmodule

`default_nettype wire
