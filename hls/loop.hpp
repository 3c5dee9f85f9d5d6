// SPDX-License-Identifier: Apache-2.0
// Equally built layers after each other on one piece of hardware; a sequence waits between two passes in a memory.
#ifndef GATEWRIGHT_LOOP_HPP
#define GATEWRIGHT_LOOP_HPP

#include "stream.hpp"

namespace gatewright {

/// Beats from a memory to a stream.
template <class T> void send(const T *from, unsigned count, hls::stream<T> &out) {
beats:
    for (unsigned b = 0; b < count; ++b) {
        #pragma HLS PIPELINE II=1
        T y = from[b];
        y.last = b + 1 == count;
        out.write(y);
    }
}

/// One sequence from a stream to a memory; returns its beats.
template <class T> unsigned store(hls::stream<T> &in, T *to) {
    unsigned count = 0;
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        to[count] = in.read();
        last = to[count++].last;
    }
    return count;
}

/// CONFIG: `times`; `beats` of the longest sequence. `BODY::run(from, to, count, bank)` is one pass with the constants of
/// iteration `bank`; two memories take turns, so that no pass overwrites what it still reads.
template <class CONFIG, class BODY, class T> void loop(hls::stream<T> &in, hls::stream<T> &out) {
    T even[CONFIG::beats], odd[CONFIG::beats];
    const unsigned count = store(in, even);
passes:
    for (unsigned bank = 0; bank < CONFIG::times; ++bank) {
        if (bank % 2)
            BODY::run(odd, even, count, bank);
        else
            BODY::run(even, odd, count, bank);
    }
    if (CONFIG::times % 2)
        send(odd, count, out);
    else
        send(even, count, out);
}

} // namespace gatewright

#endif
