// SPDX-License-Identifier: Apache-2.0
// y = requantize((square x + slope) x + constant, shift) with coefficients per channel, by Horner's rule.
#ifndef GATEWRIGHT_QUADRATIC_HPP
#define GATEWRIGHT_QUADRATIC_HPP

#include "elementwise.hpp"

namespace gatewright {

template <class T, int WIDE> struct polynomial {
    template <class X, class square_T, class slope_T, class constant_T, class shift_T>
    static T apply(const X &x, unsigned channel, const square_T *square, const slope_T *slope,
                   const constant_T *constant, const shift_T *shift) {
        const ap_int<WIDE> inner = ap_int<WIDE>(square[channel] * x) + slope[channel];
        return rescale<T>(ap_int<WIDE>(ap_int<WIDE>(inner * x) + constant[channel]), shift[0].to_int());
    }
};

/// CONFIG: `channels` per token; bits of `wide`, the whole polynomial with half and left shift.
template <class CONFIG, class in_T, class out_T, class square_T, class slope_T, class constant_T, class shift_T>
void quadratic(hls::stream<in_T> &in, hls::stream<out_T> &out, const square_T square[CONFIG::channels],
               const slope_T slope[CONFIG::channels], const constant_T constant[CONFIG::channels],
               const shift_T shift[1]) {
    elementwise<CONFIG::channels, polynomial<typename out_T::value_type, CONFIG::wide> >(in, out, square, slope, constant,
                                                                                         shift);
}

} // namespace gatewright

#endif
