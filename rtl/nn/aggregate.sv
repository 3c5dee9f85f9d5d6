// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Aggregation over the edges of a graph whose nodes are the tokens of a sequence:
/// `y[t] = sat((sum of a * x[s] over the rows (s, a) of node t + 2**(Shift-1)) >>> Shift)`.
/// A row is an edge, or a coefficient of 0 at a node without one; rows are loaded at run time, ordered by t. One beat of
/// a row per cycle. Two memories of tokens take turns, so the next graph comes in while one is worked on.
module aggregate #(
    /// Channels per beat.
    parameter int unsigned Lanes            = 2,
    /// Beats per token.
    parameter int unsigned Beats            = 2,
    /// Tokens of every sequence, 1 and up.
    parameter int unsigned Nodes            = 8,
    /// Rows that there is memory for, Nodes and up.
    parameter int unsigned Rows             = 24,
    /// Bits of an input channel.
    parameter int unsigned InWidth          = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned         = 1'b1,
    /// Bits of a coefficient, two's complement.
    parameter int unsigned CoefficientWidth = 8,
    /// Bits of a sum, two's complement.
    parameter int unsigned AccWidth         = 20,
    /// Right shift from a sum to the output; negative shifts left.
    parameter int          Shift            = 7,
    /// Bits of an output channel.
    parameter int unsigned OutWidth         = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned        = 1'b1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load             = 32
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high; forgets the load
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,   ///< on the final beat of a sequence
    output      logic                      s_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: rows in use less 1; rows {last, a, s * Beats}
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned Words = Nodes * Beats;
  localparam int unsigned WordBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned AddressBits = $clog2(2 * Words);
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1;
  localparam int unsigned ProductWidth = InWidth + 1 + CoefficientWidth;
  localparam logic [AddressBits-1:0] Bank1 = AddressBits'(Words);
  /// Registers from a row's number to its product.
  localparam int unsigned Steps = 6;
  `CHECK_PARAMETER(row_each, Nodes > 0 && Rows >= Nodes, "every node has a row")

  // Write side: fills bank `to_q`. A bank is `busy` until its last beat has been read, `full` until all its rows have
  // been sent on their way.
  logic to_q, from_q, enable;
  logic [1:0] busy_q, full_q;
  logic [WordBits-1:0] word_q;
  wire logic push = s_valid && s_ready;
  wire logic write_end = word_q == WordBits'(Words - 1);
  wire logic [AddressBits-1:0] write_address = (to_q ? Bank1 : '0) + AddressBits'(word_q);
  assign s_ready = !busy_q[to_q];

  // Rows in use, and the rows.
  logic [RowBits-1:0] final_row_q, count;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready, count_loaded, rows_loaded, count_write, unused_row;
  load_rows #(
      .Rows(1), .Width(RowBits), .Load(Load)
  ) u_count (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data(y_data), .x_valid(y_valid), .x_last(y_last),
      .x_ready(y_ready), .loaded(count_loaded), .write(count_write), .row(unused_row), .data(count)
  );
  always_ff @(posedge clk) if (count_write) final_row_q <= count;

  logic [RowBits-1:0] row_q;
  logic signed [CoefficientWidth-1:0] coefficient;
  logic [WordBits-1:0] source;
  logic last;
  row_memory #(
      .Rows(Rows), .Width(1 + CoefficientWidth + WordBits), .Load(Load)
  ) u_rows (
      .clk, .rst, .enable, .address(row_q), .data({last, coefficient, source}), .loaded(rows_loaded),
      .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready), .x_data, .x_valid, .x_last, .x_ready
  );

  // Read side: every row for as many cycles as a token has beats.
  logic [BeatBits-1:0] beat_q;
  wire logic fire = full_q[from_q] && count_loaded && rows_loaded && enable;
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  wire logic final_row = row_q == final_row_q;
  wire logic bank_end = fire && final_beat && final_row;

  // What accompanies a beat on its way; element 0 is that of the row's memory after one step.
  logic [Steps-1:0] valid_q, end_q;
  logic [2:0] bank_q;
  logic [Steps-1:0][BeatBits-1:0] beats_q;
  logic [Steps-1:2] last_q;
  logic signed [CoefficientWidth-1:0] a_q[2], a_now_q;
  logic [AddressBits-1:0] address_q;
  logic [Lanes*InWidth-1:0] tokens[2*Words];
  logic [Lanes*InWidth-1:0] read_q, x_q;
  logic signed [ProductWidth-1:0] product_q[Lanes], product_d[Lanes];
  wire logic release_bank = enable && valid_q[2] && end_q[2];

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [InWidth:0] x;
      x = InSigned ? (InWidth+1)'(signed'(x_q[l*InWidth+:InWidth])) : (InWidth+1)'(x_q[l*InWidth+:InWidth]);
      product_d[l] = ProductWidth'(x) * ProductWidth'(a_now_q);
    end
  end

  always_ff @(posedge clk) begin
    if (push) tokens[write_address] <= s_data;
    if (enable) begin
      valid_q <= {valid_q[Steps-2:0], fire};
      bank_q <= {bank_q[1:0], from_q};
      end_q <= {end_q[Steps-2:0], bank_end};
      beats_q <= {beats_q[Steps-2:0], beat_q};
      last_q <= {last_q[Steps-2:2], last};
      address_q <= (bank_q[1] ? Bank1 : '0) + AddressBits'(source) + AddressBits'(beats_q[1]);
      a_q <= '{coefficient, a_q[0]};
      read_q <= tokens[address_q];
      x_q <= read_q;
      a_now_q <= a_q[1];
      product_q <= product_d;
    end
    if (push) begin
      word_q <= write_end ? '0 : word_q + 1'b1;
      if (write_end) begin
        to_q <= !to_q;
        busy_q[to_q] <= 1'b1;
        full_q[to_q] <= 1'b1;
      end
    end
    if (fire) begin
      beat_q <= final_beat ? '0 : beat_q + 1'b1;
      if (final_beat) row_q <= final_row ? '0 : row_q + 1'b1;
    end
    if (bank_end) begin
      from_q <= !from_q;
      full_q[from_q] <= 1'b0;
    end
    if (release_bank) busy_q[bank_q[2]] <= 1'b0;
    if (rst) begin
      to_q <= 1'b0;
      from_q <= 1'b0;
      busy_q <= '0;
      full_q <= '0;
      word_q <= '0;
      row_q <= '0;
      beat_q <= '0;
      valid_q <= '0;
    end
  end

  // Sums, one for each beat of a token; a node's last row makes them results.
  logic fresh_q, sum_valid_q, sum_last_q;
  logic signed [Lanes-1:0][AccWidth-1:0] sums[2**BeatBits];
  logic signed [Lanes-1:0][AccWidth-1:0] old, sum_q, sum_d;
  wire logic [BeatBits-1:0] beat = beats_q[Steps-1];
  always_comb begin
    old = sums[beat];
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [AccWidth-1:0] so_far;
      so_far = fresh_q ? '0 : old[l];
      sum_d[l] = so_far + AccWidth'(product_q[l]);
    end
  end
  always_ff @(posedge clk) begin
    if (enable) begin
      sum_q <= sum_d;
      sum_valid_q <= valid_q[Steps-1] && last_q[Steps-1];
      sum_last_q <= end_q[Steps-1];
      if (valid_q[Steps-1]) begin
        sums[beat] <= sum_d;
        if (beat == BeatBits'(Beats - 1)) fresh_q <= last_q[Steps-1];
      end
    end
    if (rst) begin
      sum_valid_q <= 1'b0;
      fresh_q <= 1'b1;
    end
  end

  logic [Lanes*OutWidth-1:0] out;
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    round_saturate #(
        .InWidth(AccWidth), .InSigned(1'b1), .Shift(Shift), .OutWidth(OutWidth), .OutSigned(OutSigned)
    ) u_saturate (.x(sum_q[l]), .y(out[l*OutWidth+:OutWidth]));
  end
  // The slice's ready is a register, so it may enable the whole pipeline.
  stream_skid #(.Width(Lanes * OutWidth)) u_skid (
      .clk, .rst, .s_data(out), .s_valid(sum_valid_q), .s_last(sum_last_q), .s_ready(enable),
      .m_data, .m_valid, .m_last, .m_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_NEVER(length, push && s_last != write_end, "the sequence has not Nodes tokens")
  `CHECK_NEVER(last_row, enable && valid_q[1] && end_q[1] && !last, "the final row is not the last of its node")
endmodule

`default_nettype wire
