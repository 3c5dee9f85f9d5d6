// SPDX-License-Identifier: Apache-2.0
// y = -x, one bit wider.
#ifndef TOY_NEGATE_HPP
#define TOY_NEGATE_HPP

#include "elementwise.hpp"

namespace gatewright {

template <class T> struct minus {
    template <class X> static T apply(const X &x, unsigned) { return T(-x); }
};

template <class CONFIG, class in_T, class out_T> void negate(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    elementwise<CONFIG::channels, minus<typename out_T::value_type> >(in, out);
}

} // namespace gatewright

#endif
