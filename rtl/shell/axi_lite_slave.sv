// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// AXI4-Lite to the register bus of `shell_registers`: one write and one read at a time, address and data of a write in
/// any order. An address without a register, or one that is not a whole word, is answered with SLVERR and has no effect.
module axi_lite_slave #(
    /// Bits of a byte address.
    parameter int unsigned AddressBits = 8
) (
    input  wire logic                   clk,
    input  wire logic                   rst,       ///< synchronous, active high
    input  wire logic [AddressBits-1:0] s_awaddr,
    input  wire logic                   s_awvalid,
    output      logic                   s_awready,
    input  wire logic [31:0]            s_wdata,
    input  wire logic [3:0]             s_wstrb,
    input  wire logic                   s_wvalid,
    output      logic                   s_wready,
    output      logic [1:0]             s_bresp,
    output      logic                   s_bvalid,
    input  wire logic                   s_bready,
    input  wire logic [AddressBits-1:0] s_araddr,
    input  wire logic                   s_arvalid,
    output      logic                   s_arready,
    output      logic [31:0]            s_rdata,
    output      logic [1:0]             s_rresp,
    output      logic                   s_rvalid,
    input  wire logic                   s_rready,
    output      logic                   write_valid,    ///< register bus, see `shell_registers`
    output      logic [AddressBits-1:0] write_address,
    output      logic [31:0]            write_data,
    output      logic [3:0]             write_strobe,
    input  wire logic                   write_known,
    output      logic                   read_valid,
    output      logic [AddressBits-1:0] read_address,
    input  wire logic [31:0]            read_data,
    input  wire logic                   read_known
);
  localparam logic [1:0] Okay = 2'b00, SlaveError = 2'b10;

  // Write: address and data wait for each other, each in a register of its own.
  logic [AddressBits-1:0] aw_q;
  logic [31:0] w_q;
  logic [3:0] strobe_q;
  logic aw_held_q, w_held_q, b_valid_q;
  logic [1:0] b_response_q;
  wire logic write_sound = write_known && aw_q[1:0] == '0;
  wire logic write_step = aw_held_q && w_held_q && (!b_valid_q || s_bready);
  assign s_awready = !aw_held_q;
  assign s_wready = !w_held_q;
  assign s_bvalid = b_valid_q;
  assign s_bresp = b_response_q;
  assign write_valid = write_step && write_sound;
  assign write_address = aw_q;
  assign write_data = w_q;
  assign write_strobe = strobe_q;

  always_ff @(posedge clk) begin
    if (s_awvalid && s_awready) begin
      aw_q <= s_awaddr;
      aw_held_q <= 1'b1;
    end
    if (s_wvalid && s_wready) begin
      w_q <= s_wdata;
      strobe_q <= s_wstrb;
      w_held_q <= 1'b1;
    end
    if (s_bready) b_valid_q <= 1'b0;
    if (write_step) begin
      aw_held_q <= 1'b0;
      w_held_q <= 1'b0;
      b_valid_q <= 1'b1;
      b_response_q <= write_sound ? Okay : SlaveError;
    end
    if (rst) begin
      aw_held_q <= 1'b0;
      w_held_q <= 1'b0;
      b_valid_q <= 1'b0;
    end
  end

  // Read: a read clears flags, so it happens only when its answer has a place.
  logic [AddressBits-1:0] ar_q;
  logic ar_held_q, r_valid_q;
  logic [31:0] r_data_q;
  logic [1:0] r_response_q;
  wire logic read_sound = read_known && ar_q[1:0] == '0;
  wire logic read_step = ar_held_q && (!r_valid_q || s_rready);
  assign s_arready = !ar_held_q;
  assign s_rvalid = r_valid_q;
  assign s_rdata = r_data_q;
  assign s_rresp = r_response_q;
  assign read_valid = read_step && read_sound;
  assign read_address = ar_q;

  always_ff @(posedge clk) begin
    if (s_arvalid && s_arready) begin
      ar_q <= s_araddr;
      ar_held_q <= 1'b1;
    end
    if (s_rready) r_valid_q <= 1'b0;
    if (read_step) begin
      ar_held_q <= 1'b0;
      r_valid_q <= 1'b1;
      r_data_q <= read_sound ? read_data : '0;
      r_response_q <= read_sound ? Okay : SlaveError;
    end
    if (rst) begin
      ar_held_q <= 1'b0;
      r_valid_q <= 1'b0;
    end
  end

  `CHECK_STABLE(b_stable, s_bvalid, s_bready, s_bresp)
  `CHECK_STABLE(r_stable, s_rvalid, s_rready, {s_rresp, s_rdata})
endmodule

`default_nettype wire
