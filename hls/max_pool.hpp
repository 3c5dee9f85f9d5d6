// SPDX-License-Identifier: Apache-2.0
// Largest value of a sliding window, per channel; padding never wins.
#ifndef GATEWRIGHT_MAX_POOL_HPP
#define GATEWRIGHT_MAX_POOL_HPP

#include "window.hpp"

namespace gatewright {

/// Patches in the order (tap, channel) to their maxima.
template <class CONFIG, class T> void largest(hls::stream<T> &in, hls::stream<T> &out) {
    const unsigned beats = CONFIG::channels / T::size, taps = CONFIG::kernel_h * CONFIG::kernel_w;
    T best[beats];
    bool last = false;
patches:
    while (!last) {
        for (unsigned tap = 0; tap < taps; ++tap)
            for (unsigned b = 0; b < beats; ++b) {
                #pragma HLS PIPELINE II=1
                T x = in.read();
                for (unsigned i = 0; i < T::size; ++i)
                    if (tap > 0 && best[b].data[i] > x.data[i])
                        x.data[i] = best[b].data[i];
                best[b] = x;
                if (tap + 1 == taps)
                    out.write(x);
                last = x.last;
            }
    }
}

/// CONFIG: as for `window`, with `groups` = 1 and `fill` the format's least integer.
template <class CONFIG, class T> void max_pool(hls::stream<T> &in, hls::stream<T> &out) {
    #pragma HLS DATAFLOW
    GATEWRIGHT_REGION;
    GATEWRIGHT_STREAM(padded, 2, T);
    GATEWRIGHT_STREAM(patches, 2, T);
    GATEWRIGHT_PROCESS("border", pad<CONFIG>(in, padded));
    GATEWRIGHT_PROCESS("window", window<CONFIG>(padded, patches));
    GATEWRIGHT_PROCESS("largest", largest<CONFIG>(patches, out));
    GATEWRIGHT_JOIN;
}

} // namespace gatewright

#endif
