// SPDX-License-Identifier: Apache-2.0
// Drives a Verilated top that has clk, rx, tx, and rst or rst_n: bytes in, bytes out, at full C++ speed.
#pragma once
#include <cstdint>
#include <memory>

#include "verilated.h"

namespace gatewright {

template <class Top>
class Uart {
 public:
  Uart(int seed, uint32_t divisor) : context_(new VerilatedContext), divisor_(divisor) {
    // Registers without reset start at random values, so that a missing reset cannot hide behind zeros.
    context_->randReset(2);
    context_->randSeed(seed);
    context_->fatalOnError(false);
    top_.reset(new Top(context_.get()));
    top_->rx = 1;
    top_->clk = 0;
    reset();
  }
  ~Uart() { top_->final(); }

  void reset() {
    press(true);
    for (int i = 0; i < 8; i++) tick();
    press(false);
    // A board's reset lasts longer than its button is pressed.
    for (int i = 0; i < 40; i++) tick();
  }

  // Send `count` bytes, then listen until a delimiter ends a frame, or for `patience` cycles without a byte.
  // Returns the bytes received, or -1 after a failed assertion.
  int64_t exchange(const uint8_t* send, uint64_t count, uint8_t* receive, uint64_t room, uint64_t patience) {
    uint64_t got = 0, quiet = 0, sent = 0;
    while (got < room) {
      if (out_left_ == 0 && sent < count) {
        out_ = uint32_t(send[sent++]) << 1 | 1u << 9;
        out_left_ = 10 * divisor_;
      }
      top_->rx = out_left_ ? (out_ >> ((10 * divisor_ - out_left_) / divisor_)) & 1 : 1;
      if (out_left_) out_left_--;
      tick();
      quiet++;
      uint8_t value;
      if (listen(&value)) {
        quiet = 0;
        receive[got++] = value;
        // The delimiter that ends a frame, not the one that begins it.
        if (value == 0xc0 && inside_) {
          inside_ = false;
          if (sent == count && !out_left_) break;
        } else if (value != 0xc0) {
          inside_ = true;
        }
      }
      if (sent < count || out_left_ || in_left_) quiet = 0;
      if (quiet > patience) break;
      if (context_->gotError()) return -1;
    }
    return got;
  }

  uint64_t cycles() const { return cycles_; }

 private:
  void press(bool pressed) {
    // Both are macros: the name of the port, and whether it is low while pressed.
    top_->GATEWRIGHT_RESET = pressed != GATEWRIGHT_RESET_LOW;
  }
  bool listen(uint8_t* value) {
    const bool line = top_->tx;
    if (in_left_ == 0) {
      if (!line) in_left_ = 10 * divisor_ - 1;
      in_ = 0;
      return false;
    }
    in_left_--;
    const uint32_t at = 10 * divisor_ - 1 - in_left_;
    if (at % divisor_ == divisor_ / 2) in_ |= uint32_t(line) << (at / divisor_);
    if (in_left_ > divisor_ / 4) return false;
    in_left_ = 0;
    *value = in_ >> 1;
    return true;
  }
  void tick() {
    top_->eval();
    top_->clk = 1;
    context_->timeInc(1);
    top_->eval();
    top_->clk = 0;
    context_->timeInc(1);
    top_->eval();
    cycles_++;
  }
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Top> top_;
  const uint32_t divisor_;
  uint64_t cycles_ = 0;
  uint32_t out_ = 0, out_left_ = 0, in_ = 0, in_left_ = 0;
  bool inside_ = false;
};

}  // namespace gatewright
