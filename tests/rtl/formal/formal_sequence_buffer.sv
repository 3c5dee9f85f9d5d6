// SPDX-License-Identifier: Apache-2.0
`default_nettype none

/// sequence_buffer gives out exactly the closed sequences, whole and in order, no length later than its first token,
/// never overfills its memory, and goes on while it is read. The reference is the queue of beats that must come out.
module formal_sequence_buffer #(
    parameter int unsigned Beats     = 1,
    parameter int unsigned MaxTokens = 2,
    parameter int unsigned Depth     = 3,
    parameter int unsigned Sequences = 2,
    /// Cycles without movement that are not yet a deadlock.
    parameter int unsigned Patience  = 4
) (
    input wire logic       clk,
    input wire logic       rst,
    // Free choices of whoever fills it.
    input wire logic [1:0] s_data,
    input wire logic       want_beat,
    input wire logic       want_close,
    input wire logic       want_drop,
    input wire logic       m_ready,
    input wire logic       n_ready
);
  localparam int unsigned Places = Depth * Beats;
  localparam int unsigned Longest = MaxTokens * Beats;
  logic s_valid, s_ready, c_valid, c_ready, drop, n_valid, m_valid, m_last;
  logic [1:0] c_data, n_data, m_data;
  sequence_buffer #(.Width(2), .Beats(Beats), .Depth(Depth), .LengthBits(2), .Sequences(Sequences)) u_dut (.*);

  logic running_q, was_reset_q;
  initial running_q = 1'b0;
  always_ff @(posedge clk) begin
    running_q <= 1'b1;
    was_reset_q <= rst;
    if (!running_q) begin
      reset_first: assume (rst);
    end
  end

  // The guard in front: no sequence is longer than the longest, all that happens in a cycle has room, tokens are whole.
  logic [Longest-1:0][1:0] part_q, part_d;
  logic [3:0] part_count_q, part_count_d;
  wire logic beat = want_beat && !want_drop && part_count_q < 4'(Longest);
  wire logic closes = want_close && !want_drop && part_count_d != 4'd0 && 32'(part_count_d) % Beats == 0;
  wire logic room = (!beat || s_ready) && (!closes || c_ready);
  assign s_valid = beat && room;
  assign c_valid = closes && room;
  assign c_data = 2'(32'(part_count_d) / Beats);
  assign drop = want_drop;
  always_comb begin
    part_d = part_q;
    for (int unsigned i = 0; i < Longest; i++) if (beat && 4'(i) == part_count_q) part_d[i] = s_data;
    part_count_d = part_count_q + 4'(beat);
  end
  always_ff @(posedge clk) begin
    if (room) part_q <= part_d;
    if (room) part_count_q <= part_count_d;
    if (rst || drop || c_valid) part_count_q <= '0;
  end

  // Beats {last, data} and lengths that must come out, oldest first.
  logic [Places:0][2:0] due_q, due_d;
  logic [Sequences+1:0][1:0] lengths_q, lengths_d;
  logic [3:0] due_count_q, due_count_d, lengths_count_q, lengths_count_d;
  wire logic gives = m_valid && m_ready;
  wire logic tells = n_valid && n_ready;
  always_comb begin
    due_d = due_q;
    lengths_d = lengths_q;
    due_count_d = due_count_q - 4'(gives);
    lengths_count_d = lengths_count_q - 4'(tells);
    for (int unsigned i = 0; i < Places; i++) if (gives) due_d[i] = due_q[i+1];
    for (int unsigned i = 0; i <= Sequences; i++) if (tells) lengths_d[i] = lengths_q[i+1];
    if (c_valid) begin
      for (int unsigned j = 0; j < Longest; j++) begin
        if (4'(j) < part_count_d) begin
          for (int unsigned i = 0; i <= Places; i++) begin
            if (4'(i) == due_count_d) due_d[i] = {4'(j + 1) == part_count_d, part_d[j]};
          end
          due_count_d = due_count_d + 4'd1;
        end
      end
      for (int unsigned i = 0; i <= Sequences + 1; i++) if (4'(i) == lengths_count_d) lengths_d[i] = c_data;
      lengths_count_d = lengths_count_d + 4'd1;
    end
  end
  // Sequences whose length is told and whose end is out.
  logic [4:0] told_q, gone_q;
  always_ff @(posedge clk) begin
    due_q <= due_d;
    lengths_q <= lengths_d;
    due_count_q <= rst ? '0 : due_count_d;
    lengths_count_q <= rst ? '0 : lengths_count_d;
    told_q <= rst ? '0 : told_q + 5'(tells);
    gone_q <= rst ? '0 : gone_q + 5'(gives && m_last);
  end

  // What the RTL holds: closed beats in output register and memory, lengths for n_* and for the read side.
  logic [Places:0][1:0] held;
  logic [Places:0] lasts;
  logic [Sequences:0][1:0] known;
  logic [3:0] closed_count, known_count;
  logic [5:0] reader_beats;
  logic beats_agree, lasts_agree, lengths_agree, part_agrees;
  wire logic [3:0] in_memory = 4'(u_dut.held_q) - 4'(u_dut.open_q);
  wire logic [1:0] skipped = u_dut.u_fork.done_q;  // the length in front is taken: by n_*, by the read side
  always_comb begin
    held = '0;
    held[0] = u_dut.out_q;
    closed_count = 4'(u_dut.valid_q);
    for (int unsigned i = 0; i < Places; i++) begin
      if (4'(i) < in_memory) begin
        held[closed_count] = u_dut.memory[(32'(u_dut.read_at_q) + i) % Places];
        closed_count = closed_count + 4'd1;
      end
    end
    known = '0;
    known[0] = u_dut.u_lengths.out_q[1:0];
    known_count = 4'(u_dut.u_lengths.out_valid_q);
    for (int unsigned i = 0; i < Sequences; i++) begin
      if (i < 32'(u_dut.u_lengths.count_q)) begin
        known[known_count] = u_dut.u_lengths.memory[(32'(u_dut.u_lengths.read_q) + i) % Sequences][1:0];
        known_count = known_count + 4'd1;
      end
    end

    // Where the sequences end, as the read side will count.
    lasts = '0;
    lasts[0] = u_dut.valid_q && u_dut.last_q;
    reader_beats = 6'(u_dut.valid_q) + (u_dut.busy_q ? 6'(32'(u_dut.left_q) * Beats) - 6'(u_dut.word_q) : 6'd0);
    for (int unsigned i = 0; i <= Places; i++) if (u_dut.busy_q && 6'(i + 1) == reader_beats) lasts[i] = 1'b1;
    for (int unsigned k = 0; k <= Sequences; k++) begin
      if (4'(k) < known_count && !(k == 0 && skipped[1])) begin
        reader_beats = reader_beats + 6'(32'(known[k]) * Beats);
        for (int unsigned i = 0; i <= Places; i++) if (6'(i + 1) == reader_beats) lasts[i] = 1'b1;
      end
    end

    beats_agree = closed_count == due_count_q;
    lasts_agree = reader_beats == 6'(due_count_q);
    for (int unsigned i = 0; i <= Places; i++) begin
      if (4'(i) < due_count_q && held[i] != due_q[i][1:0]) beats_agree = 1'b0;
      if (4'(i) < due_count_q && lasts[i] != due_q[i][2]) lasts_agree = 1'b0;
    end
    lengths_agree = known_count == lengths_count_q + 4'(skipped[0]);
    for (int unsigned k = 0; k <= Sequences; k++) begin
      if (4'(k) < known_count && (known[k] == 2'd0 || 32'(known[k]) > MaxTokens)) lengths_agree = 1'b0;
      if (4'(k) < known_count && skipped[0] && k != 0 && known[k] != lengths_q[k-1]) lengths_agree = 1'b0;
      if (4'(k) < known_count && !skipped[0] && known[k] != lengths_q[k]) lengths_agree = 1'b0;
    end
    part_agrees = 4'(u_dut.open_q) == part_count_q && part_count_q <= 4'(Longest);
    for (int unsigned i = 0; i < Longest; i++) begin
      if (4'(i) < part_count_q && u_dut.memory[(32'(u_dut.start_q) + i) % Places] != part_q[i]) part_agrees = 1'b0;
    end
  end

  logic [3:0] still_q;
  wire logic moves = s_valid || c_valid || drop || gives || tells;
  wire logic fair = m_ready && n_ready && (beat || closes || due_count_q != 4'd0);
  wire logic [4:0] ahead = told_q - gone_q;  // small and positive, or minus one
  always_ff @(posedge clk) begin
    still_q <= rst || moves || !fair ? '0 : still_q + 4'd1;
    if (running_q && !rst) begin
      goes_on: assert (still_q <= 4'(Patience));
      same_beat: assert (!m_valid || (due_count_q != 4'd0 && {m_last, m_data} == due_q[0]));
      same_length: assert (!n_valid || (lengths_count_q != 4'd0 && n_data == lengths_q[0]));
      length_in_time: assert (!m_valid || (ahead != 5'd0 && !ahead[4]) || (ahead == 5'd0 && n_valid));

      memory_bounded: assert (32'(u_dut.held_q) <= Places && u_dut.open_q <= u_dut.held_q);
      ready_is_room: assert (was_reset_q || (s_ready == (32'(u_dut.held_q) != Places)
                                             && c_ready == (32'(u_dut.u_lengths.count_q) != Sequences)));
      beats: assert (beats_agree && lasts_agree);
      lengths: assert (lengths_agree && 32'(u_dut.u_lengths.count_q) <= Sequences);
      part: assert (part_agrees);
      places: assert (32'(u_dut.read_at_q) < Places && 32'(u_dut.u_lengths.read_q) < Sequences
                      && 32'(u_dut.start_q) == (32'(u_dut.read_at_q) + 32'(in_memory)) % Places
                      && 32'(u_dut.write_at_q) == (32'(u_dut.read_at_q) + 32'(u_dut.held_q)) % Places
                      && 32'(u_dut.u_lengths.write_q)
                         == (32'(u_dut.u_lengths.read_q) + 32'(u_dut.u_lengths.count_q)) % Sequences);
      reads: assert (32'(u_dut.word_q) < Beats && (u_dut.busy_q || u_dut.word_q == '0)
                     && (!u_dut.busy_q || (u_dut.left_q != 2'd0 && 32'(u_dut.left_q) <= MaxTokens)));
      taken_once: assert (skipped != 2'b11 && (u_dut.u_lengths.out_valid_q || skipped == 2'b00));
      told: assert (ahead == 5'(skipped[0]) - 5'(skipped[1]) + 5'(u_dut.busy_q) + 5'(u_dut.valid_q && u_dut.last_q));

      can_fill: cover (32'(u_dut.held_q) == Places && part_count_q == 4'(Longest));
      can_pass: cover (gone_q == 5'd2);
    end
  end
endmodule

`default_nettype wire
