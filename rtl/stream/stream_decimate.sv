// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Drops the beats without `s_keep`; `last` moves to the last kept beat of its sequence.
/// A kept beat waits until the next kept beat, or the end, shows whether it is the last one.
module stream_decimate #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width = 8
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_keep,   ///< part of the beat; every sequence keeps at least one
    input  wire logic             s_valid,
    input  wire logic             s_last,
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,
    input  wire logic             m_ready
);
  logic [Width-1:0] data_q;
  logic held_q, final_q;
  // The beat at the input decides what the held beat is.
  wire logic decides = s_valid && (s_keep || s_last);

  assign m_data = data_q;
  assign m_valid = held_q && (final_q || decides);
  assign m_last = final_q || !s_keep;
  assign s_ready = !held_q || m_ready || !(s_keep || s_last);

  always_ff @(posedge clk) begin
    if (m_valid && m_ready) begin
      held_q <= 1'b0;
      final_q <= 1'b0;
    end
    if (s_valid && s_ready && s_keep) begin
      data_q <= s_data;
      held_q <= 1'b1;
      final_q <= s_last;
    end
    if (rst) begin
      held_q <= 1'b0;
      final_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_keep, s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(none_kept, s_valid && s_last && !s_keep && (!held_q || final_q), "a sequence kept no beat")
endmodule

`default_nettype wire
