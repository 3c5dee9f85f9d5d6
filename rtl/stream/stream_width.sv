// SPDX-License-Identifier: Apache-2.0
`include "gatewright.svh"
`default_nettype none

/// Lane width change by a whole ratio; element 0 of a token stays in the lowest bits of its first beat.
/// A token's channels must be a multiple of the wider side, so no beat straddles two tokens.
module stream_width #(
    /// Bits of one lane.
    parameter int unsigned Width    = 8,
    /// Lanes per input beat; divides or is divided by `OutLanes`.
    parameter int unsigned InLanes  = 1,
    /// Lanes per output beat.
    parameter int unsigned OutLanes = 4
) (
    input  wire logic                      clk,
    input  wire logic                      rst,      ///< synchronous, active high
    input  wire logic [InLanes*Width-1:0]  s_data,
    input  wire logic                      s_valid,
    input  wire logic                      s_last,
    output      logic                      s_ready,
    output      logic [OutLanes*Width-1:0] m_data,
    output      logic                      m_valid,
    output      logic                      m_last,
    input  wire logic                      m_ready
);
  `CHECK_PARAMETER(whole_ratio, InLanes % OutLanes == 0 || OutLanes % InLanes == 0,
                   "one side's lanes must divide the other's")

  if (InLanes == OutLanes) begin : gen_same
    assign m_data  = s_data;
    assign m_valid = s_valid;
    assign m_last  = s_last;
    assign s_ready = m_ready;
    wire logic unused_clock = &{clk, rst};
  end else if (InLanes > OutLanes) begin : gen_down
    localparam int unsigned Ratio = InLanes / OutLanes;
    localparam int unsigned CountWidth = $clog2(Ratio);
    localparam int unsigned OutBits = OutLanes * Width;
    // The beat is shifted out; a new one is taken in the cycle in which its predecessor's last part leaves.
    logic [InLanes*Width-1:0] data_q;
    logic [CountWidth-1:0] left_q;
    logic valid_q, last_q;
    wire logic final_part = left_q == '0;

    assign s_ready = !valid_q || (m_ready && final_part);
    assign m_valid = valid_q;
    assign m_data  = data_q[OutBits-1:0];
    assign m_last  = last_q && final_part;

    always_ff @(posedge clk) begin
      if (s_ready) begin
        data_q <= s_data;
        last_q <= s_last;
        valid_q <= s_valid;
        left_q <= CountWidth'(Ratio - 1);
      end else if (m_ready) begin
        data_q <= data_q >> OutBits;
        left_q <= left_q - 1'b1;
      end
      if (rst) valid_q <= 1'b0;
    end
  end else begin : gen_up
    localparam int unsigned Ratio = OutLanes / InLanes;
    localparam int unsigned CountWidth = $clog2(Ratio);
    localparam int unsigned InBits = InLanes * Width;
    localparam int unsigned OutBits = OutLanes * Width;
    // Parts enter at the top and move down; a full beat leaves while the next one's first part enters.
    logic [OutBits-1:0] data_q;
    logic [CountWidth-1:0] count_q;
    logic valid_q, last_q;

    assign s_ready = !valid_q || m_ready;
    assign m_valid = valid_q;
    assign m_data  = data_q;
    assign m_last  = last_q;

    always_ff @(posedge clk) begin
      if (s_ready) begin
        valid_q <= 1'b0;
        if (s_valid) begin
          data_q <= {s_data, data_q[OutBits-1:InBits]};
          last_q <= s_last;
          valid_q <= count_q == CountWidth'(Ratio - 1);
          count_q <= count_q == CountWidth'(Ratio - 1) ? '0 : count_q + 1'b1;
        end
      end
      if (rst) begin
        valid_q <= 1'b0;
        count_q <= '0;
      end
    end
  end

  `CHECK_STABLE(s_stable, s_valid, s_ready, {s_last, s_data})
  `CHECK_STABLE(m_stable, m_valid, m_ready, {m_last, m_data})
endmodule

`default_nettype wire
