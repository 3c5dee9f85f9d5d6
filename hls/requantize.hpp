// SPDX-License-Identifier: Apache-2.0
// Change of format: y = sat((x + half) >> shift).
#ifndef GATEWRIGHT_REQUANTIZE_HPP
#define GATEWRIGHT_REQUANTIZE_HPP

#include "elementwise.hpp"

namespace gatewright {

template <class T, int WIDE> struct change_format {
    template <class X, class shift_T> static T apply(const X &x, unsigned, const shift_T *shift) {
        return rescale<T>(ap_int<WIDE>(x), shift[0].to_int());
    }
};

/// CONFIG: `channels` per token; bits of `wide`, x with half and left shift.
template <class CONFIG, class in_T, class out_T, class shift_T>
void requantize(hls::stream<in_T> &in, hls::stream<out_T> &out, const shift_T shift[1]) {
    elementwise<CONFIG::channels, change_format<typename out_T::value_type, CONFIG::wide> >(in, out, shift);
}

} // namespace gatewright

#endif
