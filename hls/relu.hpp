// SPDX-License-Identifier: Apache-2.0
// y = max(x, 0); the result is unsigned.
#ifndef GATEWRIGHT_RELU_HPP
#define GATEWRIGHT_RELU_HPP

#include "elementwise.hpp"

namespace gatewright {

template <class T> struct rectify {
    template <class X> static T apply(const X &x, unsigned) { return x < 0 ? T(0) : T(x); }
};

/// CONFIG: `channels` per token.
template <class CONFIG, class in_T, class out_T> void relu(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    elementwise<CONFIG::channels, rectify<typename out_T::value_type> >(in, out);
}

} // namespace gatewright

#endif
