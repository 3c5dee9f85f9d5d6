// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Register slice: one beat per cycle, with `m_valid`, `m_data` and `s_ready` straight from registers.
module stream_skid #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width = 8
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_valid,
    input  wire logic             s_last,
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,
    input  wire logic             m_ready
);
  // The spare register takes the beat that arrives in the cycle in which the output stalls.
  logic [Width:0] out_q, spare_q;
  logic out_valid_q, spare_valid_q;

  assign s_ready = !spare_valid_q;
  assign m_valid = out_valid_q;
  assign {m_last, m_data} = out_q;

  always_ff @(posedge clk) begin
    if (m_ready || !out_valid_q) begin
      out_q <= spare_valid_q ? spare_q : {s_last, s_data};
      out_valid_q <= spare_valid_q || s_valid;
      spare_valid_q <= 1'b0;
    end else if (s_valid && s_ready) begin
      spare_valid_q <= 1'b1;
    end
    if (s_ready) spare_q <= {s_last, s_data};
    if (rst) begin
      out_valid_q <= 1'b0;
      spare_valid_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
