// SPDX-License-Identifier: Apache-2.0
// Named assertions of parameters and stream rules; define GATEWRIGHT_NO_ASSERT to compile them out.
`ifndef GATEWRIGHT_SVH
`define GATEWRIGHT_SVH

`ifdef SYNTHESIS
`define GATEWRIGHT_NO_ASSERT
`endif

`ifdef GATEWRIGHT_NO_ASSERT
`define CHECK_PARAMETER(name, condition, message)
`define CHECK_STABLE(name, valid, ready, payload)
`define CHECK_NEVER(name, condition, message)
`else
// A wrong parameter ends elaboration.
`define CHECK_PARAMETER(name, condition, message) \
  if (!(condition)) begin : gen_``name \
    $error("%m: %s", message); \
  end

// A stalled beat keeps valid and payload until it is taken.
`define CHECK_STABLE(name, valid, ready, payload) \
  logic name``_stalled_q; \
  logic [$bits(payload)-1:0] name``_payload_q; \
  always_ff @(posedge clk) begin \
    name``_stalled_q <= !rst && valid && !ready; \
    name``_payload_q <= payload; \
    if (!rst && name``_stalled_q) begin \
      name: assert (valid && payload == name``_payload_q) \
        else $error("%m: a stalled beat changed or vanished"); \
    end \
  end

`define CHECK_NEVER(name, condition, message) \
  always_ff @(posedge clk) begin \
    if (!rst) begin \
      name: assert (!(condition)) else $error("%m: %s", message); \
    end \
  end
`endif

`endif
