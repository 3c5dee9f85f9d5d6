// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Token number to vector: `y[t] = sat((table[min(id, Rows-1)] << TableShift) + (position[t] << PositionShift))`, t
/// counted from the start of the sequence; positions beyond the table use its last row. One beat per cycle.
module embedding #(
    /// Channels per beat.
    parameter int unsigned Lanes         = 4,
    /// Beats per token.
    parameter int unsigned Beats         = 4,
    /// Rows of the table, at most 2**InWidth.
    parameter int unsigned Rows          = 100,
    /// Positions; 0 for none.
    parameter int unsigned Positions     = 16,
    /// Bits of a token number, unsigned.
    parameter int unsigned InWidth       = 7,
    /// Bits of a table entry, two's complement.
    parameter int unsigned TableWidth    = 8,
    /// Left shift of a table entry.
    parameter int unsigned TableShift    = 2,
    /// Bits of a position entry, two's complement.
    parameter int unsigned PositionWidth = 8,
    /// Left shift of a position entry.
    parameter int unsigned PositionShift = 0,
    /// Bits of an output channel.
    parameter int unsigned OutWidth      = 12,
    /// Outputs are two's complement.
    parameter bit          OutSigned     = 1'b1,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load          = 32,
    /// Large tables are UltraRAM, see row_memory.
    parameter bit          Ultra         = 1'b0
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high; forgets the load
    input  wire logic [InWidth-1:0]        s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,   ///< on the final beat of a sequence
    output      logic                      s_ready,
    output      logic [Lanes*OutWidth-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: table, then positions, Beats rows per token
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned AddressBits = Rows * Beats > 1 ? $clog2(Rows * Beats) : 1;
  localparam int unsigned TableTop = TableWidth + TableShift;
  localparam int unsigned PositionTop = PositionWidth + PositionShift;
  localparam int unsigned SumWidth = (TableTop > PositionTop ? TableTop : PositionTop) + 1;
  `CHECK_PARAMETER(reachable, Rows > 0 && 64'(Rows) <= (64'd1 << InWidth), "Rows is 1 to 2**InWidth")

  logic [InWidth-1:0] id;
  if (64'(Rows) < (64'd1 << InWidth)) begin : gen_clamp
    localparam logic [InWidth-1:0] Final = InWidth'(Rows - 1);
    assign id = s_data > Final ? Final : s_data;
  end else begin : gen_every_number
    assign id = s_data;
  end

  // The token under way: its number is held for its beats.
  logic enable, table_loaded, positions_loaded, held_q, held_last_q;
  logic [InWidth-1:0] held_id_q;
  logic [BeatBits-1:0] beat_q;
  wire logic final_beat = beat_q == BeatBits'(Beats - 1);
  wire logic fire = held_q && enable;
  assign s_ready = enable && table_loaded && positions_loaded && (!held_q || final_beat);
  always_ff @(posedge clk) begin
    if (s_ready) begin
      held_q <= s_valid;
      held_id_q <= id;
      held_last_q <= s_last;
    end else if (fire && final_beat) begin
      held_q <= 1'b0;
    end
    if (fire) beat_q <= final_beat ? '0 : beat_q + 1'b1;
    if (rst) begin
      held_q <= 1'b0;
      beat_q <= '0;
    end
  end

  // First the row number, a product with a constant.
  logic [AddressBits-1:0] address_q;
  logic [3:0] valid_q, last_q;
  always_ff @(posedge clk) begin
    if (enable) begin
      address_q <= AddressBits'(32'(held_id_q) * Beats) + AddressBits'(beat_q);
      valid_q <= {valid_q[2:0], fire};
      last_q <= {last_q[2:0], held_last_q && final_beat};
    end
    if (rst) valid_q <= '0;
  end

  logic [Lanes*TableWidth-1:0] entry;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready;
  row_memory #(
      .Rows(Rows * Beats), .Width(Lanes * TableWidth), .Load(Load), .Ultra(Ultra)
  ) u_table (
      .clk, .rst, .enable, .address(address_q), .data(entry), .loaded(table_loaded),
      .w_data, .w_valid, .w_last, .w_ready, .x_data(y_data), .x_valid(y_valid), .x_last(y_last), .x_ready(y_ready)
  );

  logic [Lanes*PositionWidth-1:0] place;
  if (Positions > 0) begin : gen_positions
    localparam int unsigned PlaceBits = Positions * Beats > 1 ? $clog2(Positions * Beats) : 1;
    localparam logic [PlaceBits-1:0] Start = PlaceBits'((Positions - 1) * Beats);
    // The first row of the token's position, and the row that is read.
    logic [PlaceBits-1:0] first_q, place_q;
    always_ff @(posedge clk) begin
      if (fire && final_beat) first_q <= held_last_q ? '0 : first_q == Start ? Start : first_q + PlaceBits'(Beats);
      if (enable) place_q <= first_q + PlaceBits'(beat_q);
      if (rst) first_q <= '0;
    end
    row_memory #(
        .Rows(Positions * Beats), .Width(Lanes * PositionWidth), .Load(Load), .Ultra(Ultra)
    ) u_positions (
        .clk, .rst, .enable, .address(place_q), .data(place), .loaded(positions_loaded),
        .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready), .x_data, .x_valid, .x_last, .x_ready
    );
  end else begin : gen_no_positions
    assign place = '0;
    assign positions_loaded = 1'b1;
    assign x_data = y_data;
    assign x_valid = y_valid;
    assign x_last = y_last;
    assign y_ready = x_ready;
  end

  logic signed [SumWidth-1:0] sum_q[Lanes], sum_d[Lanes];
  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++) begin
      logic signed [TableWidth-1:0] a;
      logic signed [PositionWidth-1:0] b;
      a = entry[l*TableWidth+:TableWidth];
      b = place[l*PositionWidth+:PositionWidth];
      sum_d[l] = (SumWidth'(a) <<< TableShift) + (SumWidth'(b) <<< PositionShift);
    end
  end
  always_ff @(posedge clk) if (enable) sum_q <= sum_d;

  logic [Lanes*OutWidth-1:0] out;
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    round_saturate #(
        .InWidth(SumWidth), .InSigned(1'b1), .Shift(0), .OutWidth(OutWidth), .OutSigned(OutSigned)
    ) u_saturate (.x(sum_q[l]), .y(out[l*OutWidth+:OutWidth]));
  end
  // The slice's ready is a register, so it may enable the whole pipeline.
  stream_skid #(.Width(Lanes * OutWidth)) u_skid (
      .clk, .rst, .s_data(out), .s_valid(valid_q[3]), .s_last(last_q[3]), .s_ready(enable),
      .m_data, .m_valid, .m_last, .m_ready
  );

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
endmodule

`default_nettype wire
