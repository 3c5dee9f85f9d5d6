// SPDX-License-Identifier: Apache-2.0
// A kernel beside memory or a DMA, and what it is connected to on a board: AXI4-Lite control, and memory or streams.
// Time passes only while the host waits for something.
#pragma once
#include <deque>
#include <iterator>
#include <map>

#include "harness.hpp"

namespace gatewright {

constexpr uint64_t kMemoryLatency = 32;  // cycles from a request to its first word
constexpr int kPatience = 1000;          // cycles that a transaction on the control bus may take
constexpr uint32_t kOkay = 0, kDecodeError = 3;
enum Control : int { kHang = -2, kFailed = -1 };

// Device memory: regions at addresses, and nothing in between.
class Memory {
 public:
  void add(uint64_t address, uint8_t* data, uint64_t bytes) { regions_[address] = {data, bytes}; }
  void remove(uint64_t address) { regions_.erase(address); }
  // Where `bytes` bytes lie; null if not all of them are in one region.
  uint8_t* find(uint64_t address, uint64_t bytes) {
    auto after = regions_.upper_bound(address);
    if (after == regions_.begin()) return nullptr;
    const auto& [base, region] = *std::prev(after);
    return address - base + bytes <= region.bytes ? region.data + (address - base) : nullptr;
  }

 private:
  struct Region {
    uint8_t* data;
    uint64_t bytes;
  };
  std::map<uint64_t, Region> regions_;
};

// One direction of a DMA: bytes from memory, or to it.
struct Transfer {
  uint8_t* data = nullptr;
  uint64_t bytes = 0, done = 0;
  bool active = false, overflow = false;
};

// Ports of a kernel beside memory: it reads over gmem0 and writes over gmem1.
template <class Model, int Width>
struct MemoryPorts : public Model {
  using Model::Model;
  static constexpr bool kMemory = true;
  static constexpr int kWidth = Width;
  void quiet() {
    this->m_axi_gmem0_arready = this->m_axi_gmem1_awready = 1;
    this->m_axi_gmem0_rid = this->m_axi_gmem1_bid = 0;
  }
  void reset(bool on) { this->ap_rst_n = !on; }
  void clock(bool high) { this->ap_clk = high; }
  void answer(bool valid, bool last, uint32_t response, const uint32_t* words) {
    put(this->m_axi_gmem0_rdata, words);
    this->m_axi_gmem0_rvalid = valid;
    this->m_axi_gmem0_rlast = last;
    this->m_axi_gmem0_rresp = response;
  }
  bool answer_taken() const { return this->m_axi_gmem0_rvalid && this->m_axi_gmem0_rready; }
  void acknowledge(bool valid, uint32_t response) {
    this->m_axi_gmem1_bvalid = valid;
    this->m_axi_gmem1_bresp = response;
  }
  bool acknowledge_taken() const { return this->m_axi_gmem1_bvalid && this->m_axi_gmem1_bready; }
  bool asks(uint64_t* address, int* length, int* size) const {
    *address = this->m_axi_gmem0_araddr;
    *length = this->m_axi_gmem0_arlen;
    *size = 1 << this->m_axi_gmem0_arsize;
    return this->m_axi_gmem0_arvalid;
  }
  bool announces(uint64_t* address, int* length, int* size) const {
    *address = this->m_axi_gmem1_awaddr;
    *length = this->m_axi_gmem1_awlen;
    *size = 1 << this->m_axi_gmem1_awsize;
    return this->m_axi_gmem1_awvalid;
  }
  void take(bool ready) { this->m_axi_gmem1_wready = ready; }
  bool taken(uint32_t* words, uint32_t* strobes) const {
    get(this->m_axi_gmem1_wdata, words);
    get(this->m_axi_gmem1_wstrb, strobes);
    return this->m_axi_gmem1_wvalid && this->m_axi_gmem1_wready;
  }
};

// Ports of a kernel beside a DMA.
template <class Model, int Width>
struct StreamPorts : public Model {
  using Model::Model;
  static constexpr bool kMemory = false;
  static constexpr int kWidth = Width;
  void quiet() {}
  void reset(bool on) { this->aresetn = !on; }
  void clock(bool high) { this->aclk = high; }
  void offer(bool valid, bool last, const uint32_t* words, const uint32_t* keep) {
    put(this->s_axis_tdata, words);
    put(this->s_axis_tkeep, keep);
    this->s_axis_tvalid = valid;
    this->s_axis_tlast = last;
  }
  bool offer_taken() const { return this->s_axis_tvalid && this->s_axis_tready; }
  void accept(bool ready) { this->m_axis_tready = ready; }
  bool comes(uint32_t* words, uint32_t* keep, bool* last) const {
    get(this->m_axis_tdata, words);
    get(this->m_axis_tkeep, keep);
    *last = this->m_axis_tlast;
    return this->m_axis_tvalid && this->m_axis_tready;
  }
};

template <class Top>
class Shell {
 public:
  static constexpr int kBytes = Top::kWidth / 8, kWords = (kBytes + 3) / 4, kStrobes = (kBytes + 31) / 32;

