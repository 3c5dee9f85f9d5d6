// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// What every shell has between its bus and its network: registers, runs, and malformed sequences that wait to be read.
///
/// Each event is high for one cycle and sets its flag in the register `errors`.
module shell_core #(
    /// The shell reads and writes memory: registers of addresses and sizes.
    parameter bit Memory = 1'b1,
    /// The shell is told what a run does; else there are no runs of weights.
    parameter bit Direct = 1'b1,
    /// The bus is a packet link.
    parameter bit Link = 1'b0,
    /// Bits of an input beat.
    parameter int unsigned InBits = 8,
    /// Bits of an output beat.
    parameter int unsigned OutBits = 8,
    /// Bits of a word of the load chain.
    parameter int unsigned Load = 32,
    /// Words of the load chain, 0 if there are no weights.
    parameter int unsigned LoadWords = 4,
    /// Bits of a tag, 1 to 8.
    parameter int unsigned TagBits = 6,
    /// Bytes of data in the longest packet, 0 without a link.
    parameter int unsigned PacketBytes = 0,
    /// Hash of the design.
    parameter logic [63:0] BuildId = '0
) (
    input  wire logic               clk,
    input  wire logic               rst,              ///< synchronous, active high
    input  wire logic               write_valid,      ///< bus, as `shell_registers` has it
    input  wire logic [7:0]         write_address,
    input  wire logic [31:0]        write_data,
    input  wire logic [3:0]         write_strobe,
    output      logic               write_known,
    input  wire logic               read_valid,
    input  wire logic [7:0]         read_address,
    output      logic [31:0]        read_data,
    output      logic               read_known,
    output      logic               interrupt_line,   ///< the interrupt
    output      logic               reset,            ///< one cycle: forget everything but registers
    output      logic [63:0]        input_address,    ///< registers
    output      logic [31:0]        input_bytes,
    output      logic [63:0]        output_address,
    output      logic [31:0]        output_bytes,
    output      logic [63:0]        weights_address,
    output      logic [31:0]        weights_bytes,
    output      logic [31:0]        sequences,
    output      logic               admit,            ///< the network may take input
    output      logic               running,
    output      logic               loading,          ///< a run of weights is under way
    output      logic               done,             ///< one cycle at the end of a run
    output      logic               all_out,          ///< every sequence of the run has left the network
    output      logic               failed,           ///< an error flag is set
    input  wire logic               load_done,        ///< the last word of weights was taken, or loading failed
    input  wire logic               loaded,           ///< all weights are there
    input  wire logic               at_rest,          ///< all results are where they should go
    input  wire logic               result,           ///< a result waits
    input  wire logic               s_valid,          ///< stream into the network
    input  wire logic               s_ready,
    input  wire logic               s_last,
    input  wire logic               m_valid,          ///< stream out of the network
    input  wire logic               m_ready,
    input  wire logic               m_last,
    input  wire logic [TagBits+1:0] e_data,           ///< malformed sequences: {cause, tag}
    input  wire logic               e_valid,
    output      logic               e_ready,
    input  wire logic               input_bus,        ///< events
    input  wire logic               output_bus,
    input  wire logic               weights_bus,
    input  wire logic               input_length,
    input  wire logic               output_length,
    input  wire logic               weights_length,
    input  wire logic               link_crc,
    input  wire logic               link_frame,
    input  wire logic               link_length,
    input  wire logic               link_overrun,
    input  wire logic               link_request
);
  localparam int unsigned Rejections = 16;

  logic start, start_clear, auto_restart, not_loaded, mode_load, rejected_valid, rejected_pop;
  logic global_enable, enable_done, enable_ready, enable_error;
  logic status_done, status_ready, status_error, status_done_set, status_ready_set, status_error_set;
  logic [31:0] finished, rejections, input_stalls, output_stalls, link_errors_q;
  logic [63:0] cycles;
  logic [TagBits+1:0] rejected;
  logic [12:0] flags;
  wire logic rst_all = rst || reset;
  wire logic reject = e_valid && e_ready;
  wire logic link_error = link_crc || link_frame || link_length || link_overrun;
  wire logic bus_error = input_bus || output_bus || weights_bus;
  wire logic length_error = input_length || output_length || weights_length;
  assign failed = |flags;
  assign all_out = finished + rejections == sequences;

  always_ff @(posedge clk) begin
    if (link_error) link_errors_q <= link_errors_q + 1'b1;
    if (rst) link_errors_q <= '0;
  end

  shell_registers #(
      .Memory(Memory),
      .Direct(Direct),
      .Link(Link),
      .BuildId(BuildId),
      .BeatsInput(16'(InBits)),
      .BeatsOutput(16'(OutBits)),
      .LoadWords(32'(LoadWords)),
      .LoadBits(32'(Load)),
      .PacketBytes(32'(PacketBytes))
  ) u_registers (
      .clk,
      .rst,
      .write_valid,
      .write_address,
      .write_data,
      .write_strobe,
      .write_known,
      .read_valid,
      .read_address,
      .read_data,
      .read_known,
      .control_start             (start),
      .control_start_clear       (start_clear || reset),
      .control_done_set          (done),
      .control_idle              (!running),
      .control_ready_set         (done),
      .control_auto_restart      (auto_restart),
      .interrupt_global_enable   (global_enable),
      .interrupt_enable_done     (enable_done),
      .interrupt_enable_ready    (enable_ready),
      .interrupt_enable_error    (enable_error),
      .interrupt_status_done     (status_done),
      .interrupt_status_done_set (status_done_set),
      .interrupt_status_ready    (status_ready),
      .interrupt_status_ready_set(status_ready_set),
      .interrupt_status_error    (status_error),
      .interrupt_status_error_set(status_error_set),
      .input_address,
      .output_address,
      .weights_address,
      .input_bytes,
      .output_bytes,
      .weights_bytes,
      .sequences,
      .mode_load,
      .command_reset             (reset),
      .status_running            (running),
      .status_loaded             (loaded),
      .status_result             (result),
      .status_rejected           (rejected_valid),
      .errors_input_bus          (flags[0]),
      .errors_input_bus_set      (input_bus),
      .errors_output_bus         (flags[1]),
      .errors_output_bus_set     (output_bus),
      .errors_weights_bus        (flags[2]),
      .errors_weights_bus_set    (weights_bus),
      .errors_input_length       (flags[3]),
      .errors_input_length_set   (input_length),
      .errors_output_length      (flags[4]),
      .errors_output_length_set  (output_length),
      .errors_weights_length     (flags[5]),
      .errors_weights_length_set (weights_length),
      .errors_not_loaded         (flags[6]),
      .errors_not_loaded_set     (not_loaded),
      .errors_malformed          (flags[7]),
      .errors_malformed_set      (reject),
      .errors_link_crc           (flags[8]),
      .errors_link_crc_set       (link_crc),
      .errors_link_frame         (flags[9]),
      .errors_link_frame_set     (link_frame),
      .errors_link_length        (flags[10]),
      .errors_link_length_set    (link_length),
      .errors_link_overrun       (flags[11]),
      .errors_link_overrun_set   (link_overrun),
      .errors_link_request       (flags[12]),
      .errors_link_request_set   (link_request),
      .rejected_tag              (8'(rejected[TagBits-1:0])),
      .rejected_cause            (rejected[TagBits+1:TagBits]),
      .rejected_valid,
      .rejected_pop,
      .finished,
      .rejections,
      .link_errors               (link_errors_q),
      .cycles,
      .input_stalls,
      .output_stalls
  );

  shell_control u_control (
      .clk,
      .rst                       (rst_all),
      .start,
      .start_clear,
      .auto_restart,
      .sequences,
      .load                      (mode_load),
      .load_done,
      .loaded,
      .at_rest,
      .input_valid               (s_valid),
      .input_ready               (s_ready),
      .input_last                (s_last),
      .output_valid              (m_valid),
      .output_ready              (m_ready),
      .output_last               (m_last),
      .reject,
      .error                     (bus_error || length_error || link_error || link_request || not_loaded || reject),
      .interrupt_global_enable   (global_enable),
      .interrupt_enable_done     (enable_done),
      .interrupt_enable_ready    (enable_ready),
      .interrupt_enable_error    (enable_error),
      .interrupt_status_done     (status_done),
      .interrupt_status_ready    (status_ready),
      .interrupt_status_error    (status_error),
      .interrupt_status_done_set (status_done_set),
      .interrupt_status_ready_set(status_ready_set),
      .interrupt_status_error_set(status_error_set),
      .interrupt_line,
      .admit,
      .running,
      .loading,
      .done,
      .not_loaded,
      .finished,
      .rejections,
      .cycles,
      .input_stalls,
      .output_stalls
  );

  // Over a link the host looks after every packet, so the network may wait for it. Beside memory a host that does not
  // look must not stall the run: what finds no place is counted only.
  logic place, unused_last;
  assign e_ready = Link ? place : 1'b1;
  stream_fifo #(
      .Width(TagBits + 2),
      .Depth(Rejections)
  ) u_rejected (
      .clk,
      .rst    (rst_all),
      .s_data (e_data),
      .s_valid(e_valid && place),
      .s_last (1'b1),
      .s_ready(place),
      .m_data (rejected),
      .m_valid(rejected_valid),
      .m_last (unused_last),
      .m_ready(rejected_pop)
  );

  wire logic unused = unused_last;
endmodule

`default_nettype wire
