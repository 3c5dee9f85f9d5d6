// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Scores of a row to unnormalised softmax weights: `e = 2**16 * 2**-((max - score) * scale)`, see exp2.
///
/// Rows are gathered with their maxima in one of two buffers while the other one is sent, so a row of k scores takes k
/// cycles. `u = round((max - score) * scale >> shift)` saturates. A score that comes with `s_empty` stands for a row
/// without any and has weight 0. `Rows` rows of one length come in turn, score by score, and leave one after another,
/// each of them `Times` times.
module softmax_weights #(
    /// Most scores of a row.
    parameter int unsigned Top        = 8,
    /// Rows that come side by side.
    parameter int unsigned Rows       = 1,
    /// How often a row is sent.
    parameter int unsigned Times      = 1,
    /// Bits of a score, two's complement.
    parameter int unsigned ScoreWidth = 20,
    /// Bits of the scale, unsigned.
    parameter int unsigned ScaleWidth = 16,
    /// Right shift of every row, 1 and up.
    parameter int unsigned ShiftMin   = 8,
    /// Bits of the extra right shift; 0 for none.
    parameter int unsigned ShiftBits  = 0,
    /// Bits of the side band.
    parameter int unsigned UserWidth  = 1,
    /// Bits of the port of the extra shift; not to be set.
    localparam int unsigned ShiftPort = ShiftBits > 0 ? ShiftBits : 1
) (
    input  wire logic                  clk,
    input  wire logic                  rst,      ///< synchronous, active high
    input  wire logic [ScoreWidth-1:0] s_data,
    input  wire logic                  s_empty,
    input  wire logic [UserWidth-1:0]  s_user,
    input  wire logic [ScaleWidth-1:0] s_scale,  ///< read with the final score
    input  wire logic [ShiftPort-1:0]  s_shift,  ///< beyond ShiftMin; read with the final score
    input  wire logic                  s_valid,
    input  wire logic                  s_last,   ///< final score of the rows
    output      logic                  s_ready,
    output      logic [16:0]           m_data,
    output      logic [UserWidth-1:0]  m_user,
    output      logic                  m_valid,
    output      logic                  m_last,   ///< final weight of a row, each time
    input  wire logic                  m_ready
);
  localparam int unsigned PlaceBits = Top > 1 ? $clog2(Top) : 1;
  localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1;
  localparam int unsigned TimeBits = Times > 1 ? $clog2(Times) : 1;
  localparam logic [RowBits-1:0] FinalRow = RowBits'(Rows - 1);
  localparam logic [TimeBits-1:0] FinalTime = TimeBits'(Times - 1);
  localparam int unsigned EntryWidth = ScoreWidth + UserWidth + 1;
  localparam int unsigned ProductWidth = ScoreWidth + ScaleWidth;
  localparam int unsigned OctaveWidth = ProductWidth > 18 ? ProductWidth : 18;
  `CHECK_PARAMETER(positive, Top > 0 && Rows > 0 && Times > 0 && ShiftMin > 0,
                   "Top, Rows, Times and ShiftMin start at 1")

  logic [EntryWidth-1:0] buffer[2 * Rows << PlaceBits];
  logic [1:0] full_q;
  logic [1:0][Rows-1:0][ScoreWidth-1:0] peak_q;
  logic [PlaceBits-1:0] final_q[2];
  logic [ScaleWidth-1:0] scale_q[2];
  logic [ShiftPort-1:0] shift_q[2];

  // Write side.
  logic to_q, first_q;
  logic [PlaceBits-1:0] write_q;
  logic [RowBits-1:0] write_row_q;
  logic [Rows-1:0][ScoreWidth-1:0] high_q, high;
  wire logic push = s_valid && s_ready;
  wire logic write_token = write_row_q == FinalRow;
  assign s_ready = !full_q[to_q];
  always_comb begin
    high = high_q;
    if (first_q || signed'(s_data) > signed'(high_q[write_row_q])) high[write_row_q] = s_data;
  end

  // Read side.
  logic from_q, enable;
  logic [PlaceBits-1:0] read_q;
  logic [RowBits-1:0] read_row_q;
  logic [TimeBits-1:0] time_q;
  wire logic pop = full_q[from_q] && enable;
  wire logic pass_end = read_q == final_q[from_q];
  wire logic row_end = pass_end && time_q == FinalTime;
  wire logic rows_end = row_end && read_row_q == FinalRow;
  localparam int unsigned BufferBits = $clog2(2 * Rows << PlaceBits);
  wire logic [BufferBits-1:0] write_place = BufferBits'({write_row_q, to_q, write_q});
  wire logic [BufferBits-1:0] read_place = BufferBits'({read_row_q, from_q, read_q});
  wire logic [EntryWidth-1:0] entry = buffer[read_place];

  always_ff @(posedge clk) begin
    if (push) begin
      buffer[write_place] <= {s_user, s_empty, s_data};
      high_q <= high;
      write_row_q <= write_token ? '0 : write_row_q + 1'b1;
      if (write_token) begin
        write_q <= s_last ? '0 : write_q + 1'b1;
        first_q <= s_last;
      end
    end
    if (push && s_last) begin
      full_q[to_q] <= 1'b1;
      peak_q[to_q] <= high;
      final_q[to_q] <= write_q;
      scale_q[to_q] <= s_scale;
      shift_q[to_q] <= s_shift;
      to_q <= !to_q;
    end
    if (pop) begin
      read_q <= pass_end ? '0 : read_q + 1'b1;
      if (pass_end) time_q <= row_end ? '0 : time_q + 1'b1;
      if (row_end) read_row_q <= rows_end ? '0 : read_row_q + 1'b1;
    end
    if (pop && rows_end) begin
      full_q[from_q] <= 1'b0;
      from_q <= !from_q;
    end
    if (rst) begin
      full_q <= '0;
      to_q <= 1'b0;
      from_q <= 1'b0;
      write_q <= '0;
      write_row_q <= '0;
      read_q <= '0;
      read_row_q <= '0;
      time_q <= '0;
      first_q <= 1'b1;
    end
  end

  // Distance, product, octaves; then the exponential. Side band: {user, last, empty}.
  localparam int unsigned SideWidth = UserWidth + 2;
  logic [ScoreWidth-1:0] distance_q;
  logic [ScaleWidth-1:0] factor_q;
  logic [ShiftPort-1:0] extra_q, product_extra_q;
  logic [ProductWidth-1:0] product_q;
  logic [16:0] octaves_q;
  logic [2:0] live_q;
  logic [2:0][SideWidth-1:0] side_q;

  wire logic [OctaveWidth-1:0] octaves = OctaveWidth'(
      ((OctaveWidth'(product_q) >> (ShiftMin - 1) >> (ShiftBits > 0 ? product_extra_q : '0)) + 1'b1) >> 1);

  always_ff @(posedge clk) begin
    if (enable) begin
      distance_q <= peak_q[from_q][read_row_q] - entry[ScoreWidth-1:0];
      factor_q <= scale_q[from_q];
      extra_q <= shift_q[from_q];
      product_q <= ProductWidth'(distance_q) * ProductWidth'(factor_q);
      product_extra_q <= extra_q;
      octaves_q <= octaves[OctaveWidth-1:17] != '0 ? '1 : octaves[16:0];
      live_q <= {live_q[1:0], pop};
      side_q <= {side_q[1:0], {entry[EntryWidth-1:ScoreWidth+1], pass_end, entry[ScoreWidth]}};
    end
    if (rst) live_q <= '0;
  end

  logic [16:0] weight;
  logic [SideWidth-1:0] side;
  exp2 #(.UserWidth(SideWidth)) u_exp2 (
      .clk, .rst, .enable, .s_data(octaves_q), .s_user(side_q[2]), .s_valid(live_q[2]), .m_data(weight),
      .m_user(side), .m_valid
  );
  assign enable = m_ready || !m_valid;
  assign m_data = side[0] ? '0 : weight;
  assign {m_user, m_last} = side[SideWidth-1:1];

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_empty, s_user, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_user, m_data})
  `CHECK_NEVER(row_fits, push && write_token && !s_last && write_q == PlaceBits'(Top - 1),
               "a row has more than Top scores")
  `CHECK_NEVER(whole_rows, push && s_last && !write_token, "the rows differ in length")
endmodule

`default_nettype wire
