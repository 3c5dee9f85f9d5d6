// SPDX-License-Identifier: Apache-2.0
// Quadratic activation of shares in one round; `rtl/secure/x2act.sv` has the formulas.
#ifndef GATEWRIGHT_SECURE_X2ACT_HPP
#define GATEWRIGHT_SECURE_X2ACT_HPP

#include "stream.hpp"

namespace gatewright {

/// Masks x for the peer: e = x - q, and h more at the server; e also goes on to `secure_square`.
///
/// CONFIG: `server`. Elements of x and e are as wide as the small ring, powers (q, q^2, qs, qs^2, each for all lanes) as the
/// large one.
template <class CONFIG, class x_T, class powers_T>
void secure_mask(hls::stream<x_T> &x, hls::stream<powers_T> &powers, hls::stream<x_T> &peer, hls::stream<x_T> &own,
                 hls::stream<powers_T> &kept) {
    static_assert(powers_T::size == 4 * x_T::size, "four numbers per element");
    typedef typename x_T::value_type ring;
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        x_T e = x.read();
        const powers_T q = powers.read();
    lanes:
        for (unsigned l = 0; l < x_T::size; ++l) {
            #pragma HLS UNROLL
            e.data[l] += ring(ring(CONFIG::server) << (ring::width - 2)) - ring(q.data[l]);
        }
        last = e.last;
        peer.write(e);
        own.write(e);
        kept.write(q);
    }
}

/// y = a pp + (2 a E + B) p, and + (a E + B) E + C at the server, for E = own + answer as a signed number.
///
/// CONFIG: `channels` per token, `server`. `square` is a, `slope` B, `constant` C, per channel.
template <class CONFIG, class x_T, class powers_T, class y_T, class square_T, class ring_T>
void secure_square(hls::stream<x_T> &own, hls::stream<powers_T> &kept, hls::stream<x_T> &answer, hls::stream<y_T> &y,
                   const square_T square[CONFIG::channels], const ring_T slope[CONFIG::channels],
                   const ring_T constant[CONFIG::channels]) {
    static_assert(CONFIG::channels % x_T::size == 0, "lanes divide the channels");
    typedef typename x_T::value_type small;
    const unsigned lanes = x_T::size;
    unsigned first = 0;
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        const x_T mine = own.read(), theirs = answer.read();
        const powers_T q = kept.read();
        y_T result;
    lanes:
        for (unsigned l = 0; l < lanes; ++l) {
            #pragma HLS UNROLL
            const small opened = mine.data[l] + theirs.data[l];
            const bool high = opened[small::width - 1];
            const ring_T e = ring_T(ap_int<small::width>(opened));
            const ring_T p = q.data[(high ? 0 : 2) * lanes + l], pp = q.data[(high ? 1 : 3) * lanes + l];
            const ring_T scaled = ring_T(square[first + l] * e), tilted = ring_T(scaled + slope[first + l]);
            ring_T total = ring_T(square[first + l] * pp) + ring_T(ring_T(scaled + tilted) * p);
            if (CONFIG::server)
                total += ring_T(tilted * e) + constant[first + l];
            result.data[l] = total;
        }
        first = first + lanes == CONFIG::channels ? 0 : first + lanes;
        last = result.last = mine.last;
        y.write(result);
    }
}

} // namespace gatewright

#endif
