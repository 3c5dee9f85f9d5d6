// SPDX-License-Identifier: Apache-2.0
// What the hard blocks of the ECP5 compute, as far as `synth_ecp5` uses them: Yosys ships them without a body.
// After Lattice FPGA-TN-02204 (memory) and FPGA-TN-02205 (sysDSP). Settings that are not modelled give x.

// 18 x 18 bits, all registers bypassed.
module MULT18X18D (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input CLK3, CLK2, CLK1, CLK0, CE3, CE2, CE1, CE0, RST3, RST2, RST1, RST0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15,
        P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0,
    output SIGNEDP
);
  parameter REG_INPUTA_CLK = "NONE";
  parameter REG_INPUTB_CLK = "NONE";
  parameter REG_PIPELINE_CLK = "NONE";
  parameter REG_OUTPUT_CLK = "NONE";
  localparam Modelled = REG_INPUTA_CLK == "NONE" && REG_INPUTB_CLK == "NONE" && REG_PIPELINE_CLK == "NONE" &&
                        REG_OUTPUT_CLK == "NONE";
  wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  wire [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  wire signed [18:0] wide_a = {SIGNEDA && a[17], a};
  wire signed [18:0] wide_b = {SIGNEDB && b[17], b};
  wire signed [37:0] product = wide_a * wide_b;
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15,
        P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = Modelled ? product[35:0] : 36'bx;
  assign SIGNEDP = SIGNEDA || SIGNEDB;
endmodule

// 1024 rows of 18 bits. A port of 36 bits is two rows: DIA/DOA the even one, DIB/DOB the odd one; a narrow port
// sees a part of a row. Registers behind the outputs are not modelled.
module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2,
        DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
        DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
        DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18;
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG";
  parameter REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000";
  parameter CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL";
  parameter WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA";
  parameter CLKBMUX = "CLKB";
  parameter GSR = "ENABLED";
  parameter [319:0] INITVAL_00 = 320'b0;
  parameter [319:0] INITVAL_01 = 320'b0;
  parameter [319:0] INITVAL_02 = 320'b0;
  parameter [319:0] INITVAL_03 = 320'b0;
  parameter [319:0] INITVAL_04 = 320'b0;
  parameter [319:0] INITVAL_05 = 320'b0;
  parameter [319:0] INITVAL_06 = 320'b0;
  parameter [319:0] INITVAL_07 = 320'b0;
  parameter [319:0] INITVAL_08 = 320'b0;
  parameter [319:0] INITVAL_09 = 320'b0;
  parameter [319:0] INITVAL_0A = 320'b0;
  parameter [319:0] INITVAL_0B = 320'b0;
  parameter [319:0] INITVAL_0C = 320'b0;
  parameter [319:0] INITVAL_0D = 320'b0;
  parameter [319:0] INITVAL_0E = 320'b0;
  parameter [319:0] INITVAL_0F = 320'b0;
  parameter [319:0] INITVAL_10 = 320'b0;
  parameter [319:0] INITVAL_11 = 320'b0;
  parameter [319:0] INITVAL_12 = 320'b0;
  parameter [319:0] INITVAL_13 = 320'b0;
  parameter [319:0] INITVAL_14 = 320'b0;
  parameter [319:0] INITVAL_15 = 320'b0;
  parameter [319:0] INITVAL_16 = 320'b0;
  parameter [319:0] INITVAL_17 = 320'b0;
  parameter [319:0] INITVAL_18 = 320'b0;
  parameter [319:0] INITVAL_19 = 320'b0;
  parameter [319:0] INITVAL_1A = 320'b0;
  parameter [319:0] INITVAL_1B = 320'b0;
  parameter [319:0] INITVAL_1C = 320'b0;
  parameter [319:0] INITVAL_1D = 320'b0;
  parameter [319:0] INITVAL_1E = 320'b0;
  parameter [319:0] INITVAL_1F = 320'b0;
  parameter [319:0] INITVAL_20 = 320'b0;
  parameter [319:0] INITVAL_21 = 320'b0;
  parameter [319:0] INITVAL_22 = 320'b0;
  parameter [319:0] INITVAL_23 = 320'b0;
  parameter [319:0] INITVAL_24 = 320'b0;
  parameter [319:0] INITVAL_25 = 320'b0;
  parameter [319:0] INITVAL_26 = 320'b0;
  parameter [319:0] INITVAL_27 = 320'b0;
  parameter [319:0] INITVAL_28 = 320'b0;
  parameter [319:0] INITVAL_29 = 320'b0;
  parameter [319:0] INITVAL_2A = 320'b0;
  parameter [319:0] INITVAL_2B = 320'b0;
  parameter [319:0] INITVAL_2C = 320'b0;
  parameter [319:0] INITVAL_2D = 320'b0;
  parameter [319:0] INITVAL_2E = 320'b0;
  parameter [319:0] INITVAL_2F = 320'b0;
  parameter [319:0] INITVAL_30 = 320'b0;
  parameter [319:0] INITVAL_31 = 320'b0;
  parameter [319:0] INITVAL_32 = 320'b0;
  parameter [319:0] INITVAL_33 = 320'b0;
  parameter [319:0] INITVAL_34 = 320'b0;
  parameter [319:0] INITVAL_35 = 320'b0;
  parameter [319:0] INITVAL_36 = 320'b0;
  parameter [319:0] INITVAL_37 = 320'b0;
  parameter [319:0] INITVAL_38 = 320'b0;
  parameter [319:0] INITVAL_39 = 320'b0;
  parameter [319:0] INITVAL_3A = 320'b0;
  parameter [319:0] INITVAL_3B = 320'b0;
  parameter [319:0] INITVAL_3C = 320'b0;
  parameter [319:0] INITVAL_3D = 320'b0;
  parameter [319:0] INITVAL_3E = 320'b0;
  parameter [319:0] INITVAL_3F = 320'b0;

  wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
        DIA3, DIA2, DIA1, DIA0};
  wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
        DIB3, DIB2, DIB1, DIB0};
  wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  localparam Modelled = REGMODE_A == "NOREG" && REGMODE_B == "NOREG" && CLKAMUX == "CLKA" && CLKBMUX == "CLKB";
  localparam [20479:0] Init = {
      INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38, INITVAL_37,
        INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E,
        INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25,
        INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C,
        INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13,
        INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A,
        INITVAL_09, INITVAL_08, INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
        INITVAL_00};

  reg [17:0] memory[0:1023];
  integer i;
  initial for (i = 0; i < 1024; i = i + 1) memory[i] = Init[20*i+:18];

  // The part of a row that a port of a narrow width sees; widths below 9 leave out the ninth bits.
  function [17:0] part(input [17:0] row, input [3:0] low, input integer width);
    case (width)
      18, 36: part = row;
      9: part = low[3] ? row[17:9] : row[8:0];
      4: part = (low[3] ? row[16:9] : row[7:0]) >> {low[2], 2'b00} & 18'hf;
      2: part = (low[3] ? row[16:9] : row[7:0]) >> {low[2:1], 1'b0} & 18'h3;
      default: part = (low[3] ? row[16:9] : row[7:0]) >> low[2:0] & 18'h1;
    endcase
  endfunction
  // Which bits of a row a write of that width changes.
  function [17:0] mask(input [3:0] low, input integer width);
    reg [7:0] bits;
    begin
      case (width)
        18: mask = {{9{low[1]}}, {9{low[0]}}};
        9: mask = low[3] ? 18'h3fe00 : 18'h001ff;
        default: begin
          bits = width == 4 ? 8'h0f << {low[2], 2'b00} : width == 2 ? 8'h03 << {low[2:1], 1'b0} : 8'h01 << low[2:0];
          mask = low[3] ? {1'b0, bits, 9'b0} : {10'b0, bits};
        end
      endcase
    end
  endfunction
  // The written bits, at every place of the row where the mask may be.
  function [17:0] spread(input [17:0] data, input integer width);
    reg [7:0] bits;
    begin
      bits = width == 4 ? {2{data[3:0]}} : width == 2 ? {4{data[1:0]}} : {8{data[0]}};
      spread = width == 18 ? data : width == 9 ? {2{data[8:0]}} : {1'b0, bits, 1'b0, bits};
    end
  endfunction

  wire [17:0] mask_a = mask(ada[3:0], DATA_WIDTH_A);
  wire [17:0] mask_b = mask(adb[3:0], DATA_WIDTH_B);
  wire [17:0] old_a = memory[ada[13:4]];
  wire [17:0] old_b = memory[adb[13:4]];
  wire [17:0] new_a = (old_a & ~mask_a) | (spread(dia, DATA_WIDTH_A) & mask_a);
  wire [17:0] new_b = (old_b & ~mask_b) | (spread(dib, DATA_WIDTH_B) & mask_b);
  wire writes_a = CEA && WEA && {CSA2, CSA1, CSA0} == 3'b000;
  wire writes_b = CEB && WEB && {CSB2, CSB1, CSB0} == 3'b000;

  reg [17:0] doa = 18'b0, dob = 18'b0;
  generate
    if (DATA_WIDTH_A == 36) begin : write_wide
      wire [17:0] even = {{9{ada[1]}}, {9{ada[0]}}};
      wire [17:0] odd = {{9{ada[3]}}, {9{ada[2]}}};
      always @(posedge CLKA) if (writes_a) begin
        memory[{ada[13:5], 1'b0}] <= (memory[{ada[13:5], 1'b0}] & ~even) | (dia & even);
        memory[{ada[13:5], 1'b1}] <= (memory[{ada[13:5], 1'b1}] & ~odd) | (dib & odd);
      end
    end else begin : write_narrow
      always @(posedge CLKA) begin
        if (writes_a) memory[ada[13:4]] <= new_a;
        if (CEA && (!WEA || WRITEMODE_A != "NORMAL"))
          doa <= part(WEA && WRITEMODE_A == "WRITETHROUGH" ? new_a : old_a, ada[3:0], DATA_WIDTH_A);
        if (RSTA) doa <= 18'b0;
      end
    end
    if (DATA_WIDTH_B == 36) begin : read_wide
      reg [17:0] even = 18'b0;
      always @(posedge CLKB) begin
        if (CEB) even <= memory[{adb[13:5], 1'b0}];
        if (CEB) dob <= memory[{adb[13:5], 1'b1}];
        if (RSTB) even <= 18'b0;
        if (RSTB) dob <= 18'b0;
      end
      assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3,
        DOA2, DOA1, DOA0} = Modelled ? even : 18'bx;
    end else begin : read_narrow
      always @(posedge CLKB) begin
        if (writes_b) memory[adb[13:4]] <= new_b;
        if (CEB && (!WEB || WRITEMODE_B != "NORMAL"))
          dob <= part(WEB && WRITEMODE_B == "WRITETHROUGH" ? new_b : old_b, adb[3:0], DATA_WIDTH_B);
        if (RSTB) dob <= 18'b0;
      end
      assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3,
        DOA2, DOA1, DOA0} = Modelled ? doa : 18'bx;
    end
  endgenerate
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0} = Modelled ? dob : 18'bx;
endmodule
