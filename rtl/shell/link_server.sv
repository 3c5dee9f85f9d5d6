// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Answers requests of a host, one packet for each. A request that has the number of the one before it is not done
/// again: the same answer is sent once more, so that a host may repeat whatever it got no answer to.
///
/// Request: {kind, number, a, b, data}. Answer: {kind | 0x80, number, a, b, data}, or {kind | 0x40, number, reason, 0} when
/// refused. Numbers of 16 bits are {a, b}, low byte first.
///   1 hello  begins a session; done even if its number is the last one's
///   2 read   {a, b} = address; answered with the 4 bytes of a register
///   3 write  {a, b} = address, data = 4 bytes
///   4 push   a[0] = the data end a sequence, b = its tag, data = whole beats; answered with {a, b} = bytes taken
///   5 pull   answered with bytes of results, a[0] = they end a sequence, b = its tag
///   6 load   data = whole words of the load chain; answered with {a, b} = bytes taken
/// Push and load stop when nothing was taken for `Patience` cycles: the host sends the rest again.
/// Reasons: 1 unknown kind, 2 no such register, 3 wrong size, 4 weights cannot change during a run.
module link_server #(
    /// Bytes of data in the longest packet, 8 and up, no less than a beat or word has.
    parameter int unsigned Bytes     = 256,
    /// Bytes of an input beat.
    parameter int unsigned InBytes   = 1,
    /// Bytes of a word of the load chain.
    parameter int unsigned LoadBytes = 4,
    /// The design has weights.
    parameter bit          Loadable  = 1'b1,
    /// Bits of a tag, 1 to 8.
    parameter int unsigned TagBits   = 6,
    /// Cycles that push and load wait for room, and pull for a result.
    parameter int unsigned Patience  = 1024,
    /// Bits of a byte count; not to be set.
    localparam int unsigned CountBits = $clog2(Bytes + 4 + 5)
) (
    input  wire logic                 clk,
    input  wire logic                 rst,             ///< synchronous, active high
    input  wire logic                 held,            ///< of `packet_receiver`
    input  wire logic [CountBits-1:0] length,
    output      logic                 take,
    output      logic [CountBits-1:0] read_at,
    input  wire logic [7:0]           read_byte,
    output      logic                 answer_valid,    ///< to `packet_sender`
    output      logic [CountBits-1:0] answer_address,
    output      logic [7:0]           answer_data,
    output      logic                 send,
    output      logic [CountBits-1:0] send_length,
    input  wire logic                 busy,
    output      logic                 write_valid,     ///< register bus, see `shell_registers`
    output      logic [7:0]           write_address,
    output      logic [31:0]          write_data,
    input  wire logic                 write_known,
    output      logic                 read_valid,
    output      logic [7:0]           read_address,
    input  wire logic [31:0]          read_data,
    input  wire logic                 read_known,
    output      logic [7:0]           in_data,         ///< bytes of input beats
    output      logic [TagBits-1:0]   in_tag,
    output      logic                 in_valid,        ///< only while `in_ready`
    output      logic                 in_last,
    input  wire logic                 in_ready,
    output      logic [7:0]           load_data,       ///< bytes of the load chain
    output      logic                 load_valid,      ///< only while `load_ready`
    input  wire logic                 load_ready,
    input  wire logic                 running,         ///< loading is refused
    input  wire logic [7:0]           out_data,        ///< bytes of results
    input  wire logic [TagBits-1:0]   out_tag,
    input  wire logic                 out_valid,
    input  wire logic                 out_last,
    output      logic                 out_ready,
    output      logic                 refused          ///< one cycle: a request was refused
);
  localparam int unsigned Header = 4;
  localparam int unsigned WaitBits = $clog2(Patience + 1);
  localparam logic [7:0] Hello = 8'd1, Read = 8'd2, Write = 8'd3, Push = 8'd4, Pull = 8'd5, Load = 8'd6;
  localparam logic [7:0] Unknown = 8'd1, NoRegister = 8'd2, WrongSize = 8'd3, Running = 8'd4;
  `CHECK_PARAMETER(packet, Bytes >= 8 && Bytes >= InBytes && Bytes >= LoadBytes, "a packet holds a beat and a word")
  `CHECK_PARAMETER(tag, TagBits >= 1 && TagBits <= 8, "TagBits is 1 to 8")

  typedef enum logic [3:0] {
    Idle,
    GetHeader,
    Decide,
    Whole,
    Fetch,
    Use,
    WriteWord,
    PutWord,
    Drain,
    Answer,
    Send
  } state_e;

  state_e state_q;
  logic [CountBits-1:0] at_q, rest_q, length_q;
  logic [2:0] step_q;
  logic [7:0] kind_q, number_q, a_q, b_q, last_number_q;
  logic seen_q, refuse_q;
  logic [31:0] word_q;
  logic [WaitBits-1:0] wait_q;

  wire logic [CountBits-1:0] data_bytes = length - CountBits'(Header);
  wire logic [CountBits-1:0] unit = kind_q == Push ? CountBits'(InBytes) : CountBits'(LoadBytes);
  wire logic is_register = a_q[1:0] == '0 && b_q == '0;
  wire logic again = seen_q && number_q == last_number_q && kind_q != Hello;
  wire logic patient = wait_q != '0;
  wire logic final_byte = at_q == length - 1'b1;

  // The reason for which a request is refused at once, 0 if none.
  logic [7:0] reason;
  always_comb begin
    reason = 8'd0;
    unique case (kind_q)
      Hello, Pull: if (data_bytes != '0) reason = WrongSize;
      Read:
      if (data_bytes != '0) reason = WrongSize;
      else if (!is_register || !read_known) reason = NoRegister;
      Write:
      if (data_bytes != CountBits'(4)) reason = WrongSize;
      else if (!is_register || !write_known) reason = NoRegister;
      Push: if (data_bytes == '0) reason = WrongSize;
      Load:
      if (data_bytes == '0 || !Loadable) reason = WrongSize;
      else if (running) reason = Running;
      default: reason = Unknown;
    endcase
  end

  assign read_at = at_q;
  assign read_address = a_q;
  assign read_valid = state_q == Decide && !again && kind_q == Read && reason == '0;
  assign write_address = a_q;
  assign write_data = word_q;
  assign write_valid = state_q == WriteWord;
  assign in_data = read_byte;
  assign in_tag = TagBits'(b_q);
  assign in_valid = state_q == Use && kind_q == Push && in_ready;
  assign in_last = a_q[0] && final_byte;
  assign load_data = read_byte;
  assign load_valid = state_q == Use && kind_q == Load && load_ready;
  wire logic room = length_q != CountBits'(Bytes + Header);
  assign out_ready = state_q == Drain && room;
  assign refused = state_q == Decide && !again && reason != '0 || state_q == Whole && rest_q != '0 && rest_q < unit;
  assign take = state_q == Send;
  assign send = state_q == Send;
  assign send_length = length_q;

  // What is written into the answer.
  logic [7:0] header_byte;
  always_comb begin
    unique case (step_q[1:0])
      2'd0: header_byte = kind_q | (refuse_q ? 8'h40 : 8'h80);
      2'd1: header_byte = number_q;
      2'd2: header_byte = a_q;
      default: header_byte = b_q;
    endcase
    answer_valid = state_q == Answer || state_q == PutWord || (state_q == Drain && out_valid && room);
    answer_address = state_q == Answer ? CountBits'(step_q) : length_q;
    answer_data = state_q == Answer ? header_byte : state_q == PutWord ? word_q[7:0] : out_data;
  end

  wire logic [15:0] taken = 16'(at_q - CountBits'(Header));

  always_ff @(posedge clk) begin
    step_q <= step_q + 1'b1;
    if (patient) wait_q <= wait_q - 1'b1;
    unique case (state_q)
      Idle: begin
        at_q <= '0;
        step_q <= '0;
        if (held && !busy) state_q <= GetHeader;
      end
      // Bytes come one cycle behind their address.
      GetHeader: begin
        if (step_q != 3'd4) at_q <= at_q + 1'b1;
        if (step_q != '0) {b_q, a_q, number_q, kind_q} <= {read_byte, b_q, a_q, number_q};
        if (step_q == 3'd4) state_q <= Decide;
      end
      Decide: begin
        step_q <= '0;
        rest_q <= data_bytes;
        wait_q <= WaitBits'(Patience);
        word_q <= read_data;
        if (again) begin
          state_q <= Send;
        end else begin
          last_number_q <= number_q;
          seen_q <= 1'b1;
          length_q <= CountBits'(Header);
          refuse_q <= reason != '0;
          if (reason != '0) begin
            a_q <= reason;
            b_q <= '0;
            state_q <= Answer;
          end else begin
            unique case (kind_q)
              Read: state_q <= PutWord;
              Write: state_q <= Fetch;
              Pull: begin
                a_q <= '0;
                b_q <= '0;
                state_q <= Drain;
              end
              Push, Load: state_q <= Whole;
              default: state_q <= Answer;
            endcase
          end
        end
      end
      Whole: begin
        step_q <= '0;
        if (rest_q >= unit) rest_q <= rest_q - unit;
        else if (rest_q == '0) state_q <= Fetch;
        else begin
          refuse_q <= 1'b1;
          a_q <= WrongSize;
          b_q <= '0;
          state_q <= Answer;
        end
      end
      Fetch: begin
        wait_q <= WaitBits'(Patience);
        state_q <= Use;
      end
      Use: begin
        step_q <= '0;
        if (kind_q == Write || in_valid || load_valid) begin
          at_q <= at_q + 1'b1;
          word_q <= {read_byte, word_q[31:8]};
          state_q <= Fetch;
          if (final_byte) state_q <= kind_q == Write ? WriteWord : Answer;
          if (final_byte && kind_q != Write) {b_q, a_q} <= taken + 1'b1;
        end else if (!patient) begin
          {b_q, a_q} <= taken;
          state_q <= Answer;
        end
      end
      WriteWord: begin
        step_q <= '0;
        state_q <= Answer;
      end
      PutWord: begin
        word_q <= word_q >> 8;
        length_q <= length_q + 1'b1;
        if (step_q == 3'd3) begin
          step_q <= '0;
          state_q <= Answer;
        end
      end
      Drain: begin
        step_q <= '0;
        if (out_valid && room) begin
          length_q <= length_q + 1'b1;
          a_q <= 8'(out_last);
          b_q <= 8'(out_tag);
          if (out_last) state_q <= Answer;
        end else if (!room || length_q != CountBits'(Header) || !patient) begin
          state_q <= Answer;
        end
      end
      Answer: if (step_q == 3'd3) state_q <= Send;
      Send: state_q <= Idle;
      default: state_q <= Idle;
    endcase
    if (rst) begin
      state_q <= Idle;
      seen_q <= 1'b0;
      wait_q <= '0;
    end
  end
endmodule

`default_nettype wire
