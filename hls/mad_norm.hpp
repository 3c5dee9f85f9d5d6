// SPDX-License-Identifier: Apache-2.0
// y = requantize(z gamma + beta, shift) with z = round(2^(L + 15) d / (A + epsilon)); for C channels x with S = sum x,
// d = C x - S, A = sum |d|, L = ceil(log2 C): C / 2^L is in gamma. Only the reciprocal of A + epsilon is rounded before z.
#ifndef GATEWRIGHT_MAD_NORM_HPP
#define GATEWRIGHT_MAD_NORM_HPP

#include "integer.hpp"
#include "softmax.hpp"
#include "stream.hpp"

namespace gatewright {

/// CONFIG: `channels`; `levels`, L; bits of `total`, A + epsilon times 2^exp_bits, of the `scaled` d r with half, of `z`,
/// and of `wide`, z gamma + beta with half; the reciprocal's `exp_bits`, `reciprocal_step`.
template <class CONFIG, class in_T, class out_T, class gamma_T, class beta_T, class epsilon_T, class shift_T, class rb_T,
          class rd_T>
void mad_norm(hls::stream<in_T> &in, hls::stream<out_T> &out, const gamma_T gamma[CONFIG::channels],
              const beta_T beta[CONFIG::channels], const epsilon_T epsilon[1], const shift_T shift[1],
              const rb_T *reciprocal_base, const rd_T *reciprocal_drop) {
    static_assert(in_T::size == out_T::size && CONFIG::channels % in_T::size == 0, "whole beats per token");
    const unsigned beats = CONFIG::channels / in_T::size;
    typedef ap_int<CONFIG::scaled> scaled_T;
    in_T token[beats];
    bool last = false;
tokens:
    while (!last) {
        scaled_T sum = 0;
    mean:
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            token[b] = in.read();
            for (unsigned i = 0; i < in_T::size; ++i)
                sum += token[b].data[i];
            last = token[b].last;
        }
        ap_uint<CONFIG::total> deviation = epsilon[0];
    spread:
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            for (unsigned i = 0; i < in_T::size; ++i) {
                const scaled_T centre = scaled_T(token[b].data[i]) * scaled_T(CONFIG::channels) - sum;
                deviation += ap_uint<CONFIG::total>(centre < 0 ? scaled_T(-centre) : centre);
            }
        }
        // Of a constant token d is 0, whatever it is divided by.
        const ap_uint<CONFIG::total> divisor = deviation == 0 ? ap_uint<CONFIG::total>(1) : deviation;
        const softmax_divisor<CONFIG> inverse(ap_uint<CONFIG::total>(divisor << CONFIG::exp_bits), reciprocal_base,
                                              reciprocal_drop);
        const int half = inverse.places - 2 * int(CONFIG::exp_bits) - int(CONFIG::levels);
    normalised:
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            out_T y;
            for (unsigned i = 0; i < in_T::size; ++i) {
                const scaled_T centre = scaled_T(token[b].data[i]) * scaled_T(CONFIG::channels) - sum;
                const ap_int<CONFIG::z> z = round_shift(scaled_T(centre * inverse.inverse), 1 + (half > 0 ? half : 0));
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
