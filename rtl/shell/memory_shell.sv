// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Shell of a network beside a memory, as on Alveo cards: `run_shell` with an AXI4 master that reads input or weights, and one
/// that writes results. Parameters and the network's side are those of `run_shell`.
module memory_shell #(
    /// Bits of a word of memory: 64, 128, 256 or 512.
    parameter int unsigned Width = 64,
    /// Most beats of a burst, 1 to 256.
    parameter int unsigned Burst = 16,
    /// Most bursts under way in each direction, 1 and up.
    parameter int unsigned Outstanding = 4,
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
    input  wire logic               rst,             ///< synchronous, active high; of the buses too
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
    output      logic [0:0]         gmem0_arid,      ///< AXI4 of input and weights
    output      logic [63:0]        gmem0_araddr,
    output      logic [7:0]         gmem0_arlen,
    output      logic [2:0]         gmem0_arsize,
    output      logic [1:0]         gmem0_arburst,
    output      logic               gmem0_arvalid,
    input  wire logic               gmem0_arready,
    input  wire logic [0:0]         gmem0_rid,
    input  wire logic [Width-1:0]   gmem0_rdata,
    input  wire logic [1:0]         gmem0_rresp,
    input  wire logic               gmem0_rlast,
    input  wire logic               gmem0_rvalid,
    output      logic               gmem0_rready,
    output      logic [0:0]         gmem1_awid,      ///< AXI4 of results
    output      logic [63:0]        gmem1_awaddr,
    output      logic [7:0]         gmem1_awlen,
    output      logic [2:0]         gmem1_awsize,
    output      logic [1:0]         gmem1_awburst,
    output      logic               gmem1_awvalid,
    input  wire logic               gmem1_awready,
    output      logic [Width-1:0]   gmem1_wdata,
    output      logic [Width/8-1:0] gmem1_wstrb,
    output      logic               gmem1_wlast,
    output      logic               gmem1_wvalid,
    input  wire logic               gmem1_wready,
    input  wire logic [0:0]         gmem1_bid,
    input  wire logic [1:0]         gmem1_bresp,
    input  wire logic               gmem1_bvalid,
    output      logic               gmem1_bready,
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

  logic soft_reset, start, loading, no_data, at_rest, in_error, out_error, out_overflow;
  logic [63:0] input_address, output_address, weights_address;
  logic [31:0] input_bytes, output_bytes, weights_bytes;
  logic [Width-1:0] i_data, o_data;
  logic [CountBits-1:0] i_bytes, o_bytes;
  logic i_valid, i_last, i_ready, o_valid, o_last, o_ready;

  run_shell #(
      .WordBytes(Bytes),
      .InBits(InBits),
      .InBeats(InBeats),
      .OutBits(OutBits),
      .Load(Load),
      .LoadWords(LoadWords),
      .TagBits(TagBits),
      .Memory(1'b1),
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
      .reset(soft_reset),
      .start,
      .loading,
      .input_address,
      .input_bytes,
      .output_address,
      .output_bytes,
      .weights_address,
      .weights_bytes,
      .no_data,
      .out_at_rest(at_rest),
      .in_error,
      .out_error,
      .out_overflow,
      .i_data,
      .i_bytes,
      .i_valid,
      .i_last,
      .i_ready,
      .o_data,
      .o_bytes,
      .o_valid,
      .o_last,
      .o_ready,
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

  // A run is one command to each master; after a reset in the middle they first bring to an end what is on the buses.
  logic read_q, write_q, read_ready, write_ready;
  logic [1:0] read_error, write_error, read_error_q, write_error_q;
  logic overflow, overflow_q;
  assign no_data = loading ? weights_bytes == '0 : input_bytes == '0;
  assign at_rest = !write_q && write_ready;
  assign in_error = read_error != '0 && read_error_q == '0;
  assign out_error = write_error != '0 && write_error_q == '0;
  assign out_overflow = overflow && !overflow_q;

  always_ff @(posedge clk) begin
    if (read_ready) read_q <= 1'b0;
    if (write_ready) write_q <= 1'b0;
    if (start) begin
      read_q <= !no_data;
      write_q <= !loading;
    end
    read_error_q <= read_error;
    write_error_q <= write_error;
    overflow_q <= overflow;
    if (rst || soft_reset) begin
      read_q <= 1'b0;
      write_q <= 1'b0;
    end
  end

  axi_read_master #(
      .Width(Width),
      .AddressBits(64),
      .Burst(Burst),
      .Outstanding(Outstanding)
  ) u_read (
      .clk,
      .rst,
      .c_address  (loading ? weights_address : input_address),
      .c_bytes    (loading ? weights_bytes : input_bytes),
      .c_valid    (read_q),
      .c_ready    (read_ready),
      .cancel     (soft_reset),
      .error      (read_error),
      .m_data     (i_data),
      .m_bytes    (i_bytes),
      .m_valid    (i_valid),
      .m_last     (i_last),
      .m_ready    (i_ready),
      .axi_arid   (gmem0_arid),
      .axi_araddr (gmem0_araddr),
      .axi_arlen  (gmem0_arlen),
      .axi_arsize (gmem0_arsize),
      .axi_arburst(gmem0_arburst),
      .axi_arvalid(gmem0_arvalid),
      .axi_arready(gmem0_arready),
      .axi_rid    (gmem0_rid),
      .axi_rdata  (gmem0_rdata),
      .axi_rresp  (gmem0_rresp),
      .axi_rlast  (gmem0_rlast),
      .axi_rvalid (gmem0_rvalid),
      .axi_rready (gmem0_rready)
  );

  axi_write_master #(
      .Width(Width),
      .AddressBits(64),
      .Burst(Burst),
      .Outstanding(Outstanding)
  ) u_write (
      .clk,
      .rst,
      .c_address  (output_address),
      .c_bytes    (output_bytes),
      .c_valid    (write_q),
      .c_ready    (write_ready),
      .cancel     (soft_reset),
      .error      (write_error),
      .overflow,
      .s_data     (o_data),
      .s_bytes    (o_bytes),
      .s_valid    (o_valid),
      .s_last     (o_last),
      .s_ready    (o_ready),
      .axi_awid   (gmem1_awid),
      .axi_awaddr (gmem1_awaddr),
      .axi_awlen  (gmem1_awlen),
      .axi_awsize (gmem1_awsize),
      .axi_awburst(gmem1_awburst),
      .axi_awvalid(gmem1_awvalid),
      .axi_awready(gmem1_awready),
      .axi_wdata  (gmem1_wdata),
      .axi_wstrb  (gmem1_wstrb),
      .axi_wlast  (gmem1_wlast),
      .axi_wvalid (gmem1_wvalid),
      .axi_wready (gmem1_wready),
      .axi_bid    (gmem1_bid),
      .axi_bresp  (gmem1_bresp),
      .axi_bvalid (gmem1_bvalid),
      .axi_bready (gmem1_bready)
  );
endmodule

`default_nettype wire
