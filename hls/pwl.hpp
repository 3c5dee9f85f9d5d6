// SPDX-License-Identifier: Apache-2.0
// A function as lines: y = sat((slopes[i] x + offsets[i] + half) >> shift) with i = #{j : knots[j] <= x}.
#ifndef GATEWRIGHT_PWL_HPP
#define GATEWRIGHT_PWL_HPP

#include "elementwise.hpp"

namespace gatewright {

template <class T, class CONFIG> struct lines {
    template <class X, class knot_T, class slope_T, class offset_T, class shift_T>
    static T apply(const X &x, unsigned, const knot_T *knots, const slope_T *slopes, const offset_T *offsets,
                   const shift_T *shift) {
        unsigned segment = 0;
    knots:
        for (unsigned j = 0; j + 1 < CONFIG::segments; ++j) {
            #pragma HLS UNROLL
            segment += knots[j] <= x ? 1 : 0;
        }
        typedef ap_int<CONFIG::wide> wide_T;
        return rescale<T>(wide_T(wide_T(slopes[segment] * x) + offsets[segment]), shift[0].to_int());
    }
};

/// CONFIG: `channels` per token, `segments`; bits of `wide`, a line with half.
template <class CONFIG, class in_T, class out_T, class knot_T, class slope_T, class offset_T, class shift_T>
void pwl(hls::stream<in_T> &in, hls::stream<out_T> &out, const knot_T knots[CONFIG::segments],
         const slope_T slopes[CONFIG::segments], const offset_T offsets[CONFIG::segments], const shift_T shift[1]) {
    #pragma HLS ARRAY_PARTITION variable=knots complete
    elementwise<CONFIG::channels, lines<typename out_T::value_type, CONFIG> >(in, out, knots, slopes, offsets, shift);
}

} // namespace gatewright

#endif
