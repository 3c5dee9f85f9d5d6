// SPDX-License-Identifier: Apache-2.0
// The one arithmetic on raw integers: add half, arithmetic shift right, saturate.
#ifndef GATEWRIGHT_INTEGER_HPP
#define GATEWRIGHT_INTEGER_HPP

#include "ap_int.h"

namespace gatewright {

/// Width and sign of an integer type.
template <class T> struct format;
template <int W> struct format<ap_int<W> > {
    static const int width = W;
    static const bool is_signed = true;
};
template <int W> struct format<ap_uint<W> > {
    static const int width = W;
    static const bool is_signed = false;
};

template <int A, int B> struct larger { static const int value = A > B ? A : B; };

/// `value` clipped to the range of T.
template <class T, int W> T saturate(const ap_int<W> &value) {
    #pragma HLS INLINE
    typedef ap_int<larger<W, format<T>::width + 1>::value> wide_T;
    const wide_T one = 1;
    const wide_T high = wide_T(one << (format<T>::width - (format<T>::is_signed ? 1 : 0))) - one;
    const wide_T low = format<T>::is_signed ? wide_T(-high - one) : wide_T(0);
    const wide_T wide = value;
    if (wide > high)
        return T(high);
    if (wide < low)
        return T(low);
    return T(wide);
}

/// `value * 2**-shift`, halves rounded up; a negative shift goes left. The caller's W has room for half and left shift.
template <int W> ap_int<W> round_shift(const ap_int<W> &value, int shift) {
    #pragma HLS INLINE
    if (shift > 0)
        return ap_int<W>(value + ap_int<W>(ap_int<W>(1) << (shift - 1))) >> shift;
    return value << -shift;
}

/// Round, shift and saturate to T.
template <class T, int W> T rescale(const ap_int<W> &value, int shift) {
    #pragma HLS INLINE
    return saturate<T>(round_shift(value, shift));
}

} // namespace gatewright

#endif
