// SPDX-License-Identifier: Apache-2.0
// Drives a Verilated top with streams at full C++ speed: random idle gaps, random back-pressure, protocol checks.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "verilated.h"

namespace gatewright {

template <class T>
void put(T& port, const uint32_t* words) {
  if constexpr (sizeof(T) <= 4) {
    port = static_cast<T>(words[0]);
  } else if constexpr (sizeof(T) == 8 && std::is_integral_v<T>) {
    port = static_cast<uint64_t>(words[0]) | static_cast<uint64_t>(words[1]) << 32;
  } else {
    std::memcpy(port.data(), words, sizeof(T));
  }
}

template <class T>
void get(const T& port, uint32_t* words) {
  if constexpr (sizeof(T) <= 4) {
    words[0] = port;
  } else if constexpr (sizeof(T) == 8 && std::is_integral_v<T>) {
    words[0] = static_cast<uint32_t>(port);
    words[1] = static_cast<uint32_t>(port >> 32);
  } else {
    std::memcpy(words, port.data(), sizeof(T));
  }
}

// Beats of one boundary stream; `words` 32-bit words per beat. `last` holds the tag, if there is one, from bit 2 on.
struct Beats {
  uint32_t* data;
  uint8_t* last;
  uint64_t* time;  // cycle of each handshake, counted from the start of the run
  uint64_t count;  // beats to send, or capacity
  uint64_t done;   // beats handshaken
  uint32_t words;
};

enum Status : int { kDone = 0, kStalled = 1, kAssertion = 2, kUnstable = 3, kExtra = 4, kRejected = 5 };

// SplitMix64: small, seeded and good enough for stall patterns.
struct Random {
  uint64_t state;
  bool below(uint32_t per1024) {
    if (per1024 == 0) return false;
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return ((z ^ (z >> 31)) & 1023) < per1024;
  }
};

template <class Top>
class Harness {
 public:
  explicit Harness(int seed) : context_(new VerilatedContext) {
    // Registers without reset start at random values, so that a missing reset cannot hide behind zeros.
    context_->randReset(2);
    context_->randSeed(seed);
    context_->fatalOnError(false);
    top_.reset(new Top(context_.get()));
    reset();
  }
  ~Harness() { top_->final(); }

  void reset() {
    top_->rst = 1;
    idle();
    for (int i = 0; i < 4; i++) tick();
    top_->rst = 0;
  }

  int load(const uint32_t* words, uint64_t count) {
    uint64_t waited = 0;
    for (uint64_t i = 0; i < count;) {
      put(top_->w_data, words + i * Top::kLoadWords);
      top_->w_valid = 1;
      top_->w_last = i + 1 == count;
      top_->eval();
      const bool taken = top_->w_ready;
      tick();
      waited = taken ? 0 : waited + 1;
      i += taken;
      if (waited > 10000) return kStalled;
    }
    top_->w_valid = 0;
    for (int i = 0; i < 64; i++) tick();  // the chain drains
    return context_->gotError() ? kAssertion : kDone;
  }

  int run(Beats* in, Beats* out, uint32_t idle_chance, uint32_t stall_chance, uint64_t seed, uint64_t patience,
          uint64_t* cycles) {
    Random random{seed};
    std::vector<char> offered(Top::kInputs, 0);
    std::vector<char> stalled(Top::kOutputs, 0);
    std::vector<std::vector<uint32_t>> held(Top::kOutputs);
    uint64_t now = 0, quiet = 0, grace = 0;
    int status = kDone;
    for (int o = 0; o < Top::kOutputs; o++) held[o].assign(out[o].words + 1, 0);
    while (true) {
      bool open = false;
      for (int o = 0; o < Top::kOutputs; o++) open |= out[o].done < out[o].count;
      for (int i = 0; i < Top::kInputs; i++) open |= in[i].done < in[i].count;
      // A few cycles more, to see that nothing else comes out.
      if (!open && ++grace > 200) break;
      for (int i = 0; i < Top::kInputs; i++) {
        // A beat that was offered stays offered until it is taken.
        if (!offered[i]) offered[i] = in[i].done < in[i].count && !random.below(idle_chance);
        const uint8_t flags = offered[i] ? in[i].last[in[i].done] : 0;
        top_->drive(i, in[i].data + in[i].done * in[i].words, offered[i], flags);
      }
      for (int o = 0; o < Top::kOutputs; o++) top_->ready(o, !random.below(stall_chance));
      top_->eval();
      bool moved = false;
      for (int i = 0; i < Top::kInputs; i++) {
        if (offered[i] && top_->taken(i)) {
          in[i].time[in[i].done++] = now;
          offered[i] = 0;
          moved = true;
        }
      }
      for (int o = 0; o < Top::kOutputs; o++) {
        if (!top_->valid(o)) {
          if (stalled[o]) status = kUnstable;
          stalled[o] = 0;
          continue;
        }
        if (out[o].done >= out[o].count) {
          status = kExtra;
          break;
        }
        uint32_t* words = out[o].data + out[o].done * out[o].words;
        uint8_t last = top_->sample(o, words);
        if (stalled[o] && (std::memcmp(words, held[o].data(), 4 * out[o].words) || held[o][out[o].words] != last)) {
          status = kUnstable;
        }
        stalled[o] = !top_->accepting(o);
        if (stalled[o]) {
          std::memcpy(held[o].data(), words, 4 * out[o].words);
          held[o][out[o].words] = last;
        } else {
          out[o].last[out[o].done] = last;
          out[o].time[out[o].done++] = now;
          moved = true;
        }
      }
      if (top_->rejected()) status = kRejected;
      tick();
      now++;
      quiet = moved ? 0 : quiet + 1;
      if (open && quiet > patience) status = kStalled;
      if (context_->gotError()) status = kAssertion;
      if (status != kDone) break;
    }
    *cycles = now;
    idle();
    return status;
  }

 private:
  void tick() {
    top_->eval();
    top_->clk = 1;
    context_->timeInc(1);
    top_->eval();
    top_->clk = 0;
    context_->timeInc(1);
  }
  void idle() {
    static const uint32_t zero[8192] = {0};
    for (int i = 0; i < Top::kInputs; i++) top_->drive(i, zero, false, 0);
    for (int o = 0; o < Top::kOutputs; o++) top_->ready(o, false);
    top_->w_valid = 0;
    top_->w_last = 0;
    put(top_->w_data, zero);
  }
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Top> top_;
};

}  // namespace gatewright
