// SPDX-License-Identifier: Apache-2.0
// Mean of a sliding window, per channel: y = requantize(sum * factor, shift), where factor * 2**-fraction is 1 / taps.
#ifndef GATEWRIGHT_AVERAGE_POOL_HPP
#define GATEWRIGHT_AVERAGE_POOL_HPP

#include "integer.hpp"
#include "window.hpp"

namespace gatewright {

/// Patches in the order (tap, channel) to their means. CONFIG: `factor`; bits of `wide`, the product with half.
template <class CONFIG, class in_T, class out_T, class shift_T>
void mean(hls::stream<in_T> &in, hls::stream<out_T> &out, const shift_T shift[1]) {
    const unsigned beats = CONFIG::channels / in_T::size, taps = CONFIG::kernel_h * CONFIG::kernel_w;
    typedef ap_int<CONFIG::wide> wide_T;
    wide_T sums[CONFIG::channels];
    bool last = false;
patches:
    while (!last) {
        for (unsigned tap = 0; tap < taps; ++tap)
            for (unsigned b = 0; b < beats; ++b) {
                #pragma HLS PIPELINE II=1
                const in_T x = in.read();
                out_T y;
                for (unsigned i = 0; i < in_T::size; ++i) {
                    wide_T &sum = sums[b * in_T::size + i];
                    sum = (tap == 0 ? wide_T(0) : sum) + x.data[i];
                    y.data[i] = rescale<typename out_T::value_type>(wide_T(sum * wide_T(CONFIG::factor)),
                                                                    shift[0].to_int());
                }
                last = y.last = x.last;
                if (tap + 1 == taps)
                    out.write(y);
            }
    }
}

/// CONFIG: as for `window` and `mean`, with `groups` = 1 and `fill` 0.
template <class CONFIG, class in_T, class out_T, class shift_T>
void average_pool(hls::stream<in_T> &in, hls::stream<out_T> &out, const shift_T shift[1]) {
    #pragma HLS DATAFLOW
    GATEWRIGHT_REGION;
    GATEWRIGHT_STREAM(padded, 2, in_T);
    GATEWRIGHT_STREAM(patches, 2, in_T);
    GATEWRIGHT_PROCESS("border", pad<CONFIG>(in, padded));
    GATEWRIGHT_PROCESS("window", window<CONFIG>(padded, patches));
    GATEWRIGHT_PROCESS("mean", mean<CONFIG>(patches, out, shift));
    GATEWRIGHT_JOIN;
}

} // namespace gatewright

#endif
