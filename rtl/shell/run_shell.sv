// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Shell of a network whose data come and go as words of a bus: registers over AXI4-Lite, runs (`shell_control`), input
/// as `sequence_unpack` reads it, results back to back, weights as words of the load chain.
///
/// A beat is padded to a power of two of bytes, so that none lies across two words. The network's side has whole
/// sequences with tags, and malformed ones come back at `e_*`, as `sequence_guard` has it.
module run_shell #(
    /// Bytes of a word, a power of two.
    parameter int unsigned WordBytes = 8,
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
    /// The shell reads and writes memory: registers of addresses and sizes.
    parameter bit Memory = 1'b1,
    /// Hash of the design.
    parameter logic [63:0] BuildId = '0,
    /// Bits of a number of bytes in a word; not to be set.
    localparam int unsigned CountBits = $clog2(WordBytes + 1)
) (
    input  wire logic                   clk,
    input  wire logic                   rst,             ///< synchronous, active high
    input  wire logic [7:0]             s_awaddr,        ///< AXI4-Lite
    input  wire logic                   s_awvalid,
    output      logic                   s_awready,
    input  wire logic [31:0]            s_wdata,
    input  wire logic [3:0]             s_wstrb,
    input  wire logic                   s_wvalid,
    output      logic                   s_wready,
    output      logic [1:0]             s_bresp,
    output      logic                   s_bvalid,
    input  wire logic                   s_bready,
    input  wire logic [7:0]             s_araddr,
    input  wire logic                   s_arvalid,
    output      logic                   s_arready,
    output      logic [31:0]            s_rdata,
    output      logic [1:0]             s_rresp,
    output      logic                   s_rvalid,
    input  wire logic                   s_rready,
    output      logic                   interrupt_line,  ///< the interrupt
    output      logic                   reset,           ///< one cycle: forget everything but registers
    output      logic                   start,           ///< one cycle: a run begins
    output      logic                   loading,         ///< it loads weights
    output      logic [63:0]            input_address,   ///< registers
    output      logic [31:0]            input_bytes,
    output      logic [63:0]            output_address,
    output      logic [31:0]            output_bytes,
    output      logic [63:0]            weights_address,
    output      logic [31:0]            weights_bytes,
    input  wire logic                   no_data,         ///< with `start`: no word will come in
    input  wire logic                   out_at_rest,     ///< all words that left are where they should go
    input  wire logic                   in_error,        ///< one cycle: words of this run were answered with an error
    input  wire logic                   out_error,       ///< one cycle: words that left were answered with an error
    input  wire logic                   out_overflow,    ///< one cycle: results had too little room
    input  wire logic [8*WordBytes-1:0] i_data,          ///< words in: input, or weights
    input  wire logic [CountBits-1:0]   i_bytes,
    input  wire logic                   i_valid,
    input  wire logic                   i_last,          ///< of the run
    output      logic                   i_ready,
    output      logic [8*WordBytes-1:0] o_data,          ///< words out: results
    output      logic [CountBits-1:0]   o_bytes,
    output      logic                   o_valid,
    output      logic                   o_last,          ///< of the run
    input  wire logic                   o_ready,
    output      logic                   network_rst,     ///< reset of the network
    output      logic [InBits-1:0]      s_data,          ///< input of the network
    output      logic                   s_keep,
    output      logic [TagBits-1:0]     s_tag,
    output      logic                   s_valid,
    output      logic                   s_last,
    input  wire logic                   s_ready,
    input  wire logic [OutBits-1:0]     m_data,          ///< results of the network
    input  wire logic                   m_valid,
    input  wire logic                   m_last,
    output      logic                   m_ready,
    output      logic [Load-1:0]        w_data,          ///< load chain of the network
    output      logic                   w_valid,
    output      logic                   w_last,
    input  wire logic                   w_ready,
    input  wire logic [TagBits+1:0]     e_data,          ///< malformed sequences: {cause, tag}
    input  wire logic                   e_valid,
    output      logic                   e_ready
);
  localparam int unsigned InBytes = 1 << $clog2((InBits + 7) / 8);
  localparam int unsigned OutBytes = 1 << $clog2((OutBits + 7) / 8);
  localparam int unsigned LoadBytes = Load / 8;
  `CHECK_PARAMETER(load_power, (LoadBytes & (LoadBytes - 1)) == 0, "Load is a power of two")

  // Registers.
  logic write_valid, write_known, read_valid, read_known;
  logic [7:0] write_address, read_address;
  logic [31:0] write_data, read_data;
  logic [3:0] write_strobe;
  axi_lite_slave u_bus (
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
      .write_valid,
      .write_address,
      .write_data,
      .write_strobe,
      .write_known,
      .read_valid,
      .read_address,
      .read_data,
      .read_known
  );

  logic done, admit, loaded, running, all_out, failed, load_done, unpacked, joined_q;
  logic input_length, weights_length;
  logic [31:0] sequences;
  wire logic input_error = in_error && !loading;
  wire logic weights_error = in_error && loading;
  wire logic at_rest = unpacked && joined_q && out_at_rest && !start;

  shell_core #(
      .Memory(Memory),
      .Direct(1'b1),
      .Link(1'b0),
      .InBits(InBits),
      .OutBits(OutBits),
      .Load(Load),
      .LoadWords(LoadWords),
      .TagBits(TagBits),
      .PacketBytes(0),
      .BuildId(BuildId)
  ) u_core (
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
      .interrupt_line,
      .reset,
      .input_address,
      .input_bytes,
      .output_address,
      .output_bytes,
      .weights_address,
      .weights_bytes,
      .sequences,
      .admit,
      .running,
      .loading,
      .done,
      .all_out,
      .failed,
      .load_done,
      .loaded,
      .at_rest,
      .result        (m_valid),
      .s_valid,
      .s_ready,
      .s_last,
      .m_valid,
      .m_ready,
      .m_last,
      .e_data,
      .e_valid,
      .e_ready,
      .input_bus     (input_error),
      .output_bus    (out_error),
      .weights_bus   (weights_error),
      .input_length,
      .output_length (out_overflow),
      .weights_length,
      .link_crc      (1'b0),
      .link_frame    (1'b0),
      .link_length   (1'b0),
      .link_overrun  (1'b0),
      .link_request  (1'b0)
  );

  // Runs. A load that went wrong leaves no half of it behind: the network forgets all of it.
  logic wrong_length, forget_q, running_q, in_ended_q;
  wire logic rst_all = rst || reset;
  assign network_rst = rst_all || forget_q;
  assign start = running && !running_q;
  wire logic infer = running && running_q && !loading;

  // Words behind the final one belong to the next run.
  wire logic in_valid = i_valid && running_q && !in_ended_q;
  always_ff @(posedge clk) begin
    running_q <= running && !done;
    if (i_valid && i_ready && i_last) in_ended_q <= 1'b1;
    if (start) in_ended_q <= 1'b0;
    if (rst_all) begin
      running_q <= 1'b0;
      in_ended_q <= 1'b0;
    end
  end

  // Input.
  logic [8*InBytes-1:0] beat, sequence_data;
  logic in_words_ready, beat_ragged, beat_valid, beat_last, beat_ready;
  word_split #(
      .WordBytes(WordBytes),
      .BeatBytes(InBytes)
  ) u_input (
      .clk,
      .rst     (rst_all),
      .s_data  (i_data),
      .s_bytes (i_bytes),
      .s_valid (in_valid && !loading),
      .s_last  (i_last),
      .s_ready (in_words_ready),
      .m_data  (beat),
      .m_ragged(beat_ragged),
      .m_valid (beat_valid),
      .m_last  (beat_last),
      .m_ready (beat_ready)
  );
  sequence_unpack #(
      .BeatBytes(InBytes),
      .Beats(InBeats),
      .TagBits(TagBits)
  ) u_unpack (
      .clk,
      .rst         (rst_all),
      .start       (start && !loading),
      .sequences,
      .no_data,
      .done        (unpacked),
      .wrong_length,
      .s_data      (beat),
      .s_ragged    (beat_ragged),
      .s_valid     (beat_valid),
      .s_last      (beat_last),
      .s_ready     (beat_ready),
      .m_data      (sequence_data),
      .m_keep      (s_keep),
      .m_tag       (s_tag),
      .m_valid     (s_valid),
      .m_last      (s_last),
      .m_ready     (s_ready)
  );
  assign s_data = sequence_data[InBits-1:0];
  assign input_length = done && infer && wrong_length;

  // Results: what is left at the end of the run is the final word.
  logic joined;
  word_join #(
      .BeatBytes(OutBytes),
      .WordBytes(WordBytes)
  ) u_results (
      .clk,
      .rst    (rst_all),
      .s_data ((8 * OutBytes)'(m_data)),
      .s_valid(m_valid && infer),
      .s_ready(m_ready),
      .flush  (infer && all_out && unpacked && !joined_q),
      .done   (joined),
      .m_data (o_data),
      .m_bytes(o_bytes),
      .m_valid(o_valid),
      .m_last (o_last),
      .m_ready(o_ready)
  );
  always_ff @(posedge clk) begin
    if (joined) joined_q <= 1'b1;
    if (start || rst_all) joined_q <= 1'b0;
  end

  // Weights: exactly the words of the load chain; those behind them are thrown away.
  logic [Load-1:0] word;
  logic load_words_ready, word_ragged, word_valid, word_last, word_ready, chain_ready, load_ended_q, load_wrong_q, load_broken_q;
  logic [31:0] words_q;
  wire logic wanted = words_q != 32'(LoadWords) && !word_ragged;
  wire logic word_step = word_valid && word_ready;
  assign word_ready = !wanted || chain_ready;
  assign i_ready = running_q && !in_ended_q && (loading ? load_words_ready : in_words_ready);
  word_split #(
      .WordBytes(WordBytes),
      .BeatBytes(LoadBytes)
  ) u_weights (
      .clk,
      .rst     (rst_all),
      .s_data  (i_data),
      .s_bytes (i_bytes),
      .s_valid (in_valid && loading),
      .s_last  (i_last),
      .s_ready (load_words_ready),
      .m_data  (word),
      .m_ragged(word_ragged),
      .m_valid (word_valid),
      .m_last  (word_last),
      .m_ready (word_ready)
  );
  load_counter #(
      .Load (Load),
      .Words(LoadWords)
  ) u_load (
      .clk,
      .rst    (network_rst),
      .s_data (word),
      .s_valid(word_valid && wanted),
      .s_ready(chain_ready),
      .w_data,
      .w_valid,
      .w_last,
      .w_ready,
      .loaded
  );
  assign load_done = load_ended_q && running_q && !start;
  assign weights_length = load_done && done && (load_wrong_q || words_q != 32'(LoadWords));

  always_ff @(posedge clk) begin
    if (word_step && wanted) words_q <= words_q + 1'b1;
    if (word_step && !wanted) load_wrong_q <= 1'b1;
    if (word_step && word_last) load_ended_q <= 1'b1;
    if (weights_error) load_broken_q <= 1'b1;
    if (start || rst_all) begin
      words_q <= '0;
      load_wrong_q <= 1'b0;
      load_broken_q <= 1'b0;
      load_ended_q <= no_data && loading && !rst_all;
    end
    forget_q <= weights_length || (load_done && done && load_broken_q);
    if (rst) forget_q <= 1'b0;
  end

  wire logic unused = &{sequence_data, admit, failed};
endmodule

`default_nettype wire
