// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Reads `c_bytes` bytes from any byte address over AXI4 and sends them as words whose byte 0 is the first byte read.
///
/// A burst has at most `Burst` beats, never crosses a multiple of 4096 bytes, and is asked for only when its data have a
/// place here: `axi_rready` never stalls the bus. A beat that is answered with an error sets a flag and counts as read, so
/// that every command ends, with as many words as asked for. `cancel` ends a command early: no burst is asked for any more,
/// and what is on its way is thrown away before the next command is taken. (AXI4: IHI 0022, A3.4.)
module axi_read_master #(
    /// Bits of a word, of the bus and of the stream: 64, 128, 256 or 512.
    parameter int unsigned Width = 64,
    /// Bits of an address.
    parameter int unsigned AddressBits = 64,
    /// Most beats of a burst, 1 to 256.
    parameter int unsigned Burst = 16,
    /// Most bursts that are under way, 1 and up.
    parameter int unsigned Outstanding = 4,
    /// Bytes of a word; not to be set.
    localparam int unsigned Bytes = Width / 8,
    /// Bits of a number of bytes in a word; not to be set.
    localparam int unsigned CountBits = $clog2(Bytes + 1)
) (
    input  wire logic                   clk,
    input  wire logic                   rst,           ///< synchronous, active high; the bus must be reset with it
    input  wire logic [AddressBits-1:0] c_address,     ///< of the first byte
    input  wire logic [31:0]            c_bytes,       ///< bytes to read; 0: nothing is read or sent
    input  wire logic                   c_valid,
    output      logic                   c_ready,       ///< the last command has ended
    input  wire logic                   cancel,
    output      logic [1:0]             error,         ///< of this command: {DECERR, SLVERR}
    output      logic [Width-1:0]       m_data,
    output      logic [CountBits-1:0]   m_bytes,       ///< bytes that count, from byte 0; fewer than all only at `last`
    output      logic                   m_valid,
    output      logic                   m_last,        ///< final word of the command
    input  wire logic                   m_ready,
    output      logic [0:0]             axi_arid,
    output      logic [AddressBits-1:0] axi_araddr,
    output      logic [7:0]             axi_arlen,
    output      logic [2:0]             axi_arsize,
    output      logic [1:0]             axi_arburst,
    output      logic                   axi_arvalid,
    input  wire logic                   axi_arready,
    input  wire logic [0:0]             axi_rid,
    input  wire logic [Width-1:0]       axi_rdata,
    input  wire logic [1:0]             axi_rresp,
    input  wire logic                   axi_rlast,
    input  wire logic                   axi_rvalid,
    output      logic                   axi_rready
);
  localparam int unsigned Shift = $clog2(Bytes);
  localparam int unsigned PageBits = 12 - Shift;
  localparam int unsigned Depth = Burst * Outstanding;
  localparam int unsigned SpaceBits = $clog2(Depth + 1);
  localparam int unsigned FlightBits = $clog2(Outstanding + 1);
  localparam int unsigned WordBits = AddressBits - Shift;
  `CHECK_PARAMETER(width, Width >= 16 && Width <= 1024 && (Width & (Width - 1)) == 0, "Width is a power of two")
  `CHECK_PARAMETER(burst, Burst > 0 && Burst <= 256 && Outstanding > 0, "Burst is 1 to 256, Outstanding 1 and up")

  logic busy_q, stop_q;
  wire logic start = c_valid && c_ready;
  assign c_ready = !busy_q && !stop_q && !cancel;

  // Requests: whole words, as many as lie between here and the next multiple of 4096.
  logic [WordBits-1:0] address_q, ar_address_q;
  logic [32-Shift:0] request_q;
  logic [8:0] length;
  logic [7:0] ar_length_q;
  logic ar_valid_q;
  logic [SpaceBits-1:0] space_q;
  logic [FlightBits-1:0] flight_q;
  logic raw_valid, raw_ready;
  wire logic [PageBits:0] to_page = (PageBits + 1)'(1 << PageBits) - (PageBits + 1)'(address_q[PageBits-1:0]);
  wire logic ask = busy_q && !stop_q && !ar_valid_q && request_q != '0 && space_q >= SpaceBits'(Burst) &&
      flight_q != FlightBits'(Outstanding);
  wire logic land = axi_rvalid && axi_rready && axi_rlast;

  always_comb begin
    length = 9'(Burst);
    if (32'(to_page) < 32'(length)) length = 9'(to_page);
    if (33'(request_q) < 33'(length)) length = 9'(request_q);
  end

  assign axi_arid = '0;
  assign axi_araddr = {ar_address_q, Shift'(0)};
  assign axi_arlen = ar_length_q;
  assign axi_arsize = 3'(Shift);
  assign axi_arburst = 2'b01;
  assign axi_arvalid = ar_valid_q;

  always_ff @(posedge clk) begin
    if (axi_arready) ar_valid_q <= 1'b0;
    if (ask) begin
      ar_valid_q <= 1'b1;
      ar_address_q <= address_q;
      ar_length_q <= 8'(length - 1'b1);
      address_q <= address_q + WordBits'(length);
      request_q <= request_q - (33 - Shift)'(length);
    end
    space_q <= space_q - (ask ? SpaceBits'(length) : '0) + SpaceBits'(raw_valid && raw_ready);
    flight_q <= flight_q + FlightBits'(ask) - FlightBits'(land);
    if (start) begin
      address_q <= c_address[AddressBits-1:Shift];
      request_q <= c_bytes == '0 ? '0 :
          (33 - Shift)'((33'(c_address[Shift-1:0]) + 33'(c_bytes) + 33'(Bytes - 1)) >> Shift);
    end
    if (stop_q) request_q <= '0;
    if (rst) begin
      ar_valid_q <= 1'b0;
      request_q <= '0;
      space_q <= SpaceBits'(Depth);
      flight_q <= '0;
    end
  end

  // Answers.
  logic [1:0] error_q;
  logic [Width-1:0] raw_data;
  logic unused_last;
  wire logic unused_id = &{axi_rid};
  assign error = error_q;

  stream_fifo #(
      .Width(Width),
      .Depth(Depth)
  ) u_answers (
      .clk,
      .rst,
      .s_data (axi_rdata),
      .s_valid(axi_rvalid),
      .s_last (axi_rlast),
      .s_ready(axi_rready),
      .m_data (raw_data),
      .m_valid(raw_valid),
      .m_last (unused_last),
      .m_ready(raw_ready)
  );

  always_ff @(posedge clk) begin
    if (axi_rvalid && axi_rready && axi_rresp[1]) error_q[axi_rresp[0]] <= 1'b1;
    if (rst || start) error_q <= '0;
  end
  `CHECK_NEVER(answers_have_a_place, axi_rvalid && !axi_rready, "an answer came that has no place")

  // Alignment: a word out is the end of the word before and the beginning of this one. `cut_q` is the byte of the word
  // before with which it begins; an aligned command has cut = Bytes and needs no word before.
  logic [Shift:0] cut_q;
  logic [31:0] left_q;
  logic primed_q;
  logic [Width-1:0] before_q, out_q;
  logic [CountBits-1:0] out_bytes_q;
  logic out_valid_q, out_last_q;
  wire logic aligned = cut_q[Shift];
  wire logic work = busy_q && !stop_q && left_q != '0;
  wire logic rest_is_here = primed_q && left_q <= 32'(Bytes) - 32'(cut_q);
  wire logic prime = work && raw_valid && !primed_q && !aligned;
  wire logic emit = work && (m_ready || !out_valid_q) && (rest_is_here || (raw_valid && (primed_q || aligned)));
  wire logic final_word = left_q <= 32'(Bytes);
  wire logic [2*Width-1:0] pair = {raw_data, before_q};
  assign raw_ready = prime || (emit && !rest_is_here) || stop_q;
  assign m_data = out_q;
  assign m_bytes = out_bytes_q;
  assign m_last = out_last_q;
  assign m_valid = out_valid_q;

  always_ff @(posedge clk) begin
    if (m_ready) out_valid_q <= 1'b0;
    if (raw_valid && raw_ready) before_q <= raw_data;
    if (prime) primed_q <= 1'b1;
    if (emit) begin
      out_q <= pair[8*cut_q+:Width];
      out_bytes_q <= final_word ? CountBits'(left_q) : CountBits'(Bytes);
      out_last_q <= final_word;
      out_valid_q <= 1'b1;
      left_q <= final_word ? '0 : left_q - 32'(Bytes);
    end
    if (start) begin
      cut_q <= c_address[Shift-1:0] == '0 ? (Shift + 1)'(Bytes) : (Shift + 1)'(c_address[Shift-1:0]);
      left_q <= c_bytes;
      primed_q <= 1'b0;
    end
    if (stop_q) begin
      left_q <= '0;
      out_valid_q <= 1'b0;
    end
    if (rst) begin
      left_q <= '0;
      out_valid_q <= 1'b0;
    end
  end

  // A command ends when its words are gone and every place for answers is free again.
  wire logic at_end = request_q == '0 && !ar_valid_q && space_q == SpaceBits'(Depth) && left_q == '0 && !out_valid_q;
  always_ff @(posedge clk) begin
    if (start) busy_q <= 1'b1;
    else if (at_end) busy_q <= 1'b0;
    stop_q <= (cancel && busy_q) || (stop_q && !at_end);
    if (rst) begin
      busy_q <= 1'b0;
      stop_q <= 1'b0;
    end
  end

  `CHECK_STABLE(m_stable, m_valid, (m_ready || cancel || stop_q), {m_last, m_bytes, m_data})
  `CHECK_STABLE(ar_stable, axi_arvalid, axi_arready, {axi_araddr, axi_arlen})
endmodule

`default_nettype wire
