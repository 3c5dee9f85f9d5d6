// SPDX-License-Identifier: Apache-2.0
// What the hard blocks of Gowin's GW2A compute, as far as `synth_gowin` uses them: Yosys ships them without a body.
// After Gowin UG285 (memory) and UG287 (DSP). Settings that are not modelled give x.

// 9 x 9 bits, all registers bypassed.
module MULT9X9 (
    input [8:0] A, B, SIA, SIB,
    input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [17:0] DOUT
);
  parameter AREG = 1'b0;
  parameter BREG = 1'b0;
  parameter OUT_REG = 1'b0;
  parameter PIPE_REG = 1'b0;
  wire signed [9:0] a = {ASIGN && A[8], A};
  wire signed [9:0] b = {BSIGN && B[8], B};
  wire signed [19:0] product = a * b;
  assign DOUT = AREG || BREG || OUT_REG || PIPE_REG ? 18'bx : product[17:0];
endmodule

// 18 x 18 bits, all registers bypassed.
module MULT18X18 (
    input [17:0] A, B, SIA, SIB,
    input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [35:0] DOUT
);
  parameter AREG = 1'b0;
  parameter BREG = 1'b0;
  parameter OUT_REG = 1'b0;
  parameter PIPE_REG = 1'b0;
  wire signed [18:0] a = {ASIGN && A[17], A};
  wire signed [18:0] b = {BSIGN && B[17], B};
  wire signed [37:0] product = a * b;
  assign DOUT = AREG || BREG || OUT_REG || PIPE_REG ? 36'bx : product[35:0];
endmodule

