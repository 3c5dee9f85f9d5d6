// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Element-wise part of a recurrent layer: what comes in are a step's preactivations in two parts, `u` of the input and
/// `v` of the last hidden vector, a beat per gate of `Lanes` units; what goes out is the new hidden vector.
///
/// LSTM, gates in the order i, g, f, o: `c' = f c + i g`, `h = o tanh(c')` with `a = S(u + v)`, `g = tanh(a)`, others
/// `sigmoid(a)`. GRU, gates r, z, n: `n = tanh(S(u + r v))`, `h' = n + z (h - n)`, others `sigmoid(S(u + v))`.
/// S and every assignment to a state, an argument of tanh or an output round half up and saturate. The state (c or h') of
/// all units is kept here; it counts as zero for the first step of a sequence. A pipeline without a handshake of its own.
module recurrent_cell #(
    /// GRU; else LSTM.
    parameter bit          Gru         = 1'b0,
    /// Units, a multiple of Lanes.
    parameter int unsigned Hidden      = 8,
    /// Units per beat.
    parameter int unsigned Lanes       = 2,
    /// Bits of u.
    parameter int unsigned InWidth     = 8,
    /// u is two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of v, two's complement.
    parameter int unsigned SumWidth    = 10,
    /// Bits of a, two's complement.
    parameter int unsigned GateWidth   = 8,
    /// Right shift from u + v to a; negative shifts left.
    parameter int          GateShift   = 0,
    /// Segments of a gate's tables, see piecewise.
    parameter int unsigned GateSegments = 16,
    /// Bits of a slope, an offset and a line of these.
    parameter int unsigned GateSlope   = 14,
    parameter int unsigned GateOffset  = 20,
    parameter int unsigned GateLine    = 25,
    /// Right shift of a line.
    parameter int unsigned GateRight   = 12,
    /// Bits of a gate and of tanh, two's complement.
    parameter int unsigned ActWidth    = 9,
    /// Fraction bits of these.
    parameter int unsigned ActFrac     = 8,
    /// Bits of the state, two's complement.
    parameter int unsigned StateWidth  = 16,
    /// Fraction bits that the state lacks to the finer one of state and gate, and that a gate lacks.
    parameter int unsigned StateAlign  = 0,
    parameter int unsigned ActAlign    = 5,
    /// Right shifts to the state, from there (LSTM) or from u + r v (GRU) to the argument of tanh, and to the output.
    parameter int          StateShift  = 8,
    parameter int          ArgumentShift = 4,
    parameter int          OutShift    = 9,
    /// Bits of the argument of tanh, two's complement.
    parameter int unsigned ArgumentWidth = 8,
    /// Its table, as above.
    parameter int unsigned TanhSegments = 16,
    parameter int unsigned TanhSlope   = 14,
    parameter int unsigned TanhOffset  = 20,
    parameter int unsigned TanhLine    = 25,
    parameter int unsigned TanhRight   = 12,
    /// Bits of an output, two's complement.
    parameter int unsigned OutWidth    = 8,
    /// Bits of the load chain, a multiple of 32.
    parameter int unsigned Load        = 32
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high; forgets state and load
    input  wire logic                      enable,   ///< every register of the pipeline moves
    output      logic                      loaded,   ///< the tables are complete
    input  wire logic [Lanes*InWidth-1:0]  s_input,  ///< u: per block of units a beat of each gate
    input  wire logic [Lanes*SumWidth-1:0] s_hidden, ///< v
    input  wire logic                      s_last,   ///< this step is the last of its sequence
    input  wire logic                      s_valid,
    output      logic [Lanes*OutWidth-1:0] m_data,   ///< a beat per block of units
    output      logic                      m_last,   ///< this step is the last of its sequence
    output      logic                      m_valid,
    input  wire logic [Load-1:0]           w_data,   ///< load chain in: tables of the gates, of the other tanh
    input  wire logic                      w_valid,
    input  wire logic                      w_last,
    output      logic                      w_ready,
    output      logic [Load-1:0]           x_data,   ///< load chain out
    output      logic                      x_valid,
    output      logic                      x_last,
    input  wire logic                      x_ready
);
  localparam int unsigned Gates = Gru ? 3 : 4;
  localparam int unsigned Blocks = Hidden / Lanes;
  localparam int unsigned BlockBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned XWidth = InWidth + (InSigned ? 0 : 1);
  localparam int unsigned PreWidth = (XWidth > SumWidth ? XWidth : SumWidth) + 1;
  // Preactivations of the candidate go round the table of r on the side.
  localparam int unsigned SideWidth = Gru ? Lanes * (XWidth + SumWidth) : 1;
  localparam int unsigned GateUser = SideWidth + 3;
  localparam int unsigned TanhUser = Lanes * ActWidth + 1;
  localparam logic [1:0] Final = 2'(Gates - 1);
  `CHECK_PARAMETER(lanes_divide, Hidden % Lanes == 0, "Lanes must divide Hidden")

  // The sum of both parts, then the gate's argument.
  logic [1:0] gate_q, sum_gate_q, arg_gate_q;
  logic sum_valid_q, arg_valid_q, sum_last_q, arg_last_q;
  logic [SideWidth-1:0] side, sum_side_q, arg_side_q;
  logic [Lanes*PreWidth-1:0] sum_q, sum_d;
  logic [Lanes*GateWidth-1:0] arg_q, arg_d;
  for (genvar l = 0; l < Lanes; l++) begin : gen_argument
    wire logic signed [XWidth-1:0] u =
        InSigned ? XWidth'(signed'(s_input[l*InWidth+:InWidth])) : XWidth'(s_input[l*InWidth+:InWidth]);
    wire logic signed [SumWidth-1:0] v = s_hidden[l*SumWidth+:SumWidth];
    assign sum_d[l*PreWidth+:PreWidth] = PreWidth'(u) + PreWidth'(v);
    round_saturate #(.InWidth(PreWidth), .Shift(GateShift), .OutWidth(GateWidth)) u_round (
        .x(sum_q[l*PreWidth+:PreWidth]), .y(arg_d[l*GateWidth+:GateWidth]));
    if (Gru) begin : gen_side
      assign side[l*(XWidth+SumWidth)+:XWidth+SumWidth] = {v, u};
    end
  end
  always_ff @(posedge clk) begin
    if (enable) begin
      if (s_valid) gate_q <= gate_q == Final ? '0 : gate_q + 1'b1;
      sum_q <= sum_d;
      arg_q <= arg_d;
      {sum_last_q, sum_gate_q, sum_side_q} <= {s_last, gate_q, side};
      {arg_last_q, arg_gate_q, arg_side_q} <= {sum_last_q, sum_gate_q, sum_side_q};
      {sum_valid_q, arg_valid_q} <= {s_valid, sum_valid_q};
    end
    if (rst) {gate_q, sum_valid_q, arg_valid_q} <= '0;
  end

  // The gate: bank 0 is the sigmoid, bank 1 the tanh of g.
  logic [Lanes*ActWidth-1:0] act;
  logic [1:0] gate;
  logic act_valid, act_last, gates_loaded;
  logic [SideWidth-1:0] act_side;
  logic [Load-1:0] y_data;
  logic y_valid, y_last, y_ready;
  piecewise #(
      .Lanes(Lanes), .Banks(Gru ? 1 : 2), .Segments(GateSegments), .InWidth(GateWidth), .SlopeWidth(GateSlope),
      .OffsetWidth(GateOffset), .SumWidth(GateLine), .Shift(GateRight), .OutWidth(ActWidth), .UserWidth(GateUser),
      .Load(Load)
  ) u_gates (
      .clk, .rst, .enable, .loaded(gates_loaded),
      .s_data(arg_q), .s_bank(!Gru && arg_gate_q == 2'd1), .s_user({arg_last_q, arg_gate_q, arg_side_q}),
      .s_valid(arg_valid_q), .m_data(act), .m_user({act_last, gate, act_side}), .m_valid(act_valid),
      .w_data, .w_valid, .w_last, .w_ready, .x_data(y_data), .x_valid(y_valid), .x_last(y_last), .x_ready(y_ready)
  );

  // The other tanh, with what is multiplied with it (o) or mixes it with the state (z) on the side.
  logic [Lanes*ArgumentWidth-1:0] squash;
  logic [Lanes*ActWidth-1:0] factor, squashed, beside;
  logic squash_valid, squash_last, squashed_valid, squashed_last, tanh_loaded;
  piecewise #(
      .Lanes(Lanes), .Segments(TanhSegments), .InWidth(ArgumentWidth), .SlopeWidth(TanhSlope),
      .OffsetWidth(TanhOffset), .SumWidth(TanhLine), .Shift(TanhRight), .OutWidth(ActWidth), .UserWidth(TanhUser),
      .Load(Load)
  ) u_tanh (
      .clk, .rst, .enable, .loaded(tanh_loaded),
      .s_data(squash), .s_bank(1'b0), .s_user({squash_last, factor}), .s_valid(squash_valid),
      .m_data(squashed), .m_user({squashed_last, beside}), .m_valid(squashed_valid),
      .w_data(y_data), .w_valid(y_valid), .w_last(y_last), .w_ready(y_ready),
      .x_data, .x_valid, .x_last, .x_ready
  );
  assign loaded = gates_loaded && tanh_loaded;

  // The state: read and written once per step and block; `fetch` is where it is used.
  logic [Lanes*StateWidth-1:0] memory[Blocks];
  logic [Lanes*StateWidth-1:0] state, stored;
  logic [BlockBits-1:0] fetch_q, store_q;
  logic fetch, fetch_last, keep, first_q;
  assign state = first_q ? '0 : memory[fetch_q];
  always_ff @(posedge clk) begin
    if (enable && fetch) begin
      fetch_q <= fetch_q == BlockBits'(Blocks - 1) ? '0 : fetch_q + 1'b1;
      if (fetch_q == BlockBits'(Blocks - 1)) first_q <= fetch_last;
    end
    if (enable && keep) begin
      memory[store_q] <= stored;
      store_q <= store_q == BlockBits'(Blocks - 1) ? '0 : store_q + 1'b1;
    end
    if (rst) {fetch_q, store_q, first_q} <= {BlockBits'(0), BlockBits'(0), 1'b1};
  end

  if (Gru) begin : gen_gru
    localparam int unsigned MixWidth = ActWidth + SumWidth > XWidth + ActFrac ? ActWidth + SumWidth : XWidth + ActFrac;
    localparam int unsigned WideState = StateWidth + StateAlign;
    localparam int unsigned WideAct = ActWidth + ActAlign;
    localparam int unsigned DiffWidth = (WideState > WideAct ? WideState : WideAct) + 1;
    localparam int unsigned BlendWidth = ActWidth + DiffWidth + 1;
    logic [Lanes*ActWidth-1:0] reset_q, update_q, mixed_q, kept_q, new_q, scaled_q;
    logic product_valid_q, product_last_q, mix_valid_q, mix_last_q;
    logic diff_valid_q, diff_last_q, scaled_valid_q, scaled_last_q, state_valid_q, state_last_q;
    logic [Lanes*StateWidth-1:0] state_q;
    assign squash_valid = mix_valid_q;
    assign squash_last = mix_last_q;
    assign factor = mixed_q;
    assign fetch = squashed_valid;
    assign fetch_last = squashed_last;
    assign keep = scaled_valid_q;
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      // The argument u + r v of the candidate.
      wire logic signed [XWidth-1:0] u = act_side[l*(XWidth+SumWidth)+:XWidth];
      wire logic signed [SumWidth-1:0] v = act_side[l*(XWidth+SumWidth)+XWidth+:SumWidth];
      wire logic signed [ActWidth-1:0] r = reset_q[l*ActWidth+:ActWidth];
      logic signed [ActWidth+SumWidth-1:0] product_q;
      logic signed [XWidth-1:0] u_q;
      logic signed [MixWidth:0] mix_q;
      // The candidate n blended with the state.
      wire logic signed [ActWidth-1:0] n = squashed[l*ActWidth+:ActWidth];
      wire logic signed [StateWidth-1:0] h = state[l*StateWidth+:StateWidth];
      wire logic signed [ActWidth-1:0] z = kept_q[l*ActWidth+:ActWidth];
      wire logic signed [ActWidth-1:0] scaled = scaled_q[l*ActWidth+:ActWidth];
      logic signed [DiffWidth-1:0] diff_q;
      logic signed [ActWidth+DiffWidth-1:0] blend_q;
      wire logic signed [BlendWidth-1:0] blended =
          BlendWidth'(blend_q) + (BlendWidth'(scaled) <<< (ActAlign + ActFrac));
      always_ff @(posedge clk) begin
        if (enable) begin
          product_q <= (ActWidth + SumWidth)'(r) * (ActWidth + SumWidth)'(v);
          u_q <= u;
          mix_q <= (MixWidth + 1)'(product_q) + ((MixWidth + 1)'(u_q) <<< ActFrac);
          diff_q <= (DiffWidth'(h) <<< StateAlign) - (DiffWidth'(n) <<< ActAlign);
          blend_q <= (ActWidth + DiffWidth)'(z) * (ActWidth + DiffWidth)'(diff_q);
        end
      end
      round_saturate #(.InWidth(MixWidth + 1), .Shift(ArgumentShift), .OutWidth(ArgumentWidth)) u_argument (
          .x(mix_q), .y(squash[l*ArgumentWidth+:ArgumentWidth]));
      round_saturate #(.InWidth(BlendWidth), .Shift(StateShift), .OutWidth(StateWidth)) u_state (
          .x(blended), .y(stored[l*StateWidth+:StateWidth]));
      round_saturate #(.InWidth(StateWidth), .Shift(OutShift), .OutWidth(OutWidth)) u_out (
          .x(state_q[l*StateWidth+:StateWidth]), .y(m_data[l*OutWidth+:OutWidth]));
    end
    always_ff @(posedge clk) begin
      if (enable) begin
        if (act_valid && gate == 2'd0) reset_q <= act;
        if (act_valid && gate == 2'd1) update_q <= act;
        {product_valid_q, product_last_q} <= {act_valid && gate == Final, act_last};
        {mix_valid_q, mix_last_q, mixed_q} <= {product_valid_q, product_last_q, update_q};
        {diff_valid_q, diff_last_q, kept_q, new_q} <= {squashed_valid, squashed_last, beside, squashed};
        {scaled_valid_q, scaled_last_q, scaled_q} <= {diff_valid_q, diff_last_q, new_q};
        {state_valid_q, state_last_q, state_q} <= {scaled_valid_q, scaled_last_q, stored};
      end
      if (rst) {product_valid_q, mix_valid_q, diff_valid_q, scaled_valid_q, state_valid_q} <= '0;
    end
    assign m_valid = state_valid_q;
    assign m_last  = state_last_q;
  end else begin : gen_lstm
    localparam int unsigned OtherWidth = ActWidth > StateWidth ? ActWidth : StateWidth;
    localparam int unsigned ProductWidth = ActWidth + OtherWidth;
    localparam int unsigned WideWidth = ProductWidth + (StateAlign > ActAlign ? StateAlign : ActAlign) + 1;
    logic [Lanes*ActWidth-1:0] input_q, act_q, output_q;
    logic [Lanes*StateWidth-1:0] cell_q;
    logic [1:0] product_gate_q;
    logic product_valid_q, product_last_q, squash_valid_q, squash_last_q, out_valid_q, out_last_q;
    assign fetch = act_valid && gate == 2'd2;
    assign fetch_last = act_last;
    assign keep = product_valid_q && product_gate_q == 2'd2;
    assign squash_valid = squash_valid_q;
    assign squash_last = squash_last_q;
    assign factor = output_q;
    assign side = 1'b0;
    wire logic unused_side = act_side;
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      // One multiplier for i g and f c, which come in successive beats.
      wire logic signed [ActWidth-1:0] a = act[l*ActWidth+:ActWidth];
      wire logic signed [ActWidth-1:0] i = input_q[l*ActWidth+:ActWidth];
      wire logic signed [StateWidth-1:0] c = state[l*StateWidth+:StateWidth];
      wire logic signed [OtherWidth-1:0] other = gate == 2'd2 ? OtherWidth'(c) : OtherWidth'(i);
      logic signed [ProductWidth-1:0] product_q, fresh_q;
      wire logic signed [WideWidth-1:0] total =
          (WideWidth'(product_q) <<< StateAlign) + (WideWidth'(fresh_q) <<< ActAlign);
      wire logic signed [ActWidth-1:0] t = squashed[l*ActWidth+:ActWidth];
      wire logic signed [ActWidth-1:0] o = beside[l*ActWidth+:ActWidth];
      logic signed [2*ActWidth-1:0] hidden_q;
      always_ff @(posedge clk) begin
        if (enable) begin
          product_q <= ProductWidth'(a) * ProductWidth'(other);
          if (product_valid_q && product_gate_q == 2'd1) fresh_q <= product_q;
          hidden_q <= (2 * ActWidth)'(o) * (2 * ActWidth)'(t);
        end
      end

      round_saturate #(.InWidth(WideWidth), .Shift(StateShift), .OutWidth(StateWidth)) u_state (
          .x(total), .y(stored[l*StateWidth+:StateWidth]));
      round_saturate #(.InWidth(StateWidth), .Shift(ArgumentShift), .OutWidth(ArgumentWidth)) u_argument (
          .x(cell_q[l*StateWidth+:StateWidth]), .y(squash[l*ArgumentWidth+:ArgumentWidth]));
      round_saturate #(.InWidth(2 * ActWidth), .Shift(OutShift), .OutWidth(OutWidth)) u_out (
          .x(hidden_q), .y(m_data[l*OutWidth+:OutWidth]));
    end
    always_ff @(posedge clk) begin
      if (enable) begin
        if (act_valid && gate == 2'd0) input_q <= act;
        act_q <= act;
        output_q <= act_q;
        if (keep) cell_q <= stored;
        {product_valid_q, product_last_q, product_gate_q} <= {act_valid, act_last, gate};
        {squash_valid_q, squash_last_q} <= {product_valid_q && product_gate_q == Final, product_last_q};
        {out_valid_q, out_last_q} <= {squashed_valid, squashed_last};
      end
      if (rst) {product_valid_q, squash_valid_q, out_valid_q} <= '0;
    end
    assign m_valid = out_valid_q;
    assign m_last  = out_last_q;
  end
endmodule

`default_nettype wire
