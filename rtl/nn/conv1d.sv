// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Convolution over a sequence whose length is known only when `last` arrives: conv2d with one row.
module conv1d #(
    /// Channels per input beat; divides the channels of a group.
    parameter int unsigned Lanes       = 1,
    /// Input beats per token.
    parameter int unsigned Chunks      = 2,
    /// Kernel taps.
    parameter int unsigned Kernel      = 3,
    /// Tokens between positions.
    parameter int unsigned Stride      = 1,
    /// Tokens between taps.
    parameter int unsigned Dilation    = 1,
    /// Tokens added before the sequence.
    parameter int unsigned Left        = 0,
    /// Tokens added after the sequence.
    parameter int unsigned Right       = 0,
    /// The added tokens continue the sequence periodically; else they are zero.
    parameter bit          Circular    = 1'b0,
    /// Most tokens of a sequence (circular only).
    parameter int unsigned MaxTokens   = 64,
    /// Products per output channel: Kernel * channels of a group.
    parameter int unsigned In          = 6,
    /// Output channels per group, a multiple of Pe.
    parameter int unsigned Out         = 8,
    /// Groups of channels that do not mix; more than one needs Tokens = 1.
    parameter int unsigned Groups      = 1,
    /// Products per output and cycle; divides or is divided by Kernel * Lanes.
    parameter int unsigned Simd        = 3,
    /// Output channels per beat.
    parameter int unsigned Pe          = 2,
    /// Positions that share each weight read.
    parameter int unsigned Tokens      = 1,
    /// Bits of an input channel.
    parameter int unsigned InWidth     = 8,
    /// Inputs are two's complement.
    parameter bit          InSigned    = 1'b1,
    /// Bits of a weight, two's complement.
    parameter int unsigned WeightWidth = 8,
    /// Bits of an index into the codebook of weights, see linear.
    parameter int unsigned CodeBits    = 0,
    /// Weights of an entry of the codebook.
    parameter int unsigned CodeLength  = 1,
    /// Two outputs share a multiplier, see matrix.
    parameter bit          Pair        = 1'b0,
    /// Bits of the multiplier's wide port, see matrix.
    parameter int unsigned Port        = 27,
    /// Products without DSP blocks, see matrix.
    parameter bit          Fabric      = 1'b0,
    /// Bits of the plain accumulator.
    parameter int unsigned AccWidth    = 19,
    /// The accumulator is the output: no offset, shift or saturation.
    parameter bit          Plain       = 1'b0,
    /// Bits of an offset (bias plus rounding half).
    parameter int unsigned OffsetWidth = 19,
    /// Right shift of every channel; negative shifts left.
    parameter int          ShiftMin    = 4,
    /// Bits of the extra shift per channel.
    parameter int unsigned ShiftBits   = 0,
    /// Bits of an output channel.
    parameter int unsigned OutWidth    = 8,
    /// Outputs are two's complement.
    parameter bit          OutSigned   = 1'b1,
    /// Sets of constants, see linear.
    parameter int unsigned Banks       = 1,
    /// Bits of the load chain, see store.
    parameter int unsigned Load        = 32,
    /// Large weight memories are UltraRAM, see store.
    parameter bit          Ultra       = 1'b0,
    /// Bits of a bank number; not to be set.
    localparam int unsigned BankBits   = Banks > 1 ? $clog2(Banks) : 1
) (
    input  wire logic                     clk,
    input  wire logic                     rst,      ///< synchronous, active high
    input  wire logic [Lanes*InWidth-1:0] s_data,
    input  wire logic                     s_valid,
    input  wire logic                     s_last,
    output      logic                     s_ready,
    output      logic [Pe*OutWidth-1:0]   m_data,
    output      logic                     m_valid,
    output      logic                     m_last,
    input  wire logic                     m_ready,
    input  wire logic [BankBits-1:0]      b_data,   ///< bank of a sequence, see linear
    input  wire logic                     b_valid,
    output      logic                     b_ready,
    input  wire logic [Load-1:0]          w_data,   ///< load chain in, see linear
    input  wire logic                     w_valid,
    input  wire logic                     w_last,
    output      logic                     w_ready,
    output      logic [Load-1:0]          x_data,   ///< load chain out
    output      logic                     x_valid,
    output      logic                     x_last,
    input  wire logic                     x_ready
);
  conv2d #(
      .Height(1), .Width(0), .Lanes(Lanes), .Chunks(Chunks), .KernelH(1), .KernelW(Kernel), .StrideH(1),
      .StrideW(Stride), .DilationH(1), .DilationW(Dilation), .Top(0), .Left(Left), .Bottom(0), .Right(Right),
      .Circular(Circular), .MaxTokens(MaxTokens), .In(In), .Out(Out), .Groups(Groups), .Simd(Simd), .Pe(Pe),
      .Tokens(Tokens), .InWidth(InWidth), .InSigned(InSigned), .WeightWidth(WeightWidth),
      .CodeBits(CodeBits), .CodeLength(CodeLength), .Pair(Pair), .Port(Port), .Fabric(Fabric), .AccWidth(AccWidth),
      .Plain(Plain),
      .OffsetWidth(OffsetWidth), .ShiftMin(ShiftMin), .ShiftBits(ShiftBits), .OutWidth(OutWidth), .OutSigned(OutSigned), .Banks(Banks), .Load(Load), .Ultra(Ultra)
  ) u_conv2d (.*);
endmodule

`default_nettype wire
