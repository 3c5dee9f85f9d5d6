// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Drops the beats without `s_keep`; `last` moves to the last kept beat of its sequence.
/// A kept beat leaves as soon as it is known whether another one follows: it waits for the beat before the
/// next kept one, or for the end.
module stream_decimate #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width = 8
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_keep,   ///< this beat is kept; every sequence keeps at least one
    input  wire logic             s_next,   ///< the next beat, if the sequence has one, is kept
    input  wire logic             s_valid,
    input  wire logic             s_last,
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,
    input  wire logic             m_ready
);
  logic [Width-1:0] data_q;
  logic held_q;
  // A beat waits while those that follow it are dropped; the one that decides is therefore never kept itself.
  wire logic decides = (s_next || s_last) && (held_q || s_keep);

  assign m_data  = held_q ? data_q : s_data;
  assign m_valid = s_valid && decides;
  assign m_last  = s_last;
  assign s_ready = m_ready || !decides;

  always_ff @(posedge clk) begin
    if (s_valid && s_ready) begin
      held_q <= (held_q || s_keep) && !decides;
      if (s_keep) data_q <= s_data;
    end
    if (rst) held_q <= 1'b0;
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_keep, s_next, s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(none_kept, s_valid && s_last && !s_keep && !held_q, "a sequence kept no beat")
  `CHECK_NEVER(unannounced, s_valid && s_keep && held_q, "a kept beat came without s_next before it")
endmodule

`default_nettype wire
