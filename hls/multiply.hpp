// SPDX-License-Identifier: Apache-2.0
// y = requantize(a * b, shift): the product's binary point is the sum of both.
#ifndef GATEWRIGHT_MULTIPLY_HPP
#define GATEWRIGHT_MULTIPLY_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// CONFIG: bits of `wide`, the exact product with half and left shift.
template <class CONFIG, class a_T, class b_T, class out_T, class shift_T>
void multiply(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<out_T> &out, const shift_T shift[1]) {
    static_assert(a_T::size == b_T::size && a_T::size == out_T::size, "equal beats");
    typedef ap_int<CONFIG::wide> wide_T;
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        const a_T x = a.read();
        const b_T z = b.read();
        out_T y;
    lanes:
        for (unsigned i = 0; i < a_T::size; ++i) {
            #pragma HLS UNROLL
            const wide_T product = wide_T(x.data[i]) * wide_T(z.data[i]);
            y.data[i] = rescale<typename out_T::value_type>(product, shift[0].to_int());
        }
        last = y.last = x.last;
        out.write(y);
    }
}

} // namespace gatewright

#endif
