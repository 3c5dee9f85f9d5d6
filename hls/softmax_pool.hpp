// SPDX-License-Identifier: Apache-2.0
// The tokens of a sequence as one, weighted by the softmax of their scores. Per head:
//   e[t] = 2**-((max s - s[t]) scale),   y[c] = requantize((sum e[t] v[t, c]) / (sum e[t]))
#ifndef GATEWRIGHT_SOFTMAX_POOL_HPP
#define GATEWRIGHT_SOFTMAX_POOL_HPP

#include "softmax.hpp"
#include "stream.hpp"

namespace gatewright {

/// CONFIG: `heads`, `dim` channels of each, `most` tokens; bits of a `score`, of its distance times the scale
/// (`distance`), of the `weighted` sum of values, of the `total` of the weights, and of `wide`, a weighted sum times a
/// reciprocal with half; the tables' `fraction`, `limit`, `exp_bits`, `exp_step`, `reciprocal_step`.
template <class CONFIG, class s_T, class v_T, class out_T, class scale_T, class scale_shift_T, class shift_T,
          class eb_T, class ed_T, class rb_T, class rd_T>
void softmax_pool(hls::stream<s_T> &scores, hls::stream<v_T> &values, hls::stream<out_T> &out, const scale_T scale[1],
                  const scale_shift_T scale_shift[1], const shift_T shift[1], const eb_T *exp_base,
                  const ed_T *exp_drop, const rb_T *reciprocal_base, const rd_T *reciprocal_drop) {
    const unsigned lanes = v_T::size, engines = s_T::size, part = lanes / engines;
    const unsigned beats = CONFIG::heads * CONFIG::dim / lanes, parts = CONFIG::dim / part;
    static_assert(v_T::size == out_T::size, "as many lanes in as out");
    static_assert(CONFIG::dim % (v_T::size / s_T::size) == 0, "a beat is part of a head, or several whole heads");
    typedef ap_int<CONFIG::score> score_T;
    v_T v[CONFIG::most][beats];
    score_T s[CONFIG::most][CONFIG::heads], peak[CONFIG::heads];
    #pragma HLS ARRAY_PARTITION variable=peak complete
    unsigned count = 0;
    bool last = false;
keep:
    while (!last) {
    token:
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            const v_T x = values.read();
            v[count][b] = x;
            last = x.last;
            // A score comes with the last beat of its head.
            if (b % parts == parts - 1) {
                const s_T y = scores.read();
                for (unsigned e = 0; e < engines; ++e) {
                    const unsigned h = b / parts * engines + e;
                    const score_T found = y.data[e];
                    s[count][h] = found;
                    if (count == 0 || found > peak[h])
                        peak[h] = found;
                }
            }
        }
        ++count;
    }
result:
    for (unsigned b = 0; b < beats; ++b) {
        ap_int<CONFIG::weighted> sums[lanes];
        ap_uint<CONFIG::total> total[engines];
        #pragma HLS ARRAY_PARTITION variable=sums complete
        #pragma HLS ARRAY_PARTITION variable=total complete
    weigh:
        for (unsigned t = 0; t < count; ++t) {
            #pragma HLS PIPELINE II=1
            for (unsigned e = 0; e < engines; ++e) {
                const unsigned h = b / parts * engines + e;
                const ap_int<CONFIG::distance> scaled = (peak[h] - s[t][h]) * scale[0];
                const ap_int<CONFIG::exp_bits + 2> weight =
                    softmax_weight<CONFIG>(scaled, scale_shift[0].to_int(), exp_base, exp_drop);
                total[e] = (t == 0 ? ap_uint<CONFIG::total>(0) : total[e]) + ap_uint<CONFIG::exp_bits + 1>(weight);
                for (unsigned i = e * part; i < (e + 1) * part; ++i)
                    sums[i] = (t == 0 ? ap_int<CONFIG::weighted>(0) : sums[i]) + weight * v[t][b].data[i];
            }
        }
        out_T y;
    divide:
        for (unsigned e = 0; e < engines; ++e) {
            #pragma HLS UNROLL
            const softmax_divisor<CONFIG> divisor(total[e], reciprocal_base, reciprocal_drop);
            for (unsigned i = e * part; i < (e + 1) * part; ++i) {
                const ap_int<CONFIG::wide> product = sums[i] * divisor.inverse;
                y.data[i] = rescale<typename out_T::value_type>(product, divisor.places + shift[0].to_int());
            }
        }
        y.last = b + 1 == beats;
        out.write(y);
    }
}

} // namespace gatewright

#endif
