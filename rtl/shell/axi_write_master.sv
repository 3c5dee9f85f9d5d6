// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Writes a stream of words to any byte address over AXI4; how long it is, only its `last` says.
///
/// A burst has at most `Burst` beats, never crosses a multiple of 4096 bytes, and begins when all its data are here, so that a
/// slow stream never holds up the bus. Bytes beyond `c_bytes` are not written: `overflow`. An answer with an error sets a
/// flag and the command goes on. `cancel` ends a command early: bursts that were asked for are finished, what is behind
/// them is thrown away. (AXI4: IHI 0022, A3.4.)
module axi_write_master #(
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
    input  wire logic [31:0]            c_bytes,       ///< room there
    input  wire logic                   c_valid,
    output      logic                   c_ready,       ///< the last command has ended: all is in memory
    input  wire logic                   cancel,
    output      logic [1:0]             error,         ///< of this command: {DECERR, SLVERR}
    output      logic                   overflow,      ///< of this command: the stream was longer than `c_bytes`
    input  wire logic [Width-1:0]       s_data,
    input  wire logic [CountBits-1:0]   s_bytes,       ///< bytes that count, from byte 0; fewer than all, or 0, only at `last`
    input  wire logic                   s_valid,
    input  wire logic                   s_last,        ///< final word of the command
    output      logic                   s_ready,
    output      logic [0:0]             axi_awid,
    output      logic [AddressBits-1:0] axi_awaddr,
    output      logic [7:0]             axi_awlen,
    output      logic [2:0]             axi_awsize,
    output      logic [1:0]             axi_awburst,
    output      logic                   axi_awvalid,
    input  wire logic                   axi_awready,
    output      logic [Width-1:0]       axi_wdata,
    output      logic [Bytes-1:0]       axi_wstrb,
    output      logic                   axi_wlast,
    output      logic                   axi_wvalid,
    input  wire logic                   axi_wready,
    input  wire logic [0:0]             axi_bid,
    input  wire logic [1:0]             axi_bresp,
    input  wire logic                   axi_bvalid,
    output      logic                   axi_bready
);
  localparam int unsigned Shift = $clog2(Bytes);
  localparam int unsigned PageBits = 12 - Shift;
  localparam int unsigned Depth = 2 * Burst;
  localparam int unsigned HeldBits = $clog2(Depth + 2);
  localparam int unsigned FlightBits = $clog2(Outstanding + 1);
  localparam int unsigned WordBits = AddressBits - Shift;
  `CHECK_PARAMETER(width, Width >= 16 && Width <= 1024 && (Width & (Width - 1)) == 0, "Width is a power of two")
  `CHECK_PARAMETER(burst, Burst > 0 && Burst <= 256 && Outstanding > 0, "Burst is 1 to 256, Outstanding 1 and up")

  logic busy_q, stop_q;
  wire logic start = c_valid && c_ready;
  assign c_ready = !busy_q && !stop_q && !cancel;

  // Into the room that there is.
  logic [31:0] room_q;
  logic closed_q, ended_q, overflow_q, one_valid_q, one_final_q, one_step;
  logic [Width-1:0] one_q;
  logic [CountBits-1:0] one_bytes_q;
  wire logic fits = 32'(s_bytes) <= room_q;
  wire logic closes = s_last || 32'(s_bytes) >= room_q;
  wire logic take = s_valid && s_ready;
  assign s_ready = busy_q && !stop_q && !ended_q && (closed_q || !one_valid_q || one_step);
  assign overflow = overflow_q;

  always_ff @(posedge clk) begin
    if (one_step) one_valid_q <= 1'b0;
    if (take) begin
      ended_q <= s_last;
      if (closed_q ? s_bytes != '0 : !fits) overflow_q <= 1'b1;
      if (!closed_q) begin
        one_valid_q <= 1'b1;
        one_q <= s_data;
        one_bytes_q <= fits ? s_bytes : CountBits'(room_q);
        one_final_q <= closes;
        closed_q <= closes;
        room_q <= fits ? room_q - 32'(s_bytes) : '0;
      end
    end
    if (start) begin
      room_q <= c_bytes;
      closed_q <= 1'b0;
      ended_q <= 1'b0;
      overflow_q <= 1'b0;
    end
    if (rst || stop_q) one_valid_q <= 1'b0;
    if (rst) overflow_q <= 1'b0;
  end
  `CHECK_NEVER(whole_words, s_valid && s_ready && !s_last && 32'(s_bytes) != Bytes, "a word in the middle is not whole")

  // Alignment: a word of memory is the end of the word before and the beginning of this one. What lies outside the
  // command has no strobe.
  logic [Shift-1:0] offset_q;
  logic [Width-1:0] over_q;
  logic [Bytes-1:0] over_strobe_q;
  logic flush_q, all_in_q, fifo_ready;
  wire logic [2*Width-1:0] placed = {Width'(0), one_q} << {offset_q, 3'b000};
  wire logic [2*Bytes-1:0] strobes = {Bytes'(0), ~({Bytes{1'b1}} << one_bytes_q)} << offset_q;
  wire logic [Bytes-1:0] strobe = flush_q ? over_strobe_q : strobes[Bytes-1:0] | over_strobe_q;
  wire logic [Width-1:0] word = flush_q ? over_q : placed[Width-1:0] | over_q;
  wire logic push = (flush_q || one_valid_q) && fifo_ready && strobe != '0;
  assign one_step = one_valid_q && !flush_q && fifo_ready;

  always_ff @(posedge clk) begin
    if (one_step) begin
      over_q <= placed[2*Width-1:Width];
      over_strobe_q <= strobes[2*Bytes-1:Bytes];
      flush_q <= one_final_q && strobes[2*Bytes-1:Bytes] != '0;
      all_in_q <= one_final_q && strobes[2*Bytes-1:Bytes] == '0;
    end
    if (flush_q && fifo_ready) begin
      flush_q <= 1'b0;
      all_in_q <= 1'b1;
    end
    if (start) begin
      offset_q <= c_address[Shift-1:0];
      over_q <= '0;
      over_strobe_q <= '0;
      all_in_q <= 1'b0;
    end
    if (rst || stop_q) flush_q <= 1'b0;
  end

  // Words that wait for their burst, and words that belong to one already.
  logic [Width-1:0] word_data;
  logic [Bytes-1:0] word_strobe;
  logic word_valid, word_ready, unused_last;
  stream_fifo #(
      .Width(Width + Bytes),
      .Depth(Depth)
  ) u_words (
      .clk,
      .rst,
      .s_data ({strobe, word}),
      .s_valid(push && !stop_q),
      .s_last (1'b0),
      .s_ready(fifo_ready),
      .m_data ({word_strobe, word_data}),
      .m_valid(word_valid),
      .m_last (unused_last),
      .m_ready(word_ready)
  );

  logic [WordBits-1:0] address_q, aw_address_q;
  logic [HeldBits-1:0] waiting_q;
  logic [8:0] length;
  logic [7:0] aw_length_q;
  logic aw_valid_q;
  logic [FlightBits-1:0] flight_q;
  wire logic [PageBits:0] to_page = (PageBits + 1)'(1 << PageBits) - (PageBits + 1)'(address_q[PageBits-1:0]);
  wire logic [8:0] most = 32'(to_page) < Burst ? 9'(to_page) : 9'(Burst);
  wire logic enough = 32'(waiting_q) >= 32'(most);
  wire logic ask = busy_q && !stop_q && !aw_valid_q && flight_q != FlightBits'(Outstanding) &&
      (enough || (all_in_q && waiting_q != '0));
  wire logic drop = stop_q && !aw_valid_q && flight_q == '0 && word_valid;
  wire logic answer = axi_bvalid && axi_bready;
  assign length = enough ? most : 9'(waiting_q);
  assign axi_awid = '0;
  assign axi_awaddr = {aw_address_q, Shift'(0)};
  assign axi_awlen = aw_length_q;
  assign axi_awsize = 3'(Shift);
  assign axi_awburst = 2'b01;
  assign axi_awvalid = aw_valid_q;

  always_ff @(posedge clk) begin
    if (axi_awready) aw_valid_q <= 1'b0;
    if (ask) begin
      aw_valid_q <= 1'b1;
      aw_address_q <= address_q;
      aw_length_q <= 8'(length - 1'b1);
      address_q <= address_q + WordBits'(length);
    end
    waiting_q <= waiting_q + HeldBits'(push && !stop_q) - (ask ? HeldBits'(length) : '0) - HeldBits'(drop);
    flight_q <= flight_q + FlightBits'(ask) - FlightBits'(answer);
    if (start) address_q <= c_address[AddressBits-1:Shift];
    if (rst) begin
      aw_valid_q <= 1'b0;
      waiting_q <= '0;
      flight_q <= '0;
    end
  end

  // Data follow their address: some memories take no data before it.
  logic [7:0] burst_length, beat_q;
  logic burst_valid, unused_ready, unused_burst_last;
  wire logic beat = axi_wvalid && axi_wready;
  stream_fifo #(
      .Width(8),
      .Depth(Outstanding)
  ) u_bursts (
      .clk,
      .rst,
      .s_data (aw_length_q),
      .s_valid(axi_awvalid && axi_awready),
      .s_last (1'b0),
      .s_ready(unused_ready),
      .m_data (burst_length),
      .m_valid(burst_valid),
      .m_last (unused_burst_last),
      .m_ready(beat && axi_wlast)
  );
  assign axi_wvalid = word_valid && burst_valid;
  assign axi_wdata = word_data;
  assign axi_wstrb = word_strobe;
  assign axi_wlast = beat_q == burst_length;
  assign word_ready = (burst_valid && axi_wready) || drop;

  always_ff @(posedge clk) begin
    if (beat) beat_q <= axi_wlast ? '0 : beat_q + 1'b1;
    if (rst) beat_q <= '0;
  end
  `CHECK_NEVER(bursts_have_a_place, axi_awvalid && axi_awready && !unused_ready, "a burst has no place")

  // Answers, and the end of a command.
  logic [1:0] error_q;
  wire logic unused_answer = &{axi_bid, axi_bresp[0]};
  wire logic at_end = ((ended_q && all_in_q) || stop_q) && !flush_q && waiting_q == '0 && !aw_valid_q && flight_q == '0;
  assign axi_bready = 1'b1;
  assign error = error_q;

  always_ff @(posedge clk) begin
    if (answer && axi_bresp[1]) error_q[axi_bresp[0]] <= 1'b1;
    if (start) busy_q <= 1'b1;
    else if (at_end) busy_q <= 1'b0;
    stop_q <= (cancel && busy_q) || (stop_q && !at_end);
    if (rst || start) error_q <= '0;
    if (rst) begin
      busy_q <= 1'b0;
      stop_q <= 1'b0;
    end
  end

  `CHECK_STABLE(s_stable, s_valid, (s_ready || cancel || stop_q), {s_last, s_bytes, s_data})
  `CHECK_STABLE(aw_stable, axi_awvalid, axi_awready, {axi_awaddr, axi_awlen})
  `CHECK_STABLE(w_stable, axi_wvalid, axi_wready, {axi_wlast, axi_wstrb, axi_wdata})
endmodule

`default_nettype wire
