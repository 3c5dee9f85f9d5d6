// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Shell of a network beside a DMA, as on Zynq: `run_shell` between two AXI4-Streams, for a vendor's AXI DMA.
///
/// A run takes one packet, input or weights, and gives one with all results; packets that come earlier wait. Bytes of a
/// word count from byte 0 without holes, and only the final word of a packet may have fewer than all. A run without any
/// result sends one byte that means nothing, because such a DMA cannot end a packet with none.
module dma_shell #(
    /// Bits of a word: 32, 64, 128, 256 or 512.
    parameter int unsigned Width = 64,
    /// Bits of an input beat.
    parameter int unsigned InBits = 8,
    /// Beats of an input token.
    parameter int unsigned InBeats = 1,
    /// Bits of an output beat.
    parameter int unsigned OutBits = 8,
    /// Bits of a word of the load chain.
    parameter int unsigned Load = 32,
    /// Words of the load chain, 0 if there are no weights.
    parameter int unsigned LoadWords = 4,
    /// Bits of a tag, 1 to 8.
    parameter int unsigned TagBits = 6,
    /// Hash of the design.
    parameter logic [63:0] BuildId = '0
) (
    input  wire logic               clk,
    input  wire logic               rst,             ///< synchronous, active high
    input  wire logic [7:0]         s_awaddr,        ///< AXI4-Lite
    input  wire logic               s_awvalid,
    output      logic               s_awready,
    input  wire logic [31:0]        s_wdata,
    input  wire logic [3:0]         s_wstrb,
    input  wire logic               s_wvalid,
    output      logic               s_wready,
    output      logic [1:0]         s_bresp,
    output      logic               s_bvalid,
    input  wire logic               s_bready,
    input  wire logic [7:0]         s_araddr,
    input  wire logic               s_arvalid,
    output      logic               s_arready,
    output      logic [31:0]        s_rdata,
    output      logic [1:0]         s_rresp,
    output      logic               s_rvalid,
    input  wire logic               s_rready,
    output      logic               interrupt_line,  ///< the interrupt
    input  wire logic [Width-1:0]   i_tdata,         ///< AXI4-Stream of input and weights
    input  wire logic [Width/8-1:0] i_tkeep,
    input  wire logic               i_tvalid,
    input  wire logic               i_tlast,
    output      logic               i_tready,
    output      logic [Width-1:0]   o_tdata,         ///< AXI4-Stream of results
    output      logic [Width/8-1:0] o_tkeep,
    output      logic               o_tvalid,
    output      logic               o_tlast,
    input  wire logic               o_tready,
    output      logic               network_rst,     ///< reset of the network
    output      logic [InBits-1:0]  s_data,          ///< input of the network
    output      logic               s_keep,
    output      logic [TagBits-1:0] s_tag,
    output      logic               s_valid,
    output      logic               s_last,
    input  wire logic               s_ready,
    input  wire logic [OutBits-1:0] m_data,          ///< results of the network
    input  wire logic               m_valid,
    input  wire logic               m_last,
    output      logic               m_ready,
    output      logic [Load-1:0]    w_data,          ///< load chain of the network
    output      logic               w_valid,
    output      logic               w_last,
    input  wire logic               w_ready,
    input  wire logic [TagBits+1:0] e_data,          ///< malformed sequences: {cause, tag}
    input  wire logic               e_valid,
    output      logic               e_ready
);
  localparam int unsigned Bytes = Width / 8;
  localparam int unsigned CountBits = $clog2(Bytes + 1);

  logic soft_reset, start, loading;
  logic [63:0] unused_address[3];
  logic [31:0] unused_bytes[3];
  logic [CountBits-1:0] i_bytes, o_bytes;

  always_comb begin
    i_bytes = '0;
    for (int unsigned b = 0; b < Bytes; b++) i_bytes += CountBits'(i_tkeep[b]);
  end
  assign o_tkeep = o_bytes == '0 ? Bytes'(1) : ~({Bytes{1'b1}} << o_bytes);

  run_shell #(
      .WordBytes(Bytes),
      .InBits(InBits),
      .InBeats(InBeats),
      .OutBits(OutBits),
      .Load(Load),
      .LoadWords(LoadWords),
      .TagBits(TagBits),
      .Memory(1'b0),
      .BuildId(BuildId)
  ) u_run (
      .clk,
      .rst,
      .s_awaddr,
      .s_awvalid,
      .s_awready,
      .s_wdata,
      .s_wstrb,
      .s_wvalid,
      .s_wready,
      .s_bresp,
      .s_bvalid,
      .s_bready,
      .s_araddr,
      .s_arvalid,
      .s_arready,
      .s_rdata,
      .s_rresp,
      .s_rvalid,
      .s_rready,
      .interrupt_line,
      .reset          (soft_reset),
      .start,
      .loading,
      .input_address  (unused_address[0]),
      .input_bytes    (unused_bytes[0]),
      .output_address (unused_address[1]),
      .output_bytes   (unused_bytes[1]),
      .weights_address(unused_address[2]),
      .weights_bytes  (unused_bytes[2]),
      .no_data        (1'b0),
      .out_at_rest    (1'b1),
      .in_error       (1'b0),
      .out_error      (1'b0),
      .out_overflow   (1'b0),
      .i_data         (i_tdata),
      .i_bytes,
      .i_valid        (i_tvalid),
      .i_last         (i_tlast),
      .i_ready        (i_tready),
      .o_data         (o_tdata),
      .o_bytes,
      .o_valid        (o_tvalid),
      .o_last         (o_tlast),
      .o_ready        (o_tready),
      .network_rst,
      .s_data,
      .s_keep,
      .s_tag,
      .s_valid,
      .s_last,
      .s_ready,
      .m_data,
      .m_valid,
      .m_last,
      .m_ready,
      .w_data,
      .w_valid,
      .w_last,
      .w_ready,
      .e_data,
      .e_valid,
      .e_ready
  );
  wire logic unused = &{soft_reset, start, loading};
  `CHECK_NEVER(no_holes, i_tvalid && (i_tkeep & (i_tkeep + 1'b1)) != '0, "the bytes that count have holes")
endmodule

`default_nettype wire
