// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Attention over the `Top` best keys of every query, chosen by low-bit scores: `Engines` heads at a time, see
/// attention_engine. Queries, keys and values of a token come at the same time; beat g carries the heads from
/// `g * Engines` on. Sequences of any length up to MaxTokens follow each other; while one is at work, the next ones are
/// taken into free slots. One bank of constants per sequence.
module top_k_attention #(
    /// Heads.
    parameter int unsigned Heads           = 2,
    /// Heads at a time; divides Heads.
    parameter int unsigned Engines         = 1,
    /// Channels of a head.
    parameter int unsigned Dim             = 4,
    /// Keys that the selector looks at per cycle, a power of two.
    parameter int unsigned Keys            = 2,
    /// Keys that are chosen, at most MaxTokens.
    parameter int unsigned Top             = 4,
    /// Bits of a selector code, 1 to 4.
    parameter int unsigned Bits            = 4,
    /// Query i sees keys 0 to i.
    parameter bit          Causal          = 1'b0,
    /// Tokens of the longest sequence.
    parameter int unsigned MaxTokens       = 8,
    /// Blocks of Keys token slots, 2 and up.
    parameter int unsigned Blocks          = 8,
    /// Channels normalised per cycle and engine; divides Dim.
    parameter int unsigned NormLanes       = 1,
    /// Bits of a channel of a query.
    parameter int unsigned QueryWidth      = 8,
    /// Queries are two's complement.
    parameter bit          QuerySigned     = 1'b1,
    /// Bits of a channel of a key.
    parameter int unsigned KeyWidth        = 8,
    /// Keys are two's complement.
    parameter bit          KeySigned       = 1'b1,
    /// Bits of a channel of a value.
    parameter int unsigned ValueWidth      = 8,
    /// Values are two's complement.
    parameter bit          ValueSigned     = 1'b1,
    /// Bits of a threshold of queries and of keys, unsigned.
    parameter int unsigned QueryLimitWidth = 8,
    parameter int unsigned KeyLimitWidth   = 8,
    /// Bits of the scale, unsigned, and the right shift behind it: least one, bits of what is added to it.
    parameter int unsigned ScaleWidth      = 16,
    parameter int unsigned OctaveShiftMin  = 8,
    parameter int unsigned OctaveShiftBits = 0,
    /// Right shift of the result behind 32: least one, bits of what is added to it.
    parameter int          ShiftMin        = 0,
    parameter int unsigned ShiftBits       = 0,
    /// Bits of a channel of the result.
    parameter int unsigned OutWidth        = 8,
    /// Results are two's complement.
    parameter bit          OutSigned       = 1'b1,
    /// Large memories are UltraRAM, see slot_memory.
    parameter bit          Ultra           = 1'b0,
    /// Banks of constants.
    parameter int unsigned Banks           = 1,
    /// Bits of the load chain, see store.
    parameter int unsigned Load            = 32,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits       = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                              clk,
    input  wire logic                              rst,      ///< synchronous, active high
    input  wire logic [Engines*Dim*QueryWidth-1:0] s0_data,  ///< queries
    input  wire logic                              s0_valid,
    input  wire logic                              s0_last,
    output      logic                              s0_ready,
    input  wire logic [Engines*Dim*KeyWidth-1:0]   s1_data,  ///< keys
    input  wire logic                              s1_valid,
    input  wire logic                              s1_last,
    output      logic                              s1_ready,
    input  wire logic [Engines*Dim*ValueWidth-1:0] s2_data,  ///< values
    input  wire logic                              s2_valid,
    input  wire logic                              s2_last,
    output      logic                              s2_ready,
    output      logic [Engines*Dim*OutWidth-1:0]   m_data,
    output      logic                              m_valid,
    output      logic                              m_last,
    input  wire logic                              m_ready,
    input  wire logic [BankBits-1:0]               b_data,   ///< bank of the next sequence
    input  wire logic                              b_valid,
    output      logic                              b_ready,
    input  wire logic [Load-1:0]                   w_data,   ///< load chain in: one row of constants per bank
    input  wire logic                              w_valid,
    input  wire logic                              w_last,
    output      logic                              w_ready,
    output      logic [Load-1:0]                   x_data,   ///< load chain out
    output      logic                              x_valid,
    output      logic                              x_last,
    input  wire logic                              x_ready
);
  // Inside everything is two's complement.
  localparam int unsigned QueryBits = QueryWidth + (QuerySigned ? 0 : 1);
  localparam int unsigned KeyBits = KeyWidth + (KeySigned ? 0 : 1);
  localparam int unsigned ValueBits = ValueWidth + (ValueSigned ? 0 : 1);
  localparam int unsigned Levels = (1 << (Bits - 1)) - 1;
  localparam int unsigned LimitBits = Levels > 0 ? Levels * (QueryLimitWidth + KeyLimitWidth) : 2;
  localparam int unsigned ConstantWidth = LimitBits + ScaleWidth + (OctaveShiftBits > 0 ? OctaveShiftBits : 1)
      + (ShiftBits > 0 ? ShiftBits : 1);
  `CHECK_PARAMETER(engines_divide, Heads % Engines == 0, "Engines must divide Heads")

  logic [ConstantWidth-1:0] constants;
  logic constants_valid, take, final_take;
  store #(
      .Depth(1), .Width(ConstantWidth), .Banks(Banks), .Load(Load)
  ) u_store (
      .clk, .rst, .w_data, .w_valid, .w_last, .w_ready, .x_data, .x_valid, .x_last, .x_ready, .b_data, .b_valid,
      .b_ready, .m_data(constants), .m_valid(constants_valid), .m_ready(final_take)
  );

  // The engines work in step, so the first one speaks for all.
  logic [Engines-1:0] engine_ready, engine_valid, engine_last;
  wire logic all_valid = s0_valid && s1_valid && s2_valid && constants_valid;
  assign take = all_valid && engine_ready[0];
  assign final_take = take && s0_last;
  assign s0_ready = s1_valid && s2_valid && constants_valid && engine_ready[0];
  assign s1_ready = s0_valid && s2_valid && constants_valid && engine_ready[0];
  assign s2_ready = s0_valid && s1_valid && constants_valid && engine_ready[0];
  assign m_valid = engine_valid[0];
  assign m_last = engine_last[0];

  for (genvar e = 0; e < Engines; e++) begin : gen_engine
    wire logic [Dim*QueryBits-1:0] query;
    wire logic [Dim*KeyBits-1:0] key;
    wire logic [Dim*ValueBits-1:0] value;
    for (genvar c = 0; c < Dim; c++) begin : gen_channel
      assign query[c*QueryBits+:QueryBits] = QuerySigned ? QueryBits'(signed'(s0_data[(e*Dim+c)*QueryWidth+:QueryWidth]))
                                                         : QueryBits'(s0_data[(e*Dim+c)*QueryWidth+:QueryWidth]);
      assign key[c*KeyBits+:KeyBits] = KeySigned ? KeyBits'(signed'(s1_data[(e*Dim+c)*KeyWidth+:KeyWidth]))
                                                 : KeyBits'(s1_data[(e*Dim+c)*KeyWidth+:KeyWidth]);
      assign value[c*ValueBits+:ValueBits] = ValueSigned ? ValueBits'(signed'(s2_data[(e*Dim+c)*ValueWidth+:ValueWidth]))
                                                         : ValueBits'(s2_data[(e*Dim+c)*ValueWidth+:ValueWidth]);
    end
    attention_engine #(
        .Groups(Heads / Engines), .Dim(Dim), .Keys(Keys), .Top(Top), .Bits(Bits), .Causal(Causal),
        .MaxTokens(MaxTokens), .Blocks(Blocks), .NormLanes(NormLanes), .QueryWidth(QueryBits), .KeyWidth(KeyBits),
        .ValueWidth(ValueBits), .QueryLimitWidth(QueryLimitWidth), .KeyLimitWidth(KeyLimitWidth),
        .ScaleWidth(ScaleWidth), .OctaveShiftMin(OctaveShiftMin), .OctaveShiftBits(OctaveShiftBits),
        .ShiftMin(ShiftMin), .ShiftBits(ShiftBits), .OutWidth(OutWidth), .OutSigned(OutSigned),
        .Ultra(Ultra)
    ) u_engine (
        .clk, .rst, .s_query(query), .s_key(key), .s_value(value), .s_constants(constants), .s_valid(all_valid),
        .s_last(s0_last), .s_ready(engine_ready[e]), .m_data(m_data[e*Dim*OutWidth+:Dim*OutWidth]),
        .m_valid(engine_valid[e]), .m_last(engine_last[e]), .m_ready
    );
  end

  `CHECK_STABLE(s0_stable, s0_valid, s0_ready, {s0_last, s0_data})
  `CHECK_STABLE(s1_stable, s1_valid, s1_ready, {s1_last, s1_data})
  `CHECK_STABLE(s2_stable, s2_valid, s2_ready, {s2_last, s2_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
  `CHECK_NEVER(last_agrees, take && !(s0_last == s1_last && s1_last == s2_last), "the sequences differ in length")
  `CHECK_NEVER(in_step, |(engine_ready ^ {Engines{engine_ready[0]}}) || |(engine_valid ^ {Engines{engine_valid[0]}}),
               "the engines are out of step")
  wire logic unused_engines = &{engine_ready, engine_valid, engine_last, s1_last, s2_last};
endmodule

`default_nettype wire
