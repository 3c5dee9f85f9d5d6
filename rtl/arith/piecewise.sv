// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Piecewise-linear function by a loaded table: `y = sat((slope[i]*x + offset[i]) >>> Shift)` in segment
/// `i = #{j >= 1 : knot[j] <= x}`; an offset already contains the half that rounds to nearest.
///
/// The segment is found by binary search, two levels per step; every level has a small memory of its own. `bank` comes
/// with each beat. A pipeline of `ceil(log2(Segments) / 2) + 2` steps without a handshake of its own.
module piecewise #(
    /// Values per beat.
    parameter int unsigned Lanes       = 2,
    /// Tables.
    parameter int unsigned Banks       = 1,
    /// Segments of a table, a power of two.
    parameter int unsigned Segments    = 32,
    /// Bits of x, at most 32.
    parameter int unsigned InWidth     = 10,
    /// x is two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of a slope, two's complement.
    parameter int unsigned SlopeWidth  = 14,
    /// Bits of an offset, two's complement.
    parameter int unsigned OffsetWidth = 20,
    /// Bits of slope * x + offset, two's complement.
    parameter int unsigned SumWidth    = 25,
    /// Right shift, 0 and up.
    parameter int unsigned Shift       = 12,
    /// Bits of y.
    parameter int unsigned OutWidth    = 8,
    /// y is two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Bits of the side band.
    parameter int unsigned UserWidth   = 1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load        = 32,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits   = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high; forgets the load
    input  wire logic                      enable,   ///< every register of the pipeline moves
    output      logic                      loaded,   ///< the tables are complete
    input  wire logic [Lanes*InWidth-1:0]  s_data,
    input  wire logic [BankBits-1:0]       s_bank,   ///< table of this beat, below Banks
    input  wire logic [UserWidth-1:0]      s_user,
    input  wire logic                      s_valid,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic [UserWidth-1:0]      m_user,
    output      logic                      m_valid,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: per bank and segment {offset, slope, knot}
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned Levels = $clog2(Segments);
  localparam int unsigned Steps = (Levels + 1) / 2;
  localparam int unsigned IndexBits = Levels > 0 ? Levels : 1;
  localparam int unsigned Rows = Banks * Segments;
  localparam int unsigned RowBits = Rows > 1 ? $clog2(Rows) : 1;
  localparam int unsigned LineWidth = SlopeWidth + OffsetWidth;
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  `CHECK_PARAMETER(power_of_two, Segments == 1 << Levels, "Segments is a power of two")

  logic write;
  logic [RowBits-1:0] row;
  logic [LineWidth+InWidth-1:0] row_data;
  load_rows #(
      .Rows (Rows),
      .Width(LineWidth + InWidth),
      .Load (Load)
  ) u_load (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data, .x_valid, .x_last, .x_ready,
      .loaded, .write, .row, .data(row_data)
  );
  wire logic signed [XWidth-1:0] row_knot =
      InSigned ? XWidth'(signed'(row_data[InWidth-1:0])) : XWidth'(row_data[InWidth-1:0]);

  // Level k asks in which half of 2**(Levels-k) segments x lies; its knots are numbers (2j + 1) * 2**(Levels-1-k).
  for (genvar k = 0; k < Levels; k++) begin : gen_level
    localparam int unsigned Below = Levels - k;
    localparam int unsigned AddressBits = (Banks << k) > 1 ? $clog2(Banks << k) : 1;
    logic signed [XWidth-1:0] knots[Banks<<k];
    wire logic mine = row[Below-1:0] == Below'(1 << (Below - 1));
    always_ff @(posedge clk) if (write && mine) knots[AddressBits'(row>>Below)] <= row_knot;
  end

  // Binary search, two levels per step.
  logic signed [XWidth-1:0] x_in[Lanes], x_found[Lanes];
  logic [IndexBits-1:0] index_found[Lanes];
  logic [BankBits-1:0] bank_found;
  logic [UserWidth-1:0] user_found;
  logic valid_found;
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      x_in[l] = InSigned ? XWidth'(signed'(s_data[l*InWidth+:InWidth])) : XWidth'(s_data[l*InWidth+:InWidth]);
    end
  end

  for (genvar s = 0; s < Steps; s++) begin : gen_step
    localparam int unsigned Upper = 2 * s;
    localparam int unsigned Lower = 2 * s + 1 < Levels ? 2 * s + 1 : 2 * s;
    localparam int unsigned UpperBits = (Banks << Upper) > 1 ? $clog2(Banks << Upper) : 1;
    localparam int unsigned LowerBits = (Banks << Lower) > 1 ? $clog2(Banks << Lower) : 1;
    logic signed [XWidth-1:0] x[Lanes], x_q[Lanes];
    logic [IndexBits-1:0] index[Lanes], index_d[Lanes], index_q[Lanes];
    logic [BankBits-1:0] bank, bank_q;
    logic [UserWidth-1:0] user, user_q;
    logic valid, valid_q;
    if (s == 0) begin : gen_first
      assign x = x_in;
      assign bank = s_bank;
      assign user = s_user;
      assign valid = s_valid;
      always_comb for (int unsigned l = 0; l < Lanes; l++) index[l] = '0;
    end else begin : gen_next
      assign x = gen_step[s-1].x_q;
      assign bank = gen_step[s-1].bank_q;
      assign user = gen_step[s-1].user_q;
      assign valid = gen_step[s-1].valid_q;
      assign index = gen_step[s-1].index_q;
    end
    wire logic [UpperBits-1:0] upper = UpperBits'(32'(bank) << Upper);
    wire logic [LowerBits-1:0] lower = LowerBits'(32'(bank) << Lower);
    always_comb begin
      for (int unsigned l = 0; l < Lanes; l++) begin
        logic [IndexBits-1:0] found;
        found = IndexBits'({index[l], x[l] >= gen_level[Upper].knots[upper|UpperBits'(index[l])]});
        if (Lower > Upper) found = IndexBits'({found, x[l] >= gen_level[Lower].knots[lower|LowerBits'(found)]});
        index_d[l] = found;
      end
    end
    always_ff @(posedge clk) begin
      if (enable) begin
        x_q <= x;
        index_q <= index_d;
        bank_q <= bank;
        user_q <= user;
        valid_q <= valid;
      end
      if (rst) valid_q <= 1'b0;
    end
  end

  if (Steps > 0) begin : gen_searched
    assign x_found = gen_step[Steps-1].x_q;
    assign index_found = gen_step[Steps-1].index_q;
    assign bank_found = gen_step[Steps-1].bank_q;
    assign user_found = gen_step[Steps-1].user_q;
    assign valid_found = gen_step[Steps-1].valid_q;
  end else begin : gen_one_segment
    assign x_found = x_in;
    assign bank_found = s_bank;
    assign user_found = s_user;
    assign valid_found = s_valid;
    wire logic unused_knot = &row_knot;
    always_comb for (int unsigned l = 0; l < Lanes; l++) index_found[l] = '0;
  end

  // The line of the segment, then the line at x.
  logic [LineWidth-1:0] lines[Rows];
  logic [LineWidth-1:0] line_q[Lanes], line_d[Lanes];
  logic signed [XWidth-1:0] x_q[Lanes];
  logic signed [SumWidth-1:0] sum_q[Lanes], sum_d[Lanes];
  logic [UserWidth-1:0] line_user_q, sum_user_q;
  logic line_valid_q, sum_valid_q;
  wire logic [RowBits-1:0] first_line = RowBits'(32'(bank_found) << Levels);
  always_ff @(posedge clk) if (write) lines[row] <= row_data[InWidth+:LineWidth];
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [SlopeWidth-1:0] slope;
      logic signed [OffsetWidth-1:0] offset;
      line_d[l] = lines[first_line|RowBits'(index_found[l])];
      {offset, slope} = line_q[l];
      sum_d[l] = SumWidth'(slope) * SumWidth'(x_q[l]) + SumWidth'(offset);
    end
  end
  always_ff @(posedge clk) begin
    if (enable) begin
      line_q <= line_d;
      x_q <= x_found;
      line_user_q <= user_found;
      line_valid_q <= valid_found;
      sum_q <= sum_d;
      sum_user_q <= line_user_q;
      sum_valid_q <= line_valid_q;
    end
    if (rst) begin
      line_valid_q <= 1'b0;
      sum_valid_q <= 1'b0;
    end
  end

  assign m_user  = sum_user_q;
  assign m_valid = sum_valid_q;
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    wire logic signed [SumWidth-1:0] shifted = sum_q[l] >>> Shift;
    round_saturate #(
        .InWidth(SumWidth), .InSigned(1'b1), .Shift(0), .OutWidth(OutWidth), .OutSigned(OutSigned)
    ) u_saturate (.x(shifted), .y(m_data[l*OutWidth+:OutWidth]));
  end
endmodule

`default_nettype wire
