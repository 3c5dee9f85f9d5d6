// SPDX-License-Identifier: Apache-2.0
// Maximum or mean over all tokens of a sequence, per channel; the mean is requantize(sum * reciprocal[n], shift).
#ifndef GATEWRIGHT_GLOBAL_POOL_HPP
#define GATEWRIGHT_GLOBAL_POOL_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// CONFIG: `channels`; `average`, else the maximum; `fewest` tokens, of which `reciprocal[0]` is the inverse; bits of
/// `wide`, a product with half.
template <class CONFIG, class in_T, class out_T, class reciprocal_T, class shift_T>
void global_pool(hls::stream<in_T> &in, hls::stream<out_T> &out, const reciprocal_T reciprocal[CONFIG::lengths],
                 const shift_T shift[1]) {
    static_assert(in_T::size == out_T::size && CONFIG::channels % in_T::size == 0, "whole beats per token");
    const unsigned beats = CONFIG::channels / in_T::size;
    typedef ap_int<CONFIG::wide> wide_T;
    wide_T found[CONFIG::channels];
    unsigned count = 0;
    bool last = false;
tokens:
    while (!last) {
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            const in_T x = in.read();
            for (unsigned i = 0; i < in_T::size; ++i) {
                wide_T &kept = found[b * in_T::size + i];
                const wide_T value = x.data[i];
                if (count == 0)
                    kept = value;
                else if (CONFIG::average)
                    kept += value;
                else if (value > kept)
                    kept = value;
            }
            last = x.last;
        }
        ++count;
    }
    const wide_T factor = CONFIG::average ? wide_T(reciprocal[count - CONFIG::fewest]) : wide_T(1);
result:
    for (unsigned b = 0; b < beats; ++b) {
        #pragma HLS PIPELINE II=1
        out_T y;
        for (unsigned i = 0; i < in_T::size; ++i)
            y.data[i] = rescale<typename out_T::value_type>(wide_T(found[b * in_T::size + i] * factor),
                                                            shift[0].to_int());
        y.last = b + 1 == beats;
        out.write(y);
    }
}

} // namespace gatewright

#endif