// What block RAM holds at the start: 64 rows of 288 bits, the first one lowest.
`define GOWIN_INIT \
  parameter [287:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0; \
  parameter [287:0] INIT_RAM_05 = 0, INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0; \
  parameter [287:0] INIT_RAM_0A = 0, INIT_RAM_0B = 0, INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0; \
  parameter [287:0] INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0, INIT_RAM_12 = 0, INIT_RAM_13 = 0; \
  parameter [287:0] INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0, INIT_RAM_18 = 0; \
  parameter [287:0] INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0; \
  parameter [287:0] INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0; \
  parameter [287:0] INIT_RAM_23 = 0, INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0; \
  parameter [287:0] INIT_RAM_28 = 0, INIT_RAM_29 = 0, INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0; \
  parameter [287:0] INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0, INIT_RAM_30 = 0, INIT_RAM_31 = 0; \
  parameter [287:0] INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0, INIT_RAM_36 = 0; \
  parameter [287:0] INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0; \
  parameter [287:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0; \
  localparam [18431:0] Init = { \
      INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38, \
      INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, \
      INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
      INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, \
      INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, \
      INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
      INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
      INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00 \
  };

// 2048 bytes of 9 bits behind two ports of 9 or 18 bits, on one clock each. An address counts bits, eight to a byte;
// bits 0 and 1 of the address of a port of 18 bits say which of its bytes are written.
module DPX9B (
    input CLKA, CEA, CLKB, CEB, OCEA, OCEB, RESETA, RESETB, WREA, WREB,
    input [13:0] ADA, ADB,
    input [17:0] DIA, DIB,
    input [2:0] BLKSELA, BLKSELB,
    output [17:0] DOA, DOB
);
  parameter READ_MODE0 = 1'b0;
  parameter READ_MODE1 = 1'b0;
  parameter WRITE_MODE0 = 2'b00;
  parameter WRITE_MODE1 = 2'b00;
  parameter BIT_WIDTH_0 = 18;
  parameter BIT_WIDTH_1 = 18;
  parameter BLK_SEL_0 = 3'b000;
  parameter BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  `GOWIN_INIT
  localparam Modelled = READ_MODE0 == 0 && READ_MODE1 == 0 && (BIT_WIDTH_0 == 9 || BIT_WIDTH_0 == 18) &&
      (BIT_WIDTH_1 == 9 || BIT_WIDTH_1 == 18) && WRITE_MODE0 != 2 && WRITE_MODE1 != 2;
  reg [8:0] bytes [0:2047];
  reg [17:0] a, b;
  wire [10:0] low_a = BIT_WIDTH_0 == 9 ? ADA[13:3] : {ADA[13:4], 1'b0};
  wire [10:0] low_b = BIT_WIDTH_1 == 9 ? ADB[13:3] : {ADB[13:4], 1'b0};
  wire [10:0] high_a = {ADA[13:4], 1'b1};
  wire [10:0] high_b = {ADB[13:4], 1'b1};
  integer i;
  initial for (i = 0; i < 2048; i = i + 1) bytes[i] = Init[9*i+:9];
  always @(posedge CLKA) begin
    if (CEA && WREA && (BIT_WIDTH_0 == 9 || ADA[0])) bytes[low_a] <= DIA[8:0];
    if (CEA && WREA && BIT_WIDTH_0 == 18 && ADA[1]) bytes[high_a] <= DIA[17:9];
    // While it writes, a port shows what it writes, or keeps what it has shown.
    if (CEA && !WREA) a <= {bytes[high_a], bytes[low_a]};
    else if (CEA && WRITE_MODE0 == 1) a <= DIA;
  end
  always @(posedge CLKB) begin
    if (CEB && WREB && (BIT_WIDTH_1 == 9 || ADB[0])) bytes[low_b] <= DIB[8:0];
    if (CEB && WREB && BIT_WIDTH_1 == 18 && ADB[1]) bytes[high_b] <= DIB[17:9];
    if (CEB && !WREB) b <= {bytes[high_b], bytes[low_b]};
    else if (CEB && WRITE_MODE1 == 1) b <= DIB;
  end
  assign DOA = Modelled ? a : 18'bx;
  assign DOB = Modelled ? b : 18'bx;
endmodule

// The same memory with a port that writes and one that reads, of 9, 18 or 36 bits.
module SDPX9B (
    input CLKA, CEA, CLKB, CEB, OCE, RESETA, RESETB,
    input [13:0] ADA, ADB,
    input [35:0] DI,
    input [2:0] BLKSELA, BLKSELB,
    output [35:0] DO
);
  parameter READ_MODE = 1'b0;
  parameter BIT_WIDTH_0 = 36;
  parameter BIT_WIDTH_1 = 36;
  parameter BLK_SEL_0 = 3'b000;
  parameter BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  `GOWIN_INIT
  localparam Modelled = READ_MODE == 0 && (BIT_WIDTH_0 == 9 || BIT_WIDTH_0 == 18 || BIT_WIDTH_0 == 36) &&
      (BIT_WIDTH_1 == 9 || BIT_WIDTH_1 == 18 || BIT_WIDTH_1 == 36);
  reg [8:0] bytes [0:2047];
  reg [35:0] shown;
  wire [10:0] first_w = BIT_WIDTH_0 == 9 ? ADA[13:3] : BIT_WIDTH_0 == 18 ? {ADA[13:4], 1'b0} : {ADA[13:5], 2'b0};
  wire [10:0] first_r = BIT_WIDTH_1 == 9 ? ADB[13:3] : BIT_WIDTH_1 == 18 ? {ADB[13:4], 1'b0} : {ADB[13:5], 2'b0};
  integer i;
  initial for (i = 0; i < 2048; i = i + 1) bytes[i] = Init[9*i+:9];
  always @(posedge CLKA) begin
    if (CEA && (BIT_WIDTH_0 == 9 || ADA[0])) bytes[first_w] <= DI[8:0];
    if (CEA && BIT_WIDTH_0 > 9 && ADA[1]) bytes[first_w|1] <= DI[17:9];
    if (CEA && BIT_WIDTH_0 > 18 && ADA[2]) bytes[first_w|2] <= DI[26:18];
    if (CEA && BIT_WIDTH_0 > 18 && ADA[3]) bytes[first_w|3] <= DI[35:27];
  end
  always @(posedge CLKB) begin
    if (CEB) shown <= {bytes[first_r|3], bytes[first_r|2], bytes[first_r|1], bytes[first_r]};
  end
  assign DO = Modelled ? shown : 36'bx;
endmodule
