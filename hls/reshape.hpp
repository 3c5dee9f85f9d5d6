// SPDX-License-Identifier: Apache-2.0
// The same elements in the same order, another number per beat: changes of lanes, and tokens merged or split.
#ifndef GATEWRIGHT_RESHAPE_HPP
#define GATEWRIGHT_RESHAPE_HPP

#include "stream.hpp"

namespace gatewright {

/// CONFIG: `block`, the least common multiple of both beats' sizes.
template <class CONFIG, class in_T, class out_T> void reshape(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    static_assert(CONFIG::block % in_T::size == 0 && CONFIG::block % out_T::size == 0, "a block is whole beats");
    typename in_T::value_type block[CONFIG::block];
    #pragma HLS ARRAY_PARTITION variable=block complete
    bool last = false;
blocks:
    while (!last) {
    collect:
        for (unsigned b = 0; b < CONFIG::block / in_T::size; ++b) {
            #pragma HLS PIPELINE II=1
            const in_T x = in.read();
            for (unsigned i = 0; i < in_T::size; ++i)
                block[b * in_T::size + i] = x.data[i];
            last = x.last;
        }
    release:
        for (unsigned b = 0; b < CONFIG::block / out_T::size; ++b) {
            #pragma HLS PIPELINE II=1
            out_T y;
            for (unsigned i = 0; i < out_T::size; ++i)
                y.data[i] = block[b * out_T::size + i];
            y.last = last && b + 1 == CONFIG::block / out_T::size;
            out.write(y);
        }
    }
}

} // namespace gatewright

#endif
