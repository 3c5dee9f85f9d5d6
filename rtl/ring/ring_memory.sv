// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// The ring's way back: a FIFO over one wide memory with a synchronous read and an output register behind it, the
/// shape of block and ultra RAM. It keeps no `last`, which would cost a column of RAM: the ring knows the lengths.
module ring_memory #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width = 64,
    /// Beats in the memory, 1 and up; two more fit behind it.
    parameter int unsigned Depth = 512,
    /// Use UltraRAM from 1024 beats on.
    parameter bit          Ultra = 1'b0
) (
    input  wire logic             clk,
    input  wire logic             rst,      ///< synchronous, active high
    input  wire logic [Width-1:0] s_data,
    input  wire logic             s_valid,
    output      logic             s_ready,
    output      logic [Width-1:0] m_data,
    output      logic             m_valid,
    input  wire logic             m_ready
);
  localparam int unsigned PointerBits = Depth > 1 ? $clog2(Depth) : 1;
  localparam int unsigned CountBits = $clog2(Depth + 1);
  localparam logic [PointerBits-1:0] Final = PointerBits'(Depth - 1);
  `CHECK_PARAMETER(depth_positive, Depth > 0, "Depth must be at least 1")

  localparam int unsigned Rows = Depth > 1 ? Depth : 2;
  localparam int unsigned RowBits = $clog2(Rows);
  logic [Width-1:0] read, out_q;
  logic [PointerBits-1:0] write_at_q, read_at_q;
  logic [CountBits-1:0] count_q, count_d;
  logic ready_q, read_valid_q, out_valid_q;

  // A beat is read only after it was written, so the two ports never meet at one address.
  wire logic push = s_valid && ready_q;
  wire logic shift = m_ready || !out_valid_q;
  wire logic pop = count_q != '0 && (shift || !read_valid_q);

  assign s_ready = ready_q;
  assign m_valid = out_valid_q;
  assign m_data  = out_q;

  always_comb begin
    count_d = count_q;
    if (push && !pop) count_d = count_q + 1'b1;
    if (pop && !push) count_d = count_q - 1'b1;
  end

  slot_memory #(
      .Rows (Rows),
      .Width(Width),
      .Ultra(Ultra)
  ) u_memory (
      .clk,
      .write(push),
      .write_row(RowBits'(write_at_q)),
      .write_data(s_data),
      .read(pop),
      .read_row(RowBits'(read_at_q)),
      .read_data(read)
  );
  always_ff @(posedge clk) if (shift) out_q <= read;

  always_ff @(posedge clk) begin
    if (push) write_at_q <= write_at_q == Final ? '0 : write_at_q + 1'b1;
    if (pop) read_at_q <= read_at_q == Final ? '0 : read_at_q + 1'b1;
    if (shift || !read_valid_q) read_valid_q <= count_q != '0;
    if (shift) out_valid_q <= read_valid_q;
    count_q <= count_d;
    ready_q <= count_d != CountBits'(Depth);
    if (rst) begin
      write_at_q <= '0;
      read_at_q <= '0;
      count_q <= '0;
      ready_q <= 1'b0;
      read_valid_q <= 1'b0;
      out_valid_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, s_data)
  `CHECK_STABLE(m_stable, m_valid, m_ready, m_data)
endmodule

`default_nettype wire
