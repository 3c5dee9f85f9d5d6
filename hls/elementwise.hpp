// SPDX-License-Identifier: Apache-2.0
// Operators that look at one channel at a time share this loop.
#ifndef GATEWRIGHT_ELEMENTWISE_HPP
#define GATEWRIGHT_ELEMENTWISE_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// `y = FUNCTION::apply(x, channel, tables...)`. Tables are arguments, since pointers in structures are hard to synthesise.
template <unsigned CHANNELS, class FUNCTION, class in_T, class out_T, class... TABLES>
void elementwise(hls::stream<in_T> &in, hls::stream<out_T> &out, const TABLES *...tables) {
    #pragma HLS INLINE
    static_assert(in_T::size == out_T::size && CHANNELS % in_T::size == 0, "whole beats per token");
    unsigned channel = 0;
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        const in_T x = in.read();
        out_T y;
    lanes:
        for (unsigned i = 0; i < in_T::size; ++i) {
            #pragma HLS UNROLL
            y.data[i] = FUNCTION::apply(x.data[i], channel + i, tables...);
        }
        channel = channel + in_T::size == CHANNELS ? 0 : channel + in_T::size;
        last = y.last = x.last;
        out.write(y);
    }
}

} // namespace gatewright

#endif