  explicit Shell(int seed) : context_(new VerilatedContext) {
    context_->randReset(2);
    context_->randSeed(seed);
    context_->fatalOnError(false);
    top_.reset(new Top(context_.get()));
    // Inputs start at random values, too.
    top_->s_axi_control_awvalid = top_->s_axi_control_wvalid = top_->s_axi_control_bready = 0;
    top_->s_axi_control_arvalid = top_->s_axi_control_rready = 0;
    top_->quiet();
    top_->reset(true);
    // The registers that take the reset over are themselves without one: for two cycles anything goes, on the buses too.
    context_->assertOn(false);
    for (int i = 0; i < 16; i++) tick();
    context_->assertOn(true);
    reads_.clear();
    writes_.clear();
    written_.clear();
    top_->reset(false);
    for (int i = 0; i < 4; i++) tick();
  }
  ~Shell() { top_->final(); }

  Memory memory;
  Transfer send, receive;
  uint64_t cycles() const { return cycles_; }

  bool run(uint64_t count) {
    for (uint64_t i = 0; i < count && !context_->gotError(); i++) tick();
    return !context_->gotError();
  }

  // Both return the bus's response, or an element of Control.
  int write(uint32_t address, uint32_t data, uint32_t strobe) {
    top_->s_axi_control_awaddr = address;
    top_->s_axi_control_wdata = data;
    top_->s_axi_control_wstrb = strobe;
    top_->s_axi_control_awvalid = top_->s_axi_control_wvalid = top_->s_axi_control_bready = 1;
    for (int i = 0; i < kPatience; i++) {
      top_->eval();
      const bool address_taken = top_->s_axi_control_awready, data_taken = top_->s_axi_control_wready;
      const bool answered = top_->s_axi_control_bvalid;
      const int response = top_->s_axi_control_bresp;
      tick();
      if (address_taken) top_->s_axi_control_awvalid = 0;
      if (data_taken) top_->s_axi_control_wvalid = 0;
      if (answered) top_->s_axi_control_bready = 0;
      if (context_->gotError()) return kFailed;
      if (answered) return response;
    }
    return kHang;
  }

  int read(uint32_t address, uint32_t* data) {
    top_->s_axi_control_araddr = address;
    top_->s_axi_control_arvalid = top_->s_axi_control_rready = 1;
    for (int i = 0; i < kPatience; i++) {
      top_->eval();
      const bool taken = top_->s_axi_control_arready, answered = top_->s_axi_control_rvalid;
      const int response = top_->s_axi_control_rresp;
      *data = top_->s_axi_control_rdata;
      tick();
      if (taken) top_->s_axi_control_arvalid = 0;
      if (answered) top_->s_axi_control_rready = 0;
      if (context_->gotError()) return kFailed;
      if (answered) return response;
    }
    return kHang;
  }

