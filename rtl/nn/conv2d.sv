// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Convolution over an image: padding, sliding window and a matrix unit that sees each position as one token.
/// The inputs of a group are ordered (chunk, ky, kx, lane); the weights must have the same order.
module conv2d #(
    /// Rows of the image; 1 for a sequence.
    parameter int unsigned Height      = 8,
    /// Tokens per row; 0 for a sequence that ends with `last`.
    parameter int unsigned Width       = 8,
    /// Channels per input beat; divides the channels of a group.
    parameter int unsigned Lanes       = 1,
    /// Input beats per token.
    parameter int unsigned Chunks      = 2,
    /// Kernel rows.
    parameter int unsigned KernelH     = 3,
    /// Kernel columns.
    parameter int unsigned KernelW     = 3,
    /// Rows between positions.
    parameter int unsigned StrideH     = 1,
    /// Tokens between positions.
    parameter int unsigned StrideW     = 1,
    /// Rows between taps.
    parameter int unsigned DilationH   = 1,
    /// Tokens between taps.
    parameter int unsigned DilationW   = 1,
    /// Rows added above.
    parameter int unsigned Top         = 0,
    /// Tokens added before each row.
    parameter int unsigned Left        = 0,
    /// Rows added below.
    parameter int unsigned Bottom      = 0,
    /// Tokens added after each row.
    parameter int unsigned Right       = 0,
    /// The added tokens continue the image periodically; else they are zero.
    parameter bit          Circular    = 1'b0,
    /// Most tokens of a sequence (circular and Width = 0 only).
    parameter int unsigned MaxTokens   = 64,
    /// Products per output channel: KernelH * KernelW * channels of a group.
    parameter int unsigned In          = 18,
    /// Output channels per group, a multiple of Pe.
    parameter int unsigned Out         = 8,
    /// Groups of channels that do not mix; more than one needs Tokens = 1.
    parameter int unsigned Groups      = 1,
    /// Products per output and cycle; divides or is divided by KernelH * KernelW * Lanes.
    parameter int unsigned Simd        = 9,
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
    parameter int unsigned AccWidth    = 21,
    /// The accumulator is the output: no offset, shift or saturation.
    parameter bit          Plain       = 1'b0,
    /// Bits of an offset (bias plus rounding half).
    parameter int unsigned OffsetWidth = 21,
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
  localparam int unsigned PatchLanes = KernelH * KernelW * Lanes;
  `CHECK_PARAMETER(shape, PatchLanes * Chunks == In * Groups, "In is KernelH * KernelW * channels per group")
  `CHECK_PARAMETER(whole_groups, In % PatchLanes == 0, "Lanes must divide the channels of a group")

  logic [PatchLanes*InWidth-1:0] patch_data;
  logic [Simd*InWidth-1:0] beat_data;
  logic patch_valid, patch_last, patch_ready, beat_valid, beat_last, beat_ready;

  patches #(
      .DataWidth(InWidth), .Lanes(Lanes), .Chunks(Chunks), .Height(Height), .Width(Width),
      .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW),
      .DilationH(DilationH), .DilationW(DilationW), .Top(Top), .Left(Left), .Bottom(Bottom),
      .Right(Right), .Circular(Circular), .MaxTokens(MaxTokens)
  ) u_patches (
      .clk, .rst, .s_data, .s_valid, .s_last, .s_ready,
      .m_data(patch_data), .m_valid(patch_valid), .m_last(patch_last), .m_ready(patch_ready)
  );

  stream_width #(.Width(InWidth), .InLanes(PatchLanes), .OutLanes(Simd)) u_width (
      .clk, .rst, .s_data(patch_data), .s_valid(patch_valid), .s_last(patch_last), .s_ready(patch_ready),
      .m_data(beat_data), .m_valid(beat_valid), .m_last(beat_last), .m_ready(beat_ready)
  );

  linear #(
      .In(In), .Out(Out), .Groups(Groups), .Simd(Simd), .Pe(Pe), .Tokens(Tokens), .InWidth(InWidth),
      .InSigned(InSigned), .WeightWidth(WeightWidth), .CodeBits(CodeBits), .CodeLength(CodeLength), .Pair(Pair),
      .Port(Port), .Fabric(Fabric), .AccWidth(AccWidth), .Plain(Plain), .OffsetWidth(OffsetWidth), .ShiftMin(ShiftMin),
      .ShiftBits(ShiftBits), .OutWidth(OutWidth), .OutSigned(OutSigned), .Banks(Banks), .Load(Load), .Ultra(Ultra)
  ) u_linear (
      .clk, .rst, .s_data(beat_data), .s_valid(beat_valid), .s_last(beat_last), .s_ready(beat_ready),
      .m_data, .m_valid, .m_last, .m_ready, .b_data, .b_valid, .b_ready, .w_data, .w_valid, .w_last, .w_ready,
      .x_data, .x_valid, .x_last, .x_ready
  );
endmodule

`default_nettype wire
