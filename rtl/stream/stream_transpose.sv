// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Vectors of `Rows * Columns` beats that come row by row go out column by column, each once it is complete.
/// Two banks alternate, so the next vector arrives while the present one leaves: no bubble.
module stream_transpose #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width   = 8,
    /// Beats of a column, 1 and up.
    parameter int unsigned Rows    = 4,
    /// Beats of a row, 1 and up.
    parameter int unsigned Columns = 3
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_valid,
    input  wire logic             s_last,   ///< on the final beat of a sequence
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    output      logic             m_last,   ///< on every beat of the final vector of a sequence
    input  wire logic             m_ready
);
  localparam int unsigned Beats = Rows * Columns;
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1;
  localparam int unsigned AddressBits = $clog2(2 * Beats);
  localparam logic [AddressBits-1:0] Bank1 = AddressBits'(Beats);
  `CHECK_PARAMETER(positive, Rows > 0 && Columns > 0, "Rows and Columns start at 1")

  logic [Width-1:0] memory[2*Beats];
  logic [1:0] full_q, last_q;

  // Write side: in order of arrival.
  logic to_q;
  logic [BeatBits-1:0] write_q;
  wire logic push = s_valid && s_ready;
  wire logic close = push && write_q == BeatBits'(Beats - 1);
  assign s_ready = !full_q[to_q];

  // Read side: down a column, then on to the next one.
  logic from_q, valid_q, out_last_q;
  logic [BeatBits-1:0] read_q, column_q;
  logic [RowBits-1:0] row_q;
  logic [Width-1:0] out_q;
  wire logic advance = m_ready || !valid_q;
  wire logic pop = full_q[from_q] && advance;
  wire logic column_end = row_q == RowBits'(Rows - 1);
  wire logic release_bank = pop && column_end && column_q == BeatBits'(Columns - 1);
  assign m_valid = valid_q;
  assign m_data  = out_q;
  assign m_last  = out_last_q;

  always_ff @(posedge clk) begin
    if (push) begin
      memory[(to_q?Bank1 : '0)+AddressBits'(write_q)] <= s_data;
      write_q <= close ? '0 : write_q + 1'b1;
    end
    if (close) begin
      to_q <= !to_q;
      full_q[to_q] <= 1'b1;
      last_q[to_q] <= s_last;
    end
    if (advance) begin
      valid_q <= full_q[from_q];
      out_q <= memory[(from_q?Bank1 : '0)+AddressBits'(read_q)];
      out_last_q <= last_q[from_q];
    end
    if (pop) begin
      row_q <= column_end ? '0 : row_q + 1'b1;
      read_q <= read_q + BeatBits'(Columns);
      if (column_end) begin
        column_q <= release_bank ? '0 : column_q + 1'b1;
        read_q <= release_bank ? '0 : column_q + 1'b1;
      end
    end
    if (release_bank) begin
      from_q <= !from_q;
      full_q[from_q] <= 1'b0;
    end
    if (rst) begin
      to_q <= 1'b0;
      from_q <= 1'b0;
      full_q <= '0;
      valid_q <= 1'b0;
      write_q <= '0;
      read_q <= '0;
      row_q <= '0;
      column_q <= '0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
