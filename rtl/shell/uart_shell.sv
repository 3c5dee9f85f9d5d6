// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Shell of small boards: a network behind a UART. Packets read and write registers, push input, pull results and load
/// weights (`link_server`); runs are those of `shell_control`, and the network takes input only during one.
///
/// The network's side has whole sequences with tags, and malformed ones come back at `e_*`, as `sequence_guard` has it.
module uart_shell #(
    /// Clock cycles per bit of the UART, 4 and up.
    parameter int unsigned Divisor     = 25,
    /// Bits of an input beat.
    parameter int unsigned InBits      = 8,
    /// Bits of an output beat.
    parameter int unsigned OutBits     = 8,
    /// Bits of a word of the load chain.
    parameter int unsigned Load        = 32,
    /// Words of the load chain, 0 if there are no weights.
    parameter int unsigned LoadWords   = 4,
    /// Bits of a tag, 1 to 8.
    parameter int unsigned TagBits     = 6,
    /// Input beats that wait for the network, 2 and up.
    parameter int unsigned InputBeats  = 64,
    /// Output beats that wait for the host, 2 and up.
    parameter int unsigned OutputBeats = 64,
    /// Bytes of data in the longest packet.
    parameter int unsigned PacketBytes = 256,
    /// Hash of the design.
    parameter logic [63:0] BuildId     = '0
) (
    input  wire logic               clk,
    input  wire logic               rst,          ///< synchronous, active high
    input  wire logic               rx,           ///< UART from the host
    output      logic               tx,           ///< UART to the host
    output      logic               network_rst,  ///< reset of the network
    output      logic [InBits-1:0]  s_data,       ///< input of the network
    output      logic [TagBits-1:0] s_tag,
    output      logic               s_valid,
    output      logic               s_last,
    input  wire logic               s_ready,
    input  wire logic [OutBits-1:0] m_data,       ///< results of the network
    input  wire logic [TagBits-1:0] m_tag,
    input  wire logic               m_valid,
    input  wire logic               m_last,
    output      logic               m_ready,
    output      logic [Load-1:0]    w_data,       ///< load chain of the network
    output      logic               w_valid,
    output      logic               w_last,
    input  wire logic               w_ready,
    input  wire logic [TagBits+1:0] e_data,       ///< malformed sequences: {cause, tag}
    input  wire logic               e_valid,
    output      logic               e_ready,
    output      logic               running,      ///< for a lamp: a run is under way
    output      logic               failed        ///< for a lamp: an error flag is set
);
  localparam int unsigned InBytes = (InBits + 7) / 8;
  localparam int unsigned OutBytes = (OutBits + 7) / 8;
  localparam int unsigned LoadBytes = Load / 8;
  localparam int unsigned CountBits = $clog2(PacketBytes + 4 + 5);

  // The link.
  logic [7:0] rx_data, read_byte, answer_data, tx_data;
  logic rx_valid, rx_broken, held, take, answer_valid, send, busy, tx_valid, tx_ready;
  logic bad_crc, bad_frame, bad_length, overrun, refused;
  logic [CountBits-1:0] length, read_at, answer_address, send_length;

  uart_rx #(
      .Divisor(Divisor)
  ) u_rx (
      .clk,
      .rst,
      .rx,
      .data  (rx_data),
      .valid (rx_valid),
      .broken(rx_broken)
  );

  packet_receiver #(
      .Bytes(PacketBytes + 4)
  ) u_receiver (
      .clk,
      .rst,
      .data        (rx_data),
      .valid       (rx_valid),
      .broken      (rx_broken),
      .held,
      .length,
      .take,
      .read_address(read_at),
      .read_data   (read_byte),
      .bad_crc,
      .bad_frame,
      .bad_length,
      .overrun
  );

  packet_sender #(
      .Bytes(PacketBytes + 4)
  ) u_sender (
      .clk,
      .rst,
      .write_valid  (answer_valid),
      .write_address(answer_address),
      .write_data   (answer_data),
      .send,
      .length       (send_length),
      .busy,
      .m_data       (tx_data),
      .m_valid      (tx_valid),
      .m_ready      (tx_ready)
  );

  uart_tx #(
      .Divisor(Divisor)
  ) u_tx (
      .clk,
      .rst,
      .s_data (tx_data),
      .s_valid(tx_valid),
      .s_ready(tx_ready),
      .tx
  );

  logic write_valid, write_known, read_valid, read_known;
  logic [7:0] write_address, read_address;
  logic [31:0] write_data, read_data;
  logic [7:0] in_byte, load_byte, out_byte;
  logic [TagBits-1:0] in_tag, out_tag;
  logic in_valid, in_last, in_ready, load_valid, load_ready, out_valid, out_last, out_ready;

  link_server #(
      .Bytes(PacketBytes),
      .InBytes(InBytes),
      .LoadBytes(LoadBytes),
      .Loadable(LoadWords > 0),
      .TagBits(TagBits)
  ) u_server (
      .clk,
      .rst,
      .held,
      .length,
      .take,
      .read_at,
      .read_byte,
      .answer_valid,
      .answer_address,
      .answer_data,
      .send,
      .send_length,
      .busy,
      .write_valid,
      .write_address,
      .write_data,
      .write_known,
      .read_valid,
      .read_address,
      .read_data,
      .read_known,
      .in_data   (in_byte),
      .in_tag,
      .in_valid,
      .in_last,
      .in_ready,
      .load_data (load_byte),
      .load_valid,
      .load_ready,
      .running,
      .out_data  (out_byte),
      .out_tag,
      .out_valid,
      .out_last,
      .out_ready,
      .refused
  );

  // Registers and runs.
  logic reset, admit, loaded, next_valid, next_ready;
  wire logic rst_all = rst || reset;
  assign network_rst = rst_all;
  logic [63:0] unused_address[3];
  logic [31:0] unused_bytes[3], unused_sequences;
  logic unused_interrupt, unused_loading, unused_done, unused_all_out;

  shell_core #(
      .Memory(1'b0),
      .Direct(1'b0),
      .Link(1'b1),
      .InBits(InBits),
      .OutBits(OutBits),
      .Load(Load),
      .LoadWords(LoadWords),
      .TagBits(TagBits),
      .PacketBytes(PacketBytes),
      .BuildId(BuildId)
  ) u_core (
      .clk,
      .rst,
      .write_valid,
      .write_address,
      .write_data,
      .write_strobe   (4'hf),
      .write_known,
      .read_valid,
      .read_address,
      .read_data,
      .read_known,
      .interrupt_line (unused_interrupt),
      .reset,
      .input_address  (unused_address[0]),
      .input_bytes    (unused_bytes[0]),
      .output_address (unused_address[1]),
      .output_bytes   (unused_bytes[1]),
      .weights_address(unused_address[2]),
      .weights_bytes  (unused_bytes[2]),
      .sequences      (unused_sequences),
      .admit,
      .running,
      .loading        (unused_loading),
      .done           (unused_done),
      .all_out        (unused_all_out),
      .failed,
      .load_done      (1'b0),
      .loaded,
      .at_rest        (1'b1),
      .result         (out_valid),
      .s_valid        (next_valid),
      .s_ready        (next_ready),
      .s_last,
      .m_valid,
      .m_ready,
      .m_last,
      .e_data,
      .e_valid,
      .e_ready,
      .input_bus      (1'b0),
      .output_bus     (1'b0),
      .weights_bus    (1'b0),
      .input_length   (1'b0),
      .output_length  (1'b0),
      .weights_length (1'b0),
      .link_crc       (bad_crc),
      .link_frame     (bad_frame),
      .link_length    (bad_length),
      .link_overrun   (overrun),
      .link_request   (refused)
  );

  // Input: bytes to beats, with the tag of the packet that they came in.
  logic [8*InBytes-1:0] wide_in;
  logic wide_in_valid, wide_in_last, wide_in_ready;
  logic [TagBits-1:0] wide_in_tag_q;
  always_ff @(posedge clk) if (in_valid && in_ready) wide_in_tag_q <= in_tag;
  stream_width #(
      .Width(8),
      .InLanes(1),
      .OutLanes(InBytes)
  ) u_input_bytes (
      .clk,
      .rst    (rst_all),
      .s_data (in_byte),
      .s_valid(in_valid),
      .s_last (in_last),
      .s_ready(in_ready),
      .m_data (wide_in),
      .m_valid(wide_in_valid),
      .m_last (wide_in_last),
      .m_ready(wide_in_ready)
  );
  stream_fifo #(
      .Width(TagBits + InBits),
      .Depth(InputBeats)
  ) u_input (
      .clk,
      .rst    (rst_all),
      .s_data ({InBytes > 1 ? wide_in_tag_q : in_tag, wide_in[InBits-1:0]}),
      .s_valid(wide_in_valid),
      .s_last (wide_in_last),
      .s_ready(wide_in_ready),
      .m_data ({s_tag, s_data}),
      .m_valid(next_valid),
      .m_last (s_last),
      .m_ready(next_ready)
  );
  // A beat on offer stays on offer: `admit` falls only with the final beat of the run's last sequence.
  assign s_valid = next_valid && admit;
  assign next_ready = s_ready && admit;

  // Results: beats to bytes.
  logic [OutBits-1:0] beat;
  logic [TagBits-1:0] beat_tag, out_tag_q;
  logic beat_valid, beat_last, beat_ready;
  stream_fifo #(
      .Width(TagBits + OutBits),
      .Depth(OutputBeats)
  ) u_results (
      .clk,
      .rst    (rst_all),
      .s_data ({m_tag, m_data}),
      .s_valid(m_valid),
      .s_last (m_last),
      .s_ready(m_ready),
      .m_data ({beat_tag, beat}),
      .m_valid(beat_valid),
      .m_last (beat_last),
      .m_ready(beat_ready)
  );
  stream_width #(
      .Width(8),
      .InLanes(OutBytes),
      .OutLanes(1)
  ) u_result_bytes (
      .clk,
      .rst    (rst_all),
      .s_data ((8 * OutBytes)'(beat)),
      .s_valid(beat_valid),
      .s_last (beat_last),
      .s_ready(beat_ready),
      .m_data (out_byte),
      .m_valid(out_valid),
      .m_last (out_last),
      .m_ready(out_ready)
  );
  always_ff @(posedge clk) if (beat_valid && beat_ready) out_tag_q <= beat_tag;
  assign out_tag = OutBytes > 1 ? out_tag_q : beat_tag;

  // Weights.
  logic [Load-1:0] word;
  logic word_valid, word_ready, unused_word_last;
  stream_width #(
      .Width(8),
      .InLanes(1),
      .OutLanes(LoadBytes)
  ) u_load_bytes (
      .clk,
      .rst    (rst_all),
      .s_data (load_byte),
      .s_valid(load_valid),
      .s_last (1'b0),
      .s_ready(load_ready),
      .m_data (word),
      .m_valid(word_valid),
      .m_last (unused_word_last),
      .m_ready(word_ready)
  );
  load_counter #(
      .Load (Load),
      .Words(LoadWords)
  ) u_load (
      .clk,
      .rst    (rst_all),
      .s_data (word),
      .s_valid(word_valid),
      .s_ready(word_ready),
      .w_data,
      .w_valid,
      .w_last,
      .w_ready,
      .loaded
  );

  // Padding bits of the last byte of a beat.
  wire logic unused = &{wide_in, unused_interrupt, unused_loading, unused_done, unused_all_out, unused_sequences,
                        unused_word_last, out_tag_q, wide_in_tag_q};
endmodule

`default_nettype wire
