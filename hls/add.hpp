// SPDX-License-Identifier: Apache-2.0
// y = requantize((a << left[0]) + (b << left[1]), shift): both aligned to the finer binary point.
#ifndef GATEWRIGHT_ADD_HPP
#define GATEWRIGHT_ADD_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// CONFIG: bits of `wide`, the aligned sum with half and left shift.
template <class CONFIG, class a_T, class b_T, class out_T, class left_T, class shift_T>
void add(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<out_T> &out, const left_T left[2],
         const shift_T shift[1]) {
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
            const wide_T first = wide_T(x.data[i]) << left[0].to_int();
            const wide_T second = wide_T(z.data[i]) << left[1].to_int();
            y.data[i] = rescale<typename out_T::value_type>(wide_T(first + second), shift[0].to_int());
        }
        last = y.last = x.last;
        out.write(y);
    }
}

} // namespace gatewright

#endif
