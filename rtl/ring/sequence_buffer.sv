// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Store and forward: the beats of a sequence are kept aside until it is closed, then they leave with `last`, its
/// length beside or before them; or they are dropped and leave no trace.
module sequence_buffer #(
    /// Bits of a beat, 1 and up.
    parameter int unsigned Width      = 16,
    /// Beats per token, 1 and up.
    parameter int unsigned Beats      = 1,
    /// Tokens held, at least those of the longest sequence.
    parameter int unsigned Depth      = 16,
    /// Bits of a length in tokens.
    parameter int unsigned LengthBits = 4,
    /// Closed sequences held, 1 and up.
    parameter int unsigned Sequences  = 4
) (
    input  wire logic                  clk,
    input  wire logic                  rst,      ///< synchronous, active high
    input  wire logic [Width-1:0]      s_data,   ///< a beat of the open sequence
    input  wire logic                  s_valid,
    output      logic                  s_ready,
    input  wire logic [LengthBits-1:0] c_data,   ///< close the open sequence, a beat of this cycle included: its tokens
    input  wire logic                  c_valid,
    output      logic                  c_ready,
    input  wire logic                  drop,     ///< forget the open sequence; not together with s_valid or c_valid
    output      logic [LengthBits-1:0] n_data,   ///< tokens of each sequence
    output      logic                  n_valid,
    input  wire logic                  n_ready,
    output      logic [Width-1:0]      m_data,
    output      logic                  m_valid,
    output      logic                  m_last,
    input  wire logic                  m_ready
);
  localparam int unsigned Places = Depth * Beats;
  localparam int unsigned PointerBits = Places > 1 ? $clog2(Places) : 1;
  localparam int unsigned CountBits = $clog2(Places + 1);
  localparam int unsigned WordBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam logic [PointerBits-1:0] Final = PointerBits'(Places - 1);

  function automatic logic [PointerBits-1:0] next(input logic [PointerBits-1:0] at);
    next = at == Final ? '0 : at + 1'b1;
  endfunction

  // Write side: the open sequence begins at start_q and has open_q beats; held_q counts them and the closed ones.
  logic [Width-1:0] memory[Places];
  logic [PointerBits-1:0] write_at_q, start_q, read_at_q;
  logic [CountBits-1:0] held_q, held_d, open_q;
  logic ready_q;
  wire logic push = s_valid && ready_q;
  wire logic close = c_valid && c_ready;
  wire logic pop;
  assign s_ready = ready_q;
  assign held_d  = held_q + CountBits'(push) - CountBits'(pop) - (drop ? open_q : '0);

  always_ff @(posedge clk) if (push) memory[write_at_q] <= s_data;

  always_ff @(posedge clk) begin
    if (push) write_at_q <= next(write_at_q);
    if (close) start_q <= push ? next(write_at_q) : write_at_q;
    if (drop) write_at_q <= start_q;
    open_q  <= close || drop ? '0 : open_q + CountBits'(push);
    held_q  <= held_d;
    ready_q <= held_d != CountBits'(Places);
    if (rst) begin
      write_at_q <= '0;
      start_q <= '0;
      open_q <= '0;
      held_q <= '0;
      ready_q <= 1'b0;
    end
  end

  // A length goes to n_* and to the read side; the next one waits for both, so none is later than its tokens.
  logic [LengthBits-1:0] length;
  logic length_valid, length_ready, unused_last;
  logic [1:0][LengthBits-1:0] fork_data;
  logic [1:0] fork_valid, unused_lasts;
  logic begin_ready;
  assign n_data  = fork_data[0];
  assign n_valid = fork_valid[0];

  stream_fifo #(
      .Width(LengthBits),
      .Depth(Sequences)
  ) u_lengths (
      .clk,
      .rst,
      .s_data (c_data),
      .s_valid(c_valid),
      .s_last (1'b1),
      .s_ready(c_ready),
      .m_data (length),
      .m_valid(length_valid),
      .m_last (unused_last),
      .m_ready(length_ready)
  );
  stream_fork #(
      .Width  (LengthBits),
      .Outputs(2)
  ) u_fork (
      .clk,
      .rst,
      .s_data (length),
      .s_valid(length_valid),
      .s_last (1'b1),
      .s_ready(length_ready),
      .m_data (fork_data),
      .m_valid(fork_valid),
      .m_last (unused_lasts),
      .m_ready({begin_ready, n_ready})
  );

  // Read side: left_q tokens of the present sequence are not read yet, the present one included.
  logic [LengthBits-1:0] left_q;
  logic [WordBits-1:0] word_q;
  logic busy_q, valid_q, last_q;
  logic [Width-1:0] out_q;
  wire logic token_end = word_q == WordBits'(Beats - 1);
  wire logic sequence_end = token_end && left_q == LengthBits'(1);
  assign pop = busy_q && (m_ready || !valid_q);
  assign begin_ready = !busy_q || (pop && sequence_end);
  assign m_data = out_q;
  assign m_valid = valid_q;
  assign m_last = last_q;

  always_ff @(posedge clk) begin
    if (pop) begin
      out_q <= memory[read_at_q];
      last_q <= sequence_end;
    end
  end

  always_ff @(posedge clk) begin
    if (m_ready || !valid_q) valid_q <= busy_q;
    if (pop) begin
      read_at_q <= next(read_at_q);
      word_q <= token_end ? '0 : word_q + 1'b1;
      if (token_end) left_q <= left_q - 1'b1;
    end
    if (begin_ready) begin
      busy_q <= fork_valid[1];
      left_q <= fork_data[1];
    end
    if (rst) begin
      read_at_q <= '0;
      word_q <= '0;
      busy_q <= 1'b0;
      valid_q <= 1'b0;
    end
  end

  `CHECK_STABLE(n_stable, n_valid, n_ready, n_data)
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(drop_alone, drop && (s_valid || c_valid), "a sequence is dropped and extended at once")
  `CHECK_NEVER(closed_whole, close && 32'(open_q) + 32'(push) != 32'(c_data) * Beats, "the length is not what was sent")
endmodule

`default_nettype wire