 private:
  struct Burst {
    uint64_t address, ready;
    int left, size;
    bool failed = false;
  };

  void tick() {
    if constexpr (Top::kMemory) {
      memory_inputs();
    } else {
      stream_inputs();
    }
    top_->clock(false);
    context_->timeInc(1);
    top_->eval();
    if constexpr (Top::kMemory) {
      memory_reads();
      memory_writes();
    } else {
      stream_handshakes();
    }
    top_->clock(true);
    context_->timeInc(1);
    top_->eval();
    cycles_++;
  }

  // Memory takes every request at once, and answers them in order.
  void memory_inputs() {
    uint32_t words[kWords] = {}, response = kOkay;
    const bool answer = !reads_.empty() && reads_.front().ready <= cycles_;
    if (answer) {
      const Burst& burst = reads_.front();
      const uint8_t* from = memory.find(burst.address, burst.size);
      if (from) {
        std::memcpy(words, from, burst.size);
      } else {
        response = kDecodeError;
      }
    }
    top_->answer(answer, answer && reads_.front().left == 0, response, words);
    const bool written = !written_.empty() && written_.front().ready <= cycles_;
    top_->acknowledge(written, written && written_.front().failed ? kDecodeError : kOkay);
    // Data that come before their address wait.
    top_->take(!writes_.empty());
  }
  void memory_reads() {
    if (top_->answer_taken()) {
      Burst& burst = reads_.front();
      burst.address += burst.size;
      if (burst.left-- == 0) reads_.pop_front();
    }
    uint64_t address;
    int length, size;
    if (top_->asks(&address, &length, &size)) reads_.push_back({address, cycles_ + kMemoryLatency, length, size});
  }
  void memory_writes() {
    uint64_t address;
    int length, size;
    if (top_->acknowledge_taken()) written_.pop_front();
    if (top_->announces(&address, &length, &size)) writes_.push_back({address, 0, length, size});
    uint32_t words[kWords] = {}, strobes[kStrobes] = {};
    if (!top_->taken(words, strobes)) return;
    Burst& burst = writes_.front();
    uint8_t* to = memory.find(burst.address, burst.size);
    burst.failed |= !to;
    for (int b = 0; to && b < burst.size; b++) {
      if (strobes[b / 32] >> b % 32 & 1) to[b] = reinterpret_cast<uint8_t*>(words)[b];
    }
    burst.address += burst.size;
    if (burst.left-- != 0) return;
    burst.ready = cycles_ + kMemoryLatency;
    written_.push_back(burst);
    writes_.pop_front();
  }

  void stream_inputs() {
    uint32_t words[kWords] = {}, keep[kStrobes] = {};
    const uint64_t left = send.active ? send.bytes - send.done : 0;
    const int count = left < kBytes ? static_cast<int>(left) : kBytes;
    if (count) std::memcpy(words, send.data + send.done, count);
    for (int b = 0; b < count; b++) keep[b / 32] |= 1u << b % 32;
    top_->offer(send.active, send.active && left <= kBytes, words, keep);
    top_->accept(receive.active);
  }
  void stream_handshakes() {
    if (send.active && top_->offer_taken()) {
      send.done += send.bytes - send.done < kBytes ? send.bytes - send.done : kBytes;
      send.active = send.done < send.bytes;
    }
    uint32_t words[kWords] = {}, keep[kStrobes] = {};
    bool last = false;
    if (!receive.active || !top_->comes(words, keep, &last)) return;
    for (int b = 0; b < kBytes; b++) {
      if (!(keep[b / 32] >> b % 32 & 1)) continue;
      if (receive.done < receive.bytes) receive.data[receive.done++] = reinterpret_cast<uint8_t*>(words)[b];
      else receive.overflow = true;
    }
    receive.active = !last && !receive.overflow;
  }

  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Top> top_;
  std::deque<Burst> reads_, writes_, written_;
  uint64_t cycles_ = 0;
};

}  // namespace gatewright
