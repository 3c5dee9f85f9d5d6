// SPDX-License-Identifier: Apache-2.0
// Written by gatewright.shell.decoder from gatewright.shell.registers; do not edit.
`default_nettype none

/// The registers between a host and a network: every bus (AXI4-Lite, UART link) reads and writes them here.
/// A write takes effect at the clock edge; `read_data` is there in the same cycle. Reading the low word of a register
/// of 64 bits keeps its high word for the read that follows. Registers that the shell does not have are not `known`.
module shell_registers #(
    /// Registers of shells that read and write memory.
    parameter bit Memory = 1'b1,
    /// Registers of shells that are told what a run does.
    parameter bit Direct = 1'b1,
    /// Registers of shells with a packet link.
    parameter bit Link = 1'b1,
    /// Hash of the design's hardware.
    parameter logic [63:0] BuildId = '0,
    /// Bits of an input beat.
    parameter logic [15:0] BeatsInput = '0,
    /// Bits of an output beat.
    parameter logic [15:0] BeatsOutput = '0,
    /// Words of the load chain.
    parameter logic [31:0] LoadWords = '0,
    /// Bits of such a word.
    parameter logic [31:0] LoadBits = '0,
    /// Most bytes of data in a packet.
    parameter logic [31:0] PacketBytes = '0
) (
    input  wire logic clk,
    input  wire logic rst,  ///< synchronous, active high
    input  wire logic write_valid,
    input  wire logic [7:0] write_address,  ///< byte address of a whole word
    input  wire logic [31:0] write_data,
    input  wire logic [3:0] write_strobe,  ///< bytes that are written
    output      logic write_known,  ///< there is a register at `write_address`
    input  wire logic read_valid,  ///< the read has effect: queues move on, flags are cleared
    input  wire logic [7:0] read_address,  ///< byte address of a whole word
    output      logic [31:0] read_data,
    output      logic read_known,  ///< there is a register at `read_address`
    output      logic control_start,
    input  wire logic control_start_clear,
    input  wire logic control_done_set,
    input  wire logic control_idle,
    input  wire logic control_ready_set,
    output      logic control_auto_restart,
    output      logic interrupt_global_enable,
    output      logic interrupt_enable_done,
    output      logic interrupt_enable_ready,
    output      logic interrupt_enable_error,
    output      logic interrupt_status_done,
    input  wire logic interrupt_status_done_set,
    output      logic interrupt_status_ready,
    input  wire logic interrupt_status_ready_set,
    output      logic interrupt_status_error,
    input  wire logic interrupt_status_error_set,
    output      logic [63:0] input_address,
    output      logic [63:0] output_address,
    output      logic [63:0] weights_address,
    output      logic [31:0] input_bytes,
    output      logic [31:0] output_bytes,
    output      logic [31:0] weights_bytes,
    output      logic [31:0] sequences,
    output      logic mode_load,
    output      logic command_reset,
    input  wire logic status_running,
    input  wire logic status_loaded,
    input  wire logic status_result,
    input  wire logic status_rejected,
    output      logic errors_input_bus,
    input  wire logic errors_input_bus_set,
    output      logic errors_output_bus,
    input  wire logic errors_output_bus_set,
    output      logic errors_weights_bus,
    input  wire logic errors_weights_bus_set,
    output      logic errors_input_length,
    input  wire logic errors_input_length_set,
    output      logic errors_output_length,
    input  wire logic errors_output_length_set,
    output      logic errors_weights_length,
    input  wire logic errors_weights_length_set,
    output      logic errors_not_loaded,
    input  wire logic errors_not_loaded_set,
    output      logic errors_malformed,
    input  wire logic errors_malformed_set,
    output      logic errors_link_crc,
    input  wire logic errors_link_crc_set,
    output      logic errors_link_frame,
    input  wire logic errors_link_frame_set,
    output      logic errors_link_length,
    input  wire logic errors_link_length_set,
    output      logic errors_link_overrun,
    input  wire logic errors_link_overrun_set,
    output      logic errors_link_request,
    input  wire logic errors_link_request_set,
    input  wire logic [7:0] rejected_tag,
    input  wire logic [1:0] rejected_cause,
    input  wire logic rejected_valid,
    output      logic rejected_pop,  ///< the entry was read
    input  wire logic [31:0] finished,
    input  wire logic [31:0] rejections,
    input  wire logic [31:0] link_errors,
    input  wire logic [63:0] cycles,
    input  wire logic [31:0] input_stalls,
    input  wire logic [31:0] output_stalls
);
  wire logic [31:0] mask;
  assign mask = {{8{write_strobe[3]}}, {8{write_strobe[2]}}, {8{write_strobe[1]}}, {8{write_strobe[0]}}};
  logic control_start_q;
  assign control_start = control_start_q;
  logic control_done_q;
  logic control_ready_q;
  logic control_auto_restart_q;
  assign control_auto_restart = control_auto_restart_q;
  logic interrupt_global_enable_q;
  assign interrupt_global_enable = interrupt_global_enable_q;
  logic interrupt_enable_done_q;
  assign interrupt_enable_done = interrupt_enable_done_q;
  logic interrupt_enable_ready_q;
  assign interrupt_enable_ready = interrupt_enable_ready_q;
  logic interrupt_enable_error_q;
  assign interrupt_enable_error = interrupt_enable_error_q;
  logic interrupt_status_done_q;
  assign interrupt_status_done = interrupt_status_done_q;
  logic interrupt_status_ready_q;
  assign interrupt_status_ready = interrupt_status_ready_q;
  logic interrupt_status_error_q;
  assign interrupt_status_error = interrupt_status_error_q;
  logic [63:0] input_address_q;
  assign input_address = input_address_q;
  logic [63:0] output_address_q;
  assign output_address = output_address_q;
  logic [63:0] weights_address_q;
  assign weights_address = weights_address_q;
  logic [31:0] input_bytes_q;
  assign input_bytes = input_bytes_q;
  logic [31:0] output_bytes_q;
  assign output_bytes = output_bytes_q;
  logic [31:0] weights_bytes_q;
  assign weights_bytes = weights_bytes_q;
  logic [31:0] sequences_q;
  assign sequences = sequences_q;
  logic mode_load_q;
  assign mode_load = mode_load_q;
  logic command_reset_q;
  assign command_reset = command_reset_q;
  logic errors_input_bus_q;
  assign errors_input_bus = errors_input_bus_q;
  logic errors_output_bus_q;
  assign errors_output_bus = errors_output_bus_q;
  logic errors_weights_bus_q;
  assign errors_weights_bus = errors_weights_bus_q;
  logic errors_input_length_q;
  assign errors_input_length = errors_input_length_q;
  logic errors_output_length_q;
  assign errors_output_length = errors_output_length_q;
  logic errors_weights_length_q;
  assign errors_weights_length = errors_weights_length_q;
  logic errors_not_loaded_q;
  assign errors_not_loaded = errors_not_loaded_q;
  logic errors_malformed_q;
  assign errors_malformed = errors_malformed_q;
  logic errors_link_crc_q;
  assign errors_link_crc = errors_link_crc_q;
  logic errors_link_frame_q;
  assign errors_link_frame = errors_link_frame_q;
  logic errors_link_length_q;
  assign errors_link_length = errors_link_length_q;
  logic errors_link_overrun_q;
  assign errors_link_overrun = errors_link_overrun_q;
  logic errors_link_request_q;
  assign errors_link_request = errors_link_request_q;
  assign rejected_pop = read_valid && read_address == 8'h50;
  logic [31:0] cycles_high_q;
  always_ff @(posedge clk) begin
    if (write_valid && write_address == 8'h00 && (write_data[0] & mask[0])) control_start_q <= 1'b1;
    else if (control_start_clear) control_start_q <= 1'b0;
    if (control_done_set) control_done_q <= 1'b1;
    else if (read_valid && read_address == 8'h00) control_done_q <= 1'b0;
    if (control_ready_set) control_ready_q <= 1'b1;
    else if (read_valid && read_address == 8'h00) control_ready_q <= 1'b0;
    if (write_valid && write_address == 8'h00)
      control_auto_restart_q <= (write_data[7] & mask[7]) | (control_auto_restart_q & ~mask[7]);
    if (rst) begin
      control_start_q <= '0;
      control_done_q <= '0;
      control_ready_q <= '0;
      control_auto_restart_q <= '0;
    end
  end
  always_ff @(posedge clk) begin
    if (write_valid && write_address == 8'h04)
      interrupt_global_enable_q <= (write_data[0] & mask[0]) | (interrupt_global_enable_q & ~mask[0]);
    if (rst) begin
      interrupt_global_enable_q <= '0;
    end
  end
  always_ff @(posedge clk) begin
    if (write_valid && write_address == 8'h08)
      interrupt_enable_done_q <= (write_data[0] & mask[0]) | (interrupt_enable_done_q & ~mask[0]);
    if (write_valid && write_address == 8'h08)
      interrupt_enable_ready_q <= (write_data[1] & mask[1]) | (interrupt_enable_ready_q & ~mask[1]);
    if (write_valid && write_address == 8'h08)
      interrupt_enable_error_q <= (write_data[2] & mask[2]) | (interrupt_enable_error_q & ~mask[2]);
    if (rst) begin
      interrupt_enable_done_q <= '0;
      interrupt_enable_ready_q <= '0;
      interrupt_enable_error_q <= '0;
    end
  end
  always_ff @(posedge clk) begin
    if (interrupt_status_done_set) interrupt_status_done_q <= 1'b1;
    else if (write_valid && write_address == 8'h0c && (write_data[0] & mask[0])) interrupt_status_done_q <= 1'b0;
    if (interrupt_status_ready_set) interrupt_status_ready_q <= 1'b1;
    else if (write_valid && write_address == 8'h0c && (write_data[1] & mask[1])) interrupt_status_ready_q <= 1'b0;
    if (interrupt_status_error_set) interrupt_status_error_q <= 1'b1;
    else if (write_valid && write_address == 8'h0c && (write_data[2] & mask[2])) interrupt_status_error_q <= 1'b0;
    if (rst) begin
      interrupt_status_done_q <= '0;
      interrupt_status_ready_q <= '0;
      interrupt_status_error_q <= '0;
    end
  end
  if (Memory) begin : gen_input_address
    always_ff @(posedge clk) begin
      if (write_valid && write_address == 8'h10)
        input_address_q[31:0] <= (write_data[31:0] & mask[31:0]) | (input_address_q[31:0] & ~mask[31:0]);
      if (write_valid && write_address == 8'h14)
        input_address_q[63:32] <= (write_data[31:0] & mask[31:0]) | (input_address_q[63:32] & ~mask[31:0]);
      if (rst) begin
        input_address_q <= '0;
      end
    end
  end else begin : gen_no_input_address
    assign input_address_q = '0;
  end
  if (Memory) begin : gen_output_address
    always_ff @(posedge clk) begin
      if (write_valid && write_address == 8'h18)
        output_address_q[31:0] <= (write_data[31:0] & mask[31:0]) | (output_address_q[31:0] & ~mask[31:0]);
      if (write_valid && write_address == 8'h1c)
        output_address_q[63:32] <= (write_data[31:0] & mask[31:0]) | (output_address_q[63:32] & ~mask[31:0]);
      if (rst) begin
        output_address_q <= '0;
      end
    end
  end else begin : gen_no_output_address
    assign output_address_q = '0;
  end
  if (Memory) begin : gen_weights_address
    always_ff @(posedge clk) begin
      if (write_valid && write_address == 8'h20)
        weights_address_q[31:0] <= (write_data[31:0] & mask[31:0]) | (weights_address_q[31:0] & ~mask[31:0]);
      if (write_valid && write_address == 8'h24)
        weights_address_q[63:32] <= (write_data[31:0] & mask[31:0]) | (weights_address_q[63:32] & ~mask[31:0]);
      if (rst) begin
        weights_address_q <= '0;
      end
    end
  end else begin : gen_no_weights_address
    assign weights_address_q = '0;
  end
  if (Memory) begin : gen_input_bytes
    always_ff @(posedge clk) begin
      if (write_valid && write_address == 8'h30)
        input_bytes_q <= (write_data[31:0] & mask[31:0]) | (input_bytes_q & ~mask[31:0]);
      if (rst) begin
        input_bytes_q <= '0;
      end
    end
  end else begin : gen_no_input_bytes
    assign input_bytes_q = '0;
  end
  if (Memory) begin : gen_output_bytes
    always_ff @(posedge clk) begin
      if (write_valid && write_address == 8'h34)
        output_bytes_q <= (write_data[31:0] & mask[31:0]) | (output_bytes_q & ~mask[31:0]);
      if (rst) begin
        output_bytes_q <= '0;
      end
    end
  end else begin : gen_no_output_bytes
    assign output_bytes_q = '0;
  end
  if (Memory) begin : gen_weights_bytes
    always_ff @(posedge clk) begin
      if (write_valid && write_address == 8'h38)
        weights_bytes_q <= (write_data[31:0] & mask[31:0]) | (weights_bytes_q & ~mask[31:0]);
      if (rst) begin
        weights_bytes_q <= '0;
      end
    end
  end else begin : gen_no_weights_bytes
    assign weights_bytes_q = '0;
  end
  always_ff @(posedge clk) begin
    if (write_valid && write_address == 8'h3c)
      sequences_q <= (write_data[31:0] & mask[31:0]) | (sequences_q & ~mask[31:0]);
    if (rst) begin
      sequences_q <= '0;
    end
  end
  if (Direct) begin : gen_mode
    always_ff @(posedge clk) begin
      if (write_valid && write_address == 8'h40)
        mode_load_q <= (write_data[0] & mask[0]) | (mode_load_q & ~mask[0]);
      if (rst) begin
        mode_load_q <= '0;
      end
    end
  end else begin : gen_no_mode
    assign mode_load_q = '0;
  end
  always_ff @(posedge clk) begin
    command_reset_q <= write_valid && write_address == 8'h44 && (write_data[0] & mask[0]);
    if (rst) begin
      command_reset_q <= '0;
    end
  end
  always_ff @(posedge clk) begin
    if (errors_input_bus_set) errors_input_bus_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[0] & mask[0])) errors_input_bus_q <= 1'b0;
    if (errors_output_bus_set) errors_output_bus_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[1] & mask[1])) errors_output_bus_q <= 1'b0;
    if (errors_weights_bus_set) errors_weights_bus_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[2] & mask[2])) errors_weights_bus_q <= 1'b0;
    if (errors_input_length_set) errors_input_length_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[3] & mask[3])) errors_input_length_q <= 1'b0;
    if (errors_output_length_set) errors_output_length_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[4] & mask[4])) errors_output_length_q <= 1'b0;
    if (errors_weights_length_set) errors_weights_length_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[5] & mask[5])) errors_weights_length_q <= 1'b0;
    if (errors_not_loaded_set) errors_not_loaded_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[6] & mask[6])) errors_not_loaded_q <= 1'b0;
    if (errors_malformed_set) errors_malformed_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[7] & mask[7])) errors_malformed_q <= 1'b0;
    if (errors_link_crc_set) errors_link_crc_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[8] & mask[8])) errors_link_crc_q <= 1'b0;
    if (errors_link_frame_set) errors_link_frame_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[9] & mask[9])) errors_link_frame_q <= 1'b0;
    if (errors_link_length_set) errors_link_length_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[10] & mask[10])) errors_link_length_q <= 1'b0;
    if (errors_link_overrun_set) errors_link_overrun_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[11] & mask[11])) errors_link_overrun_q <= 1'b0;
    if (errors_link_request_set) errors_link_request_q <= 1'b1;
    else if (write_valid && write_address == 8'h4c && (write_data[12] & mask[12])) errors_link_request_q <= 1'b0;
    if (rst) begin
      errors_input_bus_q <= '0;
      errors_output_bus_q <= '0;
      errors_weights_bus_q <= '0;
      errors_input_length_q <= '0;
      errors_output_length_q <= '0;
      errors_weights_length_q <= '0;
      errors_not_loaded_q <= '0;
      errors_malformed_q <= '0;
      errors_link_crc_q <= '0;
      errors_link_frame_q <= '0;
      errors_link_length_q <= '0;
      errors_link_overrun_q <= '0;
      errors_link_request_q <= '0;
    end
  end
  always_ff @(posedge clk) begin
    if (read_valid && read_address == 8'h60) cycles_high_q <= cycles[63:32];
  end
  always_comb begin
    read_known = 1'b1;
    read_data = '0;
    unique case (read_address)
      8'h00: begin
        read_data[0] = control_start_q;
        read_data[1] = control_done_q;
        read_data[2] = control_idle;
        read_data[3] = control_ready_q;
        read_data[7] = control_auto_restart_q;
      end
      8'h04: begin
        read_data[0] = interrupt_global_enable_q;
      end
      8'h08: begin
        read_data[0] = interrupt_enable_done_q;
        read_data[1] = interrupt_enable_ready_q;
        read_data[2] = interrupt_enable_error_q;
      end
      8'h0c: begin
        read_data[0] = interrupt_status_done_q;
        read_data[1] = interrupt_status_ready_q;
        read_data[2] = interrupt_status_error_q;
      end
      8'h10: begin
        read_known = Memory;
        read_data = input_address_q[31:0];
      end
      8'h14: begin
        read_known = Memory;
        read_data = input_address_q[63:32];
      end
      8'h18: begin
        read_known = Memory;
        read_data = output_address_q[31:0];
      end
      8'h1c: begin
        read_known = Memory;
        read_data = output_address_q[63:32];
      end
      8'h20: begin
        read_known = Memory;
        read_data = weights_address_q[31:0];
      end
      8'h24: begin
        read_known = Memory;
        read_data = weights_address_q[63:32];
      end
      8'h30: begin
        read_known = Memory;
        read_data[31:0] = input_bytes_q;
      end
      8'h34: begin
        read_known = Memory;
        read_data[31:0] = output_bytes_q;
      end
      8'h38: begin
        read_known = Memory;
        read_data[31:0] = weights_bytes_q;
      end
      8'h3c: begin
        read_data[31:0] = sequences_q;
      end
      8'h40: begin
        read_known = Direct;
        read_data[0] = mode_load_q;
      end
      8'h44: begin
      end
      8'h48: begin
        read_data[0] = status_running;
        read_data[1] = status_loaded;
        read_data[2] = status_result;
        read_data[3] = status_rejected;
      end
      8'h4c: begin
        read_data[0] = errors_input_bus_q;
        read_data[1] = errors_output_bus_q;
        read_data[2] = errors_weights_bus_q;
        read_data[3] = errors_input_length_q;
        read_data[4] = errors_output_length_q;
        read_data[5] = errors_weights_length_q;
        read_data[6] = errors_not_loaded_q;
        read_data[7] = errors_malformed_q;
        read_data[8] = errors_link_crc_q;
        read_data[9] = errors_link_frame_q;
        read_data[10] = errors_link_length_q;
        read_data[11] = errors_link_overrun_q;
        read_data[12] = errors_link_request_q;
      end
      8'h50: begin
        read_data[7:0] = rejected_tag;
        read_data[9:8] = rejected_cause;
        read_data[31] = rejected_valid;
      end
      8'h54: begin
        read_data[31:0] = finished;
      end
      8'h58: begin
        read_data[31:0] = rejections;
      end
      8'h5c: begin
        read_known = Link;
        read_data[31:0] = link_errors;
      end
      8'h60: begin
        read_data = cycles[31:0];
      end
      8'h64: begin
        read_data = cycles_high_q;
      end
      8'h68: begin
        read_data[31:0] = input_stalls;
      end
      8'h6c: begin
        read_data[31:0] = output_stalls;
      end
      8'h70: begin
        read_data = BuildId[31:0];
      end
      8'h74: begin
        read_data = BuildId[63:32];
      end
      8'h78: begin
        read_data = 32'h47570001;
      end
      8'h7c: begin
        read_data[15:0] = BeatsInput;
        read_data[31:16] = BeatsOutput;
      end
      8'h80: begin
        read_data[31:0] = LoadWords;
      end
      8'h84: begin
        read_data[31:0] = LoadBits;
      end
      8'h88: begin
        read_known = Link;
        read_data[31:0] = PacketBytes;
      end
      default: read_known = 1'b0;
    endcase
  end
  always_comb begin
    write_known = 1'b1;
    unique case (write_address)
      8'h00: write_known = 1'b1;
      8'h04: write_known = 1'b1;
      8'h08: write_known = 1'b1;
      8'h0c: write_known = 1'b1;
      8'h10: write_known = Memory;
      8'h14: write_known = Memory;
      8'h18: write_known = Memory;
      8'h1c: write_known = Memory;
      8'h20: write_known = Memory;
      8'h24: write_known = Memory;
      8'h30: write_known = Memory;
      8'h34: write_known = Memory;
      8'h38: write_known = Memory;
      8'h3c: write_known = 1'b1;
      8'h40: write_known = Direct;
      8'h44: write_known = 1'b1;
      8'h48: write_known = 1'b1;
      8'h4c: write_known = 1'b1;
      8'h50: write_known = 1'b1;
      8'h54: write_known = 1'b1;
      8'h58: write_known = 1'b1;
      8'h5c: write_known = Link;
      8'h60: write_known = 1'b1;
      8'h64: write_known = 1'b1;
      8'h68: write_known = 1'b1;
      8'h6c: write_known = 1'b1;
      8'h70: write_known = 1'b1;
      8'h74: write_known = 1'b1;
      8'h78: write_known = 1'b1;
      8'h7c: write_known = 1'b1;
      8'h80: write_known = 1'b1;
      8'h84: write_known = 1'b1;
      8'h88: write_known = Link;
      default: write_known = 1'b0;
    endcase
  end
endmodule

`default_nettype wire
