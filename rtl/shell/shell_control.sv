// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Runs as `ap_ctrl_hs` has them: a start lets `sequences` sequences into the network; the run is done when each of
/// them has left it as a result or was rejected as malformed, and what carries results away has come to rest.
///
/// A run of weights (`load`) ends with `load_done`. Without weights nothing is run: `not_loaded`, and done at once.
module shell_control (
    input  wire logic        clk,
    input  wire logic        rst,                   ///< synchronous, active high
    input  wire logic        start,                 ///< register `control.start`
    output      logic        start_clear,
    input  wire logic        auto_restart,
    input  wire logic [31:0] sequences,
    input  wire logic        load,                  ///< the run loads weights
    input  wire logic        load_done,             ///< the last word of weights was taken, or loading failed
    input  wire logic        loaded,                ///< all weights are there
    input  wire logic        at_rest,               ///< all results are where they should go
    input  wire logic        input_valid,           ///< stream into the network
    input  wire logic        input_ready,
    input  wire logic        input_last,
    input  wire logic        output_valid,          ///< stream out of the network
    input  wire logic        output_ready,
    input  wire logic        output_last,
    input  wire logic        reject,                ///< a sequence was rejected, one cycle for each
    input  wire logic        error,                 ///< a flag of `errors` is being set
    input  wire logic        interrupt_global_enable,
    input  wire logic        interrupt_enable_done,
    input  wire logic        interrupt_enable_ready,
    input  wire logic        interrupt_enable_error,
    input  wire logic        interrupt_status_done,
    input  wire logic        interrupt_status_ready,
    input  wire logic        interrupt_status_error,
    output      logic        interrupt_status_done_set,
    output      logic        interrupt_status_ready_set,
    output      logic        interrupt_status_error_set,
    output      logic        interrupt_line,        ///< the interrupt
    output      logic        admit,                 ///< the network may take input
    output      logic        running,
    output      logic        loading,               ///< a run of weights is under way
    output      logic        done,                  ///< one cycle at the end of a run
    output      logic        not_loaded,            ///< one cycle: start without weights
    output      logic [31:0] finished,
    output      logic [31:0] rejections,
    output      logic [63:0] cycles,
    output      logic [31:0] input_stalls,
    output      logic [31:0] output_stalls
);
  logic running_q, loading_q;
  logic [31:0] entered_q, finished_q, rejections_q, input_stalls_q, output_stalls_q;
  logic [63:0] cycles_q;

  wire logic begin_run = start && !running_q && (load || loaded);
  wire logic fail = start && !running_q && !load && !loaded;
  wire logic all_out = finished_q + rejections_q == sequences;
  wire logic end_run = running_q && (loading_q ? load_done : (all_out && at_rest));

  assign running = running_q;
  assign loading = running_q && loading_q;
  assign not_loaded = fail;
  assign done = end_run || fail;
  assign start_clear = fail || (end_run && !auto_restart);
  assign admit = running_q && !loading_q && entered_q != sequences;
  assign finished = finished_q;
  assign rejections = rejections_q;
  assign cycles = cycles_q;
  assign input_stalls = input_stalls_q;
  assign output_stalls = output_stalls_q;

  always_ff @(posedge clk) begin
    if (begin_run) begin
      running_q <= 1'b1;
      loading_q <= load;
      entered_q <= '0;
      finished_q <= '0;
      rejections_q <= '0;
      cycles_q <= '0;
      input_stalls_q <= '0;
      output_stalls_q <= '0;
    end else if (running_q) begin
      if (end_run) running_q <= 1'b0;
      cycles_q <= cycles_q + 1'b1;
      if (input_valid && input_ready && input_last) entered_q <= entered_q + 1'b1;
      if (output_valid && output_ready && output_last) finished_q <= finished_q + 1'b1;
      if (reject) rejections_q <= rejections_q + 1'b1;
      if (admit && input_valid && !input_ready) input_stalls_q <= input_stalls_q + 1'b1;
      if (output_valid && !output_ready) output_stalls_q <= output_stalls_q + 1'b1;
    end
    if (rst) begin
      running_q <= 1'b0;
      loading_q <= 1'b0;
      entered_q <= '0;
      finished_q <= '0;
      rejections_q <= '0;
      cycles_q <= '0;
      input_stalls_q <= '0;
      output_stalls_q <= '0;
    end
  end

  // An event is kept only where it is enabled, as kernels of Vitis HLS do it.
  assign interrupt_status_done_set = done && interrupt_enable_done;
  assign interrupt_status_ready_set = done && interrupt_enable_ready;
  assign interrupt_status_error_set = error && interrupt_enable_error;
  assign interrupt_line = interrupt_global_enable &&
      (interrupt_status_done || interrupt_status_ready || interrupt_status_error);
endmodule

`default_nettype wire
