// SPDX-License-Identifier: Apache-2.0
// `hls::stream` for C simulation: it holds `capacity` elements and no more, and blocks as hardware does.
#ifndef X_HLS_STREAM_SIM_H // the guard of the unbounded one, which must not come in too
#define X_HLS_STREAM_SIM_H

#include "scheduler.hpp"
#include <deque>
#include <stdexcept>
#include <string>

namespace hls {

/// A FIFO with one writer and one reader.
template <class T> class stream {
    std::string name_;
    std::size_t capacity_;
    std::deque<T> data_;

    stream(const stream &);
    stream &operator=(const stream &);

  public:
    explicit stream(const char *name, std::size_t capacity = 2)
        : name_(gatewright::scheduler::get().path() + name), capacity_(capacity) {}

    /// A sequence must leave nothing behind, or the next one would read it.
    void check_empty() const {
        if (!data_.empty())
            throw std::runtime_error("FIFO " + name_ + " still holds " + std::to_string(data_.size()) + " at the end");
    }

    bool empty() const { return data_.empty(); }
    bool full() const { return data_.size() >= capacity_; }

    T read() {
        while (empty())
            gatewright::scheduler::get().wait("waits for data in FIFO " + name_);
        T value = data_.front();
        data_.pop_front();
        gatewright::scheduler::get().moved();
        return value;
    }
    void read(T &value) { value = read(); }

    void write(const T &value) {
        while (full())
            gatewright::scheduler::get().wait("waits for room in FIFO " + name_ + ", which holds " +
                                              std::to_string(capacity_));
        data_.push_back(value);
        gatewright::scheduler::get().moved();
    }
};

} // namespace hls

#endif
