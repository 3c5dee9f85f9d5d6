// SPDX-License-Identifier: Apache-2.0
// y = requantize(z gamma + beta, shift) with z = d / sqrt(V); for C channels x with S = sum x and Q = sum x^2,
// centred: d = C x - S, V = C Q - S^2 + epsilon; else d = C x, V = C Q + epsilon. Nothing is rounded before z.
#ifndef GATEWRIGHT_LAYER_NORM_HPP
#define GATEWRIGHT_LAYER_NORM_HPP

#include "integer.hpp"
#include "leading_one.hpp"
#include "stream.hpp"

namespace gatewright {

/// Reciprocal square root of v: r * 2**-(root_fraction + half), by chords over [1, 2) and [2, 4).
template <class CONFIG, class left_T, class fall_T> struct root {
    ap_uint<CONFIG::root_bits> r;
    unsigned half;

    root(const ap_uint<CONFIG::variance> &v, const left_T *left, const fall_T *fall) {
        #pragma HLS INLINE
        // Room for both directions of the shift that brings the leading one to its place.
        const unsigned kept = CONFIG::root_index + CONFIG::root_tail;
        typedef ap_uint<larger<CONFIG::variance, CONFIG::root_index + CONFIG::root_tail + 1>::value> top_T;
        const unsigned leading = leading_one(v);
        const top_T whole = v == 0 ? top_T(1) : top_T(v);
        const top_T top = leading > kept ? top_T(whole >> (leading - kept)) : top_T(whole << (kept - leading));
        const unsigned bits = top_T(top & top_T((2u << kept) - 1)).to_uint();
        const unsigned place = (bits >> CONFIG::root_tail) & ((1u << CONFIG::root_index) - 1);
        const unsigned row = (leading & 1) << CONFIG::root_index | place;
        const unsigned tail = 2 * (bits & ((1u << CONFIG::root_tail) - 1)) + 1;
        const ap_int<48> drop = ap_int<48>(fall[row] * ap_uint<CONFIG::root_tail + 2>(tail)) >> (CONFIG::root_tail + 1);
        const ap_int<48> fine = ap_int<48>(left[row]) - drop;
        r = round_shift(fine, CONFIG::root_guard);
        half = leading >> 1;
    }
};

/// CONFIG: `channels`; `centred`; bits of `variance`, of the `scaled` d r with half, of `z`, and of `wide`, z gamma +
/// beta with half; `fraction` bits of z; the chords' `root_index`, `root_tail`, `root_guard`, `root_fraction`, `root_bits`.
template <class CONFIG, class in_T, class out_T, class gamma_T, class beta_T, class epsilon_T, class shift_T, class left_T,
          class fall_T>
void layer_norm(hls::stream<in_T> &in, hls::stream<out_T> &out, const gamma_T gamma[CONFIG::channels],
                const beta_T beta[CONFIG::channels], const epsilon_T epsilon[1], const shift_T shift[1],
                const left_T left[2 << CONFIG::root_index], const fall_T fall[2 << CONFIG::root_index]) {
    static_assert(in_T::size == out_T::size && CONFIG::channels % in_T::size == 0, "whole beats per token");
    const unsigned beats = CONFIG::channels / in_T::size;
    typedef ap_int<CONFIG::variance + 2> moment_T;
    typedef ap_int<CONFIG::scaled> scaled_T;
    in_T token[beats];
    bool last = false;
tokens:
    while (!last) {
        moment_T sum = 0, squares = 0;
    moments:
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            token[b] = in.read();
            for (unsigned i = 0; i < in_T::size; ++i) {
                sum += token[b].data[i];
                squares += token[b].data[i] * token[b].data[i];
            }
            last = token[b].last;
        }
        const moment_T total = CONFIG::centred ? sum : moment_T(0);
        const moment_T variance = moment_T(squares * moment_T(CONFIG::channels)) - moment_T(total * total) + epsilon[0];
        const root<CONFIG, left_T, fall_T> inverse(ap_uint<CONFIG::variance>(variance), left, fall);
        const int places = int(CONFIG::root_fraction + inverse.half) - int(CONFIG::fraction);
    normalised:
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            out_T y;
            for (unsigned i = 0; i < in_T::size; ++i) {
                const scaled_T centre = scaled_T(token[b].data[i]) * scaled_T(CONFIG::channels) - scaled_T(total);
                const ap_int<CONFIG::z> z = round_shift(scaled_T(centre * inverse.r), places);
                const unsigned c = b * in_T::size + i;
                const ap_int<CONFIG::wide> scaled = ap_int<CONFIG::wide>(z * gamma[c]) + beta[c];
                y.data[i] = rescale<typename out_T::value_type>(scaled, shift[0].to_int());
            }
            y.last = last && b + 1 == beats;
            out.write(y);
        }
    }
}

} // namespace gatewright

#endif
