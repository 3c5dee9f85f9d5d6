// SPDX-License-Identifier: Apache-2.0
// Attention over the k best keys of every query, chosen by low-bit scores (Peng et al., DAC 2022). Per head:
//   chosen = the min(top, allowed) keys of greatest (low-bit score, -index)
//   e_j = 2**-((max s - s_j) scale),   y = requantize((sum e_j v_j) / (sum e_j))
#ifndef GATEWRIGHT_TOP_K_ATTENTION_HPP
#define GATEWRIGHT_TOP_K_ATTENTION_HPP

#include "integer.hpp"
#include "softmax.hpp"
#include "stream.hpp"

namespace gatewright {

/// Low-bit code of x: sign, sign (1 + 2 c) or sign c for 1, 2 or more bits, with c = #{thresholds <= |x|}.
template <class CONFIG, class T, class limit_T> ap_int<4> low_bit_code(const T &x, const limit_T *thresholds) {
    #pragma HLS INLINE
    const ap_int<format<T>::width + 2> wide = x;
    const bool negative = wide < 0;
    const ap_int<format<T>::width + 2> magnitude = negative ? ap_int<format<T>::width + 2>(-wide) : wide;
    int count = 0;
    for (unsigned i = 0; i < CONFIG::levels; ++i) {
        #pragma HLS UNROLL
        count += thresholds[i] <= magnitude ? 1 : 0;
    }
    const int code = CONFIG::bits == 1 ? 1 : CONFIG::bits == 2 ? 1 + 2 * count : count;
    return negative ? -code : code;
}

/// The best keys so far, best first; of equal ones the earlier.
template <class CONFIG> struct ranking {
    int score[CONFIG::top];
    unsigned index[CONFIG::top];
    unsigned count;

    ranking() : count(0) {}

    void offer(int found, unsigned key) {
        #pragma HLS INLINE
        // Streaming insertion: every place looks at its own and its better neighbour's score.
        for (unsigned place = CONFIG::top; place-- > 0;) {
            #pragma HLS UNROLL
            const bool here = place >= count || found > score[place];
            const bool above = place > 0 && (place - 1 >= count || found > score[place - 1]);
            if (here && above && place <= count) {
                score[place] = score[place - 1];
                index[place] = index[place - 1];
            } else if (here && !above) {
                score[place] = found;
                index[place] = key;
            }
        }
        if (count < CONFIG::top)
            ++count;
    }
};

/// CONFIG: `heads`, `dim` channels of each, `top`, `bits`, `levels`, `causal`, `most` tokens; bits of a `score`, of its
/// distance times the scale (`distance`), of the `weighted` sum of values, and of `wide`, that times a reciprocal with
/// half; the tables' `fraction`, `limit`, `exp_bits`, `exp_step`, `reciprocal_step`.
template <class CONFIG, class q_T, class k_T, class v_T, class out_T, class q_limit_T, class k_limit_T, class scale_T,
          class scale_shift_T, class shift_T, class eb_T, class ed_T, class rb_T, class rd_T>
void top_k_attention(hls::stream<q_T> &queries, hls::stream<k_T> &keys, hls::stream<v_T> &values, hls::stream<out_T> &out,
                     const q_limit_T *q_thresholds, const k_limit_T *k_thresholds, const scale_T scale[1],
                     const scale_shift_T scale_shift[1], const shift_T shift[1], const eb_T *exp_base, const ed_T *exp_drop,
                     const rb_T *reciprocal_base, const rd_T *reciprocal_drop) {
    const unsigned lanes = q_T::size, channels = CONFIG::heads * CONFIG::dim;
    static_assert(q_T::size == k_T::size && q_T::size == v_T::size && q_T::size == out_T::size, "equal beats");
    static_assert(q_T::size % CONFIG::dim == 0, "whole heads per beat");
    typename q_T::value_type q[CONFIG::most][channels];
    typename k_T::value_type k[CONFIG::most][channels];
    typename v_T::value_type v[CONFIG::most][channels];
    ap_int<4> k_code[CONFIG::most][channels], q_code[CONFIG::dim];
    // A whole key per cycle: selection and exact scores look at all channels of a head at once.
    #pragma HLS ARRAY_RESHAPE variable=q complete dim=2
    #pragma HLS ARRAY_RESHAPE variable=k complete dim=2
    #pragma HLS ARRAY_RESHAPE variable=v complete dim=2
    #pragma HLS ARRAY_RESHAPE variable=k_code complete dim=2
    #pragma HLS ARRAY_PARTITION variable=q_code complete
    unsigned count = 0;
    bool last = false;
keep:
    while (!last) {
        for (unsigned b = 0; b < channels / lanes; ++b) {
            #pragma HLS PIPELINE II=1
            const q_T x = queries.read();
            const k_T y = keys.read();
            const v_T z = values.read();
            for (unsigned i = 0; i < lanes; ++i) {
                const unsigned c = b * lanes + i;
                q[count][c] = x.data[i];
                k[count][c] = y.data[i];
                v[count][c] = z.data[i];
                k_code[count][c] = low_bit_code<CONFIG>(y.data[i], k_thresholds);
            }
            last = x.last;
        }
        ++count;
    }
query:
    for (unsigned n = 0; n < count; ++n) {
        const unsigned allowed = CONFIG::causal ? n + 1 : count;
        out_T y;
    head:
        for (unsigned h = 0; h < CONFIG::heads; ++h) {
            const unsigned first = h * CONFIG::dim;
            for (unsigned c = 0; c < CONFIG::dim; ++c)
                q_code[c] = low_bit_code<CONFIG>(q[n][first + c], q_thresholds);
            ranking<CONFIG> best;
        select:
            for (unsigned j = 0; j < allowed; ++j) {
                #pragma HLS PIPELINE II=1
                int found = 0;
                for (unsigned c = 0; c < CONFIG::dim; ++c)
                    found += (q_code[c] * k_code[j][first + c]).to_int();
                best.offer(found, j);
            }
            ap_int<CONFIG::score> scores[CONFIG::top], peak = 0;
        exact:
            for (unsigned j = 0; j < best.count; ++j) {
                #pragma HLS PIPELINE II=1
                ap_int<CONFIG::score> found = 0;
                for (unsigned c = 0; c < CONFIG::dim; ++c)
                    found += q[n][first + c] * k[best.index[j]][first + c];
                scores[j] = found;
                if (j == 0 || found > peak)
                    peak = found;
            }
            ap_int<CONFIG::weighted> sums[CONFIG::dim];
            ap_uint<CONFIG::total> total = 0;
        weigh:
            for (unsigned j = 0; j < best.count; ++j) {
                #pragma HLS PIPELINE II=1
                const ap_int<CONFIG::distance> scaled = (peak - scores[j]) * scale[0];
                const ap_int<CONFIG::exp_bits + 2> e =
                    softmax_weight<CONFIG>(scaled, scale_shift[0].to_int(), exp_base, exp_drop);
                total += ap_uint<CONFIG::exp_bits + 1>(e);
                for (unsigned c = 0; c < CONFIG::dim; ++c)
                    sums[c] = (j == 0 ? ap_int<CONFIG::weighted>(0) : sums[c]) + e * v[best.index[j]][first + c];
            }
            const softmax_divisor<CONFIG> divisor(total, reciprocal_base, reciprocal_drop);
            const int places = divisor.places + shift[0].to_int();
        divide:
            for (unsigned c = 0; c < CONFIG::dim; ++c) {
                #pragma HLS PIPELINE II=1
                const ap_int<CONFIG::wide> product = sums[c] * divisor.inverse;
                y.data[(first + c) % lanes] = rescale<typename out_T::value_type>(product, places);
            }
            if ((first + CONFIG::dim) % lanes == 0) {
                y.last = n + 1 == count && h + 1 == CONFIG::heads;
                out.write(y);
            }
        }
    }
}

} // namespace gatewright

#endif
