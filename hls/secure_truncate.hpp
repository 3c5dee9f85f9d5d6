// SPDX-License-Identifier: Apache-2.0
// Truncate-reduce of shares: y = (z mod 2^in) >> shift, one more at the server; a shift to the left stays in its ring.
#ifndef GATEWRIGHT_SECURE_TRUNCATE_HPP
#define GATEWRIGHT_SECURE_TRUNCATE_HPP

#include "stream.hpp"

namespace gatewright {

/// CONFIG: `shift`, negative to the left; `server`. Elements are unsigned, as wide as their rings.
template <class CONFIG, class in_T, class out_T> void secure_truncate(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    static_assert(in_T::size == out_T::size, "beats keep their lanes");
    typedef typename out_T::value_type ring;
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        const in_T z = in.read();
        out_T y;
    lanes:
        for (unsigned l = 0; l < in_T::size; ++l) {
            #pragma HLS UNROLL
            const ring right = ring(z.data[l] >> (CONFIG::shift > 0 ? CONFIG::shift : 0));
            y.data[l] = ring(right << (CONFIG::shift < 0 ? -CONFIG::shift : 0)) + ring(CONFIG::server && CONFIG::shift > 0);
        }
        last = y.last = z.last;
        out.write(y);
    }
}

} // namespace gatewright

#endif
